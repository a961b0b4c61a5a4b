"""Isolation in evidence: the outer door's own finding from preflight's verdict, on a cluster `proven` or nothing, and for readers to verify."""

from __future__ import annotations

import json

import pytest
from tests.servers.verdict import Verdict

from airlock.doors import anonymize as door
from airlock.doors._staged import StagedFacts
from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.verify import verify
from airlock.errors import BoundaryError, IntegrityError, IsolationUnprovenError, RunBoundError, SignatureError
from airlock.evidence.canonical import canonical_json
from airlock.evidence.manifest import PublicManifest
from airlock.keys.signing import create_signing_key
from airlock.types import Isolation


@pytest.fixture
def made(make_project, monkeypatch):
    from airlock.doors import _engine
    from airlock.engines.task import run_sealed

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        _engine,
        "run_local",
        lambda sealed, binding, todo, *, workers: (run_sealed(sealed, binding, at) for at in todo),
    )
    return make_project(files=2)


@pytest.fixture
def on_cluster(monkeypatch):
    def be():
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    return be


def stage(made, run="one"):
    anonymize(made.policy(), made.settings(), run_id=run)


def manifest(made, run="one"):
    return PublicManifest.from_bytes((made.root / "sanitized" / "people" / "evidence" / run / "manifest.json").read_bytes())


def check(made, **options):
    return verify(made.root / "sanitized" / "people", made.settings(), **options)


def test_under_a_verdict_isolation_is_proven_and_readers_can_see_for_themselves(made, on_cluster):
    envelope = Verdict(made).sign()
    stage(made)
    on_cluster()
    assert release(made.policy(), made.settings()).state == "released"
    released = manifest(made)
    assert (released.isolation, released.preflight) == (Isolation.PROVEN, envelope.decode())
    found = check(made, require_isolation=True)
    assert (found.isolation, found.isolation_signature) == ("proven", "verified")
    (made.root / "trust" / "preflight.pub").unlink()
    found = check(made, require_isolation=True)
    assert (found.isolation, found.isolation_signature) == ("proven", "not checked: no preflight key is trusted")
    create_signing_key(made.root / "keys" / "other.pem", made.root / "trust" / "other.pub", "preflight")
    with pytest.raises(SignatureError, match="by a trusted key"):
        check(made)


def test_on_a_cluster_a_run_without_a_verdict_is_refused_for_good(made, on_cluster):
    stage(made)
    on_cluster()
    stage(made, "two")
    with pytest.raises(
        IsolationUnprovenError, match="'one' of 'people' was staged without a verdict of a preflight that watches"
    ) as caught:
        release(made.policy(), made.settings(), run_id="one")
    assert isinstance(caught.value, BoundaryError)
    with pytest.raises(RunBoundError, match="was refused before"):
        release(made.policy(), made.settings(), run_id="one")
    staged = PublicManifest.from_bytes((made.root / "staging" / "people" / "two" / "manifest.json").read_bytes())
    assert staged.isolation is Isolation.UNPROVEN
    with pytest.raises(IsolationUnprovenError):
        release(made.policy(), made.settings())
    assert release(made.policy(), made.settings()).state == "nothing new"
    assert made.files("sanitized") == ["people/.lease.json"]


def test_off_a_cluster_it_is_said_what_is_known(made, on_cluster, monkeypatch):
    stage(made)
    release(made.policy(), made.settings())
    assert (manifest(made).isolation, manifest(made).preflight) == (Isolation.NONE, None)
    assert b"preflight" not in manifest(made).to_bytes().partition(b'"volatile"')[0]
    with pytest.raises(IsolationUnprovenError, match="says isolation 'none', expected 'proven'"):
        check(made, require_isolation=True)
    assert check(made).isolation_signature == "none"
    on_cluster()
    stage(made, "two")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    release(made.policy(), made.settings())
    assert manifest(made, "two").isolation is Isolation.UNPROVEN


def test_a_verdict_whose_maker_is_not_trusted_here_is_not_published(made, on_cluster):
    Verdict(made).sign()
    stage(made)
    key = made.root / "trust" / "preflight.pub"
    kept = key.read_bytes()
    key.unlink()
    on_cluster()
    with pytest.raises(SignatureError, match="no key of role 'preflight' is trusted here"):
        release(made.policy(), made.settings())
    key.write_bytes(kept)
    assert release(made.policy(), made.settings()).state == "released"


def test_a_verdict_that_nobody_watches_over_proves_nothing(made, on_cluster):
    """A preflight once before the run gives keys; what came after it, nobody saw."""
    verdict = Verdict(made)
    verdict.sign(watched=False)
    stage(made)
    release(made.policy(), made.settings())
    assert (manifest(made).isolation, manifest(made).preflight) == (Isolation.UNPROVEN, None)
    verdict.sign("two", watched=False)
    stage(made, "two")
    on_cluster()
    with pytest.raises(IsolationUnprovenError, match="preflight that watches"):
        release(made.policy(), made.settings(), run_id="two")


def test_off_a_cluster_neither_is_it(made):
    Verdict(made).sign()
    stage(made)
    (made.root / "trust" / "preflight.pub").unlink()
    release(made.policy(), made.settings())
    assert (manifest(made).isolation, manifest(made).preflight) == (Isolation.UNPROVEN, None)


def test_another_runs_verdict_in_a_manifest_is_refused_for_good(made, monkeypatch):
    """As a malicious inner door might stage it."""
    verdict = Verdict(made)
    other = verdict.sign("two")
    verdict.sign()
    monkeypatch.setattr(door, "standing_verdict", lambda *_: None)
    monkeypatch.setattr(door, "StagedFacts", lambda *given: StagedFacts(*given[:-1], lambda: (verdict.record(other), other)))
    stage(made)
    with pytest.raises(IntegrityError, match="of run 'one' is of run 'two'"):
        release(made.policy(), made.settings())
    with pytest.raises(RunBoundError, match="was refused before"):
        release(made.policy(), made.settings(), run_id="one")


def test_a_verdict_with_room_for_more_is_refused(made, monkeypatch):
    """Signatures of nobody known count for nothing, and would carry anything past the gate."""
    verdict = Verdict(made)
    envelope = json.loads(verdict.sign())
    envelope["signatures"].append({"keyid": "Ann Smith;4111111111111111", "sig": "AAAA"})
    smuggled = canonical_json(envelope)
    monkeypatch.setattr(
        door, "StagedFacts", lambda *given: StagedFacts(*given[:-1], lambda: (verdict.record(verdict.sign()), smuggled))
    )
    stage(made)
    with pytest.raises(IntegrityError, match="has more than one signature"):
        release(made.policy(), made.settings())
    assert made.files("sanitized") == ["people/.lease.json"]
