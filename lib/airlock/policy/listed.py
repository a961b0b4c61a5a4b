"""Values of closed lists as text. Called by `formats`, `coarse` and the operators that take lists."""

from __future__ import annotations

import datetime as dt

__all__ = ["listed_text"]


def listed_text(value: object) -> str:
    """A value of a closed list as text; YAML reads unquoted ones as numbers, booleans or dates.

    Raises:
        ValueError: It is something else.

    Example:
        >>> listed_text(True), listed_text(7), listed_text(dt.date(2024, 2, 29))
        ('true', '7', '2024-02-29')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    raise ValueError("a listed value is a text, a whole number, a boolean or a date")
