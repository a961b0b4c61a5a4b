"""What a policy keeps in files beside it, read into the policy when it is loaded: so its digest covers their content, executors get
it with the plan, and the gate knows from its own copy what the output may look like. Called by `load`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from airlock.policy.model import RULE_KEYS
from airlock.policy.tree_file import MOST_BYTES, read_tree
from airlock.policy.yaml import Document, Location

__all__ = ["CONTENT", "FILES", "FileArgument", "files_named", "inline_files", "without_content"]

CONTENT = "content"
"""The argument that takes what was read from an operator's file, and its SHA-256. No policy may write it."""


class FileArgument(NamedTuple):
    """An operator's argument that names a file.

    Attributes:
        argument: Its name.
        read: From the file's bytes and the operator's arguments to what the operator needs, as JSON-able values. Raises ValueError with
            a message that goes on after the file's name.
        nothing: What stands there if the file has a fault: of the same form.
    """

    argument: str
    read: Callable[[bytes, Mapping[str, Any]], dict[str, Any]]
    nothing: Mapping[str, Any]


def inline_files(document: Document, folder: Path) -> None:
    """Read the files that a policy's operators name into their arguments, at any depth below a rule. Faults are reported.

    Args:
        document: The policy's file; its data is changed.
        folder: Where it stands; files are named relative to it and lie inside it.
    """
    columns = document.data.get("columns")
    for text, rule in columns.items() if isinstance(columns, dict) else ():
        if not isinstance(rule, dict):
            continue
        operators = {key: value for key, value in rule.items() if key not in RULE_KEYS}
        for at, name, arguments in _operators(operators, ("columns", text)):
            _inline(document, at, FILES[name], arguments, folder)


def files_named(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The files beside a policy that its operators name.

    Example:
        >>> files_named({"columns": {"a": {"hierarchy": {"file": "d.csv", "level": 1}}, "b": {"keep": {}}}})
        ('d.csv',)
    """
    columns = data.get("columns")
    found = (
        arguments.get(FILES[name].argument)
        for rule in (columns.values() if isinstance(columns, dict) else ())
        for _, name, arguments in _operators(rule, ())
    )
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str)))


def without_content(operator: str, arguments: Any) -> Any:
    """Arguments as policies write them: without what was read from files.

    Example:
        >>> without_content("when", {"then": {"hierarchy": {"file": "d.csv", "level": 1, "content": {}}}})
        {'then': {'hierarchy': {'file': 'd.csv', 'level': 1}}}
    """
    return _written({operator: arguments})[operator]


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _written(_named(below) if key in FILES else below) for key, below in value.items()}
    return [_written(below) for below in value] if isinstance(value, list) else value


def _named(arguments: Any) -> Any:
    if not isinstance(arguments, Mapping):
        return arguments
    return {key: below for key, below in arguments.items() if key != CONTENT}


def _operators(value: Any, at: Location) -> Iterator[tuple[Location, str, dict[str, Any]]]:
    """Every mapping below `value` that stands at the name of an operator with files."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key in FILES and isinstance(below, dict):
                yield (*at, key), key, below
            yield from _operators(below, (*at, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _operators(below, (*at, number))


def _inline(document: Document, at: Location, kind: FileArgument, arguments: dict[str, Any], folder: Path) -> None:
    if CONTENT in arguments:
        document.report((*at, CONTENT), f"'{CONTENT}' is what was read from the file; leave it out")
    named = arguments.get(kind.argument)
    arguments[CONTENT] = {"sha256": "", **kind.nothing}
    try:
        data = _bytes(named, folder)
        arguments[CONTENT] = {"sha256": hashlib.sha256(data).hexdigest(), **kind.read(data, arguments)}
    except ValueError as error:
        shown = f"file '{named}' " if isinstance(named, str) else f"'{kind.argument}' "
        document.report((*at, kind.argument), shown + str(error))


def _bytes(named: object, folder: Path) -> bytes:
    if not isinstance(named, str) or not named:
        raise ValueError("needs the name of a file beside the policy")
    path = folder / named
    try:
        # Resolved both, for a mounted ConfigMap is a folder of links into itself.
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError("lies outside the policy's folder; what a policy needs stands beside it")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"has more than {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}. It stands in the policy's folder, at both doors") from None


# --- what each operator reads -----------------------------------------------------------------------------------------


def _tree(data: bytes, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves, and the label of each at the level that the operator names."""
    levels = read_tree(data)
    level = arguments.get("level")
    if type(level) is not int or level < 1:
        return {"leaves": [], "labels": []}  # the operator says what is wrong with it
    if level >= len(levels):
        raise ValueError(f"has levels up to {len(levels) - 1}, found level {level}; level 0 are the leaves")
    return {"leaves": _texts(levels[0]), "labels": _texts(levels[level])}


def _texts(level: pa.StringArray) -> list[str]:
    texts: list[str] = level.to_numpy(zero_copy_only=False).tolist()
    return texts


FILES: Mapping[str, FileArgument] = {
    "hierarchy": FileArgument("file", _tree, {"leaves": [], "labels": []}),
}
"""Operators with an argument that names a file."""
