"""Zones in buckets of a real S3 gateway on the loopback: against the same zones on disk, bytes that cross, planning of many objects.

What was learned: boto3 takes 1.3 ms of CPU a request and half of a listing to read times that nobody needs, so footers go through
Arrow's own client, whose dataset fragments ask once where an opened file asks twice (0.5 against 0.8 ms), and times are read by
`datetime.fromisoformat`.

Both passes keep two cores busy (1.9 of 2), so the ratio is one of CPU time: the gateway takes 1.4 s for 227 MB written and copied (MD5,
SHA-256, CRC), the client 0.8 to 1.2 s more than on disk. It swings by 0.3 from one repeat to the next where others use the machine; of
three repeats one was often none too many. Held buffers instead of a growing one, and whole objects of 32 or 64 MiB, changed nothing.
Two processes for the footers take longer than four threads of one (starting them costs more than they save); eight threads too.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import data
import pyarrow.parquet as pq
import scale
from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers import s3

from airlock.doors._footers import keep_footers
from airlock.doors._source import prepare
from airlock.doors._zones import open_zone
from airlock.doors.anonymize import anonymize
from airlock.settings import Settings, load_settings
from airlock.types import Zone

ZONES = ("raw", "private", "staging", "sanitized")


@dataclass(frozen=True)
class Buckets:
    """A gateway for zone raw and one for the others, so that what each of them sends can be told apart."""

    raw: s3.Gateway
    others: s3.Gateway

    def settings(self, folder: Path, source: Path) -> Settings:
        """The project in `source`, its zones in buckets; keys and policies stay where they are."""
        for zone in ZONES:
            gateway = self.raw if zone == "raw" else self.others
            if zone not in {item["Name"] for item in gateway.client().list_buckets()["Buckets"]}:
                gateway.client().create_bucket(Bucket=zone)
        for name in ("raw", "sanitized"):
            (folder / f"{name}.ini").write_text(
                f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n"
            )
        (folder / "airlock.yaml").write_text(
            f"zones:\n  raw: {{uri: s3://raw, endpoint: {self.raw.endpoint}, identity: raw.ini}}\n"
            "  private: {uri: s3://private}\n  staging: {uri: s3://staging}\n"
            f"s3: {{endpoint: {self.others.endpoint}}}\n"
            f"keys: {{root: {source}/keys/root.json, stage_signing: {source}/keys/stage.pem}}\n"
            f"trust: {source}/trust\nmaster: 'local[2,4]'\nworkers: 2\n"
        )
        return load_settings(file=folder / "airlock.yaml", environment={})

    def clear(self) -> None:
        """Empty the buckets that doors write."""
        for zone in ZONES[1:]:
            shutil.rmtree(self.others.folder / "data" / zone, ignore_errors=True)
            (self.others.folder / "data" / zone).mkdir()


@contextmanager
def buckets(folder: Path) -> Iterator[Buckets]:
    """Two gateways over new folders."""
    with s3.running(folder / "gateway-raw", log=False) as raw, s3.running(folder / "gateway", log=False) as others:
        yield Buckets(raw, others)


def upload(gateway: s3.Gateway, source: Path) -> None:
    """A project's raw files into bucket raw; further hard links to one file become hard links to its object."""
    client, placed = gateway.client(), gateway.folder / "data" / "raw"
    uploaded: dict[int, Path] = {}
    for file in sorted((source / "raw").rglob("*.parquet")):
        key = file.relative_to(source / "raw").as_posix()
        if first := uploaded.get(file.stat().st_ino):
            os.link(first, placed / key)
        else:
            client.upload_file(str(file), "raw", key)
            uploaded[file.stat().st_ino] = placed / key


def passes(folder: Path, source: Path, on_disk: Settings, *, repeats: int = 7) -> dict[str, float]:
    """Seconds of the inner door on Spark, on disk and in buckets, interleaved, minimum of `repeats`; and bytes of raw data sent."""
    folder.mkdir()
    with buckets(folder) as made:
        settings = made.settings(folder, source)
        upload(made.raw, source)
        policy = source / "policies" / "bench.yaml"
        best: dict[str, float] = {}
        for _ in range(repeats):
            for name, chosen in (("disk", on_disk), ("buckets", settings)):
                for zone in ("private", "staging"):
                    shutil.rmtree(source / zone, ignore_errors=True)
                made.clear()
                before, start = sent(made.raw), time.perf_counter()
                anonymize(policy, chosen, engine="spark")
                best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
                if name == "buckets":
                    best["bytes"] = min(best.get("bytes", 1e18), sent(made.raw) - before)
    best["needed"] = needed(source, on_disk)
    SparkSession.getActiveSession().stop()  # its machine would take part in what is measured next
    return best


def sent(gateway: s3.Gateway) -> int:
    """Bytes that a gateway has written so far, headers and all: of its process, as the kernel counts (proc(5), `wchar`)."""
    lines = Path(f"/proc/{gateway.process.pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def needed(source: Path, settings: Settings) -> int:
    """Bytes of the column chunks that the policy reads."""
    wanted = set(prepare(source / "policies" / "bench.yaml", settings).plan.reading.schema.names)
    total = 0
    for file in sorted((source / "raw").rglob("*.parquet")):
        facts = pq.read_metadata(file)
        for group in range(facts.num_row_groups):
            columns = (facts.row_group(group).column(at) for at in range(facts.num_columns))
            total += sum(column.total_compressed_size for column in columns if column.path_in_schema.split(".")[0] in wanted)
    return total


def memory(folder: Path, sources: Mapping[str, Path]) -> dict[str, int]:
    """Peak resident memory, MiB, of one worker, for each project whose raw files are uploaded."""
    found = {}
    for number, (name, source) in enumerate(sources.items()):
        with buckets(folder / f"{number}") as made:
            settings = made.settings(folder / f"{number}", source)
            upload(made.raw, source)
            found[name] = scale.peak(source, settings)
    return found


def planning(folder: Path, *, files: int = 100_000) -> dict[str, float]:
    """Seconds to list, match and split `files` small Parquet objects, in a process of its own: at first, and with footers kept by etag."""
    queue = get_context("spawn").SimpleQueue()
    planner = get_context("spawn").Process(target=_plan, args=(folder, files, queue))
    planner.start()
    found = queue.get()
    planner.join()
    return found


def _plan(folder: Path, files: int, queue) -> None:
    folder.mkdir()
    source = folder / "one"
    data.write_source(source, 1_000, files=1)
    data.project(source)
    with buckets(folder) as made:
        settings = made.settings(folder, source)
        _many(made.raw, source, files)
        found = {}
        for name in ("first", "again"):
            start = time.perf_counter()
            prepared = prepare(source / "policies" / "bench.yaml", settings)
            found[name] = time.perf_counter() - start
            assert len(prepared.listing.files) == files
            private = open_zone(settings, Zone.PRIVATE)
            keep_footers(prepared.raw, private, prepared.plan.policy.dataset, prepared.listing)
    queue.put(found)


def _many(gateway: s3.Gateway, source: Path, files: int) -> None:
    """One uploaded object and hard links to it with its attributes: what an upload of each would leave in the gateway's folder."""
    (file,) = (source / "raw").rglob("*.parquet")
    days, client, placed = 100, gateway.client(), gateway.folder / "data" / "raw" / "people"
    for day in range(days):
        first = f"people/day-{day:03}/00000.parquet"
        client.upload_file(str(file), "raw", first)
        for number in range(1, files // days):
            os.link(placed / f"day-{day:03}" / "00000.parquet", placed / f"day-{day:03}" / f"{number:05}.parquet")
