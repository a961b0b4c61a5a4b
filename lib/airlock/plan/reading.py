"""What to read of a source: the pruned raw schema that tasks ask for. Dropped columns are not fetched. Called by `compile`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airlock.errors import MissingColumnError, PolicyError
from airlock.operators import Operator
from airlock.plan.tree import RuleNode, nested_kind, type_at
from airlock.policy.arrow import parse_type
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step

__all__ = ["Reading", "plan_reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The raw schema to read, and what may be there but is not read.

    Attributes:
        schema: Needed columns only, structs pruned, leaves in the policy's own type.
        ignored: Paths of dropped columns and subtrees.
    """

    schema: pa.Schema
    ignored: tuple[str, ...]


def plan_reading(
    tree: Mapping[str, RuleNode],
    operators: Mapping[ColumnPath, Operator],
    *,
    actual: pa.Schema | None,
    needed: Iterable[ColumnPath],
) -> Reading:
    """Prune the source to what is written or looked at.

    Args:
        tree: The policy's columns.
        operators: By rule path.
        actual: The source's schema; None where the format has none (JSON lines, CSV).
        needed: Dropped leaves that other columns' operators look at.
    """
    wanted = tuple(needed)
    fields = []
    for name, node in tree.items():
        found = actual.field(name).type if actual is not None and name in actual.names else None
        data_type = _type(node, found, operators, wanted)
        if data_type is not None:
            fields.append(pa.field(name, data_type))
    dropped = tuple(str(path) for path in _dropped(tree.values(), operators) if path not in wanted)
    return Reading(pa.schema(fields), dropped)


def _dropped(nodes: Iterable[RuleNode], operators: Mapping[ColumnPath, Operator]) -> Iterator[ColumnPath]:
    for node in nodes:
        if node.rule is not None and operators[node.path].name == "drop":
            yield node.path
        yield from _dropped(node.children.values(), operators)


def _type(
    node: RuleNode, found: Any, operators: Mapping[ColumnPath, Operator], needed: tuple[ColumnPath, ...]
) -> pa.DataType | None:
    if node.rule is None:
        return _nested(node, found, operators, needed)
    own = parse_type(node.rule.type[-1])
    if operators[node.path].name != "drop":
        if own is None and found is None:
            raise PolicyError(f"'{node.path}' is a subtree of unknown form here; only drop can cover it")
        return found if own is None else own
    below = [path for path in needed if node.path.covers(path)]
    if not below:
        return None
    return own if own is not None else _picked(node.path, found, below)


def _nested(
    node: RuleNode, found: Any, operators: Mapping[ColumnPath, Operator], needed: tuple[ColumnPath, ...]
) -> pa.DataType | None:
    kind = nested_kind(found) if found is not None else None
    children = node.children
    if ELEMENT in children:
        inner = _type(children[ELEMENT], found.value_type if kind == "list" else None, operators, needed)
        return None if inner is None else pa.list_(inner)
    if KEY in children or VALUE in children:
        key = (
            _type(children[KEY], found.key_type if kind == "map" else None, operators, needed)
            if KEY in children
            else pa.string()
        )
        item = (
            _type(children[VALUE], found.item_type if kind == "map" else None, operators, needed) if VALUE in children else None
        )
        return None if key is None or item is None else pa.map_(key, item)
    fields = []
    for step, child in children.items():
        there = found.field(str(step)).type if kind == "struct" and found.get_field_index(str(step)) >= 0 else None
        inner = _type(child, there, operators, needed)
        if inner is not None:
            fields.append(pa.field(str(step), inner))
    return pa.struct(fields) if fields else None


def _picked(path: ColumnPath, found: Any, below: list[ColumnPath]) -> pa.DataType:
    """Of a dropped subtree, only the leaves that something looks at: text where the source's form is not known."""
    if any(inner == path for inner in below):
        if found is not None and nested_kind(found) is not None:
            raise PolicyError(f"'{path}' is looked at, but it is a {nested_kind(found)} here. Name the leaves inside it")
        return found if found is not None else pa.string()
    steps = list(dict.fromkeys(inner.steps[len(path.steps)] for inner in below))
    inside = {step: _inside(path, found, step, below) for step in steps}
    if steps == [ELEMENT]:
        return pa.list_(inside[ELEMENT])
    if set(steps) <= {KEY, VALUE}:
        key, item = (inside.get(step) or _other_side(found, step) for step in (KEY, VALUE))
        return pa.map_(key, item)
    if not all(isinstance(step, str) for step in steps):
        raise PolicyError(f"other columns look at fields of '{path}' and at its elements; it can't have both")
    return pa.struct([pa.field(str(step), inner) for step, inner in inside.items()])


def _inside(path: ColumnPath, found: Any, step: Step, below: list[ColumnPath]) -> pa.DataType:
    child = path.child(step)
    there = None if found is None else type_at(pa.schema([pa.field("at", found)]), ColumnPath(("at", step)))
    if found is not None and there is None:
        raise MissingColumnError(f"other columns look at '{child}', which the source does not have. Correct known_values")
    return _picked(child, there, [inner for inner in below if child.covers(inner)])


def _other_side(found: Any, step: Step) -> pa.DataType:
    """A map is read whole: the side that nobody looks at has the source's type."""
    if found is None:
        return pa.string()
    return found.key_type if step is KEY else found.item_type
