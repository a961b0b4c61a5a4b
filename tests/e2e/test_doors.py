"""Both doors as commands, one after the other; the release read by others; exit codes; nothing raw anywhere outside."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from airlock.settings import load_settings
from airlock.storage import open_store
from airlock.storage.lease import Lease

COLUMNS = {"id", "email", "phone", "city", "born", "amount", "note"}


def rows_of(table):
    return sorted(table, key=lambda row: row["id"])


def test_both_doors_then_every_reader_sees_the_same_rows(project, airlock, require):
    made = project(files=3)
    staged = airlock("anonymize", made.policy(), project=made)
    assert staged.code == 0, staged.err
    (result,) = staged.summary["results"]
    assert {name: result[name] for name in ("dataset", "state", "rows", "rejected")} == {
        "dataset": "people",
        "state": "staged",
        "rows": 60,
        "rejected": 0,
    }
    (offered,) = (made.root / "staging" / "people").glob("*/manifest.json")
    offered_text = offered.read_text()  # the release empties staging
    released = airlock("release", made.policy(), project=made)
    assert released.code == 0, released.err
    assert released.summary["results"][0] | {"run": ""} == {
        "policy": "people.yaml",
        "exit_code": 0,
        "dataset": "people",
        "run": "",
        "state": "released",
        "rows": 60,
        "files": 3,
        "sequence": 1,
        "passed_over": [],
    }
    place = made.root / "sanitized" / "people"
    (published,) = place.glob("evidence/*/manifest.json")
    # The gate adds the splits up; who reads releases learns nothing of the rows of one raw file.
    assert [len(json.loads(text)["splits"]) for text in (offered_text, published.read_text())] == [3, 0]
    verified = airlock(
        "verify", place, "--trust", made.root / "trust" / "release.pub", env={"XDG_STATE_HOME": str(made.root / "s")}
    )
    assert verified.code == 0, verified.err
    assert verified.summary["results"][0]["state"] == "verified"
    found = airlock("path", place, project=made)
    assert (found.code, found.out.count("\n")) == (0, 1), found.err
    folder = found.out.strip()
    expected = rows_of(ds.dataset(folder, format="parquet").to_table().to_pylist())
    assert len(expected) == 60
    assert expected[0].keys() == COLUMNS
    assert {row["note"] for row in expected} == {"[removed]"}
    for part in ("duckdb", "polars"):
        require(part)
    import duckdb
    import polars as pl

    assert rows_of(duckdb.sql(f"from '{folder}/*.parquet'").to_arrow_table().to_pylist()) == expected
    assert rows_of(pl.read_parquet(f"{folder}/*.parquet").to_dicts()) == expected


def test_two_doors_with_configurations_of_their_own_meet_only_in_staging(project, airlock):
    """Each door's airlock.yaml names its own zones and keys alone; the release then says so."""
    made = project(files=1)
    inner, outer = made.root / "inner.yaml", made.root / "outer.yaml"
    inner.write_text(
        "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}}\n"
        "keys: {root: keys/root.json, stage_signing: keys/stage.pem}\ntrust: trust\nengine: local\nworkers: 1\n"
    )
    outer.write_text(
        "zones: {staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
        "keys: {release_signing: keys/release.pem}\ntrust: trust\npolicies: policies\nworkers: 1\nstate: state.json\n"
    )
    assert airlock("--config", inner, "anonymize", made.policy()).code == 0
    assert airlock("--config", outer, "release", made.policy()).code == 0
    place = made.root / "sanitized" / "people"
    assert airlock("--config", outer, "verify", place, "--require-separation").code == 0
    assert airlock("--config", outer, "anonymize", made.policy()).code == 2
    assert airlock("--config", inner, "release", made.policy()).code == 2


def test_exit_codes(project, airlock):
    made = project(files=1)
    assert airlock("anonymize", "--no-such-option").code == 2
    assert airlock("anonymize", made.root / "none.yaml", project=made).code == 2
    assert airlock("release", made.policy(), project=made).summary["results"][0]["state"] == "nothing new"
    (made.root / "policies" / "broken.yaml").write_text("apiVersion: airlock/v1\ndataset: broken\n")
    assert airlock("anonymize", made.root / "policies" / "broken.yaml", project=made).code == 2
    (made.root / "policies" / "broken.yaml").unlink()
    settings = load_settings(file=made.config, environment={})
    with Lease.acquire(open_store(settings.zone("private")), "people/lease.json", owner="other"):
        held = airlock("anonymize", made.policy(), project=made)
    assert (held.code, held.summary["results"][0]["code"]) == (75, "lease-held")
    assert airlock("run", made.policy(), project=made).code == 0
    place = made.root / "sanitized" / "people"
    assert airlock("verify", place, project=made, env={"AIRLOCK_STATE": str(made.root)}).code == 2
    assert airlock("verify", place, "--require-separation", project=made).code == 3
    without = airlock("verify", place, "--trust", made.root / "empty")
    assert (without.code, without.summary["results"][0]["code"]) == (3, "signature")
    assert airlock("verify", made.root / "sanitized" / "nobody", project=made).code == 2


def test_the_same_run_id_by_command(project, airlock, people):
    made = project(files=1)
    first = airlock("run", made.policy(), "--run", "one", project=made)
    assert first.code == 0, first.err
    again = airlock("run", made.policy(), "--run", "one", project=made)
    assert (again.code, again.summary["results"][0]["state"]) == (0, "released"), again.err
    made.write(people(30), "000.parquet")
    changed = airlock("run", made.policy(), "--run", "one", project=made)
    assert (changed.code, changed.summary["results"][0]["code"]) == (3, "run-bound")


def test_a_changed_release_is_found_and_its_path_not_given(project, airlock):
    made = project(files=1)
    assert airlock("run", made.policy(), project=made).code == 0
    place = made.root / "sanitized" / "people"
    (file,) = place.glob("data/*/*.parquet")
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    for command in ("verify", "path"):
        found = airlock(command, place, project=made)
        assert found.code == 3
        assert str(place / "data") not in found.out


@pytest.mark.slow
def test_nothing_raw_and_no_key_leaves_the_inside(project, tmp_path):
    """Arguments and environments while both doors run; then output, staging, records, evidence and release."""
    made = project(files=4, workers="2")
    command = [sys.executable, "-m", "airlock", "--config", str(made.config), "--log-format", "json", "run", str(made.policy())]
    seen = []
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as door:
        while door.poll() is None:
            seen += [shown(place) for place in Path("/proc").iterdir() if place.name.isdigit() and of_session(place.name)]
    assert door.returncode == 0
    assert len(seen) > 10
    secrets = secrets_of(made)
    places = [("a process", data) for data in seen] + [("output", (tmp_path / "out").read_bytes())] + list(contents(made))
    assert [place for place, data in places if any(secret in data for secret in secrets)] == []


def secrets_of(made):
    """What every raw cell holds, and the keys in every form."""
    found = [b"anary"]
    for text in json.loads((made.root / "keys" / "root.json").read_text())["epochs"].values():
        raw = base64.b64decode(text)
        found += [text.encode(), raw, raw.hex().encode()]
    for name in ("stage.pem", "release.pem"):
        found += [line for line in (made.root / "keys" / name).read_bytes().splitlines() if not line.startswith(b"-")]
    return found


def contents(made):
    for zone in ("staging", "private", "sanitized"):
        for name in made.files(zone):
            yield name, (made.root / zone / name).read_bytes()
            if name.endswith(".parquet"):
                yield name, str(pq.read_table(made.root / zone / name).to_pydict()).encode()


def of_session(pid):
    try:
        return os.getsid(int(pid)) == os.getsid(0)
    except OSError:
        return False


def shown(process):
    """A process's arguments and environment; nothing of one that has ended meanwhile."""
    data = b""
    for part in ("cmdline", "environ"):
        with suppress(OSError):
            data += (process / part).read_bytes()
    return data
