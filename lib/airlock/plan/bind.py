"""Bind a policy's operator names to declarations and check their contracts, before a byte of data is read.

Called by `doors`; joins its own problems with those of the file, so that a user sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from airlock.errors import ContractError, MissingCapabilityError, PolicyError, PolicyFileError, Problem
from airlock.operators import Operator, RowOperator, operator_class, operator_names
from airlock.plan.contracts import contract_problems
from airlock.plan.inputs import input_faults
from airlock.plan.references import reference_problems
from airlock.policy.load import parse_policy, report_validation
from airlock.policy.model import RULE_KEYS, ColumnRule, OperatorSpec, Policy
from airlock.policy.path import ColumnPath
from airlock.policy.yaml import Document

__all__ = ["BoundPolicy", "bind_policy"]

_UNKEYED = frozenset({"hash", "md5", "sha1", "sha256", "sha512"})
"""What a user of other systems looks for."""


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """A policy with its operators: what a plan is compiled from.

    Attributes:
        operators: One declaration a rule, key domains filled in.
        file: Where the policy stands, for messages.
    """

    policy: Policy
    operators: dict[ColumnPath, Operator]
    file: str

    @property
    def rules(self) -> dict[ColumnPath, ColumnRule]:
        """The rules by path."""
        return self.policy.rules()


def bind_policy(path: Path) -> BoundPolicy:
    """Read and bind one policy file.

    Raises:
        NotFoundError: There is no such file.
        PolicyFileError: It has faults, of form or of contract; all are named, with line and column.
        MissingCapabilityError: An operator needs something that is not installed.
    """
    parsed = parse_policy(path)
    document, policy = parsed.document, parsed.policy
    operators: dict[ColumnPath, Operator] = {}
    for text, spec in _specs(document, policy):
        operator = _declare(text, spec, document)
        if operator is not None and policy is not None:
            operators[ColumnPath.parse(text)] = _resolve(text, operator, policy, document)
    if policy is not None:
        operators = dict(_settled(operators, policy, document))
    if policy is not None and not document.problems:
        for fault in contract_problems(policy, operators):
            document.report(fault.at, fault.message, fault.kind.code)
        for fault in () if document.problems else reference_problems(policy, path.parent):
            document.report(fault.at, fault.message, fault.kind.code)
    if policy is None or document.problems:
        raise PolicyFileError(document.problems)
    return BoundPolicy(policy, operators, str(path))


def _specs(document: Document, policy: Policy | None) -> Iterator[tuple[str, OperatorSpec]]:
    """Every rule's operator; also those of a file that has other faults."""
    if policy is not None:
        yield from ((text, rule.operator) for text, rule in policy.columns.items())
        return
    columns = document.data.get("columns") if isinstance(document.data, dict) else None
    for text, rule in (columns if isinstance(columns, dict) else {}).items():
        named = [key for key in rule if key not in RULE_KEYS] if isinstance(rule, dict) else []
        if len(named) == 1:
            yield text, OperatorSpec(name=named[0], arguments=rule[named[0]])


def _declare(text: str, spec: OperatorSpec, document: Document) -> Operator | None:
    at = ("columns", text, spec.name)
    try:
        kind = operator_class(spec.name)
    except KeyError:
        if spec.name in _UNKEYED:
            document.report(at, "an unkeyed hash does not exist here: anybody can try all values; use pseudonymize or hmac")
            return None
        near = get_close_matches(spec.name, operator_names(), n=1)
        hint = f"; nearest: '{near[0]}'" if near else f"; there are {', '.join(operator_names())}"
        document.report(at, f"there is no operator '{spec.name}'{hint}")
        return None
    try:
        return kind.from_dict(spec.mapping(kind.shorthand))
    except ValidationError as error:
        scoped = Document(document.file, places=_below(document, at))
        report_validation(scoped, error, list(kind.arguments()))
        for problem in scoped.problems:
            document.problems.append(problem if problem.line > 1 else _moved(problem, document.place(at)))
    except ValueError as error:
        document.report(at, str(error))
    return None


def _below(document: Document, at: tuple[str, ...]) -> dict[tuple[str | int, ...], tuple[int, int]]:
    return {place[len(at) :]: where for place, where in document.places.items() if place[: len(at)] == at and place != at}


def _moved(problem: Problem, place: tuple[int, int]) -> Problem:
    return replace(problem, line=place[0], column=place[1])


def _resolve(text: str, operator: Operator, policy: Policy, document: Document) -> Operator:
    try:
        return operator.resolve(policy.keys.domains)
    except ValueError as error:
        document.report(("columns", text), str(error))
    except MissingCapabilityError:
        raise
    except PolicyError as error:
        document.report(("columns", text), str(error), error.code if isinstance(error, ContractError) else "")
    return operator


def _settled(
    operators: Mapping[ColumnPath, Operator], policy: Policy, document: Document
) -> Iterator[tuple[ColumnPath, Operator]]:
    """Each operator with what other rules say filled in; what it looks at is checked."""
    named = {str(path): operator for path, operator in operators.items()}
    for path, operator in operators.items():
        settled = operator
        try:
            settled = operator.beside(named)
        except ValueError as error:
            document.report(("columns", str(path)), str(error))
        if isinstance(settled, RowOperator):
            for fault in input_faults(path, settled, policy):
                document.report(("columns", str(path)), fault)
        yield path, settled
