"""What a policy says of itself before its columns, read without model and Arrow: for a scheduler, which reads every policy again and again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlock.errors import PolicyFileError
from airlock.policy.files import extend, read_text
from airlock.policy.yaml import Document, read_yaml

__all__ = ["Heading", "read_heading"]

_DATASET = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose policy it is and of what.

    Attributes:
        sink: The folder in zone `sanitized`.
    """

    dataset: str
    owner: str
    purpose: str
    sink: str


def read_heading(path: Path) -> Heading:
    """Read the heading of one policy file. Whether the rest is a policy, `airlock plan` says.

    Raises:
        NotFoundError: There is no such file.
        PolicyFileError: It has no heading.
    """
    document = read_yaml(read_text(path), str(path))
    data = extend(document, path) if isinstance(document.data, dict) else {}
    sink = data.get("sink")
    heading = Heading(
        _text(document, data, "dataset"),
        _text(document, data, "owner"),
        _text(document, data, "purpose"),
        _text(document, sink if isinstance(sink, dict) else {}, "path"),
    )
    if heading.dataset and not _DATASET.fullmatch(heading.dataset):
        document.report(("dataset",), "dataset: takes 1 to 63 of a-z, 0-9 and -")
    if document.problems:
        raise PolicyFileError(document.problems)
    return heading


def _text(document: Document, data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if isinstance(value, str) and value:
        return value
    document.report((name,) if name in data else (), f"'{name}' is missing, or no text")
    return ""
