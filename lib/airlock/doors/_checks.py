"""What `doctor` says of one thing it looked at. Made by `doctor` and `_buckets`, shown by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airlock.errors import AirlockError

__all__ = ["Check", "Status", "attempt"]

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        said: What was found.
        hint: What to do; empty where all is well.
    """

    group: str
    name: str
    status: Status
    said: str
    hint: str = ""


def attempt(group: str, name: str, look: Callable[[], Check]) -> Check:
    """A look that may raise: then it failed, and the error's remedy is what to do."""
    try:
        return look()
    except AirlockError as error:
        return Check(group, name, "failed", str(error), error.remedy)
