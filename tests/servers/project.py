"""A project whose zones are buckets: two users, one for each door, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.conftest import Project, new_project
from tests.servers import s3

__all__ = ["BucketProject", "bucket_project"]

INNER, OUTER = "inner", "outer"


@dataclass(frozen=True)
class BucketProject(Project):
    """The same as `Project`, in buckets.

    Attributes:
        buckets: By zone.
    """

    gateway: s3.Gateway
    buckets: dict[str, str]
    name: str

    @property
    def client(self) -> Any:
        return self.gateway.client()

    def write(self, table: pa.Table, name: str, *, dataset: str = "people", **options) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        key = f"{dataset}/{name}"
        self.client.put_object(Bucket=self.buckets["raw"], Key=key, Body=sink.getvalue().to_pybytes())
        return key

    def files(self, zone: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.buckets[zone])
        return [item["Key"] for page in pages for item in page.get("Contents", ())]


def bucket_project(
    root: Path, gateway: s3.Gateway, *, name: str, endpoint: str | None = None, **settings: str
) -> BucketProject:
    """Buckets NAME-raw, NAME-private, NAME-staging, NAME-sanitized; users NAME-inner and NAME-outer; a project that names them.

    Args:
        root: A new folder for what is on a disk.
        gateway: Where the buckets are made.
        name: Of buckets and users.
        endpoint: Where the doors find them; none: at the gateway itself.
        settings: More of airlock.yaml.
    """
    new_project(root, **settings)
    buckets = {zone: f"{name}-{zone}" for zone in ("raw", "private", "staging", "sanitized")}
    inner, outer = f"{name}-{INNER}", f"{name}-{OUTER}"
    for user in (inner, outer):
        secret = gateway.user(user)
        path = root / "identities" / f"{user.rpartition('-')[2]}.ini"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[default]\naws_access_key_id = {user}\naws_secret_access_key = {secret}\n")
        path.chmod(0o600)
    gateway.bucket(buckets["raw"], {inner: s3.READ})
    gateway.bucket(buckets["private"], {inner: s3.READ + s3.WRITE})
    gateway.bucket(buckets["staging"], {inner: s3.READ + s3.WRITE, outer: (*s3.READ, "s3:DeleteObject", "s3:PutObject")})
    gateway.bucket(buckets["sanitized"], {outer: s3.READ + s3.WRITE})
    config = root / "airlock.yaml"
    zones = "\n".join(
        f"  {zone}: {{uri: s3://{bucket}"
        + (f", identity: identities/{INNER if zone == 'raw' else OUTER}.ini" if zone in ("raw", "sanitized") else "")
        + "}"
        for zone, bucket in buckets.items()
    )
    rest = config.read_text().partition("\n")[2]
    ca = f", ca: {gateway.ca}" if gateway.ca else ""
    config.write_text(f"zones:\n{zones}\ns3: {{endpoint: {endpoint or gateway.endpoint}{ca}}}\n{rest}")
    return BucketProject(root, gateway, buckets, name)
