"""The rounds of FF1 (SP 800-38G, algorithms 7 and 8, step 6) over a batch of values of one length. Called by `ff1`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from airlock.crypto.aes import BLOCK, BlockCipher, Uint8s, Uint64s

__all__ = ["Halves", "Shape", "long_rounds", "short_rounds"]

_ROUNDS = 10
_WORD = 32

Halves = tuple[Uint64s, Uint64s]
"""A and B of the standard: shape (words, n) each, the least significant word first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What radix and length say of the rounds.

    Attributes:
        radix: Of the digits.
        lengths: Digits of both halves, u and v.
        size: Bytes of a half as a number, b.
        digits: Digits in a word: as many as fit into 32 bits.
        words: Words of a half.
        moduli: Of A's words and of B's: powers of the radix.
        blocks: Blocks of Q that the rounds change: one, or two where round number and half take more than 16 bytes.
    """

    radix: int
    lengths: tuple[int, int]
    size: int
    digits: int
    words: int
    moduli: tuple[tuple[int, ...], tuple[int, ...]]
    blocks: int

    @classmethod
    def of(cls, radix: int, length: int) -> Self:
        """The shape of values of `length` digits."""
        u, v = length // 2, length - length // 2
        size = -(-(radix**v - 1).bit_length() // 8)
        digits = next(count for count in range(_WORD, 0, -1) if radix**count <= 1 << _WORD)
        words = -(-v // digits)
        low = (radix**digits,) * (words - 1)
        tops = [radix ** (half - digits * (words - 1)) for half in (u, v)]
        return cls(
            radix=radix,
            lengths=(u, v),
            size=size,
            digits=digits,
            words=words,
            moduli=((*low, tops[0]), (*low, tops[1])),
            blocks=-(-(size + 1) // BLOCK),
        )

    def first_block(self, tweak_length: int) -> bytes:
        """P of step 5."""
        u, v = self.lengths
        counts = (u + v).to_bytes(4, "big") + tweak_length.to_bytes(4, "big")
        return bytes([1, 2, 1]) + self.radix.to_bytes(3, "big") + bytes([_ROUNDS, u % 256]) + counts

    def read(self, digits: Uint8s) -> Halves:
        """Both halves of each row of digits."""
        u, v = self.lengths
        return self._words(digits[:, :u]), self._words(digits[:, u : u + v])

    def write(self, halves: Halves, out: Uint8s) -> None:
        """Both halves as digits, into the rows of `out`."""
        end = 0
        for half, length in zip(halves, self.lengths, strict=True):
            start, end = end, end + length
            place = end
            for word in half:
                stop = max(start, place - self.digits)
                _write_word(word, self.radix, out[:, stop:place])
                place = stop

    def _words(self, digits: Uint8s) -> Uint64s:
        made = np.zeros((self.words, len(digits)), np.uint64)
        end = digits.shape[1]
        for word in made:
            start = max(0, end - self.digits)
            word[:] = _read_word(digits[:, start:end], self.radix)
            end = start
        return made


def _read_word(digits: Uint8s, radix: int) -> np.ndarray:
    number = np.zeros(len(digits), np.uint32)
    for place in digits.T:
        number *= np.uint32(radix)
        number += place
    return number


def _write_word(word: Uint64s, radix: int, out: Uint8s) -> None:
    number = word.astype(np.uint32)
    for at in range(out.shape[1] - 1, -1, -1):
        rest = number // np.uint32(radix)
        out[:, at] = number - rest * np.uint32(radix)
        number = rest


def short_rounds(cipher: BlockCipher, shape: Shape, halves: Halves, head: Uint8s, *, forward: bool) -> Halves:
    """All rounds where a half is one word: a round's number and half stand in the block's second half, y is eight bytes.

    Args:
        cipher: At most a batch of values.
        shape: With one word a half.
        halves: Overwritten.
        head: The block of each value, or of all, before round number and half are added.
        forward: Encrypt, or decrypt.
    """
    left, right = halves[0][0], halves[1][0]
    high, low = np.ascontiguousarray(head).view(">u8").astype(np.uint64).T
    work = np.empty(2 * len(left), np.uint64)
    work.view(">u8")[0::2] = high
    seconds = work.view(">u8")[1::2]
    y, spare = np.empty_like(left), np.empty_like(left)
    for i in _order(forward=forward):
        modulus = np.uint64(shape.moduli[i % 2][0])
        np.bitwise_xor(right if forward else left, low ^ np.uint64(i << 8 * shape.size), out=y)
        seconds[:] = y
        y[:] = cipher.blocks(work).view(">u8")[0::2]
        # Division by a constant is vectorized, the remainder is not.
        np.floor_divide(y, modulus, out=spare)
        spare *= modulus
        y -= spare
        # What leaves the range wraps around 2^64, so the smaller of both candidates is the right one.
        if forward:
            left += y
            np.minimum(left, np.subtract(left, modulus, out=spare), out=left)
        else:
            right -= y
            np.minimum(right, np.add(right, modulus, out=spare), out=right)
        left, right = right, left
    return left[None], right[None]


def long_rounds(cipher: BlockCipher, shape: Shape, halves: Halves, head: Uint8s, *, forward: bool) -> Halves:
    """All rounds for halves of any length; arguments as `short_rounds`."""
    left, right = halves
    constant = np.ascontiguousarray(head).view(">u4").astype(np.uint32)
    for i in _order(forward=forward):
        blocks = np.empty((len(left[0]), constant.shape[1]), ">u4")
        blocks[:] = constant
        for at, word in enumerate(_with_number(_as_limbs(right if forward else left, shape), i, shape.size), 1):
            blocks[:, -at] ^= word
        y = _remainders(_answer(cipher, blocks, shape), shape.moduli[i % 2])
        if forward:
            _add(left, y, shape.moduli[i % 2])
        else:
            _subtract(right, y, shape.moduli[i % 2])
        left, right = right, left
    return left, right


def _order(*, forward: bool) -> Iterable[int]:
    return range(_ROUNDS) if forward else range(_ROUNDS - 1, -1, -1)


def _as_limbs(half: Uint64s, shape: Shape) -> list[Uint64s]:
    """The half as 32-bit limbs, the least significant first: Horner's rule, the most significant word first."""
    limbs = [np.zeros_like(half[0]) for _ in range(-(-shape.size // 4))]
    base = np.uint64(shape.radix**shape.digits)
    for word in half[::-1]:
        carry = word
        for at, limb in enumerate(limbs):
            # Below 2^64: (2^32 - 1) * 2^32 + 2^32 - 1.
            total = limb * base + carry
            limbs[at], carry = total & np.uint64(0xFFFFFFFF), total >> np.uint64(_WORD)
    return limbs


def _with_number(limbs: list[Uint64s], i: int, size: int) -> list[Uint64s]:
    """The round's number in the byte before the half's `size` bytes."""
    whole, rest = divmod(size, 4)
    padded = [*limbs, np.zeros_like(limbs[0])][: whole + 1]
    padded[whole] = padded[whole] | np.uint64(i << 8 * rest)
    return [limb.astype(np.uint32) for limb in padded]


def _answer(cipher: BlockCipher, blocks: np.ndarray, shape: Shape) -> list[Uint64s]:
    """What is added, y, as 32-bit limbs, the most significant first (steps 6.ii to 6.iv)."""
    state = _encrypted(cipher, blocks[:, :4])
    if shape.blocks > 1:
        state = _encrypted(cipher, blocks[:, 4:] ^ state)
    wanted = -(-shape.size // 4) + 1
    answer = [state[:, at].astype(np.uint64) for at in range(min(wanted, 4))]
    if wanted > len(answer):
        state[:, 3] ^= np.uint32(1)
        more = _encrypted(cipher, state)
        answer += [more[:, at].astype(np.uint64) for at in range(wanted - 4)]
    return answer


def _encrypted(cipher: BlockCipher, blocks: np.ndarray) -> np.ndarray:
    words = np.ascontiguousarray(blocks, ">u4").reshape(-1).view(np.uint64)
    return cipher.blocks(words).view(">u4").reshape(-1, 4).copy()


def _remainders(limbs: list[Uint64s], moduli: tuple[int, ...]) -> list[Uint64s]:
    """The number modulo the moduli's product, in words: long division by each in turn."""
    words = []
    for modulus in map(np.uint64, moduli):
        rest = np.zeros_like(limbs[0])
        for at, limb in enumerate(limbs):
            part = (rest << np.uint64(_WORD)) | limb
            limbs[at] = part // modulus
            rest = part - limbs[at] * modulus
        words.append(rest)
    return words


def _add(half: Uint64s, y: list[Uint64s], moduli: tuple[int, ...]) -> None:
    carry = np.zeros_like(y[0])
    for word, more, modulus in zip(half, y, map(np.uint64, moduli), strict=True):
        total = word + more + carry
        carry = (total >= modulus).astype(np.uint64)
        word[:] = np.minimum(total, total - modulus)


def _subtract(half: Uint64s, y: list[Uint64s], moduli: tuple[int, ...]) -> None:
    borrow = np.zeros_like(y[0])
    for word, less, modulus in zip(half, y, map(np.uint64, moduli), strict=True):
        total = word - less - borrow
        borrow = total >> np.uint64(63)
        word[:] = np.minimum(total, total + modulus)
