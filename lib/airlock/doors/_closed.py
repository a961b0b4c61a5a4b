"""The closed status that a pod left, read again: what is not of its closed lists is not passed on. Called by `submit`.

It comes out of the zone: whoever is inside may write anything there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airlock.errors import all_errors
from airlock.types import RunState

__all__ = ["closed_status_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STATES = {*(state.value for state in RunState), "nothing new"}
_CODES = frozenset(all_errors())
_EXITS = (0, 1, 2, 3, 75)
_MOST_ROWS = 10**15


def closed_status_of(message: str) -> Mapping[str, Any]:
    """What of a termination message is closed status; nothing where it is none.

    Example:
        >>> closed_status_of('{"verb":"anonymize","exit_code":3,"code":"ann@example.org","results":[{"exit_code":3,"state":"Ann"}]}')
        {'verb': 'anonymize', 'exit_code': 3, 'results': [{'exit_code': 3}]}
    """
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.get("verb") != "anonymize" or found.get("exit_code") not in _EXITS:
        return {}
    results = found.get("results")
    told = [_told(one) for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    code = {"code": found["code"]} if found.get("code") in _CODES else {}
    return {"verb": "anonymize", "exit_code": found["exit_code"], **code, "results": told}


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        name: value for name in ("dataset", "run") if isinstance(value := result.get(name), str) and _NAME.fullmatch(value)
    }
    words = {
        name: value
        for name, closed in (("state", _STATES), ("code", _CODES))
        if isinstance(value := result.get(name), str) and value in closed
    }
    counts = {name: value for name in ("rows", "splits") if type(value := result.get(name)) is int and 0 <= value < _MOST_ROWS}
    exit_code = {"exit_code": result["exit_code"]} if result.get("exit_code") in _EXITS else {}
    return {**names, **words, **counts, **exit_code}
