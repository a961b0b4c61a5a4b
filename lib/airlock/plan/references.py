"""`references: DATASET.COLUMN`: two tables join only if both policies give their columns the same pseudonyms. Called by `bind`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airlock.errors import JoinDomainError
from airlock.plan.contracts import Fault
from airlock.policy.load import parse_policy, policy_files
from airlock.policy.model import ColumnRule, Policy
from airlock.policy.path import ColumnPath
from airlock.policy.subjects import is_subject_key

__all__ = ["reference_problems"]


def reference_problems(policy: Policy, folder: Path) -> Iterator[Fault]:
    """Every reference that would not join.

    Args:
        policy: The policy with the references.
        folder: Where the other datasets' policies are: the same folder.
    """
    wanted = {text: rule for text, rule in policy.columns.items() if rule.references is not None}
    if not wanted:
        return
    others = {other.dataset: other for file in policy_files(folder) if (other := parse_policy(file).policy) is not None}
    for text, rule in wanted.items():
        dataset, _, column = str(rule.references).partition(".")
        other = others.get(dataset)
        if other is None:
            yield _fault(text, f"references '{rule.references}', but no valid policy in {folder} is of dataset '{dataset}'")
        elif column not in other.columns:
            yield _fault(text, f"references '{rule.references}', but the policy of '{dataset}' has no column '{column}'")
        else:
            differences = list(_differences(policy, rule, other, other.columns[column]))
            if column != other.subject and is_subject_key(policy, ColumnPath.parse(text), rule):
                yield _fault(
                    text,
                    f"stands in the subject's key domain, but '{rule.references}' is not the subject of '{dataset}' "
                    f"('{other.subject}' is): reference that, or give both columns a key domain of their own",
                )
            elif differences:
                yield _fault(text, f"would not join '{rule.references}': {'; '.join(differences)}")


def _fault(column: str, message: str) -> Fault:
    return Fault(("columns", column), message, JoinDomainError)


def _differences(policy: Policy, rule: ColumnRule, other: Policy, referred: ColumnRule) -> Iterator[str]:
    for what in ("recipient", "epoch"):
        mine, theirs = getattr(policy.keys, what), getattr(other.keys, what)
        if mine != theirs:
            yield f"{what} is {mine}, there {theirs}"
    if referred.operator.name != rule.operator.name:
        yield f"the operator is {rule.operator.name}, there {referred.operator.name}"
        return
    mine, theirs = _arguments(rule), _arguments(referred)
    yield from (
        f"{name} is {mine.get(name)}, there {theirs.get(name)}"
        for name in sorted({*mine, *theirs})
        if mine.get(name) != theirs.get(name)
    )
    domain = str(mine.get("domain"))
    here, there = policy.keys.domains.get(domain), other.keys.domains.get(domain)
    if mine.get("domain") == theirs.get("domain") and here != there:
        yield f"domain '{domain}' has another canonical form there"


def _arguments(rule: ColumnRule) -> dict[str, object]:
    return rule.operator.mapping("domain")
