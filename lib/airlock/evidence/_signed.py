"""Records that stand in an envelope of their own: signed whole, and verified before they are read. Called by `keyacts` and `shard`."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from securesystemslib.signer import Signer

from airlock.evidence._strict import Record
from airlock.evidence.canonical import parse_canonical, parse_time
from airlock.evidence.dsse import sign, verify
from airlock.evidence.trust import Role, Trust

__all__ = ["SignedRecord"]


class SignedRecord(Record):
    """A record with a field `signed_at`, at which its key is judged; `payload_type` and `role` say what it is and who may sign it."""

    payload_type: ClassVar[str]
    role: ClassVar[Role]

    def to_envelope(self, signer: Signer) -> bytes:
        """Signed."""
        return sign(self.to_bytes(), payload_type=self.payload_type, signer=signer)

    @classmethod
    def parse(cls, envelope: bytes, trust: Trust) -> Self:
        """Verify and read.

        Raises:
            SignatureError: Not signed by a trusted key of the record's role.
            IntegrityError: Signed, but not such a record.
        """
        return cls.from_bytes(verify(envelope, trust=trust, role=cls.role, at=_signed_at, payload_type=cls.payload_type))


def _signed_at(payload: bytes) -> datetime:
    return parse_time(parse_canonical(payload)["signed_at"])
