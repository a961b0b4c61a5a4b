"""Schemas as evidence: spelt out to the leaves."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.evidence.schema import SchemaField, schema_fields


def _one(data_type):
    return schema_fields(pa.schema([pa.field("x", data_type)]))[0].type


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        (pa.date32(), "date32"),
        (pa.timestamp("us", "UTC"), "timestamp[us, tz=UTC]"),
        (pa.decimal128(12, 2), "decimal128(12, 2)"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.list_(pa.float64()), "list<float64>"),
        (pa.large_list(pa.date32()), "large_list<date32>"),
        (pa.list_(pa.int8(), 3), "list[3]<int8>"),
        (pa.map_(pa.string(), pa.int64()), "map<string not null, int64>"),
        (pa.struct([("a, b: int8", pa.int8()), ("é", pa.list_(pa.string()))]), 'struct<"a, b: int8": int8, "é": list<string>>'),
    ],
)
def test_types_are_spelt_out(data_type, text):
    assert _one(data_type) == text


def test_order_and_nullability_count_and_metadata_does_not():
    plain = pa.schema([pa.field("a", pa.int8(), nullable=False), pa.field("b", pa.string())])
    assert schema_fields(plain) == (SchemaField("a", "int8", nullable=False), SchemaField("b", "string", nullable=True))
    assert schema_fields(plain.with_metadata({"k": "v"})) == schema_fields(plain)
    assert schema_fields(pa.schema(list(plain)[::-1])) != schema_fields(plain)


def test_names_of_list_elements_do_not_count():
    assert _one(pa.list_(pa.field("item", pa.int8()))) == _one(pa.list_(pa.field("element", pa.int8())))
