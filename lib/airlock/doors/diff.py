"""What differs between two runs of a dataset: policy, code, schema, columns, totals, files, verdict. Called by `airlock runs diff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from airlock.doors.runs import RunDetail, show_run
from airlock.errors import ConfigError, NotFoundError
from airlock.evidence.manifest import ColumnFacts, PublicManifest
from airlock.settings import Settings

__all__ = ["Difference", "RunDiff", "diff_runs"]

_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        part: `policy`, `code`, `schema`, `column`, `totals`, `inputs`, `outputs`, `gate`, `release`.
        name: What of it.
    """

    part: str
    name: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Two runs beside each other.

    Attributes:
        stable: Whether the manifests are byte-equal but for their volatile fields: one run reproduced the other.
        outputs: Whether both wrote files of the same bytes.
        volatile: The fields that were left out.
    """

    dataset: str
    left: str
    right: str
    stable: bool
    outputs: bool
    volatile: tuple[str, ...]
    differences: tuple[Difference, ...]


def diff_runs(left: str, right: str, settings: Settings, dataset: str | None = None) -> RunDiff:
    """Compare two runs of one dataset, from their manifests.

    Raises:
        NotFoundError: One is not known, or has no manifest in the zones that are named.
        ConfigError: They are of two datasets, or one of them was staged only and the other released.
    """
    one, other = show_run(left, settings, dataset), show_run(right, settings, dataset)
    if one.known.dataset != other.known.dataset:
        raise ConfigError(
            f"run '{one.known.run}' is of '{one.known.dataset}', run '{other.known.run}' of '{other.known.dataset}'. "
            "Name two runs of one dataset"
        )
    first, second = _manifest(one), _manifest(other)
    return RunDiff(
        dataset=first.dataset,
        left=first.run,
        right=second.run,
        stable=first.stable_bytes() == second.stable_bytes(),
        outputs=_digests(first) == _digests(second),
        volatile=first.volatile,
        differences=(*_manifests(first, second), *_outer(one, other)),
    )


def _manifest(detail: RunDetail) -> PublicManifest:
    if detail.manifest is None:
        raise NotFoundError(
            f"run '{detail.known.run}' of '{detail.known.dataset}' is {detail.known.state} and its manifest is in no zone that is "
            f"named here{f': {detail.known.said}' if detail.known.said else ''}. Runs can be compared once they are staged"
        )
    return detail.manifest


def _digests(manifest: PublicManifest) -> list[str]:
    return sorted(file.sha256 for file in manifest.outputs)


def _manifests(left: PublicManifest, right: PublicManifest) -> Iterator[Difference]:
    for name in ("policy_sha256", "plan_digest", "owner", "purpose", "recipient"):
        yield from _pairs("policy", {name: getattr(left, name)}, {name: getattr(right, name)})
    yield from _pairs("code", _code(left), _code(right))
    yield from _pairs("schema", _schema(left), _schema(right))
    yield from _pairs("column", _columns(left), _columns(right))
    yield from _pairs("inputs", {"commitment": left.inputs_commitment}, {"commitment": right.inputs_commitment})
    yield from _pairs("totals", _counts(left), _counts(right))
    yield from _pairs("outputs", _outputs(left, right), _outputs(right, left))


def _pairs(part: str, left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Difference]:
    for name in [*left, *(name for name in right if name not in left)]:
        one, other = left.get(name, _ABSENT), right.get(name, _ABSENT)
        if one != other:
            yield Difference(part, name, one, other)


def _code(manifest: PublicManifest) -> dict[str, str]:
    return manifest.code | {"image": manifest.image_digest or _ABSENT}


def _schema(manifest: PublicManifest) -> dict[str, str]:
    fields = {field.name: field.type + ("" if field.nullable else " not null") for field in manifest.schema}
    return fields | {"(order)": ", ".join(fields)}


def _columns(manifest: PublicManifest) -> dict[str, str]:
    return {path: _column(facts) for path, facts in manifest.columns.items()}


def _column(facts: ColumnFacts) -> str:
    return facts.operator if facts.key_id is None else f"{facts.operator}, key {facts.key_id}"


def _counts(manifest: PublicManifest) -> dict[str, str]:
    counts = {name: f"{count:,}" for name, count in asdict(manifest.totals).items()}
    return counts | {"known values found": f"{sum(manifest.known_values.found.values()):,}"}


def _outputs(manifest: PublicManifest, other: PublicManifest) -> dict[str, str]:
    known = set(_digests(other))
    own = sum(digest not in known for digest in _digests(manifest))
    size = sum(file.bytes for file in manifest.outputs)
    return {"files": f"{len(manifest.outputs):,}", "bytes": f"{size:,}", "files that the other has not": f"{own:,}"}


def _outer(left: RunDetail, right: RunDetail) -> Iterator[Difference]:
    one, other = left.known, right.known
    for name in ("isolation", "separation", "state", "reason"):
        values = getattr(one, name) or _ABSENT, getattr(other, name) or _ABSENT
        yield from _pairs("release", {name: values[0]}, {name: values[1]})
    yield from _pairs("gate", _gate(left), _gate(right))


def _gate(detail: RunDetail) -> dict[str, str]:
    return {
        check.check: "; ".join(
            [("passed" if check.passed else "failed"), *check.findings, *(f"waived {one}" for one in check.waived)]
        )
        for check in detail.gate
    }
