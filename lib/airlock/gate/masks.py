"""Masked text: ASCII on the raw bytes, the rest by pattern. Called by `shapes`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.buffers import text_buffers
from airlock.policy.formats import MaskedGroups, MaskedText

__all__ = ["group_offenders", "mask_offenders"]

_DIGITS, _LETTERS = r"\p{N}", r"\p{L}\p{M}"


def mask_offenders(values: pa.Array, shape: MaskedText) -> np.ndarray:
    """True where a value is not masked as declared.

    Example:
        >>> shape = MaskedText(char="*", first=0, last=2, others=False)
        >>> mask_offenders(pa.array(["***-**78", "**1-**78", "78", "**"]), shape).tolist()
        [False, True, True, False]
    """
    offsets, data = text_buffers(values)
    if len(data) == 0 or int(data.max()) < 128:  # noqa: PLR2004  # ASCII
        return _bytewise(offsets, data, shape)
    plain = np.asarray(pc.string_is_ascii(values))
    bad = np.zeros(len(values), bool)
    bad[plain] = _bytewise(*text_buffers(values.filter(pa.array(plain))), shape)
    others = values.filter(pa.array(~plain))
    bad[~plain] = ~np.asarray(pc.match_substring_regex(others, _pattern(shape)))
    return bad


def group_offenders(values: pa.Array, shape: MaskedGroups) -> np.ndarray:
    """True where a value is not made of the pieces, nor of the mask character alone.

    Example:
        >>> from airlock.policy.groups import cut
        >>> shape = MaskedGroups(char="*", pieces=cut(r"([0-9]+)-([0-9]+)", [1]))
        >>> group_offenders(pa.array(["***-12", "****", "123-12", "***-ab"]), shape).tolist()
        [False, False, True, True]
    """
    hidden = f"{re.escape(shape.char)}*"
    whole = "".join(hidden if piece.masked else f"(?:{piece.pattern})" for piece in shape.pieces)
    return ~np.asarray(pc.match_substring_regex(values.cast(pa.large_string()), rf"\A(?:{whole}|{hidden})\z"))


def _bytewise(offsets: np.ndarray, data: np.ndarray, shape: MaskedText) -> np.ndarray:
    bad = _unmasked_bytes(shape)[data]
    long = np.diff(offsets) > shape.first + shape.last
    starts, ends = offsets[:-1][long], offsets[1:][long]
    for place in range(shape.first):
        bad[starts + place] = False
    for place in range(shape.last):
        bad[ends - 1 - place] = False
    rows = np.zeros(len(offsets) - 1, bool)
    if bad.any():
        rows[np.searchsorted(offsets, np.flatnonzero(bad), side="right") - 1] = True
    return rows


def _unmasked_bytes(shape: MaskedText) -> np.ndarray:
    return np.array([_must_be_masked(chr(code), shape) and chr(code) != shape.char for code in range(256)])


def _must_be_masked(character: str, shape: MaskedText) -> bool:
    if character.isdigit():
        return shape.digits
    return shape.letters if character.isalpha() else shape.others


def _pattern(shape: MaskedText) -> str:
    free = [re.escape(shape.char)]
    free += [] if shape.digits else [f"[{_DIGITS}]"]
    free += [] if shape.letters else [f"[{_LETTERS}]"]
    free += [] if shape.others else [f"[^{_DIGITS}{_LETTERS}]"]
    inner = "(?:" + "|".join(free) + ")"
    return rf"(?s)\A(?:.{{{shape.first}}}{inner}+.{{{shape.last}}}|{inner}{{0,{shape.first + shape.last}}})\z"
