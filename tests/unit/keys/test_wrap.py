"""Sealed messages: they open under exactly what they were bound to, and nothing of them shows."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.errors import IntegrityError, KeyFileError
from airlock.keys import KeyRequest, SubKeys, create_executor_key_file, read_executor_key
from airlock.keys.wrap import frame_key, seal, unseal, unwrap, wrap

EXECUTOR = b"e" * 32
BOUND = {"executor_key": EXECUTOR, "run_id": "run-1", "plan_digest": "f" * 64, "recipient": "analytics", "epoch": 1}
CUSTOMER = KeyRequest("pseudonymize", "aes-cmac", "customer")
ORDER = KeyRequest("order", "aes-cmac")
RUN = KeyRequest("encrypt_random", "aes-siv", "customer", per_run=True)
KEYS = SubKeys(
    {CUSTOMER: b"c" * 32, ORDER: b"o" * 32, RUN: b"r" * 64},
    {CUSTOMER: "customer/analytics/1:aa", ORDER: "order/analytics/1:bb", RUN: "customer/analytics/1:cc"},
)


def test_there_and_back() -> None:
    opened = unwrap(wrap(KEYS, **BOUND), **BOUND)
    assert dict(opened.ids) == dict(KEYS.ids)
    assert {request: opened[request] for request in opened} == {CUSTOMER: b"c" * 32, ORDER: b"o" * 32, RUN: b"r" * 64}


@pytest.mark.parametrize(
    ("name", "other"),
    [("executor_key", b"x" * 32), ("run_id", "run-2"), ("plan_digest", "e" * 64), ("recipient", "research"), ("epoch", 2)],
)
def test_bound_to_every_part(name: str, other: object) -> None:
    wrapped = wrap(KEYS, **BOUND)
    with pytest.raises(IntegrityError, match="does not open under this key and context") as caught:
        unwrap(wrapped, **(BOUND | {name: other}))
    assert caught.value.facts == {}


def test_no_key_byte_shows_and_no_two_are_alike() -> None:
    one, two = wrap(KEYS, **BOUND), wrap(KEYS, **BOUND)
    assert one != two
    for secret in (b"c" * 32, base64.b64encode(b"c" * 32), b"customer"):
        assert secret not in one


@pytest.mark.parametrize("at", [0, 3, 4, 15, 16, 40, -1])
def test_one_changed_byte(at: int) -> None:
    wrapped = bytearray(wrap(KEYS, **BOUND))
    wrapped[at] ^= 1
    with pytest.raises(IntegrityError, match="does not open"):
        unwrap(bytes(wrapped), **BOUND)


@pytest.mark.parametrize("length", [0, 3, 4, 16, 31, 32])
def test_cut_short(length: int) -> None:
    with pytest.raises(IntegrityError, match="does not open"):
        unseal(seal(b"rows", key=EXECUTOR, context=["a"])[:length], key=EXECUTOR, context=["a"])


@given(
    plaintext=st.binary(max_size=200),
    context=st.lists(st.text(max_size=5), max_size=3),
    other=st.lists(st.text(max_size=5), max_size=3),
)
def test_opens_under_its_own_context_alone(plaintext: bytes, context: list[str], other: list[str]) -> None:
    sealed = seal(plaintext, key=EXECUTOR, context=context)
    assert unseal(sealed, key=EXECUTOR, context=context) == plaintext
    if other != context:
        with pytest.raises(IntegrityError, match="does not open"):
            unseal(sealed, key=EXECUTOR, context=other)


def test_wrapped_subkeys_do_not_open_as_a_task_frame() -> None:
    context = ["run-1", "f" * 64, "analytics", "1"]
    with pytest.raises(IntegrityError, match="does not open"):
        unseal(wrap(KEYS, **BOUND), key=frame_key(EXECUTOR, "run-1"), context=context)


def test_each_run_has_its_own_frame_key() -> None:
    assert len({frame_key(EXECUTOR, "run-1"), frame_key(EXECUTOR, "run-2"), frame_key(b"x" * 32, "run-1"), EXECUTOR}) == 4


def test_a_short_key_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="needs a key of 32 bytes, found 16"):
        seal(b"", key=b"k" * 16, context=[])


def test_executor_keys_are_fresh_and_private(tmp_path: Path) -> None:
    one, two = create_executor_key_file(tmp_path), create_executor_key_file(tmp_path)
    assert read_executor_key(one) != read_executor_key(two)
    assert len(read_executor_key(one)) == 32
    assert one.stat().st_mode & 0o777 == 0o600
    assert one.parent.stat().st_mode & 0o777 == 0o700
    assert one.parent.parent == tmp_path


def test_executor_keys_that_are_refused(tmp_path: Path) -> None:
    path = create_executor_key_file(tmp_path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="has permissions 0644"):
        read_executor_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyFileError, match="has 5 bytes, expected 32"):
        read_executor_key(path)
