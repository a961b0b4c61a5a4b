"""A policy of any columns, and a whole run of the gate over tables in memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.evidence.manifest import Counts
from airlock.gate.inspect import FilePartial, GateVerdict, ManifestFacts, decide, inspect_file
from airlock.gate.rules import GateConfig, GateRules, compile_rules
from airlock.policy.model import Policy

TODAY = date(2026, 11, 22)
CLASSES = {"pseudonymize": "direct_identifier", "redact_entities": "sensitive"}


def rule(data_type: str | list[str], *, kind: str | None = None, **operator: Any) -> dict[str, Any]:
    """A column's rule; the class follows from the operator unless named."""
    return {"type": data_type, "class": kind or CLASSES.get(next(iter(operator)), "insensitive"), **operator}


def make_policy(columns: dict[str, dict[str, Any]], **parts: Any) -> Policy:
    """A policy of these columns; the first is the subject."""
    sink = {"path": "a", **parts.pop("sink", {})}
    return Policy.model_validate(
        {
            "apiVersion": "airlock/v1",
            "dataset": "people",
            "owner": "o",
            "purpose": "p",
            "subject": next(iter(columns)),
            "source": {"path": "a"},
            "sink": sink,
            "keys": {"recipient": "r", "epoch": 1, "domains": {"d": {}, "e": {}}},
            "columns": columns,
            "privacy": {"k_anonymity": {"none": "a test"}},
            **parts,
        }
    )


def make_rules(columns: dict[str, dict[str, Any]], *, config: GateConfig | None = None, **parts: Any) -> GateRules:
    """Compiled on a fixed day."""
    return compile_rules(make_policy(columns, **parts), config or GateConfig(), today=TODAY)


def parquet(table: pa.Table, **options: Any) -> bytes:
    """The table as a staged file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def facts(rows: int, *, rejected: int = 0, checked: bool = True, found: dict[str, int] | None = None) -> ManifestFacts:
    """A manifest's counts that close."""
    counts = Counts(rows + rejected, rows, 0, rejected)
    return ManifestFacts(splits=(counts,), totals=counts, known_checked=checked, known_found=found or {})


class Ran:
    """What a run of the gate gave."""

    def __init__(self, rules: GateRules, files: list[bytes]) -> None:
        self.outputs: dict[tuple[int, tuple[tuple[str, str], ...]], io.BytesIO] = {}
        self.partials: list[FilePartial] = [
            inspect_file(
                data, rules, lambda partition, number=number: self.outputs.setdefault((number, partition), io.BytesIO())
            )
            for number, data in enumerate(files)
        ]
        self.verdict: GateVerdict = decide(self.partials, rules, facts(sum(partial.rows for partial in self.partials)))

    @property
    def failed(self) -> list[str]:
        """Names of the checks that refused."""
        return [result.check for result in self.verdict.results if not result.passed]

    def table(self, number: int = 0, partition: tuple[tuple[str, str], ...] = ()) -> pa.Table:
        """A written output."""
        return pq.read_table(pa.BufferReader(self.outputs[number, partition].getvalue()))

    def refused(self) -> str:
        """The message of the error that the verdict raises."""
        with pytest.raises(Exception, match=r".") as raised:
            self.verdict.raise_first()
        return str(raised.value)


@pytest.fixture
def gate() -> Callable[..., Ran]:
    """Run the gate over tables: gate(columns, table, ..., policy parts)."""

    def run(columns: dict[str, dict[str, Any]], *tables: pa.Table, **parts: Any) -> Ran:
        return Ran(make_rules(columns, **parts), [parquet(table) for table in tables])

    return run


@pytest.fixture
def rules_of() -> Callable[..., GateRules]:
    return make_rules


@pytest.fixture
def column() -> Callable[..., dict[str, Any]]:
    return rule


@pytest.fixture
def as_parquet() -> Callable[..., bytes]:
    return parquet


@pytest.fixture
def counts() -> Callable[..., ManifestFacts]:
    return facts


@pytest.fixture
def ran() -> type[Ran]:
    return Ran
