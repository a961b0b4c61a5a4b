"""Both doors on buckets of a real S3 gateway, each with an identity of its own that may do what its door needs and nothing else."""

from __future__ import annotations

import json
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people
from tests.servers import s3

from airlock.doors._source import prepare
from airlock.doors.anonymize import anonymize
from airlock.doors.prune import Extent, prune, prune_jobs
from airlock.doors.release import release
from airlock.doors.revoke import revoke
from airlock.doors.verify import verified_data, verify
from airlock.errors import BoundaryError, ConfigError, RunBoundError, TransientError, ZonesOverlapError
from airlock.settings import load_settings
from airlock.storage import open_store
from airlock.types import Zone


@pytest.fixture
def made(make_buckets):
    return make_buckets(files=3, rows=20)


def rows(place, data):
    found = place.client.list_objects_v2(Bucket=place.buckets["sanitized"], Prefix=data.split("/", 3)[3])["Contents"]
    parts = [place.client.get_object(Bucket=place.buckets["sanitized"], Key=item["Key"])["Body"].read() for item in found]
    return pa.concat_tables([pq.read_table(pa.BufferReader(part)) for part in parts])


def asked(place, before, zone):
    """Requests for a zone's bucket since there were `before`."""
    return [line for line in place.gateway.requests()[before:] if f" {place.buckets[zone]} " in line]


def test_both_doors_publish_and_a_reader_verifies(made):
    staged = anonymize(made.policy(), made.settings())
    assert (staged.rows_in, staged.rows_out, staged.splits) == (60, 60, 3)
    out = release(made.policy(), made.settings())
    assert (out.state, out.rows, out.files, out.sequence) == ("released", 60, 3, 1)
    data = verified_data("sanitized/people", made.settings())
    assert data == f"s3://{made.buckets['sanitized']}/people/data/{staged.run}"
    assert verified_data(f"s3://{made.buckets['sanitized']}/people", made.settings()) == data
    table = rows(made, data)
    assert table.num_rows == 60
    assert "Canary" not in str(table.to_pydict())
    assert verify("sanitized/people", made.settings()).separation == "none"  # one configuration names both sides


def test_staging_holds_nothing_but_the_verdict_and_no_upload_is_left(made):
    run = anonymize(made.policy(), made.settings()).run
    assert len(made.files("staging")) == 5
    release(made.policy(), made.settings())
    assert made.files("staging") == [f"people/{run}/verdict.json"]
    for zone in ("private", "staging", "sanitized"):
        assert "Uploads" not in made.client.list_multipart_uploads(Bucket=made.buckets[zone])
        assert not [key for key in made.files(zone) if ".pending" in key]


def test_each_door_alone_with_its_own_configuration_is_separate(made):
    inner, outer = (made.root / f"{door}.yaml" for door in ("inner", "outer"))
    whole = made.config.read_text().splitlines()
    inner.write_text("\n".join(line for line in whole if "-sanitized" not in line and "policies" not in line))
    outer.write_text(
        "\n".join(line for line in whole if "-raw" not in line and "-private" not in line and not line.startswith("keys:"))
        + "\nkeys: {release_signing: keys/release.pem}\n"
    )
    anonymize(made.policy(), load_settings(file=inner, environment={}))
    released = release(made.policy(), load_settings(file=outer, environment={}))
    assert released.state == "released"
    assert verify("sanitized/people", made.settings(), require_separation=True).separation == "identities"


def test_a_run_that_the_publishing_identity_staged_waits(made):
    """Each door has its own configuration, so neither sees that both were given one identity."""
    outer = made.root / "outer.yaml"
    outer.write_text(
        "\n".join(
            line for line in made.config.read_text().splitlines() if "-raw" not in line and "-private" not in line
        ).replace("outer.ini", "inner.ini")
    )
    anonymize(made.policy(), made.settings())
    for bucket in ("sanitized", "staging"):
        made.gateway.allow(made.buckets[bucket], {f"{made.name}-inner": s3.READ + s3.WRITE})
    with pytest.raises(ZonesOverlapError, match="was staged by the identity that this door has"):
        release(made.policy(), load_settings(file=outer, environment={}))
    assert [key for key in made.files("sanitized") if "lease" not in key] == []
    made.gateway.allow(made.buckets["staging"], {f"{made.name}-{door}": s3.READ + s3.WRITE for door in ("inner", "outer")})
    made.gateway.allow(made.buckets["sanitized"], {f"{made.name}-outer": s3.READ + s3.WRITE})
    assert release(made.policy(), made.settings()).state == "released"


@pytest.mark.parametrize(("user", "zone"), [("inner", "sanitized"), ("outer", "raw"), ("outer", "private")])
def test_no_identity_reaches_across(made, user, zone):
    anonymize(made.policy(), made.settings())
    release(made.policy(), made.settings())
    settings = made.settings(**{f"zones__{zone}__identity": str(made.root / "identities" / f"{user}.ini")})
    store = open_store(settings.zone(Zone(zone)))
    (key, *_) = made.files(zone)
    with pytest.raises(ConfigError, match="does not let this identity use"):
        list(store.list())
    with pytest.raises(ConfigError, match="does not let this identity"):
        store.read(key)
    with pytest.raises(ConfigError, match="does not let this identity"):
        store.open_input(key)


def test_one_identity_or_one_bucket_for_both_sides_is_refused(made):
    same = str(made.root / "identities" / "inner.ini")
    copy = made.root / "identities" / "copy.ini"
    copy.write_text((made.root / "identities" / "inner.ini").read_text())
    for identity in (same, str(copy)):
        with pytest.raises(ZonesOverlapError, match="reached by one identity"):
            anonymize(made.policy(), made.settings(zones__sanitized__identity=identity))
    for user in ("inner", "outer"):
        identity = str(made.root / "identities" / f"{user}.ini")
        with pytest.raises(ZonesOverlapError, match="this file gives it to both doors"):
            anonymize(made.policy(), made.settings(zones__staging__identity=identity))
    with pytest.raises(ZonesOverlapError, match="in one bucket"):
        anonymize(
            made.policy(),
            made.settings(
                zones__raw__uri=f"s3://{made.buckets['raw']}/in", zones__sanitized__uri=f"s3://{made.buckets['raw']}/out"
            ),
        )
    with pytest.raises(BoundaryError, match="overlap"):
        anonymize(made.policy(), made.settings(zones__staging__uri=f"s3://{made.buckets['private']}/below"))


def test_one_new_object_of_many_is_all_that_a_later_run_reads(made):
    anonymize(made.policy(), made.settings())
    release(made.policy(), made.settings())
    made.write(make_people(20, first=9_000), "009.parquet")
    before = len(made.gateway.requests())
    second = anonymize(made.policy(), made.settings())
    assert (second.splits, second.reused) == (4, 3)
    read = [line for line in asked(made, before, "raw") if "s3_GetObject" in line]
    assert read
    assert all("009.parquet" in line for line in read)
    assert release(made.policy(), made.settings()).sequence == 2


def test_the_same_run_again_and_a_revoked_one(made):
    run = anonymize(made.policy(), made.settings()).run
    release(made.policy(), made.settings())
    assert anonymize(made.policy(), made.settings(), run_id=run).continued
    again = release(made.policy(), made.settings(), run_id=run)
    assert (again.state, again.rows, again.files, again.sequence) == ("released", 60, 3, 1)
    revoke("people", made.settings(), reason="a test")
    with pytest.raises(RunBoundError, match="revoked"):
        anonymize(made.policy(), made.settings(), run_id=run)
    assert not [key for key in made.files("sanitized") if "/data/" in key]


def test_prune_leaves_what_is_current(made):
    for _ in range(2):
        anonymize(made.policy(), made.settings())
        release(made.policy(), made.settings())
        made.write(make_people(20, first=5_000), "005.parquet")
    for job in prune_jobs([], made.settings()):
        prune(job, made.settings(), Extent(superseded=True, now=True))
    assert verify("sanitized/people", made.settings()).sequence == 2
    assert len({key.split("/")[2] for key in made.files("sanitized") if "/data/" in key}) == 1


def test_where_leaves_other_partitions_unlisted_and_unread(made):
    def partitioned(text):
        rule = '  dt: {type: string, class: insensitive, keep: {reason: "load date", values: ["2026-11-21", "2026-11-22"]}}\n'
        return text.replace("format: parquet}", 'format: parquet, where: {dt: ["2026-11-22"]}}').replace(
            "columns:\n", f"columns:\n{rule}"
        )

    made.write_policy("days", change=partitioned)
    for day in range(21, 24):
        made.write(make_people(20, first=day * 100), f"dt=2026-11-{day}/000.parquet", dataset="days")
    before = len(made.gateway.requests())
    assert anonymize(made.policy("days"), made.settings()).rows_in == 20
    lines = asked(made, before, "raw")
    assert lines
    assert not [line for line in lines if "dt=2026-11-21" in line or "dt=2026-11-23" in line or "dt%3D2026-11-23" in line]


def test_footers_are_kept_by_etag(made):
    prepare(made.policy(), made.settings())
    anonymize(made.policy(), made.settings())
    made.write(make_people(10, first=7_000), "001.parquet")
    before = len(made.gateway.requests())
    found = prepare(made.policy(), made.settings())
    assert [file.rows for file in found.listing.files] == [20, 10, 20]
    read = [line for line in asked(made, before, "raw") if "s3_GetObject" in line]
    assert len(read) == 1
    assert "people/001.parquet" in read[0]


def test_a_kept_footer_that_is_wrong_loses_no_row(made):
    """Who may write to zone private could put one there; whoever reads the object finds out, and the next run reads it anew."""
    anonymize(made.policy(), made.settings())
    key = {"Bucket": made.buckets["private"], "Key": "people/footers"}
    kept = json.loads(zlib.decompress(made.client.get_object(**key)["Body"].read()))
    kept["files"]["people/001.parquet"][2] = [[7, 100]]
    made.client.put_object(**key, Body=zlib.compress(json.dumps(kept).encode()))
    with pytest.raises(TransientError, match="source-changed"):
        anonymize(made.write_policy(change=lambda text: text.replace("width: 100", "width: 1000")), made.settings())
    assert anonymize(made.policy(), made.settings()).rows_out == 60
