"""The verdict of one shard of the outer door: what it checked, under what, and what it wrote. Signed by the release key, read by
whoever finishes the release; it goes with the shard's files and is no evidence of a release.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.evidence._signed import SignedRecord
from airlock.evidence._strict import STRICT, Count, Digest, Name, Record, Time
from airlock.evidence.dsse import SHARD
from airlock.evidence.manifest import StagedFile
from airlock.evidence.trust import Role
from airlock.types import Separation

__all__ = ["ShardContext", "ShardRefusal", "ShardVerdict"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ShardContext(Record):
    """What all shards of one release must agree on: of whom they are verdicts, and what they were judged by.

    Attributes:
        manifest_sha256: Of the staged manifest.
        rules_sha256: Of the gate's rules, waivers in force included.
        code: Versions of what shapes the output's bytes and the counts.
        of: How many shards there are.
    """

    what: ClassVar[str] = "shard's context"

    dataset: str
    run: Name
    manifest_sha256: Digest
    policy_sha256: Digest
    rules_sha256: Digest
    code: dict[str, str]
    separation: Separation
    of: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class ShardRefusal(Record):
    """Why nothing of the run can be released, whatever other shards say: an error's stable code, and its message."""

    code: str
    said: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ShardVerdict(SignedRecord):
    """What a shard did.

    Attributes:
        shard: From 0.
        attempt: The folder of this attempt; others of the same shard have others.
        files: How many staged files were its share.
        outputs: What it wrote, by path relative to the run's data folder.
        counts: Of the file that holds what its checks counted; None where it refused.
    """

    what: ClassVar[str] = "shard verdict"
    payload_type: ClassVar[str] = SHARD
    role: ClassVar[Role] = "release"

    version: Literal[1] = 1
    context: ShardContext
    shard: Count
    attempt: Name
    files: Count
    outputs: tuple[StagedFile, ...] = ()
    counts: Digest | None = None
    refusal: ShardRefusal | None = None
    signed_at: Time
