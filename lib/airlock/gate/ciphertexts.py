"""Ciphertexts as text, matched on the raw bytes whatever their lengths. Called by `shapes`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from airlock.gate.buffers import is_text, text_buffers
from airlock.policy.formats import Ciphertext

__all__ = ["ciphertext_offenders"]


def ciphertext_offenders(values: pa.Array, shape: Ciphertext) -> np.ndarray:
    """True where a value is not such a ciphertext.

    Example:
        >>> shape = Ciphertext(alphabet="0123456789abcdef", prefix="e_", shortest=2, step=2)
        >>> ciphertext_offenders(pa.array(["e_00ff", "e_00", "e_00ff0", "e_00fg", "00ff", "e_00ff00ff"]), shape).tolist()
        [False, True, True, True, True, False]
    """
    if not is_text(values.type):
        return np.ones(len(values), bool)
    offsets, data = text_buffers(values)
    bad = _wrong_length(np.diff(offsets) - len(shape.prefix), shape)
    foreign = ~_members(shape.alphabet)[data]
    prefix = np.frombuffer(shape.prefix.encode(), np.uint8)
    starts = offsets[:-1][~bad]
    for place, byte in enumerate(prefix):
        foreign[starts + place] = data[starts + place] != byte
    if foreign.any():
        bad[np.searchsorted(offsets, np.flatnonzero(foreign), side="right") - 1] = True
    return bad


def _wrong_length(characters: np.ndarray, shape: Ciphertext) -> np.ndarray:
    """Whether so many characters after the prefix are no whole number of bytes, or not one that is allowed."""
    bits = (len(shape.alphabet) - 1).bit_length()
    held = characters * bits // 8
    wrong: np.ndarray = (
        (-(-8 * held // bits) != characters) | (held < shape.shortest) | ((held - shape.shortest) % shape.step != 0)
    )
    return wrong


def _members(alphabet: str) -> np.ndarray:
    found = np.zeros(256, bool)
    found[np.frombuffer(alphabet.encode(), np.uint8)] = True
    return found
