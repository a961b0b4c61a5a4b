"""Where the outer door's pending files lie, and which of them are over. For `release`, `shard` and `prune`.

    .pending/<sink>/<run's fence>-<run>/lease-<number>/...        a release at work under that lease of the sink
                                        <context>/<i>-<nonce>/... an attempt at shard i
                                        <context>/<i>.json        shard i's signed verdict

No lease guards a shard: each attempt has a folder of its own, and the first verdict wins. So only whoever holds the sink's lease
deletes what others may have written, and only of runs that can't be released any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

from airlock.doors._signed import ENVELOPE
from airlock.doors._verdicts import VERDICT
from airlock.errors import TransientError
from airlock.evidence.manifest import PublicManifest
from airlock.storage import Entry, Store
from airlock.storage.pending import pending_folder

__all__ = ["clean_pending", "discard", "is_judged", "lease_folder", "run_folder"]

_LEASE = "lease-"

Judged = Callable[[str], bool]


def run_folder(sink: str, manifest: PublicManifest) -> str:
    """The folder of everything pending of a staged run."""
    return f"{pending_folder(sink)}/{manifest.fence}-{manifest.run}"


def lease_folder(sink: str, manifest: PublicManifest, fence: int) -> str:
    """Where the holder of a sink's lease puts what it writes itself."""
    return f"{run_folder(sink, manifest)}/{_LEASE}{fence}"


def is_judged(staging: Store, dataset: str, run: str) -> bool:
    """Whether a staged run has a verdict, or is not there any more. Who may write to staging can make it look so: work is lost,
    nothing else.
    """
    names = {entry.path.rpartition("/")[2] for entry in staging.list(f"{dataset}/{run}")}
    return VERDICT in names or ENVELOPE not in names


def clean_pending(
    store: Store, sink: str, *, released: int, judged: Judged, lease: int, dry_run: bool = False
) -> dict[str, int]:
    """Delete what nobody can publish any more. Needs the sink's lease.

    Args:
        store: Zone `sanitized`.
        sink: The dataset's folder there.
        released: The fence of the current release: runs up to it are over.
        judged: Whether a run has its verdict.
        lease: The number of the lease that the caller holds: what was written under earlier ones is a dead door's.
        dry_run: Delete nothing.

    Returns:
        Bytes by folder.
    """
    base, judged = pending_folder(sink), cache(judged)
    gone: dict[str, int] = {}
    strays = set()
    for entry in store.list(base):
        for folder in _dead(entry, base, released, judged, lease):
            gone[folder] = gone.get(folder, 0) + entry.size
            strays |= {folder} & {entry.path}
    for folder in () if dry_run else gone.keys() - strays:
        discard(store, folder)
    for file in () if dry_run else strays:
        store.delete(file)
    return gone


def discard(store: Store, folder: str) -> None:
    """Delete pending files as far as it goes; somebody may be writing there at this moment, and the next run cleans again."""
    with suppress(TransientError):
        store.delete_tree(folder)


def _dead(entry: Entry, base: str, released: int, judged: Judged, lease: int) -> Iterator[str]:
    work, _, rest = entry.path.removeprefix(f"{base}/").partition("/")
    fence, _, run = work.partition("-")
    attempt, _, name = rest.partition("/")
    number = attempt.removeprefix(_LEASE)
    if entry.path == base or not rest:
        yield entry.path  # a file where a folder has to be
    elif not fence.isdecimal() or int(fence) <= released or judged(run):
        yield f"{base}/{work}"
    elif not name and (attempt.startswith(_LEASE) or not attempt.endswith(".json")):
        yield entry.path
    elif attempt.startswith(_LEASE) and (not number.isdecimal() or int(number) < lease):
        yield f"{base}/{work}/{attempt}"
