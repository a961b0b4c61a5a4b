"""Runs in a network of its own, where 169.254.169.254 is this machine, with an /etc/hosts of its own. Called by `test_s3_apart`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.servers import instance, s3

from airlock.clients.s3 import s3_session
from airlock.errors import ConfigError
from airlock.settings import Location
from airlock.storage import open_store

SERVICE = "169.254.169.254"


def _identity(folder: Path) -> str:
    path = folder / "identity.ini"
    path.write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
    return str(path)


def _used(place: Location) -> list[str]:
    """Written by one library, read by both."""
    store = open_store(place)
    with store.open_output("big") as out:
        out.write(bytes(9 << 20))
    store.create("x", b"content")
    with store.open_input("x") as source:
        assert source.read() == store.read("x") == b"content"
    return [entry.path for entry in store.list()]


def metadata(folder: Path) -> dict[str, object]:
    """What the metadata service was asked: by a zone whose identity is named, by one without, and where it is switched on."""
    subprocess.run(["ip", "addr", "add", f"{SERVICE}/32", "dev", "lo"], check=True)
    with instance.running(host=SERVICE, port=80) as served, s3.running(folder / "gateway") as gateway:
        gateway.client().create_bucket(Bucket="zone")
        served.asked.clear()
        place = Location("s3://zone", endpoint=gateway.endpoint, identity=_identity(folder), metadata_service=True)
        found: dict[str, object] = {"files": _used(place), "named": list(served.asked)}
        for name, switch in (("off", False), ("on", True)):
            try:
                s3_session(replace(place, identity=None, metadata_service=switch)).get("x")
            except ConfigError as error:
                found[f"{name}, refused"] = error.facts["reason"]
            found[name] = list(served.asked)
    return found


def virtual(folder: Path) -> dict[str, object]:
    """How a bucket is addressed that is a part of the host's name."""
    (folder / "hosts").write_text("127.0.0.1 localhost zone.localhost\n")
    subprocess.run(["mount", "--bind", str(folder / "hosts"), "/etc/hosts"], check=True)
    with s3.running(folder / "gateway", options=("--virtual-domain", "localhost")) as gateway:
        gateway.client().create_bucket(Bucket="zone")
        before = len(gateway.requests())
        endpoint = gateway.endpoint.replace("127.0.0.1", "localhost")
        files = _used(Location("s3://zone", endpoint=endpoint, style="virtual", identity=_identity(folder)))
        asked = [line.partition(" s3_")[2].split()[:3] for line in gateway.requests()[before:]]
    return {"files": files, "asked": asked}


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    sys.stdout.write(json.dumps({"metadata": metadata, "virtual": virtual}[sys.argv[1]](Path(sys.argv[2]))))
