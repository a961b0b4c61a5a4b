"""The text of a draft policy from a sample's counts, and the lines that an older policy misses. Called by `doors`.

Pure: counts in, YAML out. A draft keeps nothing and quotes no value; it loads as it is, but a person must finish it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from airlock.errors import PolicyError
from airlock.policy.path import ColumnPath
from airlock.policy.profile import ColumnProfile
from airlock.policy.propose_rules import ENTITIES, Proposal, propose_rule
from airlock.policy.propose_tree import domains_of, missing_rules, propose_rules
from airlock.policy.propose_words import PEOPLE, split_name
from airlock.types import Classification

__all__ = ["DRAFTED_RECIPIENT", "Proposal", "missing_rules", "propose", "propose_rule", "propose_rules", "update"]

DRAFTED_RECIPIENT = "edit-me"

_HEAD = """\
# A draft: every rule below is a guess from names, types and counts of a sample. Read each, then edit what says EDIT.
# What could not be decided is dropped, and nothing is kept; to keep a column, write `keep: "the reason"`.
apiVersion: airlock/v1
dataset: {dataset}
owner: "EDIT: who answers for this dataset"
purpose: "EDIT: who gets it, and what for"
source: {{path: {path}, format: {format}}}
sink: {{path: {dataset}}}
subject: {subject}   # EDIT: whose row it is; {subject_why}
keys:
  recipient: {recipient}   # EDIT: another recipient gets unlinkable pseudonyms
  epoch: 1
{domains}columns:
"""

_GATE = """\
gate:
  absent: [{entities}]
  # What no check can exclude needs a reason here, or the release is refused:
  # not_proven: {{PERSON: "...", LOCATION: "..."}}
"""


def propose(
    profiles: Sequence[ColumnProfile],
    *,
    dataset: str,
    source_path: str,
    format: str = "parquet",  # noqa: A002 - the policy's own word
    recipient: str = DRAFTED_RECIPIENT,
) -> str:
    """Draft a policy: YAML text with a rule for every leaf, and the counts that led to it as comments.

    Args:
        profiles: All leaves of the table.
        dataset: The dataset's name.
        source_path: Where the raw files are, relative to zone `raw`.
        format: `parquet`, `csv` or `jsonl`.
        recipient: Who gets the pseudonyms.

    Raises:
        PolicyError: There is no column, or one with an empty name.
    """
    if not profiles:
        raise PolicyError(f"'{source_path}' has no column to draft a rule for; name a folder with files of format {format}")
    if any(step == "" for leaf in profiles for step in leaf.path.steps):
        raise PolicyError(
            f"'{source_path}' has a column or field with an empty name, which no rule can name; rename it at the source"
        )
    rules = propose_rules(profiles, dataset=dataset)
    subject, subject_why = _subject(rules, profiles)
    head = _HEAD.format(
        dataset=_scalar(dataset),
        path=_scalar(source_path),
        format=_scalar(format),
        subject=_scalar(subject),
        subject_why=subject_why,
        recipient=_scalar(recipient),
        domains=_domains(domains_of(rules)),
    )
    return head + _rule_lines(rules, "  ") + _GATE.format(entities=", ".join(ENTITIES)) + _privacy(rules, subject)


def update(policy_text: str, missing: Mapping[str, Proposal], *, domains: Collection[str] | None = None) -> str:
    """Append rules to a policy's `columns`; every other byte stays as it is.

    Args:
        policy_text: The policy file.
        missing: Rules by path, from `missing_rules`.
        domains: The key domains that the policy declares; None: those in the text. A rule that needs another becomes `drop`.

    Raises:
        PolicyError: The text is no YAML mapping with `columns`, or has one of the paths already.
    """
    data = _loaded(policy_text)
    known = domains if domains is not None else ((data.get("keys") or {}).get("domains") or {})
    there = sorted(data["columns"].keys() & missing.keys())
    if there:
        raise PolicyError(
            f"the policy has a rule for '{there[0]}' already; leave it out, or remove the old rule", column=there[0]
        )
    rules = {path: _without_domain(found, known) for path, found in missing.items()}
    if not rules:
        return policy_text
    appended = _inserted(policy_text, rules)
    if appended is not None and _says(appended, data, rules):
        return appended
    return _dumped(policy_text, rules)


# --- parts of the text ------------------------------------------------------------------------------------------------


def _subject(rules: Mapping[str, Proposal], profiles: Sequence[ColumnProfile]) -> tuple[str, str]:
    leaves = {str(leaf.path): leaf for leaf in profiles}

    def rank(path: str) -> tuple[bool, bool, float, float]:
        leaf = leaves[path]
        words = {word for step in leaf.path.steps if isinstance(step, str) for word in split_name(step)}
        filled, distinct = leaf.values / max(leaf.rows, 1), leaf.distinct / max(leaf.values, 1)
        return bool(words & PEOPLE), rules[path].arguments["domain"] != "email", filled, distinct

    once = [path for path in rules if not ColumnPath.parse(path).repeated]
    able = [path for path in once if rules[path].operator == "pseudonymize"]
    if able:
        return max(able, key=rank), "the likeliest identifier"
    return (once or list(rules))[0], "no identifier was found, so the first column stands here"


def _domains(domains: Mapping[str, tuple[str, ...]]) -> str:
    if not domains:
        return ""
    lines = [f"    {_scalar(name)}: {{canonical: [{', '.join(form)}]}}\n" for name, form in domains.items()]
    return "  domains:   # the same domain in two policies: the columns join\n" + "".join(lines)


def _privacy(rules: Mapping[str, Proposal], subject: str) -> str:
    written = [found for found in rules.values() if found.operator != "drop"]
    if not any(found.classification is Classification.QUASI_IDENTIFIER for found in written):
        reason = "EDIT: no quasi-identifier is released so far; say why none is needed, or ask for k"
        return f"privacy:\n  k_anonymity: {{none: {_scalar(reason)}}}\n"
    count = "subjects" if rules[subject].operator == "pseudonymize" else "rows"
    return f"privacy:\n  k_anonymity: {{k: 5, count: {count}}}   # over every quasi_identifier as written\n"


def _rule_lines(rules: Mapping[str, Proposal], indent: str) -> str:
    return "".join(_rule(path, found, indent) for path, found in rules.items())


def _rule(path: str, found: Proposal, indent: str) -> str:
    head = f"{indent}# {found.why}\n{indent}{_scalar(path, _PLAIN_PATH)}:"
    if found.operator != "redact_entities":
        parts = {"type": found.type, "class": str(found.classification), found.operator: dict(found.arguments)}
        return f"{head} {_flow(parts)}\n"
    inner = "".join(f"{indent}    {name}: {_flow(value)}\n" for name, value in found.arguments.items())
    return f"{head}\n{indent}  type: {_scalar(found.type)}\n{indent}  class: {found.classification}\n{indent}  redact_entities:\n{inner}"


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]{}-]*")
_NOT_TEXT = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def _scalar(text: str, plain: re.Pattern[str] = _PLAIN) -> str:
    if plain.fullmatch(text) and text.casefold() not in _NOT_TEXT:
        return text
    # JSON's quoted form is YAML's double-quoted form, but for characters that YAML does not print.
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(name))}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


# --- appending to a file that people wrote -----------------------------------------------------------------------------


def _loaded(text: str) -> dict[str, Any]:
    try:
        data = YAML(typ="safe").load(text)
    except YAMLError:
        raise PolicyError("the policy is not YAML; 'airlock plan POLICY' names the place") from None
    if not isinstance(data, dict) or not isinstance(data.get("columns"), dict):
        raise PolicyError(
            "the policy has no mapping 'columns' to append to; 'airlock draft' without --update writes a whole one"
        )
    return data


def _without_domain(found: Proposal, known: Collection[str]) -> Proposal:
    domain = found.arguments.get("domain")
    if domain is None or domain in known:
        return found
    return replace(found, operator="drop", arguments={}, why=f"to pseudonymize it, declare key domain '{domain}'; {found.why}")


def _inserted(text: str, rules: Mapping[str, Proposal]) -> str | None:
    """The rules as lines after the last rule; None where `columns` is not a block of lines."""
    data = YAML(typ="rt").load(text)
    columns = data["columns"]
    if columns.fa.flow_style() or not columns:
        return None
    lines = text.splitlines(keepends=True)
    start = data.lc.key("columns")[0]
    after = [line for line, _ in (data.lc.key(key) for key in data) if line > start]
    end = min(after, default=len(lines))
    # Blank lines and comments at the margin belong to what follows.
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):
        end -= 1
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"
    if not lines[end - 1].endswith(("\n", "\r")):
        lines[end - 1] += newline
    block = _rule_lines(rules, " " * columns.lc.key(next(iter(columns)))[1])
    return "".join([*lines[:end], block.replace("\n", newline), *lines[end:]])


def _says(text: str, before: Mapping[str, Any], rules: Mapping[str, Proposal]) -> bool:
    """Whether a text says what it said before, and the rules."""
    try:
        after = YAML(typ="safe").load(text)
    except YAMLError:
        return False
    columns = before["columns"] | YAML(typ="safe").load(_rule_lines(rules, ""))
    return bool(after == {**before, "columns": columns})


def _dumped(text: str, rules: Mapping[str, Proposal]) -> str:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    data = yaml.load(text)
    for path, rule in YAML(typ="rt").load(_rule_lines(rules, "")).items():
        data["columns"][path] = rule
    written = StringIO()
    yaml.dump(data, written)
    return written.getvalue()
