"""Signed records of what was done with keys by hand: an epoch's root destroyed, tokens reversed. No key and no value is in them.

A destruction is signed by the stage key, whose door used the root; a reversal by a key of its own role.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.evidence._signed import SignedRecord
from airlock.evidence._strict import STRICT, Digest, Time
from airlock.evidence.dsse import DESTROYED, REIDENTIFIED
from airlock.evidence.trust import Role
from airlock.types import Separation

__all__ = ["Destroyed", "Reidentified"]

_Line = Annotated[str, Field(min_length=1, max_length=500)]
_Epoch = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Destroyed(SignedRecord):
    """An epoch's root was destroyed, or (`begun`) is about to be.

    Attributes:
        provider: Where the root was kept.
        root_fingerprint: The root's public fingerprint, as `airlock keys show` told it.
        user: Number and name of the user.
        seen: How it was seen that nothing can be derived any more; None while `begun`.
    """

    what: ClassVar[str] = "record of a destroyed key"
    payload_type: ClassVar[str] = DESTROYED
    role: ClassVar[Role] = "stage"

    version: Literal[1] = 1
    state: Literal["begun", "destroyed"]
    epoch: _Epoch
    provider: str
    place: str
    root_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    user: _Line
    reason: _Line
    seen: Literal["derivation refused: key-epoch"] | None = None
    signed_at: Time


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Reidentified(SignedRecord):
    """Tokens are about to be reversed.

    Attributes:
        user: Number and name of the user.
        run: Whose key it was, where every run has its own.
        tokens: How many different ones; one that stands beside several tweaks or conditions counts for each.
        tokens_sha256: SHA-256 of the sorted tokens as UTF-8, joined by line feeds.
        key_ids: Of the subkeys that reverse them.
        authenticated: Whether the way back tells tokens that these keys did not make; FF1 makes other values of them.
        separation: `identities` where this configuration knows nothing of the doors' private keys.
    """

    what: ClassVar[str] = "record of a reidentification"
    payload_type: ClassVar[str] = REIDENTIFIED
    role: ClassVar[Role] = "reidentify"

    version: Literal[1] = 1
    dataset: str
    column: str
    operator: str
    recipient: str
    epoch: _Epoch
    policy_sha256: Digest
    key_ids: tuple[str, ...]
    run: str | None = None
    tokens: Annotated[int, Field(ge=1)]
    tokens_sha256: Digest
    authenticated: bool
    user: _Line
    reason: _Line
    separation: Separation
    signed_at: Time
