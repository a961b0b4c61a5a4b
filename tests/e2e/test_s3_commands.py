"""Buckets as users reach them: the commands, Spark tasks, CSV and JSON lines, drafts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.conftest import make_people
from tests.e2e._spark import QUICK


@pytest.fixture
def made(make_buckets):
    return make_buckets(files=2, rows=30)


def airlock(made, *arguments, code=0, **environment):
    """One command; nothing of the AWS environment reaches it."""
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "airlock", "--config", str(made.config), *map(str, arguments)],
        capture_output=True, text=True, cwd=made.root, env=kept | {"HOME": str(made.root)} | environment,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Canary" not in done.stdout + done.stderr
    assert "secret-of" not in done.stdout + done.stderr
    return done


def test_run_does_both_doors_each_with_its_identity(made):
    before = len(made.gateway.requests())
    airlock(made, "run", made.policy())
    lines = made.gateway.requests()[before:]
    by = {user: [line for line in lines if f" {made.name}-{user} " in line] for user in ("inner", "outer")}
    assert not [line for line in by["inner"] if f" {made.buckets['sanitized']} " in line]
    assert not [line for line in by["outer"] if f" {made.buckets['raw']} " in line or f" {made.buckets['private']} " in line]
    assert by["inner"]
    assert by["outer"]
    data = airlock(made, "path", "sanitized/people").stdout.strip()
    assert data.startswith(f"s3://{made.buckets['sanitized']}/people/data/")
    airlock(made, "verify", "sanitized")
    airlock(made, "verify", f"s3://{made.buckets['sanitized']}/people")
    assert "released" in airlock(made, "runs", "list").stdout


def test_looks_read_and_write_nothing(made):
    before = {zone: made.files(zone) for zone in made.buckets}
    airlock(made, "plan", made.policy())
    airlock(made, "preview", made.policy())
    airlock(made, "config")
    assert {zone: made.files(zone) for zone in made.buckets} == before


def test_a_draft_of_what_is_in_a_bucket(made):
    airlock(made, "draft", "raw/people", "--output", "drafted.yaml")
    assert "email:" in (made.root / "drafted.yaml").read_text()


def test_a_secret_is_in_no_frame_and_no_setting(made):
    shown = airlock(made, "config", "--format", "json").stdout
    assert json.loads(shown)["settings"]["zones.raw.identity"]["value"].endswith("inner.ini")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_sources(made, form):
    people = make_people(50)
    lines = people.to_pylist()
    if form == "csv":
        text = "\n".join([",".join(people.schema.names), *(",".join(str(value) for value in line.values()) for line in lines)])
    else:
        text = "\n".join(json.dumps(line, default=str) for line in lines)
    made.client.put_object(Bucket=made.buckets["raw"], Key=f"texts/people.{form}", Body=text.encode() + b"\n")
    airlock(made, "run", made.write_policy("texts", form=form))
    airlock(made, "verify", "sanitized/texts")


@pytest.mark.spark
@pytest.mark.slow
def test_spark_tasks_read_and_write_buckets(made, require):
    require("java")
    made.configure(master="'local[2,4]'")
    made.config.write_text(made.config.read_text().replace("engine: local", "engine: spark"))
    done = airlock(made, "run", made.policy(), JAVA_TOOL_OPTIONS=QUICK)
    (result,) = json.loads(done.stdout.splitlines()[-1])["results"]
    assert (result["state"], result["rows"]) == ("released", 60)
