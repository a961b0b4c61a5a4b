"""A NaN's free bits are written by no door."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.engines.floats import one_nan
from airlock.engines.groups import GroupPasses
from airlock.engines.staging import SplitWriter
from airlock.keys import SubKeys
from airlock.storage.local import LocalStore

AS_IT_IS = GroupPasses((), SubKeys({}, {}))
STRANGE = np.array([0x7FF8_0000_DEAD_BEEF, 0xFFF8_0000_DEAD_BEEF, 0x7FF0_0000_DEAD_BEEF], np.uint64).view(np.float64)
HIDDEN = b"\xef\xbe\xad\xde"


def bits(array):
    """Of every leaf."""
    return b"".join(buffer.to_pybytes() for buffer in array.buffers() if buffer is not None)


def flat(values):
    return pa.array(
        np.concatenate([[1.5], values, [-0.0, np.inf]]), mask=np.array([False] * len(values) + [True, False, False])
    )


NESTED = {
    "flat": flat(STRANGE),
    "struct": pa.StructArray.from_arrays([flat(STRANGE)], ["x"], mask=pa.array([True] + [False] * 5)),
    "list": pa.ListArray.from_arrays(pa.array([0, 2, None, 6], pa.int32()), flat(STRANGE)),
    "large list": pa.LargeListArray.from_arrays(pa.array([0, 2, 2, 6], pa.int64()), flat(STRANGE)),
    "map": pa.MapArray.from_arrays([0, 2, None, 6], pa.array(list("abcdef")), flat(STRANGE)),
}


@pytest.mark.parametrize("array", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("start", [0, 1])
def test_every_nan_is_written_with_the_same_bits_at_every_depth(array, start):
    assert HIDDEN in bits(array)
    part = array.slice(start)
    made = one_nan(part)
    made.validate(full=True)
    assert HIDDEN not in bits(made)
    assert made.type == part.type
    assert str(made.to_pylist()) == str(part.to_pylist())


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_every_width_has_one_nan_and_no_other_value_changes(kind):
    numbers = kind.to_pandas_dtype()
    values = np.array([1.0, np.nan, -np.nan, 0.0, -0.0, -np.inf], numbers)
    made = np.asarray(one_nan(pa.array(values)))
    unsigned = f"u{values.dtype.itemsize}"
    assert made.view(unsigned)[1] == made.view(unsigned)[2] == np.array([np.nan], numbers).view(unsigned)[0]
    keep = [0, 3, 4, 5]
    assert made.view(unsigned)[keep].tolist() == values.view(unsigned)[keep].tolist()


def test_what_holds_no_strange_nan_is_not_copied():
    for array in (pa.array([1.0, None]), pa.array(["x"]), pa.array([[1]])):
        assert one_nan(array) is array


def test_the_inner_door_writes_no_free_bits(tmp_path):
    schema = pa.schema([("x", pa.float64()), ("l", pa.list_(pa.float64()))])
    batch = pa.record_batch(
        [pa.array(STRANGE), pa.array([[value] for value in STRANGE], pa.list_(pa.float64()))], schema=schema
    )
    lists = pa.ListArray.from_arrays([0, 1, 2, 3], pa.array(STRANGE))
    batch = batch.set_column(1, "l", lists)
    encoded = pa.record_batch([batch.column(0).dictionary_encode(), lists], ["x", "l"])
    store = LocalStore(tmp_path)
    with SplitWriter(store, "d", "a", schema=schema, codec="none", tokens=frozenset({"x", "l"}), regroup=AS_IT_IS) as writer:
        writer.write(batch)
    with SplitWriter(store, "d", "b", schema=schema, codec="none", tokens=frozenset({"x", "l"}), regroup=AS_IT_IS) as other:
        other.write(encoded)
    for file in (*writer.files, *other.files):
        data = (tmp_path / "d" / file.name).read_bytes()
        assert HIDDEN not in data
        assert np.isnan(np.asarray(pq.read_table(tmp_path / "d" / file.name)["x"])).all()
