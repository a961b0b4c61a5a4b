"""Permits to use keys: after a door's own boundary checks, and on a cluster against preflight's verdict alone. Called by every door with keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from airlock.doors._pods import in_pod
from airlock.doors._zones import require_disjoint
from airlock.errors import PermitError
from airlock.evidence.canonical import canonical_json, parse_time, sha256_hex
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.standing import Standing
from airlock.evidence.trust import Trust
from airlock.keys import Permit
from airlock.settings import Settings

__all__ = ["key_permit", "standing_verdict"]


def standing_verdict(settings: Settings, run: str | None = None) -> Standing | None:
    """Where preflight's verdict lies (`isolation.preflight`), as this node (`isolation.node`) sees it; None where none is named.

    Raises:
        SignatureError: No key is trusted for anything.
    """
    verdict = settings.get("isolation.preflight")
    if verdict is None:
        return None
    keys = Trust.load(settings.path("trust")).of_role("preflight")
    return Standing(verdict, keys, run, settings.get("isolation.node"))


def key_permit(settings: Settings, run: str | None = None) -> Permit:
    """Check that zones and keys are apart, and permit the use of keys for `permit_minutes`, or as long as preflight's verdict counts.

    In a pod, keys of a service (Vault, KMS) are unwrapped against a verdict alone, whatever else is set. A permit that stands on a verdict
    looks at it again whenever it is asked for.

    Args:
        settings: `isolation.preflight` names the verdict, `isolation.node` the node that this process is on.
        run: The run that keys are for, which the verdict must name; None: they are for no run.

    Raises:
        ZonesOverlapError: They are not apart.
        PermitError: There is no verdict where there must be one, or it is not of this run, of this node, or of now.
        IsolationDriftError: It was taken back.
        SignatureError, IntegrityError: It is not signed by a trusted key of preflight, or it is none.
    """
    require_disjoint(settings)
    longest = time.time() + 60 * settings.number("permit_minutes")
    standing = standing_verdict(settings, run)
    if standing is not None:
        first = _permit(standing.demand, longest)
        return replace(first, again=lambda: _permit(standing.await_fresh, longest))
    if in_pod() and settings.require("keys.provider") != "file":
        raise PermitError(
            f"in a cluster, keys of {settings.require('keys.provider')} are unwrapped against a verdict of preflight alone, and "
            "isolation.preflight names none. Run 'airlock isolation preflight' first"
        )
    said = {"check": "zones-disjoint", "settings": settings.only("zones.", "keys.")}
    return Permit(sha256_hex(canonical_json(said)), longest)


def _permit(ask: Callable[[], tuple[Preflighted, bytes]], longest: float) -> Permit:
    record, envelope = ask()
    return Permit(sha256_hex(envelope), min(longest, parse_time(record.expires_at).timestamp()))
