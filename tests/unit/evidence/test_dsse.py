"""Envelopes: the right key, the right role, the right time, the very bytes."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from airlock.errors import SignatureError
from airlock.evidence.canonical import canonical_json, parse_canonical, parse_time
from airlock.evidence.dsse import IN_TOTO, POINTER, sign, verify
from airlock.evidence.trust import Trust

PAYLOAD = canonical_json({"_type": "x", "time": "2026-11-22T10:00:00Z"})


@pytest.fixture
def envelope(release_signer):
    return sign(PAYLOAD, signer=release_signer)


def test_the_payload_comes_back(envelope, trust, now):
    assert verify(envelope, trust=trust, role="release", at=now) == PAYLOAD


def test_a_mapping_is_signed_as_canonical_json(release_signer, trust, now):
    assert verify(sign({"b": 1, "a": 2}, signer=release_signer), trust=trust, role="release", at=now) == b'{"a":2,"b":1}'


def test_the_envelope_is_dsse_v1(envelope, release_signer):
    """The pre-authentication encoding of the specification, signed as Ed25519 says."""
    value = json.loads(envelope)
    assert value["payloadType"] == IN_TOTO
    assert base64.b64decode(value["payload"]) == PAYLOAD
    pae = b"DSSEv1 %d %b %d %b" % (len(IN_TOTO), IN_TOTO.encode(), len(PAYLOAD), PAYLOAD)
    release_signer._private_key.public_key().verify(base64.b64decode(value["signatures"][0]["sig"]), pae)


def test_the_time_may_stand_in_the_payload(envelope, trust):
    def read(payload):
        return parse_time(parse_canonical(payload)["time"])

    assert verify(envelope, trust=trust, role="release", at=read) == PAYLOAD
    with pytest.raises(SignatureError, match="does not say when"):
        verify(envelope, trust=trust, role="release", at=lambda payload: parse_time(parse_canonical(payload)["absent"]))


def test_wrong_role(envelope, trust, now):
    with pytest.raises(SignatureError, match=r"trusted as 'stage'.* has role 'release'"):
        verify(envelope, trust=trust, role="stage", at=now)


def test_unknown_key(trust, now):
    with pytest.raises(SignatureError, match=r"none of the 1 signatures is by a trusted key.*add the public key"):
        verify(sign(PAYLOAD, signer=CryptoSigner.generate_ed25519()), trust=trust, role="release", at=now)


@pytest.mark.parametrize(("days", "match"), [(-31, "is valid from 2026-10-23"), (31, "was valid until 2026-12-22")])
def test_outside_the_keys_time(envelope, trust, now, days, match):
    with pytest.raises(SignatureError, match=match):
        verify(envelope, trust=trust, role="release", at=now + timedelta(days=days))


def test_a_key_revoked_later_still_verifies_what_it_signed_before(envelope, release_signer, trusted, now):
    trust = Trust([trusted(release_signer, "release", revoked=now + timedelta(days=1))])
    assert verify(envelope, trust=trust, role="release", at=now) == PAYLOAD
    for later in (1, 2):
        with pytest.raises(SignatureError, match="was revoked at 2026-11-23"):
            verify(envelope, trust=trust, role="release", at=now + timedelta(days=later))


def test_another_key_under_a_trusted_id(envelope, release_signer, trust, now):
    value = json.loads(sign(PAYLOAD, signer=CryptoSigner.generate_ed25519()))
    value["signatures"][0]["keyid"] = release_signer.public_key.keyid
    with pytest.raises(SignatureError, match="is wrong: the content is not what was signed"):
        verify(canonical_json(value), trust=trust, role="release", at=now)


def test_another_payload_under_a_good_signature(envelope, trust, now):
    value = json.loads(envelope)
    value["payload"] = base64.b64encode(PAYLOAD + b" ").decode()
    with pytest.raises(SignatureError, match="is wrong"):
        verify(canonical_json(value), trust=trust, role="release", at=now)


def test_another_payload_type(release_signer, trust, now):
    pointer = sign(PAYLOAD, payload_type=POINTER, signer=release_signer)
    with pytest.raises(SignatureError, match="another kind of thing"):
        verify(pointer, trust=trust, role="release", at=now)
    value = json.loads(pointer) | {"payloadType": IN_TOTO}
    with pytest.raises(SignatureError, match="is wrong"):
        verify(canonical_json(value), trust=trust, role="release", at=now)
    with pytest.raises(SignatureError, match="is not signed here"):
        sign(PAYLOAD, payload_type="text/plain", signer=release_signer)


def _signatures(*envelopes):
    first = json.loads(envelopes[0])
    return canonical_json(first | {"signatures": [json.loads(envelope)["signatures"][0] for envelope in envelopes]})


def test_one_good_signature_of_several_is_enough(envelope, stage_signer, trust, now):
    other = sign(PAYLOAD, signer=stage_signer)
    unknown = sign(PAYLOAD, signer=CryptoSigner.generate_ed25519())
    for several in (_signatures(envelope, other, unknown), _signatures(unknown, other, envelope)):
        assert verify(several, trust=trust, role="release", at=now) == PAYLOAD


def test_a_wrong_signature_by_a_trusted_key_spoils_all(envelope, stage_signer, trust, now):
    wrong = sign(PAYLOAD + b" ", signer=stage_signer)
    with pytest.raises(SignatureError, match="is wrong"):
        verify(_signatures(envelope, wrong), trust=trust, role="release", at=now)


def test_roles_do_not_add_up(stage_signer, trust, now):
    unknown = sign(PAYLOAD, signer=CryptoSigner.generate_ed25519())
    with pytest.raises(SignatureError, match="has role 'stage'"):
        verify(_signatures(unknown, sign(PAYLOAD, signer=stage_signer)), trust=trust, role="release", at=now)


def _malformed(envelope):
    value = json.loads(envelope)
    signature = value["signatures"][0]
    yield b""
    yield b"null"
    yield b"[]"
    yield b"\xff"
    yield envelope + b"\n"
    yield b" " + envelope
    yield json.dumps(value).encode()
    yield envelope[:-1] + b',"payload":"x"}'
    yield canonical_json(value | {"extra": 1})
    yield canonical_json({key: value[key] for key in ("payload", "payloadType")})
    yield canonical_json(value | {"payload": value["payload"] + "=="})
    yield canonical_json(value | {"payload": 1})
    yield canonical_json(value | {"payload": None})
    for signatures in (
        [],
        {},
        None,
        "x",
        [1],
        [signature, signature],
        [signature] * 9,
        [signature | {"x": 1}],
        [{"keyid": "x"}],
    ):
        yield canonical_json(value | {"signatures": signatures})
    for fault in ("", "!", signature["sig"] + "\n", signature["sig"][:-4], 5):
        yield canonical_json(value | {"signatures": [signature | {"sig": fault}]})


def test_malformed_envelopes_are_refused(envelope, trust, now):
    for data in _malformed(envelope):
        with pytest.raises(SignatureError):
            verify(data, trust=trust, role="release", at=now)


def test_every_flipped_bit_is_noticed(envelope, trust, now):
    for place in range(len(envelope)):
        for bit in range(8):
            flipped = bytearray(envelope)
            flipped[place] ^= 1 << bit
            with pytest.raises(SignatureError):
                verify(bytes(flipped), trust=trust, role="release", at=now)
