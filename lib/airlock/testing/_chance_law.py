"""The law of operators in which chance takes part: nobody sees which values are equal. Called by `laws`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airlock.operators import RowOperator
from airlock.plan.program import compile_column, plain
from airlock.plan.tree import RuleNode
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath
from airlock.testing._arrays import plainly, require

if TYPE_CHECKING:
    from airlock.testing.laws import Trial

__all__ = ["chance_is_fresh"]

_REPEATED = 8
"""Times that one value is given to the operator."""


def chance_is_fresh(trial: Trial) -> None:
    """The column's program gives one value, repeated, different outputs, coded in a dictionary or not."""
    present = plainly(trial.column).drop_null()
    contract = trial.operator.contract
    if contract.partly or isinstance(trial.operator, RowOperator) or trial.over is not None or not len(present):
        return
    value = pa.concat_arrays([present.slice(0, 1)] * _REPEATED).cast(trial.field.type)
    rule = ColumnRule.model_validate({"type": "string", "class": "sensitive", trial.operator.name: {}})
    path = ColumnPath((trial.field.name,))
    program = compile_column(RuleNode(path, rule), trial.field.type, {path: trial.operator}, trial.keys)
    assert program is not None
    for column in (value, plainly(value).dictionary_encode()):
        made = plainly(plain(program.transform(column)))
        require(len(pc.unique(made)) == _REPEATED, "dictionaries_agree", "equal values must not be seen to be equal")
