r"""Paths of columns and nested leaves: `a.b` struct field, `a[]` list element, `a{key}` / `a{value}` map.

A literal dot, bracket, brace or backslash in a name is escaped with a backslash. Used by policies, plans and the gate alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["ELEMENT", "KEY", "VALUE", "ColumnPath", "Step"]

_SPECIAL = re.compile(r"([.\[\]{}\\])")


class _Inside(Enum):
    ELEMENT = "[]"
    KEY = "{key}"
    VALUE = "{value}"


ELEMENT, KEY, VALUE = _Inside.ELEMENT, _Inside.KEY, _Inside.VALUE

Step = str | _Inside
"""A struct field's (or the top-level column's) name, or ELEMENT, KEY, VALUE."""


@dataclass(frozen=True, slots=True, order=False)
class ColumnPath:
    r"""A column, or a leaf inside it.

    Example:
        >>> ColumnPath.parse("phones[].number").steps == ("phones", ELEMENT, "number")
        True
        >>> str(ColumnPath(("a.b", KEY)))
        'a\\.b{key}'
        >>> ColumnPath.parse("a..b")
        Traceback (most recent call last):
        ValueError: empty name at character 2
    """

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> ColumnPath:
        """Read a path.

        Raises:
            ValueError: It is not one; the message says at which character (counted from 0).
        """
        steps: list[Step] = []
        at = 0
        expect_name = True
        while at < len(text) or expect_name:
            if expect_name:
                name, at = _read_name(text, at)
                steps.append(name)
                expect_name = False
            elif text[at] == ".":
                at, expect_name = at + 1, True
            else:
                inside = next((part for part in _Inside if text.startswith(part.value, at)), None)
                if inside is None:
                    raise ValueError(f"expected '.', '[]', '{{key}}' or '{{value}}' at character {at}")
                steps.append(inside)
                at += len(inside.value)
        return cls(tuple(steps))

    @property
    def column(self) -> str:
        """The top-level column's name."""
        first = self.steps[0]
        assert isinstance(first, str)  # parse() and the walkers always start with a name
        return first

    @property
    def repeated(self) -> bool:
        """Whether one row can hold several values here (inside a list or map)."""
        return bool(self.repeated_steps)

    @property
    def repeated_steps(self) -> tuple[Step, ...]:
        """The lists and maps on the way, outermost first."""
        return tuple(step for step in self.steps if not isinstance(step, str))

    def beside(self, other: ColumnPath) -> bool:
        """Whether each value here has one at `other`: it is no deeper in lists and maps than this path, and in the same ones.

        Example:
            >>> here = ColumnPath.parse("phones[].number")
            >>> here.beside(ColumnPath.parse("country")), here.beside(ColumnPath.parse("phones[].kind"))
            (True, True)
            >>> here.beside(ColumnPath.parse("mails[].kind")), ColumnPath.parse("country").beside(here)
            (False, False)
        """
        shared = max((at + 1 for at, step in enumerate(other.steps) if not isinstance(step, str)), default=0)
        return _entries(self.steps[:shared]) == _entries(other.steps[:shared])

    def child(self, step: Step) -> ColumnPath:
        """The path one step further in."""
        return ColumnPath((*self.steps, step))

    def covers(self, other: ColumnPath) -> bool:
        """Whether `other` is this path or lies inside it."""
        return other.steps[: len(self.steps)] == self.steps

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            if isinstance(step, str):
                text += ("." if text else "") + _SPECIAL.sub(r"\\\1", step)
            else:
                text += step.value
        return text


def _entries(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Key and value of a map's entry stand side by side."""
    return tuple(VALUE if step is KEY else step for step in steps)


def _read_name(text: str, start: int) -> tuple[str, int]:
    name, at = "", start
    while at < len(text) and text[at] not in ".[]{}":
        if text[at] == "\\":
            at += 1
            if at == len(text):
                raise ValueError("a backslash ends the path")
        name += text[at]
        at += 1
    if not name:
        raise ValueError(f"empty name at character {start}")
    return name, at
