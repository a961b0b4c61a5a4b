"""The tree of a policy's paths, and the Arrow schema that it expects of a source. Called by `match`, `program` and `compile`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from airlock.policy.arrow import parse_type
from airlock.policy.model import ColumnRule
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step

__all__ = ["RuleNode", "expected_type", "nested_kind", "rule_tree", "type_at"]


@dataclass(slots=True)
class RuleNode:
    """One step of the policy's paths: a rule, or children by step, never both."""

    path: ColumnPath
    rule: ColumnRule | None = None
    children: dict[Step, RuleNode] = field(default_factory=dict)

    @property
    def optional(self) -> bool:
        """Whether everything below may be missing from a file."""
        if self.rule is not None:
            return self.rule.optional
        return all(child.optional for child in self.children.values())


def rule_tree(rules: Mapping[ColumnPath, ColumnRule]) -> dict[str, RuleNode]:
    """Top-level columns by name, in the policy's order."""
    root = RuleNode(ColumnPath(()))
    for path, rule in rules.items():
        node = root
        for step in path.steps:
            node = node.children.setdefault(step, RuleNode(node.path.child(step)))
        node.rule = rule
    return {str(name): node for name, node in root.children.items()}


def nested_kind(data_type: pa.DataType) -> str | None:
    """`struct`, `list`, `map`, or None for a leaf's type."""
    if pa.types.is_struct(data_type):
        return "struct"
    if pa.types.is_map(data_type):
        return "map"
    if pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type):
        return "list"
    return None


def type_at(schema: pa.Schema, path: ColumnPath) -> pa.DataType | None:
    """The type that a schema has at a path; None where it has nothing there."""
    if path.column not in schema.names:
        return None
    found = schema.field(path.column).type
    for step in path.steps[1:]:
        kind = nested_kind(found)
        if kind == "struct" and isinstance(step, str) and found.get_field_index(step) >= 0:
            found = found.field(step).type
        elif kind == "list" and step is ELEMENT:
            found = found.value_type
        elif kind == "map" and step in (KEY, VALUE):
            found = found.key_type if step is KEY else found.item_type
        else:
            return None
    return found


def expected_type(node: RuleNode) -> pa.DataType | None:
    """The type that the policy gives a column; None for a subtree of unknown inner form.

    The last type of a rule's list is the column's own; older files' types before it are cast to it.
    """
    if node.rule is not None:
        return parse_type(node.rule.type[-1])
    if ELEMENT in node.children:
        inner = expected_type(node.children[ELEMENT])
        return None if inner is None else pa.list_(inner)
    if KEY in node.children or VALUE in node.children:
        both = [expected_type(node.children[step]) if step in node.children else pa.string() for step in (KEY, VALUE)]
        return None if None in both else pa.map_(*both)
    fields = [(name, expected_type(child)) for name, child in node.children.items()]
    return pa.struct([pa.field(str(name), inner) for name, inner in fields if inner is not None])
