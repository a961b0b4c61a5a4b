"""The inner door on Spark: the same bytes as without it, no secret on the way, killed workers, failures, progress, readers.

One session for all of it (a JVM takes ten seconds to start).
"""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people, new_project
from tests.e2e._spark import Watch, forms, started
from tests.servers.verdict import Verdict, taken_back

from airlock.doors import _engine
from airlock.doors import anonymize as door
from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.verify import verified_data
from airlock.engines.spark import run_spark
from airlock.errors import AirlockError, DriftError, IsolationDriftError, TaskFailedError, TransientError
from airlock.evidence.manifest import PublicManifest

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    # pyspark leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DATASETS = ("people", "visits", "calls")
SPLIT_MIB = {"people": "0", "visits": "1", "calls": "0"}
README = Path(__file__).parents[2] / "README.md"
RECORDS = r"link .*/private/people/splits/.*\.json"


@pytest.fixture(scope="module")
def spark(require, tmp_path_factory):
    require("java")
    with started(tmp_path_factory.mktemp("spark")) as place:
        yield place


def settings(made, **more):
    return made.settings(engine="spark", master="local[2]", **more)


def rows_of(made, run):
    folder = made.root / "staging" / "people" / run / "data"
    return [row for file in sorted(folder.iterdir()) for row in pq.read_table(file).to_pylist()]


# --- the same as the local engine, and no secret on the way -----------------------------------------------------------------


@pytest.fixture(scope="module")
def both(spark, tmp_path_factory):
    """Three datasets (Parquet of several row groups, CSV, JSON lines), anonymized and released by either engine; Spark watched."""
    made = three_datasets(tmp_path_factory.mktemp("both"))
    done, frames, watch = {}, [], Watch(spark.folder / "local", secrets=secrets_of(made))

    def sealing(frame, binding):
        sealed = seal(frame, binding)
        executor = Path(binding.executor_key).read_bytes()
        watch.secrets += [form for key in (executor, *(frame.keys[one] for one in frame.keys)) for form in forms(key)]
        watch.controls += [sealed[:64]]
        frames.append(frame)
        return sealed

    seal = door.seal_frame
    with pytest.MonkeyPatch.context() as patch:
        for engine in ("local", "spark"):
            if engine == "spark":
                patch.setattr(door, "seal_frame", sealing)
            with watch.on() if engine == "spark" else nullcontext():
                for dataset in DATASETS:
                    anonymize(made.policy(dataset), settings(made, split_mib=SPLIT_MIB[dataset]), run_id="fixed", engine=engine)
            for dataset in DATASETS:
                assert release(made.policy(dataset), made.settings()).rows == 60
            done[engine] = {dataset: outcome(made, dataset) for dataset in DATASETS}
            for zone in ("private", "staging", "sanitized"):
                shutil.rmtree(made.root / zone)
    return done, watch, [len(frame.splits) for frame in frames]


def three_datasets(root):
    made = new_project(root)
    for dataset in ("visits", "calls"):
        (root / "raw" / dataset).mkdir()
    for dataset, form in zip(DATASETS, ("parquet", "csv", "jsonl"), strict=True):
        made.write_policy(dataset, form=form)
    for number in range(2):
        table = make_people(30, first=number * 1_000)
        made.write(table, f"{number}.parquet", row_group_size=10)
        rows = [{name: str(value) for name, value in row.items()} for row in table.to_pylist()]
        with (root / "raw" / "visits" / f"{number}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        lines = [json.dumps(row | {"id": int(row["id"]), "amount": int(row["amount"])}) for row in rows]
        (root / "raw" / "calls" / f"{number}.jsonl").write_text("\n".join(lines) + "\n")
    return made


def secrets_of(made):
    roots = json.loads((made.root / "keys" / "root.json").read_text())["epochs"].values()
    return [b"anary", *(form for text in roots for form in forms(base64.b64decode(text)))]


def outcome(made, dataset):
    """What an engine made, but for nonces and what evidence lists as volatile."""
    staged = {}
    # The records' own copies: a release empties staging.
    for file in sorted((made.root / "private" / dataset / "splits").glob("*.parquet")):
        staged.setdefault(file.name.partition("-")[0], []).append(file.read_bytes())
    place = made.root / "sanitized" / dataset
    evidence = place / "evidence" / "fixed"
    pointer = json.loads(base64.b64decode(json.loads((place / "current.json").read_bytes())["payload"]))
    private = json.loads((made.root / "private" / dataset / "fixed" / "manifest.json").read_text())
    return {
        "staged": staged,
        "released": {file.name: file.read_bytes() for file in sorted((place / "data" / "fixed").iterdir())},
        "manifest": PublicManifest.from_bytes((evidence / "manifest.json").read_bytes()).stable_bytes(),
        "gate": (evidence / "gate.json").read_bytes(),
        "pointer": {name: value for name, value in pointer.items() if name not in ("fence", "manifest", "published_at")},
        "private": sorted(json.dumps(split["counts"]) for split in private["splits"]),
    }


@pytest.mark.parametrize("dataset", DATASETS)
def test_spark_makes_the_same_bytes_as_the_local_engine(both, dataset):
    done, _, splits = both
    assert splits == [6, 1, 2]
    here, there = done["local"][dataset], done["spark"][dataset]
    assert len(here["staged"]) == splits[DATASETS.index(dataset)]
    for part in here:
        assert here[part] == there[part], part


def test_no_key_and_no_value_is_in_anything_that_spark_has_or_says(both, spark):
    """Arguments, environments and block files while tasks run; then event log, conf, and every word of driver and workers."""
    _, watch, _ = both
    assert watch.seen["processes"] > 20
    assert watch.seen["files"] > 0
    # The frames were there, and sealed they were seen.
    assert watch.controlled == set(watch.controls)
    (events,) = (spark.folder / "events").iterdir()
    places = {"events": events.read_bytes(), "log": spark.log.encode()}
    places["conf"] = repr(spark.session.sparkContext.getConf().getAll()).encode()
    for name, sign in (("events", b"MapInArrow"), ("log", b"Finished task"), ("conf", b"spark.eventLog.dir")):
        assert sign in places[name], name
        watch.look(name, places[name])
    assert watch.found == set()
    watch.look("a planted key", b"..." + watch.secrets[-1] + b"...")
    assert watch.found == {"a planted key"}


# --- workers that die -------------------------------------------------------------------------------------------------------


def test_killed_workers_are_replaced_and_nothing_is_lost_or_doubled(project, spark):
    """At three steps of a task: with its file half placed, before its record, and right after it."""
    made = project(files=5)
    steps = [
        {"do": "kill worker", "place": r"link .*/staging/people/run/data/"},
        {"do": "kill worker", "place": r"link .*/private/people/splits/.*\.parquet", "first": 1},
        {"do": "kill worker", "place": RECORDS, "first": 1},
        {"do": "kill worker", "place": RECORDS, "first": 3},
    ]
    with spark.ordered(*steps):
        done = anonymize(made.policy(), settings(made), run_id="run")
        assert spark.acted() == 4
    assert spark.log.count("Python worker exited unexpectedly") >= 3
    assert (done.rows_in, done.rows_out, done.splits, done.reused) == (100, 100, 5, 0)
    rows = rows_of(made, "run")
    assert len(rows) == len({row["id"] for row in rows}) == 100
    assert len(made.files("staging")) == 5 + 2
    assert not [name for name in made.files("private") if "/." in name]
    assert release(made.policy(), made.settings()).rows == 100


def test_a_stage_that_fails_for_good_is_temporary_and_keeps_what_is_finished(project, spark):
    made = project(files=4)
    with spark.ordered({"do": "kill worker", "place": RECORDS, "first": 2, "times": 1_000}):
        with pytest.raises(TransientError, match=r"the Spark stage failed .*finished splits are kept") as caught:
            anonymize(made.policy(), settings(made), run_id="run")
        assert spark.acted() >= 4
    assert caught.value.exit_code == 75
    assert "anary" not in str(caught.value)
    assert not (made.root / "staging" / "people" / "run" / "manifest.json").exists()
    again = anonymize(made.policy(), settings(made), run_id="run")
    assert (again.splits, again.rows_out) == (4, 80)
    # A task that outlived its stage may have finished one more.
    assert again.reused in (2, 3)
    rows = rows_of(made, "run")
    assert len(rows) == len({row["id"] for row in rows}) == 80


# --- tasks that fail --------------------------------------------------------------------------------------------------------


def test_broken_files_come_back_as_codes_and_twenty_are_named(project, spark):
    made = project(files=3)
    broken = made.write(make_people(500, first=9_000), "100.parquet", compression="NONE", use_dictionary=False)
    data = bytearray(broken.read_bytes())
    at = data.index(b"Canary009200@example.org")
    data[at - 3_000 : at - 2_900] = b"\xff" * 100
    broken.write_bytes(data)
    for number in range(101, 122):
        shutil.copy(broken, broken.with_name(f"{number}.parquet"))
    with pytest.raises(AirlockError, match=r"22 splits failed") as caught:
        anonymize(made.policy(), settings(made), run_id="run")
    said = str(caught.value)
    assert set(re.findall(r"people/1\d\d\.parquet", said.splitlines()[1])) == {f"people/{n}.parquet" for n in range(100, 120)}
    assert said.splitlines()[1].endswith("and 2 more")
    assert "anary" not in said
    assert "anary" not in spark.log
    failures = (made.root / "private" / "people" / "run" / "failures.jsonl").read_text().splitlines()
    assert len(failures) == 22
    for number in range(100, 122):
        broken.with_name(f"{number}.parquet").unlink()
    again = anonymize(made.policy(), settings(made))
    assert (again.reused, again.rows_out) == (3, 60)


def test_drift_that_only_tasks_see_is_refused(project, spark):
    """JSON lines have no schema to look at before: a field more in the last lines of the last file."""
    made = project(files=0)
    made.write_policy(form="jsonl")
    (made.root / "raw" / "people").mkdir()
    for number in range(3):
        rows = [row | {"born": str(row["born"])} for row in make_people(20, first=number * 1_000).to_pylist()]
        rows[-1] |= {"mother_name": "Canaryname"} if number == 2 else {}
        (made.root / "raw" / "people" / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DriftError, match=r"1 splits failed \(.*\); nothing was staged[^\n]*\nfiles: people/2\.jsonl\n"
    ) as caught:
        anonymize(made.policy(), settings(made), run_id="run")
    assert "mother_name" in str(caught.value)
    assert "Canaryname" not in str(caught.value)
    assert not [name for name in made.files("staging") if "manifest" in name]


def test_an_executor_without_its_key_says_so(project, spark, monkeypatch):
    made = project(files=3)
    original = door.seal_frame

    def lost(frame, binding):
        sealed = original(frame, binding)
        Path(binding.executor_key).unlink()
        return sealed

    monkeypatch.setattr(door, "seal_frame", lost)
    with pytest.raises(AirlockError, match=r"3 splits failed \(key-file\)") as caught:
        anonymize(made.policy(), settings(made))
    assert caught.value.exit_code == 3
    assert not isinstance(caught.value, TaskFailedError)


# --- preflight's verdict ----------------------------------------------------------------------------------------------------


def test_a_verdict_that_is_taken_back_ends_the_stage(project, spark):
    made = project(files=4)
    verdict = Verdict(made)
    verdict.sign("run")
    with spark.ordered({"do": "hang", "place": RECORDS, "first": 1}), taken_back(verdict, lambda: spark.acted() == 1) as began:
        with pytest.raises(IsolationDriftError, match="objects: one policy more"):
            anonymize(made.policy(), settings(made), run_id="run")
        assert time.monotonic() - began[0] < 20
    assert not (made.root / "staging" / "people" / "run" / "manifest.intoto.json").exists()
    verdict.sign("run")
    done = anonymize(made.policy(), settings(made), run_id="run")
    assert (done.rows_out, done.reused > 0) == (80, True)


def test_a_task_on_a_node_that_was_not_probed_opens_no_keys(project, spark):
    """What `local[2]`'s workers take for their node is the driver's; an executor's own stands in its environment."""
    made = project(files=2)
    verdict = Verdict(made)
    verdict.sign("run")
    shown = []

    def run_elsewhere(session, sealed, binding, bundles):
        assert binding.standing.node == "here"
        results = list(run_spark(session, sealed, replace(binding, standing=binding.standing.on("elsewhere")), bundles))
        shown.extend(results)
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_engine, "run_spark", run_elsewhere)
        with pytest.raises(AirlockError, match="this is node 'elsewhere', and the verdict of preflight is for: here") as caught:
            anonymize(made.policy(), settings(made), run_id="run")
    assert caught.value.exit_code == 3
    assert {result.code for result in shown} == {"permit"}
    assert [name for name in made.files("staging") if "/data/" in name] == []


# --- progress, readers ------------------------------------------------------------------------------------------------------


def test_progress_is_said_while_the_stage_runs(project, spark):
    made = project(files=4)
    said = []

    def hear(progress):
        said.append(progress)
        if progress.done == 2:
            spark.go_on()

    with spark.ordered({"do": "hold", "place": r"link .*/staging/people/", "first": 2, "times": 2}):
        anonymize(made.policy(), settings(made), watcher=hear)
    steps = [(one.done, one.total) for one in said]
    assert steps == sorted(steps)
    assert steps[0] == (0, 4)
    assert steps[-1] == (4, 4)
    assert (2, 4) in steps
    assert steps.count((4, 4)) == 1


@pytest.mark.parametrize("partition_by", ["", ", partition_by: [city]"], ids=["plain", "partitioned"])
def test_the_readme_reads_a_release_in_four_ways(project, spark, require, partition_by):
    for part in ("duckdb", "polars"):
        require(part)
    import duckdb
    import polars as pl
    import pyarrow.dataset

    made = project(files=3)
    made.write_policy(
        change=lambda text: text.replace(
            "retain:", f"{partition_by.removeprefix(', ')}, retain:" if partition_by else "retain:"
        )
    )
    anonymize(made.policy(), made.settings(), engine="spark")
    release(made.policy(), made.settings())
    path = str(verified_data(made.root / "sanitized" / "people", made.settings()))
    assert bool(list(Path(path).glob("city=*"))) == bool(partition_by)
    text = README.read_text(encoding="utf-8")
    names = {"pl": pl, "pyarrow": pyarrow, "spark": spark.session, "path": path}
    sql = re.search(r'^path=\$\(airlock path sanitized/customers\) && duckdb -c "(from .*)"$', text, re.MULTILINE)[1].replace(
        "$path", path
    )
    said = {
        name: re.search(rf"{name}: +(\S.*?\))(?: {{2,}}|$)", text, re.MULTILINE)[1] for name in ("polars", "pyarrow", "spark")
    }
    found = {name: eval(code, names) for name, code in said.items()}
    rows = {
        "duckdb": duckdb.sql(sql).to_arrow_table().to_pylist(),
        "polars": found["polars"].to_dicts(),
        "pyarrow": found["pyarrow"].to_table().to_pylist(),
        "spark": [row.asDict() for row in found["spark"].collect()],
    }
    one = by_id(rows["pyarrow"])
    assert len(one) == 60
    assert {row["city"] for row in one} == {"Lima", "Oslo", "Quito", "Paris"}
    for name, other in rows.items():
        assert by_id(other) == one, name


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


# --- passes -----------------------------------------------------------------------------------------------------------------


def test_passes_make_the_same_bytes_as_the_local_engine_and_tell_spark_nothing(project, spark, people):
    made = project(files=0)
    made.write_policy(
        change=lambda text: re.sub(
            r"city: .*", "city: {type: string, class: insensitive, keep_top: {n: 1, min_count: 20}}", text
        ).replace("generalize_number: {width: 100}", 'permute: {reason: "sums stay", min_rows: 30}')
    )
    for number in range(3):
        cities = pa.array(["Canarytown"] * 8 + ["Canaryville"] * 6 + [f"Canary{n}" for n in range(16)])
        amounts = pa.array([n // 2 for n in range(30)], pa.int64())
        table = people(30, first=1_000 * number).set_column(4, "city", cities).set_column(6, "amount", amounts)
        made.write(table, f"{number}.parquet")
    found = {}
    for engine in ("local", "spark"):
        anonymize(made.policy(), settings(made), run_id="fixed", engine=engine)
        folder = made.root / "staging" / "people" / "fixed" / "data"
        found[engine] = {(file.name.partition("-")[0], file.read_bytes()) for file in folder.iterdir()}
        rows = rows_of(made, "fixed")
        assert Counter(row["city"] for row in rows) == {"Canarytown": 24, "other": 66}
        for zone in ("private", "staging"):
            shutil.rmtree(made.root / zone)
    assert found["local"] == found["spark"]
    said = [file.read_bytes() for file in spark.folder.rglob("*") if file.is_file()]
    assert said
    assert not any(b"Canarytown" in data for data in said)
