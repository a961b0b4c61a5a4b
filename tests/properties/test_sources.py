"""Laws of reading raw datasets: splits cover every row once, and reading by splits is reading whole."""

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airlock.policy.model import Source
from airlock.storage.local import LocalStore
from airlock.storage.sources import list_source, plan_splits, read_batches, sample
from airlock.storage.sources.convert import conform, isolate

CELLS = st.text(st.sampled_from('ab"\n\r,;é \u2028'), max_size=6).map(lambda text: text.replace("\r", "\r\n"))
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("anz"), inner, max_size=3)
)


def read(files, schema, form, target=1 << 27, **options):
    """Write the files, read them by splits of `target` bytes: the batches."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / "s").mkdir(exist_ok=True)
            (Path(folder) / "s" / name).write_bytes(data)
        store, source = LocalStore(Path(folder)), Source(path="s", format=form)
        splits = plan_splits(store, list_source(store, source), source, target_bytes=target)
        return [batch for split in splits for batch in read_batches(store, split, source=source, schema=schema, **options)]


def rows_of(batches):
    for batch in batches:
        assert batch.rows_in == batch.batch.num_rows + sum(rows.count for rows in batch.rejected)
    return [row for batch in batches for row in batch.batch.to_pylist()]


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), min_size=1, max_size=4),
    target=st.integers(1, 3000), max_rows=st.integers(1, 40), max_bytes=st.integers(1, 2000),
)  # fmt: skip
def test_parquet_splits_cover_every_row_once(files, target, max_rows, max_bytes):
    written, expected = {}, []
    for number, (rows, group) in enumerate(files):
        made = [
            {"id": number * 1000 + at, "w": None if at % 5 == 0 else f"w{at % 3}", "l": [str(at)] * (at % 3)}
            for at in range(rows)
        ]
        schema = pa.schema([("id", pa.int64()), ("w", pa.string()), ("l", pa.list_(pa.string()))])
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(made, schema), out, row_group_size=group)
        written[f"{number}.parquet"] = out.getvalue()
        expected += made
    batches = read(written, schema, "parquet", target, max_rows=max_rows, max_bytes=max_bytes)
    assert rows_of(batches) == expected
    assert all(batch.batch.num_rows <= max_rows for batch in batches)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=40), target=st.integers(1, 60), ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), last=st.booleans(),
)  # fmt: skip
def test_csv_splits_read_what_the_csv_module_wrote(rows, target, ending, quoting, last):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=ending, quoting=quoting).writerows([("a", "b"), *rows])
    data = (out.getvalue() if last else out.getvalue().removesuffix(ending)).encode()
    schema = pa.schema([("b", pa.string()), ("a", pa.string())])
    expected = [{"b": b, "a": a} for a, b in rows]
    assert rows_of(read({"1.csv": data}, schema, "csv", target)) == expected
    assert rows_of(read({"1.csv.gz": gzip.compress(data)}, schema, "csv", target)) == expected


@settings(max_examples=200, deadline=None)
@given(body=st.text(st.sampled_from('a1,"\n\r'), max_size=40), target=st.integers(1, 20))
@example(body='1,"\n"a\n', target=2)
def test_csv_of_any_content_is_read_the_same_in_parts_or_refused(body, target):
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])

    def outcome(target):
        try:
            batches = read({"1.csv": b"a,b\n" + body.encode()}, schema, "csv", target)
        except Exception as error:  # noqa: BLE001 - whichever it is, it must be the same class
            return type(error).__name__
        raws = sorted((rows.code, line) for batch in batches for rows in batch.rejected for line in rows.raw.splitlines())
        return rows_of(batches), raws

    whole, parts = outcome(1 << 20), outcome(target)
    assert whole == parts
    assert isinstance(whole, tuple) or whole == "UnreadableSourceError"


@settings(max_examples=100, deadline=None)
@given(records=st.lists(st.fixed_dictionaries({}, optional={"a": SCALARS, "n": SCALARS, "z": VALUES}), max_size=12))
def test_json_rows_are_typed_exactly_or_rejected(records):
    data = b"".join(json.dumps(record).encode(errors="surrogatepass") + b"\n" for record in records)
    schema = pa.schema([("a", pa.string()), ("n", pa.int64())])
    batches = read({"1.jsonl": data}, schema, "jsonl", ignored=("z",))
    fits = [record for record in records if _is_text(record.get("a")) and _is_int64(record.get("n"))]
    if all(_is_plain(record) for record in records):
        assert rows_of(batches) == [{"a": record.get("a"), "n": record.get("n")} for record in fits]
    assert sum(batch.rows_in for batch in batches) == len(records)


KEYS = st.text(st.sampled_from('ab"\\{}[]:, \u00e9\n'), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    maps=st.lists(st.none() | st.dictionaries(KEYS, st.none() | st.lists(st.dictionaries(KEYS, KEYS, max_size=3), max_size=2), max_size=4)),
    spaced=st.booleans(), ascii_only=st.booleans(),
)  # fmt: skip
def test_json_objects_become_the_maps_that_python_reads(maps, spaced, ascii_only):
    separators = (" ,\t", " : ") if spaced else (",", ":")
    texts = (
        json.dumps({"b": at, "m": made, "z": made}, separators=separators, ensure_ascii=ascii_only)
        for at, made in enumerate(maps)
    )
    inner = pa.map_(pa.string(), pa.list_(pa.map_(pa.string(), pa.string())))
    data = "\n".join(texts).encode()
    rows = rows_of(read({"1.jsonl": data}, pa.schema([("m", inner), ("b", pa.int64())]), "jsonl", ignored=("z",)))
    assert [row["b"] for row in rows] == list(range(len(maps)))
    assert [row["m"] for row in rows] == [
        None if made is None else [(key, value and [list(item.items()) for item in value]) for key, value in made.items()]
        for made in maps
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    body=st.lists(
        st.sampled_from([b'{"m":', b'{"k":', b'"x"', b"{", b"}", b"[", b"]", b"null", b"1", b" ", b",", b"\n", b'{"m":{"k":1}}', b'"k":'])
    )
)  # fmt: skip
def test_no_json_text_ever_makes_a_map_that_python_would_not_read(body):
    data = b"".join(body)
    batches = read({"1.jsonl": data}, pa.schema([("m", pa.map_(pa.string(), pa.int64()))]), "jsonl", ignored=None)
    lines = [line for line in data.split(b"\n") if line.strip()]
    assert sum(batch.rows_in for batch in batches) == len(lines)
    assert [row["m"] for row in rows_of(batches)] == [made for made in map(_map_of, lines) if made != "bad"]


def _map_of(line):
    def pairs(found):
        if len(dict(found)) != len(found):
            raise ValueError
        return found

    try:
        made = json.loads(line, object_pairs_hook=pairs)
    except ValueError:
        return "bad"
    if not line.strip().startswith(b"{"):
        return "bad"
    value = dict(made).get("m")
    if value is None:
        return None
    is_map = isinstance(value, list) and all(isinstance(pair, tuple) and pair[1] in (None, 1) for pair in value)
    return value if is_map and (value or b'"m":{' in line.replace(b" ", b"")) else "bad"


def _is_text(value):
    return value is None or (isinstance(value, str) and not any("\ud800" <= mark <= "\udfff" for mark in value))


def _is_int64(value):
    return value is None or (type(value) is int and -(2**63) <= value < 2**63)


def _is_plain(record):
    # NaN and Infinity are no JSON, and numbers beyond every float reject their row even in a dropped column.
    return not any(word in json.dumps(record) for word in ("NaN", "Infinity"))


@settings(max_examples=300, deadline=None)
@given(
    body=st.lists(
        st.sampled_from([b'{"a":', b'"x"', b"{", b"}", b"[", b"]", b"null", b"1", b" ", b",", b"\n", b'{"a":"x"}', b'"a":'])
    )
)
def test_no_json_text_ever_kills_the_reader(body):
    data = b"".join(body)
    batches = read({"1.jsonl": data}, pa.schema([("a", pa.string())]), "jsonl")
    assert sum(batch.rows_in for batch in batches) == sum(bool(line.strip()) for line in data.split(b"\n"))
    assert all(set(row) == {"a"} for row in rows_of(batches))


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.sampled_from(["1", "x", "22", None])), start=st.integers(0, 5))
def test_isolated_faults_are_exactly_the_values_that_do_not_cast(texts, start):
    array = pa.array(texts, pa.string()).slice(start)
    values, bad = isolate(array, lambda part: part.cast(pa.int64()))
    assert bad.tolist() == [text == "x" for text in texts[start:]]
    assert values.to_pylist() == [None if text in {None, "x"} else int(text) for text in texts[start:]]


NESTED = st.lists(
    st.none() | st.fixed_dictionaries({
        "l": st.none() | st.lists(st.none() | st.integers(0, 99), max_size=3),
        "m": st.none() | st.lists(st.tuples(st.text(max_size=2), st.none() | st.integers(0, 99)), max_size=3),
    }), max_size=12,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(rows=NESTED, start=st.integers(0, 12), count=st.integers(0, 12))
def test_conforming_a_slice_changes_the_types_and_nothing_else(rows, start, count):
    narrow = pa.struct([("l", pa.list_(pa.int8())), ("m", pa.map_(pa.string(), pa.int8()))])
    wide = pa.struct([("m", pa.map_(pa.large_string(), pa.int64())), ("l", pa.large_list(pa.string()))])
    made = conform(pa.array(rows, narrow).slice(start, count), wide)
    made.validate(full=True)
    assert made.type == wide
    assert made.to_pylist() == [
        row and {"m": row["m"], "l": row["l"] and [value if value is None else str(value) for value in row["l"]]}
        for row in rows[start : start + count]
    ]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.sampled_from(["", "1", "-2", "1.5", "01", "2024-01-01", "x", "true", "nan"])] * 2), min_size=1)
)
def test_a_sampled_csv_reads_back_without_a_reject(rows):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "c.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
        store, source = LocalStore(Path(folder)), Source(path="c.csv", format="csv")
        listing = list_source(store, source)
        made = sample(store, listing, source)
        (split,) = plan_splits(store, listing, source)
        batches = list(read_batches(store, split, source=source, schema=made.schema))
    assert sum(batch.batch.num_rows for batch in batches) == len(rows)


@given(st.lists(st.none() | st.lists(st.none() | st.integers(-9, 9), min_size=2, max_size=2), max_size=8), st.integers(0, 8))
def test_lists_of_fixed_size_become_lists_nulls_and_slices_included(rows, start):
    fixed = pa.array(rows, pa.list_(pa.int8(), 2)).slice(start)
    assert conform(fixed, pa.list_(pa.int64())).to_pylist() == rows[start:]
