"""From a policy's YAML file to the model, with every fault at once and its place. Called by `plan.bind` and `doors`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airlock.errors import NotFoundError, PolicyFileError
from airlock.policy.inline import inline_files
from airlock.policy.model import (
    K_MODEL,
    NO_MODEL,
    RULE_KEYS,
    GatePolicy,
    KAnonymity,
    KeyDomain,
    KeysPolicy,
    Pack,
    Policy,
    PrivacyPolicy,
    Retain,
    Sink,
    Source,
)
from airlock.policy.yaml import Document, Location, read_yaml

__all__ = ["PolicyDocument", "load_policy", "parse_policy", "policy_files", "report_validation"]

_SHARED = ("apiVersion", "keys", "gate", "sink")
"""What a file named by `extends` may hold: never columns."""

_NAMES = re.compile("^(dataset|columns):", re.MULTILINE)
"""What a policy has and a file named by `extends` has not. A policy with a fault is to be reported, not passed over."""

_KNOWN_KEYS = sorted(
    {
        (info.alias or name)
        for model in (Policy, Pack, Source, Sink, Retain, KeysPolicy, KeyDomain, GatePolicy, PrivacyPolicy, KAnonymity)
        for name, info in model.model_fields.items()
    }
    | {*RULE_KEYS, "extends", "none"}
)


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy file as read: the model (None where it has faults) and the document with places and problems."""

    policy: Policy | None
    document: Document


def load_policy(path: Path) -> Policy:
    """Read one policy file.

    Raises:
        NotFoundError: There is no such file.
        PolicyFileError: It has faults; all are named, with line and column. Operators' arguments are checked by `plan.bind`.
    """
    parsed = parse_policy(path)
    if parsed.policy is None:
        raise PolicyFileError(parsed.document.problems)
    return parsed.policy


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


def parse_policy(path: Path) -> PolicyDocument:
    """Read one policy file without raising for its faults: they stand in `document.problems`."""
    document = read_yaml(_text(path), str(path))
    if isinstance(document.data, dict):
        document.data = _extend(document, path)
        inline_files(document, path.parent)
    elif not document.problems:
        document.report((), "a policy is a mapping that begins with 'apiVersion: airlock/v1'")
    policy: Policy | None = None
    if isinstance(document.data, dict):
        try:
            policy = Policy.model_validate(document.data)
        except ValidationError as error:
            report_validation(document, error, _KNOWN_KEYS)
    return PolicyDocument(None if document.problems else policy, document)


def _text(path: Path) -> str:
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


def _extend(document: Document, path: Path) -> dict[str, Any]:
    data: dict[str, Any] = dict(document.data)
    named = data.pop("extends", None)
    if named is None:
        return data
    if not isinstance(named, str):
        document.report(("extends",), "needs the name of one file, relative to this one")
        return data
    try:
        common = read_yaml(_text(path.parent / named), str(path.parent / named))
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


def report_validation(document: Document, error: ValidationError, known: list[str]) -> None:
    """Turn pydantic's list into problems with places; values are never quoted."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        location = tuple(part for part in fault["loc"] if not _is_branch(part))
        document.report(location, _say(location, fault["type"], fault["msg"], known))


def _is_branch(part: str | int) -> bool:
    # Names that pydantic adds for a union's branch are not keys of the file.
    return isinstance(part, str) and (part in _BRANCHES or part.startswith(("function-", "literal[", "dict[")))


_BRANCHES = {K_MODEL, NO_MODEL}


def _say(location: Location, kind: str, message: str, known: list[str]) -> str:
    key = str(location[-1]) if location else "the policy"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        near = get_close_matches(key, known, n=1)
        return f"unknown key '{key}'" + (f"; nearest: '{near[0]}'" if near else "")
    if kind == "missing":
        return f"'{key}' is missing"
    dotted = ".".join(map(str, location)) or "the policy"
    return f"{dotted}: {message.removeprefix('Value error, ')}"
