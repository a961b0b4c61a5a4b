"""Policies made of a few lines, for tests of plans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_REST = """\
apiVersion: airlock/v1
dataset: people
owner: o@example.org
purpose: tests
source: {{path: people, format: {format}}}
sink: {sink}
subject: {subject}
keys:
  recipient: tests
  epoch: 1
  domains: {{person: {{canonical: [decimal]}}, email: {{canonical: [trim, casefold]}}, form: {{}}}}
privacy: {{k_anonymity: {privacy}}}
{more}columns:
"""
ID = "id: {type: int64, class: direct_identifier, pseudonymize: {domain: person}}"

PolicyFile = Callable[..., Path]


@pytest.fixture
def policy_file(tmp_path: Path) -> PolicyFile:
    """Write a policy of these rules, `id` first unless it is among them, and return its path."""

    def write(
        *rules: str, source_format="parquet", sink="{path: people}", subject="id", privacy="{none: a test}", more=""
    ) -> Path:
        lines = list(rules) if any(rule.startswith("id:") for rule in rules) else [ID, *rules]
        head = _REST.format(format=source_format, sink=sink, subject=subject, privacy=privacy, more=more)
        path = tmp_path / "people.yaml"
        path.write_text(head + "".join(f"  {line}\n" for line in lines), encoding="utf-8")
        return path

    return write
