"""An Arrow schema as evidence: names, types in full, nullability. Written by the inner door, compared by the outer one and verify."""

from __future__ import annotations

import json

import pyarrow as pa
from pydantic.dataclasses import dataclass

from airlock.evidence._strict import STRICT, Record
from airlock.policy.arrow import type_text

__all__ = ["SchemaField", "schema_fields"]


@dataclass(frozen=True, config=STRICT)
class SchemaField(Record):
    """One top-level column: its type is spelt out to the leaves, dictionary encoding left out."""

    name: str
    type: str
    nullable: bool


def schema_fields(schema: pa.Schema) -> tuple[SchemaField, ...]:
    """The schema's columns in order. Metadata is not part of it.

    Example:
        >>> inner = pa.struct([pa.field("kind", pa.string(), nullable=False)])
        >>> schema_fields(pa.schema([("phones", pa.list_(inner))]))[0].type
        'list<struct<"kind": string not null>>'
    """
    return tuple(SchemaField(field.name, _text(field.type), field.nullable) for field in schema)


def _text(data_type: pa.DataType) -> str:
    if pa.types.is_dictionary(data_type):
        return _text(data_type.value_type)
    if pa.types.is_struct(data_type):
        return f"struct<{', '.join(f'{json.dumps(field.name, ensure_ascii=False)}: {_nested(field)}' for field in data_type)}>"
    if pa.types.is_map(data_type):
        return f"map<{_nested(data_type.key_field)}, {_nested(data_type.item_field)}>"
    if pa.types.is_fixed_size_list(data_type):
        return f"list[{data_type.list_size}]<{_nested(data_type.value_field)}>"
    if pa.types.is_list(data_type) or pa.types.is_large_list(data_type):
        large = "large_" if pa.types.is_large_list(data_type) else ""
        return f"{large}list<{_nested(data_type.value_field)}>"
    return type_text(data_type)


def _nested(field: pa.Field) -> str:
    return _text(field.type) + ("" if field.nullable else " not null")
