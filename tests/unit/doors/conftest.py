"""A small project on generated data, and one with two releases: made once, copied for tests that write."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.doors._verdicts import write_verdict
from airlock.doors._zones import open_zone
from airlock.doors.anonymize import anonymize
from airlock.doors.demo import create_demo
from airlock.doors.prune import Extent, prune, prune_jobs
from airlock.doors.release import release
from airlock.doors.runs import list_runs
from airlock.keys.file import create_root_file
from airlock.keys.signing import create_signing_key, load_signer
from airlock.settings import load_settings
from airlock.types import RunState, Zone


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "project"
    create_demo(folder, rows=300)
    return folder


@pytest.fixture
def project(_made, tmp_path) -> Path:
    """A project of one's own."""
    shutil.copytree(_made, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def settings(project):
    """Settings of that project, with flags on top."""

    def load(**flags):
        return load_settings(file=project / "airlock.yaml", flags=flags, environment={})

    return load


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with size and modification time."""
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


@pytest.fixture
def untouched(project):
    """Fails the test if anything in the project changed."""
    before = snapshot(project)
    yield
    assert snapshot(project) == before


_POLICY = """\
apiVersion: airlock/v1
dataset: people
owner: data@example.org
purpose: tests
source: {path: people, format: parquet}
sink: {path: team/people, retain: {releases: 1, days: 0}}
subject: id
keys: {recipient: tests, epoch: 1, domains: {person: {canonical: [decimal]}}}
columns:
  id:     {type: int64, class: direct_identifier, pseudonymize: {domain: person, form: hex}}
  email:  {type: string, class: direct_identifier, drop: {}}
  name:   {type: string, class: direct_identifier, drop: {}}
  phone:  {type: string, class: direct_identifier, mask: {keep_last: 2}}
  city:   {type: string, class: insensitive, keep: {reason: "closed list", values: [Lima, Oslo, Quito, Paris]}}
  born:   {type: date32, class: quasi_identifier, generalize_date: {to: year}}
  amount: {type: int64, class: sensitive, generalize_number: {width: 100}}
  note:   {type: string, class: sensitive, redact: {with: "[removed]"}}
gate:
  absent: [EMAIL_ADDRESS, PHONE_NUMBER, CREDIT_CARD, IBAN_CODE, US_SSN, IP_ADDRESS, URL]
  not_proven: {PERSON: "no name is kept", LOCATION: "closed list of cities"}
privacy: {k_anonymity: {none: "synthetic"}}
"""
_CONFIG = """\
zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}
keys: {root: keys/root.json, stage_signing: keys/stage.pem, release_signing: keys/release.pem}
trust: trust
policies: policies
state: state.json
workers: 1
engine: local
"""


class Place:
    """A project's folder, and the doors on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.policy = root / "policies" / "people.yaml"
        self.sink = root / "sanitized" / "team" / "people"

    def settings(self, *without: Zone, **flags: str):
        found = load_settings(file=self.root / "airlock.yaml", flags=flags, environment={})
        return replace(found, values=found.values | {f"zones.{zone}.uri": None for zone in without})

    def stage(self) -> str:
        return anonymize(self.policy, self.settings()).run

    def publish(self, run: str | None = None) -> str:
        return release(self.policy, self.settings(), run_id=run).run

    def run(self) -> str:
        return self.publish(self.stage())

    def states(self, *without: Zone) -> dict[str, str]:
        return {known.run: known.state for known in list_runs(self.settings(*without))}

    def known(self, run: str):
        return next(known for known in list_runs(self.settings()) if known.run == run)

    def refuse(self, run: str, code: str) -> None:
        signer = load_signer(self.root / "keys" / "release.pem")
        staging = open_zone(self.settings(), Zone.STAGING)
        write_verdict(staging, f"people/{run}", RunState.REFUSED, code=code, manifest_sha256="0" * 64, signer=signer)

    def prune(self, **options):
        jobs = prune_jobs((), self.settings())
        return {(one.zone.value, one.what): one.count for job in jobs for one in prune(job, self.settings(), Extent(**options))}


@pytest.fixture(scope="session")
def _two_releases(people, tmp_path_factory):
    import pyarrow.parquet as pq

    root = tmp_path_factory.mktemp("runs")
    for folder in ("keys", "trust", "policies", "raw/people"):
        (root / folder).mkdir(parents=True)
    create_root_file(root / "keys" / "root.json")
    create_signing_key(root / "keys" / "stage.pem", root / "trust" / "stage.pub", "stage")
    create_signing_key(root / "keys" / "release.pem", root / "trust" / "release.pub", "release")
    (root / "airlock.yaml").write_text(_CONFIG)
    place = Place(root)
    place.policy.write_text(_POLICY)
    pq.write_table(people(40), root / "raw" / "people" / "part.parquet")
    return root, (place.run(), place.run())


@pytest.fixture
def place(_two_releases, tmp_path) -> Place:
    """Two releases of one source."""
    shutil.copytree(_two_releases[0], tmp_path / "project")
    return Place(tmp_path / "project")


@pytest.fixture
def first(_two_releases):
    return _two_releases[1][0]


@pytest.fixture
def second(_two_releases):
    return _two_releases[1][1]
