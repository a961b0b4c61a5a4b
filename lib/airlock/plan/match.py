"""A source's schema against a policy's tree: drift is an error that shows the lines to paste. Called by `compile`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

import pyarrow as pa

from airlock.errors import ChangedTypeError, DriftError, MissingColumnError, UnclassifiedColumnError
from airlock.plan.tree import RuleNode, nested_kind
from airlock.policy.arrow import NESTED, parse_type, type_text
from airlock.policy.lines import rule_line
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step
from airlock.policy.unlisted import MOST_SAID, Unlisted, paste_lines, said_once

__all__ = ["Drift", "drift_error", "match_schema"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between source and policy.

    Attributes:
        path: Where; of a column without a rule it may be data, so no message shows it.
        message: May be shown.
        paste: The rule to change or remove.
        unlisted: A column without a rule, as far as it may be shown.
    """

    kind: type[DriftError]
    path: str = field(repr=False)
    message: str
    paste: str = ""
    unlisted: Unlisted | None = None


def match_schema(
    tree: Mapping[str, RuleNode], schema: pa.Schema, *, partitions: frozenset[str], drop_unlisted: bool
) -> Iterator[Drift]:
    """Every difference between one file's schema (partition columns apart) and the policy."""
    actual = {field.name: field.type for field in schema}
    known = [str(leaf) for node in tree.values() for leaf in _leaves(node)]
    for name, data_type in actual.items():
        if name in tree:
            yield from _match(tree[name], data_type, known, drop_unlisted=drop_unlisted)
        elif not drop_unlisted:
            yield from _unclassified(ColumnPath((name,)), data_type, known)
    for name in sorted(partitions - set(tree)):
        if not drop_unlisted:
            yield from _unclassified(ColumnPath((name,)), pa.string(), known)
    for name, node in tree.items():
        if name not in actual and name not in partitions and not node.optional:
            yield from map(_missing, _required(node))


def _required(node: RuleNode) -> Iterator[RuleNode]:
    """The rules at or below a node whose columns may not be missing."""
    if node.rule is not None and not node.rule.optional:
        yield node
    for child in node.children.values():
        yield from _required(child)


def _leaves(node: RuleNode) -> Iterator[ColumnPath]:
    if node.rule is not None:
        yield node.path
    for child in node.children.values():
        yield from _leaves(child)


def _match(node: RuleNode, actual: pa.DataType, known: list[str], *, drop_unlisted: bool) -> Iterator[Drift]:
    if node.rule is not None:
        yield from _match_rule(node, actual)
        return
    inside = _inside(node, actual)
    if inside is None:
        expected = ", ".join(f"'{child.path}'" for child in node.children.values())
        message = f"'{node.path}' is now {type_text(actual)}; the policy has rules for {expected}"
        yield Drift(ChangedTypeError, str(node.path), message)
        return
    for step, data_type in inside.items():
        if step in node.children:
            yield from _match(node.children[step], data_type, known, drop_unlisted=drop_unlisted)
        elif not drop_unlisted or not isinstance(step, str):
            yield from _unclassified(node.path.child(step), data_type, known)
    for step, child in node.children.items():
        if step not in inside and not child.optional:
            yield from map(_missing, _required(child))


def _inside(node: RuleNode, actual: pa.DataType) -> dict[Step, pa.DataType] | None:
    """What the source has one step further in; None where the policy's steps are of another kind."""
    kind, steps = nested_kind(actual), set(node.children)
    if kind == "struct" and not {ELEMENT, KEY, VALUE} & steps:
        return {actual.field(i).name: actual.field(i).type for i in range(actual.num_fields)}
    if kind == "list" and steps == {ELEMENT}:
        return {ELEMENT: actual.value_type}
    if kind == "map" and steps <= {KEY, VALUE}:
        return {KEY: actual.key_type, VALUE: actual.item_type}
    return None


def _match_rule(node: RuleNode, actual: pa.DataType) -> Iterator[Drift]:
    rule = node.rule
    assert rule is not None
    found = type_text(actual)
    if found not in rule.type and not any(parse_type(name) == actual for name in rule.type if name not in NESTED):
        expected = " or ".join(rule.type)
        paste = f"  {rule_line(str(node.path), rule.model_copy(update={'type': (found,)}))}" if found not in NESTED else ""
        yield Drift(ChangedTypeError, str(node.path), f"'{node.path}' is {found}; the policy says {expected}", paste)


def _missing(node: RuleNode) -> Drift:
    path, rule = str(node.path), node.rule
    assert rule is not None
    message = f"the policy has a rule for '{path}' ({' or '.join(rule.type)}), which the source does not have"
    return Drift(MissingColumnError, path, message, f"  {rule_line(path, rule.model_copy(update={'optional': True}))}")


def _unclassified(path: ColumnPath, data_type: pa.DataType, known: list[str]) -> Iterator[Drift]:
    unlisted = Unlisted.of(path, type_text(data_type))
    near = [] if unlisted.hidden else get_close_matches(str(path), known, n=1, cutoff=0.5)
    hint = f"; nearest rule: '{near[0]}'" if near else ""
    yield Drift(UnclassifiedColumnError, str(path), f"no rule for {unlisted}{hint}", unlisted=unlisted)


def drift_error(drifts: list[Drift], *, dataset: str, where: str) -> DriftError:
    """One error for all differences; its class is that of the first. At most `MOST_SAID` are told one by one."""
    unique = list(dict.fromkeys(drifts))
    # Names that may be data come last: they say least.
    said = sorted(unique, key=lambda drift: drift.unlisted is not None and drift.unlisted.hidden)[:MOST_SAID]
    lines = [f"policy '{dataset}' does not describe '{where}': {len(unique)} difference{'s' if len(unique) > 1 else ''}."]
    lines += [f"- {message}" for message in said_once(drift.message for drift in said)]
    if len(unique) > MOST_SAID:
        lines.append(f"- and {len(unique) - MOST_SAID} more")
    lines += _to_paste(said)
    shown = [drift.path if drift.unlisted is None else drift.unlisted.path for drift in said]
    return unique[0].kind("\n".join(lines), paths=shown)


def _to_paste(said: list[Drift]) -> Iterator[str]:
    for kind, heading in (
        (ChangedTypeError, "If that is right, change to:"),
        (MissingColumnError, "If they are gone for good, remove the rule; if some files lack them, say optional: true:"),
    ):
        pastes = [drift.paste for drift in said if drift.kind is kind and drift.paste]
        if pastes:
            yield heading
            yield from pastes
    yield from paste_lines(drift.unlisted for drift in said if drift.unlisted is not None)
