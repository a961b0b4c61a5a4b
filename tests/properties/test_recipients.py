"""What two recipients get from one root does not join: their outputs match at chance level, which at 128 bits is never."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from airlock.keys import FileKeyRing, Permit, create_root_file
from airlock.operators import RowOperator, operator_class

COUNT = 100_000

SMALL = [
    ("pseudonymize", {"domain": "d", "form": "int32"}, 2**30),
    ("fpe", {"domain": "d", "length": 6}, 10**6),
    ("surrogate", {"domain": "d", "kind": "full_name"}, 690_000),
]
"""Forms of which there are so few that chance makes pairs: how many different ones."""

DECLARATIONS = [
    ("pseudonymize", {"domain": "d"}),
    ("pseudonymize", {"domain": "d", "bits": 96, "form": "base32"}),
    ("pseudonymize", {"domain": "d", "form": "uuid"}),
    ("pseudonymize", {"domain": "d", "form": "int64"}),
    ("hmac", {"domain": "d"}),
    ("hmac", {"domain": "d", "bits": 128}),
    ("encrypt", {"domain": "d"}),
    ("encrypt_random", {"domain": "d"}),
]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> FileKeyRing:
    path = Path(tmp_path_factory.mktemp("keys"), "root.json")
    create_root_file(path, [1, 2])
    return FileKeyRing(path)


@pytest.mark.parametrize(("name", "arguments"), DECLARATIONS, ids=str)
def test_two_recipients_outputs_do_not_join(ring: FileKeyRing, name: str, arguments: dict) -> None:
    operator = operator_class(name).from_dict(
        arguments | ({"canonical": ["decimal"]} if arguments.get("form") == "int64" else {})
    )
    values = pa.array(np.arange(COUNT)).cast(pa.string())

    def made(recipient: str, epoch: int = 1) -> pa.Array:
        permit = Permit("0" * 64, time.time() + 60)
        keys = ring.subkeys(operator.requests(), recipient=recipient, epoch=epoch, permit=permit, run="run-1")
        return operator.kernel(pa.field("c", pa.string()), keys)(values)

    mine = made("a")
    assert len(pc.unique(mine)) == COUNT
    for theirs in (made("b"), made("a", epoch=2)):
        assert pc.is_in(mine, value_set=theirs).true_count == 0
    # The same comparison finds everything where everything joins.
    joined = pc.is_in(mine, value_set=made("a")).true_count
    assert joined == (COUNT if operator.contract.deterministic else 0)


@pytest.mark.parametrize(("name", "arguments", "forms"), SMALL, ids=str)
def test_where_there_are_few_forms_a_person_is_matched_no_more_often_than_by_chance(
    ring: FileKeyRing, name: str, arguments: dict, forms: int
) -> None:
    operator = operator_class(name).from_dict(arguments | ({"canonical": ["decimal"]} if name == "pseudonymize" else {}))
    values = pa.array([f"{number:06}" for number in range(COUNT)])
    rows = pa.StructArray.from_arrays([values], ["value"]) if isinstance(operator, RowOperator) else values

    def made(recipient: str, epoch: int = 1) -> pa.Array:
        permit = Permit("0" * 64, time.time() + 60)
        keys = ring.subkeys(operator.requests(), recipient=recipient, epoch=epoch, permit=permit, run="run-1")
        return operator.kernel(pa.field("c", pa.string()), keys)(rows)

    mine = made("a")
    for theirs in (made("b"), made("a", epoch=2)):
        same = pc.equal(mine, theirs).true_count
        expected = COUNT / forms
        assert same <= expected + 6 * expected**0.5 + 3
        # A join on the form finds pairs, and nearly all of them are of two persons.
        pairs = pa.table({"token": mine, "a": range(COUNT)}).join(
            pa.table({"token": theirs, "b": range(COUNT)}), "token", join_type="inner"
        )
        assert pc.equal(pairs["a"], pairs["b"]).combine_chunks().true_count == same
    assert pc.equal(mine, made("a")).true_count == COUNT
