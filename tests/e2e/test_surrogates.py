"""Surrogates from end to end: two tables that agree, places that fit together, and what the doors refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.keys import create_keys
from airlock.doors.plan import plan_policy
from airlock.doors.release import release
from airlock.engines.changed import ChangeCounter
from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import FrequencyError, MissingCapabilityError, PolicyFileError, ShapeError, UnchangedValuesError
from airlock.operators import RowOperator
from airlock.operators.surrogate import RowSurrogate
from airlock.policy.pools._places import places
from airlock.settings import Settings, load_settings

ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
ROWS = 400
ADDRESS = "of: [address.street, address.city, address.zip]"
FEW = 'accept_frequency: "few on purpose"'

POLICY = """\
apiVersion: airlock/v1
dataset: {name}
owner: o@example.org
purpose: a test
source: {{path: {name}}}
sink: {{path: {recipient}/{name}}}
subject: id
keys: {{recipient: {recipient}, epoch: 1, domains: {{id: {{}}, person: {{canonical: [trim, casefold]}}, address: {{}}}}}}
columns:
  id: {{type: int64, class: direct_identifier, pseudonymize: {{domain: id}}}}
{columns}
gate:
  synthetic: {{{synthetic}}}
privacy: {{k_anonymity: {{none: "a test"}}}}
"""

NAME = "  name: {type: string, class: direct_identifier, surrogate: {kind: full_name, domain: person}}"
CUSTOMERS = f"""\
{NAME}
  email: {{type: string, class: direct_identifier, surrogate: {{kind: email, domain: person, of: [name], gender: {{column: sex, female: [f], male: [m]}}}}}}
  sex: {{type: string, class: insensitive, keep: {{reason: "a closed list", values: [f, m]}}}}
  address.street: {{type: string, class: direct_identifier, surrogate: {{kind: street, domain: address, {ADDRESS}}}}}
  address.city: {{type: string, class: quasi_identifier, {FEW}, surrogate: {{kind: city, domain: address, {ADDRESS}}}}}
  address.state: {{type: string, class: quasi_identifier, {FEW}, surrogate: {{kind: state, domain: address, {ADDRESS}}}}}
  address.zip: {{type: string, class: quasi_identifier, {FEW}, surrogate: {{kind: postcode, domain: address, {ADDRESS}}}}}"""
LOOKS = {
    "name": "PERSON", "email": "EMAIL_ADDRESS", "address.street": "LOCATION", "address.city": "LOCATION", "address.state": "LOCATION",
    "address.zip": "LOCATION",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an operator can be replaced."""

    def inline(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int) -> Iterator[TaskResult]:
        del workers
        frame = open_frame(sealed, binding)
        return (run_task(frame, index) for index in indexes)

    monkeypatch.setattr("airlock.doors._engine.run_local", inline)


class Project:
    """Two tables of the same people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        more = create_keys(folder / "keys").settings(folder) + "policies: policies\nworkers: 1\n"
        (folder / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
        self.settings: Settings = load_settings(file=folder / "airlock.yaml", environment={})
        names = [f"Person {number}" for number in range(ROWS)]
        address = pa.StructArray.from_arrays(
            [pa.array([f"{number} Real Road" for number in range(ROWS)]), pa.array(["Realville"] * ROWS), pa.array(["Real State"] * ROWS),
             pa.array([f"{90_000 + number}" for number in range(ROWS)])],
            ["street", "city", "state", "zip"],
        )  # fmt: skip
        customers = {
            "name": names,
            "email": [f"{number}@gmail.com" for number in range(ROWS)],
            "sex": ["f", "m"] * (ROWS // 2),
            "address": address,
        }
        self.write("customers", {"id": range(ROWS)} | customers)
        self.write("orders", {"id": range(ROWS), "name": [f" {name.upper()}" for name in reversed(names)]})

    def write(self, name, columns):
        (self.folder / "raw" / name).mkdir(parents=True)
        pq.write_table(
            pa.table({key: value if isinstance(value, pa.Array) else pa.array(list(value)) for key, value in columns.items()}),
            self.folder / "raw" / name / "part.parquet",
        )

    def policy(self, name, columns, *, looks=LOOKS, recipient="tests"):
        path = self.folder / "policies" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        known = {column: entity for column, entity in looks.items() if f"  {column}:" in columns}
        synthetic = ", ".join(f"{column}: {entity}" for column, entity in known.items())
        path.write_text(POLICY.format(name=name, columns=columns, synthetic=synthetic, recipient=recipient), encoding="utf-8")
        return path

    def run(self, policy):
        anonymize(policy, self.settings, engine="local")
        return release(policy, self.settings)

    def released(self, name, recipient="tests"):
        files = sorted((self.folder / "sanitized" / recipient / name / "data").rglob("*.parquet"))
        return pa.concat_tables(pq.read_table(file) for file in files).to_pylist()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_two_tables_agree_and_places_fit_together(project):
    assert project.run(project.policy("customers", CUSTOMERS)).rows == ROWS
    assert project.run(project.policy("orders", NAME)).rows == ROWS
    customers, orders = project.released("customers"), project.released("orders")
    assert {row["name"] for row in customers} == {row["name"] for row in orders}
    there = set(zip(places("en_US").cities, places("en_US").states, places("en_US").postcodes, strict=True))
    assert {(row["address"]["city"], row["address"]["state"], row["address"]["zip"]) for row in customers} <= there
    assert len({row["address"]["zip"] for row in customers}) > 350
    text = str(customers)
    assert "Person " not in text
    assert "Real" not in text
    assert "gmail" not in text


def test_recipients_get_names_that_match_by_chance_alone(project):
    seen = []
    for recipient in ("one", "other"):
        project.run(project.policy("orders", NAME, recipient=recipient))
        seen.append({row["name"] for row in project.released("orders", recipient)})
    assert all(len(names) > ROWS - 5 for names in seen)
    assert len(seen[0] & seen[1]) < 5


def test_what_looks_real_is_staged_by_no_policy_that_does_not_say_so(project):
    policy = project.policy("orders", NAME, looks={})
    with pytest.raises(PolicyFileError, match=r"'surrogate' writes what looks like PERSON.*synthetic: \{name: PERSON\}"):
        anonymize(policy, project.settings, engine="local")


def test_other_word_lists_judge_nothing(project, monkeypatch):
    """The run waits: with the same lists it is released."""
    policy = project.policy("orders", NAME)
    staged = anonymize(policy, project.settings, engine="local")
    with monkeypatch.context() as patched:
        patched.setattr("airlock.policy.pools._words.version", lambda _: "0.1")
        for run in (None, staged.run):
            with pytest.raises(MissingCapabilityError, match=r"made with Faker [0-9.]+, this door has 0\.1"):
                release(policy, project.settings, run_id=run)
    assert release(policy, project.settings).state == "released"


def test_few_surrogates_that_repeat_need_a_reason(project):
    """More names than there are surrogates, or not: what repeats is counted as it is written."""
    policy = project.policy("customers", CUSTOMERS.replace(f"quasi_identifier, {FEW}", "quasi_identifier", 1))
    with pytest.raises(
        FrequencyError, match=r"column 'address\.city' has (1[5-9]|2\d)\d different tokens in 400 values"
    ) as caught:
        anonymize(policy, project.settings, engine="local")
    assert "accept_frequency: REASON" in str(caught.value)


@pytest.fixture(params=["email", "address.street", "address.city", "address.zip"])
def broken(request, monkeypatch):
    """A column whose kernel hands its values through."""
    proper = RowSurrogate.kernel

    def kernel(self, field, keys):
        return (lambda rows: rows.field("value")) if field.name == request.param else proper(self, field, keys)

    assert issubclass(RowSurrogate, RowOperator)
    monkeypatch.setattr(RowSurrogate, "kernel", kernel)
    return request.param


ACCEPTED = CUSTOMERS.replace("direct_identifier, surr", f"direct_identifier, {FEW}, surr")


def test_raw_values_are_not_staged(project, broken):
    """Of a town that all rows share one value alone is unchanged, as it could be by chance: the gate says the rest."""
    policy = project.policy("customers", ACCEPTED)
    if broken == "address.city":
        anonymize(policy, project.settings, engine="local")
        return
    with pytest.raises(UnchangedValuesError, match=rf"column '{broken}': 400 of 400 values came out as they went in"):
        anonymize(policy, project.settings, engine="local")
    assert not list((project.folder / "staging").rglob("*.parquet"))


def test_raw_values_are_not_released(project, monkeypatch, broken):
    monkeypatch.setattr(ChangeCounter, "demand", lambda _: None)
    policy = project.policy("customers", ACCEPTED)
    anonymize(policy, project.settings, engine="local")
    with pytest.raises(ShapeError, match=broken):
        release(policy, project.settings)
    assert not list((project.folder / "sanitized").rglob("*.parquet"))


def test_the_plan_says_how_many_surrogates_there_are(project):
    report = plan_policy(project.policy("orders", NAME), project.settings)
    assert report.collisions["name"] == "likely, of 690,000 surrogates"
    (_, column) = report.columns
    assert (column.shape, column.output, column.key.split(":")[0]) == (
        "a full name made up from en_US lists",
        "string",
        "person/tests/1",
    )
