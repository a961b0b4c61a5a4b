"""Private files are replaced at once, whatever kills the call, and nothing of what they held stays beside them."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pytest

from airlock.errors import KeyFileError
from airlock.keys import private
from airlock.keys.private import create_private_file, replace_private_file

OLD, NEW = b"old secret" * 9, b"new content"


def count_and_kill(at: int) -> None:
    """From now on the process kills itself before the step of this number."""
    left = [at]

    def wrapped(step):
        def counted(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **named)

        return counted

    os.fsync, os.link = wrapped(os.fsync), wrapped(os.link)
    Path.replace, Path.unlink = wrapped(Path.replace), wrapped(Path.unlink)  # type: ignore[method-assign]
    private.create_private_file = wrapped(private.create_private_file)


def killed_at(step: int, path: Path) -> bool:
    """Replace in a child that dies before this step; whether it got that far."""
    with warnings.catch_warnings():
        # The child only handles files; Arrow's threads hold no lock that it needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        count_and_kill(step)
        replace_private_file(path, lambda _: NEW)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_killed_anywhere_it_is_the_old_content_or_the_new(tmp_path):
    seen, step = set(), 0
    while True:
        path = tmp_path / str(step) / "root.json"
        path.parent.mkdir()
        create_private_file(path, OLD)
        died = killed_at(step, path)
        seen.add(path.read_bytes())
        # Another call ends what this one began: nothing is left beside the file.
        replace_private_file(path, lambda content: content)
        assert path.stat().st_mode & 0o777 == 0o600
        assert [file.name for file in path.parent.iterdir()] == ["root.json"]
        if not died:
            break
        step += 1
    assert step >= 8
    assert seen == {OLD, NEW}


def test_what_it_held_is_overwritten(tmp_path):
    path = tmp_path / "root.json"
    create_private_file(path, OLD)
    with path.open("rb") as held:  # still sees the blocks of the file that goes
        replace_private_file(path, lambda _: NEW)
        assert held.read() == bytes(len(OLD))
    assert path.read_bytes() == NEW


def test_a_file_of_two_names_is_not_overwritten(tmp_path):
    """A backup by hard link would go with it; of a destroyed root it would be the one that stays."""
    path, other = tmp_path / "root.json", tmp_path / "backup.json"
    create_private_file(path, OLD)
    other.hardlink_to(path)
    with pytest.raises(KeyFileError, match="has 2 names"):
        replace_private_file(path, lambda _: NEW)
    assert (path.read_bytes(), other.read_bytes()) == (OLD, OLD)
    other.unlink()
    replace_private_file(path, lambda _: NEW)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("word", ["new", "old"])
def test_what_a_leftover_points_to_is_left_alone(tmp_path, word):
    path, other = tmp_path / "root.json", tmp_path / "other"
    create_private_file(path, OLD)
    other.write_bytes(b"somebody's")
    (tmp_path / f".root.json.{word}").symlink_to(other)
    replace_private_file(path, lambda _: NEW)
    assert (path.read_bytes(), other.read_bytes()) == (NEW, b"somebody's")
    (tmp_path / f".root.json.{word}").hardlink_to(other)
    with pytest.raises(KeyFileError, match="has 2 names"):
        replace_private_file(path, lambda _: OLD)
    assert other.read_bytes() == b"somebody's"


def test_a_change_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "root.json"
    create_private_file(path, OLD)

    def refuse(_):
        raise KeyFileError("no")

    with pytest.raises(KeyFileError, match="no"):
        replace_private_file(path, refuse)
    assert path.read_bytes() == OLD
    assert [file.name for file in tmp_path.iterdir()] == ["root.json"]


def test_a_mounted_secret_is_read_and_not_changed(tmp_path):
    """As Kubernetes lays it out: a link to ..data, which is a link to a dated folder, both exchanged at an update."""
    dated = tmp_path / "..2026_11_28"
    dated.mkdir()
    (tmp_path / "..data").symlink_to(dated.name)
    create_private_file(dated / "root.json", OLD)
    (dated / "root.json").chmod(0o400)
    (tmp_path / "root.json").symlink_to("..data/root.json")
    assert private.read_private_file(tmp_path / "root.json") == OLD
    with pytest.raises(KeyFileError, match="is a link, as in a mounted Secret, and is not changed here"):
        replace_private_file(tmp_path / "root.json", lambda _: NEW)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(KeyFileError, match="can't be replaced: No such file or directory"):
        replace_private_file(tmp_path / "gone" / "root.json", lambda _: NEW)
