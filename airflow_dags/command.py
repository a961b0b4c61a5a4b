"""Call the command line and turn its exit code into what Airflow does: the one place where both meet. Called by `tasks` and `launchers`."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airlock.types import Fate, fate_of

__all__ = ["Ended", "call", "code_in", "end"]

_log = logging.getLogger(__name__)

# As Airflow's Spark provider writes them, the surest one first: what spark-submit itself ended with may hide the driver's.
_SAID = (
    re.compile(r"Kubernetes spark exit code is: (\d+)"),
    re.compile(r"exit_code=(\d+)"),
    re.compile(r"ExitCode: (\d+)"),
    re.compile(r"Error code is: (\d+)"),
)


class Ended(NamedTuple):
    """How a command ended: its exit code and, of a command about one policy, that policy's result."""

    code: int
    result: dict[str, Any]


def call(command: Sequence[str], started: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> Ended:
    """Run a command; its talk goes to the task's log line by line.

    Args:
        command: Program and arguments.
        started: Is given the process, for whoever may have to end it.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stdout:
        # What Airflow is told of its own database is none of the door's business.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - no shell, the site's own program
        started(process)
        assert process.stderr is not None
        for line in process.stderr:
            _log.info("%s", line.rstrip())
        code = process.wait()
        stdout.seek(0)
        return Ended(code, _result(stdout.read()))


def _result(stdout: str) -> dict[str, Any]:
    """The one result in the closing JSON line; empty where a command has none."""
    try:
        found = json.loads(stdout.rstrip().rpartition("\n")[2])["results"][0]
    except (ValueError, LookupError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def end(code: int, said: str) -> None:
    """Return if a command was successful.

    Raises:
        AirflowFailException: It would end so again: no retry.
        AirflowSkipException: It had nothing to do.
        AirflowException: Another try may help.
    """
    fate = fate_of(code)
    if fate is Fate.FAIL:
        raise AirflowFailException(f"{said} (exit code {code}, which a retry does not mend)")
    if fate is Fate.SKIP:
        raise AirflowSkipException(said)
    if fate is Fate.RETRY:
        raise AirflowException(f"{said} (exit code {code})")


def code_in(message: str) -> int:
    """The exit code that a provider's error message quotes; 1 where it quotes none.

    Example:
        >>> code_in("Cannot execute: spark-submit. Error code is: 1. Kubernetes spark exit code is: 3")
        3
    """
    found = next((match for pattern in _SAID if (match := pattern.search(message))), None)
    return 1 if found is None else int(found[1])
