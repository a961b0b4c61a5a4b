"""YAML 1.2 with places: what a file says, and at which line and column it says it. Called by `load` and by `airlock.settings`.

ruamel.yaml reads the file, so that equal keys are an error and a column called `no` stays a text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedOrderedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from airlock.errors import Problem

__all__ = ["Document", "Location", "Place", "read_yaml"]

Location = tuple[str | int, ...]
Place = tuple[int, int]


@dataclass(slots=True)
class Document:
    """One YAML file: plain data, the place of each key, and the problems found while reading it."""

    file: str
    data: Any = None
    places: dict[Location, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, location: Sequence[str | int]) -> Place:
        """Line and column (1-based) of the nearest known key at or above `location`; (1, 1) for the file as a whole."""
        at = tuple(location)
        while at:
            if at in self.places:
                return self.places[at]
            at = at[:-1]
        return (1, 1)

    def report(self, location: Sequence[str | int], message: str, code: str = "") -> None:
        """Add a problem at a location; `code` is that of the error class that explains it."""
        self.problems.append(Problem(self.file, *self.place(location), message, code))


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document.

    Args:
        text: The file's content.
        file: Its name, for messages.

    Returns:
        The document; `problems` is not empty where the text is not plain YAML with text keys.

    Example:
        >>> document = read_yaml("columns: {no: 1, no: 2}", "p.yaml")
        >>> str(document.problems[0])
        "p.yaml:1:18: key 'no' stands here a second time; each key may stand once"
    """
    document = Document(file)
    reader = YAML(typ="rt")
    reader.allow_duplicate_keys = True  # they are looked for here, all of them
    try:
        document.problems.extend(_duplicates(reader.compose(text), file))
        loaded = reader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.problems.append(Problem(file, line, column, f"not YAML: {error.problem or 'syntax error'}"))
    except YAMLError:
        document.problems.append(Problem(file, 1, 1, "not YAML"))
    else:
        document.data = _plain(loaded, (), document)
    return document


def _duplicates(node: Node | None, file: str) -> Iterator[Problem]:
    """Keys that stand in one mapping more than once, wherever it is."""
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _duplicates(item, file)
    if not isinstance(node, MappingNode):
        return
    seen = set()
    for key, item in node.value:
        name = _key(key)
        if name is not None and name in seen:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            yield Problem(file, line, column, f"key '{name}' stands here a second time; each key may stand once")
        seen.add(name)
        yield from _duplicates(item, file)


def _key(node: Node) -> str | None:
    if not isinstance(node, ScalarNode):
        return None
    return "null" if str(node.tag) == "tag:yaml.org,2002:null" else node.value


def _plain(value: Any, location: Location, document: Document) -> Any:
    tag = getattr(getattr(value, "tag", None), "value", None)
    if tag is not None or isinstance(value, CommentedOrderedMap):
        document.report(location, "tags ('!') are not read; write the value without one")
        return None
    if isinstance(value, CommentedMap):
        return _plain_mapping(value, location, document)
    if isinstance(value, CommentedSeq):
        for index in range(len(value)):
            line, column = value.lc.item(index)
            document.places[(*location, index)] = (line + 1, column + 1)
        return [_plain(item, (*location, index), document) for index, item in enumerate(value)]
    return _plain_scalar(value, location, document)


def _plain_mapping(value: CommentedMap, location: Location, document: Document) -> Mapping[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        # An operator is called `null`, which YAML reads as nothing.
        name = "null" if key is None else str(key)
        if key not in (value.lc.data or {}):
            document.report(location, f"key '{name}' is merged in with '<<'; write every key out")
            continue
        line, column = value.lc.key(key)
        here = (*location, name)
        document.places[here] = (line + 1, column + 1)
        if not isinstance(key, str) and key is not None:
            document.report(here, f"key '{key}' is not a text; put it in quotes")
        plain[name] = _plain(item, here, document)
    return plain


def _plain_scalar(value: Any, location: Location, document: Document) -> Any:
    # ruamel's scalars remember their notation; pydantic's strict mode wants the built-in types.
    if isinstance(value, bool) or value is None or isinstance(value, dt.date):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    document.report(location, "is neither a text, a number, a date, true, false nor null; write it as one of them")
    return None
