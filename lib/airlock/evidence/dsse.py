"""Sign and verify DSSE envelopes (secure-systems-lab/dsse v1, Ed25519). Statements and pointers go through here; doors hold the signers.

The envelope is canonical JSON and is read strictly: any other spelling of the same envelope is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signer

from airlock.errors import SignatureError
from airlock.evidence.canonical import canonical_json, parse_canonical, time_text
from airlock.evidence.trust import Role, Trust, TrustedKey

__all__ = ["DESTROYED", "IN_TOTO", "POINTER", "PREFLIGHT", "PROBED", "REIDENTIFIED", "SHARD", "SignedAt", "sign", "verify"]

IN_TOTO = "application/vnd.in-toto+json"
"""Payload type of in-toto Statements."""

POINTER = "application/vnd.airlock.pointer+json"
"""Payload type of pointers."""

SHARD = "application/vnd.airlock.shard+json"
"""Payload type of shard verdicts."""

DESTROYED = "application/vnd.airlock.key-destroyed+json"
"""Payload type of records of destroyed keys."""

REIDENTIFIED = "application/vnd.airlock.reidentified+json"
"""Payload type of records of reversed tokens."""

PROBED = "application/vnd.airlock.probed+json"
"""Payload type of results of probes."""

PREFLIGHT = "application/vnd.airlock.preflight+json"
"""Payload type of preflight's verdicts."""

SignedAt = datetime | Callable[[bytes], datetime]
"""When it was signed: a time, or how to find it in the (by then verified) payload."""

_PAYLOAD_TYPES = frozenset({IN_TOTO, POINTER, SHARD, DESTROYED, REIDENTIFIED, PROBED, PREFLIGHT})
_MAX_SIGNATURES = 8


def sign(payload: bytes | Mapping[str, Any], *, payload_type: str = IN_TOTO, signer: Signer) -> bytes:
    """An envelope with one signature over the payload (a mapping is made canonical JSON first).

    Raises:
        SignatureError: The payload type is none of Airlock's.
    """
    if payload_type not in _PAYLOAD_TYPES:
        raise SignatureError(
            f"payload type '{payload_type}' is not signed here; expected one of {', '.join(sorted(_PAYLOAD_TYPES))}"
        )
    envelope = Envelope(payload if isinstance(payload, bytes) else canonical_json(payload), payload_type, {})
    envelope.sign(signer)
    return canonical_json(envelope.to_dict())


def verify(envelope: bytes, *, trust: Trust, role: Role, at: SignedAt, payload_type: str = IN_TOTO) -> bytes:
    """The payload, if a key that is trusted for `role` at the time `at` signed it.

    Several signatures: one good one is enough, none by a trusted key may be wrong, and those of unknown keys count for nothing.

    Raises:
        SignatureError: A signature is missing, wrong, or by a key that is not trusted for this role at that time.
    """
    parsed = _parse(envelope, payload_type)
    known = [key for keyid in parsed.signatures if (key := trust.get(keyid)) is not None]
    if not known:
        raise SignatureError(
            f"none of the {len(parsed.signatures)} signatures is by a trusted key. "
            "If you trust its maker, add the public key to the trust folder",
            keyids=sorted(parsed.signatures),
        )
    for key in known:
        _check(parsed, key)
    when = at if isinstance(at, datetime) else _time(parsed.payload, at)
    faults = [fault for key in known if (fault := _fault(key, role, when)) is not None]
    if len(faults) == len(known):
        raise SignatureError(
            f"no signature is by a key trusted as '{role}' at {time_text(when)}: {'; '.join(faults)}. Make the release anew"
        )
    return parsed.payload


def _check(envelope: Envelope, key: TrustedKey) -> None:
    try:
        envelope.verify([key.key()], 1)
    except VerificationError:
        raise SignatureError(
            f"the signature by key {key.keyid[:16]} is wrong: the content is not what was signed. Find out who changed it",
            keyid=key.keyid,
        ) from None


def _fault(key: TrustedKey, role: Role, at: datetime) -> str | None:
    if key.role != role:
        return f"key {key.keyid[:16]} has role '{key.role}'"
    fault = key.fault(at)
    return fault and f"key {key.keyid[:16]} {fault}"


def _time(payload: bytes, at: Callable[[bytes], datetime]) -> datetime:
    try:
        return at(payload)
    except (ValueError, KeyError, TypeError):
        raise SignatureError("what was signed does not say when. Make it anew with this version of Airlock") from None


def _parse(data: bytes, payload_type: str) -> Envelope:
    try:
        envelope = _envelope(parse_canonical(data))
        # base64 has several spellings of one value; only the one that we write is taken.
        exact = envelope is not None and canonical_json(envelope.to_dict()) == data
    except (ValueError, KeyError, TypeError, AttributeError):
        exact, envelope = False, None
    if not exact or envelope is None:
        raise SignatureError("this is not a signature envelope as Airlock writes it. Find out who changed it, and sign anew")
    if envelope.payload_type != payload_type:
        raise SignatureError(f"the envelope signs another kind of thing than '{payload_type}'. Check which file was given")
    return envelope


def _envelope(value: Any) -> Envelope | None:
    if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
        return None
    signatures = value["signatures"]
    if not 1 <= len(signatures) <= _MAX_SIGNATURES or any(item.keys() != {"keyid", "sig"} for item in signatures):
        return None
    return Envelope.from_dict(value)
