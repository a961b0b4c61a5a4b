"""What earlier listings found in a dataset's Parquet footers, kept by path and version: unchanged objects are not asked again.

Whoever keeps it is on the raw side, as the files are; nothing of what values are is in it. It is not trusted: whoever reads a file
makes sure that its footer is what was planned.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping

import pyarrow as pa

from airlock.storage.sources.model import RowGroup, SourceFile

__all__ = ["Footer", "pack_footers", "unpack_footers"]

Footer = tuple[str, pa.Schema, tuple[RowGroup, ...]]
"""A file's version, its schema in plain types, its row groups."""

_FORMAT = 1


def pack_footers(files: Iterable[SourceFile]) -> bytes:
    """The footers of Parquet files as bytes.

    Example:
        >>> file = SourceFile("a", 9, "v", pa.schema([("n", pa.int64())]), 3, (RowGroup(3, 24),), ())
        >>> unpack_footers(pack_footers([file]))["a"][2]
        (RowGroup(rows=3, size=24),)
    """
    schemas: list[pa.Schema] = []
    places: dict[int, int] = {}
    rows = {}
    for file in files:
        if file.schema is None or not file.row_groups:
            continue
        place = places.get(id(file.schema))
        if place is None:
            place = next((at for at, schema in enumerate(schemas) if schema.equals(file.schema)), len(schemas))
            schemas += [file.schema] if place == len(schemas) else []
            places[id(file.schema)] = place
        rows[file.path] = [file.version, place, [[group.rows, group.size] for group in file.row_groups]]
    texts = [base64.b64encode(schema.serialize().to_pybytes()).decode() for schema in schemas]
    body = {"format": _FORMAT, "schemas": texts, "files": rows}
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode(), level=1)


def unpack_footers(data: bytes) -> Mapping[str, Footer]:
    """By path; nothing where the bytes are not what `pack_footers` made: the footers are read again."""
    try:
        body = json.loads(zlib.decompress(data))
        if body["format"] != _FORMAT:
            return {}
        schemas = [pa.ipc.read_schema(pa.BufferReader(base64.b64decode(text))) for text in body["schemas"]]
        return {
            path: (version, schemas[place], tuple(RowGroup(rows, size) for rows, size in groups))
            for path, (version, place, groups) in body["files"].items()
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, zlib.error, pa.ArrowException, OSError):
        return {}
