"""What a random number generator would give, made from AES blocks: the same for the same block, on every machine.

Called by the operators that shift and add noise. Logarithms are computed here from the operations that IEEE 754 rounds correctly:
numpy's own differ in the last bit from one processor to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, BlockCipher, Uint8s, Uint64s

__all__ = ["MOST", "BoundedNoise", "Distribution", "draw_words", "pair_words", "uniforms", "up_to"]

Distribution = Literal["gaussian", "laplace", "uniform"]
Floats = NDArray[np.float64]

MOST = 1 << 32
"""`up_to` draws from at most so many numbers."""

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)


def draw_words(tags: Uint8s) -> Uint64s:
    """64 bits of each 16-byte tag: its first eight bytes, little-endian."""
    return tags.view("<u8").reshape(-1, 2)[:, 0].astype(np.uint64)


def pair_words(key: bytes, tags: Uint8s, numbers: NDArray[np.int64]) -> Uint64s:
    """64 bits for each pair of a tag and a number: AES of the tag with the number added to its first eight bytes (XOR).

    Guarantee: a pseudo-random function of the tagged text and the number, up to a chance of q^2 / 2^128 in q pairs that two share a
    block: tags are pseudo-random under another key and never shown (Carter and Wegman's hash, then a PRF).

    Args:
        key: Of its own, not the one the tags were made with.
        tags: Shape (n, 16).
        numbers: n of them.
    """
    cipher, made = BlockCipher(key), np.empty(len(tags), np.uint64)
    for start in range(0, len(tags), BATCH):
        blocks = tags[start : start + BATCH].copy()
        blocks.view("<u8")[:, 0] ^= numbers[start : start + BATCH].view(np.uint64)
        answer = cipher.blocks(blocks.view(np.uint64).ravel()).view(np.uint8).reshape(-1, BLOCK)
        made[start : start + BATCH] = draw_words(answer)
    return made


def uniforms(words: Uint64s) -> Floats:
    """Uniform in the open interval (0, 1): the odd multiples of 2^-53, each by 2^12 words; exact, and so is 1 less any of them.

    Example:
        >>> uniforms(np.array([0, 2**64 - 1], np.uint64)).tolist() == [2**-53, 1 - 2**-53]
        True
    """
    made: Floats = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return made


def up_to(words: Uint64s, count: int) -> NDArray[np.int64]:
    """Uniform in 0 to count - 1: the high word of the product (Lemire 2019, section 3, without rejection).

    Each number has a probability within 2^-64 of 1 / count.

    Raises:
        ValueError: `count` is not in 1 to 2^32.

    Example:
        >>> up_to(np.array([0, 2**63, 2**64 - 1], np.uint64), 60).tolist()
        [0, 30, 59]
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"draws are from 1 to {MOST} numbers")
    factor = np.uint64(count)
    carried = ((words & _LOW) * factor) >> _HALF
    return (((words >> _HALF) * factor + carried) >> _HALF).astype(np.int64)


@dataclass(frozen=True, slots=True)
class BoundedNoise:
    """A distribution around zero, symmetric, cut off at `bound` on both sides.

    Guarantee: exactly the distribution under the condition that it stays within the bound: the uniform that is turned into it is
    restricted to [F(-bound), F(bound)], F being the distribution function. Nothing is clipped but what rounding takes beyond.

    Attributes:
        distribution: `laplace`; `gaussian`; `uniform` on [-scale, scale].
        scale: Laplace's b, the Gaussian standard deviation, or half the uniform's width.
        bound: No draw is further from zero.

    Example:
        >>> noise = BoundedNoise("laplace", scale=1.0, bound=4.0)
        >>> noise.draw(np.array([2**-53, 0.5, 1 - 2**-53])).round(9).tolist()
        [-4.0, 0.0, 4.0]
    """

    distribution: Distribution
    scale: float
    bound: float

    def draw(self, uniform: Floats) -> Floats:
        """One draw for each number in (0, 1)."""
        quantile, lowest = _QUANTILES[self.distribution], _below(self.distribution, -self.bound / self.scale)
        made = np.empty(len(uniform))
        for start in range(0, len(uniform), BATCH):
            within = lowest + uniform[start : start + BATCH] * (1.0 - 2.0 * lowest)
            made[start : start + BATCH] = quantile(within) * self.scale
        return np.clip(made, -self.bound, self.bound, out=made)

    def probability(self, low: float, high: float) -> float:
        """How likely a draw lies between the two.

        Example:
            >>> BoundedNoise("uniform", scale=2.0, bound=2.0).probability(-0.5, 0.5)
            0.25
        """
        low, high = max(low, -self.bound), min(high, self.bound)
        if low >= high:
            return 0.0
        below = [_below(self.distribution, end / self.scale) for end in (low, high, -self.bound)]
        return (below[1] - below[0]) / (1.0 - 2.0 * below[2])


def _below(distribution: Distribution, at: float) -> float:
    """The distribution function at scale one."""
    if distribution == "gaussian":
        return NormalDist().cdf(at)
    if distribution == "uniform":
        return min(1.0, max(0.0, (at + 1.0) / 2.0))
    return 0.5 * math.exp(at) if at < 0 else 1.0 - 0.5 * math.exp(-at)


def _uniform(probability: Floats) -> Floats:
    return 2.0 * probability - 1.0


def _laplace(probability: Floats) -> Floats:
    # Of p and 1 - p the smaller: both are exact, and the logarithm of a number close to one would lose digits.
    return np.copysign(_log(2.0 * np.minimum(probability, 1.0 - probability)), probability - 0.5)


def _gaussian(probability: Floats) -> Floats:
    """Wichura (1988), Algorithm AS 241 (PPND16), Applied Statistics 37, 477-484: to about one part in 10^16."""
    centred = probability - 0.5
    squared = 0.180625 - centred * centred
    made = centred * _ratio(_CENTRE, squared)
    at = np.flatnonzero(np.abs(centred) > 0.425)  # noqa: PLR2004 - AS 241's split
    if len(at):
        root = np.sqrt(-_log(np.minimum(probability[at], 1.0 - probability[at])))
        far = root > 5.0  # noqa: PLR2004 - AS 241's second split
        tail = np.where(far, _ratio(_FAR, root - 5.0), _ratio(_NEAR, root - 1.6))
        made[at] = np.copysign(tail, centred[at])
    return made


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], at: Floats) -> Floats:
    above, below = (_polynomial(each, at) for each in coefficients)
    return np.divide(above, below, out=above)


def _polynomial(falling: tuple[float, ...], at: Floats) -> Floats:
    made = falling[0] * at
    for coefficient in falling[1:-1]:
        made += coefficient
        made *= at
    made += falling[-1]
    return made


def _log(numbers: Floats) -> Floats:
    """Natural logarithm of positive numbers, below one unit in the last place off (fdlibm 5.3, `e_log.c`)."""
    fraction, exponent = np.frexp(numbers)
    small = fraction < math.sqrt(0.5)
    f = np.where(small, 2.0 * fraction, fraction) - 1.0
    power = (exponent - small).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    rest = s * (half + z * _polynomial(_LOG, z)) + power * _LN2_LOW
    return power * _LN2_HIGH - ((half - rest) - f)


_QUANTILES: Mapping[Distribution, Callable[[Floats], Floats]] = {
    "gaussian": _gaussian,
    "laplace": _laplace,
    "uniform": _uniform,
}

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip

_CENTRE = (
    (
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080,
    ),
    (
        5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
        5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0,
    ),
)  # fmt: skip
_NEAR = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
        3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0,
    ),
)  # fmt: skip
_FAR = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip
"""Numerators and denominators of AS 241, from the highest power down."""
