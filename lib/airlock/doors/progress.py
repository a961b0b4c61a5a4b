"""What a door says while it works: plain values for whoever shows them. Counts only, never data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Watcher", "silent"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase of a door is.

    Attributes:
        phase: `anonymize`, `check` or `verify`.
        done: Units (splits, files) finished; `reused` of them were done by an earlier run.
    """

    dataset: str
    phase: str
    done: int
    total: int
    reused: int = 0


Watcher = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Show nothing."""
    del progress
