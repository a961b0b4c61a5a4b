"""Which columns tell who occurs how often because they are there to: the subject's own, and keys to another dataset's subject.

Called by both doors, which count every other pseudonym's frequencies.
"""

from __future__ import annotations

from airlock.policy.formats import leaf_specs
from airlock.policy.model import ColumnRule, Policy
from airlock.policy.path import ColumnPath

__all__ = ["is_subject_key"]


def is_subject_key(policy: Policy, path: ColumnPath, rule: ColumnRule) -> bool:
    """Whether the column is the policy's subject, or stands in the subject's key domain and `references` a dataset's column.

    That this column is a subject there is for the plan to check: the gate has one policy at a time. A reference within the dataset
    itself counts for the subject alone.
    """
    subject = ColumnPath.parse(policy.subject)
    if path == subject:
        return True
    if rule.references is None:
        return False
    dataset, _, column = rule.references.partition(".")
    if dataset == policy.dataset and column != policy.subject:
        return False
    domains = _domains(rule)
    return None not in domains and domains == _domains(policy.rules()[subject])


def _domains(rule: ColumnRule) -> set[object]:
    return {spec.mapping("domain").get("domain") for spec in leaf_specs(rule.operator)}
