"""Runs as the zones tell of them: listed, shown, compared. What is broken is broken on disk."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import pytest

from airlock.doors._failures import Failure, write_failures
from airlock.doors.diff import diff_runs
from airlock.doors.runs import list_runs, show_run
from airlock.errors import ConfigError, NotFoundError, SignatureError
from airlock.storage import open_store
from airlock.types import Zone

EMPTY = "00000000-0000-7000-8000-000000000000"
LATER = "ffffffff-0000-7000-8000-000000000000"


def test_releases_are_listed_with_their_facts(place, first, second):
    old, new = list_runs(place.settings())
    assert (old.run, old.state, old.current, old.sequence, old.data) == (first, "superseded", False, 1, "present")
    assert (new.run, new.state, new.current, new.sequence, new.data) == (second, "released", True, 2, "present")
    assert (new.rows, new.files, new.recipient, new.sink) == (40, 1, "tests", "team/people")
    assert new.bytes == sum(file.stat().st_size for file in (place.sink / "data" / second).iterdir())
    assert (new.separation, new.isolation, new.problem) == ("none", "none", "")
    assert old.policy_sha256 == new.policy_sha256
    assert len(new.policy_sha256) == 64
    assert new.signed_at.endswith("Z")


def test_each_side_lists_what_it_sees(place, first, second):
    assert place.states(Zone.STAGING, Zone.PRIVATE) == {first: "superseded", second: "released"}
    assert place.states(Zone.SANITIZED, Zone.PRIVATE) == {first: "released", second: "released"}
    assert place.states(Zone.SANITIZED, Zone.STAGING) == {first: "staged", second: "staged"}
    with pytest.raises(ConfigError, match="names none of the zones private, staging and sanitized"):
        place.states(Zone.SANITIZED, Zone.STAGING, Zone.PRIVATE)


def test_a_dataset_without_runs_is_said(place):
    assert len(list_runs(place.settings(), "people")) == 2
    with pytest.raises(NotFoundError, match="no run of 'nobody' is known in zone 'sanitized'"):
        list_runs(place.settings(), "nobody")


def test_runs_under_way_and_refused_ones(place):
    (place.root / "private" / "people" / EMPTY).mkdir()
    (place.root / "private" / "people" / EMPTY / "run.json").write_text("{}")
    staged = place.stage()
    assert place.states()[EMPTY] == "open"
    assert place.known(staged).state == "staged"
    assert place.known(staged).rows == 40
    place.refuse(LATER, "small-group")
    assert (place.known(LATER).state, place.known(LATER).reason) == ("refused", "small-group")


@pytest.mark.parametrize("name", ["manifest.json", "gate.json", "run.intoto.jsonl"])
def test_evidence_that_was_changed_says_so_and_the_others_stand(place, first, second, name):
    file = place.sink / "evidence" / first / name
    file.write_bytes(file.read_bytes().replace(b"e", b"E", 1))
    assert place.known(first).problem in {"integrity", "digest-mismatch", "signature"}
    assert place.known(first).said
    assert place.known(first).rows is not None, "staging and private still know it"
    assert not place.known(second).problem


def test_evidence_that_is_gone_says_so(place, first, second):
    shutil.rmtree(place.sink / "evidence" / first)
    assert place.known(first).problem == "integrity"
    shutil.rmtree(place.sink)
    assert "holds no evidence of it" in place.known(second).said


def test_no_state_is_believed_where_the_pointers_do_not_hold(place, first, second):
    (place.sink / "history" / "00000001.json").unlink()
    assert place.states(Zone.STAGING, Zone.PRIVATE) == {first: "unknown", second: "unknown"}
    assert place.known(second).problem == "integrity"
    pointer = place.sink / "current.json"
    pointer.write_bytes(pointer.read_bytes().replace(b"a", b"b", 1))
    assert place.known(second).problem in {"signature", "integrity"}


def test_without_a_trusted_key_nothing_is_listed(place):
    shutil.rmtree(place.root / "trust")
    with pytest.raises(SignatureError, match="no trusted key"):
        list_runs(place.settings())


def test_data_is_told_by_names_and_sizes(place, first, second):
    shutil.rmtree(place.sink / "data" / first)
    assert (place.known(first).data, place.known(first).problem) == ("pruned", "")
    (place.sink / "data" / second / "more.parquet").write_bytes(b"x")
    assert (place.known(second).data, place.known(second).problem) == ("incomplete", "integrity")
    shutil.rmtree(place.sink / "data" / second)
    assert (place.known(second).data, place.known(second).state) == ("incomplete", "released")


def test_a_staged_manifest_that_was_changed_says_so(place):
    run = place.stage()
    file = place.root / "staging" / "people" / run / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"purpose":"tests"', b'"purpose":"fun"'))
    assert (place.known(run).state, place.known(run).problem) == ("unknown", "integrity")


# --- show -------------------------------------------------------------------------------------------------------------


def test_one_run_is_found_by_how_it_begins(place, first, second):
    assert show_run(second, place.settings()).known.run == second
    for wrong, said in (("", "no run"), ("zz", "no run 'zz'"), (first[:2], "2 runs match")):
        with pytest.raises(NotFoundError, match=said):
            show_run(wrong, place.settings())


def test_a_run_in_full(place, second):
    shown = show_run(second, place.settings())
    assert shown.manifest.columns["id"].operator == "pseudonymize"
    assert shown.manifest.columns["id"].key_id.startswith("person/tests/1:")
    assert {check.check for check in shown.gate} >= {"schema", "entities", "rows"}
    assert all(check.passed for check in shown.gate)
    assert set(shown.not_proven) == {"PERSON", "LOCATION"}
    (split,) = shown.account.manifest.splits
    assert (split.inputs, split.counts.rows_out) == (("people/part.parquet",), 40)
    assert show_run(second, place.settings(Zone.PRIVATE)).account is None


def test_rejected_rows_are_named_inside_the_raw_side_alone(place, second):
    (split,) = show_run(second, place.settings()).account.manifest.splits
    failed = Failure(split.name, split.inputs, "born", "not-a-date", 3)
    write_failures(open_store(str(place.root / "private")), f"people/{second}", [failed])
    (failure,) = show_run(second, place.settings()).account.failures
    assert (failure.files, failure.column, failure.code, failure.rows) == (("people/part.parquet",), "born", "not-a-date", 3)
    (place.root / "private" / "people" / second / "failures.jsonl").write_text('{"split": "another"}\n')
    assert place.known(second).problem == "integrity"


def test_no_cell_value_is_shown(place, people, second):
    shown = show_run(second, place.settings())
    text = repr(shown) + repr(asdict(shown.known)) + repr(diff_runs(second, second, place.settings()))
    for column in ("email", "name", "phone", "note"):
        assert not [value for value in people(40)[column].to_pylist() if value in text]


# --- diff -------------------------------------------------------------------------------------------------------------


def test_a_run_done_again_reproduces_the_first(place, first, second):
    made = diff_runs(first, second, place.settings())
    assert (made.stable, made.outputs) == (True, True)
    assert [(one.part, one.name, one.left, one.right) for one in made.differences] == [
        ("release", "state", "superseded", "released")
    ]


def test_another_policy_shows_in_columns_schema_and_files(place, second):
    changed = (
        place.policy.read_text()
        .replace("mask: {keep_last: 2}", "drop: {}")
        .replace("domain: person", "domain: human")
        .replace("{person:", "{human:")
    )
    place.policy.write_text(changed)
    made = diff_runs(second, place.run(), place.settings())
    assert (made.stable, made.outputs) == (False, False)
    found = {(one.part, one.name): (one.left, one.right) for one in made.differences}
    assert found["column", "phone"] == ("mask", "drop")
    assert found["schema", "phone"][1] == "absent"
    assert ("policy", "policy_sha256") in found
    assert "person/tests/1:" in found["column", "id"][0]
    assert "human/tests/1:" in found["column", "id"][1]
    assert ("totals", "rows_out") not in found


def test_a_run_without_manifest_can_not_be_compared(place, second):
    with pytest.raises(NotFoundError, match="its manifest is in no zone"):
        diff_runs(second, second, place.settings(Zone.SANITIZED, Zone.STAGING))
