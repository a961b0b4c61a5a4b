"""Signed shard verdicts: left by `shard`, gathered by `release` when it finishes. What they name is read again before it counts."""

from __future__ import annotations

import hashlib
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from os import cpu_count

import numpy as np
import pyarrow as pa
from securesystemslib.signer import Signer

from airlock import __version__
from airlock.doors._inspect import Written
from airlock.doors._pending import run_folder
from airlock.doors._publish import separation_of
from airlock.doors._share import Shard, Share, Work
from airlock.errors import AirlockError, DigestMismatchError, IntegrityError, NotFoundError, ShardsMissingError, all_errors
from airlock.evidence.canonical import sha256_hex, time_text
from airlock.evidence.manifest import StagedFile
from airlock.evidence.shard import ShardContext, ShardRefusal, ShardVerdict
from airlock.evidence.trust import Trust
from airlock.gate.decide import FilePartial
from airlock.gate.partials import digest_of, dump_partials, load_partials
from airlock.storage import AlreadyExistsError, Store

__all__ = ["context_of", "find_shard", "gather_shards", "keep_share", "leave_verdict", "refusal_of", "refused", "shard_folder"]

_COUNTS = "counts.arrow"
_BLOCK = 1 << 20
_SAID = 2000


def context_of(work: Work, of: int) -> ShardContext:
    """What the verdicts of all `of` shards are bound to."""
    manifest = work.offered.manifest
    return ShardContext(
        dataset=manifest.dataset,
        run=manifest.run,
        manifest_sha256=work.offered.manifest_sha256,
        policy_sha256=manifest.policy_sha256,
        rules_sha256=digest_of(work.rules),
        code={
            "airlock": __version__,
            "google-re2": metadata.version("google-re2"),
            "numpy": np.__version__,
            "pyarrow": pa.__version__,
            "python": platform.python_version(),
            "python-stdnum": metadata.version("python-stdnum"),
        },
        separation=separation_of(work.settings),
        of=of,
    )


def shard_folder(work: Work, context: ShardContext) -> str:
    """Where the verdicts of one context lie: those of another one, an older image's say, are never met."""
    base = run_folder(work.offered.policy.sink.path, work.offered.manifest)
    return f"{base}/{sha256_hex(context.to_bytes())[:32]}"


def keep_share(work: Work, share: Share, verdict: ShardVerdict) -> ShardVerdict:
    """Put the counts beside the files that were written; the verdict with both."""
    counts = dump_partials(share.partials)
    work.sanitized.create(f"{_attempt(work, verdict)}/{_COUNTS}", counts)
    outputs = tuple(StagedFile(file.path, file.sha256, file.bytes, file.rows) for file in share.written)
    return replace(verdict, outputs=outputs, counts=sha256_hex(counts))


def leave_verdict(work: Work, verdict: ShardVerdict, signer: Signer) -> bool:
    """Sign and write a verdict, unless another attempt at the shard was first; whether it was written."""
    signed = replace(verdict, signed_at=time_text(datetime.now(UTC)))
    try:
        work.sanitized.create(f"{shard_folder(work, verdict.context)}/{verdict.shard}.json", signed.to_envelope(signer))
    except AlreadyExistsError:
        return False
    return True


def find_shard(work: Work, shard: Shard, trust: Trust) -> ShardVerdict | None:
    """A shard's verdict; None where it has left none.

    Raises:
        SignatureError: It is not signed by a trusted release key.
        IntegrityError: It is another shard's, or another run's.
    """
    context = context_of(work, shard.of)
    found = work.sanitized.read_versioned(f"{shard_folder(work, context)}/{shard.number}.json")
    if found is None:
        return None
    verdict = ShardVerdict.parse(found[0], trust)
    expected = len(shard.of_all(work.offered.manifest.outputs))
    if (verdict.context, verdict.shard, verdict.files) != (context, shard.number, expected):
        raise IntegrityError(f"the verdict of shard {shard} of run '{context.run}' is another one's. Find out who put it there")
    return verdict


def refusal_of(shard: Shard, refusal: ShardRefusal, others: str = "") -> AirlockError:
    """The error that a shard met, once more."""
    return all_errors().get(refusal.code, IntegrityError)(f"shard {shard}: {refusal.said}{others}")


def refused(error: AirlockError) -> ShardRefusal:
    """An error as a verdict keeps it."""
    return ShardRefusal(error.code, str(error)[:_SAID])


def gather_shards(work: Work, of: int, trust: Trust) -> Share:
    """What all shards counted and wrote: every file hashed again, so that what is published is what was checked.

    Raises:
        DisclosureError, IntegrityError: A shard refused, or something is not what was signed.
        ShardsMissingError: A shard has left no verdict yet.
    """
    shards = [Shard(number, of) for number in range(of)]
    found = {shard: find_shard(work, shard, trust) for shard in shards}
    missing = [str(shard.number) for shard, verdict in found.items() if verdict is None]
    refusals = [(shard, verdict.refusal) for shard, verdict in found.items() if verdict and verdict.refusal]
    if refusals:
        # Whatever the missing ones would say: nothing of this run can be released.
        (first, refusal), *others = refusals
        also = f". Refused as well by shard {', '.join(f'{shard} ({one.code})' for shard, one in others)}" if others else ""
        raise refusal_of(first, refusal, also)
    if missing:
        raise ShardsMissingError(
            f"run '{work.offered.manifest.run}': {len(missing)} of {of} shards have left no verdict: {', '.join(missing[:20])}"
            f"{_strangers(work, of)}. Nothing was published. Run them, then finish again",
            missing=len(missing),
        )
    verdicts = [verdict for verdict in found.values() if verdict is not None]
    partials = [part for verdict in verdicts for part in _counts(work, verdict)]
    files = [(_attempt(work, verdict), file) for verdict in verdicts for file in verdict.outputs]
    with ThreadPoolExecutor(work.settings.number("workers") or cpu_count() or 1) as pool:
        written = pool.map(partial(_again, work.sanitized), files)
        return Share(tuple(partials), tuple(sorted(written)))


def _strangers(work: Work, of: int) -> str:
    """A word on verdicts of the run that do not count."""
    own = shard_folder(work, context_of(work, of))
    paths = [entry.path for entry in work.sanitized.list(own.rpartition("/")[0])]
    others = [path for path in paths if path.endswith(".json") and not path.startswith(f"{own}/")]
    return f" ({len(others)} more are there, of another number of shards, other waivers or another version)" if others else ""


def _attempt(work: Work, verdict: ShardVerdict) -> str:
    return f"{shard_folder(work, verdict.context)}/{verdict.attempt}"


def _counts(work: Work, verdict: ShardVerdict) -> list[FilePartial]:
    path = f"{_attempt(work, verdict)}/{_COUNTS}"
    data = _whole(work.sanitized, path)
    if sha256_hex(data) != verdict.counts:
        raise _changed(path)
    return load_partials(data)


def _whole(store: Store, path: str) -> bytes:
    try:
        return store.read(path)
    except NotFoundError:
        raise _changed(path) from None


def _again(store: Store, place: tuple[str, StagedFile]) -> Written:
    """One pending file, read again."""
    attempt, file = place
    source, digest = f"{attempt}/data/{file.path}", hashlib.sha256()
    try:
        version = store.stat(source).version
        with store.open_input(source) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except NotFoundError:
        raise _changed(source) from None
    if digest.hexdigest() != file.sha256:
        raise _changed(source)
    return Written(file.path, source, file.sha256, file.bytes, file.rows, version)


def _changed(path: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"pending file '{path.rpartition('/')[2]}' is not the one that a shard wrote. Nothing was published. Find out who changed zone "
        "'sanitized'; run again from the source",
    )
