"""Arrow columns as bytes and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from airlock.crypto.columns import ByteColumn, is_byte_type, nulls, text_array, validity

LAYOUTS = [
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2),
]  # fmt: skip


@pytest.mark.parametrize("data_type", LAYOUTS)
def test_every_layout_sliced_and_whole(data_type: pa.DataType) -> None:
    values = pa.array([b"ab", b"cd", None, b"ef"], data_type)
    assert is_byte_type(data_type)
    for part in (values, values.slice(1), values.slice(1, 1), values.slice(4)):
        column = ByteColumn.of(part)
        found = [bytes(column.data[a:b]) for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]
        raw = [v.encode() if isinstance(v, str) else v for v in part.to_pylist()]
        assert [f for f, r in zip(found, raw, strict=True) if r is not None] == [r for r in raw if r is not None]


def test_other_types() -> None:
    assert not is_byte_type(pa.int64())
    with pytest.raises(TypeError, match="found date32"):
        ByteColumn.of(pa.array([1], pa.date32()))


def test_compact_leaves_nothing_outside() -> None:
    column = ByteColumn.of(pa.array(["secret", "ab", "c", "tail"]).slice(1, 2)).compact()
    assert bytes(column.data) == b"abc"
    assert column.offsets.tolist() == [0, 2, 3]


def test_there_and_back_with_nulls() -> None:
    values = pa.array(["x", None, "é", "", None, None, "y", "z", "last", None]).slice(1)
    made = text_array(ByteColumn.of(values).compact(), validity(values))
    made.validate(full=True)
    assert made.to_pylist() == values.to_pylist()
    assert nulls(values).tolist() == [v is None for v in values.to_pylist()]


def test_no_bitmap_where_nothing_is_null() -> None:
    assert validity(pa.array(["a"])) is None
    assert text_array(ByteColumn(np.zeros(1, np.int64), np.zeros(0, np.uint8))).to_pylist() == []
