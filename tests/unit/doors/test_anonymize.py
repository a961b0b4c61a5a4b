"""The inner door: permits, run ids, rows that can't be processed, errors that quote nothing."""

from __future__ import annotations

import json
import time
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people

from airlock.doors import anonymize as door
from airlock.doors._failures import read_failures
from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.engines import task
from airlock.errors import (
    AirlockError,
    ConfigError,
    KnownValueError,
    LeaseHeldError,
    NoEffectError,
    PermitError,
    RejectedRowsError,
    RunBoundError,
    TaskFailedError,
    TransientError,
    UnclassifiedColumnError,
    UnreadableSourceError,
)
from airlock.keys import Permit
from airlock.operators.mask import Mask
from airlock.storage import open_store
from airlock.storage.lease import Lease
from airlock.types import run_id_of

VERDICT = "0" * 64


def staged(made):
    return (
        [name for name in made.files("staging") if name.endswith("manifest.intoto.json")]
        if (made.root / "staging").exists()
        else []
    )


@pytest.fixture
def in_process(monkeypatch):
    """Tasks in this process: a pool of one costs two seconds."""
    from airlock.doors import _engine
    from airlock.engines.frame import open_frame
    from airlock.engines.task import run_task

    def run(sealed, binding, todo, *, workers):
        return (run_task(open_frame(sealed, binding), index) for index in todo)

    monkeypatch.setattr(_engine, "run_local", run)


def test_a_pool_of_two_stages_what_one_process_stages(make_project):
    made = make_project(files=3)
    done = anonymize(made.policy(), made.settings(workers="2"))
    assert (done.rows_in, done.rows_out, done.splits, done.reused, done.continued) == (60, 60, 3, 0, False)
    assert len(staged(made)) == 1


def test_other_versions_of_the_code_reuse_nothing_and_the_manifest_tells_them(make_project, in_process, monkeypatch):
    made = make_project(files=2)
    assert anonymize(made.policy(), made.settings()).reused == 0
    assert anonymize(made.policy(), made.settings()).reused == 2
    monkeypatch.setattr(pa, "__version__", "99.0.0")
    run = anonymize(made.policy(), made.settings())
    assert run.reused == 0
    assert json.loads((made.root / "staging" / "people" / run.run / "manifest.json").read_text())["code"]["pyarrow"] == "99.0.0"


def test_rows_that_were_not_looked_through_are_refused_by_the_outer_door(make_project, in_process, monkeypatch):
    made = make_project(files=2)
    monkeypatch.setattr(task, "_Counts", partial(task._Counts, known_rows=-1))
    anonymize(made.policy(), made.settings())
    with pytest.raises(KnownValueError, match="did not look for direct identifiers in the text of every row"):
        release(made.policy(), made.settings())


def test_a_failure_names_the_column_and_no_value(make_project, in_process, monkeypatch):
    def kernel(self, field, keys):
        def fail(values):
            raise RuntimeError(f"can't mask {values[0]}")

        return fail

    monkeypatch.setattr(Mask, "kernel", kernel)
    made = make_project(files=2)
    with pytest.raises(TaskFailedError, match="2 splits failed") as caught:
        anonymize(made.policy(), made.settings(), run_id="one")
    failures = read_failures(open_store(made.settings().zone("private")), "people/one")
    assert {(failure.column, failure.code, failure.files) for failure in failures} == {
        ("phone", "unexpected", (f"people/{number}.parquet",)) for number in ("000", "001")
    }
    assert "+49" not in str(caught.value) + str(failures)


def test_an_expired_permit_reads_no_key(make_project, in_process):
    made = make_project(files=1)
    with pytest.raises(PermitError, match="run out"):
        anonymize(made.policy(), made.settings(), permit=Permit(VERDICT, time.time() - 1))
    assert not (made.root / "staging").exists()


def test_a_permit_that_runs_out_on_the_way_commits_nothing(make_project, in_process):
    made = make_project(files=3)
    permit = Permit(VERDICT, time.time() + 3600)

    def late(progress):
        if progress.done == progress.total:
            object.__setattr__(permit, "not_after", time.time() - 1)

    with pytest.raises(PermitError, match="run out"):
        anonymize(made.policy(), made.settings(), permit=permit, watcher=late)
    assert staged(made) == []
    again = anonymize(made.policy(), made.settings())
    assert (again.reused, again.rows_out) == (3, 60)


def test_the_same_run_again_is_a_no_op(make_project, in_process):
    made = make_project(files=2)
    first = anonymize(made.policy(), made.settings(), run_id="one")
    before = made.files("staging"), made.files("private")
    again = anonymize(made.policy(), made.settings(), run_id="one")
    assert again.continued
    assert (again.rows_in, again.rows_out, again.splits) == (first.rows_in, first.rows_out, first.splits)
    assert (made.files("staging"), made.files("private")) == before


@pytest.mark.parametrize("what", ["policy", "inputs", "a file more", "key"])
def test_a_run_id_is_bound_to_its_plan(make_project, in_process, what):
    made = make_project(files=2)
    anonymize(made.policy(), made.settings(), run_id="one")
    if what == "policy":
        made.write_policy(change=lambda text: text.replace("width: 100", "width: 50"))
    elif what == "inputs":
        made.write(make_people(21), "000.parquet")
    elif what == "a file more":
        made.write(make_people(5, first=9_000), "009.parquet")
    else:
        from airlock.keys.file import create_root_file

        (made.root / "keys" / "root.json").unlink()
        create_root_file(made.root / "keys" / "root.json")
    with pytest.raises(RunBoundError, match=r"run 'one' .* is bound to another plan.*Leave --run out"):
        anonymize(made.policy(), made.settings(), run_id="one")
    assert anonymize(made.policy(), made.settings()).continued is False


def test_a_run_id_names_a_folder_and_nothing_else(make_project, in_process):
    made = make_project(files=1)
    for run in ("../../sanitized/people", "a/b", ".hidden", "x" * 65, "a\nb", "splits", "lease.json"):
        with pytest.raises(ConfigError, match="is not a run id"):
            anonymize(made.policy(), made.settings(), run_id=run)
    assert staged(made) == []


def test_a_task_that_is_tried_again_does_not_read_what_has_its_record(make_project, monkeypatch):
    """A Spark task has several splits: what it did before it was lost is not done twice."""
    made = make_project(files=2)
    from airlock.doors import _engine
    from airlock.engines.frame import open_frame
    from airlock.engines.task import run_task

    def twice(sealed, binding, todo, *, workers):
        for index in todo:
            frame = open_frame(sealed, binding)
            assert run_task(frame, index).code == ""
            (piece,) = frame.splits[index].pieces
            file = made.root / "raw" / piece.path
            file.rename(file.with_suffix(".away"))
            yield run_task(frame, index)
            file.with_suffix(".away").rename(file)

    monkeypatch.setattr(_engine, "run_local", twice)
    done = anonymize(made.policy(), made.settings())
    assert (done.rows_out, done.splits, done.reused) == (40, 2, 0)


def test_a_held_lease_is_temporary(make_project, in_process):
    made = make_project(files=1)
    store = open_store(made.settings().zone("private"))
    with Lease.acquire(store, "people/lease.json", owner="other"), pytest.raises(LeaseHeldError, match="run 'other'"):
        anonymize(made.policy(), made.settings())


def test_a_source_file_that_changes_while_it_is_read_is_temporary(make_project, in_process, monkeypatch):
    made = make_project(files=3)
    original = door.choose_runner

    def changed(*arguments, **named):
        made.write(make_people(25, first=2_000), "002.parquet")
        return original(*arguments, **named)

    monkeypatch.setattr(door, "choose_runner", changed)
    with pytest.raises(TransientError, match=r"source-changed.*\nfiles: people/002.parquet"):
        anonymize(made.policy(), made.settings())
    assert staged(made) == []
    monkeypatch.undo()
    again = anonymize(made.policy(), made.settings(workers="1"))
    assert (again.reused, again.rows_out) == (2, 65)


def test_a_broken_page_names_the_file_and_no_value(make_project, in_process):
    made = make_project(files=2)
    table = make_people(500, first=1_000)
    path = made.write(table, "001.parquet", compression="NONE", use_dictionary=False)
    data = bytearray(path.read_bytes())
    at = data.index(b"Canary001200@example.org")
    data[at - 3000 : at - 2900] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(AirlockError, match=r"people/001\.parquet") as caught:
        anonymize(made.policy(), made.settings())
    assert "anary" not in str(caught.value)
    assert staged(made) == []


def test_a_file_that_is_not_parquet_is_refused(make_project, in_process):
    made = make_project(files=2)
    (made.root / "raw" / "people" / "001.parquet").write_bytes(b"PAR1 Canaryname PAR1")
    with pytest.raises(UnreadableSourceError, match=r"people/001\.parquet") as caught:
        anonymize(made.policy(), made.settings())
    assert "anary" not in str(caught.value)


def test_a_new_column_is_refused_before_a_row_is_read(make_project, in_process):
    made = make_project(files=1)
    table = make_people(5).append_column("mother_name", pa.array(["Canaryname"] * 5))
    made.write(table, "001.parquet")
    with pytest.raises(UnclassifiedColumnError, match="mother_name") as caught:
        anonymize(made.policy(), made.settings())
    assert "Canaryname" not in str(caught.value)
    assert not (made.root / "staging" / "people").exists()


CSV = "id,email,name,phone,city,born,amount,note\n"


def csv(made, *, bad):
    made.write_policy(form="csv", max_rejects=bad)
    for file in (made.root / "raw" / "people").iterdir():
        file.unlink()
    rows = make_people(30).to_pylist()
    for row in rows[:2]:
        row["amount"] = f"Canaryamount {row['id']}"
    lines = [",".join(str(value) for value in row.values()) for row in rows]
    (made.root / "raw" / "people" / "a.csv").write_text(CSV + "\n".join(lines) + "\n")


def test_rejected_rows_are_counted_encrypted_and_released_up_to_the_limit(make_project, in_process):
    made = make_project(files=1)
    csv(made, bad=2)
    done = anonymize(made.policy(), made.settings(split_mib="1"))
    assert (done.rows_in, done.rows_out, done.suppressed, done.rejected) == (30, 28, 0, 2)
    base = made.root / "private" / "people" / done.run
    failures = [json.loads(line) for line in (base / "failures.jsonl").read_text().splitlines()]
    assert [(one["column"], one["rows"], one["files"]) for one in failures] == [("amount", 2, ["people/a.csv"])]
    assert len(list((base / "rejects").iterdir())) == 1
    for zone in ("private", "staging"):
        for name in made.files(zone):
            assert b"anary" not in (made.root / zone / name).read_bytes(), name
    account = json.loads((base / "manifest.json").read_text())["splits"]
    assert [one["counts"] for one in account] == [{"rows_in": 30, "rows_out": 28, "suppressed": 0, "rejected": 2}]
    assert release(made.policy(), made.settings()).rows == 28


def test_one_rejected_row_too_many_refuses_the_run(make_project, in_process):
    made = make_project(files=1)
    csv(made, bad=1)
    run = anonymize(made.policy(), made.settings(split_mib="1")).run
    with pytest.raises(RejectedRowsError, match="2"):
        release(made.policy(), made.settings())
    assert not (made.root / "sanitized" / "people" / "current.json").exists()
    with pytest.raises(RunBoundError, match="refused"):
        release(made.policy(), made.settings(), run_id=run)
    with pytest.raises(RunBoundError, match="refused"):
        anonymize(made.policy(), made.settings(split_mib="1"), run_id=run)


def test_excluded_subjects_are_suppressed_and_rows_close(make_project, in_process):
    made = make_project(files=2)
    (made.root / "raw" / "gone.txt").write_text("100003\n100004\n101001\n")
    made.write_policy(change=lambda text: text.replace("format: parquet}", "format: parquet, exclude: gone.txt}"))
    done = anonymize(made.policy(), made.settings())
    assert (done.rows_in, done.rows_out, done.suppressed) == (40, 37, 3)
    assert release(made.policy(), made.settings()).rows == 37


def test_splits_and_engines_shape_no_value(make_project, in_process):
    """One file in 1, 2 and 7 splits: the same rows."""
    seen, root = [], b""
    for groups in (70, 35, 10):
        made = make_project(files=0, folder=f"in-{70 // groups}")
        if root:
            (made.root / "keys" / "root.json").write_bytes(root)
        root = (made.root / "keys" / "root.json").read_bytes()
        made.write(make_people(70), "000.parquet", row_group_size=groups)
        done = anonymize(made.policy(), made.settings())
        assert done.splits == 70 // groups
        data = made.root / "staging" / "people" / done.run / "data"
        table = pa.concat_tables(pq.read_table(name) for name in sorted(data.iterdir()))
        seen.append(table.sort_by("id").to_pydict())
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]["id"]) == 70


def test_no_file_of_staging_or_records_holds_a_raw_value(make_project, in_process):
    made = make_project(files=2)
    anonymize(made.policy(), made.settings(staging_codec="zstd"))
    for zone in ("private", "staging"):
        for name in made.files(zone):
            data = (made.root / zone / name).read_bytes()
            assert b"anary" not in data, name
            if name.endswith(".parquet"):
                assert b"anary" not in str(pq.read_table(made.root / zone / name).to_pydict()).encode()


def test_a_rule_without_effect_is_refused_before_the_first_reading(make_project):
    """Passes over the dataset read all of it first."""
    made = make_project(files=2)
    made.write_policy(
        change=lambda text: text.replace(
            'keep: {reason: "closed list", values: [Lima, Oslo, Quito, Paris]}', "keep_top: {n: 3, min_count: 20}"
        ).replace('redact: {with: "[removed]"}', "truncate: 500")
    )
    with pytest.raises(NoEffectError, match="'truncate' changes no sampled value of column 'note'"):
        anonymize(made.policy(), made.settings(), engine="local")
    assert not [name for name in made.files("private") if "summaries" in name]


def test_a_launch_names_its_run(make_project, in_process):
    """A retry is the same run, and does nothing where it was done; another launch, and another dataset, are others."""
    made = make_project(files=1)
    first = anonymize(made.policy(), made.settings(), launch="nightly-1")
    assert first.run == run_id_of("people", "nightly-1") != run_id_of("people", "nightly-2")
    assert run_id_of("people", "nightly-1") != run_id_of("peopl", "e\nnightly-1")
    assert anonymize(made.policy(), made.settings(), launch="nightly-1").continued
    assert anonymize(made.policy(), made.settings(), run_id="mine", launch="nightly-1").run == "mine"
