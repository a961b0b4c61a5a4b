"""The outer door in shards: the same release, or none; verdicts that are somebody else's count for nothing."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airlock.doors import _share
from airlock.doors import release as releasing
from airlock.doors import shard as door
from airlock.doors._verdicts import find_verdict
from airlock.doors.anonymize import anonymize
from airlock.doors.prune import Extent, prune, prune_jobs
from airlock.doors.release import release
from airlock.doors.revoke import revoke
from airlock.doors.shard import Shard, check_shard
from airlock.doors.verify import verified_data, verify
from airlock.errors import (
    AirlockError,
    ConfigError,
    DigestMismatchError,
    IntegrityError,
    ResidualEntityError,
    RollbackError,
    RunBoundError,
    ShardsMissingError,
    SignatureError,
    StorageUnavailableError,
)
from airlock.evidence.dsse import SHARD, sign
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.shard import ShardVerdict
from airlock.evidence.trust import Trust
from airlock.keys.signing import load_signer
from airlock.settings import Settings
from airlock.storage import open_store
from airlock.types import RunState

PENDING = ".pending/people"


@pytest.fixture(autouse=True)
def _inline(monkeypatch):
    from airlock.doors import _engine
    from airlock.engines.frame import open_frame
    from airlock.engines.task import run_task

    monkeypatch.setattr(
        _engine,
        "run_local",
        lambda sealed, binding, todo, *, workers: (run_task(open_frame(sealed, binding), at) for at in todo),
    )


@pytest.fixture
def made(make_project):
    """A project with one staged run, 'one', of three files."""
    project = make_project()
    stage(project, "one")
    return project


def stage(made, run):
    return anonymize(made.policy(), made.settings(), run_id=run)


def check(made, number, of, run="one", settings=None):
    return check_shard(made.policy(), settings or made.settings(), Shard(number, of), run_id=run)


def check_all(made, of, run="one"):
    return [check(made, number, of, run) for number in range(of)]


def finish(made, of, run="one"):
    return release(made.policy(), made.settings(), run_id=run, shards=of)


@pytest.mark.parametrize("library", ["google-re2", "python-stdnum"])
def test_verdicts_by_another_version_of_a_validator_count_for_nothing(made, monkeypatch, library):
    check_all(made, 2)
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0" if name == library else installed(name))
    with pytest.raises(ShardsMissingError, match="another version"):
        finish(made, 2)
    monkeypatch.undo()


def pending(made):
    return [name for name in made.files("sanitized") if name.startswith(".pending/")]


def verdicts(made):
    return sorted(path for path in (made.root / "sanitized" / ".pending").rglob("*.json"))


def said(made, run="one"):
    found = find_verdict(open_store(made.settings().zone("staging")), f"people/{run}", made.settings())
    return found and (found.state, found.code)


def current(made):
    return (made.root / "sanitized" / "people" / "current.json").exists()


def assert_refused(made, of, *kinds: type[AirlockError], match: str = "."):
    """Finishing is exit 3, once and for all; nothing stays."""
    with pytest.raises(kinds, match=match) as caught:
        finish(made, of)
    assert caught.value.exit_code == 3
    assert not current(made)
    assert [name for name in made.files("sanitized") if not name.endswith(".lease.json")] == []
    assert said(made) == (RunState.REFUSED, caught.value.code)
    with pytest.raises(RunBoundError, match="refused"):
        finish(made, of)
    with pytest.raises(RunBoundError, match="refused"):
        check(made, 0, of)
    return caught.value


# --- the same release -----------------------------------------------------------------------------------------------------


def released_bytes(made):
    """Every byte of the release but the volatile fields and what follows from them."""
    base = made.root / "sanitized" / "people"
    data = {path.relative_to(base).as_posix(): path.read_bytes() for path in sorted((base / "data").rglob("*.parquet"))}
    manifest = PublicManifest.from_bytes((base / "evidence" / "one" / "manifest.json").read_bytes())
    gate = (base / "evidence" / "one" / "gate.json").read_bytes()
    return data, manifest.stable_bytes(), [file.path for file in manifest.outputs], gate


@pytest.mark.parametrize("partitioned", [False, True])
def test_one_two_three_and_more_shards_than_files_publish_the_very_same_bytes(make_project, partitioned):
    plain = make_project()
    if partitioned:
        plain.write_policy(
            change=lambda text: text.replace("sink: {path: people,", "sink: {path: people, partition_by: [city],")
        )
    stage(plain, "one")
    copies = {of: plain.copy(plain.root.parent / f"of-{of}") for of in (1, 2, 3, 5)}
    alone = release(plain.policy(), plain.settings(), run_id="one")
    expected = released_bytes(plain)
    for of, made in copies.items():
        done = check_all(made, of)
        assert {one.state for one in done} == {"checked"}
        assert (sum(one.rows for one in done), sum(one.files for one in done)) == (60, 3)
        assert not current(made)
        assert finish(made, of) == alone
        assert released_bytes(made) == expected
        assert verify(made.root / "sanitized" / "people", made.settings()).rows == 60
        assert pending(made) == []
        assert said(made) == (RunState.RELEASED, None)


def test_what_only_all_rows_together_show_is_decided_by_all(make_project):
    """Each shard alone has classes of one row, all together have classes of three."""
    project = make_project()
    project.write_policy(change=lambda text: text.replace('{none: "synthetic"}', "{k: 3, count: rows}"))
    stage(project, "one")
    check_all(project, 3)
    assert finish(project, 3).state == "released"
    other = make_project(folder="other")
    other.write_policy(change=lambda text: text.replace('{none: "synthetic"}', "{k: 4, count: rows}"))
    stage(other, "one")
    assert {one.state for one in check_all(other, 3)} == {"checked"}
    error = assert_refused(other, 3, AirlockError, match="smallest equivalence class has 3 rows, policy asks k >= 4")
    assert error.code == "small-group"


def test_a_finding_is_no_shards_business_and_all_are_told_by_who_finishes(make_project):
    project = make_project(files=2)
    project.write_policy(
        change=lambda text: text.replace(
            'note:   {type: string, class: sensitive, redact: {with: "[removed]"}}',
            'note:   {type: string, class: sensitive, keep: "oops"}',
        )
    )
    for number in range(2):
        table = pq.read_table(project.root / "raw" / "people" / f"{number:03}.parquet")
        texts = [f"mail ann{number}@example.org", *["quiet"] * (table.num_rows - 1)]
        project.write(table.set_column(table.schema.get_field_index("note"), "note", [texts]), f"{number:03}.parquet")
    stage(project, "one")
    assert {one.state for one in check_all(project, 2)} == {"checked"}
    assert_refused(project, 2, ResidualEntityError, match="EMAIL_ADDRESS in 2 of 40 values")


# --- who is missing, who is late ------------------------------------------------------------------------------------------


def test_a_missing_shard_is_temporary_and_named(made):
    check(made, 1, 3)
    with pytest.raises(ShardsMissingError, match=r"2 of 3 shards have left no verdict: 0, 2\.") as caught:
        finish(made, 3)
    assert caught.value.exit_code == 75
    assert said(made) is None
    assert not current(made)
    check(made, 0, 3)
    check(made, 2, 3)
    assert finish(made, 3).state == "released"


def test_verdicts_of_another_number_of_shards_do_not_count(made):
    check_all(made, 2)
    with pytest.raises(ShardsMissingError, match=r"3 of 3 .*0, 1, 2 \(2 more are there, of another number of shards"):
        finish(made, 3)
    assert finish(made, 2).state == "released"
    assert pending(made) == []


def test_verdicts_under_other_waivers_do_not_count(made):
    check_all(made, 2)
    waivers = made.root / "waivers.yaml"
    until = datetime.now(UTC).date() + timedelta(days=3)
    waivers.write_text(
        f"waivers:\n  - {{dataset: people, column: note, entity: URL, approver: dpo, expires: {until}, reason: a test}}\n"
    )
    made.configure(waivers="waivers.yaml")
    with pytest.raises(ShardsMissingError, match="other waivers"):
        finish(made, 2)
    check_all(made, 2)
    assert finish(made, 2).state == "released"
    assert pending(made) == []


def test_who_says_separated_needs_shards_that_were(made):
    check_all(made, 2)
    settings = made.settings()
    inner = ("zones.raw.uri", "zones.private.uri", "keys.root", "keys.stage_signing")
    outer = Settings(settings.values | dict.fromkeys(inner), settings.origins, settings.file)
    with pytest.raises(ShardsMissingError):
        release(made.policy(), outer, run_id="one", shards=2)
    for number in range(2):
        check(made, number, 2, settings=outer)
    release(made.policy(), outer, run_id="one", shards=2)
    assert verify(made.root / "sanitized" / "people", made.settings(), require_separation=True).separation == "identities"


def test_finishing_twice_is_once_and_a_late_shard_finds_nothing_to_do(made):
    check_all(made, 2)
    first = finish(made, 2)
    assert finish(made, 2) == first
    assert check(made, 1, 2).state == "released"
    assert pending(made) == []
    stage(made, "two")
    release(made.policy(), made.settings(), run_id="two")
    shutil.rmtree(made.root / "staging" / "people" / "one")
    with pytest.raises(AirlockError, match="not staged"):
        check(made, 1, 2)


def test_a_shard_that_was_done_is_not_done_again(made, monkeypatch):
    first = check(made, 0, 2)
    monkeypatch.setattr(_share, "inspect_all", None)
    assert check(made, 0, 2) == first


def racing(made, monkeypatch, act):
    """While a shard is at work, something else happens."""
    real = door.check_share

    def check_share(*args):
        monkeypatch.setattr(door, "check_share", real)
        share = real(*args)
        act()
        return share

    monkeypatch.setattr(door, "check_share", check_share)


def test_of_two_attempts_at_a_shard_the_first_verdict_wins(made, monkeypatch):
    racing(made, monkeypatch, lambda: check(made, 0, 2))
    assert check(made, 0, 2).state == "checked"
    (verdict,) = verdicts(made)
    attempts = {name.split("/")[4] for name in pending(made) if not name.endswith(".json")}
    assert len(attempts) == 1
    assert attempts == {ShardVerdict.parse(verdict.read_bytes(), Trust.load(made.settings().path("trust"))).attempt}
    check(made, 1, 2)
    assert finish(made, 2).rows == 60


def test_a_shard_that_ends_after_its_release_takes_its_files_away(made, monkeypatch):
    racing(made, monkeypatch, lambda: release(made.policy(), made.settings(), run_id="one"))
    assert check(made, 0, 2).state == "released"
    assert pending(made) == []


def test_a_shard_that_ends_after_a_newer_release_takes_its_files_away(made, monkeypatch):
    def newer():
        stage(made, "two")
        release(made.policy(), made.settings(), run_id="two")

    racing(made, monkeypatch, newer)
    with pytest.raises(RollbackError, match="a newer run was released meanwhile"):
        check(made, 0, 2)
    assert pending(made) == []
    with pytest.raises(RollbackError):
        finish(made, 2)
    assert said(made) == (RunState.REFUSED, "rollback")
    assert Path(verified_data(made.root / "sanitized" / "people", made.settings())).name == "two"


def test_a_shard_that_fails_leaves_nothing(made, monkeypatch):
    def fail():
        raise StorageUnavailableError("no space")

    racing(made, monkeypatch, fail)
    with pytest.raises(StorageUnavailableError):
        check(made, 0, 2)
    assert pending(made) == []
    assert check(made, 0, 2).state == "checked"


def test_a_revoked_run_is_not_checked_again(made):
    release(made.policy(), made.settings(), run_id="one")
    revoke("people", made.settings(), reason="a test")
    with pytest.raises(RunBoundError, match="revoked"):
        check(made, 0, 2)


# --- whose files may go ---------------------------------------------------------------------------------------------------


def test_a_release_leaves_waiting_shards_of_a_newer_run_alone(made):
    stage(made, "two")
    check_all(made, 2, run="two")
    before = pending(made)
    release(made.policy(), made.settings(), run_id="one")
    assert pending(made) == before
    assert finish(made, 2, run="two").sequence == 2
    assert pending(made) == []


def test_the_next_release_takes_the_shards_of_older_and_of_judged_runs(made):
    for run in ("two", "three"):
        stage(made, run)
        check_all(made, 2, run=run)
    (of_two,) = (made.root / "sanitized" / ".pending" / "people").glob("*-two")
    leave = of_two / "late" / "part"
    flip(made.root / "staging" / "people" / "two" / "manifest.json")
    with pytest.raises(AirlockError):
        finish(made, 2, run="two")
    assert {name.split("/")[2].partition("-")[2] for name in pending(made)} == {"three"}
    leave.parent.mkdir(parents=True)
    leave.write_bytes(b"of a shard that was slow")
    release(made.policy(), made.settings(), run_id="one")
    assert {name.split("/")[2].partition("-")[2] for name in pending(made)} == {"three"}
    stage(made, "four")
    release(made.policy(), made.settings(), run_id="four")
    assert pending(made) == []


def test_prune_takes_what_is_over_and_leaves_what_waits(made):
    stage(made, "two")
    check_all(made, 2)
    release(made.policy(), made.settings(), run_id="one")
    stage(made, "three")
    check_all(made, 2, run="three")
    leftover = made.root / "sanitized" / ".pending" / "people" / "1-one" / "0" / "part"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"1234")
    (job,) = [job for job in prune_jobs((), made.settings()) if job.sink]
    what = "pending files of runs that are over"
    for dry_run in (True, False):
        (removed,) = [one for one in prune(job, made.settings(), Extent(dry_run=dry_run)) if one.what == what]
        assert (removed.count, removed.bytes, leftover.exists()) == (1, 4, dry_run)
    assert finish(made, 2, run="three").state == "released"


# --- somebody changed something -------------------------------------------------------------------------------------------


def flip(path: Path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)


def pending_file(made, suffix):
    return min(path for path in (made.root / "sanitized" / ".pending").rglob(f"*{suffix}"))


def resign(made, edit, key="release"):
    """What somebody with a key can do: any verdict, signed anew."""
    path = verdicts(made)[0]
    verdict = ShardVerdict.parse(path.read_bytes(), Trust.load(made.settings().path("trust")))
    path.write_bytes(sign(edit(verdict).to_bytes(), payload_type=SHARD, signer=load_signer(made.root / "keys" / f"{key}.pem")))


def of_the_other_shard(made):
    first, second = verdicts(made)
    second.write_bytes(first.read_bytes())


def of_another_run(made):
    stage(made, "two")
    check_all(made, 2, run="two")
    one, two = (next(path for path in verdicts(made) if f"-{run}/" in str(path)) for run in ("one", "two"))
    one.write_bytes(two.read_bytes())
    (of_two,) = (made.root / "sanitized" / ".pending" / "people").glob("*-two")
    shutil.rmtree(of_two)


def a_staged_statement(made):
    verdicts(made)[0].write_bytes((made.root / "staging" / "people" / "one" / "manifest.intoto.json").read_bytes())


def a_link_to_raw(made):
    path = pending_file(made, ".parquet")
    path.unlink()
    path.hardlink_to(made.root / "raw" / "people" / "000.parquet")


TAMPERING = {
    "a byte of a verdict": (lambda made: flip(verdicts(made)[0]), IntegrityError),
    "a verdict signed by the inner door": (lambda made: resign(made, lambda one: one, key="stage"), SignatureError),
    "the verdict of the other shard": (of_the_other_shard, IntegrityError),
    "the verdict of another run": (of_another_run, IntegrityError),
    "another kind of statement": (a_staged_statement, SignatureError),
    "a byte of a pending file": (lambda made: flip(pending_file(made, ".parquet")), DigestMismatchError),
    "a pending file gone": (lambda made: pending_file(made, ".parquet").unlink(), DigestMismatchError),
    "raw data in its place": (a_link_to_raw, DigestMismatchError),
    "a byte of the counts": (lambda made: flip(pending_file(made, ".arrow")), DigestMismatchError),
    "the counts gone": (lambda made: pending_file(made, ".arrow").unlink(), DigestMismatchError),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_with_what_is_pending_is_refused(made, what):
    tamper, error = TAMPERING[what]
    check_all(made, 2)
    tamper(made)
    assert_refused(made, 2, error)
    stage(made, "after")
    assert release(made.policy(), made.settings(), run_id="after").state == "released"


@pytest.mark.parametrize("shards", [None, 2])
@pytest.mark.parametrize("change", [flip, Path.unlink])
def test_what_changes_between_check_and_publish_is_not_published(made, monkeypatch, shards, change):
    real = releasing.publish

    def publish(*args, **options):
        change(pending_file(made, ".parquet"))
        return real(*args, **options)

    monkeypatch.setattr(releasing, "publish", publish)
    if shards:
        check_all(made, shards)
    with pytest.raises(IntegrityError, match="not the one that was written"):
        finish(made, shards)
    assert [name for name in made.files("sanitized") if not name.endswith(".lease.json")] == []
    assert said(made) == (RunState.REFUSED, "integrity")


def staged_parts(made):
    return sorted((made.root / "staging" / "people" / "one" / "data").iterdir())


def test_a_shard_that_meets_another_staged_file_says_so_and_the_run_is_refused_at_once(made):
    flip(staged_parts(made)[0])
    with pytest.raises(DigestMismatchError, match="not the one that was signed"):
        check(made, 0, 3)
    with pytest.raises(DigestMismatchError, match="shard 0/3: staged file"):
        check(made, 0, 3)  # for good
    assert said(made) is None
    assert_refused(made, 3, DigestMismatchError, match="shard 0/3: staged file")


def test_all_refusals_are_told(made):
    for path in staged_parts(made):
        path.unlink()
    for number in range(3):
        with pytest.raises(IntegrityError, match="is missing"):
            check(made, number, 3)
    assert_refused(made, 3, IntegrityError, match=r"Refused as well by shard 1/3 \(integrity\), 2/3 \(integrity\)")


@pytest.mark.parametrize("late", [False, True])
def test_a_manifest_that_nobody_signed_is_refused_by_who_finishes(made, late):
    if late:
        check_all(made, 2)
    flip(made.root / "staging" / "people" / "one" / "manifest.json")
    with pytest.raises(AirlockError) as caught:
        check(made, 0, 2)
    assert caught.value.exit_code == 3
    assert said(made) is None
    assert_refused(made, 2, AirlockError)


# --- words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "1", "3/3", "-1/3", "0/0", "1/2/3", "a/b", "0/ 3", "٠/٣"])
def test_a_shard_is_i_of_n(text):
    with pytest.raises(ConfigError, match="I/N with I from 0 to N-1"):
        Shard.parse(text)


def test_shards_part_the_files():
    files = [f"{number}" for number in range(11)]
    for of in range(1, 15):
        parts = [Shard(number, of).of_all(files) for number in range(of)]
        assert sorted(file for part in parts for file in part) == sorted(files)


def test_the_run_is_named(made):
    with pytest.raises(ConfigError, match="--run ID"):
        check_shard(made.policy(), made.settings(), Shard(0, 2))
    with pytest.raises(ConfigError, match="--run ID"):
        release(made.policy(), made.settings(), shards=2)


def test_a_verdict_names_no_cell_and_what_is_pending_is_private(made):
    check_all(made, 2)
    for path in verdicts(made):
        assert b"Canary" not in path.read_bytes()
    assert (made.root / "sanitized" / ".pending").stat().st_mode & 0o077 == 0
