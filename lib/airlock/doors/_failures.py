"""failures.jsonl of a run, on the raw side: what was rejected or could not be done. Split, files, column, code; never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from airlock.errors import IntegrityError
from airlock.evidence.canonical import canonical_json, parse_canonical
from airlock.storage import Store

__all__ = ["Failure", "read_failures", "write_failures"]

_NAME = "failures.jsonl"


@dataclass(frozen=True, slots=True)
class Failure:
    """Rejected rows of one split for one reason, or a split that failed as a whole (`rows` is 0).

    Attributes:
        files: The source files that the split read.
        column: Empty where the whole row, or the whole split, is meant.
    """

    split: str
    files: tuple[str, ...]
    column: str
    code: str
    rows: int


def write_failures(private: Store, base: str, failures: Iterable[Failure]) -> None:
    """Write a run's failures, in place of what an earlier try left.

    Args:
        private: Zone `private`.
        base: `<dataset>/<run>`.
        failures: None leaves no file.
    """
    lines = b"".join(canonical_json(asdict(failure)) + b"\n" for failure in sorted(failures, key=_order))
    path = f"{base}/{_NAME}"
    if lines:
        found = private.read_versioned(path)
        private.replace(path, lines, None if found is None else found[1])
    else:
        private.delete(path)


def _order(failure: Failure) -> tuple[str, str, str]:
    return failure.split, failure.column, failure.code


def read_failures(private: Store, base: str) -> tuple[Failure, ...]:
    """A run's failures; empty where there are none.

    Raises:
        IntegrityError: The file is not what `write_failures` wrote.
    """
    found = private.read_versioned(f"{base}/{_NAME}")
    if found is None:
        return ()
    try:
        return tuple(_failure(parse_canonical(line)) for line in found[0].splitlines())
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"'{base}/{_NAME}' is not what the inner door wrote. Find out who changed it") from None


def _failure(data: dict[str, Any]) -> Failure:
    return Failure(**(data | {"files": tuple(data["files"])}))
