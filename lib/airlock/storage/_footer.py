"""The metadata of a Parquet file, from its end. Called by stores whose files are read by Python itself."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.errors import UnreadableSourceError

__all__ = ["has_signed_footer", "read_footer"]

_TAIL = 64 * 1024
_SIGNATURE = 28  # nonce of 12, tag of 16


def read_footer(file: BinaryIO, size: int) -> pq.FileMetaData:
    """From a file with its whole footer nearly always read by one read.

    Raises:
        UnreadableSourceError: Some columns are encrypted.
        pa.ArrowException, OSError: Not a Parquet file.
    """
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < length <= size:
        file.seek(size - length)
        tail = file.read(length)
    found = pq.read_metadata(pa.BufferReader(tail))
    if has_signed_footer(length - 8, found):
        raise UnreadableSourceError("some of its columns are encrypted")
    return found


def has_signed_footer(length: int, metadata: pq.FileMetaData) -> bool:
    """Whether columns are encrypted under a plaintext footer of that length (Parquet modular encryption, section 5.2: 28 bytes sign it).

    Asking pyarrow about the chunk of such a column aborts the process, so it must be known before.
    """
    return bool(length - metadata.serialized_size == _SIGNATURE)
