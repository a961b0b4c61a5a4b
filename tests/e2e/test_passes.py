"""Passes through both doors: what stays is counted over the whole dataset, what was counted is not counted again, and the gate counts
for itself.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.runs import show_run
from airlock.engines import summaries
from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import FewRowsError, PolicyFileError, RareValueError, TooManyValuesError
from airlock.passes import TopValues

RARE = "Canaryville"
CITY = 'city:   {type: string, class: insensitive, keep: {reason: "closed list", values: [Lima, Oslo, Quito, Paris]}}'
TOP = "city: {type: string, class: insensitive, keep_top: {n: 2, min_count: 20}}"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Tasks run in this process; counts how many splits were read a first and a second time."""
    done: Counter[str] = Counter()

    def inline(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int) -> Iterator[TaskResult]:
        del workers
        assert RARE.encode() not in sealed
        assert b"Lima" not in sealed
        frame = open_frame(sealed, binding)
        done["first" if frame.first else "second"] += len(indexes)
        return (run_task(frame, index) for index in indexes)

    monkeypatch.setattr("airlock.doors._engine.run_local", inline)
    return done


def ruled(made, rule=TOP, **more):
    made.write_policy(change=lambda text: text.replace(CITY, rule), **more)
    return made


def living(people, *cities, first):
    """One person in each of these cities, by [city, how many]."""
    names = [city for city, count in cities for _ in range(count)]
    return people(len(names), first=first).set_column(4, "city", pa.array(names, pa.string()))


@pytest.fixture
def towns(make_project, people):
    """Three files: Lima and Oslo have 30 people over all of them, Quito 21, one city one."""
    made = ruled(make_project(files=0))
    for number in range(3):
        some = [("Lima", 10), ("Oslo", 10), ("Quito", 7), (RARE, int(number == 1))]
        made.write(living(people, *some, first=100 * number), f"{number:03}.parquet")
    return made


def cities_of(made, staged):
    folder = made.root / "staging" / "people" / staged.run / "data"
    return Counter(city for file in folder.iterdir() for city in pq.read_table(file)["city"].to_pylist())


def contents(made, staged):
    """Staged files by split and digest; their nonces are random."""
    folder = made.root / "staging" / "people" / staged.run / "data"
    return {(file.name.partition("-")[0], file.read_bytes()) for file in folder.iterdir()}


# --- keep_top ---------------------------------------------------------------------------------------------------------------


def test_values_are_counted_over_the_whole_dataset(towns, read):
    staged = anonymize(towns.policy(), towns.settings())
    assert cities_of(towns, staged) == {"Lima": 30, "Oslo": 30, "other": 22}
    assert read == {"first": 3, "second": 3}
    assert release(towns.policy(), towns.settings()).rows == 82
    held = [(towns.root / zone / name).read_bytes() for zone in ("private", "staging") for name in towns.files(zone)]
    assert not any(RARE.encode() in data for data in held)


def test_a_file_that_changes_no_conclusion_is_the_only_one_read(towns, read, people):
    anonymize(towns.policy(), towns.settings())
    read.clear()
    towns.write(living(people, ("Lima", 2), (RARE, 5), first=900), "003.parquet")
    staged = anonymize(towns.policy(), towns.settings())
    assert (staged.splits, staged.reused, read) == (4, 3, {"first": 1, "second": 1})
    assert cities_of(towns, staged) == {"Lima": 32, "Oslo": 30, "other": 27}
    assert release(towns.policy(), towns.settings(), run_id=staged.run).rows == 89


def test_a_file_that_changes_the_conclusion_has_every_split_written_anew(towns, read, people):
    anonymize(towns.policy(), towns.settings())
    read.clear()
    towns.write(living(people, ("Quito", 15), first=900), "003.parquet")
    staged = anonymize(towns.policy(), towns.settings())
    assert (staged.splits, staged.reused, read) == (4, 0, {"first": 1, "second": 4})
    assert cities_of(towns, staged) == {"Quito": 36, "Lima": 30, "other": 31}
    assert release(towns.policy(), towns.settings(), run_id=staged.run).rows == 97


def test_the_same_run_again_reads_nothing(towns, read):
    first = anonymize(towns.policy(), towns.settings(), run_id="one")
    read.clear()
    again = anonymize(towns.policy(), towns.settings(), run_id="one")
    assert (again.continued, again.rows_out, dict(read)) == (True, first.rows_out, {})


def test_a_run_elsewhere_gives_the_same_bytes(towns, read, tmp_path):
    copy = towns.copy(tmp_path / "copy")
    (copy.root / "raw" / "people" / "000.parquet").touch()
    one, other = (anonymize(made.policy(), made.settings()) for made in (towns, copy))
    assert contents(towns, one) == contents(copy, other)


def test_counts_that_are_not_ones_own_are_made_anew(towns, read):
    anonymize(towns.policy(), towns.settings())
    base = towns.root / "private" / "people" / "summaries"
    one, other, third = sorted(base.iterdir())
    one.write_bytes(other.read_bytes())
    third.unlink()
    (base / ("0" * 32)).write_bytes(b"of a file that is gone")
    read.clear()
    assert anonymize(towns.policy(), towns.settings()).reused == 3
    assert dict(read) == {"first": 2}
    assert len(list(base.iterdir())) == 3


def test_a_policy_that_counts_no_longer_leaves_no_counts(towns, read):
    anonymize(towns.policy(), towns.settings())
    ruled(towns, 'city: {type: string, class: insensitive, redact: {with: "-"}}')
    anonymize(towns.policy(), towns.settings())
    assert [name for name in towns.files("private") if "/summaries/" in name] == []


def test_inside_lists_a_row_counts_once_for_a_value(make_project, people, read):
    made = ruled(make_project(files=0), TOP.replace("city:", '"city[].name":'))
    lists = [[{"name": "Lima"}, {"name": "Lima"}, {"name": None}]] * 19 + [[{"name": "Oslo"}, {"name": RARE}], None, []] * 20
    names = pa.array(lists, pa.list_(pa.struct([("name", pa.string())])))
    made.write(people(len(lists)).set_column(4, "city", names), "000.parquet")
    staged = anonymize(made.policy(), made.settings())
    (file,) = (made.root / "staging" / "people" / staged.run / "data").iterdir()
    written = Counter(str(row) for row in pq.read_table(file)["city"].to_pylist())
    oslo = [{"name": "Oslo"}, {"name": RARE}]
    assert written == {
        str([{"name": "other"}, {"name": "other"}, {"name": None}]): 19,
        str(oslo): 20,
        "None": 20,
        "[]": 20,
    }  # twenty rows each: both of a pair stay
    assert release(made.policy(), made.settings()).rows == 79


def test_left_out_subjects_and_rows_that_may_be_rejected_do_not_count(towns, read, people):
    (towns.root / "raw" / "gone.txt").write_text("100000\n")  # of Lima
    rule = TOP.replace("n: 2, min_count: 20", "n: 5, min_count: 30")
    ruled(towns, rule)
    text = towns.policy().read_text().replace("format: parquet}", "format: parquet, exclude: gone.txt}")
    towns.policy().write_text(text)
    staged = anonymize(towns.policy(), towns.settings())
    assert cities_of(towns, staged) == {"Oslo": 30, "other": 51}
    ruled(towns, rule, max_rejects=1)
    assert cities_of(towns, anonymize(towns.policy(), towns.settings())) == {"other": 82}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_other_formats(make_project, people, read, form):
    import json

    from pyarrow import csv

    made = ruled(make_project(files=0), form=form)
    table = living(people, ("Lima", 25), (RARE, 19), first=0)
    folder = made.root / "raw" / "people"
    folder.mkdir()
    if form == "csv":
        csv.write_csv(table, folder / "000.csv")
    else:
        (folder / "000.jsonl").write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()))
    assert cities_of(made, anonymize(made.policy(), made.settings())) == {"Lima": 25, "other": 19}


def test_a_column_of_too_many_values_is_refused(towns, read, monkeypatch):
    monkeypatch.setattr(summaries, "_MOST_VALUES", 3)
    with pytest.raises(TooManyValuesError, match="column 'city' has more than 3 different values") as caught:
        anonymize(towns.policy(), towns.settings(), run_id="one")
    assert RARE not in f"{caught.value!r} {caught.value.facts}"
    assert towns.files("staging") == []
    assert {one.code for one in show_run("one", towns.settings()).account.failures} == {"too-many-values"}


def test_too_many_values_in_all_splits_together(towns, read, monkeypatch, people):
    towns.write(living(people, ("A", 1), ("B", 1), ("C", 1), first=900), "003.parquet")
    monkeypatch.setattr(summaries, "_MOST_VALUES", 4)
    with pytest.raises(TooManyValuesError):
        anonymize(towns.policy(), towns.settings())
    assert towns.files("staging") == []


@pytest.mark.parametrize(
    ("extra", "said"), [({RARE}, "1 values that fewer than 20"), ({"Quito"}, "3 different values, its rule lets 2")]
)
def test_the_gate_counts_for_itself(towns, read, monkeypatch, extra, said):
    """A list that has a rare value, or one too many, gets past the inner door."""
    proper = TopValues.conclude

    def more(self, summary, *, spare=0):
        stay = [
            value for value in proper(self, summary, spare=spare)["value"].to_pylist() if extra != {RARE} or value != "Oslo"
        ]
        return pa.table({"value": pa.array(sorted({*stay, *extra}), pa.large_string())})

    monkeypatch.setattr(TopValues, "conclude", more)
    anonymize(towns.policy(), towns.settings())
    with pytest.raises(RareValueError, match=f"column 'city' has {said}") as caught:
        release(towns.policy(), towns.settings())
    assert caught.value.exit_code == 3
    assert not any(city in f"{caught.value!r} {caught.value.facts}" for city in (RARE, "Quito", "Lima"))
    assert not [name for name in towns.files("sanitized") if name.endswith(".parquet")]


@pytest.mark.slow
def test_killed_while_counting_a_new_run_counts_the_rest(towns, nursery, people):
    for number in range(3, 20):
        towns.write(living(people, ("Lima", 2), first=100 * number), f"{number:03}.parquet")
    killed = nursery.run("anonymize", towns, run="killed", count=18, place=r"link .*/private/people/summaries/.*")
    assert killed["signal"] == signal.SIGKILL
    counted = {name for name in towns.files("private") if name.startswith("people/summaries/") and "/." not in name}
    assert len(counted) == 17
    before = {name: (towns.root / "private" / name).stat().st_mtime_ns for name in counted}
    again = nursery.run("anonymize", towns, run="killed")["result"]
    assert (again["splits"], again["rows_out"]) == (20, 116)
    after = {name: (towns.root / "private" / name).stat().st_mtime_ns for name in counted}
    assert after == before  # not counted again
    assert nursery.run("release", towns)["result"]["rows"] == 116


# --- permute ----------------------------------------------------------------------------------------------------------------

AMOUNT = "generalize_number: {width: 100}"


def test_permuted_values_are_the_same_in_other_rows(make_project, people, read):
    made = make_project(files=2, rows=60)
    made.write_policy(change=lambda text: text.replace(AMOUNT, 'permute: {reason: "sums stay", min_rows: 60}'))
    # Two people share an amount: what is nearly unique does not leave, permuted or not.
    for number in range(2):
        table = people(60, first=1_000 * number)
        made.write(table.set_column(6, "amount", pa.array([n // 2 for n in range(60)], pa.int64())), f"{number:03}.parquet")
    staged = anonymize(made.policy(), made.settings())
    folder = made.root / "staging" / "people" / staged.run / "data"
    for file in folder.iterdir():
        table = pq.read_table(file)
        assert sorted(table["amount"].to_pylist()) == sorted(n // 2 for n in range(60))
    assert release(made.policy(), made.settings()).rows == 120
    assert read == {"second": 2}


def test_too_few_rows_to_permute_among_stage_nothing(make_project, read):
    made = make_project(files=1, rows=49)
    made.write_policy(change=lambda text: text.replace(AMOUNT, 'permute: "sums stay"'))
    with pytest.raises(FewRowsError, match="column 'amount': a row group of a split has 49 rows"):
        anonymize(made.policy(), made.settings())


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            '"amount.x": {type: int64, class: sensitive, permute: r}',
            "'permute' can't stand on 'amount.x': a nested value has no row",
        ),
        ("amount: {type: int64, class: direct_identifier, permute: r}", "may not stand on a direct_identifier"),
        (
            "amount: {type: int64, class: sensitive, when: {column: city, in: [Lima], then: {permute: r}, otherwise: {keep: r}}}",
            "'permute' can't stand inside another operator: it looks at more than one row",
        ),
        (
            "amount: {type: int64, class: sensitive, when: {column: city, in: [Lima], then: {keep: r}, otherwise: {keep_top: 5}}}",
            "'keep_top' can't stand inside another operator",
        ),
    ],
)
def test_where_passes_can_not_stand(make_project, rule, said):
    made = make_project(files=1)
    made.write_policy(
        change=lambda text: text.replace("amount: {type: int64, class: sensitive, generalize_number: {width: 100}}", rule)
    )
    with pytest.raises(PolicyFileError, match=said):
        anonymize(made.policy(), made.settings())
