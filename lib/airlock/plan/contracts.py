"""Contracts checked at compile time: what an operator promises against what the policy uses it for. Called by `bind`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airlock.operators import Operator
from airlock.policy.model import ColumnRule, KAnonymity, Policy
from airlock.policy.path import ColumnPath
from airlock.types import Classification

__all__ = ["contract_problems"]

_MOST_SHOWN = 4
"""Characters that `mask` may show of a direct identifier."""

Fault = tuple[str, str]
"""Where (a column's path, or a dotted key of the policy) and what."""


def contract_problems(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    """Every contract that the policy breaks: (column or key, message)."""
    rules = policy.rules()
    for path, rule in rules.items():
        operator = operators[path]
        yield from _class_faults(path, rule, operator)
        yield from _nesting_faults(path, rule, operator, rules)
        yield from _reference_faults(path, rule, operator)
    yield from _sink_faults(policy, operators)
    yield from _subject_faults(policy, operators)
    yield from _privacy_faults(policy)


def _class_faults(path: ColumnPath, rule: ColumnRule, operator: Operator) -> Iterator[Fault]:
    if rule.classification not in operator.contract.classes:
        allowed = ", ".join(sorted(operator.contract.classes))
        yield (
            str(path),
            (
                f"'{operator.name}' may not stand on a {rule.classification}; it takes {allowed}. A direct identifier takes "
                "drop, null, redact, pseudonymize or mask"
            ),
        )
    shown = getattr(operator, "shown", 0)
    if rule.classification is Classification.DIRECT_IDENTIFIER and shown > _MOST_SHOWN:
        yield str(path), f"'{operator.name}' shows {shown} characters of a direct identifier; at most {_MOST_SHOWN} may show"


def _nesting_faults(
    path: ColumnPath, rule: ColumnRule, operator: Operator, rules: Mapping[ColumnPath, ColumnRule]
) -> Iterator[Fault]:
    subtree = any(name in ("struct", "list", "map") for name in rule.type)
    if subtree and not operator.contract.subtree:
        yield str(path), f"'{operator.name}' can't cover a {rule.type[0]}; only drop and null can. Name each leaf"
    for other in rules:
        if other != path and path.covers(other):
            yield str(other), f"lies inside '{path}', which has a rule of its own; only one of them may stay"


def _reference_faults(path: ColumnPath, rule: ColumnRule, operator: Operator) -> Iterator[Fault]:
    if rule.references is None:
        return
    if not getattr(operator, "domain", None):
        yield str(path), f"references '{rule.references}' but '{operator.name}' is not joinable; use pseudonymize"
    dataset, _, column = rule.references.partition(".")
    if not dataset or not column:
        yield str(path), "references needs DATASET.COLUMN"


def _sink_faults(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    rules = policy.rules()
    for key, names in (("partition_by", policy.sink.partition_by), ("statistics", policy.sink.statistics)):
        for name in names:
            path = ColumnPath.parse(name)
            contract = operators[path].contract
            if contract.keyed or contract.subtree or rules[path].classification is Classification.DIRECT_IDENTIFIER:
                yield f"sink.{key}", f"'{name}' is {operators[path].name}d; only kept or generalized columns may stand here"
            if len(path.steps) > 1:
                yield f"sink.{key}", f"'{name}' is nested; only top-level columns may stand here"


def _subject_faults(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    path = ColumnPath.parse(policy.subject)
    if path.repeated:
        yield "subject", f"'{policy.subject}' can hold several values a row; a row is about one subject"
    model = policy.privacy.k_anonymity
    if isinstance(model, KAnonymity) and model.count == "subjects" and not operators[path].contract.injective:
        yield (
            "privacy.k_anonymity",
            (
                f"counts subjects, but '{policy.subject}' is {operators[path].name}: written subjects can't be told apart. "
                "Pseudonymize it, or count rows"
            ),
        )


def _privacy_faults(policy: Policy) -> Iterator[Fault]:
    quasi = [path for path, rule in policy.rules().items() if rule.classification is Classification.QUASI_IDENTIFIER]
    if isinstance(policy.privacy.k_anonymity, KAnonymity) and not quasi:
        yield "privacy.k_anonymity", "asks for k but no column is a quasi_identifier; classify them, or say {none: reason}"
