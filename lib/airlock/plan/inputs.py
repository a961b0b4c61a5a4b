"""What row operators look at must be there, of a type that they take, and one value for each of their own. Called by `bind`."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from airlock.errors import OperatorTypeError
from airlock.operators import RowOperator
from airlock.policy.arrow import parse_type
from airlock.policy.model import Policy
from airlock.policy.path import ColumnPath

__all__ = ["input_faults"]

_OWN = ("value", "known")
"""Fields of what a row operator's kernel takes; the same names as paths have a backslash before them."""


def input_faults(path: ColumnPath, operator: RowOperator, policy: Policy) -> Iterator[str]:
    """Every reason why the operator can't look at what it names.

    Args:
        path: Where the operator stands.
        operator: Its declaration, resolved.
        policy: Has the other columns' rules.
    """
    for needed in operator.known:
        fault = _unreadable(needed, policy)
        if fault is not None:
            yield fault
    types: dict[str, pa.DataType] = {}
    for needed in operator.inputs:
        fault = _unreadable(needed, policy) or _misaligned(path, needed, policy)
        if fault is None:
            types[needed] = _type(needed, policy)
        else:
            yield fault
    own = _type(str(path), policy)
    if types.keys() == set(operator.inputs) and own is not None:
        try:
            operator.require_inputs(types | {"value": own})
        except OperatorTypeError as error:
            yield str(error)


def _unreadable(needed: str, policy: Policy) -> str | None:
    try:
        path = ColumnPath.parse(needed)
    except ValueError as error:
        return f"looks at '{needed}', which is not a path: {error}"
    if any(other.covers(path) for other in policy.rules()):
        return None
    return f"looks at '{needed}', which has no rule under columns"


def _misaligned(path: ColumnPath, needed: str, policy: Policy) -> str | None:
    if needed in _OWN:
        return f"looks at '{needed}', which is what kernels call their own column; write it as '\\{needed}'"
    if not path.beside(ColumnPath.parse(needed)):
        return f"looks at '{needed}', which may have several values for one of '{path}', or none; name a column of the same row or element"
    if _type(needed, policy) is None:
        return f"looks at '{needed}', which has no rule of its own that says its type; name a leaf, dropped if need be"
    return None


def _type(needed: str, policy: Policy) -> pa.DataType | None:
    rule = policy.rules().get(ColumnPath.parse(needed))
    return None if rule is None else parse_type(rule.type[-1])
