"""What a run of a policy would read and write, without writing anything. Called by `airlock plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from airlock.doors._effects import demand_effect
from airlock.doors._sample import read_sample
from airlock.doors._source import Prepared, prepare
from airlock.doors._warnings import Warned, sample_warnings
from airlock.doors.permits import key_permit
from airlock.engines.rows import leaf_values
from airlock.errors import KeyFileError, KeyProviderError, MissingCapabilityError, TransientError
from airlock.keys import KeyRequest, open_key_ring
from airlock.keys.open import needed_settings
from airlock.plan.explain import ColumnPlan, Fetched, collision_bound, explain_columns, fetched, written_bytes_a_row
from airlock.plan.known import open_text
from airlock.policy.formats import leaf_specs
from airlock.policy.model import Policy
from airlock.policy.path import ColumnPath
from airlock.policy.propose import DRAFTED_RECIPIENT
from airlock.settings import Settings
from airlock.storage.sources import is_cuttable
from airlock.text.redact_entities import ROWS_PER_SECOND, RedactEntities

__all__ = ["PlanReport", "SourcePlan", "plan_policy"]

_NO_MODEL = ("PERSON", "LOCATION")
"""Entities that nothing here can find: names and places need a language model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What would be read.

    Attributes:
        rows: None where only reading tells; then `about_rows` is an estimate from the length of the first lines, or None.
        bytes: To read, all splits; encoded, before compression, for Parquet.
        whole_files: Files that are read by one task however large they are (gzip, JSON lines).
        sampled: Rows from which warnings and estimates come.
    """

    path: str
    format: str
    files: int
    splits: int
    bytes: int
    rows: int | None
    about_rows: int | None
    whole_files: int
    sampled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """What a run would do.

    Attributes:
        output_bytes: About how much would be written, within a factor of two; None where the rows are not known.
        search_seconds: About how long entity search takes on one core, if no two texts outside one batch are equal.
        collisions: By column, how likely two different values share a token.
        not_proven: By entity, what the gate can't exclude, and the policy's reason for accepting that.
        unanswered: Entities that the gate can't exclude in redacted text and the policy says nothing of: the gate refuses.
        open_text: Written columns whose form leaves room for anything: scanned by the gate, value by value.
    """

    dataset: str
    policy_sha256: str
    columns: tuple[ColumnPlan, ...]
    source: SourcePlan
    fetched: Fetched
    output_bytes: int | None
    search_seconds: int | None
    collisions: Mapping[str, str]
    warnings: tuple[Warned, ...]
    not_proven: Mapping[str, str]
    unanswered: tuple[str, ...]
    open_text: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able values, without floats."""
        return asdict(self)


def plan_policy(policy: Path, settings: Settings, *, sample_rows: int = 2_000) -> PlanReport:
    """Check a policy against its source and say what a run would do. Writes nothing anywhere; the keys may be elsewhere.

    Args:
        policy: One policy file.
        settings: Zone `raw` is needed; a key provider adds fingerprints to key ids.
        sample_rows: Rows to read for warnings and estimates.

    Raises:
        PolicyError: The policy is wrong; NoEffectError where a rule changes nothing of what was sampled.
        DriftError: The source is not what it describes.
    """
    prepared = prepare(policy, settings)
    plan, declared = prepared.plan, prepared.bound.policy
    sample = read_sample(prepared, sample_rows)
    demand_effect(plan, sample.batch)
    source = _source(prepared, sample.batch.num_rows)
    rows = source.rows if source.rows is not None else source.about_rows
    unreadable = tuple(
        Warned(column, "rejects", f"{count:,} sampled rows can't be read ({code}); see gate.max_rejects")
        for (column, code), count in sorted(sample.rejected.items())
    )
    free = open_text(declared)
    redacted = any(spec.name == RedactEntities.name for rule in declared.columns.values() for spec in leaf_specs(rule.operator))
    return PlanReport(
        dataset=declared.dataset,
        policy_sha256=declared.digest,
        columns=explain_columns(plan, _key_ids(prepared, settings)),
        source=source,
        fetched=fetched(plan),
        output_bytes=None if rows is None else round(rows * written_bytes_a_row(plan)),
        search_seconds=_search_seconds(prepared, sample.batch, rows),
        collisions=_collisions(prepared, rows),
        warnings=_unfinished(declared) + unreadable + sample_warnings(plan, sample.batch, rows=rows),
        not_proven=dict(declared.gate.not_proven),
        unanswered=tuple(entity for entity in _NO_MODEL if redacted and entity not in declared.gate.not_proven),
        open_text=tuple(map(str, free)),
    )


def _unfinished(policy: Policy) -> tuple[Warned, ...]:
    """What `draft` left to say stands in signed manifests, and in every key, as it is written."""
    said = {"owner": policy.owner, "purpose": policy.purpose, "keys.recipient": policy.keys.recipient}
    drafted = [place for place, text in said.items() if text.startswith("EDIT:") or text == DRAFTED_RECIPIENT]
    return tuple(
        Warned(place, "unfinished", "still says what the draft put there. Edit it before the first run") for place in drafted
    )


def _key_ids(prepared: Prepared, settings: Settings) -> Mapping[KeyRequest, str]:
    """Ids with fingerprints where the root is at hand; a plan needs no key."""
    keys = prepared.bound.policy.keys
    if any(settings.get(name) is None for name in needed_settings(settings)):
        return {}
    try:
        # Keys of which every run has its own don't exist yet.
        lasting = [request for request in prepared.plan.requests if not request.per_run]
        made = open_key_ring(settings).subkeys(lasting, recipient=keys.recipient, epoch=keys.epoch, permit=key_permit(settings))
    except (KeyFileError, KeyProviderError, MissingCapabilityError, TransientError):
        return {}
    return made.ids


def _source(prepared: Prepared, sampled: int) -> SourcePlan:
    source, listing = prepared.bound.policy.source, prepared.listing
    counts = [split.rows for split in prepared.splits]
    rows = None if None in counts else sum(count for count in counts if count is not None)
    return SourcePlan(
        path=source.path,
        format=source.format,
        files=len(listing.files),
        splits=len(prepared.splits),
        bytes=sum(split.bytes for split in prepared.splits),
        rows=rows,
        about_rows=None if rows is not None else _about_rows(prepared),
        whole_files=sum(not is_cuttable(source, file.path) for file in listing.files),
        sampled=sampled,
    )


def _about_rows(prepared: Prepared) -> int | None:
    """Rows by the length of the first file's first lines; None for compressed files."""
    files = prepared.listing.files
    if any(file.path.endswith((".gz", ".zst", ".bz2")) for file in files):
        return None
    with prepared.raw.open_input(files[0].path) as opened:
        head = opened.read(256 * 1024)
    lines = head.count(b"\n")
    return None if not lines else round(sum(file.size for file in files) * lines / len(head))


def _search_seconds(prepared: Prepared, batch: Any, rows: int | None) -> int | None:
    searched = [path for path, operator in prepared.plan.operators.items() if isinstance(operator, RedactEntities)]
    if not searched or rows is None or not batch.num_rows:
        return None
    texts = sum(_distinct_share(batch, path) * rows for path in searched)
    return max(1, round(texts / ROWS_PER_SECOND))


def _distinct_share(batch: Any, path: ColumnPath) -> float:
    """Different texts a row in the sample; in the whole they are fewer."""
    values, _ = leaf_values(batch, path)
    return float(len(pc.unique(values.drop_null())) / batch.num_rows)


def _collisions(prepared: Prepared, rows: int | None) -> dict[str, str]:
    if rows is None:
        return {}
    bounds = {str(path): collision_bound(operator, rows) for path, operator in prepared.plan.operators.items()}
    return {path: bound for path, bound in bounds.items() if bound is not None}
