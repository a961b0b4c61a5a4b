"""Search a folder for raw values, wherever they could hide: path names, JSON evidence and what is signed in it, every cell, and
every byte of Parquet files with all their pages unpacked - dictionaries, footers and gaps included.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["LONG", "Haystack", "unpacked"]

LONG = 6
"""Values from this length on are looked for inside of any text; shorter ones, numbers and dates by equality with cells."""

_SCHEMA = b"ARROW:schema"

_RANDOM = re.compile(r"(?<![0-9a-z])[0-9a-f]{32,}(?![0-9a-z])")
"""Digests, nonces and hex tokens: no place for a value, but some short one would turn up in enough of them."""


@dataclass(frozen=True)
class Haystack:
    """All that a folder says.

    Attributes:
        text: Everything readable, case-folded.
        cells: Every cell's text, case as it stands.
        natives: Every cell's value in its own type.
    """

    text: str
    cells: frozenset[str]
    natives: frozenset[Any]

    @cached_property
    def _grams(self) -> np.ndarray:
        """Every six bytes that stand together in the text, as numbers, sorted: what is not there need not be looked for."""
        return np.unique(_grams(self.text.encode()))

    @classmethod
    def of(cls, *folders: Path, tokens: str | None = None) -> Haystack:
        """Read everything below the folders. `tokens`: a pattern for pseudonyms, which are random letters."""
        texts: list[str] = []
        cells: set[Any] = set()
        files = [(folder, file) for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
        assert files, "there is nothing to search"
        for folder, file in files:
            texts.append(str(file.relative_to(folder)))
            data = file.read_bytes()
            if data[:4] == b"PAR1":
                texts += [*map(_readable, unpacked(data)), *_metadata(data)]
                cells.update(_cells(data))
            elif file.suffix in (".json", ".jsonl"):
                texts += [text for line in _json_values(file, data) for text in _strings(line)]
            else:
                texts.append(_readable(data))
        folded = "\n".join(texts).casefold()
        for pattern in (re.compile(tokens) if tokens else None, _RANDOM):
            folded = folded if pattern is None else pattern.sub("\0", folded)
        return cls(folded, frozenset(map(_as_text, cells)), frozenset(cells))

    def found(self, values: Iterable[Any]) -> list[Any]:
        """Which of these values are there: long texts anywhere in any case, all others as a whole cell."""
        wanted = sorted(set(values), key=str)
        long = [value for value in wanted if isinstance(value, str) and len(value) >= LONG]
        there = {value for value in self._candidates(long) if value.casefold() in self.text}
        there |= {value for value in set(wanted).difference(long) if value in self.natives or _as_text(value) in self.cells}
        return [value for value in wanted if value in there]

    def _candidates(self, values: list[str]) -> list[str]:
        """Those whose first and last six bytes are both in the text."""
        folded = [value.casefold().encode() for value in values]
        ends = np.array([[_grams(text[:LONG])[0], _grams(text[-LONG:])[0]] for text in folded], np.uint64).reshape(-1, 2)
        return [value for value, possible in zip(values, np.isin(ends, self._grams).all(axis=1), strict=True) if possible]


def _grams(data: bytes) -> np.ndarray:
    letters = np.frombuffer(data, np.uint8).astype(np.uint64)
    count = max(0, len(letters) - LONG + 1)
    return sum((letters[at : at + count] << np.uint64(8 * at) for at in range(LONG)), np.zeros(count, np.uint64))


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _readable(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _cells(data: bytes) -> Iterator[Any]:
    table = pq.read_table(pa.BufferReader(data))
    for column in table.columns:
        yield from _leaves(column.to_pylist())


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int, float, bytes, dt.date, Decimal)):
        yield value
    else:
        assert value is None, type(value)


def _metadata(data: bytes) -> Iterator[str]:
    """Key-value metadata, and of Arrow's schema what its base64 stands for."""
    for key, value in (pq.read_metadata(pa.BufferReader(data)).metadata or {}).items():
        yield _readable(key)
        yield _readable(base64.b64decode(value) if key == _SCHEMA else value)


def _json_values(file: Path, data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines() if line.strip()] if file.suffix == ".jsonl" else [json.loads(data)]


def _strings(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, name)
    elif name == "payload":
        yield from _strings(json.loads(base64.b64decode(value)))
    elif name != "sig" and not (name == "fence" and _is_now(value)):
        yield str(value)


def _is_now(value: Any) -> bool:
    """A clock's milliseconds, of today: any six digits turn up among them, and a raw value is none."""
    return isinstance(value, int) and abs(time.time_ns() // 1_000_000 - value) < 86_400_000


# --- Parquet pages (parquet-format: PageHeader in Thrift's compact protocol) ------------------------------------------------


def unpacked(data: bytes) -> Iterator[bytes]:
    """A whole Parquet file: every page decompressed - dictionary entries that no row uses too - and what lies between the pages."""
    done = 0
    for start, stop, page in sorted(_pages(data)):
        assert start >= done, "pages overlap"
        yield data[done:start]
        yield page
        done = stop
    yield _without_base64(data[done:])


def _without_base64(footer: bytes) -> bytes:
    """`_metadata` reads it; as letters it says nothing."""
    return re.sub(rb"(?<=" + _SCHEMA + rb"..)[\w+/=]+|(?<=" + _SCHEMA + rb"...)[\w+/=]+", b"", footer, flags=re.DOTALL)


def _pages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where the content of each page starts and stops, and what it says."""
    metadata = pq.read_metadata(pa.BufferReader(data))
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            start = min(place for place in (column.dictionary_page_offset, column.data_page_offset) if place)
            at, stop = start, start + column.total_compressed_size
            while at < stop:
                header, at = _struct(data, at)
                yield at, at + header[3], _unpacked(data[at : at + header[3]], header, column.compression)
                at += header[3]
            assert at == stop, "pages do not fill their column chunk"


def _unpacked(page: bytes, header: dict[int, Any], codec: str) -> bytes:
    plain = header[8].get(5, 0) + header[8].get(6, 0) if 8 in header else 0  # levels of data pages v2 stand before the values
    if codec == "UNCOMPRESSED" or header.get(8, {}).get(7) is False:
        return page
    name = {"LZ4": "lz4_raw"}.get(codec, codec.lower())
    return page[:plain] + pa.decompress(page[plain:], header[2] - plain, name, asbytes=True)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        delta, kind = head >> 4, head & 15
        number, at = (number + delta, at + 1) if delta else _zigzag(data, at + 1)
        fields[number], at = (kind == 1, at) if kind in (1, 2) else _value(data, at, kind)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2, 3):
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        size, at = _varint(data, at)
        return data[at : at + size], at + size
    if kind in (9, 10):
        head, at = data[at], at + 1
        size, at = _varint(data, at) if head >> 4 == 15 else (head >> 4, at)
        items = []
        for _ in range(size):
            item, at = _value(data, at, head & 15)
            items.append(item)
        return items, at
    assert kind == 12, kind
    return _struct(data, at)
