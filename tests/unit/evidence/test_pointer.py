"""Pointers: a signed chain that only goes forward."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.errors import IntegrityError, RollbackError, RunBoundError, SignatureError
from airlock.evidence.canonical import sha256_hex, time_text
from airlock.evidence.dsse import POINTER, sign
from airlock.evidence.pointer import Pointer, advance, parse_chain, revoke
from airlock.evidence.trust import Trust
from airlock.types import RunState

DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@pytest.fixture
def first(now):
    return Pointer(
        dataset="customers",
        recipient="analytics",
        sink="customers",
        run="run-1",
        sequence=1,
        previous=None,
        manifest="a" * 64,
        state=RunState.RELEASED,
        fence=4,
        published_at=time_text(now),
    )


@given(
    st.builds(
        Pointer,
        dataset=NAME,
        recipient=NAME,
        sink=NAME,
        run=NAME,
        sequence=st.integers(1, 2**40),
        previous=st.none() | DIGEST,
        manifest=DIGEST,
        state=st.sampled_from([RunState.RELEASED, RunState.REVOKED]),
        fence=st.integers(1, 2**40),
        published_at=st.datetimes(timezones=st.just(UTC)).map(time_text),
    )
)
def test_round_trips(pointer):
    assert Pointer.from_bytes(pointer.to_bytes()) == pointer


def test_envelopes_round_trip(first, release_signer, trust):
    assert Pointer.parse(first.to_envelope(release_signer), trust) == first


def test_only_a_release_key_makes_pointers(first, stage_signer, trust):
    with pytest.raises(SignatureError, match="has role 'stage'"):
        Pointer.parse(first.to_envelope(stage_signer), trust)


def test_the_key_is_judged_at_the_published_time(first, release_signer, trusted, now):
    trust = Trust([trusted(release_signer, "release", revoked=now + timedelta(days=1))])
    assert Pointer.parse(first.to_envelope(release_signer), trust) == first
    late = replace(first, published_at=time_text(now + timedelta(days=2)))
    with pytest.raises(SignatureError, match="was revoked"):
        Pointer.parse(late.to_envelope(release_signer), trust)
    with pytest.raises(SignatureError, match="was revoked"):
        Pointer.parse(first.to_envelope(release_signer), trust, at=now + timedelta(days=2))


def test_a_statement_is_no_pointer(first, release_signer, trust):
    with pytest.raises(SignatureError, match="another kind of thing"):
        Pointer.parse(sign(first.to_bytes(), signer=release_signer), trust)


@pytest.mark.parametrize("change", [{"sequence": 2}, {"previous": "b" * 64}])
def test_sequence_and_predecessor_agree(first, release_signer, trust, change):
    with pytest.raises(IntegrityError, match="contradict each other"):
        Pointer.parse(replace(first, **change).to_envelope(release_signer), trust)


def test_signed_rubbish_is_refused(release_signer, trust, first):
    with pytest.raises(SignatureError, match="does not say when"):
        Pointer.parse(sign(b"{}", payload_type=POINTER, signer=release_signer), trust)
    payload = first.to_bytes().replace(b'"released"', b'"open"')
    with pytest.raises(IntegrityError, match="pointer is not one: state"):
        Pointer.parse(sign(payload, payload_type=POINTER, signer=release_signer), trust)


def test_the_chain_goes_forward(first, release_signer):
    start = advance(None, None, replace(first, sequence=7, previous="c" * 64))
    assert start == first
    envelope = start.to_envelope(release_signer)
    following = advance(start, envelope, replace(first, run="run-2", fence=9))
    assert (following.sequence, following.previous, following.run) == (2, sha256_hex(envelope), "run-2")


@pytest.mark.parametrize("fence", [1, 3, 4])
def test_a_slow_old_run_never_replaces_a_newer_release(first, release_signer, fence):
    with pytest.raises(RollbackError, match=rf"run 'run-0' has fence {fence}, the current release 'run-1' has 4"):
        advance(first, first.to_envelope(release_signer), replace(first, run="run-0", fence=fence))


@pytest.mark.parametrize("change", [{"dataset": "orders"}, {"recipient": "marketing"}, {"sink": "orders"}])
def test_chains_do_not_cross(first, release_signer, change):
    with pytest.raises(IntegrityError, match="another dataset, recipient or sink"):
        advance(first, first.to_envelope(release_signer), replace(first, run="run-2", fence=5, **change))


def test_a_run_is_released_once(first, release_signer):
    with pytest.raises(RunBoundError, match="is released already"):
        advance(first, first.to_envelope(release_signer), replace(first, fence=5))


def test_revoking(first, release_signer, now):
    envelope = first.to_envelope(release_signer)
    revoked = revoke(first, envelope, reason="wrong rule", at=now)
    assert (revoked.state, revoked.sequence, revoked.run, revoked.manifest) == (RunState.REVOKED, 2, "run-1", first.manifest)
    assert (revoked.reason, revoked.previous, revoked.published_at) == ("wrong rule", sha256_hex(envelope), time_text(now))
    again = revoked.to_envelope(release_signer)
    with pytest.raises(RunBoundError, match="is revoked already"):
        revoke(revoked, again, reason="wrong rule", at=now)
    with pytest.raises(RunBoundError, match="is revoked already, and is never released again"):
        advance(revoked, again, replace(first, fence=6))


def test_a_revocation_blocks_no_later_run(first, release_signer, now):
    """The run after has the next fence of its own lease, whatever the outer door did meanwhile."""
    revoked = revoke(first, first.to_envelope(release_signer), reason="wrong rule", at=now)
    envelope = revoked.to_envelope(release_signer)
    following = advance(revoked, envelope, replace(first, run="run-2", fence=first.fence + 1))
    assert (following.sequence, following.state, following.reason) == (3, RunState.RELEASED, None)
    with pytest.raises(RollbackError, match="fence 4"):
        advance(revoked, envelope, replace(first, run="run-0", fence=first.fence))


@pytest.mark.parametrize("reason", ["", "two\nlines", "\x1b[2J", "x" * 501])
def test_a_reason_is_one_printable_line(first, release_signer, now, reason):
    with pytest.raises(IntegrityError, match="pointer is not one: reason"):
        revoke(first, first.to_envelope(release_signer), reason=reason, at=now)


@pytest.fixture
def chain(first, release_signer, now):
    envelopes = [first.to_envelope(release_signer)]
    second = revoke(first, envelopes[0], reason="wrong rule", at=now)
    envelopes.append(second.to_envelope(release_signer))
    third = advance(second, envelopes[1], replace(first, run="run-2", fence=5))
    return [*envelopes, third.to_envelope(release_signer)]


def test_a_whole_chain_is_read(chain, trust):
    assert [(one.run, one.state) for one in parse_chain(chain, trust)] == [
        ("run-1", RunState.RELEASED),
        ("run-1", RunState.REVOKED),
        ("run-2", RunState.RELEASED),
    ]
    assert parse_chain([], trust) == ()


@pytest.mark.parametrize("left", [(1, 2), (0, 2), (0, 0, 1, 2), (1, 0, 2)])
def test_a_chain_with_a_gap_is_refused(chain, trust, left):
    with pytest.raises(IntegrityError, match="is not what follows"):
        parse_chain([chain[place] for place in left], trust)


def test_a_chain_signed_by_another_is_refused(chain, first, stage_signer, trust):
    with pytest.raises(SignatureError, match="has role 'stage'"):
        parse_chain([first.to_envelope(stage_signer), *chain[1:]], trust)
