"""What the outer door finds of the isolation of a staged run: preflight's word, verified, and never the inner door's own. Called by `_offered`."""

from __future__ import annotations

from airlock.doors._pods import in_pod
from airlock.doors._signed import SignedRun
from airlock.errors import IsolationUnprovenError, SignatureError
from airlock.evidence.canonical import parse_time
from airlock.evidence.preflighted import held_verdict
from airlock.evidence.trust import Trust
from airlock.types import Isolation

__all__ = ["found_isolation"]


def found_isolation(signed: SignedRun, trust: Trust) -> Isolation:
    """`proven` where the verdict of a preflight that watches stands in the manifest, signed by a trusted key, of this run, and in force when it
    was staged.

    Raises:
        IsolationUnprovenError: It does not stand there, and this door is on a cluster, which takes nothing else.
        IntegrityError: What stands there is another run's, or of another time.
        SignatureError: It is not by a trusted key of preflight; or on a cluster none is trusted.
    """
    manifest, keys = signed.manifest, trust.of_role("preflight")
    if manifest.preflight is not None and keys:
        record = held_verdict(manifest.preflight, run=manifest.run, at=parse_time(signed.signed_at), trust=Trust(keys))
        if record.watched:
            return Isolation.PROVEN
    if in_pod():
        if manifest.preflight is not None and not keys:
            raise SignatureError(
                f"run '{manifest.run}' was staged under a verdict of preflight, and no key of role 'preflight' is trusted here. Add its public key"
            )
        raise IsolationUnprovenError(
            f"run '{manifest.run}' of '{manifest.dataset}' was staged without a verdict of a preflight that watches, and on a cluster nothing "
            "else is released. Run it again beside 'airlock isolation preflight --watch', with isolation.preflight set"
        )
    return Isolation.NONE if manifest.isolation is Isolation.NONE else Isolation.UNPROVEN
