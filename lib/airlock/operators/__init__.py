"""Operators: each a frozen declaration that compiles to a column function."""

from airlock.operators._base import ANY_CLASS, STRICT, Contract, Operator, RejectedValuesError, RowOperator
from airlock.operators._registry import operator_class, operator_names
from airlock.operators._risk import TECHNIQUES, ResidualRisk

__all__ = [
    "ANY_CLASS",
    "STRICT",
    "TECHNIQUES",
    "Contract",
    "Operator",
    "RejectedValuesError",
    "ResidualRisk",
    "RowOperator",
    "operator_class",
    "operator_names",
]
