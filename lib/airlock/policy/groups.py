"""A pattern cut into its groups at the top: what `mask` needs to know which characters to replace, and the gate to say what must stand
where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Piece", "cut"]

_PART = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\((?:\?(?:P?<\w+>|:)?)?|[)|]|[^\\\[()|]", re.DOTALL)
"""An escape, a class of characters, a group's beginning, or one character (RE2's syntax)."""

_MOST = 1_000


class Piece(NamedTuple):
    """Part of a pattern; a value that the whole matches is made of its pieces' matches, one behind the other.

    Attributes:
        pattern: In RE2's syntax, without groups that are counted.
        masked: Whether its characters are to be replaced.
    """

    pattern: str
    masked: bool


def cut(pattern: str, groups: Sequence[int], *, others: bool = False) -> tuple[Piece, ...]:
    r"""Cut a pattern at the named groups.

    Args:
        pattern: In RE2's syntax; matches whole values.
        groups: Numbers of groups, counted by their opening parentheses from 1.
        others: Mask what is not in these groups, instead of what is.

    Raises:
        ValueError: A group does not exist, lies inside another or may match more or less than once, so that it is not said which
            characters it has; or the pattern has alternatives at the top, flags or `\Q`.

    Example:
        >>> cut(r"(\d+)-(\d+)", [1])
        (Piece(pattern='(?:\\d+)', masked=True), Piece(pattern='-(?:\\d+)', masked=False))
    """
    wanted = dict.fromkeys(groups, "")
    if not groups or len(pattern) > _MOST:
        raise ValueError(f"a pattern of up to {_MOST} characters and at least one group's number are needed")
    made: list[Piece] = []
    for number, text in filter(lambda part: part[1], _top(pattern)):
        chosen = number in wanted
        wanted.pop(number or 0, None)
        if made and made[-1].masked == (chosen != others):
            made[-1] = Piece(made[-1].pattern + text, made[-1].masked)
        else:
            made.append(Piece(text, chosen != others))
    if wanted:
        raise ValueError(
            f"group {next(iter(wanted))} is not there, or lies inside another, or is repeated or optional; name groups at the top"
        )
    return tuple(made)


def _top(pattern: str) -> Iterator[tuple[int | None, str]]:
    """What stands at the pattern's top, in order: (number of the group, or None; its text)."""
    depth, count, text = 0, 0, ""
    open_group: int | None = None
    parts = _parts(pattern)
    for at, part in enumerate(parts):
        opens = part.startswith("(")
        if opens and depth == 0:
            yield None, text
            text, open_group = "", None if part == "(?:" else count + 1
        count += opens and part != "(?:"
        depth += opens - (part == ")")
        text += "(?:" if opens else part
        if part == ")" and depth == 0 and not parts[at + 1].startswith(("*", "+", "?", "{")):
            yield open_group, text
            text = ""
        _demand_plain(part, depth)
    if depth:
        raise ValueError("a parenthesis is not closed")
    yield None, text


def _demand_plain(part: str, depth: int) -> None:
    if depth < 0:
        raise ValueError("a parenthesis is closed that was not opened")
    if part == "|" and depth == 0:
        raise ValueError("alternatives at the top have no common groups; put them into one: (?:a|b)")


def _parts(pattern: str) -> list[str]:
    """The pattern's parts, and an empty one behind."""
    parts: list[str] = _PART.findall(pattern)
    if "".join(parts) != pattern or any(part in ("(?", r"\Q") for part in parts):
        raise ValueError(r"flags, (?...) and \Q are not taken, nor brackets without an end")
    return [*parts, ""]
