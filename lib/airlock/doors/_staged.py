"""Sign what was staged: private manifest, public manifest, statement - in this order, the last one is the commit."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from securesystemslib.signer import Signer

from airlock.doors._digests import sha256_of
from airlock.doors._failures import Failure, write_failures
from airlock.doors._pods import image_digest, in_pod
from airlock.doors._runs import ENVELOPE, MANIFEST, RunFolder, binding_of
from airlock.doors._source import Prepared
from airlock.engines.records import SplitRecord, record_folder
from airlock.errors import AirlockError, TransientError
from airlock.evidence.canonical import canonical_json, sha256_hex, time_text
from airlock.evidence.dsse import sign
from airlock.evidence.manifest import (
    ColumnFacts,
    Counts,
    InputFile,
    KnownValues,
    PrivateManifest,
    PublicManifest,
    SplitAccount,
    SplitTotals,
    StagedFile,
)
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.schema import schema_fields
from airlock.evidence.statement import staged_statement
from airlock.keys import SubKeys
from airlock.plan.compile import INNER_REQUESTS
from airlock.storage import AlreadyExistsError, ConflictError, Store
from airlock.types import Isolation, RunId, Separation

__all__ = ["StagedFacts", "stage_manifest"]


@dataclass(frozen=True, slots=True)
class StagedFacts:
    """What a finished inner run knows of itself.

    Attributes:
        digests: What the source's files are known by, by path (`source_digests`).
        caller: The inner door's identity (`_callers`).
        preflight: Gives preflight's verdict that is in force, and its envelope; None where there is none.
    """

    prepared: Prepared
    digests: Mapping[str, str]
    keys: SubKeys
    run: RunId
    fence: int
    records: tuple[SplitRecord, ...]
    caller: str | None = None
    preflight: Callable[[], tuple[Preflighted, bytes]] | None = None


def stage_manifest(facts: StagedFacts, folder: RunFolder, *, signer: Signer, last: Callable[[], None]) -> None:
    """Write the manifests and commit the staged release with the signed statement.

    Args:
        facts: What was done.
        folder: Where.
        signer: The stage-signing key.
        last: Called right before each write; raises where it may not be.

    Raises:
        TransientError: Another driver committed this run id first.
    """
    _keep_failures(facts, folder.private, folder)
    private = _private_manifest(facts)
    _put(folder.private, f"{folder.base}/manifest.json", private.to_bytes(), last)
    # It may have to be waited for: then the verdict is one of the moment that is signed.
    verdict = None if facts.preflight is None else facts.preflight()
    manifest = _public_manifest(facts, folder, sha256_hex(private.to_bytes()), verdict)
    envelope = sign(staged_statement(manifest, at=datetime.now(UTC), caller=facts.caller), signer=signer)
    _put(folder.staging, f"{folder.base}/{MANIFEST}", manifest.to_bytes(), last)
    last()
    try:
        folder.staging.create(f"{folder.base}/{ENVELOPE}", envelope)
    except AlreadyExistsError:
        raise _taken_over(folder.run) from None
    try:
        last()
    except AirlockError:
        # It came too late: nobody is to wait for it.
        folder.staging.delete(f"{folder.base}/{ENVELOPE}")
        raise


def _put(store: Store, path: str, data: bytes, last: Callable[[], None]) -> None:
    """Write what is not committed yet; a killed try's file may stand there.

    The version is read before the lease is looked at: who takes the lease over after that has written another one.
    """
    found = store.read_versioned(path)
    last()
    try:
        store.replace(path, data, None if found is None else found[1])
    except ConflictError:
        raise _taken_over(path.split("/")[1]) from None


def _taken_over(run: str) -> TransientError:
    return TransientError(
        f"run '{run}' was carried on by another driver meanwhile; this one wrote nothing more. Run again", run=run
    )


def _keep_failures(facts: StagedFacts, private: Store, folder: RunFolder) -> None:
    """Rejected rows: counted for `runs show`, and their sealed copies brought beside."""
    splits = zip(facts.records, facts.prepared.splits, strict=True)
    reads = {record.name: tuple(sorted({piece.path for piece in split.pieces})) for record, split in splits}
    found = (
        Failure(one.name, reads[one.name], column, code, rows) for one in facts.records for column, code, rows in one.rejects
    )
    write_failures(private, folder.base, found)
    for record in facts.records:
        kept = f"{record_folder(folder.dataset)}/{record.name}.rejects"
        if record.rejects and private.read_versioned(kept) is not None:
            try:
                private.link_or_copy(kept, private, f"{folder.base}/rejects/{record.name}.sealed")
            except AlreadyExistsError:
                continue


def _counts(record: SplitRecord) -> Counts:
    return Counts(record.rows_in, record.rows_out, record.suppressed, record.rejected)


def _private_manifest(facts: StagedFacts) -> PrivateManifest:
    counts = {record.name: _counts(record) for record in facts.records}
    by_name = dict(zip((record.name for record in facts.records), facts.prepared.splits, strict=True))
    return PrivateManifest(
        dataset=facts.prepared.plan.policy.dataset,
        run=facts.run,
        fence=facts.fence,
        inputs=tuple(
            InputFile(file.path, file.size, file.version, sha256_of(facts.digests[file.path]))
            for file in facts.prepared.listing.files
        ),
        splits=tuple(
            SplitAccount(name, tuple(sorted({piece.path for piece in split.pieces})), counts[name])
            for name, split in by_name.items()
        ),
    )


def _public_manifest(
    facts: StagedFacts, folder: RunFolder, private_sha256: str, verdict: tuple[Preflighted, bytes] | None
) -> PublicManifest:
    plan, policy = facts.prepared.plan, facts.prepared.plan.policy
    totals = sum((_counts(record) for record in facts.records), Counts(0, 0, 0, 0))
    return PublicManifest(
        dataset=policy.dataset,
        recipient=policy.keys.recipient,
        run=facts.run,
        fence=facts.fence,
        owner=policy.owner,
        purpose=policy.purpose,
        plan_digest=binding_of(folder.private, folder.base),
        policy_sha256=policy.digest,
        code=plan.versions,
        image_digest=image_digest(),
        outputs=tuple(
            StagedFile(file.name, file.sha256, file.bytes, file.rows) for record in facts.records for file in record.files
        ),
        schema=schema_fields(plan.schema),
        columns=_columns(facts),
        totals=totals,
        splits=tuple(SplitTotals(record.name, _counts(record)) for record in facts.records),
        known_values=_known_values(facts.records),
        inputs_commitment=_commitment(facts),
        private_sha256=private_sha256,
        isolation=_isolation(verdict),
        separation=Separation.NONE,
        created_at=time_text(datetime.now(UTC)),
        preflight=None if verdict is None else verdict[1].decode(),
    )


def _isolation(verdict: tuple[Preflighted, bytes] | None) -> Isolation:
    if verdict is not None and verdict[0].watched:
        return Isolation.PROVEN
    return Isolation.UNPROVEN if in_pod() or verdict is not None else Isolation.NONE


def _known_values(records: Sequence[SplitRecord]) -> KnownValues:
    found: Counter[str] = Counter()
    for record in records:
        found.update(dict(record.known_found))
    return KnownValues(
        checked=all(record.known_rows == record.rows_out for record in records), found=dict(sorted(found.items()))
    )


def _columns(facts: StagedFacts) -> dict[str, ColumnFacts]:
    made = {}
    for path, operator in facts.prepared.plan.operators.items():
        requests = operator.requests()
        made[str(path)] = ColumnFacts(operator.name, facts.keys.ids[requests[0]] if requests else None)
    return made


def _commitment(facts: StagedFacts) -> str:
    inputs = [[file.path, file.size, facts.digests[file.path]] for file in facts.prepared.listing.files]
    return hmac.new(facts.keys[INNER_REQUESTS["inputs"]], canonical_json(inputs), hashlib.sha256).hexdigest()
