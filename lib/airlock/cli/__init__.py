"""The command line: arguments, one door, an exit code."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code.

    Args:
        arguments: Instead of the process's own.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:2] == ["isolation", "probe-pod"]:
        # Its first packet has to leave early, and nothing of the command tree is needed for it.
        from airlock.cluster.probepod import command  # noqa: PLC0415 - what a pod of a probe runs

        sys.exit(command(given[2:]))
    try:
        from airlock.cli._main import prepare  # noqa: PLC0415 - a missing library is to be said, not traced

        run = prepare(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "airlock"):
            raise
        sys.exit(f"airlock can't start: Python's module '{missing}' is not installed here. Install it: pip install airlock")
    run()
