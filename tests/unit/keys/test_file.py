"""The file provider: what it derives, and every file that it refuses."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

import pytest

from airlock.errors import KeyFileError, PermitError
from airlock.keys import FileKeyRing, KeyRequest, Permit, create_root_file
from airlock.keys.derive import derive
from airlock.keys.private import create_private_file, read_private_file
from airlock.types import Sha256

REQUEST = KeyRequest("pseudonymize", "aes-cmac", "customer")
VERDICT = Sha256("0" * 64)


def permit(seconds: float = 60) -> Permit:
    return Permit(VERDICT, time.time() + seconds)


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def roots(path: Path) -> dict[str, bytes]:
    return {epoch: base64.b64decode(root) for epoch, root in json.loads(path.read_text())["epochs"].items()}


def test_new_roots_are_private_random_and_independent(tmp_path: Path) -> None:
    create_root_file(tmp_path / "a.json", epochs=(1, 2))
    create_root_file(tmp_path / "b.json")
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    first, second = roots(tmp_path / "a.json"), roots(tmp_path / "b.json")
    assert (set(first), set(second)) == ({"1", "2"}, {"1"})
    made = [*first.values(), *second.values()]
    assert len(set(made)) == 3
    assert {len(root) for root in made} == {32}


def test_a_wide_umask_does_not_open_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_root_file(tmp_path / "root.json")
    finally:
        os.umask(before)
    assert (tmp_path / "root.json").stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "root.json", "kept")
    with pytest.raises(KeyFileError, match="exists and is not overwritten"):
        create_root_file(path)
    assert path.read_text() == "kept"


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(KeyFileError, match="exists"):
        create_private_file(tmp_path / "link", b"x")
    assert not (tmp_path / "target").exists()


def test_no_folder_to_write_into(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="can't be made: No such file or directory"):
        create_root_file(tmp_path / "nowhere" / "root.json")


def test_subkeys_come_from_their_epochs_root(tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    create_root_file(path, epochs=(1, 2))
    for epoch in (1, 2):
        keys = FileKeyRing(path).subkeys([REQUEST], recipient="analytics", epoch=epoch, permit=permit())
        assert keys[REQUEST] == derive(roots(path)[str(epoch)], REQUEST, "analytics", epoch)
        assert keys.ids[REQUEST].startswith(f"customer/analytics/{epoch}:")


def test_no_permit_and_an_expired_one(tmp_path: Path) -> None:
    ring = FileKeyRing(tmp_path / "never-opened.json")
    with pytest.raises(PermitError, match="without a permit"):
        ring.subkeys([REQUEST], recipient="analytics", epoch=1, permit=None)
    with pytest.raises(PermitError, match="has run out"):
        ring.subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit(-1))


def test_an_epoch_without_a_root(tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    create_root_file(path, epochs=(2, 10))
    with pytest.raises(KeyFileError, match=r"no root for epoch 1; it has: 2, 10\. Set keys\.epoch") as caught:
        FileKeyRing(path).subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit())
    assert caught.value.facts == {"epoch": 1}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o610, 0o4600])
def test_a_file_that_others_may_touch(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "root.json", "{}", mode)
    with pytest.raises(KeyFileError, match=f"has permissions {mode:04o}, expected 0600"):
        FileKeyRing(path).subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit())


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_modes(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", "content")
    path.chmod(mode)
    assert read_private_file(path) == b"content"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file to another user")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    path = write(tmp_path / "root.json", "{}")
    os.chown(path, 12345, -1)
    with pytest.raises(KeyFileError, match="belongs to user 12345, expected 0"):
        read_private_file(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize(("mode", "accepted"), [(0o440, True), (0o640, True), (0o444, False), (0o460, False)])
def test_a_mounted_secret_belongs_to_root_and_its_group_may_read(mode: int, *, accepted: bool) -> None:
    # Not tmp_path: its parents are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = write(Path(folder, "root.json"), "secret", mode)
        os.chown(path, 0, 12345)
        with warnings.catch_warnings():
            # The child only reads a file; Arrow's threads hold no lock that it needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os._exit(_read_as(12345, path))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (0 if accepted else 3)


def _read_as(user: int, path: Path) -> int:
    try:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        return 0 if read_private_file(path) == b"secret" else 1
    except KeyFileError as error:
        return 3 if "has permissions" in str(error) else 2


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="can't be opened: No such file or directory"):
        read_private_file(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="expected a plain file"):
        read_private_file(tmp_path / "pipe")
    big = tmp_path / "big"
    big.write_bytes(b"")
    os.truncate(big, (1 << 20) + 1)
    big.chmod(0o600)
    with pytest.raises(KeyFileError, match="at most 1,048,576 bytes"):
        read_private_file(big)


CANARY = base64.b64encode(b"canary canary canary canary 1234").decode()
SHORT = base64.b64encode(b"canary").decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json " + CANARY,
        "[]",
        "7",
        f'{{"epochs": {{"1": "{CANARY}"}}}}',
        f'{{"version": 2, "epochs": {{"1": "{CANARY}"}}}}',
        f'{{"version": 1, "epochs": {{"1": "{CANARY}"}}, "note": 1}}',
        f'{{"version": 1, "epochs": ["{CANARY}"]}}',
        '{"version": 1, "epochs": {"1": 5}}',
        f'{{"version": 1, "epochs": {{"1": "{SHORT}"}}}}',
        f'{{"version": 1, "epochs": {{"1": "{CANARY}!"}}}}',
        f'{{"version": 1, "epochs": {{"one": "{CANARY}"}}}}',
        f'{{"version": 1, "epochs": {{"0": "{CANARY}"}}}}',
        f'{{"version": 1, "epochs": {{"01": "{CANARY}"}}}}',
        f'{{"version": 1, "epochs": {{"1": "{CANARY}", "2": "{CANARY}"}}}}',
    ],
)
def test_malformed_files_are_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "root.json", content)
    with pytest.raises(KeyFileError, match="is malformed; expected JSON with version 1") as caught:
        FileKeyRing(path).subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY not in str(caught.value)


def test_a_mounted_secret_is_a_link(tmp_path: Path) -> None:
    create_root_file(tmp_path / "data.json")
    (tmp_path / "root.json").symlink_to("data.json")
    keys = FileKeyRing(tmp_path / "root.json").subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit())
    assert len(keys) == 1


def test_nothing_secret_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    create_root_file(path)
    ring = FileKeyRing(path)
    keys = ring.subkeys([REQUEST], recipient="analytics", epoch=1, permit=permit())
    shown = repr(ring) + repr(keys) + repr(vars(ring))
    for secret in (keys[REQUEST], roots(path)["1"]):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
        assert base64.b64encode(secret).decode() not in shown
