"""The command line: arguments, one door, an exit code."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code.

    Args:
        arguments: Instead of the process's own.
    """
    try:
        from airlock.cli._main import prepare  # noqa: PLC0415 - a missing library is to be said, not traced

        run = prepare(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "airlock"):
            raise
        sys.exit(f"airlock can't start: Python's module '{missing}' is not installed here. Install it: pip install airlock")
    run()
