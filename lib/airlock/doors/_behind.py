"""Sinks whose current release is not the latest finished run of their dataset: what `prune` can't take from them. For `prune`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from airlock.doors._leftovers import files_by_run
from airlock.doors._releases import find_sinks
from airlock.doors._signed import ENVELOPE
from airlock.doors._sinks import read_pointer
from airlock.doors._zones import open_zone
from airlock.errors import AirlockError
from airlock.evidence.manifest import PrivateManifest, PublicManifest
from airlock.evidence.trust import Trust
from airlock.settings import Settings
from airlock.types import RunState, Zone

__all__ = ["Behind", "sinks_behind"]


@dataclass(frozen=True, slots=True)
class Behind:
    """A sink that still gives readers a run that a later one replaces.

    Attributes:
        latest: The run of the dataset that finished last, as far as the named zones know.
    """

    dataset: str
    sink: str
    run: str
    latest: str

    def __str__(self) -> str:
        return (
            f"sink '{self.sink}' still holds run '{self.run}' of '{self.dataset}', though run '{self.latest}' finished later: all rows of "
            f"the older one stay. Release the later run there; or, if no policy writes to this sink any more, withdraw it: "
            f"airlock runs revoke {self.sink} --reason ..."
        )


def sinks_behind(dataset: str, settings: Settings) -> list[Behind]:
    """Every sink of a dataset whose current run is not the latest finished one. Revoked ones hold nothing that could be."""
    if not settings.has(Zone.SANITIZED):
        return []
    store, trust = open_zone(settings, Zone.SANITIZED), Trust.load(settings.path("trust"))
    read = {sink.path: read_pointer(store, sink.path, trust) for sink in find_sinks(store)}
    current = {path: one.pointer for path, one in read.items() if one is not None and one.pointer.dataset == dataset}
    released = ((pointer.fence, pointer.run) for pointer in current.values())
    fence, latest = max([*released, *_finished(dataset, settings)], default=(0, ""))
    return [
        Behind(dataset, path, pointer.run, latest)
        for path, pointer in current.items()
        if pointer.fence < fence and pointer.state is RunState.RELEASED
    ]


def _finished(dataset: str, settings: Settings) -> Iterator[tuple[int, str]]:
    """Fence and id of every finished run that the zones before the outer door know, as they say it: it is only warned of."""
    if settings.has(Zone.PRIVATE):
        private = open_zone(settings, Zone.PRIVATE)
        for run, files in files_by_run(private, dataset).items():
            if "manifest.json" in files:
                with suppress(AirlockError):  # what is not a manifest, `runs show` tells of
                    yield PrivateManifest.from_bytes(private.read(files["manifest.json"].path)).fence, run
    if settings.has(Zone.STAGING):
        staging = open_zone(settings, Zone.STAGING)
        for run, files in files_by_run(staging, dataset).items():
            if ENVELOPE in files and "manifest.json" in files:
                with suppress(AirlockError):  # what is not a manifest is the next release's to refuse
                    yield PublicManifest.from_bytes(staging.read(files["manifest.json"].path)).fence, run
