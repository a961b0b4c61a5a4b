"""Operators: each a frozen declaration that compiles to a column function."""

from airlock.operators._base import ANY_CLASS, STRICT, Contract, Operator, RejectedValuesError, RowOperator
from airlock.operators._nested import leaf_operators
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
    "leaf_operators",
    "operator_class",
    "operator_names",
]
