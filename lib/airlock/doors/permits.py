"""Permits to use keys: after a door's own boundary checks, and on a cluster against preflight's verdict alone. Called by every door with keys."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airlock.doors._zones import require_disjoint
from airlock.errors import PermitError
from airlock.evidence.canonical import canonical_json, parse_time, sha256_hex
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.trust import Trust
from airlock.keys import Permit
from airlock.settings import Settings
from airlock.types import Sha256

__all__ = ["key_permit"]

_IN_POD = "KUBERNETES_SERVICE_HOST"
"""Variable that the kubelet sets in every container (kubernetes.io, "Accessing the Kubernetes API from a Pod")."""
_AHEAD = timedelta(minutes=1)
"""How far preflight's clock may be ahead."""


def key_permit(settings: Settings, run: str | None = None) -> Permit:
    """Check that zones and keys are apart, and permit the use of keys for `permit_minutes`, or as long as preflight's verdict counts.

    In a pod, keys of a service (Vault, KMS) are unwrapped against a verdict alone, whatever else is set.

    Args:
        settings: `isolation.preflight` names the verdict, `isolation.node` the node that this process is on.
        run: The run that keys are for, which the verdict must name; None: they are for no run.

    Raises:
        ZonesOverlapError: They are not apart.
        PermitError: There is no verdict where there must be one, or it is not of this run, of this node, or of now.
        SignatureError, IntegrityError: It is not signed by a trusted key of preflight, or it is none.
    """
    require_disjoint(settings)
    longest = time.time() + 60 * settings.number("permit_minutes")
    verdict = settings.path("isolation.preflight")
    if verdict is not None:
        record, digest = _read(verdict, settings)
        _require_now(record)
        _require_here(record, settings, run)
        return Permit(digest, min(longest, parse_time(record.expires_at).timestamp()))
    if os.environ.get(_IN_POD) and settings.require("keys.provider") != "file":
        raise PermitError(
            f"in a cluster, keys of {settings.require('keys.provider')} are unwrapped against a verdict of preflight alone, and "
            "isolation.preflight names none. Run 'airlock isolation preflight' first"
        )
    said = {"check": "zones-disjoint", "settings": settings.only("zones.", "keys.")}
    return Permit(sha256_hex(canonical_json(said)), longest)


def _read(verdict: Path, settings: Settings) -> tuple[Preflighted, Sha256]:
    try:
        envelope = verdict.read_bytes()
    except OSError as error:
        raise PermitError(
            f"the verdict of preflight '{verdict}' can't be read: {error.strerror}. Run preflight first"
        ) from None
    return Preflighted.parse(envelope, Trust.load(settings.path("trust"))), sha256_hex(envelope)


def _require_now(record: Preflighted) -> None:
    now = datetime.now(UTC)
    if parse_time(record.signed_at) > now + _AHEAD:
        raise PermitError(f"the verdict of preflight is of {record.signed_at}, which is still to come. Set the clocks right")
    if now >= parse_time(record.expires_at):
        raise PermitError(f"the verdict of preflight ran out at {record.expires_at}. Run preflight again")


def _require_here(record: Preflighted, settings: Settings, run: str | None) -> None:
    if run is not None and record.run != run:
        raise PermitError(f"the verdict of preflight is for run {record.run}, and this is run {run}. Run preflight for it")
    node = settings.get("isolation.node")
    if node is None:
        raise PermitError(
            "isolation.node is not set, so that it is not known whether this node was probed. Set it from the pod's own spec.nodeName"
        )
    if node not in record.nodes:
        raise PermitError(
            f"this is node '{node}', and the verdict of preflight is for: {', '.join(record.nodes)}. Bind the run's pods to these"
        )
