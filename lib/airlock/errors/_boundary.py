"""A boundary between the two sides does not hold."""

from __future__ import annotations

from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "AdmissionError",
    "BoundaryError",
    "IsolationDriftError",
    "IsolationUnprovenError",
    "KeyAccessError",
    "KeyEpochError",
    "KeyFileError",
    "KeyProviderError",
    "PermitError",
    "ZonesOverlapError",
]


class BoundaryError(AirlockError):
    """Something reaches, or could reach, both sides."""

    code = "boundary"
    exit_code = 3
    actor: ClassVar[Actor] = "platform team"
    remedy = "Separate what the message names; no switch turns this check off."


class ZonesOverlapError(BoundaryError):
    """Two zones share a location, an identity or a key."""

    code = "zones-overlap"


class AdmissionError(BoundaryError):
    """The cluster refuses what Airlock asks of it: by its rights, or by admission."""

    code = "admission"
    remedy = "Give this identity what the message names, or correct the object; admission's lists are in k8s/README.md."


class PermitError(BoundaryError):
    """Keys were asked for without a valid permit, or a permit ran out before a commit."""

    code = "permit"


class IsolationDriftError(BoundaryError):
    """Preflight took its verdict back: during the run the zone became another than was proved and probed."""

    code = "isolation-drift"
    remedy = "Find out who changed what the message names; then prove, probe and run preflight again, and the run with it."


class IsolationUnprovenError(BoundaryError):
    """A run came without preflight's signed verdict, or with one that is not its own."""

    code = "isolation-unproven"
    remedy = "Run preflight beside the inner door (isolation.preflight), trust its public key at the outer one, and run again."


class KeyFileError(BoundaryError):
    """A key file is missing, malformed or readable by others."""

    code = "key-file"
    remedy = "Name the right file under keys, for this user alone (chmod 600); where there is none yet, 'airlock keys init' makes it."


class KeyEpochError(KeyFileError):
    """The root of this epoch is not there: it was never made, or it was destroyed."""

    code = "key-epoch"
    remedy = "Set keys.epoch of the policy to one that 'airlock keys show' lists; what was destroyed does not come back."


class KeyProviderError(BoundaryError):
    """The key service answered, but not with keys that can be used: refused, not there, or malformed."""

    code = "key-provider"
    remedy = (
        "Correct what the message names under keys in airlock.yaml, or in the key service; 'airlock doctor' tries it again."
    )


class KeyAccessError(KeyProviderError):
    """The key service does not let this identity in, or not to this key."""

    code = "key-access"
    remedy = "Check the identity and its policy in the key service: the inner door may read and decrypt, and nobody else."
