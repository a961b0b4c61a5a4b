"""`make demo-s3`: the demo's tables in buckets of a real S3, and both doors as two users with two configurations.

Users, bucket policies and configurations are written out in its folder, to be read and taken over.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.servers import s3

from airlock.demo import generate, write_project
from airlock.demo.project import POLICIES
from airlock.doors.keys import create_keys

USERS = ("inner", "outer", "reader")
ZONES = ("raw", "private", "staging", "sanitized")
PLACES = {zone: (zone, "customers/probe") for zone in ZONES} | {
    "verdicts": ("staging", "customers/probe/verdict.json"),
    ".pending/": ("sanitized", ".pending/customers/probe"),
}

READ = {"s3:GetObject": "*", "s3:ListBucket": ""}
WRITE = READ | {
    "s3:PutObject": "*", "s3:DeleteObject": "*", "s3:AbortMultipartUpload": "*", "s3:ListBucketMultipartUploads": "",
}  # fmt: skip
RIGHTS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "raw": {"inner": READ},
    "private": {"inner": WRITE},
    "staging": {"inner": WRITE, "outer": READ | {"s3:DeleteObject": "*", "s3:PutObject": "*/verdict.json"}},
    "sanitized": {"outer": WRITE},
}
"""By zone and door: what each may do, to which keys; '' is the bucket itself."""

_ENGINE, _FOREIGN = "AIRLOCK_ENGINE", ("AIRLOCK_", "AWS_")

_CONFIG = {
    "inner": """\
# The inner door's configuration: all that it knows.
zones:
  raw: {{uri: s3://demo-raw, identity: identities/inner.ini}}
  private: {{uri: s3://demo-private}}       # reached by the door's own identity, as staging is
  staging: {{uri: s3://demo-staging}}
s3: {{endpoint: "{endpoint}"}}
keys: {{root: keys/root.json, stage_signing: keys/stage-signing.pem}}
trust: trust
""",
    "outer": """\
# The outer door's configuration: no key of the inner side, and no name of its zones.
zones:
  staging: {{uri: s3://demo-staging}}
  sanitized: {{uri: s3://demo-sanitized, identity: identities/outer.ini}}
s3: {{endpoint: "{endpoint}"}}
keys: {{release_signing: keys/release-signing.pem}}
trust: trust
policies: policies                        # in life: its own approved copy
reports: reports
""",
    "reader": """\
# Who reads releases: the public key, and where the store is. Who asks is the AWS environment's business.
s3: {{endpoint: "{endpoint}"}}
trust: trust/release.pub
state: state.json
""",
}


def bucket_policy(zone: str, *, bucket: str, readers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What a zone's bucket lets each user do.

    Args:
        zone: Its zone.
        bucket: Its name.
        readers: Of zone `sanitized`: what is below these prefixes each of them sees, and nothing else; nobody sees what is pending.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        _allow(user, action, f"{arn}/{keys}" if keys else arn)
        for user, actions in RIGHTS[zone].items()
        for action, keys in actions.items()
    ]
    for reader, prefixes in readers.items() if zone == "sanitized" else ():
        below = [f"{prefix}/*" for prefix in prefixes]
        statements += [_allow(reader, "s3:GetObject", f"{arn}/{keys}") for keys in below]
        statements.append(_allow(reader, "s3:ListBucket", arn) | {"Condition": {"StringLike": {"s3:prefix": below}}})
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(user: str, action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": [action], "Resource": [resource]}


def lay_out(folder: Path, gateway: s3.Gateway, *, rows: int) -> None:
    """Users, buckets with raw tables in one, keys, trust, policies, and a configuration for each user."""
    for name in USERS:
        identity = folder / "identities" / f"{name}.ini"
        identity.parent.mkdir(exist_ok=True)
        identity.touch(mode=0o600)
        identity.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {gateway.user(name)}\n")
        (folder / f"{name}.yaml").write_text(_CONFIG[name].format(endpoint=gateway.endpoint))
    root = gateway.client()
    for zone in ZONES:
        policy = folder / "buckets" / f"{zone}.json"
        policy.parent.mkdir(exist_ok=True)
        made = bucket_policy(zone, bucket=f"demo-{zone}", readers={"reader": POLICIES})
        policy.write_text(json.dumps(made, indent=2) + "\n")
        root.create_bucket(Bucket=f"demo-{zone}")
        root.put_bucket_policy(Bucket=f"demo-{zone}", Policy=policy.read_text())
    generate(folder / "raw", rows=rows)
    for file in sorted((folder / "raw").rglob("*.*")):
        root.upload_file(str(file), "demo-raw", file.relative_to(folder / "raw").as_posix())
        file.unlink()  # from here on the tables are in the bucket alone
    write_project(folder)
    create_keys(folder / "keys")


def airlock(folder: Path, user: str, *arguments: str) -> str:
    """Run a command with a user's configuration, shown as it would be typed; returns the last line of stdout."""
    environment = {name: value for name, value in os.environ.items() if name == _ENGINE or not name.startswith(_FOREIGN)}
    typed = f"airlock --config {user}.yaml {' '.join(arguments)}"
    if user == "reader":
        environment["AWS_SHARED_CREDENTIALS_FILE"] = "identities/reader.ini"
        typed = f"AWS_SHARED_CREDENTIALS_FILE=identities/reader.ini {typed}"
    print(f"\n$ {typed}", flush=True)
    command = [sys.executable, "-m", "airlock", "--config", f"{user}.yaml", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip().splitlines()[-1]


def reach(folder: Path, gateway: s3.Gateway) -> dict[str, dict[str, str]]:
    """What each user can do in each place, as the server answers: letters of read, write, delete."""
    root = gateway.client()
    found: dict[str, dict[str, str]] = {}
    for user in USERS:
        client = gateway.client(*_credentials(folder, user))
        for place, (zone, key) in PLACES.items():
            named = {"Bucket": f"demo-{zone}", "Key": key}
            root.put_object(**named, Body=b"")
            acts = {"r": client.get_object, "w": partial(client.put_object, Body=b""), "d": client.delete_object}
            letters = [letter for letter, act in acts.items() if _lets(client, partial(act, **named))]
            found.setdefault(user, {})[place] = "".join(letters) or "-"
            root.delete_object(**named)
    return found


def _credentials(folder: Path, user: str) -> list[str]:
    _, *lines = (folder / "identities" / f"{user}.ini").read_text().splitlines()
    return [line.partition(" = ")[2] for line in lines]


def _lets(client: Any, act: Callable[[], Any]) -> bool:
    try:
        act()
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def show(folder: Path, gateway: s3.Gateway, *, rows: int) -> None:
    """Lay out, run both doors, verify as a reader, and say who reaches what."""
    lay_out(folder, gateway, rows=rows)
    airlock(folder, "inner", "anonymize", "policies")
    released = json.loads(airlock(folder, "outer", "release", "policies"))["results"]
    names = [f"s3://demo-sanitized/{name}" for name in POLICIES]
    verified = json.loads(airlock(folder, "reader", "verify", "--require-separation", *names))["results"]
    path = airlock(folder, "reader", "path", names[0])
    print(f"{path}\n\nWhat the store lets each do (r read, w write, d delete):")
    print("".join(f"{text:<11}" for text in ("", *PLACES)))
    for user, letters in reach(folder, gateway).items():
        print("".join(f"{text:<11}" for text in (user, *letters.values())))
    print(f"\nTo look at in {folder}: inner.yaml, outer.yaml and reader.yaml, buckets/*.json, policies/")
    for result, seen in zip(released, verified, strict=True):
        print(
            f"{result['dataset']}: {result['state']} {result['rows']:,} rows, {seen['state']}, separation: {seen['separation']}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make demo-s3", description="Both doors on buckets, as two users.")
    parser.add_argument("--folder", type=Path, required=True, help="a new one")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--keep", action="store_true", help="serve on, until Ctrl-C")
    given = parser.parse_args(arguments)
    missing = s3.GATEWAY.unbuildable()
    if missing is not None:
        sys.exit(f"the demo needs {s3.GATEWAY.name}: {missing}")
    s3.GATEWAY.build()
    given.folder.mkdir(parents=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends, however this does
    with s3.running(given.folder.resolve() / "server") as gateway:
        show(given.folder, gateway, rows=given.rows)
        if given.keep:
            print(f"\n{gateway.endpoint} serves on until Ctrl-C; root: {s3.ROOT} / {s3.SECRET}", flush=True)
            with suppress(KeyboardInterrupt):
                gateway.process.wait()


if __name__ == "__main__":
    main()
