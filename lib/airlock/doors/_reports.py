"""What the gate found in runs that it refused: `gate.json` as a release has it, signed, in a place of the outer door's own (setting
`reports`). Releases are for other teams to read, staging is the inner side's: a report stands in neither. Called by `release`,
`runs` and `prune`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from securesystemslib.signer import Signer

from airlock.doors._zones import open_private
from airlock.errors import IntegrityError, NotFoundError
from airlock.evidence.canonical import canonical_json, parse_canonical, parse_time, sha256_hex, time_text
from airlock.evidence.dsse import sign, verify
from airlock.evidence.trust import Trust
from airlock.evidence.verify import GATE
from airlock.gate.inspect import GateVerdict
from airlock.settings import Settings
from airlock.storage import Store, open_store

__all__ = ["Report", "drop_report", "find_report", "keep_report", "reports"]

_ENVELOPE = "gate.intoto.json"
_TYPE = "urn:airlock:refusal:v1"


@dataclass(frozen=True, slots=True)
class Report:
    """A verified report.

    Attributes:
        base: `<dataset>/<run>`.
        gate: The gate's verdict, canonical JSON.
        bytes: Of its files.
    """

    base: str
    gate: bytes
    at: datetime
    bytes: int


def keep_report(verdict: GateVerdict, base: str, settings: Settings, signer: Signer) -> None:
    """Keep the verdict on a run that is refused; nothing where it passed, or where no place is set.

    Args:
        verdict: The gate's.
        base: `<dataset>/<run>`.
        settings: The outer door's.
        signer: The release-signing key.
    """
    place = settings.reports()
    if verdict.passed or place is None:
        return
    store = open_private(place)
    gate = canonical_json(verdict.to_dict())
    dataset, _, run = base.partition("/")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": GATE, "digest": {"sha256": sha256_hex(gate)}}],
        "predicateType": _TYPE,
        "predicate": {"dataset": dataset, "run": run, "at": time_text(datetime.now(UTC))},
    }
    for name, data in ((GATE, gate), (_ENVELOPE, sign(statement, signer=signer))):
        found = store.read_versioned(f"{base}/{name}")
        store.replace(f"{base}/{name}", data, None if found is None else found[1])


def find_report(base: str, settings: Settings) -> Report | None:
    """The report on a run, `<dataset>/<run>`; None where there is none.

    Raises:
        SignatureError: No trusted release key signed it.
        IntegrityError: It is one of another run, or was changed.
    """
    store = _store(settings)
    return None if store is None else _read(store, base, settings)


def reports(dataset: str, settings: Settings) -> Iterator[Report]:
    """Every report on a dataset's runs, by run. Raises as `find_report` does."""
    store = _store(settings)
    if store is None:
        return
    for base in sorted({entry.path.rpartition("/")[0] for entry in store.list(dataset)}):
        found = _read(store, base, settings)
        if found is not None:
            yield found


def drop_report(report: Report, settings: Settings) -> None:
    """Delete a report."""
    store = _store(settings)
    if store is not None:
        store.delete_tree(report.base)


def _store(settings: Settings) -> Store | None:
    place = settings.reports()
    return None if place is None else open_store(place)


def _read(store: Store, base: str, settings: Settings) -> Report | None:
    envelope = gate = b""
    with suppress(NotFoundError):
        gate = store.read(f"{base}/{GATE}")
        envelope = store.read(f"{base}/{_ENVELOPE}")
    if not envelope:  # none, or a door was killed between the two: the run is refused anew
        return None
    statement = _parsed(verify(envelope, trust=Trust.load(settings.path("trust")), role="release", at=_at))
    dataset, _, run = base.partition("/")
    predicate, subject = statement["predicate"], statement["subject"]
    if statement["predicateType"] != _TYPE or (predicate["dataset"], predicate["run"]) != (dataset, run):
        raise IntegrityError(f"the report in '{base}' is one on another run. Find out who put it there", run=run)
    if subject != [{"name": GATE, "digest": {"sha256": sha256_hex(gate)}}]:
        raise IntegrityError(f"the report on '{base}' is not the one that was signed. Find out who changed it", run=run)
    return Report(base, gate, parse_time(predicate["at"]), len(gate) + len(envelope))


def _at(payload: bytes) -> datetime:
    return parse_time(_parsed(payload)["predicate"]["at"])


def _parsed(payload: bytes) -> dict[str, Any]:
    made: dict[str, Any] = parse_canonical(payload)
    return made
