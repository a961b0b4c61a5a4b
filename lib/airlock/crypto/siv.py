"""AES-SIV over whole columns (RFC 5297): deterministic authenticated encryption, or with a nonce for each value.

Called by `encrypt` and `encrypt_random`. The synthetic IV is the columnar CMAC's chain over blocks of many values; the counter
blocks of a batch go through AES in calls of thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, BlockCipher, Uint8s, Uint64s
from airlock.crypto.blocks import ITEM, BlockItems, Blocks, ByteSink, Indices, Sink, batches, roomy, words
from airlock.crypto.cmac import RB, Cmac, chained, double, falling, subkeys
from airlock.crypto.columns import ByteColumn, nulls

__all__ = ["Siv"]

_KEY_BYTES = (32, 48, 64)
_MOST_ASSOCIATED = 125
"""RFC 5297, section 2.6: 127 inputs to S2V at most, of which the plaintext and a nonce are two."""

_MARK = 0x80
"""The first bit of the padding of CMAC and of S2V."""

_CLEARED = np.uint64(~((1 << 63) | (1 << 31)) & ((1 << 64) - 1))
"""Section 2.5: bits 31 and 63 of the counter's start are zero, so that no sum of it carries beyond 32 bits."""


class Siv:
    """AES-SIV with one key of 32, 48 or 64 bytes: its first half authenticates, its second encrypts.

    Guarantee: as long as AES is a pseudo-random permutation, equal values (of equal associated data and nonce) give equal
    ciphertexts and nothing else shows but lengths; no value opens that this key did not seal (RFC 5297, section 6).

    Example:
        >>> siv = Siv(bytes(64))
        >>> sealed = siv.seal(pa.array(["ann", None]), [b"names"])
        >>> siv.open(sealed, [b"names"])[0].to_pylist()
        [b'ann', None]
    """

    def __init__(self, key: bytes) -> None:
        if len(key) not in _KEY_BYTES:
            raise ValueError(f"AES-SIV needs a key of 32, 48 or 64 bytes, found {len(key)}")
        self._mac_key, self._counter_key = key[: len(key) // 2], key[len(key) // 2 :]
        self._mac = Cmac(self._mac_key)

    def __repr__(self) -> str:
        return "Siv(<key>)"

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled: pickles end up in files and logs")

    def seal(
        self,
        values: pa.Array,
        associated: Sequence[bytes] = (),
        *,
        nonces: Uint8s | None = None,
        pad_to: int | None = None,
        sink: Callable[[Indices, Indices, int], Sink] = ByteSink,
    ) -> pa.Array:
        """Encrypt each value: the synthetic IV of 16 bytes, then as many bytes as the value has.

        Args:
            values: Text or binary, of any layout.
            associated: What every value is bound to, in this order.
            nonces: Shape (len(values), 16): bound to each value after the associated data, and written before the IV.
            pad_to: ISO/IEC 7816-4 padding of the plaintext to a multiple of so many bytes (itself a multiple of 16).
            sink: What the bytes are written as.

        Returns:
            A large_binary array, or what the sink makes; null stays null.
        """
        column, valid = ByteColumn.of(values).compact(), np.flatnonzero(~nulls(values))
        starts, lengths = column.offsets[:-1][valid], np.diff(column.offsets)[valid]
        sealed = BLOCK * (1 if nonces is None else 2) + (lengths if pad_to is None else (lengths // pad_to + 1) * pad_to)
        out, worker = sink(sealed, valid, len(values)), _Worker(self._mac_key, self._counter_key, self._components(associated))
        data = roomy(column.data)
        for batch in batches(sealed):
            blocks = Blocks.of(data, starts[batch], lengths[batch], pad_to)
            out.put(batch, worker.seal(blocks, None if nonces is None else _items(nonces[valid[batch]])))
        return out.array()

    def open(
        self, sealed: pa.Array, associated: Sequence[bytes] = (), *, nonces: bool = False
    ) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Decrypt what `seal` made, padding left on.

        Args:
            sealed: Binary, of any layout.
            associated: As `seal` had it.
            nonces: Whether a nonce stands before each IV.

        Returns:
            A large_binary array, null where `sealed` is; and true where a value does not authenticate (or is too short to be
            one): zeros stand in its place.
        """
        heads = 2 if nonces else 1
        column, valid = ByteColumn.of(sealed).compact(), np.flatnonzero(~nulls(sealed))
        starts, lengths = column.offsets[:-1][valid], np.diff(column.offsets)[valid]
        short = lengths < heads * BLOCK
        bodies = np.where(short, 0, lengths - heads * BLOCK)
        worker = _Worker(self._mac_key, self._counter_key, self._components(associated))
        out = ByteSink(bodies, valid, len(sealed))
        failed, data = np.zeros(len(sealed), bool), roomy(column.data)
        for batch in batches(lengths):
            # A value too short to be one is read as if it were empty, from where there surely are bytes.
            at = [np.where(short[batch], 0, starts[batch] + BLOCK * part) for part in range(heads + 1)]
            front = [Blocks.of(data, at[head], np.where(short[batch], 0, BLOCK)).data for head in range(heads)]
            plain, bad = worker.open(Blocks.of(data, at[heads], bodies[batch]), front[-1], front[0] if nonces else None)
            words(plain.data).reshape(-1, 2)[plain.spread(bad)] = 0
            out.put(batch, plain.joined())
            failed[valid[batch]] = bad | short[batch]
        return out.array(), failed

    def _components(self, associated: Sequence[bytes]) -> bytes:
        """S2V of RFC 5297, section 2.4, up to what differs from value to value."""
        if len(associated) > _MOST_ASSOCIATED:
            raise ValueError(f"AES-SIV takes at most {_MOST_ASSOCIATED} associated strings, found {len(associated)}")
        tags = self._mac.tags(pa.array([bytes(BLOCK), *associated], pa.binary()))
        state = tags[0].tobytes()
        for tag in tags[1:]:
            state = _xor(double(state), tag.tobytes())
        return state


class _Worker:
    """Seals and opens batches: its ciphers' buffers serve one thread."""

    def __init__(self, mac_key: bytes, counter_key: bytes, state: bytes) -> None:
        self._mac, self._counter = BlockCipher(mac_key), BlockCipher(counter_key)
        whole, padded = subkeys(self._mac)
        self._subkeys = np.frombuffer(padded + whole, ITEM)
        self._state = np.frombuffer(state, ITEM)
        lengths = np.arange(2 * BLOCK + 1)
        rest = np.where(lengths > BLOCK, lengths - BLOCK, lengths)
        self._table = self._fallen(lengths, rest, np.repeat(self._state, len(lengths))).view("V32")[:, 0]
        """What falls on the ends of values of up to two blocks, by their length; longer ones are as these."""

    def seal(self, plain: Blocks, nonces: BlockItems | None) -> Uint8s:
        """Nonce, if any, IV and ciphertext of each value."""
        tags = self._tags(plain, nonces)
        cipher = plain.masked(self._keyed(plain, tags))
        return cipher.joined([tags] if nonces is None else [nonces, tags])

    def open(self, cipher: Blocks, tags: BlockItems, nonces: BlockItems | None) -> tuple[Blocks, NDArray[np.bool_]]:
        """The plaintext, and where it is not what was sealed."""
        plain = cipher.masked(self._keyed(cipher, tags))
        differs = words(self._tags(plain, nonces)) ^ words(tags)
        return plain, (differs[0::2] | differs[1::2]) != 0

    def _tags(self, plain: Blocks, nonces: BlockItems | None) -> BlockItems:
        """The last step of S2V, and CMAC of what it makes (RFC 5297, section 2.4)."""
        state = self._state
        if nonces is not None:
            tags = self._mac.blocks((words(nonces).reshape(-1, 2) ^ words(self._subkeys[1:])).ravel())
            state = (_doubled(words(state)) ^ tags.reshape(-1, 2)).ravel().view(ITEM)
        chain, ends = plain.data.copy(), self._ends(plain, state)
        if plain.each:
            for place in range(4 if plain.each > 1 else 2):
                words(chain)[2 * plain.each - 1 - place :: 2 * plain.each] ^= ends[:, 3 - place]
        else:
            last, several = plain.firsts + plain.counts - 1, np.flatnonzero(plain.counts > 1)
            _add(chain, last, ends[:, 2:])
            _add(chain, last[several] - 1, ends[several if len(ends) > 1 else slice(None), :2])
        return _chained(chain, plain, self._mac)

    def _ends(self, plain: Blocks, state: BlockItems) -> Uint64s:
        """What falls on the last two blocks of each value, or of every one: shape (n or 1, 4)."""
        rest = plain.lengths - ((plain.counts - 1) << 4)
        if state is not self._state:
            return self._fallen(plain.lengths, rest, state)
        length = np.where(plain.lengths < BLOCK, rest, rest + BLOCK)
        found = self._table[length[:1] if (length == length[0]).all() else length]
        return found.view(np.uint64).reshape(-1, 4)

    def _fallen(self, lengths: Indices, rest: Indices, state: BlockItems) -> Uint64s:
        """`xorend` for values of a block or more, `dbl` and padding for shorter ones; then CMAC's own padding and subkey."""
        short = lengths < BLOCK
        # A window 16 - rest bytes early shows what falls on the block before the last, one block later what falls on the last.
        shifts = np.zeros((len(state), 3), ITEM)
        shifts[:, 1] = state
        window = np.ndarray((48 * len(state) - 15,), ITEM, shifts.view(np.uint8), strides=(1,))
        at = 48 * np.arange(len(rest)) + BLOCK - rest
        made = np.stack([words(window[at]), words(window[np.where(short, 0, at + BLOCK)])]).reshape(2, -1, 2)
        np.copyto(made[1], _doubled(words(state)), where=short[:, None])
        made[1] ^= words(self._subkeys[(short | (rest == BLOCK)).astype(np.int64)]).reshape(-1, 2)
        ends = np.ascontiguousarray(made.transpose(1, 0, 2)).reshape(-1, 4)
        open_ended = np.flatnonzero(rest < BLOCK)
        ends.view(np.uint8)[open_ended, BLOCK + rest[open_ended]] ^= _MARK
        return ends

    def _keyed(self, blocks: Blocks, tags: BlockItems) -> BlockItems:
        """CTR from each value's IV on (RFC 5297, section 2.5); encrypts and decrypts."""
        stream, plain = self._counters(blocks, words(tags)), words(blocks.data)
        for start in range(0, len(stream), 2 * BATCH):
            part = slice(start, start + 2 * BATCH)
            np.bitwise_xor(self._counter.blocks(stream[part]), plain[part], out=stream[part])
        return stream.view(ITEM)

    def _counters(self, blocks: Blocks, tags: Uint64s) -> Uint64s:
        low = tags[1::2].byteswap() & _CLEARED
        if blocks.each:
            made = np.empty((len(low), blocks.each, 2), np.uint64)
            for number in range(blocks.each):
                made[:, number, 0] = tags[0::2]
                made[:, number, 1] = (low + np.uint64(number)).byteswap()
            return made.ravel()
        made = np.empty((len(blocks.data), 2), np.uint64)
        made[:, 0] = blocks.spread(tags[0::2])
        made[:, 1] = (blocks.spread(low) + blocks.numbers().view(np.uint64)).byteswap()
        return made.ravel()


def _chained(chain: BlockItems, values: Blocks, cipher: BlockCipher) -> BlockItems:
    """CBC over each value's blocks, all values at once."""
    if not values.each:
        order, longer = falling(values.counts - 1)
        tags = np.empty(len(order), ITEM)
        tags[order] = chained(chain, values.firsts[order], longer, cipher=cipher)
        return tags
    rows = chain.reshape(-1, values.each)
    same = words(rows[:, 0].copy())
    for step in range(values.each):
        if step:
            same ^= words(rows[:, step].copy())
        same = cipher.blocks(same).copy()
    return same.view(ITEM)


def _add(blocks: BlockItems, at: Indices, what: Uint64s) -> None:
    made = words(blocks[at]).reshape(-1, 2)
    made ^= what
    blocks[at] = made.ravel().view(ITEM)


def _doubled(state: Uint64s) -> Uint64s:
    """`dbl` of RFC 5297, section 2.3, of many blocks at once: shape (n, 2)."""
    high, low = state.view(">u8").astype(np.uint64).reshape(-1, 2).T
    one, most = np.uint64(1), np.uint64(63)
    made = np.stack([(high << one) | (low >> most), (low << one) ^ ((high >> most) * np.uint64(RB))], axis=1)
    return made.astype(">u8").view(np.uint64)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _items(rows: Uint8s) -> BlockItems:
    return np.ascontiguousarray(rows).view(ITEM)[:, 0]
