"""Conditions of `when` and `first_match`, against their meaning row by row."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from airlock.errors import OperatorTypeError
from airlock.keys import SubKeys
from airlock.operators.first_match import FirstMatch

KINDS = ["home", "work", "else", None]
NUMBERS = [1, 2, None]
CASES = [
    {"column": "kind", "null": True, "then": {"redact": {"with": "a"}}},
    {"column": "kind", "in": ["work"], "then": {"redact": {"with": "b"}}},
    {"column": "number", "not_in": ["1"], "then": {"redact": {"with": "c"}}},
    {"column": "kind", "not_in": ["home", "work"], "then": {"redact": {"with": "d"}}},
    {"column": "number", "null": False, "then": {"redact": {"with": "e"}}},
]


def meant(kind: str | None, number: int | None) -> str:
    if kind is None:
        return "a"
    if kind == "work":
        return "b"
    if number is not None and number != 1:
        return "c"
    if kind != "home":
        return "d"
    return "f" if number is None else "e"


def test_the_first_that_holds_decides() -> None:
    rows = [(kind, number) for kind in KINDS for number in NUMBERS]
    rows = [rows[at] for at in np.random.default_rng(0).integers(0, len(rows), 200).tolist()]
    kinds, numbers = (
        pa.array(list(column), kind) for column, kind in zip(zip(*rows, strict=True), (pa.string(), pa.int64()), strict=True)
    )
    kernel = FirstMatch.from_dict({"cases": CASES, "otherwise": {"redact": {"with": "f"}}}).kernel(
        pa.field("x", pa.string()), SubKeys({}, {})
    )
    columns = [pa.array(["x"] * len(rows)), kinds, numbers]
    made = kernel(pa.StructArray.from_arrays(columns, ["value", "kind", "number"]))
    assert made.to_pylist() == [meant(*row) for row in rows]
    assert len(kernel(pa.StructArray.from_arrays([column.slice(0, 0) for column in columns], ["value", "kind", "number"]))) == 0


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(16)], ids=str)
def test_bytes_are_compared_with_nothing(kind: pa.DataType) -> None:
    case = {"column": "kind", "in": ["a"], "then": {"redact": {}}}
    operator = FirstMatch.from_dict({"cases": [case], "otherwise": {"redact": {}}})
    with pytest.raises(OperatorTypeError, match="conditions are on text, numbers, dates and booleans"):
        operator.require_inputs({"value": pa.string(), "kind": kind})


@pytest.mark.parametrize(
    ("kind", "text", "other"),
    [(pa.decimal128(5, 2), "10.5", "10.50"), (pa.decimal64(5, 2), "10", "10.0"), (pa.float64(), "10.5", "10.50")],
    ids=str,
)
def test_numbers_are_listed_in_their_shortest_form(kind: pa.DataType, text: str, other: str) -> None:
    def matching(listed: str) -> FirstMatch:
        case = {"column": "n", "in": [listed], "then": {"redact": {"with": "yes"}}}
        return FirstMatch.from_dict({"cases": [case], "otherwise": {"redact": {"with": "no"}}})

    matching(text).require_inputs({"value": pa.string(), "n": kind})
    rows = [pa.array(["x"] * 3), pa.array([Decimal(text), Decimal("100.5"), None], pa.decimal128(5, 2)).cast(kind)]
    kernel = matching(text).kernel(pa.field("x", pa.string()), SubKeys({}, {}))
    assert kernel(pa.StructArray.from_arrays(rows, ["value", "n"])).to_pylist() == ["yes", "no", "no"]
    with pytest.raises(OperatorTypeError, match=f"such a value is written '{text}'"):
        matching(other).require_inputs({"value": pa.string(), "n": kind})


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string(), pa.large_string(), pa.string_view()], ids=str
)
@pytest.mark.parametrize(
    "otherwise", [{"encrypt": {"domain": "other"}}, {"keep": {"reason": "a test"}}], ids=["encrypt", "keep"]
)
def test_columns_of_every_layout_are_parted(kind: pa.DataType, otherwise: dict) -> None:
    then = {"encrypt": {"domain": "one"}} if "encrypt" in otherwise else {"keep": {"reason": "another"}}
    choice = FirstMatch.from_dict({"cases": [{"column": "kind", "in": ["work"], "then": then}], "otherwise": otherwise})
    keys = SubKeys({request: bytes([number]) * 64 for number, request in enumerate(choice.requests())}, {})
    field = pa.field("x", kind)
    values, kinds = pa.array([b"a", b"bc", None, b"d", b"e"], kind).slice(1), pa.array(["work", None, "home", "work"])
    made = choice.kernel(field, keys)(pa.StructArray.from_arrays([values, kinds], ["value", "kind"]))
    alone = [one.kernel(field, keys)(values) for one in choice.operators]
    assert made.type == choice.result_field(field).type
    assert made.to_pylist() == [alone[0 if kind == "work" else 1][at].as_py() for at, kind in enumerate(kinds.to_pylist())]
