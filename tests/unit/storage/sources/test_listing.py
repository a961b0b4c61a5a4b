import base64

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from airlock.errors import NotFoundError, PolicyError, SourceChangedError, UnreadableSourceError
from airlock.policy.model import Source
from airlock.storage.sources import list_source, plan_splits, read_batches


def write(raw, name, table, **options):
    pq.write_table(table, raw.path(name), **options)


def test_a_single_file_is_a_dataset_too(raw, table):
    write(raw, "a/one.parquet", table, row_group_size=400)
    write(raw, "a/two.parquet", table)
    (file,) = raw.list(path="a/one.parquet").files
    assert (file.path, file.rows, file.schema) == ("a/one.parquet", 1000, table.schema)
    assert [group.rows for group in file.row_groups] == [400, 400, 200]
    assert (file.size, file.version) == (raw.store.stat(file.path).size, raw.store.stat(file.path).version)


def test_hidden_files_and_folders_are_not_data(raw, table):
    for name in ("a/1.parquet", "a/_temporary/0.parquet", "a/b/.c/1.parquet"):
        write(raw, name, table)
    for name in ("a/_SUCCESS", "a/.1.parquet.crc", "a/_metadata"):
        raw.put(name, b"x")
    assert [file.path for file in raw.list(path="a").files] == ["a/1.parquet"]


def test_folders_are_pruned_before_any_file_is_opened(raw, table):
    write(raw, "a/dt=2024-01-01/n=01/1.parquet", table)
    raw.put("a/dt=2024-01-02/n=01/1.parquet", b"not parquet at all")
    raw.put("a/dt=2024-01-01/n=02/1.parquet", b"not parquet at all")
    listing = raw.list(path="a", where={"dt": ["2024-01-01"], "n": [1]})
    assert [file.path for file in listing.files] == ["a/dt=2024-01-01/n=01/1.parquet"]
    assert listing.partition_columns == ("dt", "n")
    assert listing.files[0].partition == (("dt", "2024-01-01"), ("n", "01"))


def test_a_source_inside_a_hive_folder_has_no_hive_column(raw, table):
    write(raw, "a/dt=2024-01-01/1.parquet", table)
    assert raw.list(path="a/dt=2024-01-01").partition_columns == ()


def test_nothing_to_read_is_not_found(raw, table):
    with pytest.raises(NotFoundError, match="no data file at 'a'"):
        raw.list(path="a")
    write(raw, "a/dt=1/1.parquet", table)
    with pytest.raises(NotFoundError, match=r"source\.where leaves no file"):
        raw.list(path="a", where={"dt": [2]})


def test_where_takes_hive_columns_alone(raw, table):
    write(raw, "a/dt=1/1.parquet", table)
    with pytest.raises(PolicyError, match=r"source\.where names mail, but the folders of 'a' have dt"):
        raw.list(path="a", where={"mail": ["x"]})


def test_files_that_disagree_on_hive_columns_are_named(raw, table):
    write(raw, "a/dt=1/1.parquet", table)
    write(raw, "a/x=1/1.parquet", table)
    with pytest.raises(UnreadableSourceError, match=r"'a/x=9/1\.parquet'.*hive folders other than dt"):
        raw.list(path="a")


def test_a_hive_column_that_the_file_has_too_is_refused(raw, table):
    write(raw, "a/id=1/1.parquet", table)
    with pytest.raises(UnreadableSourceError, match="a hive folder names a column that the file has, too"):
        raw.list(path="a")


def test_up_to_twenty_unreadable_files_are_named_not_the_first_alone(raw, table):
    write(raw, "a/99.parquet", table)
    for at in range(25):
        raw.put(f"a/{at:02}.parquet", b"PAR1 canary PAR1")
    with pytest.raises(UnreadableSourceError) as caught:
        raw.list(path="a")
    message = str(caught.value)
    assert message.startswith("25 source files can't be read: 'a/00.parquet', 'a/01.parquet'")
    assert message.count(".parquet'") == 20
    assert "and 5 more" in message
    assert "canary" not in message
    assert caught.value.facts["count"] == 25


class _UnsafeKms(encryption.KmsClient):
    """Hands out keys as they are: only to make encrypted files."""

    def __init__(self, config):
        super().__init__()

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)


@pytest.mark.parametrize(
    ("plaintext_footer", "why"),
    [(False, "not a complete, unencrypted parquet file"), (True, "some of its columns are encrypted")],
)
def test_an_encrypted_file_is_unreadable(raw, plaintext_footer, why):
    configuration = encryption.EncryptionConfiguration("f", column_keys={"k": ["a"]}, plaintext_footer=plaintext_footer)
    factory = encryption.CryptoFactory(_UnsafeKms)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    table = pa.table({"a": ["canary"], "b": [1]})
    write(raw, "a/1.parquet", table, encryption_properties=properties)
    with pytest.raises(UnreadableSourceError, match=why) as caught:
        raw.list(path="a")
    assert "canary" not in str(caught.value)


def test_column_names_that_occur_twice_are_refused(raw):
    write(raw, "a/1.parquet", pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    with pytest.raises(UnreadableSourceError, match="occurs twice"):
        raw.list(path="a")


def test_the_list_of_excluded_subjects_is_not_data(raw):
    raw.put("c/1.csv", b"a\n1\n")
    raw.put("c/excluded.txt", b"")
    assert [file.path for file in raw.list(path="c", format="csv", exclude="c/excluded.txt").files] == ["c/1.csv"]


def test_json_lines_are_listed_without_being_opened(raw):
    raw.put("j/1.jsonl", b"\xff")
    (file,) = raw.list(path="j", format="jsonl").files
    assert (file.schema, file.rows, file.row_groups) == (None, None, ())


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_file_that_changed_or_went_is_told_from_a_bad_one(raw, form):
    def put(value):
        if form == "parquet":
            write(raw, "a/1", pa.table({"a": pa.array([value], pa.string())}))
        else:
            raw.put("a/1", b"a\n" + value.encode() + b"\n" if form == "csv" else b'{"a": "%b"}\n' % value.encode())

    put("x")
    source, schema = Source(path="a", format=form), pa.schema([("a", pa.string())])
    (split,) = plan_splits(raw.store, list_source(raw.store, source), source)

    def read():
        return read_batches(raw.store, split, source=source, schema=schema)

    assert [batch.rows_in for batch in read()] == [1]
    started = read()
    next(started)
    put("longer")
    with pytest.raises(SourceChangedError, match="'a/1' changed"):
        next(started)
    with pytest.raises(SourceChangedError, match="'a/1' changed"):
        next(read())
    (raw.root / "a/1").unlink()
    with pytest.raises(SourceChangedError, match="'a/1' is gone"):
        next(read())


def test_a_file_that_is_replaced_while_it_is_listed_is_drift(raw, table, monkeypatch):
    """Its footer is read at places that were another file's."""
    write(raw, "p/a.parquet", table.slice(0, 3))

    def footer(self, entry):
        write(raw, "p/a.parquet", table)
        raise pa.ArrowInvalid("the bytes there are another's")

    monkeypatch.setattr(type(raw.store), "footer", footer)
    with pytest.raises(SourceChangedError, match=r"'p/a\.parquet' changed while the source was listed"):
        raw.list(path="p")
