"""What inspections gave, as bytes for another process: canonical JSON and Arrow, never pickle. Called by the outer door's shards.

How a check's partial is written follows from the return type of its `merge`: dataclasses, mappings, tuples, frozensets, text,
numbers, one-dimensional numpy arrays and Arrow tables, nested at will. A check made of these needs nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa

from airlock.errors import ConfigError, IntegrityError
from airlock.evidence.canonical import canonical_json, parse_canonical, sha256_hex
from airlock.evidence.schema import SchemaField
from airlock.gate.checks import CHECKS
from airlock.gate.decide import FilePartial
from airlock.gate.rules import GateRules

__all__ = ["collapse", "digest_of", "dump_partials", "load_partials"]

_MOST = 256 * 1024 * 1024
_VERSION = "partials/1"

Blobs = list[bytes]


def collapse(partials: Iterable[FilePartial]) -> list[FilePartial]:
    """The partials of files on which the same checks ran, merged: as good as the files' own for `decide`."""
    merged: dict[frozenset[str], FilePartial] = {}
    for one in partials:
        ran = frozenset(one.parts)
        merged[ran] = _both(merged[ran], one) if ran in merged else one
    return list(merged.values())


def _both(one: FilePartial, other: FilePartial) -> FilePartial:
    return FilePartial(
        parts={name: CHECKS[name].merge(part, other.parts[name]) for name, part in one.parts.items()},
        rows=one.rows + other.rows,
        schema=one.schema or other.schema,
        files=one.files + other.files,
    )


def dump_partials(partials: Sequence[FilePartial]) -> bytes:
    """As bytes that `load_partials` reads; `outputs` are left out.

    Raises:
        ConfigError: They are larger than another process should be asked to hold.
    """
    blobs: Blobs = []
    skeleton = {
        _VERSION: [
            {
                "files": one.files,
                "rows": one.rows,
                "schema": _codec(tuple[SchemaField, ...]).dump(one.schema, blobs),
                "parts": {name: _codec(_part_of(name)).dump(part, blobs) for name, part in one.parts.items()},
            }
            for one in partials
        ],
    }
    data = _stream(pa.table({"blob": pa.array([canonical_json(skeleton), *blobs], pa.large_binary())}))
    if len(data) > _MOST:
        raise ConfigError(
            f"the counts of this shard take {len(data):,} bytes, allowed are {_MOST:,}. Take more shards; if that does not help, "
            "generalise a quasi-identifier"
        )
    return data


def load_partials(data: bytes) -> list[FilePartial]:
    """What `dump_partials` wrote.

    Raises:
        IntegrityError: It is something else.
    """
    try:
        column = pa.ipc.open_stream(data).read_all()["blob"]
        first, *blobs = (memoryview(column[number].as_buffer()) for number in range(len(column)))
        return [_loaded(one, blobs) for one in parse_canonical(bytes(first))[_VERSION]]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError):
        raise IntegrityError("the counts of a shard are not what this version writes. Run the shard again") from None


def _loaded(one: Mapping[str, Any], blobs: Sequence[memoryview]) -> FilePartial:
    return FilePartial(
        parts={name: _codec(_part_of(name)).load(part, blobs) for name, part in _in_order(one["parts"])},
        rows=_codec(int).load(one["rows"], blobs),
        schema=_codec(tuple[SchemaField, ...]).load(one["schema"], blobs),
        files=_codec(int).load(one["files"], blobs),
    )


def _in_order(parts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(parts.items(), key=lambda item: list(CHECKS).index(item[0]))


def digest_of(rules: GateRules) -> str:
    """SHA-256 of everything that the gate demands, waivers in force included: equal for equal rules in any process."""
    return sha256_hex(canonical_json(_plainly(rules)))


# --- how a type is written ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Codec:
    """To JSON values with large content put aside, and back."""

    dump: Callable[[Any, Blobs], Any]
    load: Callable[[Any, Sequence[memoryview]], Any]


def _part_of(name: str) -> Any:
    return get_type_hints(CHECKS[name].merge)["return"]


@cache
def _codec(kind: Any) -> _Codec:
    origin, args = get_origin(kind) or kind, get_args(kind)
    for fits, made in _KINDS:
        if fits(origin):
            return made(kind, *args)
    raise TypeError(f"a check's partial holds {kind}, which shards can't carry. See the module's first lines for what they can")


def _plain(kind: Any) -> _Codec:
    def load(value: Any, _: object) -> Any:
        if type(value) is not kind:
            raise TypeError(f"not {kind.__name__}")
        return value

    return _Codec(lambda value, _: kind(value), load)


def _real(_: Any) -> _Codec:
    return _Codec(lambda value, _: float(value).hex(), lambda text, _: float.fromhex(text))


def _nothing(_: Any) -> _Codec:
    return _Codec(lambda _value, _blobs: None, lambda _value, _blobs: None)


def _record(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    parts = {field.name: _codec(hints[field.name]) for field in fields(kind)}

    def dump(value: Any, blobs: Blobs) -> Any:
        return {name: part.dump(getattr(value, name), blobs) for name, part in parts.items()}

    def load(value: Any, blobs: Sequence[memoryview]) -> Any:
        return kind(**{name: part.load(value[name], blobs) for name, part in parts.items()})

    return _Codec(dump, load)


def _mapping(_: Any, key: Any, value: Any) -> _Codec:
    pairs = _codec(tuple[tuple[key, value], ...])
    # Sorted, so that equal partials have equal bytes.
    return _Codec(
        lambda items, blobs: pairs.dump(sorted(items.items(), key=lambda item: item[0]), blobs),
        lambda found, blobs: dict(pairs.load(found, blobs)),
    )


def _tuple(_: Any, *args: Any) -> _Codec:
    if len(args) == 2 and args[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        item = _codec(args[0])
        return _Codec(
            lambda items, blobs: [item.dump(each, blobs) for each in items],
            lambda found, blobs: tuple(item.load(each, blobs) for each in found),
        )
    parts = [_codec(arg) for arg in args]
    return _Codec(
        lambda items, blobs: [part.dump(each, blobs) for part, each in zip(parts, items, strict=True)],
        lambda found, blobs: tuple(part.load(each, blobs) for part, each in zip(parts, found, strict=True)),
    )


def _frozenset(_: Any, arg: Any) -> _Codec:
    item = _codec(arg)
    return _Codec(
        lambda items, blobs: sorted((item.dump(each, blobs) for each in items), key=canonical_json),
        lambda found, blobs: frozenset(item.load(each, blobs) for each in found),
    )


def _choice(_: Any, *args: Any) -> _Codec:
    inner = _codec(next(arg for arg in args if arg is not NoneType))
    if len(args) != 2 or NoneType not in args:  # noqa: PLR2004 - X | None
        raise TypeError("a check's partial holds a union of types, which shards can't carry; only X | None")
    return _Codec(
        lambda value, blobs: None if value is None else inner.dump(value, blobs),
        lambda value, blobs: None if value is None else inner.load(value, blobs),
    )


def _table(_: Any) -> _Codec:
    def dump(table: pa.Table, blobs: Blobs) -> int:
        blobs.append(_stream(table))
        return len(blobs) - 1

    return _Codec(dump, lambda number, blobs: pa.ipc.open_stream(blobs[number]).read_all())


def _array(_: Any, *__: Any) -> _Codec:
    table = _table(None)
    return _Codec(
        lambda array, blobs: table.dump(pa.table({"a": pa.array(array)}), blobs),
        lambda number, blobs: table.load(number, blobs)["a"].to_numpy(),
    )


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[..., _Codec]], ...] = (
    (lambda origin: origin in (str, int, bool), _plain),
    (lambda origin: origin is float, _real),
    (lambda origin: origin is NoneType, _nothing),
    (lambda origin: origin is np.ndarray, _array),
    (lambda origin: origin is pa.Table, _table),
    (lambda origin: origin in (dict, Mapping), _mapping),
    (lambda origin: origin is tuple, _tuple),
    (lambda origin: origin is frozenset, _frozenset),
    (lambda origin: origin in (Union, UnionType), _choice),
    (is_dataclass, _record),
)


# --- how rules are digested ---------------------------------------------------------------------------------------------


def _plainly(value: Any) -> Any:
    """Rules as JSON values; what is not known is an error, so that nothing is left out of a digest."""
    if value is None or isinstance(value, (bool, int)) or type(value) is str:
        return value
    if is_dataclass(value):
        return [type(value).__name__, {field.name: _plainly(getattr(value, field.name)) for field in fields(value)}]
    if isinstance(value, (tuple, list)):
        return [_plainly(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plainly(item) for item in value), key=canonical_json)
    if isinstance(value, Mapping):
        return [[_plainly(key), _plainly(item)] for key, item in value.items()]
    return [type(value).__name__, _as_text(value)]


def _as_text(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, (date, Decimal, pa.DataType)):
        return str(value)
    raise TypeError(f"a gate rule holds {type(value).__name__}, which has no digest")
