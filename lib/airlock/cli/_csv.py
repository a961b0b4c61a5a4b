"""Runs for spreadsheets: every fact a cell, and no cell that runs as a formula. Called by `runs`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from airlock.doors.diff import RunDiff
from airlock.doors.runs import KnownRun, RunDetail

__all__ = ["detail", "diff", "runs"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The full-width forms too: some programs take them for the same."""


def runs(found: Iterable[KnownRun]) -> None:
    """A line a run, every field."""
    _csv(KnownRun.__dataclass_fields__, (asdict(known).values() for known in found))


def detail(shown: RunDetail) -> None:
    """A line a fact: `part,name,value`, from the run, its manifest, the gate's verdict and the raw side's accounting."""
    account = shown.account
    parts = {
        "run": asdict(shown.known),
        "manifest": {} if shown.manifest is None else shown.manifest.to_dict(),
        "gate": {check.check: asdict(check) for check in shown.gate} | {"not_proven": shown.not_proven},
        "private": {} if account is None or account.manifest is None else account.manifest.to_dict(),
        "failures": {} if account is None else [asdict(failure) for failure in account.failures],
    }
    _csv(("part", "name", "value"), ((part, name, value) for part, facts in parts.items() for name, value in _flat(facts)))


def _flat(facts: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf with its dotted name."""
    if isinstance(facts, Mapping):
        inner: Iterable[tuple[object, object]] = facts.items()
    elif isinstance(facts, list | tuple):
        inner = enumerate(facts)
    else:
        yield name, facts
        return
    for key, value in inner:
        yield from _flat(value, f"{name}.{key}" if name else str(key))


def diff(made: RunDiff) -> None:
    """A line a difference."""
    _csv(("part", "name", made.left, made.right), ((one.part, one.name, one.left, one.right) for one in made.differences))


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in (head, *rows):
        writer.writerow(map(_safe, row))


def _safe(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: owners' words and file names are in it (CWE-1236)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return f"'{value}"
    return value
