"""How an error tells of columns and fields without a rule: their names come from the source, so a name may be data.

An object keyed by e-mail address or a file without header line has names that no message may show. Called by `plan/match` and by
the reader of JSON lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from airlock.policy.path import ColumnPath
from airlock.policy.pictures import picture

__all__ = [
    "MOST_SAID",
    "Unlisted",
    "name_or_shape",
    "paste_lines",
    "said_once",
    "shown_name",
    "shown_path",
    "type_in_yaml",
    "yaml_key",
]

MOST_SAID = 20

_IDENTIFIER = re.compile(r"[^\W\d](?:[\w \-.]{0,62}[\w\-.])?")
_MOST_DIGITS = 5
"""In a name: enough for q4_2024. More, of any script, may be a phone, an account or an identity number, letters between them or not."""

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""What some YAML readers take for no text."""


def shown_name(name: str) -> str | None:
    """The name, if it looks like an identifier; None where it may be data.

    Example:
        >>> shown_name("mother_name"), shown_name("ann@example.org"), shown_name("AB123456C")
        ('mother_name', None, None)
    """
    return name if _IDENTIFIER.fullmatch(name) and sum(map(str.isnumeric, name)) <= _MOST_DIGITS else None


def name_or_shape(name: str) -> str:
    """The name, if it looks like an identifier; else its shape.

    Example:
        >>> name_or_shape("dt"), name_or_shape("ann@example.org")
        ('dt', 'aaa@aaaaaaa.aaa')
    """
    return shown_name(name) or picture(name)


def shown_path(path: str) -> str:
    """A file's path; of hive folders' values, which are data, only the shape.

    Example:
        >>> shown_path("crm/dt=2026-11-22/mail=ann@example.org/part.parquet")
        'crm/dt=9999-99-99/mail=aaa@aaaaaaa.aaa/part.parquet'
    """
    return "/".join(map(_shown_part, path.split("/")))


def _shown_part(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{name_or_shape(name)}={picture(value)}" if equals else part


@dataclass(frozen=True, slots=True, order=True)
class Unlisted:
    """A column or field without a rule, as far as it may be shown.

    Attributes:
        hidden: Some name on the way to it may be data; `path` then has its shape.
        path: As policies write it.
        type: As policies write it.

    Example:
        >>> print(Unlisted.of(ColumnPath(("tags", "ann@example.org")), "int64"))
        a name that may be data, of the shape 'tags.aaa@aaaaaaa.aaa' (int64)
    """

    hidden: bool
    path: str
    type: str

    @classmethod
    def of(cls, path: ColumnPath, type_text: str) -> Unlisted:
        """What may be shown of a path."""
        names = [step for step in path.steps if isinstance(step, str)]
        if all(shown_name(name) for name in names):
            return cls(hidden=False, path=str(path), type=type_text)
        text = ""
        for step in path.steps:
            if isinstance(step, str):
                text += ("." if text else "") + name_or_shape(step)
            else:
                text += step.value
        return cls(hidden=True, path=text, type=type_text)

    def __str__(self) -> str:
        where = f"a name that may be data, of the shape '{self.path}'" if self.hidden else f"'{self.path}'"
        return f"{where} ({self.type})"

    @property
    def paste(self) -> str:
        """The rule to paste; empty where the name is not shown."""
        if self.hidden:
            return ""
        return f"  {yaml_key(self.path)}: {{type: {type_in_yaml(self.type)}, class: direct_identifier, drop: {{}}}}"


def yaml_key(path: str) -> str:
    """A path as a key of a YAML mapping: quoted where YAML would read another key, or none.

    Example:
        >>> yaml_key("phones[].kind"), yaml_key("m{key}"), yaml_key("true"), yaml_key("a: b")
        ('phones[].kind', 'm{key}', "'true'", "'a: b'")
    """
    plain = re.fullmatch(r"[^\W\d][\w.\-\[\]{} ]*", path) and path.lower() not in _WORDS
    return path if plain else "'" + path.replace("'", "''") + "'"


def type_in_yaml(text: str) -> str:
    """A type as a value in a flow mapping: quoted where it holds a comma."""
    return f'"{text}"' if "," in text else text


def said_once(messages: Iterable[str]) -> list[str]:
    """Each message once, with how often it occurs: hidden names of one shape read the same.

    Example:
        >>> said_once(["a", "b", "a"])
        ['a, 2 times', 'b']
    """
    return [text if times == 1 else f"{text}, {times} times" for text, times in Counter(messages).items()]


def paste_lines(found: Iterable[Unlisted]) -> list[str]:
    """The lines to add under `columns`, and a word on names that can't be given."""
    found = tuple(found)
    lines = [one.paste for one in found if not one.hidden]
    if lines:
        lines.insert(0, "Decide about each, then add under columns (or let 'airlock draft --update' append them):")
    if any(one.hidden for one in found):
        lines.append(
            "No line can be given for a name that is not shown. If an object's keys are data, drop it as a whole (type: struct), or "
            "read it as a map: rules for OBJECT{key} and OBJECT{value}"
        )
    return lines
