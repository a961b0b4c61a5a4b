"""Tables without boxes on stdout, and counts in words: what `_looks` and `_lists` share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

__all__ = ["counted", "grid", "out", "table"]


def out() -> Console:
    """Stdout at the terminal's width; in a pipe at COLUMNS, else 120."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS") or 120)
    return Console(highlight=False, width=width)


def table(*names: str, right: Iterable[str] = ()) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def grid() -> Table:
    """Columns without a head."""
    return Table.grid(padding=(0, 2, 0, 0))


def counted(number: int, what: str) -> str:
    """A number and its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
