"""Check digits of card numbers (ISO/IEC 7812-1, annex B: Luhn's), for a matrix of digits at once. Called by `fpe`."""

from __future__ import annotations

import numpy as np

from airlock.crypto.aes import BATCH, Uint8s

__all__ = ["check_digits"]

_PLACES = 28
"""So many digits' sum fits into a byte."""


def check_digits(digits: Uint8s) -> Uint8s:
    """The digit that makes each row of digits a valid number.

    Example:
        >>> check_digits(np.array([[7, 9, 9, 2, 7, 3, 9, 8, 7, 1]], np.uint8)).tolist()
        [3]
    """
    made = np.empty(len(digits), np.uint8)
    for start in range(0, len(digits), BATCH):  # what is read once for each place stays in the cache
        part = slice(start, start + BATCH)
        made[part] = _check_digits(digits[part])
    return made


def _check_digits(digits: Uint8s) -> Uint8s:
    places = np.ascontiguousarray(digits.T)[::-1]
    # Twice the digit, its own digits added.
    doubled = places[::2] + places[::2]
    doubled -= (doubled > 9).view(np.uint8) * np.uint8(9)  # noqa: PLR2004 - the greatest digit
    kind = np.uint8 if len(places) <= _PLACES else np.uint16
    total = doubled.sum(axis=0, dtype=kind) + places[1::2].sum(axis=0, dtype=kind)
    return ((10 - total % 10) % 10).astype(np.uint8)
