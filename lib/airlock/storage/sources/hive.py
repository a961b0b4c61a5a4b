"""Hive partitions: columns whose values are in folder names, `dt=2026-11-22/`. Called by listing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote

from airlock.policy.model import Scalar
from airlock.storage.sources.model import Partition

__all__ = ["NULL_FOLDER", "is_hidden", "matches", "partition_of"]

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


def is_hidden(path: str, below: str) -> bool:
    """Whether a part of the path below the source starts with `_` or `.`, as `_SUCCESS` and `.crc` files do.

    Example:
        >>> is_hidden("crm/_SUCCESS", "crm"), is_hidden("crm/_key=1/a.csv", "crm")
        (True, False)
    """
    parts = path.removeprefix(below).strip("/").split("/")
    return any(part[:1] in {"_", "."} and (part[0] == "." or "=" not in part) for part in parts if part)


def partition_of(path: str, below: str) -> Partition:
    """The hive columns in the folders between the source and the file.

    Example:
        >>> partition_of("crm/dt=2026-11-22/city=S%C3%A3o%20Paulo/a.parquet", "crm")
        (('dt', '2026-11-22'), ('city', 'São Paulo'))
    """
    folders = path.removeprefix(below).strip("/").split("/")[:-1]
    pairs = (folder.split("=", 1) for folder in folders if "=" in folder)
    return tuple((unquote(name), None if value == NULL_FOLDER else unquote(value)) for name, value in pairs)


def matches(text: str | None, accepted: Sequence[Scalar]) -> bool:
    """Whether a folder's value is one of those that `source.where` lists; numbers compare as numbers.

    Example:
        >>> matches("2026-11-22", [date(2026, 11, 22)]), matches("01", [1]), matches("01", ["1"]), matches(None, [""])
        (True, True, False, False)
    """
    return text is not None and any(_is_equal(text, value) for value in accepted)


def _is_equal(text: str, value: Scalar) -> bool:
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, (int, float, Decimal)):
        try:
            return Decimal(text) == Decimal(str(value))
        except InvalidOperation:
            return False
    return text == (value.isoformat() if isinstance(value, date) else value)
