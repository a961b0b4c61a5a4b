"""What became of a run, as an observer without keys sees it: each end a run can take, and what no observer may be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.outcome import Outcome, outcome
from airlock.doors.release import release
from airlock.doors.revoke import revoke
from airlock.errors import (
    DigestMismatchError,
    DisclosureError,
    IntegrityError,
    NotReleasedError,
    RevokedError,
    RollbackError,
    RunRefusedError,
    SignatureError,
)
from airlock.evidence.manifest import PublicManifest
from airlock.settings import load_settings
from airlock.types import run_id_of

OBSERVER = "zones: {sanitized: {uri: sanitized}}\ntrust: trust\n"


@pytest.fixture
def made(make_project):
    return make_project(files=1, reports="reports")


@pytest.fixture
def look(made):
    """Looks with a configuration that names no key and, unless told, zone sanitized alone."""

    def ask(run, more="", **arguments):
        config = made.root / "observer.yaml"
        staging = OBSERVER.replace("{sanitized:", "{staging: {uri: staging}, sanitized:")
        config.write_text(staging if more == "staging" else OBSERVER + more)
        return outcome(made.policy(), load_settings(file=config, environment={}), run_id=run, **arguments)

    return ask


def stage(made, run):
    return anonymize(made.policy(), made.settings(), run_id=run)


def publish(made):
    return release(made.policy(), made.settings())


def test_a_release_is_told_as_it_was_signed(made, look):
    stage(made, "r1")
    with pytest.raises(NotReleasedError, match="run 'r1' of 'people' is not released"):
        look("r1")
    publish(made)
    found = look("r1")
    folder = made.root / "sanitized" / "people"
    manifest = PublicManifest.from_bytes((folder / "evidence" / "r1" / "manifest.json").read_bytes())
    totals = manifest.totals
    assert (found.dataset, found.run, found.state, found.current, found.sequence) == ("people", "r1", "released", "r1", 1)
    assert found.policy_sha256 == manifest.policy_sha256
    assert (found.rows_in, found.rows_out, found.suppressed, found.rejected) == (
        totals.rows_in,
        totals.rows_out,
        totals.suppressed,
        totals.rejected,
    )
    assert (found.files, found.verdict, found.waived) == (len(manifest.outputs), "passed", ())
    assert found.not_proven == ("LOCATION", "PERSON")
    assert (found.separation, found.isolation) == (manifest.separation.value, manifest.isolation.value)
    assert (found.data, found.evidence) == ((folder / "data" / "r1").as_uri(), (folder / "evidence" / "r1").as_uri())


def test_a_launch_names_its_run(made, look):
    anonymize(made.policy(), made.settings(), launch="dag/monday")
    publish(made)
    assert look(None, launch="dag/monday").run == run_id_of("people", "dag/monday")


def test_a_later_release_supersedes(made, look):
    for run in ("r1", "r2"):
        stage(made, run)
        publish(made)
    first, second = look("r1"), look("r2")
    assert (first.state, first.current, first.sequence, first.run) == ("superseded", "r2", 1, "r1")
    assert (second.state, second.sequence) == ("released", 2)


def test_a_run_that_was_overtaken_is_not_waited_for(made, look):
    before = datetime.now(UTC)
    stage(made, "later")
    publish(made)
    assert look("never", staged_by=before) == Outcome(dataset="people", run="never", state="overtaken", current="later")
    # Staged after the current release's run was begun, or nobody knows when: it may still come.
    for staged_by in (before + timedelta(minutes=1), None):
        with pytest.raises(NotReleasedError):
            look("never", staged_by=staged_by)


def test_a_revoked_run_is_refused_with_the_reason(made, look):
    stage(made, "r1")
    publish(made)
    revoke("people", made.settings(), reason="a column was kept")
    with pytest.raises(RevokedError, match=r"was revoked at .* \(a column was kept\)"):
        look("r1")


@pytest.mark.parametrize(
    ("more", "said"),
    [("reports: reports\n", "see its report"), ("staging", "refused by the outer door: small-group")],
    ids=["reports", "staging"],
)
def test_a_refused_run_is_seen_by_who_may_see_that(made, look, more, said):
    made.write_policy(change=lambda text: text.replace('k_anonymity: {none: "synthetic"}', "k_anonymity: {k: 50}"))
    stage(made, "r1")
    with pytest.raises(DisclosureError):
        publish(made)
    with pytest.raises(NotReleasedError):
        look("r1")
    with pytest.raises(RunRefusedError, match=said):
        look("r1", more)


def test_evidence_that_is_not_what_was_signed_is_no_release(made, look):
    stage(made, "r1")
    publish(made)
    gate = made.root / "sanitized" / "people" / "evidence" / "r1" / "gate.json"
    gate.write_bytes(gate.read_bytes().replace(b'"passed":true', b'"passed":false', 1))
    with pytest.raises(DigestMismatchError, match=r"gate\.json"):
        look("r1")
    gate.unlink()
    with pytest.raises(IntegrityError, match=r"gate\.json"):
        look("r1")


def test_an_older_pointer_that_was_put_back_is_no_release(made, look):
    current = made.root / "sanitized" / "people" / "current.json"
    stage(made, "r1")
    publish(made)
    first = current.read_bytes()
    stage(made, "r2")
    publish(made)
    current.write_bytes(first)
    with pytest.raises(RollbackError, match="holds pointer 2"):
        look("r1")


def test_nobodys_signature_is_no_release(made, look):
    stage(made, "r1")
    publish(made)
    (made.root / "trust" / "release.pub").unlink()
    with pytest.raises(SignatureError):
        look("r1")
