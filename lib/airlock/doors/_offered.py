"""Find a staged run and make sure that it is what the inner door signed under a policy approved here. Called by `release`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.doors._callers import require_other_caller
from airlock.doors._isolated import found_isolation
from airlock.doors._signed import ENVELOPE, MANIFEST, SignedRun, read_signed
from airlock.doors._verdicts import VERDICT, read_verdict
from airlock.doors._zones import open_outer_staging
from airlock.doors.policies import approved_policies
from airlock.errors import (
    IntegrityError,
    IsolationUnprovenError,
    NotFoundError,
    PolicyError,
    RunBoundError,
    SignatureError,
    UnknownPolicyError,
)
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.trust import Trust
from airlock.gate.inspect import ManifestFacts
from airlock.policy.model import Policy
from airlock.policy.pools import demand_same_lists
from airlock.settings import Settings
from airlock.storage import Store
from airlock.types import Isolation, RunState, Sha256

__all__ = ["Offered", "find_offered"]

Refuse = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Offered:
    """A staged run whose signature, manifest and policy hold. Its data files have not been looked at.

    Attributes:
        base: `<dataset>/<run>` in zone staging.
        policy: The outer door's own copy.
        envelope: The inner door's signed statement.
        isolation: This door's own finding.
        passed_over: Older runs that wait for their policy to be approved here.
    """

    base: str
    policy: Policy
    manifest: PublicManifest
    manifest_sha256: str
    envelope: bytes
    isolation: Isolation
    passed_over: tuple[str, ...] = ()

    def facts(self) -> ManifestFacts:
        """What the gate needs of the manifest."""
        return ManifestFacts.of(self.manifest)


def find_offered(named: Policy, settings: Settings, run: str | None, refuse: Refuse) -> Offered | None:
    """The run that was asked for, or the oldest staged one that has no verdict and an approved policy; None where none waits.

    A run whose policy is not approved here gets no verdict: it may be approved later. Until then it stops no other run.

    Args:
        named: The policy as the caller named it.
        settings: The outer door's.
        run: The run that was asked for.
        refuse: Told of a run that is not what was signed: its folder, its error's code, the digest of what stands as its manifest.

    Raises:
        NotFoundError: The run that was asked for is not staged.
        RunBoundError: It was refused or revoked before.
        SignatureError, IntegrityError: It is not what it should be.
        IsolationUnprovenError: It was staged without a verdict of preflight, and this door is on a cluster.
        UnknownPolicyError, PolicyError: Its policy is not approved here; or no waiting run's is.
        MissingCapabilityError: Its surrogates were made from word lists that this door does not have.
    """
    staging = open_outer_staging(settings)
    waiting = _waiting(staging, named.dataset)
    if run is not None:
        return _asked_for(run, waiting, _Desk(staging, named, settings, refuse))
    return _next([found for found, judged in waiting.items() if not judged], _Desk(staging, named, settings, refuse))


def _asked_for(run: str, waiting: Collection[str], desk: _Desk) -> Offered | None:
    dataset = desk.named.dataset
    verdict = read_verdict(desk.staging, f"{dataset}/{run}", desk.settings)
    if verdict in (RunState.REFUSED, RunState.REVOKED):
        raise RunBoundError(f"run '{run}' of '{dataset}' was {verdict} before; it is never released. Run again", run=run)
    if verdict is RunState.RELEASED:
        return None  # it is out; its files may have gone since, or some of them
    if run not in waiting:
        raise NotFoundError(f"run '{run}' of '{dataset}' is not staged; staged: {', '.join(waiting) or 'none'}", run=run)
    return desk.approved(run, desk.signed(run))


def _next(waiting: Sequence[str], desk: _Desk) -> Offered | None:
    passed: list[PolicyError | UnknownPolicyError] = []
    for place, run in enumerate(waiting):
        signed = desk.signed(run)
        try:
            return replace(desk.approved(run, signed), passed_over=tuple(waiting[:place]))
        except (PolicyError, UnknownPolicyError) as error:
            passed.append(error)
    if passed:
        raise passed[0]
    return None


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where one staged run after the other is looked at."""

    staging: Store
    named: Policy
    settings: Settings
    refuse: Refuse

    def signed(self, run: str) -> SignedRun:
        """What was signed for a run; one that is not what was signed is refused for good."""
        base, trust = f"{self.named.dataset}/{run}", Trust.load(self.settings.path("trust"))
        try:
            return read_signed(self.staging, base, trust)
        except (IntegrityError, NotFoundError) as error:
            found = self.staging.read_versioned(f"{base}/{MANIFEST}")
            self.refuse(base, IntegrityError.code if found is None else error.code, sha256_hex(found[0] if found else b""))
            if found is None:
                raise IntegrityError(
                    f"the manifest of run '{run}' of '{self.named.dataset}' is missing. Run again", run=run
                ) from None
            raise

    def approved(self, run: str, signed: SignedRun) -> Offered:
        """The run with the outer door's own copy of its policy; one whose isolation is not shown is refused for good."""
        require_other_caller(signed.caller, self.settings, run)
        policy, base, digest = (
            _approved(signed.manifest, self.named, self.settings),
            f"{self.named.dataset}/{run}",
            sha256_hex(signed.data),
        )
        demand_same_lists(signed.manifest.code)
        try:
            isolation = found_isolation(signed, Trust.load(self.settings.path("trust")))
        except SignatureError:  # a key may be trusted later
            raise
        except (IsolationUnprovenError, IntegrityError) as error:
            self.refuse(base, error.code, digest)
            raise
        return Offered(base, policy, signed.manifest, digest, signed.envelope, isolation)


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
    approved, broken = approved_policies(folder)
    own = approved.get(Sha256(manifest.policy_sha256))
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
