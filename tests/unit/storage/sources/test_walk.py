"""Which files a source has: folders that `where` leaves out are not looked into, nothing is listed twice or forever."""

from __future__ import annotations

import boto3
import pytest
from tests.servers import kms

from airlock.errors import ConfigError, UnreadableSourceError
from airlock.policy.model import Source
from airlock.settings import Location
from airlock.storage import LocalStore, open_store
from airlock.storage.sources.hive import is_hidden
from airlock.storage.sources.walk import walk

KEYS = [
    "crm/a.parquet",
    "crm/dt=1/a b+c.parquet",
    "crm/dt=1/x=1/a.parquet",
    "crm/dt=2/a.parquet",
    "crm/_tmp/dt=1/a.parquet",
    "crm/dt=__HIVE_DEFAULT_PARTITION__/a.parquet",
    "crm/city=S%C3%A3o/dt=1/a.parquet",
    "crmx/a.parquet",
]


@pytest.fixture(scope="module")
def served(require):
    require("moto")
    with kms.running() as found:
        yield found


@pytest.fixture
def bucket(served, tmp_path):
    """(store, put) of an empty zone."""
    client = boto3.client(
        "s3", endpoint_url=served.address, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1"
    )
    name = f"zone-{tmp_path.name.replace('_', '-').lower()[-40:]}"
    client.create_bucket(Bucket=name)
    identity = tmp_path / "identity"
    identity.write_text("[default]\naws_access_key_id = any\naws_secret_access_key = any\n")
    store = open_store(Location(f"s3://{name}", endpoint=served.address, identity=str(identity)))
    return store, lambda key, data=b"x": client.put_object(Bucket=name, Key=key, Body=data)


def source(**where):
    return Source.model_validate({"path": "crm", "format": "parquet", "where": where})


def paths(store, chosen):
    return [entry.path for entry in walk(store, chosen)[0] if not is_hidden(entry.path, "crm")]


@pytest.mark.parametrize("where", [{}, {"dt": [1]}, {"dt": [1], "x": [1]}, {"city": ["São"], "dt": [1]}, {"dt": [9]}])
def test_a_bucket_is_walked_as_a_disk_is(bucket, tmp_path, where):
    store, put = bucket
    disk = LocalStore(tmp_path / "zone")
    for key in KEYS:
        put(key)
        disk.create(key, b"x")
    found = paths(store, source(**where))
    assert found == paths(disk, source(**where))
    assert walk(store, source(**where))[1] == walk(disk, source(**where))[1] == bool(where)
    assert found == sorted(set(found))


@pytest.mark.parametrize("where", [{}, {"dt": [1]}, {"dt": [1], "x": [1]}])
@pytest.mark.parametrize(("key", "data"), [("crm//", b""), ("crm//z.parquet", b"x"), ("crm/dt=1//z.parquet", b"x")])
def test_a_key_with_an_empty_part_is_refused_not_followed(bucket, where, key, data):
    store, put = bucket
    put("crm/dt=1/a.parquet")
    put(key, data)
    if where or data:
        with pytest.raises(ConfigError, match="whose key is no path"):
            paths(store, source(**where))


def test_markers_of_folders_are_no_files(bucket):
    store, put = bucket
    put("crm/", b"")
    put("crm/dt=1/", b"")
    put("crm/dt=1/a.parquet")
    assert paths(store, source()) == paths(store, source(dt=[1])) == ["crm/dt=1/a.parquet"]


def test_what_is_listed_twice_is_refused(bucket, monkeypatch):
    store, put = bucket
    put("crm/a.parquet")
    real = type(store).folder
    monkeypatch.setattr(
        type(store), "folder", lambda self, prefix="": type(real(self, prefix))(real(self, prefix).files * 2, ())
    )
    with pytest.raises(UnreadableSourceError, match=r"'crm/a\.parquet' is listed twice"):
        walk(store, source())
