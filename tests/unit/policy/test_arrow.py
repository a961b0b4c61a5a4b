"""Arrow types as policies write them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.policy.arrow import NESTED, parse_type, type_text

TYPES = [
    pa.null(), pa.bool_(), pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(),
    pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(16), pa.date32(), pa.date64(), pa.time32("ms"), pa.time64("ns"),
    pa.duration("us"), pa.timestamp("s"), pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("ms", "+02:00"),
    pa.decimal32(5, 2), pa.decimal64(12, 3), pa.decimal128(38, -3), pa.decimal256(50, 0),
]  # fmt: skip


@pytest.mark.parametrize("data_type", TYPES, ids=str)
def test_every_leaf_type_is_read_back(data_type):
    assert parse_type(type_text(data_type)) == data_type
    assert parse_type(str(data_type)) == data_type


@pytest.mark.parametrize("text", NESTED)
def test_a_subtree_has_whatever_inner_form(text):
    assert parse_type(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "text", "Int64", "int64 ", "timestamp", "timestamp[h]", "timestamp[us, tz=]", "decimal128(12)", "decimal128(99, 2)", "decimal128(0, 0)",
     "fixed_size_binary[-1]", "list<item: string>", "struct<a: int8>", "time32[us]"],
)  # fmt: skip
def test_what_is_no_type(text):
    with pytest.raises(ValueError, match="is not an Arrow type; examples: int64"):
        parse_type(text)


def test_spaces_may_be_left_out():
    assert parse_type("decimal128(12,2)") == pa.decimal128(12, 2)
    assert parse_type("timestamp[us,tz=UTC]") == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        (pa.dictionary(pa.int8(), pa.date32()), "date32"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.struct([("a", pa.int8())]), "struct"),
        (pa.map_(pa.string(), pa.int8()), "map"),
        (pa.list_(pa.int8()), "list"),
        (pa.large_list(pa.int8()), "list"),
        (pa.list_(pa.int8(), 3), "list"),
        (pa.float64(), "float64"),
    ],
)
def test_types_in_words(data_type, text):
    assert type_text(data_type) == text
