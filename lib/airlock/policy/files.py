"""Policy files as they lie on disk: which they are, their text, what they extend. Called by `load`, and by `heading`, which needs no model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airlock.errors import NotFoundError
from airlock.policy.yaml import Document, Location, read_yaml

__all__ = ["extend", "policy_files", "read_text"]

_SHARED = ("apiVersion", "keys", "gate", "sink")
"""What a file named by `extends` may hold: never columns."""

_NAMES = re.compile("^(dataset|columns):", re.MULTILINE)
"""What a policy has and a file named by `extends` has not. A policy with a fault is to be reported, not passed over."""


def policy_files(path: Path) -> list[Path]:
    """The policy files that a path names: itself, or the *.yaml of a folder that name a dataset or columns, sorted.

    Raises:
        NotFoundError: No such path, or a folder without policies.
    """
    try:
        if path.is_dir():
            return _in_folder(path)
        if not path.is_file():
            raise NotFoundError(f"there is no policy '{path}'")
    except OSError as error:
        raise NotFoundError(f"'{error.filename or path}' can't be read: {error.strerror}. Check its permissions") from None
    return [path]


def _in_folder(folder: Path) -> list[Path]:
    files = [file for file in folder.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file()]
    found = sorted(file for file in files if _NAMES.search(file.read_text("utf-8", errors="replace")))
    if not found:
        raise NotFoundError(f"folder '{folder}' holds no policy (*.yaml with a dataset)")
    return found


def read_text(path: Path) -> str:
    """A policy file's text. Raises NotFoundError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no policy file '{path}'") from None
    except IsADirectoryError:
        raise NotFoundError(f"'{path}' is a folder; expected one policy file") from None
    except UnicodeDecodeError:
        raise NotFoundError(f"'{path}' is not UTF-8 text") from None
    except OSError as error:
        raise NotFoundError(f"'{path}' can't be read: {error.strerror}. Check its permissions") from None


def extend(document: Document, path: Path) -> dict[str, Any]:
    """What a policy says together with the file that it extends; faults of both go to `document.problems`."""
    data: dict[str, Any] = dict(document.data)
    named = data.pop("extends", None)
    if named is None:
        return data
    if not isinstance(named, str):
        document.report(("extends",), "needs the name of one file, relative to this one")
        return data
    try:
        common = read_yaml(read_text(path.parent / named), str(path.parent / named))
    except NotFoundError as error:
        document.report(("extends",), str(error))
        return data
    document.problems.extend(common.problems)
    if not isinstance(common.data, dict):
        document.report(("extends",), f"'{named}' is not a mapping")
        return data
    for key in common.data:
        if key not in _SHARED:
            common.report((key,), f"'{key}' can't be shared; a file that others extend holds {', '.join(_SHARED)}")
    shared = {key: value for key, value in common.data.items() if key in _SHARED and key != "apiVersion"}
    merged = _merge(data, _with_prefix(shared, data), (), document)
    document.problems.extend(problem for problem in common.problems if problem not in document.problems)
    return merged


def _with_prefix(shared: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Turn the shared `sink.prefix` into the policy's own `sink.path`."""
    sink = dict(shared.pop("sink", None) or {})
    prefix = sink.pop("prefix", None)
    if prefix is not None and isinstance(data.get("sink"), dict):
        data["sink"] = dict(data["sink"]) | {"path": f"{prefix}/{data['sink'].get('path', '')}"}
    return shared | ({"sink": sink} if sink else {})


def _merge(own: Mapping[str, Any], shared: Mapping[str, Any], at: Location, document: Document) -> dict[str, Any]:
    merged = dict(own)
    for key, value in shared.items():
        here = (*at, key)
        if key not in merged:
            merged[key] = value
        elif isinstance(merged[key], dict) and isinstance(value, dict):
            merged[key] = _merge(merged[key], value, here, document)
        else:
            document.report(here, f"'{key}' is already set in the file that this one extends; take one of them out")
    return merged
