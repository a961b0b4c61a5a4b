"""The closed status of a command: what may leave the zone about it, as one JSON line in the file that AIRLOCK_STATUS names.

In a pod that file is /dev/termination-log, from where Kubernetes puts it into the pod's status, for everybody to read who sees the pod.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from airlock.errors import ConfigError

__all__ = ["VARIABLE", "closed_status", "told_count", "write_status"]

VARIABLE = "AIRLOCK_STATUS"
_MOST = 4096
"""Bytes of a termination message that Kubernetes keeps."""
_WORDS = ("dataset", "run", "state", "code")
_COUNTS = ("rows", "splits")


_LEAST = 100


def told_count(count: int) -> int | None:
    """A count to two digits, and none of under a hundred: exact and small ones would say who is there, to whoever chose what is counted.

    Example:
        >>> [told_count(count) for count in (0, 7, 99, 100, 12_345, 1_999_999)]
        [None, None, None, 100, 12000, 2000000]
    """
    return round(count, 2 - len(str(count))) if count >= _LEAST else None


def closed_status(verb: str, exit_code: int, results: Sequence[Mapping[str, Any]], code: str | None = None) -> str:
    """One line: names that the policy gives, words of closed lists, rounded counts from a hundred on. No path, no message, no value.

    Args:
        verb: The command.
        exit_code: Its exit code.
        results: What became of each policy.
        code: The error that ended it before there were any.
    """
    whole = {"verb": verb, "exit_code": exit_code} | ({} if code is None else {"code": code})
    told = [_told(result) for result in results]
    for shown in range(len(told), -1, -1):
        left = {"more": len(told) - shown} if shown < len(told) else {}
        line = json.dumps(whole | {"results": told[:shown]} | left, sort_keys=True, separators=(",", ":"))
        if len(line) < _MOST:
            break
    return line


def write_status(verb: str, exit_code: int, results: Sequence[Mapping[str, Any]] = (), code: str | None = None) -> None:
    """Write it, where a file is named.

    Raises:
        ConfigError: It can't be written there.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return
    try:
        with open(named, "w", encoding="utf-8") as file:  # noqa: PTH123 - a device, or a file that a kubelet mounted
            file.write(closed_status(verb, exit_code, results, code) + "\n")
    except OSError as error:
        raise ConfigError(f"{VARIABLE}: '{named}' can't be written: {error.strerror}. Name a file that can, or none") from None


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: str(result[name]) for name in _WORDS if result.get(name)}
    told = {name: told_count(result[name]) for name in _COUNTS if isinstance(result.get(name), int)}
    return words | {name: count for name, count in told.items() if count is not None} | {"exit_code": result["exit_code"]}
