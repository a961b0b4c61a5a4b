"""What zone `sanitized` knows of runs: every release that was ever current, verified from its evidence. Called by `runs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from airlock.doors._sinks import read_chain, read_pointer
from airlock.doors._traces import KnownRun, Trace, guarded, of_manifest
from airlock.errors import AirlockError, IntegrityError
from airlock.evidence.canonical import sha256_hex, time_text
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.pointer import HISTORY, Pointer
from airlock.evidence.trust import Trust
from airlock.evidence.verify import CURRENT, data_folder, verify_evidence
from airlock.storage import Store
from airlock.types import RunState

__all__ = ["Evidence", "Sink", "find_sinks", "released_traces"]

_PARTS = ("data", "evidence")


@dataclass(frozen=True, slots=True)
class Sink:
    """A folder of zone `sanitized` that holds releases.

    Attributes:
        data: Bytes of each data file, by run and by path within the run.
        runs: Every run that has data or evidence here.
    """

    path: str
    data: dict[str, dict[str, int]]
    runs: frozenset[str]


def find_sinks(store: Store) -> list[Sink]:
    """Every sink of the zone, by path: a folder with a pointer, or with evidence."""
    data: dict[str, dict[str, dict[str, int]]] = {}
    runs: dict[str, set[str]] = {}
    for entry in store.list():
        parts = entry.path.split("/")
        if parts[-1] == CURRENT:
            runs.setdefault("/".join(parts[:-1]), set())
        # The last one: a sink's own path may have such a part.
        place = max((place for place, part in enumerate(parts) if part in _PARTS), default=0)
        if place and len(parts) > place + 2 and parts[-2] != HISTORY:
            sink, run, rest = "/".join(parts[:place]), parts[place + 1], "/".join(parts[place + 2 :])
            runs.setdefault(sink, set()).add(run)
            if parts[place] == "data":
                data.setdefault(sink, {}).setdefault(run, {})[rest] = entry.size
    return [Sink(sink, data.get(sink, {}), frozenset(found)) for sink, found in sorted(runs.items())]


def released_traces(store: Store, dataset: str | None, trust: Trust) -> Iterator[Trace]:
    """Every run of every sink, the oldest release first."""
    for sink in find_sinks(store):
        name = sink.path.rpartition("/")[2]
        try:
            current = read_pointer(store, sink.path, trust)
            chain = read_chain(store, sink.path, current, trust)
        except AirlockError as error:
            if dataset in (None, name):
                yield from _unknown(sink, name, error)
            continue
        name = name if current is None else current.pointer.dataset
        if dataset in (None, name):
            yield from _of_sink(store, sink, name, chain, trust)


def _unknown(sink: Sink, dataset: str, error: AirlockError) -> Iterator[Trace]:
    """Runs of a sink whose pointers do not hold: nothing is known of any."""
    for run in sorted(sink.runs) or [""]:
        known = KnownRun(dataset=dataset, run=run, state="unknown", sink=sink.path, problem=error.code, said=str(error))
        yield Trace(known)


def _of_sink(store: Store, sink: Sink, dataset: str, chain: tuple[Pointer, ...], trust: Trust) -> Iterator[Trace]:
    last = {pointer.run: pointer for pointer in chain}
    for released in (pointer for pointer in chain if pointer.state is RunState.RELEASED):
        pointer = last[released.run]
        state = pointer.state.value if pointer is chain[-1] or pointer.state is RunState.REVOKED else "superseded"
        known = KnownRun(
            dataset=dataset,
            run=released.run,
            state=state,
            current=pointer is chain[-1],
            sequence=released.sequence,
            recipient=released.recipient,
            sink=sink.path,
            reason=pointer.reason or "",
        )
        yield guarded(known, partial(_released, store, sink, known, released, trust))
    for run in sorted(sink.runs - last.keys()):
        size = sink.data.get(run, {})
        yield Trace(
            KnownRun(dataset=dataset, run=run, state="leftover", sink=sink.path, files=len(size), bytes=sum(size.values()))
        )


def _released(store: Store, sink: Sink, known: KnownRun, pointer: Pointer, trust: Trust) -> Trace:
    facts = verify_evidence(Evidence(store, sink.path), known.run, trust=trust)
    manifest = facts.manifest
    if sha256_hex(manifest.to_bytes()) != pointer.manifest or (manifest.dataset, manifest.recipient) != (
        pointer.dataset,
        pointer.recipient,
    ):
        raise IntegrityError(f"pointer {pointer.sequence} of '{sink.path}' names another manifest. Find out who changed it")
    known = replace(
        of_manifest(known, manifest),
        signed_at=time_text(facts.signed_at),
        separation=manifest.separation.value,
        isolation=manifest.isolation.value,
    )
    # From here on the manifest is known to hold: a fault of the data leaves what it says.
    try:
        known = replace(known, data=_data(sink, known, manifest))
    except IntegrityError as error:
        known = replace(known, data="incomplete", problem=error.code, said=str(error))
    return Trace(known, manifest, facts.gate)


def _data(sink: Sink, known: KnownRun, manifest: PublicManifest) -> str:
    """`present` or `pruned`, by names and sizes; `airlock verify` reads the digests."""
    found = sink.data.get(known.run, {})
    expected = {file.path: file.bytes for file in manifest.outputs}
    if found == expected:
        return "present"
    if known.state != RunState.RELEASED and found.items() <= expected.items():
        return "partly pruned" if found else "pruned"
    wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    raise IntegrityError(
        f"{len(wrong)} data files of '{sink.path}/{data_folder(known.run)}' are not the ones that were released, first "
        f"'{wrong[0]}'. Do not read the release; find out who changed it"
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Files of a sink, read by the paths that its evidence says."""

    store: Store
    sink: str

    def read(self, path: str) -> bytes:
        return self.store.read(f"{self.sink}/{path}")
