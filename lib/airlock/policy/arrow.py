"""Arrow types as policies write them: `int64`, `timestamp[us, tz=UTC]`, `decimal128(12, 2)`, and `struct`, `list`, `map` for a
dropped subtree of whatever inner form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NESTED", "is_binary", "parse_type", "type_text"]

NESTED = ("struct", "list", "map")

_PLAIN: dict[str, pa.DataType] = {
    str(made): made
    for made in (
        pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
        pa.large_binary(), pa.binary_view(), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"),
        pa.time64("ns"), pa.duration("s"), pa.duration("ms"), pa.duration("us"), pa.duration("ns"),
        *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    )
} | {"date32": pa.date32(), "date64": pa.date64(), "float16": pa.float16(), "float32": pa.float32(), "float64": pa.float64()}  # fmt: skip

_FORMS: tuple[tuple[re.Pattern[str], Callable[..., pa.DataType]], ...] = (
    (re.compile(r"timestamp\[(s|ms|us|ns), ?tz=([^\]]+)\]"), pa.timestamp),
    (re.compile(r"decimal32\((\d+), ?(-?\d+)\)"), lambda p, s: pa.decimal32(int(p), int(s))),
    (re.compile(r"decimal64\((\d+), ?(-?\d+)\)"), lambda p, s: pa.decimal64(int(p), int(s))),
    (re.compile(r"decimal128\((\d+), ?(-?\d+)\)"), lambda p, s: pa.decimal128(int(p), int(s))),
    (re.compile(r"decimal256\((\d+), ?(-?\d+)\)"), lambda p, s: pa.decimal256(int(p), int(s))),
    (re.compile(r"fixed_size_binary\[(\d+)\]"), lambda width: pa.binary(int(width))),
)


def is_binary(data_type: pa.DataType) -> bool:
    """Whether values of the type are bytes."""
    return bool(
        pa.types.is_binary(data_type)
        or pa.types.is_large_binary(data_type)
        or pa.types.is_binary_view(data_type)
        or pa.types.is_fixed_size_binary(data_type)
    )


def parse_type(text: str) -> pa.DataType | None:
    """The Arrow type that a policy's `type` names; None for `struct`, `list` and `map` (any inner form).

    Raises:
        ValueError: No such type.

    Example:
        >>> parse_type("decimal128(12, 2)"), parse_type("struct")
        (Decimal128Type(decimal128(12, 2)), None)
    """
    if text in NESTED:
        return None
    if text in _PLAIN:
        return _PLAIN[text]
    for pattern, make in _FORMS:
        if match := pattern.fullmatch(text):
            try:
                return make(*match.groups())
            except (pa.ArrowInvalid, ValueError):
                break
    raise ValueError(
        f"'{text}' is not an Arrow type; examples: int64, string, date32, timestamp[us, tz=UTC], decimal128(12, 2)"
    )


def _is_zone(name: str) -> bool:
    """Whether it is a fixed offset or a zone of the IANA database."""
    if re.fullmatch(r"[+-]\d\d:?\d\d", name):
        return True
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return False
    return True


def type_text(data_type: pa.DataType) -> str:
    """A type as policies write it; dictionary encoding is not part of it. A time zone that nobody knows may be data: `tz=?`.

    Example:
        >>> type_text(pa.timestamp("us", "UTC")), type_text(pa.timestamp("us", "ann@example.org"))
        ('timestamp[us, tz=UTC]', 'timestamp[us, tz=?]')
        >>> type_text(pa.dictionary(pa.int32(), pa.string())), type_text(pa.date32())
        ('string', 'date32')
    """
    if pa.types.is_dictionary(data_type):
        return type_text(data_type.value_type)
    if pa.types.is_struct(data_type):
        return "struct"
    if pa.types.is_map(data_type):
        return "map"
    if pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type):
        return "list"
    if pa.types.is_timestamp(data_type) and data_type.tz is not None and not _is_zone(data_type.tz):
        return f"timestamp[{data_type.unit}, tz=?]"
    names = {
        pa.date32(): "date32",
        pa.date64(): "date64",
        pa.float16(): "float16",
        pa.float32(): "float32",
        pa.float64(): "float64",
    }
    return names.get(data_type, str(data_type))
