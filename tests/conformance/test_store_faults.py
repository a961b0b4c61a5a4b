"""Stores behind a line that fails: what was carried out although its answer was lost is one's own, and what broke off is read again."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import boto3
import pytest
from tests.servers import kms, proxy, s3
from tests.servers.proxy import Fault, at

from airlock.errors import NotFoundError, StorageUnavailableError
from airlock.settings import Location
from airlock.storage import AlreadyExistsError, ConflictError, Store, open_store

LARGE = bytes(range(256)) * (160 << 10)
"""Three parts."""


@dataclass(frozen=True)
class Line:
    """A store reached through a proxy, and the same one reached directly."""

    proxy: proxy.Proxy
    store: Store
    direct: Store
    uploads: object


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory):
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        yield served.endpoint, s3.ROOT, s3.SECRET


@pytest.fixture(scope="module")
def moto(require):
    require("moto")
    with kms.running() as served:
        yield served.address, "any", "any"


@pytest.fixture(scope="module")
def lines(request, tmp_path_factory):
    """One for each server that is asked for: a client is slow to make."""
    with ExitStack() as stack:
        made: dict[str, Line] = {}

        def find(server):
            if server not in made:
                made[server] = _line(*request.getfixturevalue(server), tmp_path_factory.mktemp(server), stack)
            return made[server]

        yield find


def _line(endpoint, key, secret, folder, stack):
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )
    bucket = f"zone-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    identity = folder / "identity"
    identity.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    made = stack.enter_context(proxy.running(endpoint))
    through, direct = (
        open_store(Location(f"s3://{bucket}/zone", endpoint=place, identity=str(identity)))
        for place in (made.address, endpoint)
    )
    return Line(made, through, direct, lambda: client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))


@pytest.fixture
def line(request, lines):
    """Before versitygw, unless a test names others too; nothing is stored, and nothing goes wrong yet."""
    made = lines(getattr(request, "param", "gateway"))
    made.proxy.clear()
    for entry in list(made.direct.list()):
        made.direct.delete(entry.path)
    made.direct.sweep(grace=0)
    return made


both = pytest.mark.parametrize("line", ["gateway", "moto"], indirect=True)
"""For what depends on how a store takes conditions: moto heeds those of a copy, as AWS does."""


def once(fault, pattern=r"^"):
    """The fault befalls the first request that matches."""
    return at(pattern, lambda: None, fault=fault)


def output(store, path, data):
    with store.open_output(path) as out:
        out.write(data)


WRITES = {
    "create": lambda store: store.create("new", b"mine"),
    "replace absent": lambda store: store.replace("new", b"mine", None),
    "replace": lambda store: store.replace("there", b"mine", store.stat("there").version),
    "output": lambda store: output(store, "new", b"mine"),
    "large output": lambda store: output(store, "new", LARGE),
    "link or copy": lambda store: store.link_or_copy("there", store, "new"),
    "delete": lambda store: store.delete("there"),
    "delete tree": lambda store: store.delete_tree("folder"),
}


@both
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.CUT])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_a_fault_befell_is_done_once(line, write, fault):
    for path in ("there", "folder/a", "folder/b"):
        line.direct.create(path, path.encode())
    line.proxy.rule = once(fault, r"^(PUT|POST|DELETE)")
    write(line.store)
    assert len(line.proxy.met(fault)) == 1
    found = {entry.path: line.direct.read(entry.path) for entry in line.direct.list()}
    changed = {"there": b"mine"} if write is WRITES["replace"] else {}
    changed |= {"new": {"large output": LARGE, "link or copy": b"there"}.get(name_of(write), b"mine")} if "new" in found else {}
    gone = {"delete": {"there"}, "delete tree": {"folder/a", "folder/b"}}.get(name_of(write), set())
    before = {path: path.encode() for path in ("there", "folder/a", "folder/b")}
    assert found == {path: data for path, data in (before | changed).items() if path not in gone}
    assert changed or gone


def name_of(write):
    return next(name for name, one in WRITES.items() if one is write)


@pytest.mark.parametrize("part", [r"^PUT .*partNumber=2", r"^POST .*uploadId="], ids=["a part", "the completion"])
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.BUSY])
def test_a_large_file_survives_a_fault_of_each_kind_of_request(line, fault, part):
    line.proxy.rule = once(fault, part)
    output(line.store, "new", LARGE)
    assert len(line.proxy.met(fault)) == 1
    assert line.direct.read("new") == LARGE
    assert line.uploads() == []


@both
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOST])
@pytest.mark.parametrize("data", [b"mine", LARGE], ids=["small", "large"])
def test_what_another_wrote_at_this_moment_is_not_taken_for_ones_own(line, data, fault):
    commit = r"^POST .*uploadId=" if data is LARGE else r"^PUT"
    line.proxy.rule = at(commit, lambda: line.direct.create("new", b"another's"), fault=fault)
    with pytest.raises(AlreadyExistsError, match="'new' exists"):
        output(line.store, "new", data)
    assert line.direct.read("new") == b"another's"
    assert line.uploads() == []


@both
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOST])
def test_a_swap_that_another_forestalled_is_refused(line, fault):
    first = line.direct.create("pointer", b"first")
    line.proxy.rule = at(r"^PUT", lambda: line.direct.replace("pointer", b"another's", first), fault=fault)
    with pytest.raises(ConflictError, match="no longer the version"):
        line.store.replace("pointer", b"mine", first)
    assert line.direct.read("pointer") == b"another's"


def test_of_many_publishers_whose_answers_are_lost_exactly_one_wins(line):
    turn, lock = [0], threading.Lock()

    def rule(asked):
        with lock:
            turn[0] += asked.startswith("PUT")
            return Fault.LOST if asked.startswith("PUT") and turn[0] % 2 else Fault.NONE

    line.proxy.rule = rule
    version = None
    for _ in range(3):

        def swap(number, version=version):
            try:
                return number, line.store.replace("pointer", f"by {number}, over {version}".encode(), version)
            except ConflictError:
                return None

        with ThreadPoolExecutor(8) as pool:
            won = [one for one in pool.map(swap, range(8)) if one is not None]
        assert len(won) == 1
        number, version = won[0]
        assert line.direct.read_versioned("pointer")[0].startswith(f"by {number},".encode())
        assert line.direct.stat("pointer").version == version
    assert len(line.proxy.met(Fault.LOST)) > 3


def opened(store):
    with store.open_input("file") as source:
        source.seek(10)
        return source.read(8)


READS = {
    "read": lambda store: store.read("file"),
    "read versioned": lambda store: store.read_versioned("file")[0],
    "ranges": lambda store: bytes(store.fetch("file", [(0, 100)])[0]),
    "open input": opened,
    "stat": lambda store: store.stat("file"),
    "list": lambda store: list(store.list()),
}


@pytest.mark.parametrize("fault", [Fault.HALF, Fault.BUSY])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_broke_off_is_read_again(line, read, fault):
    line.direct.create("file", b"0123456789" * 1_000)
    expected = read(line.direct)
    kind = r"^HEAD" if read is READS["stat"] else r"^GET"
    line.proxy.rule = once(fault, kind)
    assert read(line.store) == expected
    assert len(line.proxy.met(fault)) == 1


@pytest.mark.parametrize(
    ("read", "fault"), [("read", Fault.HALF), ("open input", Fault.HALF), ("open input", Fault.BUSY)], ids=str
)
def test_a_store_that_stays_down_is_unavailable_not_unreadable(line, read, fault):
    line.direct.create("file", b"0123456789" * 1_000)
    line.proxy.rule = lambda asked: fault if asked.startswith("GET") else Fault.NONE
    with pytest.raises(StorageUnavailableError, match=r"did not answer for 'file'"):
        READS[read](line.store)


def test_a_server_that_is_not_there_is_unavailable(line):
    line.proxy.rule = lambda _: Fault.CUT
    for act in (READS["list"], READS["open input"], WRITES["create"]):
        with pytest.raises(StorageUnavailableError, match="did not answer"):
            act(line.store)


def test_an_object_that_goes_between_two_reads_is_not_found(line):
    line.direct.create("file", b"0123456789" * 1_000)
    line.proxy.rule = at(r"^GET", lambda: line.direct.delete("file"))
    with pytest.raises(NotFoundError, match="no file 'file'"):
        opened(line.store)
