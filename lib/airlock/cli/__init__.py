"""The command line: arguments, one door, an exit code."""

from airlock.cli._main import main

__all__ = ["main"]
