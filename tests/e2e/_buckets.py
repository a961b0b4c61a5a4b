"""Doors as processes of their own on zones in buckets, reached through a proxy. For the tests of what goes wrong with a store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from tests.conftest import Project, make_people
from tests.servers import proxy, s3
from tests.servers.project import BucketProject, bucket_project

from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.verify import verified_data
from airlock.settings import Settings, load_settings

LONGEST = 120
"""Seconds after which a door that has not ended hangs."""


@dataclass(frozen=True)
class Ended:
    """A door that has ended."""

    code: int
    result: dict[str, Any]
    said: str
    seconds: float


@dataclass
class Door:
    """A door at work, in a group of processes of its own."""

    process: subprocess.Popen[str]
    begun: float = field(default_factory=time.monotonic)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def wait(self) -> Ended:
        try:
            out, err = self.process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        results = json.loads(out.splitlines()[-1])["results"] if out.strip() else [{}]
        return Ended(self.process.returncode, results[0], err, time.monotonic() - self.begun)


@dataclass(frozen=True)
class Site:
    """A project in buckets, and the line to them."""

    made: BucketProject
    gateway: s3.Gateway
    line: proxy.Proxy
    doors: list[Door] = field(default_factory=list)

    def start(self, verb: str, *arguments: str) -> Door:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
        command = [
            sys.executable, "-m", "airlock", "--config", str(self.made.config), verb, str(self.made.policy()), *arguments,
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        self.doors.append(Door(process))
        return self.doors[-1]

    def run(self, verb: str, *arguments: str) -> Ended:
        return self.start(verb, *arguments).wait()

    def put(self, table: pa.Table, name: str) -> None:
        self.made.write(table, name)

    def drop(self, name: str) -> None:
        self.made.client.delete_object(Bucket=self.made.buckets["raw"], Key=f"people/{name}")

    def uploads(self) -> list[str]:
        """Multipart uploads under way, in any zone."""
        client, buckets = self.made.client, self.made.buckets.values()
        return [one["Key"] for bucket in buckets for one in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]

    def signed(self) -> list[str]:
        """Runs that an outer door would take."""
        return [name.split("/")[1] for name in self.made.files("staging") if name.endswith("manifest.intoto.json")]

    def published(self) -> pa.Table | None:
        """The rows of the verified current release, by id; None where there is none."""
        if "people/current.json" not in self.made.files("sanitized"):
            return None
        folder = verified_data(f"s3://{self.made.buckets['sanitized']}/people", self.direct())
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        keys = [key for key in self.made.files("sanitized") if key.startswith(f"{prefix}/")]
        parts = [self.made.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return sorted_rows(pa.concat_tables([pq.read_table(pa.BufferReader(part)) for part in parts]))

    def direct(self) -> Settings:
        """The settings of who reads past the proxy."""
        return self.made.settings(s3__endpoint=self.gateway.endpoint)

    def check(self, expected: pa.Table) -> None:
        """The release is `expected`, and nothing is left of anything else."""
        assert self.published().equals(expected)
        self.check_clean()

    def check_clean(self) -> None:
        """Of staging the verdicts remain, of sanitized what was released; nothing half-written anywhere."""
        assert self.uploads() == []
        # A probe of conditions that was killed leaves its object to a later one, an hour on.
        staging, files = (
            [name for name in self.made.files(zone) if not name.startswith(".pending/=probe/")]
            for zone in ("staging", "sanitized")
        )
        assert [name for name in staging if not name.endswith("/verdict.json")] == []
        assert [name for name in files if name.startswith(".pending/")] == []
        runs = {
            kind: {name.split("/")[2] for name in files if name.startswith(f"people/{kind}/")} for kind in ("data", "evidence")
        }
        assert runs["data"] == runs["evidence"]
        assert len(runs["data"]) == len([name for name in files if name.startswith("people/history/")])


def sorted_rows(table: pa.Table) -> pa.Table:
    """In an order that does not follow from the files'."""
    return table.sort_by("id").combine_chunks()


@contextmanager
def site(folder: Path, name: str, *, files: int = 3, data: Path | None = None, **settings: str) -> Iterator[Site]:
    """A gateway, a proxy before it, and a project with raw data in its buckets."""
    with s3.running(folder / "gateway", data=data) as gateway, proxy.running(gateway.endpoint) as line:
        made = bucket_project(folder / "project", gateway, name=name, endpoint=line.address, **settings)
        made.write_policy()
        for number in range(files):
            made.write(make_people(20, first=number * 1_000), f"{number:03}.parquet")
        here = Site(made, gateway, line)
        try:
            yield here
        finally:
            for door in here.doors:
                if door.process.returncode is None:
                    door.kill()
                    door.wait()


def faultless(here: Site, tables: dict[str, pa.Table]) -> pa.Table:
    """What the release of these raw files has to be: both doors on this machine's disk, with the same keys."""
    root = here.made.root
    config = root / f"disk-{len(list(root.glob('disk-*')))}.yaml"
    zones = ", ".join(f"{zone}: {{uri: {config.stem}/{zone}}}" for zone in ("raw", "private", "staging", "sanitized"))
    rest = [line for line in here.made.config.read_text().splitlines() if not line.startswith(("zones:", "  ", "s3:"))]
    config.write_text("\n".join([f"zones: {{{zones}}}", *rest, ""]))

    disk = Project(root / config.stem)
    for name, table in tables.items():
        disk.write(table, name)
    settings = load_settings(file=config, environment={})
    anonymize(here.made.policy(), settings, engine="local")
    release(here.made.policy(), settings)
    return sorted_rows(ds.dataset(verified_data(disk.root / "sanitized" / "people", settings), format="parquet").to_table())
