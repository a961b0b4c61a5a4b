"""Which passes a plan has, and operators as they are once a dataset-wide pass has concluded. Called by `engines` and doors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from airlock.errors import IntegrityError
from airlock.keys import SubKeys
from airlock.operators import Contract, Operator
from airlock.passes import DatasetPass, RowGroupPass, RowOrder
from airlock.plan.compile import Plan
from airlock.plan.tree import nested_kind
from airlock.policy.path import ELEMENT, ColumnPath

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["Informed", "dataset_passes", "group_passes", "informed", "passes_reading"]


def dataset_passes(plan: Plan) -> tuple[DatasetPass, ...]:
    """The passes that read the dataset a first time, in the policy's order."""
    found = (operator.pass_over(path) for path, operator in plan.operators.items())
    return tuple(one for one in found if isinstance(one, DatasetPass))


def group_passes(plan: Plan) -> tuple[RowGroupPass, ...]:
    """The passes over each row group before it is written, in the order in which they are carried out."""
    found = [operator.pass_over(path) for path, operator in plan.operators.items()]
    columns = [one for one in found if isinstance(one, RowGroupPass)]
    return (*columns, *([RowOrder()] if plan.policy.order == "shuffled" else []))


@dataclass(frozen=True, kw_only=True)
class Informed(Operator):
    """An operator whose pass has concluded: it looks at single rows, and keeps the laws.

    Attributes:
        declared: What the policy says.
        over: Its pass.
        concluded: From the whole dataset.
    """

    declared: Operator
    over: DatasetPass
    concluded: pa.Table

    @property
    def contract(self) -> Contract:
        """What was declared."""
        return self.declared.contract

    def result_field(self, field: pa.Field) -> pa.Field | None:
        """What was declared."""
        return self.declared.result_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """The pass, with what it concluded."""
        del field
        return lambda values: self.over.carry_out([values], self.concluded, keys)[0]


def informed(plan: Plan, concluded: Mapping[str, pa.Table]) -> dict[ColumnPath, Operator]:
    """The plan's operators, those with a dataset-wide pass informed.

    Args:
        plan: The plan.
        concluded: By the path of the leaf that a pass writes.

    Raises:
        IntegrityError: A pass has concluded nothing.
    """
    operators = dict(plan.operators)
    for one in dataset_passes(plan):
        (path,) = one.writes
        if str(path) not in concluded:
            raise IntegrityError(f"column '{path}': the dataset was not counted before its rows were written. Run again")
        operators[path] = Informed(declared=operators[path], over=one, concluded=concluded[str(path)])
    return operators


def passes_reading(plan: Plan, passes: Iterable[DatasetPass]) -> pa.Schema:
    """What a first reading fetches: the passes' leaves, and the subject where some are left out. Maps are read whole."""
    wanted = [path for one in passes for path in one.reads]
    if plan.policy.source.exclude is not None:
        wanted.append(ColumnPath.parse(plan.policy.subject))
    names = dict.fromkeys(path.column for path in wanted)
    found = ((ColumnPath((name,)), plan.reading.schema.field(name).type) for name in names)
    return pa.schema([pa.field(path.column, _pruned(path, data_type, wanted)) for path, data_type in found])


def _pruned(path: ColumnPath, data_type: pa.DataType, wanted: Sequence[ColumnPath]) -> pa.DataType:
    """A column's type, of its structs only the fields on the way to a wanted leaf."""
    kind = nested_kind(data_type)
    if kind == "list":
        return pa.list_(_pruned(path.child(ELEMENT), data_type.value_type, wanted))
    if kind != "struct":
        return data_type
    fields = [data_type.field(at) for at in range(data_type.num_fields)]
    kept = [field for field in fields if any(_on_the_way(path.child(field.name), one) for one in wanted)]
    return pa.struct([pa.field(field.name, _pruned(path.child(field.name), field.type, wanted)) for field in kept])


def _on_the_way(path: ColumnPath, wanted: ColumnPath) -> bool:
    return path.covers(wanted) or wanted.covers(path)
