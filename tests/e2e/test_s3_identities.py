"""Both doors on buckets as two identities, as commands: by profiles, and without a secret in anything that is said or written."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys

import pytest

from airlock.clients.s3 import s3_session
from airlock.doors import anonymize as door
from airlock.errors import AirlockError
from airlock.storage import open_store
from airlock.types import Zone


@pytest.fixture
def buckets(make_buckets):
    return make_buckets(files=2, rows=20)


def _run(made, *arguments, **environment):
    command = [sys.executable, "-m", "airlock", "--config", str(made.config), *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True)


def _as_profiles(made):
    """The same identities as profiles of one AWS configuration; returns what names it."""
    texts = []
    for name in ("inner", "outer"):
        text = (made.root / "identities" / f"{name}.ini").read_text()
        texts.append(text.replace("[default]", f"[{name}]"))
        made.config.write_text(made.config.read_text().replace(f"identities/{name}.ini", f"profile:{name}"))
    shared = made.root / "identities" / "shared.ini"
    shared.write_text("\n".join(texts))
    return {"AWS_SHARED_CREDENTIALS_FILE": str(shared), "AWS_CONFIG_FILE": str(made.root / "none")}


def test_both_doors_find_their_profiles(buckets):
    named = _as_profiles(buckets)
    done = _run(buckets, "run", buckets.policy(), **named)
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout.splitlines()[-1])["results"]
    assert (result["state"], result["rows"]) == ("released", 40)


def test_the_outer_door_does_not_get_what_the_environment_of_the_inner_one_holds(buckets):
    """The inner zones by the environment, the outer by a profile that is not there: it must not take the inner identity instead."""
    user = buckets.buckets["raw"].removesuffix("-raw") + "-inner"
    named = _as_profiles(buckets)
    buckets.config.write_text(buckets.config.read_text().replace(", identity: profile:inner", ""))
    environment = {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": f"secret-of-{user}-for-tests"}
    done = _run(buckets, "run", buckets.policy(), **named, **environment)
    assert done.returncode == 0, done.stderr
    arn = f"arn:aws:s3:::{buckets.buckets['sanitized']}"
    everybody = {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": ["s3:*"], "Resource": [arn, f"{arn}/*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    buckets.client.put_bucket_policy(Bucket=buckets.buckets["sanitized"], Policy=policy)
    before = buckets.files("sanitized")
    (buckets.root / "identities" / "shared.ini").write_text("[outer]\nregion = us-east-1\n")
    done = _run(buckets, "run", buckets.policy(), **named, **environment)
    assert done.returncode == 2
    assert "no identity is found" in done.stderr
    assert buckets.files("sanitized") == before


def _everything(made):
    """All that lies in the buckets, and in the project but for the identities themselves."""
    for zone, bucket in made.buckets.items():
        for key in made.files(zone):
            yield key, made.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    for file in made.root.rglob("*"):
        if file.is_file() and file.parent.name != "identities":
            yield file.name, file.read_bytes()


def test_no_secret_is_said_or_written(buckets):
    wrong = buckets.root / "identities" / "wrong.ini"
    wrong.write_text((buckets.root / "identities" / "inner.ini").read_text().replace("for-tests", "changed"))
    policy = buckets.policy()
    commands = [
        ("--debug", "anonymize", policy),
        ("--debug", "release", policy),
        ("doctor",),
        ("config",),
    ]
    said = [(command, _run(buckets, *command)) for command in commands]
    assert [done.returncode for _, done in said] == [0] * len(commands), [done.stderr for _, done in said]
    for command in (("--debug", "anonymize", policy), ("doctor", "--format", "json")):
        done = _run(buckets, *command, AIRLOCK_ZONES_RAW_IDENTITY=str(wrong))
        assert done.returncode == 2
        assert "SignatureDoesNotMatch" in done.stdout + done.stderr
        said.append((command, done))
    for command, done in said:
        assert "secret-of" not in done.stdout + done.stderr, command
        assert "secret_access_key" not in done.stdout + done.stderr, command
    written = list(_everything(buckets))
    assert len(written) > 10
    assert [name for name, content in written if b"secret-of" in content] == []


def test_no_secret_travels_or_is_logged(buckets, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    frames = []

    def kept(frame, binding, seal=door.seal_frame):
        frames.append(frame)
        return seal(frame, binding)

    monkeypatch.setattr(door, "seal_frame", kept)
    settings = buckets.settings()
    door.anonymize(buckets.policy(), settings)
    [frame] = frames
    place = settings.zone(Zone.RAW)
    session = s3_session(place)
    shown = [
        repr(frame),
        repr(frame.zones),
        repr(settings),
        repr(session),
        repr(vars(session)),
        repr(session.credentials()),
        str(open_store(place)),
    ]
    shown += [pickle.dumps(one).decode("latin-1") for one in (frame.zones, open_store(place), settings)]
    with pytest.raises(AirlockError, match="no file") as caught:
        open_store(place).read("nowhere")
    shown += [repr(caught.value), repr(caught.value.facts), caplog.text]
    assert "inner.ini" in shown[0]
    assert [text for text in shown if "secret-of" in text] == []
