"""Shapes of values of which a part stays: hosts of URLs, texts with some groups of a pattern masked. Called by `formats`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airlock.policy.groups import Piece, cut
from airlock.policy.shapes import Shape

__all__ = ["Host", "MaskedGroups", "mask_pieces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Shape):
    """A host's name in lower case: letters, digits, '-' and '.', no empty label, none of more than 63 characters, at most 253 in all,
    the last one no number; or `ip`, or the text `otherwise`.

    `registered`: the name is a registered domain (a public suffix of the ICANN part of the list, and one label).
    """

    registered: bool
    otherwise: str | None = None

    closed = False
    """Anybody registers a domain: his own name's, or a number's."""

    proper: ClassVar[tuple[str, ...]] = ("URL",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedGroups(Shape):
    """A text made of the pieces' matches, with `char` only where a piece is masked; or of `char` alone."""

    char: str
    pieces: tuple[Piece, ...]
    closed = False


def mask_pieces(arguments: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The pieces of a mask's pattern. Raises ValueError where the arguments name none."""
    masked, kept = arguments.get("groups"), arguments.get("keep_groups")
    if bool(masked) == bool(kept):
        raise ValueError("a pattern goes with either `groups`, which are masked, or `keep_groups`, all but which are")
    return cut(arguments["pattern"], masked or kept or (), others=bool(kept))
