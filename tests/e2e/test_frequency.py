"""Frequencies that would invert pseudonyms: refused by the inner door before anything is staged, and by the gate all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.runs import show_run
from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import FrequencyError

ACCEPTED = (
    "pseudonymize: {domain: email, form: hex}",
    'accept_frequency: "few on purpose", pseudonymize: {domain: email, form: hex}',
)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool's processes take longer to start than these tests."""

    def inline(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int) -> Iterator[TaskResult]:
        del workers
        frame = open_frame(sealed, binding)
        return (run_task(frame, index) for index in indexes)

    monkeypatch.setattr("airlock.doors._engine.run_local", inline)


def filled(project, people, mails, *, size=40, **settings):
    """Files of `size` people each, each a split of its own, with these e-mail addresses."""
    made = project(files=0, **settings)
    for number, start in enumerate(range(0, len(mails), size)):
        part = mails[start : start + size]
        table = people(len(part), first=start)
        made.write(table.set_column(1, "email", pa.array(part)), f"{number:03}.parquet")
    return made


def assert_refused(made, said):
    with pytest.raises(FrequencyError, match=said) as caught:
        anonymize(made.policy(), made.settings())
    assert caught.value.exit_code == 3
    assert "accept_frequency: REASON" in str(caught.value)
    assert "example.org" not in str(caught.value)
    assert made.files("staging") == []


def few(count, rows):
    return [f"mail{number % count}@example.org" for number in range(rows)]


def test_few_values_over_several_files_stage_nothing(make_project, people):
    made = filled(make_project, people, few(30, 120))
    assert_refused(made, "column 'email' has 30 different tokens in 120 values, the most frequent in 4")
    (run,) = {path.split("/")[1] for path in made.files("private") if path.endswith("run.json")}
    assert [(one.column, one.code) for one in show_run(run, made.settings()).account.failures] == [("email", "frequency")]
    assert release(made.policy(), made.settings()).state == "nothing new"


def test_a_column_that_is_unique_in_every_split_but_not_over_them(make_project, people):
    made = filled(make_project, people, few(40, 120))
    assert_refused(made, "40 different tokens in 120 values, the most frequent in 3")


def test_reused_records_are_judged_like_fresh_ones(make_project, people):
    made = filled(make_project, people, few(40, 120))
    for _ in range(2):
        assert_refused(made, "40 different tokens in 120 values")
    made.write(people(800, first=9_000), "more.parquet")
    staged = anonymize(made.policy(), made.settings())
    assert (staged.splits, staged.reused) == (4, 3)


def test_a_reason_lets_it_pass_both_doors(make_project, people):
    made = filled(make_project, people, few(30, 120))
    made.write_policy(change=lambda text: text.replace(*ACCEPTED))
    assert anonymize(made.policy(), made.settings()).rows_out == 120
    assert release(made.policy(), made.settings()).rows == 120


def test_the_subject_is_exempt_and_other_columns_of_its_domain_are_not(make_project, people):
    made = make_project(files=0)
    for number in range(3):
        made.write(people(40), f"{number:03}.parquet")
    made.write_policy(
        change=lambda text: text.replace("{domain: email,", "{domain: person,").replace("canonical: [decimal]", "")
    )
    assert_refused(made, "40 different tokens in 120 values")
    made.write_policy(change=lambda text: text.replace("pseudonymize: {domain: email, form: hex}", "drop: {}"))
    assert anonymize(made.policy(), made.settings()).rows_out == 120


def test_a_value_that_stands_out_of_many(make_project, people):
    mails = [f"mail{number}@example.org" for number in range(24_000)]
    mails[::50] = ["info@example.org"] * 480
    made = filled(make_project, people, mails, size=12_000)
    assert_refused(made, "10,000 or more different tokens in 24,000 values, the most frequent in at least 4")
    mails[::50] = [f"more{number // 100}@example.org" for number in range(480)]
    other = filled(make_project, people, mails, size=12_000, folder="other")
    assert anonymize(other.policy(), other.settings()).rows_out == 24_000


def test_leaves_inside_lists_count(make_project, people):
    made = make_project(files=0)
    for number in range(3):
        table = people(40, first=40 * number)
        mails = pa.array(
            [[{"m": f"mail{(2 * n) % 16}@example.org"}, {"m": f"mail{(2 * n + 1) % 16}@example.org"}] for n in range(40)]
        )
        made.write(table.set_column(1, "email", mails), f"{number:03}.parquet")
    made.write_policy(change=lambda text: text.replace("  email:  {type", '  "email[].m": {type'))
    assert_refused(made, r"column 'email\[\].m' has 16 different tokens in 240 values, the most frequent in 15")


def test_the_gate_counts_for_itself(make_project, people, monkeypatch):
    """An inner door that does not count stages; the outer door refuses from the tokens."""
    monkeypatch.setattr("airlock.doors.anonymize.demand_frequencies", lambda *_: None)
    made = filled(make_project, people, few(30, 120))
    anonymize(made.policy(), made.settings())
    with pytest.raises(FrequencyError, match="column 'email' has 30 distinct tokens in 120 rows"):
        release(made.policy(), made.settings())


def test_a_record_without_counts_is_not_taken_for_one_that_passed(make_project, people):
    """Records of versions that did not count, or whose counts were cut out, are made anew."""
    made = filled(make_project, people, few(30, 120))
    assert_refused(made, "30 different tokens")
    for name in [name for name in made.files("private") if "/splits/" in name and name.endswith(".json")]:
        path = made.root / "private" / name
        envelope = json.loads(path.read_bytes())
        body = json.loads(envelope["record"])
        body["frequencies"] = []
        envelope["record"] = json.dumps(body, sort_keys=True, separators=(",", ":"))
        path.unlink()
        path.write_text(json.dumps(envelope))
    assert_refused(made, "30 different tokens")


def test_a_column_that_references_itself_counts(make_project, people):
    made = filled(make_project, people, few(30, 120))
    own = ("pseudonymize: {domain: email,", "references: people.email, pseudonymize: {domain: email,")
    made.write_policy(change=lambda text: text.replace(*own))
    assert_refused(made, "column 'email' has 30 different tokens in 120 values")
