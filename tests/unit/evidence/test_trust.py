"""Trust folders: strict files, one key one role, a missing key says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airlock.errors import SignatureError
from airlock.evidence.trust import Trust
from airlock.keys.signing import create_signing_key

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "trust"
    made.mkdir()
    for role in ("stage", "release"):
        create_signing_key(tmp_path / f"{role}.pem", made / f"{role}.pub", role, now=NOW)
    return made


def test_a_folder_holds_both_roles(folder):
    (folder / "README").write_text("not a key")
    trust = Trust.load(folder)
    assert len(trust) == 2
    (release,) = trust.of_role("release")
    assert trust.get(release.keyid) == release
    assert (release.not_before, release.not_after, release.revoked) == (NOW, None, None)


def test_one_file_is_enough(folder):
    assert [key.role for key in Trust.load(folder / "release.pub").of_role("release")] == ["release"]


def test_times_are_read(folder):
    data = json.loads((folder / "stage.pub").read_text()) | {
        "not_after": "2027-01-01T00:00:00Z",
        "revoked": "2026-12-01T00:00:00Z",
    }
    (folder / "stage.pub").write_text(json.dumps(data))
    (key,) = Trust.load(folder).of_role("stage")
    assert key.fault(NOW) is None
    assert key.fault(datetime(2026, 12, 1, tzinfo=UTC)) == "was revoked at 2026-12-01T00:00:00Z"
    assert key.fault(datetime(2027, 1, 2, tzinfo=UTC)) == "was valid until 2027-01-01T00:00:00Z"
    assert key.fault(datetime(2026, 1, 1, tzinfo=UTC)) == "is valid from 2026-11-22T10:00:00Z"


def test_no_key_says_what_to_do(tmp_path):
    for path in (None, tmp_path, tmp_path / "absent.pub", Path("/dev/null")):
        with pytest.raises(SignatureError, match=r"no trusted key.*--trust KEY, or AIRLOCK_TRUST") as caught:
            Trust.load(path)
        assert caught.value.exit_code == 3


def test_one_key_never_has_two_roles(folder):
    data = json.loads((folder / "release.pub").read_text()) | {"role": "stage"}
    (folder / "copy.pub").write_text(json.dumps(data))
    with pytest.raises(SignatureError, match="stands twice; one key has one role"):
        Trust.load(folder)


def _pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"role": "admin"}, "none of stage, release, reidentify"),
        ({"role": None}, "every value is text"),
        ({"keyid": "0" * 64}, "'keyid' is not the id"),
        ({"public": "x"}, "not a PEM public key"),
        ({"public": _pem(generate_private_key(SECP256R1()))}, "not an Ed25519 key"),
        ({"public": 5}, "every value is text"),
        ({"not_before": None}, "every value is text"),
        ({"not_before": "yesterday"}, "not a time of the form"),
        ({"revoked": True}, "every value is text"),
        ({"extra": "x"}, "expected exactly the names"),
    ],
)
def test_malformed_keys_are_refused(folder, change, match):
    data = json.loads((folder / "release.pub").read_text()) | change
    (folder / "release.pub").write_text(json.dumps(data))
    with pytest.raises(SignatureError, match=match):
        Trust.load(folder)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"\xff", b'{"role":"stage","role":"release"}', b"-----BEGIN PUBLIC KEY-----", b"[" * 100_000]
)
def test_other_files_are_refused(folder, text):
    (folder / "release.pub").write_bytes(text)
    with pytest.raises(SignatureError, match=r"release\.pub' is not a trusted key"):
        Trust.load(folder)
