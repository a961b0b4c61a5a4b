"""Examples of operators as data: one YAML file an operator, run by `check_case`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from airlock.errors import PolicyError
from airlock.operators import Operator, RejectedValuesError, operator_class
from airlock.policy.arrow import parse_type
from airlock.policy.model import KeyDomain, OperatorSpec
from airlock.policy.yaml import read_yaml
from airlock.testing.laws import NESTED, Trial, require, same_values

__all__ = ["Case", "check_case", "read_cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """One example of an operator as data, from a YAML list; `check_case` runs it.

    Attributes:
        operator: The operator's name and its arguments as a policy writes them.
        type: The raw column's Arrow type.
        input: Values as text, or as YAML reads them.
        output: The transformed values; with `absent`, there is none.
        error: The code under which the kernel rejects values.
        refused: Pattern of the message with which the declaration, its domain or the column's type is refused.
        domains: Key domains, as a policy writes them.
        known: For a RowOperator, each row's known values.
        beside: For a RowOperator, its inputs by path: `{type: ..., values: [...]}`.
        dataset: For a dataset-wide pass, the dataset's values, each with the number of its rows.
    """

    name: str
    operator: OperatorSpec
    type: str
    input: Sequence[Any] = ()
    output: Sequence[Any] | None = None
    absent: bool = False
    error: str | None = None
    refused: str | None = None
    domains: dict[str, Any] = field(default_factory=dict)
    known: Sequence[Sequence[str]] | None = None
    beside: dict[str, Any] = field(default_factory=dict)
    dataset: Sequence[tuple[Any, int]] | None = None

    def column(self) -> pa.Field:
        """The raw column's field."""
        data_type = parse_type(self.type)
        return pa.field("column", NESTED if data_type is None else data_type)

    def declare(self) -> Operator:
        """The operator's declaration, resolved. Raises ValueError or PolicyError where it is refused."""
        kind = operator_class(self.operator.name)
        operator = kind.from_dict(self.operator.mapping(kind.shorthand))
        return operator.resolve({name: KeyDomain.model_validate(domain) for name, domain in self.domains.items()})

    def trial(self) -> Trial:
        """The declaration over the input."""
        column = self.column()
        trial = Trial.of(self.declare(), column, _array(self.input, column.type), self.looked_at())
        return trial if self.dataset is None else replace(trial, dataset=_repeated(self.dataset, column.type))

    def looked_at(self) -> dict[str, Any]:
        """What a RowOperator looks at beside the input, by name."""
        inputs = {path: _array(given["values"], parse_type(given["type"])) for path, given in self.beside.items()}
        return inputs | ({} if self.known is None else {"known": self.known})


def read_cases(path: Path) -> list[Case]:
    """The cases of one file, `<operator>.yaml`: a list of mappings with the attributes of `Case`; `operator` has arguments only.

    Raises:
        ValueError: The file is not such a list.
    """
    document = read_yaml(path.read_text("utf-8"), path.name)
    if document.problems or not isinstance(document.data, list):
        raise ValueError(f"{path.name} is not a list of cases: {'; '.join(map(str, document.problems)) or 'another form'}")
    return [
        Case(**{**entry, "operator": OperatorSpec(name=path.stem, arguments=entry.get("operator"))}) for entry in document.data
    ]


def check_case(case: Case) -> None:
    """Run one case.

    Raises:
        AssertionError: It gives something else than it says.
    """
    if case.refused is not None:
        _check_refused(case, case.refused)
        return
    trial = case.trial()
    after = trial.operator.result_field(trial.field)
    require((after is None) == case.absent, "case", "the output field must be absent if and only if the case says so")
    if case.error is not None:
        _check_rejected(trial, case.error)
    elif after is not None:
        require(case.output is not None, "case", "needs one of output, absent, error, refused")
        made, want = trial.written(), _array(case.output or (), after.type)
        require(same_values(made, want), "case", f"{case.name}: made {made.to_string()} instead of {want.to_string()}")


def _check_refused(case: Case, pattern: str) -> None:
    try:
        case.declare().result_field(case.column())
    except (PolicyError, ValueError) as refusal:
        require(re.search(pattern, str(refusal)), "case", f"refused, but with another message: {refusal}")
        return
    require(False, "case", "must be refused")  # noqa: FBT003


def _check_rejected(trial: Trial, code: str) -> None:
    try:
        trial.run()
    except RejectedValuesError as rejected:
        require(rejected.code == code, "case", f"rejected as {rejected.code}")
        trial.accepted().run()
        return
    require(False, "case", "must reject values")  # noqa: FBT003


def _array(values: Sequence[Any], data_type: pa.DataType) -> pa.Array:
    """Values as YAML reads them in an Arrow type, by way of their text so that decimals and dates stay exact."""
    if pa.types.is_nested(data_type) or pa.types.is_null(data_type):
        return pa.array(values, data_type)
    return pa.array([None if value is None else _text(value) for value in values], pa.string()).cast(data_type)


def _repeated(counted: Sequence[tuple[Any, int]], data_type: pa.DataType) -> pa.Array:
    return _array([value for value, rows in counted for _ in range(rows)], data_type)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date) else str(value)
