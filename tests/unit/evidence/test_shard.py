"""Shard verdicts: signed by the release key, under a type of their own, read strictly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airlock.errors import IntegrityError, SignatureError
from airlock.evidence.canonical import canonical_json, time_text
from airlock.evidence.dsse import IN_TOTO, POINTER, SHARD, sign
from airlock.evidence.manifest import StagedFile
from airlock.evidence.shard import ShardContext, ShardRefusal, ShardVerdict
from airlock.evidence.trust import Trust
from airlock.types import Separation

DIGEST = "0" * 64


@pytest.fixture
def verdict(now):
    context = ShardContext(
        dataset="customers", run="run-1", manifest_sha256=DIGEST, policy_sha256=DIGEST, rules_sha256=DIGEST,
        code={"airlock": "1"}, separation=Separation.IDENTITIES, of=3,
    )  # fmt: skip
    return ShardVerdict(
        context=context,
        shard=2,
        attempt="2-abc",
        files=1,
        outputs=(StagedFile("dt=1/part-00002.parquet", DIGEST, 7, 1),),
        counts=DIGEST,
        signed_at=time_text(now),
    )


def test_it_comes_back(verdict, trust, release_signer):
    refused = replace(verdict, outputs=(), counts=None, refusal=ShardRefusal("integrity", "a file is missing"))
    for one in (verdict, refused):
        assert ShardVerdict.parse(one.to_envelope(release_signer), trust) == one


def test_only_a_release_key_signs_it(verdict, trust, stage_signer, trusted, release_signer):
    with pytest.raises(SignatureError, match="role 'stage'"):
        ShardVerdict.parse(verdict.to_envelope(stage_signer), trust)
    envelope = verdict.to_envelope(release_signer)
    with pytest.raises(SignatureError, match="none of the 1 signatures"):
        ShardVerdict.parse(envelope, Trust([trusted(stage_signer, "stage")]))


@pytest.mark.parametrize("kind", [POINTER, IN_TOTO])
def test_nothing_else_that_the_key_signs_passes_for_one(verdict, trust, release_signer, kind):
    envelope = sign(verdict.to_bytes(), payload_type=kind, signer=release_signer)
    with pytest.raises(SignatureError, match="another kind of thing"):
        ShardVerdict.parse(envelope, trust)


@pytest.mark.parametrize(
    "change",
    [{"more": 1}, {"shard": -1}, {"shard": "2"}, {"counts": "x"}, {"attempt": "../x"}, {"files": None}, {"outputs": [{}]}],
)
def test_it_is_read_strictly(verdict, trust, release_signer, change):
    payload = canonical_json(verdict.to_dict() | change)
    with pytest.raises(IntegrityError, match="the shard verdict is not one"):
        ShardVerdict.parse(sign(payload, payload_type=SHARD, signer=release_signer), trust)


def test_every_word_of_the_context_makes_another_one(verdict):
    context = verdict.context
    others = [
        replace(context, **{name: value})
        for name, value in {
            "dataset": "orders", "run": "run-2", "manifest_sha256": "1" * 64, "policy_sha256": "1" * 64, "rules_sha256": "1" * 64,
            "code": {"airlock": "2"}, "separation": Separation.NONE, "of": 4,
        }.items()
    ]  # fmt: skip
    assert len({other.to_bytes() for other in [context, *others]}) == 9
