"""Signing keys: private files, public halves that a trust folder reads, signatures that verify."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from airlock.errors import KeyFileError
from airlock.evidence.dsse import sign, verify
from airlock.evidence.trust import Trust
from airlock.keys.signing import create_signing_key, load_signer

NOW = datetime(2026, 11, 22, 10, 0, 0, 500, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "stage.pem", tmp_path / "stage.pub"


def test_what_it_signs_verifies_with_its_public_half(paths):
    keyid = create_signing_key(*paths, "stage", now=NOW)
    signer = load_signer(paths[0])
    assert signer.public_key.keyid == keyid
    assert verify(sign(b"payload", signer=signer), trust=Trust.load(paths[1]), role="stage", at=NOW) == b"payload"


def test_the_private_half_is_private_and_in_no_other_file(paths):
    create_signing_key(*paths, "release", now=NOW, valid_days=10)
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600
    assert paths[0].read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    public = json.loads(paths[1].read_text())
    assert "PRIVATE" not in public["public"]
    assert (public["role"], public["not_before"], public["not_after"], public["revoked"]) == (
        "release",
        "2026-11-22T10:00:00Z",
        "2026-12-02T10:00:00Z",
        None,
    )
    assert "PRIVATE" not in repr(load_signer(paths[0]))


@pytest.mark.parametrize("which", [0, 1])
def test_nothing_is_overwritten(paths, which):
    paths[which].write_text("mine")
    with pytest.raises(KeyFileError, match="exists and is not overwritten"):
        create_signing_key(*paths, "stage")
    assert [path.exists() for path in paths] == [which == 0, which == 1]
    assert paths[which].read_text() == "mine"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_can_read_is_refused(paths, mode):
    create_signing_key(*paths, "stage")
    paths[0].chmod(mode)
    with pytest.raises(KeyFileError, match=r"permissions 06\d\d, expected 0600"):
        load_signer(paths[0])


def test_a_missing_key_is_named(paths):
    with pytest.raises(KeyFileError, match=r"stage\.pem' can't be opened"):
        load_signer(paths[0])
    with pytest.raises(KeyFileError, match="can't be made"):
        create_signing_key(paths[0], paths[1].parent / "absent" / "x.pub", "stage")


@pytest.mark.parametrize("kind", ["text", "ec", "public"])
def test_other_files_are_refused(paths, kind):
    ec = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    content = {"text": b"secret-not-a-key", "ec": ec, "public": b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"}
    paths[0].write_bytes(content[kind])
    paths[0].chmod(0o600)
    with pytest.raises(KeyFileError, match="not an Ed25519 private key") as caught:
        load_signer(paths[0])
    assert "secret" not in str(caught.value)
