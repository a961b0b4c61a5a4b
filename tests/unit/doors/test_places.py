"""Where zones are, whatever their endpoints are spelt like."""

from __future__ import annotations

import pytest

from airlock.clients.s3 import s3_session
from airlock.doors._places import Place
from airlock.errors import ConfigError
from airlock.settings import Location


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://s3.example.org", "https://S3.example.org:443/"),
        (None, "https://s3.eu-central-1.amazonaws.com"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
    ],
)
def test_spellings_of_one_endpoint_are_one_place(one, other):
    assert Place.of(Location("s3://a/x", endpoint=one)).overlaps(Place.of(Location("s3://a/x/y", endpoint=other)))


def test_other_endpoints_and_buckets_are_other_places():
    here = Place.of(Location("s3://a", endpoint="https://s3.example.org"))
    assert not here.overlaps(Place.of(Location("s3://a", endpoint="https://s3.example.org:9000")))
    assert not here.overlaps(Place.of(Location("s3://b", endpoint="https://s3.example.org")))


@pytest.mark.parametrize(
    "endpoint", ["https://user:hunter2@s3.example.org", "https://s3.example.org/minio", "https://s3.example.org?x=1"]
)
def test_an_endpoint_is_a_host_and_a_port(endpoint):
    with pytest.raises(ConfigError, match="without user, path or query") as caught:
        s3_session(Location("s3://a", endpoint=endpoint))
    assert "hunter2" not in str(caught.value)


def test_a_file_without_a_certificate_is_no_authority(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("no certificate")
    session = s3_session(Location("s3://a", endpoint="https://s3.example.org", region="x", ca=str(ca)))
    with pytest.raises(ConfigError, match="is no PEM file of a certificate authority"):
        session.server_time()
