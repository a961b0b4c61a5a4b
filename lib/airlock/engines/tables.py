"""Small tables as bytes, for frames, records of a first reading and digests. Called by `frame`, `summaries` and the inner door."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pyarrow as pa

__all__ = ["digest_of", "pack", "unpack"]


def pack(tables: Mapping[str, pa.Table]) -> bytes:
    """Tables by name, as bytes; equal tables give equal bytes.

    Example:
        >>> unpack(pack({"a": pa.table({"x": [1]})}))["a"].to_pydict()
        {'x': [1]}
    """
    names = sorted(tables)
    streams = [_stream(tables[name]) for name in names]
    return _stream(pa.table({"name": pa.array(names, pa.string()), "table": pa.array(streams, pa.large_binary())}))


def unpack(data: bytes) -> dict[str, pa.Table]:
    """What `pack` made."""
    packed = pa.ipc.open_stream(data).read_all()
    return {
        str(name): pa.ipc.open_stream(table.as_buffer()).read_all()
        for name, table in zip(packed["name"], packed["table"], strict=True)
    }


def digest_of(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 of `pack`: part of the names of the splits that used them."""
    return hashlib.sha256(pack(tables)).hexdigest()


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
