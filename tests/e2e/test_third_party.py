"""An operator of another package: found by its entry point, held to the laws, run by both doors, and never in place of one of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MODULE = '''\
"""Initials of names."""

from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic.dataclasses import dataclass

from airlock.errors import OperatorTypeError
from airlock.operators import STRICT, Contract, Operator


@dataclass(kw_only=True, config=STRICT)
class Initials(Operator):
    """The first letter alone.

    Guarantee: one character at most.
    """

    name: ClassVar[str] = "initials"
    distributions: ClassVar[tuple[str, ...]] = ("acme-operators",)
    upper: bool = True

    @property
    def contract(self):
        return Contract(technique="generalization")

    def result_field(self, field):
        if field.type not in (pa.string(), pa.large_string()):
            raise OperatorTypeError(f"'initials' takes text, and '{field.name}' is {field.type}")
        return pa.field(field.name, field.type, nullable=field.nullable)

    def kernel(self, field, keys):
        def first(values):
            made = pc.utf8_slice_codeunits(values, 0, 1)
            return pc.utf8_upper(made) if self.upper else made
        return first


@dataclass(kw_only=True, config=STRICT)
class Odd(Initials):
    """Of a technique that nobody knows."""

    name: ClassVar[str] = "odd"

    @property
    def contract(self):
        return Contract(technique="tokenization")


@dataclass(kw_only=True, config=STRICT)
class Other(Initials):
    """Named otherwise than its entry point."""
'''

POLICY = """\
apiVersion: airlock/v1
dataset: people
owner: o@example.org
purpose: a test
source: {path: people}
sink: {path: people}
subject: id
keys: {recipient: r, epoch: 1, domains: {person: {}}}
columns:
  id: {type: int64, class: direct_identifier, pseudonymize: person}
  name: {type: string, class: sensitive, unshaped: "initials, reviewed", initials: {}}
gate: {not_proven: {PERSON: "initials", LOCATION: "initials"}}
privacy: {k_anonymity: {none: a test}}
"""


@pytest.fixture
def package(tmp_path):
    """A folder as an installed distribution leaves it: the module, and its metadata."""
    folder = tmp_path / "site"
    metadata = folder / "acme_operators-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "acme_operators.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-operators\nVersion: 1.0\n")
    points = "[airlock.operators]\ninitials = acme_operators:Initials\ntruncate = acme_operators:Initials\n"
    points += "gone = acme_gone:Gone\nmissing = acme_operators:Missing\ntext = acme_operators:__doc__\nodd = acme_operators:Odd\nother = acme_operators:Other\n"
    (metadata / "entry_points.txt").write_text(points)
    return folder


@pytest.fixture
def python(package, tmp_path):
    """Run a program with the package on its path."""

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(package), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_it_is_listed_beside_ours_and_replaces_none(python):
    done = python("-m", "airlock", "operators", "list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("    ")}
    assert "The first letter alone." in lines["initials"]
    assert "The first letter alone." not in lines["truncate"]


def test_one_that_is_broken_hides_no_other(python, tmp_path):
    done = python("-m", "airlock", "operators", "list")
    said = " ".join(done.stdout.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "The first letter alone." in said
    shown = python("-m", "airlock", "operators", "show", "gone")
    assert shown.returncode == 2
    assert "entry point 'acme_gone:Gone' of distribution 'acme-operators' (ModuleNotFoundError)" in " ".join(
        shown.stderr.split()
    )
    assert "'tokenization' is no technique here; known: cryptographic: deterministic encryption" in said
    wrong = {
        "missing": "AttributeError",
        "text": "no operator's class",
        "other": "the `name` 'initials'",
        "odd": "'tokenization'",
    }
    for name, why in wrong.items():
        assert why in python("-m", "airlock", "operators", "show", name).stderr
    (tmp_path / "airlock.yaml").write_text("zones: {raw: {uri: raw}}\n")
    policy = tmp_path / "people.yaml"
    policy.write_text(POLICY.replace("initials: {}", "gone: {}"))
    planned = python("-m", "airlock", "plan", str(policy))
    assert (planned.returncode, "operator 'gone' can't be loaded" in " ".join(planned.stderr.split())) == (2, True)
    assert python("-m", "airlock", "policy", "schema").returncode == 0


TELLS = {
    "an error of ours": "raise OperatorTypeError(f'it is {values[7]}')",
    "a code": "raise RejectedValuesError(f'is-{values[7]}', pa.array([True] * len(values)))",
}


@pytest.mark.parametrize("how", TELLS)
def test_what_its_kernel_says_is_not_told(python, package, tmp_path, how):
    """Its text may quote a value, whatever the exception's class."""
    module = package / "acme_operators.py"
    text = MODULE.replace("made = pc.utf8_slice_codeunits(values, 0, 1)", TELLS[how])
    module.write_text(text.replace("Contract, Operator\n", "Contract, Operator, RejectedValuesError\n"))
    done = ran(python, tmp_path)
    assert done.returncode != 0
    assert "unexpected" in done.stderr
    assert "name 7" not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".parquet", ".py", ".pyc")]
    assert not [path for path in kept if b"name 7" in path.read_bytes()]


def ran(python, tmp_path):
    (tmp_path / "raw" / "people").mkdir(parents=True)
    table = pa.table({"id": range(50), "name": [f"name {number}" for number in range(50)]})
    pq.write_table(table, tmp_path / "raw" / "people" / "part.parquet")
    (tmp_path / "policies").mkdir()
    policy = tmp_path / "policies" / "people.yaml"
    policy.write_text(POLICY)
    made = python("-m", "airlock", "keys", "init")
    assert made.returncode == 0, made.stderr
    zones = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
    (tmp_path / "airlock.yaml").write_text(zones + made.stdout + "policies: policies\nworkers: 2\n")
    return python("-m", "airlock", "run", str(policy))


def test_the_laws_are_there_to_be_run(python):
    text = (
        "import pyarrow as pa\nfrom acme_operators import Initials\nfrom airlock.testing import check_laws\n"
        "check_laws(Initials(), pa.field('name', pa.string()), pa.array(['ann', None, '', 'Ömer']))\n"
        "check_laws(Initials(upper=False), pa.field('name', pa.large_string()), pa.array(['ann', None], pa.large_string()))\n"
    )
    done = python("-c", text)
    assert (done.returncode, done.stderr) == (0, "")


def test_both_doors_run_it_in_worker_processes(python, tmp_path):
    done = ran(python, tmp_path)
    assert done.returncode == 0, done.stderr
    found = python("-m", "airlock", "path", "sanitized/people")
    released = pq.read_table(tmp_path / found.stdout.strip())
    assert set(released.column("name").to_pylist()) == {"N"}
    manifest = json.loads(next((tmp_path / "sanitized/people/evidence").glob("*/manifest.json")).read_text())
    assert manifest["columns"]["name"]["operator"] == "initials"
    assert manifest["code"]["acme-operators"] == "1.0"


def planned(python, tmp_path, was, now):
    """`plan` of the policy with one thing changed, over a source without files."""
    (tmp_path / "raw" / "people").mkdir(parents=True)
    policy = tmp_path / "people.yaml"
    policy.write_text(POLICY.replace(was, now))
    (tmp_path / "airlock.yaml").write_text("zones: {raw: {uri: raw}}\n")
    return python("-m", "airlock", "plan", str(policy))


def test_without_a_reason_it_has_no_form_that_the_gate_could_check(python, tmp_path):
    done = planned(python, tmp_path, 'unshaped: "initials, reviewed", ', "")
    assert done.returncode == 2
    assert "'initials' declares no output format" in done.stderr


def test_on_a_direct_identifier_it_is_refused_before_anything_is_read(python, tmp_path):
    """The gate would: it knows no form of it."""
    done = planned(python, tmp_path, "name: {type: string, class: sensitive", "name: {type: string, class: direct_identifier")
    assert (done.returncode, "'initials' may not stand on a direct_identifier" in done.stderr) == (2, True)
    shown = json.loads(python("-m", "airlock", "operators", "show", "initials", "--format", "json").stdout)
    assert "direct_identifier" not in shown["classes"]
