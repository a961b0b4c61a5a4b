"""The perturbing operators made one value at a time, from their docstrings, with `cryptography`'s CMAC and KBKDF and the standard
library's distributions: what `test_shift_date` and `test_add_noise` compare with.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from statistics import NormalDist

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode


def subkey(key: bytes, label: str, *parts: object) -> bytes:
    context = json.dumps(parts).encode()
    return KBKDFCMAC(
        algorithms.AES, Mode.CounterMode, 32, 4, 4, CounterLocation.BeforeFixed, label.encode(), context, None
    ).derive(key)


def cmac(key: bytes, text: str) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(text.encode())
    return mac.finalize()


def shift(key: bytes, subject: str, *, days: int = 30, min_days: int = 1, keep_weekday: bool = False) -> int:
    word = int.from_bytes(cmac(subkey(key, "airlock/shift-date/subject", days, min_days, keep_weekday), subject)[:8], "little")
    step = 7 if keep_weekday else 1
    choices = [n for n in range(-days, days + 1) if abs(n) >= min_days and n % step == 0]
    return choices[word * len(choices) >> 64]


def noise(
    key: bytes, column: str, subject: str, steps: int, *, distribution: str, scale: str, bound: int, decimals: int = 0,
    unit: str | None = None, ends: tuple[str, ...] = (),
) -> int:  # fmt: skip
    """In steps; `scale` and `bound` too."""
    tag = cmac(subkey(key, "airlock/add-noise/subject"), subject)
    own = subkey(key, "airlock/add-noise/value", column, distribution, scale, bound, decimals, unit, list(ends))
    block = (int.from_bytes(tag, "little") ^ (steps % 2**64)).to_bytes(16, "little")
    word = int.from_bytes(Cipher(algorithms.AES(own), modes.ECB()).encryptor().update(block)[:8], "little")
    uniform = (2 * (word >> 12) + 1) / 2**53
    width = float(Fraction(scale))
    below, quantile = DISTRIBUTIONS[distribution]
    lowest = below(-bound / width)
    return round(max(-bound, min(bound, width * quantile(lowest + uniform * (1 - 2 * lowest)))))


def reflected(steps: int, drawn: int, low: int, high: int) -> int:
    made = max(low, min(high, steps)) + drawn
    made = 2 * low - made if made < low else made
    return 2 * high - made if made > high else made


DISTRIBUTIONS = {
    "laplace": (lambda x: math.exp(x) / 2, lambda p: math.log(2 * p) if p < 1 / 2 else -math.log(2 * (1 - p))),
    "gaussian": (NormalDist().cdf, NormalDist().inv_cdf),
    "uniform": (lambda x: max(0.0, (x + 1) / 2), lambda p: 2 * p - 1),
}
