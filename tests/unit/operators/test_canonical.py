"""Canonical texts: each step against Python's own definition of it, chunk by chunk and over every layout."""

from __future__ import annotations

import itertools
import re
import unicodedata
import uuid
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.operators._base import RejectedValuesError
from airlock.operators._canonical import canonical_text, why_not
from airlock.policy.model import Canonical

TEXTS = st.lists(st.none() | st.text(max_size=12), max_size=12)


def made(values: list, *steps: Canonical, data_type: pa.DataType | None = None) -> list[str | None]:
    array = pa.array(values, data_type or pa.string())
    text = canonical_text(array, steps)
    text.validate(full=True)
    assert text.type == pa.large_string()
    assert text.is_null().equals(array.is_null())
    assert array.to_pylist() == pa.array(values, array.type).to_pylist()
    return text.to_pylist()


def rejected(values: list | pa.Array, *steps: Canonical, code: str = "not-canonical") -> list[bool]:
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    with pytest.raises(RejectedValuesError, match=f"values rejected: {code}") as caught:
        canonical_text(array, steps)
    assert caught.value.code == code
    assert isinstance(caught.value.mask, pa.BooleanArray)
    assert caught.value.mask.null_count == 0
    return caught.value.mask.to_pylist()


@pytest.mark.parametrize("steps", [[step] for step in Canonical if step not in (Canonical.UUID, Canonical.DATE)], ids=str)
def test_a_slice_has_the_texts_of_its_values(steps):
    """Arrow's cast of a slice keeps its first offset, over which some of its functions write wrong ones."""
    texts = ["12", "0034", "5"] if steps[0] in (Canonical.DECIMAL, Canonical.DIGITS) else ["Ab", "CD ", "eF"]
    whole = canonical_text(pa.array(texts), steps).to_pylist()
    assert canonical_text(pa.array(texts).slice(1), steps).to_pylist() == whole[1:]


@pytest.mark.parametrize("layout", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("count", range(3))
def test_casefold_of_slices_after_other_steps(layout: pa.DataType, count: int) -> None:
    values = ["", None, "A" * 60, "@AZ[`az{", " B ", "", None, "ZZ"]
    for before in itertools.permutations([Canonical.TRIM, Canonical.NFC, Canonical.LOWER, Canonical.UPPER], count):
        for start, length in ((0, 8), (1, 8), (2, 3), (1, 4), (7, 1), (8, 0)):
            text = canonical_text(pa.array(values, layout).slice(start, length), [*before, Canonical.CASEFOLD])
            text.validate(full=True)
            plain = canonical_text(pa.array(values[start : start + length], pa.string()), before).to_pylist()
            assert text.to_pylist() == [None if value is None else value.casefold() for value in plain]


@settings(max_examples=200, deadline=None)
@given(values=TEXTS, start=st.integers(0, 5))
def test_casefold_is_pythons(values: list[str | None], start: int) -> None:
    array = pa.array(values, pa.string()).slice(start)
    assert canonical_text(array, [Canonical.CASEFOLD]).to_pylist() == [
        None if value is None else value.casefold() for value in values[start:]
    ]


def test_casefold_where_lengths_change() -> None:
    values = ["Straße", None, "ﬃ", "", "İstanbul", "ΣΊΣΥΦΟΣ", "ascii", "ẞ", "K"]  # noqa: RUF100
    assert made(values, Canonical.CASEFOLD) == [None if v is None else v.casefold() for v in values]


def test_casefold_over_all_of_unicode() -> None:
    points = [chr(p) for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    assert made(points, Canonical.CASEFOLD) == [point.casefold() for point in points]


@settings(max_examples=100, deadline=None)
@given(values=TEXTS)
def test_nfc_is_pythons(values: list[str | None]) -> None:
    # Arrow's tables may be of an older Unicode than Python's: compare assigned, long-standing characters.
    values = [None if v is None else "".join(c for c in v if ord(c) < 0x3000) for v in values]
    assert made(values, Canonical.NFC) == [None if v is None else unicodedata.normalize("NFC", v) for v in values]


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.none() | st.from_regex(r"-?[0-9]{1,25}", fullmatch=True), max_size=10))
def test_decimal_is_the_integer_behind_the_digits(values: list[str | None]) -> None:
    assert made(values, Canonical.DECIMAL) == [None if v is None else str(int(v)) for v in values]


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", " 1", "1.0", "1e3", "٤٢", "0x1", "1-", "12a"])
def test_no_decimal(text: str) -> None:
    assert rejected(["7", None, text, "-8"], Canonical.DECIMAL) == [False, False, True, False]


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.none() | st.from_regex(r"[^0-9]{0,3}[0-9][0-9 ()+/é-]{0,9}", fullmatch=True), max_size=10))
def test_digits_are_the_ascii_ones(values: list[str | None]) -> None:
    assert made(values, Canonical.DIGITS) == [None if v is None else re.sub(r"[^0-9]", "", v) for v in values]


def test_no_digits_left() -> None:
    assert rejected(["n/a", None, "12", "", "٤٢"], Canonical.DIGITS) == [True, False, False, False, True]


@given(values=st.lists(st.uuids(), max_size=5))
def test_uuids_in_every_form(values: list[uuid.UUID]) -> None:
    for form in (str, lambda u: u.hex, lambda u: u.urn, lambda u: "{" + str(u).upper() + "}", lambda u: str(u).upper()):
        assert made([form(value) for value in values], Canonical.UUID) == [str(value) for value in values]


def test_no_uuids() -> None:
    good = str(uuid.UUID(int=5))
    assert rejected([good, good[:-1], good + "\n", "g" + good[1:], None], Canonical.UUID) == [False, True, True, True, False]


@given(values=st.lists(st.none() | st.dates(), max_size=8))
def test_dates_and_their_texts_are_one(values: list[date | None]) -> None:
    expected = [None if value is None else value.isoformat() for value in values]
    assert made(values, Canonical.DATE, data_type=pa.date32()) == expected
    assert made(expected, Canonical.DATE) == expected


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-2-3", "20260203", " 2026-02-03", "2026-02-03 ", "2026-13-01", "03.02.2026", ""]
)
def test_no_dates(text: str) -> None:
    assert rejected(["2026-02-03", None, text], Canonical.DATE) == [False, False, True]


def test_trim_lower_upper_in_the_order_given() -> None:
    values = ["\u00a0Ärger \t", None, "x"]
    assert made(values, Canonical.TRIM, Canonical.UPPER) == ["ÄRGER", None, "X"]
    assert made(values, Canonical.UPPER, Canonical.LOWER, Canonical.TRIM) == ["ärger", None, "x"]
    assert made(values) == values


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
DECIMALS = [pa.decimal32(9, 0), pa.decimal64(18, 0), pa.decimal128(38, 0), pa.decimal256(76, 0)]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]


@pytest.mark.parametrize("data_type", [*INTEGERS, *DECIMALS, *FLOATS], ids=str)
def test_every_kind_of_integer_has_one_text(data_type: pa.DataType) -> None:
    values = [0, 1, 42, None, 100]
    typed = [None if v is None else Decimal(v) if pa.types.is_decimal(data_type) else v for v in values]
    assert made(typed, Canonical.DECIMAL, data_type=data_type) == ["0", "1", "42", None, "100"]
    assert why_not(data_type, [Canonical.DECIMAL]) is None


def test_extremes() -> None:
    assert made([-(2**63), 2**63 - 1], data_type=pa.int64()) == [str(-(2**63)), str(2**63 - 1)]
    assert made([Decimal(10) ** 37], data_type=pa.decimal128(38, 0)) == [str(10**37)]
    assert made([-0.0, 2.0**53 - 1, -(2.0**53) + 1], data_type=pa.float64()) == ["0", str(2**53 - 1), str(1 - 2**53)]


def test_floats_that_are_no_whole_number() -> None:
    values = pa.array([1.0, 0.5, np.nan, np.inf, -np.inf, 2.0**53, None, -(2.0**53), 1e300], pa.float64())
    assert rejected(values) == [False, True, True, True, True, True, False, True, True]


def bad_text(values: list[bytes | None]) -> pa.Array:
    raw = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"ok", b"\xff", None, "é".encode()], [False, True, False, False]),
        ([b"a\xc3", b"\xa9b", b"c"], [True, True, False]),
        ([b"\xc3", b"", b"\xa9"], [True, False, True]),
        ([b"\xed\xa0\x80", "😀".encode()], [True, False]),
        ([b"\xf0\x9f\x98", "ß".encode(), b"", b"x\xe2\x82"], [True, False, False, True]),
    ],
)
def test_broken_text_is_rejected_value_by_value(values: list[bytes | None], expected: list[bool]) -> None:
    assert rejected(bad_text(values), code="not-utf8") == expected
    with_head = bad_text([b"\xff\xfe", *values])
    assert rejected(with_head.slice(1), Canonical.TRIM, code="not-utf8") == expected


@given(values=st.lists(st.binary(max_size=4), max_size=8))
def test_broken_text_is_what_python_calls_broken(values: list[bytes]) -> None:
    def broken(raw: bytes) -> bool:
        try:
            raw.decode()
        except UnicodeDecodeError:
            return True
        return False

    expected = [broken(value) for value in values]
    if any(expected):
        assert rejected(bad_text(values), code="not-utf8") == expected
    else:
        assert made([value.decode() for value in values]) == [value.decode() for value in values]


def test_what_lies_under_a_null_is_never_looked_at() -> None:
    raw = pa.array([b"\xff\xfe", "Äx".encode()], pa.binary())
    _, offsets, data = raw.buffers()
    values = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), offsets, data])
    for steps in ([], [Canonical.CASEFOLD], [Canonical.NFC, Canonical.LOWER], [Canonical.TRIM, Canonical.CASEFOLD]):
        assert canonical_text(values, steps).to_pylist()[0] is None
    assert canonical_text(values, [Canonical.CASEFOLD]).to_pylist() == [None, "äx"]


@settings(max_examples=50, deadline=None)
@given(
    values=TEXTS,
    cut=st.integers(0, 12),
    step=st.sampled_from([Canonical.TRIM, Canonical.NFC, Canonical.CASEFOLD, Canonical.LOWER]),
)
def test_chunks_do_not_matter(values: list[str | None], cut: int, step: Canonical) -> None:
    array = pa.array(values, pa.string())
    parts = [canonical_text(part, [step]).to_pylist() for part in (array.slice(0, cut), array.slice(cut))]
    assert canonical_text(array, [step]).to_pylist() == parts[0] + parts[1]


@pytest.mark.parametrize("step", list(Canonical))
def test_nothing_in_nothing_out(step: Canonical) -> None:
    assert made([], step) == []
    assert made([None, None], step) == [None, None]


def test_types_and_steps_that_do_not_fit() -> None:
    for data_type in (pa.bool_(), pa.timestamp("us"), pa.decimal128(12, 2), pa.decimal128(5, -2)):
        assert (
            why_not(data_type, [])
            == "only text, bytes, integers, decimals of scale 0, whole floats and dates have a canonical text"
        )
    assert (
        why_not(pa.date32(), [Canonical.DECIMAL, Canonical.UUID]) == "the canonical step decimal and uuid does not fit a date"
    )
    assert why_not(pa.date64(), [Canonical.DATE]) is None
    assert why_not(pa.binary(16), [Canonical.UUID]) is None
    assert why_not(pa.binary(), [Canonical.DIGITS]) == "the canonical step digits does not fit bytes"
    assert why_not(pa.int64(), [Canonical.DATE]) == "the canonical step date does not fit an integer"
    assert why_not(pa.string_view(), list(Canonical)) is None


def test_a_slice_of_capitals_is_folded_within_its_own_bytes() -> None:
    sliced = pa.array(["A" * 60, "@AZ[`az{", "B"], pa.string()).slice(1)
    assert canonical_text(sliced, [Canonical.CASEFOLD]).to_pylist() == ["@az[`az{", "b"]
