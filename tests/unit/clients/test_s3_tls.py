"""TLS of object stores, against a real gateway: whose certificates are trusted, by both libraries that reach it."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from tests.servers import s3
from tests.servers.certificate import make_certificate

from airlock.errors import ConfigError, StorageUnavailableError
from airlock.settings import Location
from airlock.storage import AlreadyExistsError, open_store
from airlock.storage._s3 import ObjectReader


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory):
    require("s3")
    folder = tmp_path_factory.mktemp("tls")
    made = make_certificate(folder)
    with s3.running(folder / "gateway", tls=(made.certificate, made.key)) as served:
        served.client().create_bucket(Bucket="zone")
        yield served


@pytest.fixture
def place(gateway, tmp_path):
    identity = tmp_path / "identity.ini"
    identity.write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
    return Location(f"s3://zone/{tmp_path.name}", endpoint=gateway.endpoint, ca=str(gateway.ca), identity=str(identity))


def _both(place):
    """Written by one library, read by both."""
    store = open_store(place)
    store.create("x", b"content")
    with store.open_input("x") as source:
        return store.read("x"), source.read()


def test_the_authority_that_is_named_is_trusted(place):
    assert _both(place) == (b"content", b"content")


def test_the_authority_of_the_aws_environment_is_trusted_by_both(place, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", place.ca)
    assert _both(replace(place, ca=None)) == (b"content", b"content")


def test_an_authority_that_nobody_named_is_not_trusted(place):
    with pytest.raises(ConfigError, match=r"certificate is not trusted. Set s3.ca, or the zone's, to its authority"):
        open_store(replace(place, ca=None)).create("x", b"content")


def test_another_authority_is_not_trusted(place, tmp_path):
    other = replace(place, ca=str(make_certificate(tmp_path).certificate))
    with pytest.raises(ConfigError, match="certificate is not trusted"):
        open_store(other).create("x", b"content")
    open_store(place).create("x", b"content")
    name = f"zone/{tmp_path.name}/x"
    with pytest.raises(StorageUnavailableError, match="did not answer"):
        ObjectReader(other, name, "x")


def test_a_file_that_is_not_there_is_named(place):
    with pytest.raises(ConfigError, match=r"there is no CA file 'nowhere.pem'"):
        open_store(replace(place, ca="nowhere.pem")).create("x", b"content")


@pytest.mark.parametrize("endpoint", ["http://192.0.2.1:9000", "http://store.example.org", "ftp://127.0.0.1", "https://"])
def test_what_would_cross_a_network_in_the_clear_is_refused(place, endpoint):
    with pytest.raises(ConfigError, match="expected https: a root or a login would cross the network in the clear"):
        open_store(replace(place, endpoint=endpoint))


@pytest.mark.parametrize("size", [0, 32, 100_000])
def test_writes_that_are_refused_leave_connections_that_work(place, size):
    """A gateway refuses a write before it has read it; what boto3 then still sends must not be taken for the next request."""
    store, data = open_store(place), bytes(size)
    store.create("x", data)
    for _ in range(20):
        with pytest.raises(AlreadyExistsError, match="'x'"):
            store.create("x", data)
        assert store.stat("x").size == size


def test_a_connection_that_breaks_is_not_called_untrusted(place):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        with pytest.raises(StorageUnavailableError, match="did not answer"):
            open_store(replace(place, endpoint=f"https://127.0.0.1:{server.getsockname()[1]}")).read("x")
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
