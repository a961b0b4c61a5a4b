"""What every store promises. A new store joins by one more line in `STORES`."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers import careless, s3

from airlock.errors import ConfigError, NotFoundError
from airlock.settings import Location
from airlock.storage import AlreadyExistsError, ConflictError, Entry, Store, open_store

WRITERS = 50
ROUNDS = 4


@pytest.fixture(scope="session")
def gateway(require, tmp_path_factory):
    """versitygw: a real S3 gateway."""
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        yield served.endpoint, served.client(), s3.ROOT, s3.SECRET


@pytest.fixture(scope="session")
def moto(require):
    """moto: a model of AWS's own S3; one thread a request."""
    require("moto")
    with careless.running() as served:
        yield served.endpoint, served.admin(), "any", "any"


@pytest.fixture(params=["local", "gateway", "moto"])
def place(request, tmp_path):
    """Where an empty zone is."""
    if request.param == "local":
        return Location(str(tmp_path / "zone"))
    endpoint, client, key, secret = request.getfixturevalue(request.param)
    bucket = f"zone-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    identity = tmp_path / "identity"
    identity.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    return Location(f"s3://{bucket}/some/prefix", endpoint=endpoint, identity=str(identity))


@pytest.fixture
def store(place) -> Store:
    return open_store(place)


def _paths(store, prefix=""):
    return [entry.path for entry in store.list(prefix)]


def test_is_a_store_and_a_value(store):
    assert isinstance(store, Store)
    assert pickle.loads(pickle.dumps(store)) == store
    assert hash(store) == hash(pickle.loads(pickle.dumps(store)))


def test_an_empty_zone_has_no_files(store):
    assert _paths(store) == []
    assert _paths(store, "nowhere") == []


def test_created_content_is_read_back(store):
    version = store.create("a/b.json", b"\x00content")
    assert store.read("a/b.json") == b"\x00content"
    entry = store.stat("a/b.json")
    assert (entry.path, entry.size, entry.version) == ("a/b.json", 8, version)
    assert store.read_versioned("a/b.json") == (b"\x00content", version)


def test_create_never_replaces(store):
    store.create("x", b"first")
    with pytest.raises(AlreadyExistsError, match="'x' exists already"):
        store.create("x", b"second")
    assert store.read("x") == b"first"
    assert _paths(store) == ["x"]


@pytest.mark.parametrize("act", ["read", "stat", "open_input"])
def test_absent_files_are_not_found(store, act):
    store.create("folder/file", b"")
    for path in ("absent", "folder", "folder/absent", "folder/file/below"):
        with pytest.raises(NotFoundError, match=r"no file '.*' in this zone"):
            getattr(store, act)(path)
    assert store.read_versioned("absent") is None


def test_list_is_recursive_and_sorted_by_path(store):
    for path in ("b", "a/z", "a-b", "a/b/c", "a.b", "é", "ab/x"):
        store.create(path, b"1")
    assert _paths(store) == sorted(["b", "a/z", "a-b", "a/b/c", "a.b", "é", "ab/x"])
    assert _paths(store, "a") == ["a/b/c", "a/z"]
    assert _paths(store, "a/z") == ["a/z"]


def test_listed_entries_are_those_of_stat(store):
    store.create("a/b", b"123")
    assert list(store.list()) == [store.stat("a/b")]


def test_output_appears_whole_on_clean_exit(store):
    with store.open_output("data/part.bin") as out:
        out.write(b"hello ")
        assert _paths(store) == []
        out.write(memoryview(b"world"))
    assert store.read("data/part.bin") == b"hello world"
    assert out.size == 11
    assert out.sha256 == "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"


def test_output_leaves_nothing_after_an_exception(store):
    def fail():
        with store.open_output("data/part.bin") as out:
            out.write(b"half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert _paths(store) == []
    with store.open_output("data/part.bin") as out:
        out.write(b"whole")
    assert store.read("data/part.bin") == b"whole"


def test_errors_of_the_body_stay_what_they_are(store):
    with pytest.raises(FileNotFoundError, match="mine"), store.open_output("x"):
        raise FileNotFoundError("mine")


def test_output_refuses_to_overwrite(store):
    store.create("x", b"first")
    with pytest.raises(AlreadyExistsError, match="'x' exists"), store.open_output("x"):
        pytest.fail("the body must not run")


def test_output_refuses_what_appeared_meanwhile(store):
    def write():
        with store.open_output("x") as out:
            out.write(b"late")
            store.create("x", b"early")

    with pytest.raises(AlreadyExistsError, match="'x' exists"):
        write()
    assert store.read("x") == b"early"
    assert _paths(store) == ["x"]


def test_pyarrow_writes_and_reads_parquet(store):
    table = pa.table({"n": list(range(1000)), "t": [str(i) for i in range(1000)]})
    with store.open_output("t.parquet") as out, pq.ParquetWriter(out, table.schema) as writer:
        writer.write_table(table)
    with store.open_input("t.parquet") as source:
        assert pq.ParquetFile(source).read(columns=["t"]).equals(table.select(["t"]))


def test_replace_swaps_only_the_expected_version(store):
    first = store.replace("p", b"1", None)
    second = store.replace("p", b"2", first)
    assert first != second
    for stale in (None, first, "nonsense"):
        with pytest.raises(ConflictError, match="no longer the version"):
            store.replace("p", b"3", stale)
    assert store.read_versioned("p") == (b"2", second)


def test_replace_fails_on_an_absent_object(store):
    version = store.create("p", b"1")
    store.delete("p")
    with pytest.raises(ConflictError, match="'p'"):
        store.replace("p", b"2", version)
    assert _paths(store) == []


def test_other_content_has_another_version(store):
    version = store.create("p", b"0")
    seen = {version}
    for number in range(1, 50):
        version = store.replace("p", b"%d" % number, version)
        seen.add(version)
    assert len(seen) == 50


def _race(place, barrier, results, me):
    store = open_store(place)
    for number in range(ROUNDS):
        path = f"pointer-{number}"
        barrier.wait()
        found = store.read_versioned(path)
        barrier.wait()
        try:
            store.replace(path, f"{me}".encode(), found[1] if found else None)
            results.put((number, me))
        except ConflictError:
            pass
        barrier.wait()


@pytest.mark.parametrize("exists", [True, False])
def test_one_writer_wins_each_race(place, exists):
    store = open_store(place)
    if exists:
        for number in range(ROUNDS):
            store.create(f"pointer-{number}", b"start")
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(WRITERS, timeout=120), context.SimpleQueue()
    writers = [context.Process(target=_race, args=(place, barrier, results, me)) for me in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    won = []
    while not results.empty():
        won.append(results.get())
    assert sorted(number for number, _ in won) == list(range(ROUNDS))
    assert all(store.read(f"pointer-{number}") == f"{me}".encode() for number, me in won)


def _create(place, barrier, results, me):
    store = open_store(place)
    for number in range(ROUNDS):
        barrier.wait()
        try:
            store.create(f"folder/record-{number}", f"{me}".encode() * 1000)
            results.put((number, me))
        except AlreadyExistsError:
            assert len(store.read(f"folder/record-{number}")) >= 1000


def test_one_creator_wins_each_race_and_content_is_whole(place):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(8, timeout=60), context.SimpleQueue()
    creators = [context.Process(target=_create, args=(place, barrier, results, me)) for me in range(8)]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join(60)
    assert [creator.exitcode for creator in creators] == [0] * 8
    won = []
    while not results.empty():
        won.append(results.get())
    assert sorted(number for number, _ in won) == list(range(ROUNDS))
    assert all(open_store(place).read(f"folder/record-{number}") == f"{me}".encode() * 1000 for number, me in won)


def test_delete_is_idempotent(store):
    store.create("a/b", b"1")
    for _ in range(2):
        store.delete("a/b")
    store.delete("never/was")
    assert _paths(store) == []


def test_delete_tree_takes_only_its_folder(store):
    for path in ("run-1/data/x", "run-1/y", "run-10/x"):
        store.create(path, b"1")
    for _ in range(2):
        store.delete_tree("run-1")
    assert _paths(store) == ["run-10/x"]


def test_link_or_copy_keeps_the_bytes_apart_from_the_source(store):
    store.create("from", b"bytes")
    store.link_or_copy("from", store, "deep/to")
    store.delete("from")
    assert store.read("deep/to") == b"bytes"


def test_link_or_copy_is_create_only(store):
    store.create("from", b"new")
    store.create("to", b"old")
    with pytest.raises(AlreadyExistsError, match="'to' exists"):
        store.link_or_copy("from", store, "to")
    with pytest.raises(NotFoundError, match="'absent'"):
        store.link_or_copy("absent", store, "x")
    assert store.read("to") == b"old"


def test_a_folder_shows_what_lies_directly_in_it(store):
    for path in ("a/x", "a/dt=1/y", "a/dt=1/z/w", "a/dt=2/y", "ab", ".pending/p"):
        store.create(path, b"1")
    found = store.folder("a")
    assert [entry.path for entry in found.files] == ["a/x"]
    assert found.files[0] == store.stat("a/x")
    assert found.folders == ("a/dt=1", "a/dt=2")
    assert [entry.path for entry in store.folder().files] == ["ab"]
    assert store.folder().folders == ("a",)
    assert (store.folder("nowhere").files, store.folder("nowhere").folders) == ((), ())


def test_a_listing_shows_hidden_files_where_it_is_asked_to(store):
    for path in ("x", ".pending/p", "data/.new-1"):
        store.create(path, b"1")
    assert _paths(store) == ["x"]
    assert [entry.path for entry in store.list(hidden=True)] == [".pending/p", "data/.new-1", "x"]
    assert _paths(store, ".pending") == [".pending/p"]


def test_the_footer_of_a_parquet_file_is_read_alone(store):
    table = pa.table({"n": list(range(1000))})
    for columns in (1, 3000):  # a footer of more than 64 KiB, too
        path = f"{columns}.parquet"
        with store.open_output(path) as out:
            pq.write_table(pa.table({f"n{at}": table["n"] for at in range(columns)}), out, row_group_size=400)
        found = store.footer(store.stat(path))
        assert (found.num_rows, found.num_row_groups, found.num_columns) == (1000, 3, columns)
    store.create("text", b"no Parquet")
    with pytest.raises((pa.ArrowException, OSError)):
        store.footer(store.stat("text"))
    with pytest.raises(NotFoundError, match="'absent'"):
        store.footer(Entry("absent", 100, "v"))


def test_ranges_are_fetched_as_they_are(store):
    data = bytes(range(256)) * (80 << 10)  # 20 MiB: more than one request
    with store.open_output("x") as out:
        out.write(data)
    ranges = [(0, 10), (4, 4), (1000, 17 << 20), (len(data) - 3, len(data))]
    assert [bytes(found) for found in store.fetch("x", ranges)] == [data[start:stop] for start, stop in ranges]
    with pytest.raises(NotFoundError, match="'absent'"):
        store.fetch("absent", ranges)


def test_an_output_of_many_parts_is_whole(store):
    block = bytes(range(256)) * 4096
    with store.open_output("big") as out:
        for _ in range(39):
            out.write(block)
    assert store.stat("big").size == 39 * len(block) == out.size
    assert hashlib.sha256(store.read("big")).hexdigest() == out.sha256
    with store.open_input("big") as source:
        source.seek(len(block) * 9 + 5)
        assert source.read(1000) == (block + block)[5:1005]


def test_a_large_output_leaves_nothing_after_an_exception(store):
    def fail():
        with store.open_output("data/part.bin") as out:
            out.write(bytes(40 << 20))
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert list(store.list(hidden=True)) == []
    assert store.sweep(grace=0) == 0


def test_large_outputs_refuse_what_appeared_meanwhile(store):
    def write():
        with store.open_output("x") as out:
            out.write(bytes(40 << 20))
            store.create("x", b"early")

    with pytest.raises(AlreadyExistsError, match="'x' exists"):
        write()
    assert store.read("x") == b"early"
    assert store.sweep(grace=0) == 0


def _die(place, ready):
    with open_store(place).open_output("data/half") as out:
        out.write(bytes(40 << 20))
        out.flush()
        ready.send("written")
        time.sleep(60)


def test_what_a_killed_writer_left_is_never_seen_and_swept(store, place, request):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    writer = context.Process(target=_die, args=(place, there))
    writer.start()
    there.close()
    assert here.recv() == "written"
    writer.kill()
    writer.join()
    assert _paths(store) == []
    if "moto" not in request.fixturenames:  # whose uploads were all begun in 2010
        assert store.sweep() == 0  # it might live: others may write here
    assert store.sweep("elsewhere", grace=0) == 0
    assert store.sweep(grace=0) == 1
    assert store.sweep(grace=0) == 0


BAD_PATHS = ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/.", "a/", "nul\0byte"]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize(
    "act", ["read", "stat", "open_input", "read_versioned", "delete", "delete_tree", "create", "replace", "output"]
)
def test_paths_stay_in_the_zone(store, act, path):
    acts = {
        "create": lambda: store.create(path, b""),
        "replace": lambda: store.replace(path, b"", None),
        "output": lambda: store.open_output(path).__enter__(),
    }
    with pytest.raises(ConfigError, match="not a path inside a zone"):
        acts.get(act, lambda: getattr(store, act)(path))()


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path])
def test_lists_stay_in_the_zone(store, path):
    with pytest.raises(ConfigError, match="not a path inside a zone"):
        _paths(store, path)
