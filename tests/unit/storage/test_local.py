"""The local store beyond the contract: links, permissions, a full disk, leftovers, uris."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airlock.errors import BoundaryError, ConfigError, NotFoundError, StorageUnavailableError
from airlock.storage import AlreadyExistsError, ConflictError, LocalStore, open_store
from airlock.storage._disk import place, translated


@pytest.fixture
def root(tmp_path):
    return tmp_path / "zone"


@pytest.fixture
def store(root):
    return LocalStore(root)


def _names(root):
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_failing_disk_is_worth_another_try(number):
    with pytest.raises(StorageUnavailableError, match=r"disk failed at 'a/b'.*run again") as caught, translated("a/b"):
        raise OSError(number, "cause with a value", "/secret/path")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_refusal_is_a_matter_of_configuration(number):
    with pytest.raises(ConfigError, match=r"does not let this process use 'a/b'.*identity"), translated("a/b"):
        raise OSError(number, "x")


FULL = """
import resource, signal, sys
from airlock.errors import StorageUnavailableError
from airlock.storage import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = open_store(sys.argv[1])
for act in (lambda: store.create("big", bytes(200_000)), lambda: write(store)):
    try:
        act()
    except StorageUnavailableError as error:
        print(type(error).__name__, list(store.list()))
"""


def test_a_write_that_the_system_stops_leaves_nothing(root, store):
    code = FULL.replace(
        "store = open",
        "def write(store):\n    with store.open_output('big') as out:\n        out.write(bytes(200_000))\nstore = open",
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["StorageUnavailableError []"] * 2, done.stderr
    assert _names(root) == []


DENIED = """
import os, sys
from airlock.errors import ConfigError
from airlock.storage import open_store
if os.geteuid() == 0:
    os.setuid(65534)  # permissions don't bind root
store = open_store(sys.argv[1])
for act in (lambda: store.create("x", b""), lambda: store.read("private")):
    try:
        act()
    except ConfigError as error:
        print(error)
"""


def test_a_folder_without_permission_is_named():
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        zone = Path(outer) / "zone"
        LocalStore(zone).create("private", b"")
        (zone / "private").chmod(0)
        zone.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", DENIED, str(zone)], capture_output=True, text=True, check=False)
        zone.chmod(0o755)
    assert [line.partition(": ")[2][:17] for line in done.stdout.splitlines()] == ["permission denied"] * 2, done.stderr


def test_links_that_leave_the_zone_are_refused(root, store, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    store.create("in/file", b"1")
    (root / "file").symlink_to(tmp_path / "outside" / "secret")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("..")
    for act in (store.read, store.stat, store.open_input, store.read_versioned, store.local_path):
        for path in ("file", "folder/secret", "up/outside/secret", "up/zone"):
            with pytest.raises(BoundaryError, match="leaves its zone"):
                act(path)
    for path in ("folder/new", "up/new"):
        with pytest.raises(BoundaryError, match="leaves its zone"):
            store.create(path, b"")
        with pytest.raises(BoundaryError, match="leaves its zone"):
            store.replace(path, b"", None)
        with pytest.raises(BoundaryError, match="leaves its zone"):
            store.delete_tree(f"{path}/x")
    assert (tmp_path / "outside" / "secret").read_bytes() == b"secret"


def test_listing_never_passes_over_a_link(root, store, tmp_path):
    store.create("in/file", b"1")
    (root / "folder").symlink_to("in")
    with pytest.raises(BoundaryError, match="'folder' is a link to a folder"):
        list(store.list())
    (root / "folder").unlink()
    (root / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BoundaryError, match="'file' is a link that leaves"):
        list(store.list())


def test_links_inside_the_zone_are_read(root, store):
    store.create("in/file", b"123")
    (root / "alias").symlink_to("in/file")
    assert store.read("alias") == b"123"
    assert [(entry.path, entry.size) for entry in store.list()] == [("alias", 3), ("in/file", 3)]


def test_writing_and_deleting_never_follow_a_link(root, store):
    store.create("in/file", b"123")
    (root / "alias").symlink_to("in/file")
    with pytest.raises(AlreadyExistsError, match="alias"):
        store.create("alias", b"")
    with pytest.raises(AlreadyExistsError, match="alias"), store.open_output("alias"):
        pytest.fail("the body must not run")
    with pytest.raises(ConflictError, match="alias"):
        store.replace("alias", b"", None)
    store.delete("alias")
    (root / "tree").symlink_to("in")
    store.delete_tree("tree")
    assert [entry.path for entry in store.list()] == ["in/file"]


def test_a_linked_root_is_followed(root, tmp_path):
    LocalStore(root).create("x", b"1")
    (tmp_path / "alias").symlink_to(root)
    assert LocalStore(tmp_path / "alias").read("x") == b"1"


def test_special_files_are_not_read(root, store):
    root.mkdir()
    os.mkfifo(root / "pipe")
    for act in (store.read, store.stat, store.open_input):
        with pytest.raises(NotFoundError, match="no file 'pipe'"):
            act("pipe")


def test_hard_link_shares_the_bytes(root, store, tmp_path):
    other = LocalStore(tmp_path / "other")
    store.create("x", b"1")
    store.link_or_copy("x", other, "y/z")
    assert other.stat("y/z").version == store.stat("x").version


def test_place_without_hard_links_renames_create_only(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOTSUP, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path)
    assert store.create("x", b"1")
    with pytest.raises(AlreadyExistsError, match="x"):
        store.create("x", b"2")
    version = store.replace("y", b"1", None)
    with pytest.raises(ConflictError, match="y"):
        store.replace("y", b"2", None)
    assert store.replace("y", b"3", version)
    store.link_or_copy("x", store, "copy")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"1", "y": b"3", "copy": b"1"}


def test_place_keeps_what_it_could_not_place(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(AlreadyExistsError, match="'b'"):
        place(tmp_path / "a", tmp_path / "b", "b")
    assert (tmp_path / "a").read_bytes() == b"a"
    assert (tmp_path / "b").read_bytes() == b"b"


def test_files_get_the_users_mode(root, store):
    old = os.umask(0o027)
    try:
        store.create("x", b"")
        with store.open_output("y"):
            pass
    finally:
        os.umask(old)
    assert {stat.S_IMODE((root / name).stat().st_mode) for name in "xy"} == {0o640}


def test_uris():
    assert open_store("/srv/a b%20c").uri == "file:///srv/a%20b%2520c"
    assert open_store("file:///srv/a%20b") == LocalStore(Path("/srv/a b"))
    assert open_store("file://localhost/srv") == LocalStore(Path("/srv"))
    assert open_store("relative").local_path("x") == Path.cwd() / "relative" / "x"


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("gopher://x/y", r"scheme 'gopher://'\. Supported: a plain path, file://, or s3://bucket/prefix"),
        ("file://host/srv", "without host"),
        ("file:///srv?x=1", "without host, query"),
        ("", "empty uri"),
        ("s3://", "s3://bucket"),
        ("s3://bucket/a/../b", "without '.', '..'"),
        ("s3://key:secret@bucket", "s3://bucket"),
        ("s3://bucket?region=x", "s3://bucket"),
    ],
)
def test_other_uris_are_refused(uri, match):
    with pytest.raises(ConfigError, match=match):
        open_store(uri)
