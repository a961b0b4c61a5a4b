"""FF1 over whole columns: format-preserving encryption (NIST SP 800-38G; Rev. 1, second draft of February 2025).

Values of one length go through the ten rounds together, in batches that stay in cache. A half of the value is held as words, the
least significant first, of as many digits as fit into 32 bits; one round is one AES call over the batch, two or three where the
numbers are long. Called by `fpe` and by the integer forms of `pseudonymize`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from airlock.crypto.aes import BATCH, BLOCK, BlockCipher, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn
from airlock.crypto.feistel import Halves, Shape, long_rounds, short_rounds

__all__ = ["Ff1"]

_SMALLEST_DOMAIN = 1_000_000
"""Fewer values than this can be tried out (SP 800-38G Rev. 1, second draft, section 4)."""

_LONGEST = 64
"""Digits of the longest value: a half has at most 24 bytes, so that two blocks hold what a round needs."""

_LEAST_RADIX, _MOST_RADIX = 2, 62


class Ff1:
    """FF1 with one key (16, 24 or 32 bytes), one radix and one tweak.

    Guarantee: a permutation of the digit strings of each length, for each tweak another; who lacks the key can't tell it from a
    random one as long as AES is a pseudo-random function, within the bounds of SP 800-38G Rev. 1, appendix A.

    Args:
        key: The AES key.
        radix: 2 to 62.
        tweak: Not secret; for all values that have none of their own.

    Example:
        >>> ff1 = Ff1(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), 10)
        >>> ff1.encrypt(np.arange(10, dtype=np.uint8).reshape(1, -1)).tolist()
        [[2, 4, 3, 3, 4, 7, 7, 4, 8, 4]]
    """

    def __init__(self, key: bytes, radix: int, tweak: bytes = b"") -> None:
        if not _LEAST_RADIX <= radix <= _MOST_RADIX:
            raise ValueError(f"radix {radix}; FF1 is offered for 2 to {_MOST_RADIX}")
        self._key = key
        self._radix = radix
        self._tweak = tweak

    def __repr__(self) -> str:
        return "Ff1(<key>)"

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled: pickles end up in files and logs")

    def encrypt(self, digits: Uint8s, tweaks: ByteColumn | None = None) -> Uint8s:
        """Encrypt numbers of one length.

        Args:
            digits: Shape (n, length), each below the radix, the most significant first; not changed.
            tweaks: One for each value, instead of the one for all.

        Raises:
            ValueError: There are more than 64 digits, or there are fewer than a million values.
        """
        return self._transform(digits, tweaks, forward=True)

    def decrypt(self, digits: Uint8s, tweaks: ByteColumn | None = None) -> Uint8s:
        """The inverse of `encrypt`, by the same tweaks.

        Example:
            >>> ff1, digits = Ff1(bytes(16), 2), np.ones((1, 30), np.uint8)
            >>> bool((ff1.decrypt(ff1.encrypt(digits)) == digits).all())
            True
        """
        return self._transform(digits, tweaks, forward=False)

    def encrypt_numbers(self, numbers: Uint64s, length: int) -> Uint64s:
        """Encrypt numbers below radix^length, as numbers.

        Raises:
            ValueError: A half of `length` digits has more than 32 bits, or the domain is too small.

        Example:
            >>> ff1 = Ff1(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), 10)
            >>> ff1.encrypt_numbers(np.array([123456789], np.uint64), 10).tolist()
            [2433477484]
        """
        return self._numbers(numbers, length, forward=True)

    def decrypt_numbers(self, numbers: Uint64s, length: int) -> Uint64s:
        """The inverse of `encrypt_numbers`."""
        return self._numbers(numbers, length, forward=False)

    def _transform(self, digits: Uint8s, tweaks: ByteColumn | None, *, forward: bool) -> Uint8s:
        made = np.empty(digits.shape, np.uint8)
        run = self._run(digits.shape[1], forward=forward)
        if tweaks is None:
            head = run.head(self._own_tweak)
            for part in _batches(len(digits)):
                run.shape.write(run.rounds(run.shape.read(digits[part]), head), made[part])
            return made
        for rows, matrix in _by_length(tweaks):
            for part in _batches(len(rows)):
                at = rows[part]
                lot = np.empty((len(at), digits.shape[1]), np.uint8)
                run.shape.write(run.rounds(run.shape.read(digits[at]), run.head(matrix[part])), lot)
                made[at] = lot
        return made

    def _numbers(self, numbers: Uint64s, length: int, *, forward: bool) -> Uint64s:
        run = self._run(length, forward=forward)
        if run.shape.words > 1:
            raise ValueError(f"{length} digits of radix {self._radix} are too many for one number; take a matrix of digits")
        made = np.empty(len(numbers), np.uint64)
        right = np.uint64(run.shape.moduli[1][0])
        head = run.head(self._own_tweak)
        for part in _batches(len(numbers)):
            high = numbers[part] // right
            low = numbers[part] - high * right
            high, low = (half[0] for half in run.rounds((high[None], low[None]), head))
            made[part] = high * right + low
        return made

    @property
    def _own_tweak(self) -> Uint8s:
        return np.frombuffer(self._tweak, np.uint8).reshape(1, -1)

    def _run(self, length: int, *, forward: bool) -> _Run:
        # A cipher of its own for each call: columns may be encrypted in several threads at once.
        return _Run(BlockCipher(self._key), _shape(self._radix, length), forward)


class _Run(NamedTuple):
    """One call: the cipher, the values' shape and the direction."""

    cipher: BlockCipher
    shape: Shape
    forward: bool

    def rounds(self, halves: Halves, head: Uint8s) -> Halves:
        """Steps 6 and 7; overwrites the halves."""
        run = short_rounds if self.shape.words == 1 else long_rounds
        return run(self.cipher, self.shape, halves, head, forward=self.forward)

    def head(self, tweaks: Uint8s) -> Uint8s:
        """What of the blocks P || Q no round changes: their end, with the CBC chain before it added (steps 5 and 6.i-ii).

        Args:
            tweaks: Shape (n, t), n at most a batch.

        Returns:
            Shape (n, 16 * shape.blocks).
        """
        count, length = tweaks.shape
        total = -(-(length + self.shape.size + 1) // BLOCK) * BLOCK
        q = np.zeros((count, total), np.uint8)
        q[:, :length] = tweaks
        state = np.frombuffer(self.shape.first_block(length), np.uint8)
        lead = total - BLOCK * self.shape.blocks
        for at in range(0, lead, BLOCK):
            state = self._encrypted(state) ^ q[:, at : at + BLOCK]
        q[:, lead : lead + BLOCK] ^= self._encrypted(state)
        return q[:, lead:]

    def _encrypted(self, blocks: Uint8s) -> Uint8s:
        words = np.ascontiguousarray(blocks).reshape(-1).view(np.uint64)
        return self.cipher.blocks(words).view(np.uint8).reshape(-1, BLOCK).copy()


def _batches(count: int) -> Iterator[slice]:
    return (slice(at, at + BATCH) for at in range(0, count, BATCH))


@cache
def _shape(radix: int, length: int) -> Shape:
    if length > _LONGEST:
        raise ValueError(f"{length} digits; FF1 is offered for at most {_LONGEST}")
    if radix**length < _SMALLEST_DOMAIN:
        raise ValueError(
            f"{length} digits of radix {radix} make fewer than {_SMALLEST_DOMAIN:,} values, which can be tried out "
            "(SP 800-38G Rev. 1); take longer values"
        )
    return Shape.of(radix, length)


def _by_length(column: ByteColumn) -> Iterator[tuple[np.ndarray, Uint8s]]:
    """Rows of each length, and their bytes as a matrix."""
    lengths = np.diff(column.offsets)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        yield rows, column.data[column.offsets[rows][:, None] + np.arange(length)]
