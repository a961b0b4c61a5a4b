"""Check digits of card numbers (ISO/IEC 7812-1, annex B: Luhn's), for a matrix of digits at once. Called by `fpe`."""

from __future__ import annotations

import numpy as np

from airlock.crypto.aes import Uint8s

__all__ = ["check_digits"]

_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], np.uint8)
"""Twice a digit, its own digits added."""


def check_digits(digits: Uint8s) -> Uint8s:
    """The digit that makes each row of digits a valid number.

    Example:
        >>> check_digits(np.array([[7, 9, 9, 2, 7, 3, 9, 8, 7, 1]], np.uint8)).tolist()
        [3]
    """
    total = np.zeros(len(digits), np.uint16)
    for place, column in enumerate(digits.T[::-1]):
        total += column if place % 2 else _DOUBLED.take(column)
    return ((10 - total % 10) % 10).astype(np.uint8)
