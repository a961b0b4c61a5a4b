"""From what a file holds to the types that the policy names: exact, by whole columns, faults isolated to their rows.

Called by the readers of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import ChangedTypeError

__all__ = ["bounded", "conform", "constant", "fault_code", "from_text", "isolate", "plain_type", "safe_cast"]

Mask = npt.NDArray[np.bool_]
Leaf = Callable[[pa.Array, pa.DataType], pa.Array]

_CODES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_integer, "not-a-number"),
    (pa.types.is_floating, "not-a-number"),
    (pa.types.is_decimal, "not-a-number"),
    (pa.types.is_date, "not-a-date"),
    (pa.types.is_timestamp, "not-a-timestamp"),
    (pa.types.is_time, "not-a-time"),
    (pa.types.is_boolean, "not-a-boolean"),
)


def fault_code(wanted: pa.DataType) -> str:
    """The stable word for a value that is not of this type.

    Example:
        >>> fault_code(pa.int64()), fault_code(pa.date32()), fault_code(pa.list_(pa.date32()))
        ('not-a-number', 'not-a-date', 'wrong-type')
    """
    return next((code for is_type, code in _CODES if is_type(wanted)), "wrong-type")


def isolate(array: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> tuple[pa.Array, Mask]:
    """Convert a column; where Arrow refuses, halve until the faulty rows stand alone.

    Args:
        array: Any column.
        convert: Row by row in meaning, raising pa.ArrowInvalid for any faulty row.

    Returns:
        The converted column, null at faulty rows, and the mask of those.

    Example:
        >>> values, bad = isolate(pa.array(["1", "x", "3"]), lambda part: part.cast(pa.int64()))
        >>> values.to_pylist(), bad.tolist()
        ([1, None, 3], [False, True, False])
    """
    wanted = convert(array.slice(0, 0)).type
    bad = np.zeros(len(array), dtype=bool)
    done = [pa.nulls(0, wanted)]
    waiting = [(0, len(array))]
    while waiting:
        start, stop = waiting.pop()
        try:
            done.append(convert(array.slice(start, stop - start)))
        except pa.ArrowInvalid:
            if stop - start == 1:
                bad[start] = True
                done.append(pa.nulls(1, wanted))
            else:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
    return (done[1] if len(done) == 2 else pa.concat_arrays(done)), bad  # noqa: PLR2004 - one part: no copy


def from_text(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Text as `wanted`, by Arrow's exact casts.

    Raises:
        pa.ArrowInvalid: Some value is not of that type.
        pa.ArrowNotImplementedError: Text never is.

    Example:
        >>> from_text(pa.array(["07:30:00"]), pa.time32("s"))[0]
        <pyarrow.Time32Scalar: datetime.time(7, 30)>
    """
    if pa.types.is_time(wanted):
        # Arrow casts no text to times, only to timestamps; a date in front of the time makes one.
        stamped = pc.binary_join_element_wise("1970-01-01T", array, "")
        return stamped.cast(pa.timestamp(wanted.unit)).cast(wanted)
    return array.cast(wanted)


def safe_cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Arrow's safe cast, dictionaries decoded."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array if array.type == wanted else array.cast(wanted)


def conform(array: pa.Array, wanted: pa.DataType, leaf: Leaf = safe_cast) -> pa.Array:
    """The column with exactly the type `wanted`: struct fields by name (absent ones null), leaves by `leaf`.

    Rows outside a slice are never looked at.

    Raises:
        pa.ArrowInvalid: A value does not fit.
        pa.ArrowNotImplementedError: The types have nothing to do with each other.

    Example:
        >>> array = pa.array([{"b": 1, "c": 2}, None])
        >>> conform(array, pa.struct([("a", pa.string()), ("b", pa.int8())])).to_pylist()
        [{'a': None, 'b': 1}, None]
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if array.type == wanted and not _holds_extension(wanted):
        return array
    if pa.types.is_struct(wanted) and pa.types.is_struct(array.type):
        return _struct(array, wanted, leaf)
    if pa.types.is_map(wanted) and pa.types.is_map(array.type):
        return _map(array, wanted, leaf)
    if _is_list(wanted) and pa.types.is_fixed_size_list(array.type):
        array = _of_any_size(array)
    if _is_list(wanted) and _is_list(array.type):
        return _list(array, wanted, leaf)
    return leaf(array, wanted)


def _is_list(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_list(data_type) or pa.types.is_large_list(data_type))


def _holds_extension(data_type: pa.DataType) -> bool:
    if isinstance(data_type, pa.BaseExtensionType):
        return True
    return any(_holds_extension(data_type.field(at).type) for at in range(data_type.num_fields))


def _struct(array: pa.StructArray, wanted: pa.StructType, leaf: Leaf) -> pa.Array:
    children = []
    for field in wanted:
        at = array.type.get_field_index(field.name)
        children.append(pa.nulls(len(array), field.type) if at < 0 else conform(array.field(at), field.type, leaf))
    fields = [pa.field(field.name, child.type) for field, child in zip(wanted, children, strict=True)]
    return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())


def _window(array: pa.Array) -> tuple[pa.Array, int, int]:
    """Offsets counted from the slice's first element, and where its elements start and stop."""
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return pc.subtract(array.offsets, array.offsets[0]), first, last - first


def _of_any_size(array: pa.FixedSizeListArray) -> pa.ListArray:
    """A list of fixed size as one that is not; Arrow's cast takes no nulls."""
    sizes = np.asarray(array.is_valid()).astype(np.int64) * array.type.list_size
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), array.flatten(), mask=array.is_null())


def _list(array: pa.Array, wanted: pa.DataType, leaf: Leaf) -> pa.Array:
    offsets, first, count = _window(array)
    values = conform(array.values.slice(first, count), wanted.value_type, leaf)
    large = pa.types.is_large_list(wanted)
    made = pa.large_list(values.type) if large else pa.list_(values.type)
    build = pa.LargeListArray if large else pa.ListArray
    return build.from_arrays(offsets.cast(pa.int64() if large else pa.int32()), values, type=made, mask=array.is_null())


def _map(array: pa.MapArray, wanted: pa.MapType, leaf: Leaf) -> pa.Array:
    offsets, first, count = _window(array)
    keys = conform(array.keys.slice(first, count), wanted.key_type, leaf)
    items = conform(array.items.slice(first, count), wanted.item_type, leaf)
    return pa.MapArray.from_arrays(offsets, keys, items, type=pa.map_(keys.type, items.type), mask=array.is_null())


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """The type without dictionary encoding, extension types and field metadata, at every depth.

    Example:
        >>> plain_type(pa.struct([("a", pa.dictionary(pa.int8(), pa.string()))]))
        StructType(struct<a: string>)
    """
    if isinstance(data_type, pa.BaseExtensionType):
        return plain_type(data_type.storage_type)
    if pa.types.is_dictionary(data_type):
        return plain_type(data_type.value_type)
    if pa.types.is_struct(data_type):
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in data_type])
    if pa.types.is_map(data_type):
        return pa.map_(plain_type(data_type.key_type), plain_type(data_type.item_type))
    fixed = pa.types.is_fixed_size_list(data_type)
    if fixed or _is_list(data_type):
        make = pa.large_list if pa.types.is_large_list(data_type) else pa.list_
        return make(plain_type(data_type.value_type), *([data_type.list_size] if fixed else []))
    return data_type


def constant(text: str | None, field: pa.Field, rows: int) -> pa.Array:
    """A hive folder's value for `rows` rows; text comes dictionary-encoded.

    Raises:
        ChangedTypeError: The folder's text is not of the field's type.

    Example:
        >>> constant("2026-11-22", pa.field("dt", pa.date32()), 2).type
        DataType(date32[day])
        >>> constant(None, pa.field("n", pa.int64()), 2).null_count
        2
    """
    wanted = field.type
    if text is None:
        return pa.nulls(rows, wanted)
    try:
        value = from_text(pa.array([text], pa.string()), wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ChangedTypeError(
            f"hive column '{field.name}' has a folder whose value is not {wanted}. Correct `type` in the policy, or the folder",
            column=field.name,
        ) from None
    places = pa.array(np.zeros(rows, dtype=np.int32))
    is_text = pa.types.is_string(wanted) or pa.types.is_large_string(wanted)
    return pa.DictionaryArray.from_arrays(places, value) if is_text else value.take(places)


def bounded(batch: pa.RecordBatch, rows: int, size: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into slices of at most `rows` rows and, on average, at most `size` bytes; an empty one stays one slice."""
    width = max(1, batch.nbytes // max(1, batch.num_rows))
    step = max(1, min(rows, size // width))
    for start in range(0, max(1, batch.num_rows), step):
        yield batch.slice(start, step)
