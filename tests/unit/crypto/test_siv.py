"""AES-SIV by the vectors of RFC 5297, and by comparison with the implementation in `cryptography` over every Arrow layout."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto import Siv
from airlock.crypto.aes import BATCH
from airlock.crypto.blocks import Blocks, batches, roomy, unpadded
from airlock.crypto.columns import ByteColumn

# RFC 5297, appendix A: key, associated data, nonce, plaintext, IV and ciphertext.
VECTORS = {
    "A.1": (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        ["101112131415161718191a1b1c1d1e1f2021222324252627"],
        None,
        "112233445566778899aabbccddee",
        "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c",
    ),
    "A.2": (
        "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
        ["00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100", "102030405060708090a0"],
        "09f911029d74e35bd84156c5635688c0",
        "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
    ),
}
TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
KEY = bytes(range(64))


def raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def padded(value: bytes, to: int | None) -> bytes:
    return value if to is None else value + b"\x80" + bytes(-(len(value) + 1) % to)


def assert_sealed(
    values: pa.Array, associated: list[bytes], *, key: bytes = KEY, pad_to: int | None = None, nonces: np.ndarray | None = None
) -> None:
    """Sealed as the reference seals, opened again, and nothing opened that was touched."""
    siv, peer = Siv(key), AESSIV(key)
    sealed = siv.seal(values, associated, nonces=nonces, pad_to=pad_to)
    sealed.validate(full=True)
    wanted = []
    for row, value in enumerate(values.to_pylist()):
        nonce = [] if nonces is None else [nonces[row].tobytes()]
        plain = None if value is None else padded(raw(value), pad_to)
        if plain == b"":  # the reference refuses to encrypt nothing: its IV is CMAC over what S2V makes of it
            wanted.append(sealed[row].as_py())
            assert len(wanted[-1]) == 16 * (1 + len(nonce))
        else:
            wanted.append(None if plain is None else b"".join(nonce) + peer.encrypt(plain, [*associated, *nonce]))
    assert sealed.to_pylist() == wanted
    opened, failed = siv.open(sealed.slice(0), associated, nonces=nonces is not None)
    assert not failed.any()
    assert opened.to_pylist() == [None if value is None else padded(raw(value), pad_to) for value in values.to_pylist()]


@pytest.mark.parametrize("name", VECTORS)
def test_rfc_5297_alone_and_in_mixed_company(name: str) -> None:
    key, associated, nonce, plain, wanted = VECTORS[name]
    siv, bound = Siv(bytes.fromhex(key)), [bytes.fromhex(text) for text in associated]
    values = pa.array([b"x" * 100, bytes.fromhex(plain), b"", None, b"y"], pa.binary())
    nonces = None if nonce is None else np.frombuffer(bytes.fromhex(nonce) * 5, np.uint8).reshape(5, 16)
    head = 0 if nonce is None else 16
    for column, row in ((values, 1), (values.slice(1, 1), 0)):
        sealed = siv.seal(column, bound, nonces=None if nonces is None else nonces[: len(column)])
        assert sealed[row].as_py()[head:].hex() == wanted
        opened, failed = siv.open(sealed, bound, nonces=nonce is not None)
        assert opened.to_pylist() == column.to_pylist()
        assert not failed.any()


def test_an_empty_value_is_authenticated_as_one_padded_block() -> None:
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.cmac import CMAC

    def cmac(message: bytes) -> bytes:
        mac = CMAC(algorithms.AES(KEY[:32]))
        mac.update(message)
        return mac.finalize()

    def dbl(block: bytes) -> bytes:
        number = int.from_bytes(block, "big") << 1
        return (number ^ (0x87 | 1 << 128 if number >> 128 else 0)).to_bytes(16, "big")

    def xor(*blocks: bytes) -> bytes:
        return bytes(np.bitwise_xor.reduce([np.frombuffer(block, np.uint8) for block in blocks]))

    state = xor(dbl(cmac(bytes(16))), cmac(b"names"))
    assert Siv(KEY).seal(pa.array([""]), [b"names"]).to_pylist() == [cmac(xor(dbl(state), b"\x80" + bytes(15)))]


@settings(max_examples=80, deadline=None)
@given(
    column=st.builds(
        lambda values, data_type, start: pa.array(values, data_type).slice(start),
        st.lists(st.none() | st.binary(max_size=70) | st.binary(min_size=15, max_size=17), max_size=30),
        st.sampled_from(TYPES),
        st.integers(0, 30),
    ),
    size=st.sampled_from([32, 48, 64]),
    associated=st.lists(st.binary(max_size=40), max_size=3),
    pad_to=st.sampled_from([None, 16, 48]),
    data=st.data(),
)
def test_equals_the_reference_for_any_bytes_nulls_and_slices(
    column: pa.Array, size: int, associated: list[bytes], pad_to: int | None, data: st.DataObject
) -> None:
    nonces = None
    if data.draw(st.booleans()):
        drawn = data.draw(st.binary(min_size=16 * len(column), max_size=16 * len(column)))
        nonces = np.frombuffer(drawn, np.uint8).reshape(-1, 16)
    assert_sealed(column, associated, key=KEY[:size], pad_to=pad_to, nonces=nonces)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.none() | st.text(max_size=60), max_size=20), data_type=st.sampled_from(TEXT_TYPES))
def test_equals_the_reference_for_text_of_any_layout(values: list[str | None], data_type: pa.DataType) -> None:
    assert_sealed(pa.array(values, data_type), [b"airlock/v1", b"names"])


@pytest.mark.parametrize("pad_to", [None, 16, 64])
def test_batches_join_without_a_seam(pad_to: int | None) -> None:
    rng = np.random.default_rng(0)
    values = pa.array([None if n == 7 else "v" * n for n in rng.integers(0, 60, 2 * BATCH + 5)])
    nonces = rng.integers(0, 256, (len(values), 16)).astype(np.uint8)
    siv = Siv(KEY)
    for given_nonces in (None, nonces):
        sealed = siv.seal(values, nonces=given_nonces, pad_to=pad_to)
        for row in (0, BATCH - 1, BATCH, 2 * BATCH - 1, 2 * BATCH, 2 * BATCH + 4):
            alone = siv.seal(
                values.slice(row, 1), nonces=None if given_nonces is None else given_nonces[row : row + 1], pad_to=pad_to
            )
            assert sealed[row] == alone[0]
        opened, failed = siv.open(sealed, nonces=given_nonces is not None)
        assert not failed.any()
        if pad_to is None:
            assert opened.cast(pa.large_string()).equals(values.cast(pa.large_string()))


def test_values_far_longer_than_the_others() -> None:
    assert_sealed(pa.array(["a", "b" * 70_001, "c" * 33, None, "d" * (1 << 20), "é"]), [b"x"])
    assert_sealed(pa.array(["a", "b" * ((1 << 20) + 17)]), [], pad_to=32)


def test_a_buffer_that_ends_with_the_last_byte() -> None:
    offsets, data = np.array([0, 3, 5], np.int32), np.frombuffer(b"abcde", np.uint8)
    assert_sealed(pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(data)]), [])


def test_no_values_and_only_nulls() -> None:
    for data_type in (*TYPES, *TEXT_TYPES):
        assert Siv(KEY).seal(pa.array([], data_type)).to_pylist() == []
        assert Siv(KEY).seal(pa.nulls(3, data_type), pad_to=16).to_pylist() == [None] * 3
    opened, failed = Siv(KEY).open(pa.nulls(2, pa.binary()))
    assert (opened.to_pylist(), failed.tolist()) == ([None, None], [False, False])


@pytest.mark.parametrize("nonces", [False, True])
def test_what_was_touched_does_not_open_and_shows_nothing(nonces: bool) -> None:
    values = pa.array([b"a" * n for n in range(40)], pa.binary())
    siv = Siv(KEY)
    sealed = siv.seal(values, [b"x"], nonces=np.ones((40, 16), np.uint8) if nonces else None).to_pylist()
    for bit in range(8 * 16 * (2 if nonces else 1)):
        changed = bytearray(sealed[39])
        changed[bit // 8] ^= 1 << bit % 8
        _, failed = siv.open(pa.array([sealed[39], bytes(changed)], pa.binary()), [b"x"], nonces=nonces)
        assert failed.tolist() == [False, True]
    shorter = pa.array([each[:-1] for each in sealed] + [b"", None, sealed[0]], pa.binary())
    opened, failed = siv.open(shorter, [b"x"], nonces=nonces)
    assert failed.tolist() == [True] * 41 + [False, False]
    heads = 32 if nonces else 16
    assert opened.to_pylist() == [bytes(max(0, len(each) - 1 - heads)) for each in sealed] + [b"", None, b""]
    assert siv.open(pa.array(sealed, pa.binary()), [b"y"], nonces=nonces)[1].all()
    assert Siv(KEY[::-1]).open(pa.array(sealed, pa.binary()), [b"x"], nonces=nonces)[1].all()


def test_one_bit_of_a_long_ciphertext_is_enough() -> None:
    sealed = Siv(KEY).seal(pa.array([b"z" * 1000], pa.binary()))[0].as_py()
    for place in range(16, len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        assert Siv(KEY).open(pa.array([changed], pa.binary()))[1].tolist() == [True]


def test_input_stays_as_it_was() -> None:
    values = pa.array(["one", None, "three" * 9])
    before = values.to_pylist()
    Siv(KEY).seal(values)
    assert values.to_pylist() == before


@pytest.mark.parametrize("size", [0, 16, 31, 65])
def test_keys_of_other_lengths_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"32, 48 or 64 bytes, found {size}"):
        Siv(bytes(size))


def test_too_much_associated_data_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 125 associated strings, found 126"):
        Siv(KEY).seal(pa.array(["a"]), [b"x"] * 126)


def test_the_key_is_not_printed() -> None:
    assert repr(Siv(KEY)) == "Siv(<key>)"


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=10), st.sampled_from([16, 32, 80]))
def test_padding_comes_off_again(values: list[bytes], to: int) -> None:
    column = ByteColumn.of(pa.array(values, pa.large_binary()))
    made = Blocks.of(roomy(column.data), column.offsets[:-1], np.diff(column.offsets), to)
    assert made.joined([]).tobytes() == b"".join(padded(value, to) for value in values)
    assert (made.lengths % to == 0).all()
    lengths, bad = unpadded(ByteColumn.of(pa.array([padded(value, to) for value in values], pa.binary())))
    assert lengths.tolist() == [len(value) for value in values]
    assert not bad.any()


def test_what_has_no_padding_is_found() -> None:
    values = [b"", b"\x00\x00", b"a", b"a\x80", b"\x80\x01", b"\x80", b"\x80\x00", b"\x00\x80\x00"]
    lengths, bad = unpadded(ByteColumn.of(pa.array(values, pa.binary())))
    assert bad.tolist() == [True, True, True, False, True, False, False, False]
    assert lengths.tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert unpadded(ByteColumn.of(pa.array([b"", b""], pa.binary())))[1].tolist() == [True, True]


def test_batches_are_bounded_in_values_and_bytes() -> None:
    lengths = np.array([10] * (BATCH + 1) + [1 << 21, 1, 1 << 19, 1 << 19, 1], np.int64)
    found = [(batch[0], batch[-1] + 1) for batch in batches(lengths)]
    assert found == [(0, BATCH), (BATCH, BATCH + 1), (BATCH + 1, BATCH + 2), (BATCH + 2, BATCH + 4), (BATCH + 4, BATCH + 6)]
