"""From a policy's YAML file to the model, with every fault at once and its place. Called by `plan.bind` and `doors`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from airlock.errors import PolicyFileError
from airlock.policy.files import extend, policy_files, read_text
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


def parse_policy(path: Path) -> PolicyDocument:
    """Read one policy file without raising for its faults: they stand in `document.problems`."""
    document = read_yaml(read_text(path), str(path))
    if isinstance(document.data, dict):
        document.data = extend(document, path)
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
        if key in known:
            return f"'{key}' has no place " + (f"under '{location[-2]}'" if len(location) > 1 else "at the top of the file")
        near = get_close_matches(key, known, n=1)
        return f"unknown key '{key}'" + (f"; nearest: '{near[0]}'" if near else "")
    if kind == "missing":
        return f"'{key}' is missing"
    dotted = ".".join(map(str, location)) or "the policy"
    return f"{dotted}: {message.removeprefix('Value error, ')}"
