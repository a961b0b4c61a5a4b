"""What a rule promises its readers, against what its operator's contract allows: joins, uniqueness, one way only, the type.
Called by `contracts`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from airlock.errors import (
    ContractError,
    LossyJoinError,
    LostUniquenessError,
    OperatorTypeError,
    OutputTypeError,
    PolicyError,
    ReversibleError,
)
from airlock.operators import Operator
from airlock.policy.arrow import parse_type, type_text
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath

__all__ = ["promise_faults"]

Broken = tuple[str, type[PolicyError]]
"""What is promised and does not hold, and the error that explains it."""


def promise_faults(path: ColumnPath, rule: ColumnRule, operator: Operator) -> Iterator[Broken]:
    """Every promise of a rule that its operator breaks."""
    yield from _join_faults(rule, operator)
    yield from dict.fromkeys(_reversible_faults(rule, operator))
    contract = operator.contract
    if rule.unique and not (contract.injective and contract.deterministic):
        how = "makes one value several" if contract.injective else "may make different values one"
        yield f"is declared unique, but '{operator.name}' {how}", LostUniquenessError
    if rule.output is not None:
        yield from _type_faults(path, rule, operator)


def _join_faults(rule: ColumnRule, operator: Operator) -> Iterator[Broken]:
    if rule.references is None:
        return
    contract = operator.contract
    if not (getattr(operator, "domain", None) and contract.injective and contract.deterministic):
        message = f"references '{rule.references}', but under '{operator.name}' keys don't join: use an injective operator of a key domain, such as pseudonymize"
        yield message, LossyJoinError
    dataset, _, column = rule.references.partition(".")
    if not dataset or not column:
        yield "references needs DATASET.COLUMN", ContractError


def _reversible_faults(rule: ColumnRule, operator: Operator) -> Iterator[Broken]:
    if rule.reversible is not None:
        return
    inner = getattr(operator, "operators", ())
    if inner:  # a conditional one: each by itself, for what one of them keeps is no ciphertext
        yield from (fault for one in inner for fault in _reversible_faults(rule, one))
        return
    contract = operator.contract
    if contract.technique == "none":
        return
    if contract.reversible:
        yield (
            f"'{operator.name}' can be turned back by who holds the key; that needs `reversible: allowed` in the rule",
            ReversibleError,
        )
    elif contract.injective and not contract.keyed:
        message = f"'{operator.name}' gives each value its own output without a key: anybody can try all values. That needs `reversible: allowed` in the rule"
        yield message, ReversibleError


def _type_faults(path: ColumnPath, rule: ColumnRule, operator: Operator) -> Iterator[Broken]:
    for name in rule.type:
        data_type = parse_type(name)
        if data_type is None:
            continue
        try:
            made = operator.result_field(pa.field(str(path), data_type))
        except OperatorTypeError:
            continue  # told with the source's schema
        found = "nothing" if made is None else type_text(made.type)
        if found != rule.output:
            yield f"promises {rule.output}, but '{operator.name}' writes {found} from {name}", OutputTypeError
