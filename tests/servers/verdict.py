"""Preflight's verdict for a project on one machine, signed as a test wants it."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from airlock.evidence.canonical import time_text
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.trust import Trust
from airlock.keys.signing import create_signing_key, load_signer


class Verdict:
    """A verdict for node `here`, beside a project."""

    def __init__(self, project):
        self.since = time_text(datetime.now(UTC))
        self.project, self.file, self.key = project, project.root / "verdict", project.root / "keys" / "preflight.pem"
        create_signing_key(self.key, project.root / "trust" / "preflight.pub", "preflight")
        project.config.write_text(project.config.read_text() + f"isolation: {{preflight: {self.file}, node: here}}\n")

    def sign(self, run="one", ends=60.0, **changed):
        """Write it, whole at once."""
        now = datetime.now(UTC)
        values = {
            "run": run, "nodes": ("here",), "namespaces": ("pii-raw",), "flows_sha256": "0" * 64, "objects_sha256": "1" * 64,
            "probes_sha256": {"here": "2" * 64}, "checks": ("probes",), "watched": True, "since": self.since, "signed_at": time_text(now),
            "expires_at": time_text(now + timedelta(seconds=ends)),
        }  # fmt: skip
        envelope = Preflighted(**{**values, **changed}).to_envelope(load_signer(self.key))
        fresh = self.file.with_name("verdict.fresh")
        fresh.write_bytes(envelope)
        fresh.replace(self.file)
        return envelope

    def record(self, envelope):
        """What an envelope holds."""
        return Preflighted.parse(envelope, Trust.load(self.project.root / "trust"))


@contextmanager
def once(when, act):
    """Call `act` as soon as `when` holds; gives a list whose only item is when that was done."""
    at, done = [], threading.Event()

    def wait():
        while not done.wait(0.05):
            if when():
                act()
                at.append(time.monotonic())
                return

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield at
    finally:
        done.set()
        thread.join()


def taken_back(verdict, when):
    """Take the verdict back as soon as `when` holds; gives a list whose only item is when that was."""

    def withdraw():
        verdict.sign(json.loads(_payload(verdict.file))["run"], withdrawn=("objects: one policy more",))

    return once(when, withdraw)


def _payload(file):
    return base64.b64decode(json.loads(file.read_bytes())["payload"])
