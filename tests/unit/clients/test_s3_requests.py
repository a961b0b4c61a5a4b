"""What a store is asked to keep an object as: encrypted under the zone's key, with the checksum of what was sent."""

from __future__ import annotations

import base64
import uuid
import zlib
from dataclasses import replace

import pytest
from tests.servers import careless, s3

from airlock.clients.s3 import s3_session
from airlock.settings import Location
from airlock.storage import open_store

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def moto(require):
    require("moto")
    with careless.running() as served:
        yield served


def _head(moto, place, path):
    bucket, _, prefix = place.uri.removeprefix("s3://").partition("/")
    return moto.admin().head_object(Bucket=bucket, Key=f"{prefix}/{path}", ChecksumMode="ENABLED")


def _big(store):
    with store.open_output("x") as out:
        out.write(bytes(36 << 20))


def _small(store):
    with store.open_output("x") as out:
        out.write(b"content")


def _created(store):
    store.create("x", b"content")


def _swapped(store):
    store.replace("x", b"content", store.create("x", b"before"))


def _copied(store):
    open_store(replace(store.location, kms_key=None)).create("source", b"content")
    store.link_or_copy("source", store, "x")


@pytest.mark.parametrize("write", [_big, _small, _created, _swapped, _copied])
def test_what_is_written_is_under_the_zones_key(moto, tmp_path, write):
    place = moto.zone(tmp_path, f"zone-{uuid.uuid4().hex}")
    write(open_store(replace(place, kms_key=KEY)))
    found = _head(moto, place, "x")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", KEY)


def test_without_a_key_the_bucket_decides(moto, tmp_path):
    place = moto.zone(tmp_path, f"zone-{uuid.uuid4().hex}")
    _created(open_store(place))
    found = _head(moto, place, "x")
    assert "SSEKMSKeyId" not in found


@pytest.mark.parametrize("write", [_small, _created, _swapped])
def test_what_is_written_has_its_checksum(require, tmp_path, write):
    require("s3")
    with s3.running(tmp_path / "gateway") as gateway:  # which checks it, too
        gateway.client().create_bucket(Bucket="zone")
        (tmp_path / "id").write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
        write(open_store(Location("s3://zone", endpoint=gateway.endpoint, identity=str(tmp_path / "id"))))
        found = gateway.client().head_object(Bucket="zone", Key="x", ChecksumMode="ENABLED")
    assert found["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"content").to_bytes(4, "big")).decode()


def test_every_request_that_carries_content_says_its_checksum(moto, tmp_path):
    place = moto.zone(tmp_path, f"zone-{uuid.uuid4().hex}")
    store, sent = open_store(place), []

    def note(request, **_):
        if request.method == "PUT":
            body = request.body if isinstance(request.body, bytes) else request.body.getvalue()
            sent.append(
                (
                    request.headers["x-amz-checksum-crc32"].decode(),
                    base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
                )
            )

    s3_session(place)._client.meta.events.register("before-send.s3", note)
    _big(store)
    store.create("y", b"content")
    assert len(sent) == 6  # five parts and an object
    assert all(said == true for said, true in sent)
