"""Shapes: what every shape has. `formats` says which operator writes which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

__all__ = ["Shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like.

    `closed`: nothing else fits in, so it is not scanned further. `written`: the type that such values have, where it is not the
    operator's usual one.
    """

    closed = True
    written: ClassVar[pa.DataType | None] = None
