"""Find a staged run and make sure that it is what the inner door signed under a policy approved here. Called by `release`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airlock.doors._signed import ENVELOPE, MANIFEST, read_signed
from airlock.doors._verdicts import VERDICT, read_verdict
from airlock.doors._zones import open_zone
from airlock.errors import IntegrityError, NotFoundError, PolicyError, RunBoundError, UnknownPolicyError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.trust import Trust
from airlock.gate.inspect import ManifestFacts
from airlock.policy.load import load_policy, policy_files
from airlock.policy.model import Policy
from airlock.settings import Settings
from airlock.storage import Store
from airlock.types import RunState, Zone

__all__ = ["Offered", "find_offered"]

Refuse = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Offered:
    """A staged run whose signature, manifest and policy hold. Its data files have not been looked at.

    Attributes:
        base: `<dataset>/<run>` in zone staging.
        policy: The outer door's own copy.
        envelope: The inner door's signed statement.
    """

    base: str
    policy: Policy
    manifest: PublicManifest
    manifest_sha256: str
    envelope: bytes

    def facts(self) -> ManifestFacts:
        """What the gate needs of the manifest."""
        return ManifestFacts.of(self.manifest)


def find_offered(named: Policy, settings: Settings, run: str | None, refuse: Refuse) -> Offered | None:
    """The run that was asked for, or the oldest staged one without a verdict; None where none waits.

    Args:
        named: The policy as the caller named it.
        settings: The outer door's.
        run: The run that was asked for.
        refuse: Told of a run that is not what was signed: its folder, its error's code, the digest of what stands as its manifest.

    Raises:
        NotFoundError: The run that was asked for is not staged.
        RunBoundError: It was refused or revoked before.
        SignatureError, IntegrityError, UnknownPolicyError: It is not what it should be.
    """
    staging = open_zone(settings, Zone.STAGING)
    waiting = _waiting(staging, named.dataset)
    if run is None:
        run = next((found for found, judged in waiting.items() if not judged), None)
        if run is None:
            return None
    elif run not in waiting and read_verdict(staging, f"{named.dataset}/{run}", settings) is RunState.RELEASED:
        return None  # its files have gone since
    elif run not in waiting:
        raise NotFoundError(f"run '{run}' of '{named.dataset}' is not staged; staged: {', '.join(waiting) or 'none'}", run=run)
    base = f"{named.dataset}/{run}"
    verdict = read_verdict(staging, base, settings)
    if verdict in (RunState.REFUSED, RunState.REVOKED):
        raise RunBoundError(f"run '{run}' of '{named.dataset}' was {verdict} before; it is never released. Run again", run=run)
    trust = Trust.load(settings.path("trust"))
    try:
        signed = read_signed(staging, base, trust)
    except (IntegrityError, NotFoundError) as error:
        found = staging.read_versioned(f"{base}/{MANIFEST}")
        refuse(base, IntegrityError.code if found is None else error.code, sha256_hex(found[0] if found else b""))
        if found is None:
            raise IntegrityError(f"the manifest of run '{run}' of '{named.dataset}' is missing. Run again", run=run) from None
        raise
    return Offered(base, _approved(signed.manifest, named, settings), signed.manifest, sha256_hex(signed.data), signed.envelope)


def _waiting(staging: Store, dataset: str) -> dict[str, bool]:
    """Staged runs, oldest first (UUIDv7 sorts by time), and whether they have a verdict."""
    files: dict[str, set[str]] = {}
    for entry in staging.list(dataset):
        _, run, *rest = entry.path.split("/")
        files.setdefault(run, set()).add("/".join(rest))
    return {run: VERDICT in names for run, names in sorted(files.items()) if ENVELOPE in names}


def _approved(manifest: PublicManifest, named: Policy, settings: Settings) -> Policy:
    """The outer door's own copy of the policy that the run was made under."""
    folder = Path(settings.require("policies"))
    approved: dict[str, Policy] = {}
    broken: list[PolicyError] = []
    for path in policy_files(folder):
        try:
            policy = load_policy(path)
        except PolicyError as error:  # it approves nothing, and is no other dataset's business
            broken.append(error)
        else:
            approved[policy.digest] = policy
    own = approved.get(manifest.policy_sha256)
    if own is None and broken:
        raise broken[0]
    if own is None:
        raise UnknownPolicyError(
            f"run '{manifest.run}' of '{manifest.dataset}' was made under policy {manifest.policy_sha256[:16]}, which is not among the "
            f"{len(approved)} policies approved here ({folder}). Approve it by putting it there, or run again under an approved one",
            policy=manifest.policy_sha256,
        )
    if own.dataset != manifest.dataset or own.sink.path != named.sink.path or own.keys.recipient != manifest.recipient:
        raise UnknownPolicyError(
            f"policy {manifest.policy_sha256[:16]} is approved for dataset '{own.dataset}' and sink '{own.sink.path}', not for "
            f"'{manifest.dataset}' and '{named.sink.path}'",
            policy=manifest.policy_sha256,
        )
    return own
