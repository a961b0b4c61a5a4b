"""The staged schema against the policy: the same leaves, of the declared types, in the policy's order, in every file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from airlock.errors import SchemaMismatchError
from airlock.evidence.schema import SchemaField, schema_fields
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate.leaves import Leaf, schema_leaves
from airlock.gate.rules import GateRules
from airlock.policy.arrow import type_text
from airlock.policy.pictures import picture

__all__ = ["SchemaCheck", "SchemaPart", "schema_part"]

_TYPE = re.compile(r"[A-Za-z0-9_\[\](), =/+-]{1,60}")


@dataclass(frozen=True, slots=True)
class SchemaPart:
    """What is wrong with the schemas met, and which schemas those are."""

    problems: frozenset[Finding]
    schemas: frozenset[tuple[SchemaField, ...]]


class SchemaCheck:
    """Types, names and order are the policy's.

    Guarantee:
        A file with a column, nested field or type that the policy does not declare is refused, and so is one that lacks a
        column which is not optional, and so are files whose schemas differ. Order counts for top-level columns. Names that the
        policy does not know appear as pictures only.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> SchemaPart:
        """The batch's schema, judged."""
        return schema_part(batch.rows.schema, rules)

    @staticmethod
    def merge(one: SchemaPart, other: SchemaPart) -> SchemaPart:
        """Every problem and every schema of both."""
        return SchemaPart(one.problems | other.problems, one.schemas | other.schemas)

    @staticmethod
    def verdict(partial: SchemaPart, rules: GateRules) -> CheckResult:
        """Refused where anything differs from the policy, or from file to file."""
        problems = sorted(partial.problems)
        if len(partial.schemas) > 1:
            problems.append(Finding(column="schema", entity="differs from file to file"))
        if not problems:
            return CheckResult(check="schema")
        what = listed([f"'{problem.column}' {problem.entity}" for problem in problems])
        return CheckResult(
            check="schema",
            problems=tuple(problems),
            error=SchemaMismatchError,
            message=f"the staged files of '{rules.dataset}' do not have the policy's schema: {what}. Nothing was released. "
            "Run again from the source under this policy; if it happens again, treat it as tampering",
        )


def schema_part(schema: pa.Schema, rules: GateRules) -> SchemaPart:
    """The problems of one schema."""
    leaves = schema_leaves(schema)
    problems = [*_leaf_problems(leaves, rules), *_missing(leaves, rules), *_order(schema, rules)]
    doubled = [path for path, count in Counter(leaf.path for leaf in leaves).items() if count > 1]
    problems += [Finding(column=_known_name(str(path), rules), entity="stands there twice") for path in doubled]
    return SchemaPart(frozenset(problems), frozenset() if problems else frozenset({schema_fields(schema)}))


def _leaf_problems(leaves: tuple[Leaf, ...], rules: GateRules) -> list[Finding]:
    found = []
    for number, leaf in enumerate(leaves, 1):
        rule = rules.rule(leaf.path)
        if rule is None or rule.absent:
            if not any(each.absent and each.path.covers(leaf.path) for each in rules.leaves):
                found.append(Finding(column=f"leaf {number}", entity="is not in the policy", picture=picture(str(leaf.path))))
        elif leaf.type not in rule.types:
            wanted = " or ".join(map(type_text, rule.types))
            found.append(Finding(column=str(leaf.path), entity=f"is {_type_name(leaf.type)}, expected {wanted}"))
    return found


def _missing(leaves: tuple[Leaf, ...], rules: GateRules) -> list[Finding]:
    there = [leaf.path for leaf in leaves]
    needed = [rule.path for rule in rules.leaves if not rule.absent and not rule.optional]
    return [Finding(column=str(path), entity="is missing") for path in needed if not any(map(path.covers, there))]


def _order(schema: pa.Schema, rules: GateRules) -> list[Finding]:
    declared = list(dict.fromkeys(rule.path.column for rule in rules.leaves if not rule.absent))
    written = [name for name in schema.names if name in set(declared)]
    expected = [name for name in declared if name in set(written)]
    return [] if written == expected else [Finding(column="schema", entity="has its columns in another order than the policy")]


def _known_name(name: str, rules: GateRules) -> str:
    return name if any(str(rule.path) == name for rule in rules.leaves) else picture(name)


def _type_name(data_type: pa.DataType) -> str:
    text = type_text(data_type)
    return text if _TYPE.fullmatch(text) else "of an unknown type"
