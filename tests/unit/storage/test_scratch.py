"""Scratch folders: private, gone afterwards; the dead's go with the next one, the living's and all others' stay."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airlock.errors import ConfigError
from airlock.storage import scratch
from airlock.storage.scratch import scratch_folder

HOLD = """
import sys
from airlock.storage.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "executor.key").write_bytes(b"k" * 32)
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def holder(base):
    """A process that holds a scratch folder, and the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_it_is_private_and_gone_afterwards(base):
    with scratch_folder() as folder:
        assert folder.parent == base
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "deep").mkdir()
        (folder / "deep" / "file").touch()
    assert list(base.iterdir()) == []
    with pytest.raises(ZeroDivisionError), scratch_folder() as folder:
        _ = 1 / 0
    assert list(base.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next(base, holder):
    process, folder = holder
    with scratch_folder() as other:
        assert {folder, other} == set(base.iterdir())
    assert (folder / "executor.key").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "executor.key").exists()
    with scratch_folder() as other:
        assert list(base.iterdir()) == [other]


def test_a_child_that_outlives_its_parent_does_not_hold_it(base):
    """Java and pool workers are started with no descriptor of ours."""
    with scratch_folder() as folder, subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        descriptors = [path.resolve() for path in Path(f"/proc/{child.pid}/fd").iterdir()]
        child.kill()
    assert descriptors
    assert folder not in descriptors


def test_only_what_is_ours_goes(base):
    kept = [
        "airlock-demo",
        "airlock-scratch-",
        "airlock-scratch-UPPER123",
        "airlock-scratch-abcdefgh.old",
        "airlock-scratch-abcdefg",
    ]
    for name in kept:
        (base / name).mkdir(mode=0o700)
    open_to_others = base / "airlock-scratch-aaaaaaaa"
    open_to_others.mkdir(mode=0o755)
    (base / "elsewhere").mkdir(mode=0o700)
    link = base / "airlock-scratch-bbbbbbbb"
    link.symlink_to(base / "elsewhere")
    file = base / "airlock-scratch-cccccccc"
    file.touch(mode=0o700)
    stale = base / "airlock-scratch-dddddddd"
    stale.mkdir(mode=0o700)
    with scratch_folder():
        pass
    assert {path.name for path in base.iterdir()} == {*kept, open_to_others.name, "elsewhere", link.name, file.name}


def test_of_another_user_nothing_goes(base, monkeypatch):
    (base / "airlock-scratch-dddddddd").mkdir(mode=0o700)
    monkeypatch.setattr(scratch.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="can't lock what is in it; name another in TMPDIR"), scratch_folder():
        pass
    assert [path.name for path in base.iterdir()] == ["airlock-scratch-dddddddd"]


def test_a_new_folder_that_another_process_swept_is_made_anew(base, monkeypatch):
    made = []

    def swept(**options):
        folder = mkdtemp(**options)
        made.append(folder)
        if len(made) == 1:
            Path(folder).rmdir()
        return folder

    mkdtemp = tempfile.mkdtemp
    monkeypatch.setattr(scratch.tempfile, "mkdtemp", swept)
    with scratch_folder() as folder:
        assert [str(folder)] == made[1:]
