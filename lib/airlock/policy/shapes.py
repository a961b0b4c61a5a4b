"""What every shape is, and those that need more than a few fields: part of `formats`, which operators and gate share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airlock.policy.groups import Piece, cut

__all__ = ["Host", "MaskedGroups", "Shape", "listed_text", "mask_pieces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like. `closed`: nothing else fits in, so it is not scanned further.

    `looks_like`: entities that its proper values are; they are not looked for there.
    """

    closed = True
    looks_like: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Shape):
    """A host's name in lower case: letters, digits, '-' and '.', no empty label, none of more than 63 characters, at most 253 in all,
    the last one no number; or `ip`, or the text `otherwise`.

    `registered`: the name is a registered domain (a public suffix of the ICANN part of the list, and one label).
    """

    registered: bool
    otherwise: str | None = None

    looks_like: ClassVar[tuple[str, ...]] = ("URL",)

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Labels in front of a registered domain are anybody's: mail addresses and numbers among them."""
        return self.registered


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedGroups(Shape):
    """A text made of the pieces' matches, with `char` only where a piece is masked; or of `char` alone."""

    char: str
    pieces: tuple[Piece, ...]
    closed = False


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


def mask_pieces(arguments: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The pieces of a mask's pattern. Raises ValueError where the arguments name none."""
    masked, kept = arguments.get("groups"), arguments.get("keep_groups")
    if bool(masked) == bool(kept):
        raise ValueError("a pattern goes with either `groups`, which are masked, or `keep_groups`, all but which are")
    return cut(arguments["pattern"], masked or kept or (), others=bool(kept))
