"""From proposals for leaves to rules for a table: dropped subtrees become one rule, free text learns the row's own values.

Called by `propose`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step
from airlock.policy.profile import ColumnProfile
from airlock.policy.propose_rules import Proposal, propose_rule
from airlock.types import Classification

__all__ = ["domains_of", "missing_rules", "propose_rules"]

_GRAVEST_FIRST = tuple(Classification)


def propose_rules(profiles: Sequence[ColumnProfile], *, dataset: str) -> dict[str, Proposal]:
    """A rule for every column of a table, by path, in the profiles' order.

    Args:
        profiles: All leaves of the table.
        dataset: Its name; the key domain of a column that is just called `id`.
    """
    return _rules(profiles, profiles, dataset, ())


def missing_rules(profiles: Sequence[ColumnProfile], *, present: Collection[ColumnPath], dataset: str) -> dict[str, Proposal]:
    """Rules for what `present` does not cover. No rule of the result covers one that is present.

    Args:
        profiles: All leaves of the table, those with a rule included.
        present: The paths that have a rule.
        dataset: The table's name.
    """
    new = [leaf for leaf in profiles if not any(path.covers(leaf.path) for path in present)]
    return _rules(new, profiles, dataset, present)


def _rules(
    chosen: Sequence[ColumnProfile], profiles: Sequence[ColumnProfile], dataset: str, present: Collection[ColumnPath]
) -> dict[str, Proposal]:
    leaves = {leaf.path: propose_rule(leaf) for leaf in profiles}
    known = [str(path) for path, found in leaves.items() if found.repeated_in_text and _at_most_one_list(path)]
    root = _Node(ColumnPath(()))
    for profile in chosen:
        root.add(profile.path, _finished(leaves[profile.path], known, dataset))
    collapsed = (rule for child in root.children.values() for rule in _collapsed(child, present))
    return {str(path): found for path, found in _apart(collapsed)}


def _at_most_one_list(path: ColumnPath) -> bool:
    insides = [step for step in path.steps if not isinstance(step, str)]
    return insides in ([], [ELEMENT])


def _finished(found: Proposal, known: list[str], dataset: str) -> Proposal:
    if found.operator == "redact_entities" and known:
        return replace(found, arguments={**found.arguments, "known_values": known})
    if found.arguments.get("domain") == "id":
        return replace(found, arguments={**found.arguments, "domain": dataset})
    return found


def _apart(rules: Iterator[tuple[ColumnPath, Proposal]]) -> Iterator[tuple[ColumnPath, Proposal]]:
    """Columns of one domain have one canonical form: another form gets a domain of its own."""
    forms: dict[str, tuple[str, ...]] = {}
    for path, found in rules:
        wanted = found.arguments.get("domain")
        if wanted is None:
            yield path, found
            continue
        name, number = wanted, 1
        while forms.setdefault(name, found.canonical) != found.canonical:
            number += 1
            name = f"{wanted}-{number}"
        yield path, replace(found, arguments={**found.arguments, "domain": name})


@dataclass(slots=True)
class _Node:
    path: ColumnPath
    found: Proposal | None = None
    children: dict[Step, _Node] = field(default_factory=dict)

    def add(self, path: ColumnPath, found: Proposal) -> None:
        node = self
        for step in path.steps:
            node = node.children.setdefault(step, _Node(node.path.child(step)))
        node.found = found


def _collapsed(node: _Node, present: Collection[ColumnPath]) -> list[tuple[ColumnPath, Proposal]]:
    """The node's rules; one rule where nothing of it would be left: no file can hold an empty struct, list or map."""
    if node.found is not None:
        return [(node.path, node.found)]
    inner = {step: _collapsed(child, present) for step, child in node.children.items()}
    gone = {
        step: len(rules) == 1 and rules[0][0] == node.path.child(step) and rules[0][1].operator == "drop"
        for step, rules in inner.items()
    }
    in_map = bool(inner.keys() & {KEY, VALUE})
    protected = any(node.path.covers(path) for path in present)
    rules = [rule for part in inner.values() for rule in part]
    if protected or not (any(gone.values()) if in_map else all(gone.values())):
        return rules
    return [(node.path, _whole(node, [found for _, found in rules]))]


def _whole(node: _Node, parts: list[Proposal]) -> Proposal:
    kind = "map" if node.children.keys() & {KEY, VALUE} else "list" if ELEMENT in node.children else "struct"
    gravest = min((part.classification for part in parts), key=_GRAVEST_FIRST.index)
    if len(parts) == 1:
        return Proposal(type=kind, classification=gravest, operator="drop", why=parts[0].why)
    why = "a map whose keys or values are dropped" if kind == "map" else f"{len(parts)} fields, all dropped"
    return Proposal(type=kind, classification=gravest, operator="drop", why=why)


def domains_of(rules: Mapping[str, Proposal]) -> dict[str, tuple[str, ...]]:
    """The key domains that rules need, with their canonical forms."""
    return {found.arguments["domain"]: found.canonical for found in rules.values() if "domain" in found.arguments}
