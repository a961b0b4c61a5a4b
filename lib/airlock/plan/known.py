"""Which raw values of a row the inner door looks for in what it writes, and where. Called by `compile` and `engines.residue`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from airlock.operators import Operator, RowOperator
from airlock.plan.tree import nested_kind, type_at
from airlock.policy.arrow import parse_type
from airlock.policy.formats import output_of
from airlock.policy.model import Policy
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath
from airlock.types import Classification

__all__ = ["identifier_paths", "looked_at", "open_text"]


def open_text(policy: Policy) -> tuple[ColumnPath, ...]:
    """Written text leaves whose declared form leaves room for anything: where a row's own identifiers could stand."""
    found = []
    for path, rule in policy.rules().items():
        made = output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped)
        if made.type is not None and _is_text(made.type) and not made.shape.closed:
            found.append(path)
    return tuple(found)


def identifier_paths(policy: Policy, schema: pa.Schema | None) -> tuple[ColumnPath, ...]:
    """Every raw leaf that is a direct identifier; of dropped subtrees the text leaves, as far as `schema` shows them."""
    found: list[ColumnPath] = []
    for path, rule in policy.rules().items():
        if rule.classification is not Classification.DIRECT_IDENTIFIER:
            continue
        own = parse_type(rule.type[-1])
        if own is None:
            below = None if schema is None else type_at(schema, path)
            found.extend(_text_leaves(path, below) if below is not None else ())
        elif not _is_binary(own):
            # Bytes are no text that could stand in a cell, and may be megabytes a row.
            found.append(path)
    return tuple(found)


def looked_at(policy: Policy, operators: Mapping[ColumnPath, Operator], schema: pa.Schema | None) -> tuple[ColumnPath, ...]:
    """Raw leaves to read although they may not be written: operators' inputs, identifiers to look for, the subject."""
    inputs = [path for operator in operators.values() if isinstance(operator, RowOperator) for path in operator.inputs]
    paths = [ColumnPath.parse(text) for text in inputs]
    if open_text(policy):
        paths += identifier_paths(policy, schema)
    if policy.source.exclude is not None:
        paths.append(ColumnPath.parse(policy.subject))
    return tuple(dict.fromkeys(paths))


def _is_binary(data_type: pa.DataType) -> bool:
    return data_type in (pa.binary(), pa.large_binary(), pa.binary_view()) or pa.types.is_fixed_size_binary(data_type)


def _is_text(data_type: pa.DataType) -> bool:
    return data_type in (pa.string(), pa.large_string(), pa.string_view())


def _text_leaves(path: ColumnPath, data_type: pa.DataType) -> Iterator[ColumnPath]:
    kind = nested_kind(data_type)
    if kind == "struct":
        for i in range(data_type.num_fields):
            field = data_type.field(i)
            yield from _text_leaves(path.child(field.name), field.type)
    elif kind == "list":
        yield from _text_leaves(path.child(ELEMENT), data_type.value_type)
    elif kind == "map":
        yield from _text_leaves(path.child(KEY), data_type.key_type)
        yield from _text_leaves(path.child(VALUE), data_type.item_type)
    elif _is_text(data_type):
        yield path
