"""The outer door: it publishes what was signed, under a policy approved here, or nothing."""

from __future__ import annotations

import json
import shutil

import pytest

from airlock.doors._verdicts import find_verdict
from airlock.doors.anonymize import anonymize
from airlock.doors.prune import Extent, Job, prune
from airlock.doors.release import release
from airlock.doors.revoke import revoke
from airlock.doors.verify import verify
from airlock.errors import (
    AirlockError,
    ConfigError,
    DigestMismatchError,
    IntegrityError,
    LeaseHeldError,
    NotFoundError,
    PolicyFileError,
    RollbackError,
    RunBoundError,
    SignatureError,
    UnknownPolicyError,
)
from airlock.keys.signing import create_signing_key
from airlock.storage import LocalStore, open_store
from airlock.storage.lease import Lease
from airlock.types import RunState


@pytest.fixture
def made(make_project, monkeypatch):
    """A project with one staged run, 'one'."""
    from airlock.doors import _engine
    from airlock.engines.frame import open_frame
    from airlock.engines.task import run_task

    monkeypatch.setattr(
        _engine,
        "run_local",
        lambda sealed, binding, todo, *, workers: (run_task(open_frame(sealed, binding), at) for at in todo),
    )
    project = make_project(files=2)
    anonymize(project.policy(), project.settings(), run_id="one")
    return project


def base(made, run="one"):
    return made.root / "staging" / "people" / run


def parts(made):
    return sorted((base(made) / "data").iterdir())


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # not through the hard link: the record's copy is the inner side's
    path.write_bytes(data)


def swap(made):
    one, other = parts(made)
    one.rename(base(made) / "x")
    other.rename(one)
    (base(made) / "x").rename(other)


def another_run(made):
    anonymize(made.policy(), made.settings(), run_id="two")
    shutil.copy(base(made, "two") / "manifest.json", base(made) / "manifest.json")
    shutil.rmtree(base(made, "two"))


def moved_run(made):
    """A whole staged run, signature and all, under another name."""
    anonymize(made.policy(), made.settings(), run_id="two")
    shutil.rmtree(base(made))
    base(made, "two").rename(base(made))


def edited(made, **values):
    path = base(made) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values, sort_keys=True, separators=(",", ":")))


def signed_by(made, role):
    """The statement signed anew by another key: one that nobody trusts, or the outer door's own."""
    from airlock.doors import _staged
    from airlock.evidence.dsse import sign
    from airlock.evidence.manifest import PublicManifest
    from airlock.evidence.statement import staged_statement
    from airlock.keys.signing import load_signer

    key = made.root / "keys" / "release.pem"
    if role == "stranger":
        key = made.root / "keys" / "stranger.pem"
        create_signing_key(key, made.root / "stranger.pub", "stage")
    manifest = PublicManifest.from_bytes((base(made) / "manifest.json").read_bytes())
    statement = staged_statement(manifest, at=_staged.datetime.now(_staged.UTC))
    (base(made) / "manifest.intoto.json").write_bytes(sign(statement, signer=load_signer(key)))


TAMPERING = {
    "a byte of a data file": (lambda made: flip(parts(made)[0]), DigestMismatchError),
    "a data file cut short": (lambda made: parts(made)[0].write_bytes(parts(made)[0].read_bytes()[:-1]), DigestMismatchError),
    "a data file gone": (lambda made: parts(made)[0].unlink(), IntegrityError),
    "two data files swapped": (swap, DigestMismatchError),
    "a byte of the manifest": (lambda made: flip(base(made) / "manifest.json"), AirlockError),
    "fewer rows claimed": (lambda made: edited(made, totals={"rows_in": 1}), IntegrityError),
    "another recipient": (lambda made: edited(made, recipient="press"), IntegrityError),
    "the manifest gone": (lambda made: (base(made) / "manifest.json").unlink(), IntegrityError),
    "the manifest of another run": (another_run, IntegrityError),
    "a run under another name": (moved_run, IntegrityError),
    "a byte of the signature": (lambda made: flip(base(made) / "manifest.intoto.json"), AirlockError),
    "signed by a stranger": (lambda made: signed_by(made, "stranger"), SignatureError),
    "signed by the outer door's key": (lambda made: signed_by(made, "release"), SignatureError),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_refused_for_good_and_the_next_run_passes(made, what):
    tamper, error = TAMPERING[what]
    tamper(made)
    with pytest.raises(error) as caught:
        release(made.policy(), made.settings())
    assert caught.value.exit_code == 3
    assert not (made.root / "sanitized" / "people" / "current.json").exists()
    assert [name for name in made.files("sanitized") if not name.endswith(".lease.json")] == []
    verdict = find_verdict(open_store(made.settings().zone("staging")), "people/one", made.settings())
    assert verdict is not None
    assert (verdict.state, verdict.code) == (RunState.REFUSED, caught.value.code)
    with pytest.raises(RunBoundError, match="refused"):
        release(made.policy(), made.settings(), run_id="one")
    assert release(made.policy(), made.settings()).state == "nothing new"
    anonymize(made.policy(), made.settings(), run_id="after")
    assert release(made.policy(), made.settings()).run == "after"


def test_a_file_that_nobody_signed_is_not_published(made):
    shutil.copy(parts(made)[0], base(made) / "data" / "extra.parquet")
    assert release(made.policy(), made.settings()).rows == 40
    assert verify(made.root / "sanitized" / "people", made.settings()).rows == 40


def test_a_policy_that_is_not_approved_here_waits_for_approval(made):
    approved = made.root / "approved"
    approved.mkdir()
    text = made.policy().read_text()
    (approved / "people.yaml").write_text(text.replace("width: 100", "width: 1000"))
    with pytest.raises(UnknownPolicyError, match="not among the 1 policies approved here"):
        release(made.policy(), made.settings(policies=str(approved)))
    (approved / "people.yaml").write_text(text)
    assert release(made.policy(), made.settings(policies=str(approved))).state == "released"


@pytest.fixture
def unapproved(made):
    """Run 'one' waits under a policy that is not approved here any more, run 'two' under one that is. Returns both texts."""
    text = made.policy().read_text()
    wider = text.replace("width: 100", "width: 1000")
    made.policy().write_text(wider)
    anonymize(made.policy(), made.settings(), run_id="two")
    return text, wider


def test_a_run_whose_policy_is_not_approved_stops_no_newer_one(made, unapproved):
    done = release(made.policy(), made.settings())
    assert (done.state, done.run, done.passed_over) == ("released", "two", ("one",))
    assert find_verdict(open_store(made.settings().zone("staging")), "people/one", made.settings()) is None
    with pytest.raises(UnknownPolicyError, match="run 'one' of 'people' was made under policy"):
        release(made.policy(), made.settings())  # nothing else waits
    with pytest.raises(UnknownPolicyError, match="not among the 1 policies"):
        release(made.policy(), made.settings(), run_id="one")


def test_a_run_that_was_passed_over_is_released_once_its_policy_is_approved(made, unapproved):
    older, newer = unapproved
    with pytest.raises(UnknownPolicyError):
        release(made.policy(), made.settings(), run_id="one")
    made.policy().write_text(older)
    (made.root / "policies" / "wider.yaml").write_text(newer)
    assert [release(made.policy(), made.settings()).run for _ in range(2)] == ["one", "two"]


def test_a_broken_approved_policy_stops_only_runs_that_may_have_been_made_under_it(made, unapproved):
    (made.root / "policies" / "other.yaml").write_text("apiVersion: airlock/v1\ndataset: other\n")
    assert release(made.policy(), made.settings()).passed_over == ("one",)
    with pytest.raises(PolicyFileError, match=r"other\.yaml"):
        release(made.policy(), made.settings(), run_id="one")


def test_a_damaged_manifest_is_refused_for_good_and_the_next_run_released(made):
    anonymize(made.policy(), made.settings(), run_id="two")
    (base(made) / "manifest.json").write_bytes(b'{"dataset": "people"')
    with pytest.raises(IntegrityError):
        release(made.policy(), made.settings())
    assert release(made.policy(), made.settings()).run == "two"
    with pytest.raises(RunBoundError, match="refused"):
        release(made.policy(), made.settings(), run_id="one")


def test_a_policy_of_another_dataset_releases_nothing_of_this_one(made):
    other = made.write_policy("others")
    assert release(other, made.settings()).state == "nothing new"
    shutil.copytree(base(made), made.root / "staging" / "others" / "one")
    with pytest.raises(IntegrityError, match="what is staged in 'others/one' is dataset 'people'"):
        release(other, made.settings())
    assert not (made.root / "sanitized" / "others" / "current.json").exists()


def test_another_sink_in_the_named_policy_is_refused(made):
    elsewhere = made.root / "mine.yaml"
    elsewhere.write_text(made.policy().read_text().replace("sink: {path: people", "sink: {path: public"))
    with pytest.raises(UnknownPolicyError, match="sink 'people'"):
        release(elsewhere, made.settings())


def test_the_same_run_again_and_a_run_that_is_not_there(made):
    assert release(made.policy(), made.settings(), run_id="one").state == "released"
    again = release(made.policy(), made.settings(), run_id="one")
    assert (again.state, again.sequence) == ("released", 1)
    anonymize(made.policy(), made.settings(), run_id="two")
    with pytest.raises(NotFoundError, match="run 'none' of 'people' is not staged; staged: two"):
        release(made.policy(), made.settings(), run_id="none")
    assert release(made.policy(), made.settings()).run == "two"
    assert release(made.policy(), made.settings(), run_id="one").state == "superseded"


def test_staging_is_emptied_of_what_is_published(made):
    release(made.policy(), made.settings())
    assert sorted(path.name for path in base(made).rglob("*") if path.is_file()) == ["verdict.json"]
    assert release(made.policy(), made.settings()).state == "nothing new"
    assert anonymize(made.policy(), made.settings(), run_id="one").continued


@pytest.mark.parametrize("left", ["manifest.json", "manifest.intoto.json"])
def test_a_released_run_of_which_staging_was_half_emptied_stays_released(made, left):
    """Its door was killed between two deletions."""
    kept = (base(made) / left).read_bytes()
    release(made.policy(), made.settings())
    (base(made) / left).write_bytes(kept)
    assert release(made.policy(), made.settings(), run_id="one").state == "released"
    assert find_verdict(open_store(made.settings().zone("staging")), "people/one", made.settings()).state is RunState.RELEASED
    assert sorted(path.name for path in base(made).rglob("*") if path.is_file()) == ["verdict.json"]


def test_the_statement_goes_first_from_staging(made, monkeypatch):
    gone = []
    real = LocalStore.delete
    monkeypatch.setattr(LocalStore, "delete", lambda self, path: (gone.append(path), real(self, path))[1])
    release(made.policy(), made.settings())
    assert gone[0] == "people/one/manifest.intoto.json"


def test_a_run_that_was_revoked_without_a_word_to_staging_is_not_released(made):
    release(made.policy(), made.settings())
    settings = made.settings()
    settings.values["zones.staging.uri"] = None
    revoke("people", settings, reason="a test")
    with pytest.raises(RunBoundError, match="was revoked at"):
        release(made.policy(), made.settings(), run_id="one")


def test_a_refused_run_stays_in_staging_for_its_days(made):
    flip(parts(made)[0])
    with pytest.raises(IntegrityError):
        release(made.policy(), made.settings())
    whole = {path.name for path in base(made).rglob("*") if path.is_file()}
    assert len(whole) == 5
    anonymize(made.policy(), made.settings(), run_id="two")
    prune(Job("people"), made.settings())
    assert {path.name for path in base(made).rglob("*") if path.is_file()} == whole
    anonymize(made.policy(), made.settings(staging_ttl="0"), run_id="three")
    assert [path.name for path in base(made).rglob("*") if path.is_file()] == ["verdict.json"]
    with pytest.raises(RunBoundError, match="refused"):
        anonymize(made.policy(), made.settings(), run_id="one")


def test_prune_now_takes_refused_runs_at_once(made):
    flip(parts(made)[0])
    with pytest.raises(IntegrityError):
        release(made.policy(), made.settings())
    prune(Job("people"), made.settings(), Extent(now=True))
    assert [path.name for path in base(made).rglob("*") if path.is_file()] == ["verdict.json"]


def test_a_held_lease_is_temporary(made):
    store = open_store(made.settings().zone("sanitized"))
    with Lease.acquire(store, "people/.lease.json", owner="other"), pytest.raises(LeaseHeldError, match="run 'other'"):
        release(made.policy(), made.settings())


def test_without_trust_or_policies_nothing_is_released(made):
    settings = made.settings()
    for name, error in (("trust", SignatureError), ("policies", ConfigError), ("keys.release_signing", ConfigError)):
        without = type(settings)(settings.values | {name: None}, settings.origins, settings.file)
        with pytest.raises(error):
            release(made.policy(), without)
    assert release(made.policy(), settings).state == "released"


def test_a_verdict_that_the_outer_door_did_not_sign_is_not_believed(made):
    release(made.policy(), made.settings())
    verdict = base(made) / "verdict.json"
    flip(verdict)
    with pytest.raises(AirlockError) as caught:
        anonymize(made.policy(), made.settings(), run_id="one")
    assert caught.value.exit_code == 3


def test_separation_is_what_the_configuration_shows(made, tmp_path):
    outer = tmp_path / "outer.yaml"
    root = made.root
    outer.write_text(
        f"zones: {{staging: {{uri: {root}/staging}}, sanitized: {{uri: {root}/sanitized}}}}\n"
        f"keys: {{release_signing: {root}/keys/release.pem}}\ntrust: {root}/trust\npolicies: {root}/policies\nworkers: 1\n"
        f"state: {root}/state.json\n"
    )
    from airlock.settings import load_settings

    release(made.policy(), load_settings(file=outer, environment={}))
    assert verify(root / "sanitized" / "people", made.settings(), require_separation=True).separation == "identities"


def test_a_lost_private_zone_does_not_stop_later_releases(made):
    """Its lease is lost too; fences follow the clock, so that the next run is no slow old one."""
    assert release(made.policy(), made.settings()).sequence == 1
    shutil.rmtree(made.root / "private")
    shutil.rmtree(made.root / "staging")
    anonymize(made.policy(), made.settings(), run_id="two")
    assert release(made.policy(), made.settings()).sequence == 2


def test_a_run_that_a_newer_release_replaced_ends_without_an_alarm(made):
    """Named, it is one: somebody wants to put back what was replaced."""
    anonymize(made.policy(), made.settings(), run_id="two")
    anonymize(made.policy(), made.settings(), run_id="three")
    assert release(made.policy(), made.settings(), run_id="two").run == "two"
    assert release(made.policy(), made.settings()).run == "three"
    verdict = find_verdict(open_store(made.settings().zone("staging")), "people/one", made.settings())
    assert (verdict.state, verdict.code) == (RunState.REFUSED, "rollback")
    assert release(made.policy(), made.settings()).state == "nothing new"


def test_an_older_run_that_is_asked_for_is_refused(made):
    anonymize(made.policy(), made.settings(), run_id="two")
    release(made.policy(), made.settings(), run_id="two")
    with pytest.raises(RollbackError, match="a newer run was released"):
        release(made.policy(), made.settings(), run_id="one")
