"""Digests of the source: raw data restored from a copy make the same release; a file is hashed once; nobody else's word is taken."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest

from airlock.doors import _digests
from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.errors import SourceChangedError
from airlock.evidence.manifest import PublicManifest


def evidence(made, run):
    return PublicManifest.from_bytes((made.root / "sanitized" / "people" / "evidence" / run / "manifest.json").read_bytes())


def released(made):
    run = anonymize(made.policy(), made.settings(), engine="local").run
    release(made.policy(), made.settings())
    files = sorted((made.root / "sanitized" / "people" / "data" / run).iterdir())
    return evidence(made, run).stable_bytes(), [file.read_bytes() for file in files]


def test_a_copy_of_raw_data_and_keys_makes_the_same_release(make_project, tmp_path):
    made = make_project(files=2)
    other = make_project(files=0, folder="other")
    for part in ("raw", "keys", "trust"):
        shutil.rmtree(other.root / part)
        shutil.copytree(made.root / part, other.root / part, copy_function=shutil.copyfile)
    for key in (other.root / "keys").iterdir():
        key.chmod(0o600)
    assert released(made) == released(other)


def test_the_private_manifest_tells_them(make_project):
    made = make_project(files=2)
    run = anonymize(made.policy(), made.settings(), engine="local").run
    inputs = json.loads((made.root / "private" / "people" / run / "manifest.json").read_text())["inputs"]
    assert [(file["path"], file["sha256"]) for file in inputs] == [
        (f"people/{name}.parquet", hashlib.sha256((made.root / "raw" / "people" / f"{name}.parquet").read_bytes()).hexdigest())
        for name in ("000", "001")
    ]


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read for their digest."""
    seen = []
    original = _digests._hashed

    def look(raw, file):
        seen.append(file.path.rpartition("/")[2])
        return original(raw, file)

    monkeypatch.setattr(_digests, "_hashed", look)
    return seen


def test_a_file_is_hashed_once_and_a_touched_one_is_no_new_work(make_project, hashed, people):
    made = make_project(files=2)
    assert anonymize(made.policy(), made.settings(), engine="local").reused == 0
    assert sorted(hashed) == ["000.parquet", "001.parquet"]
    os.utime(made.root / "raw" / "people" / "001.parquet", (1, 1))
    made.write(people(5, first=9_000), "002.parquet")
    hashed.clear()
    assert anonymize(made.policy(), made.settings(), engine="local").reused == 2
    assert sorted(hashed) == ["001.parquet", "002.parquet"]


@pytest.mark.parametrize(
    "harm", [lambda text: text.replace('"mac":"', '"mac":"0'), lambda _: "{}", lambda _: "nonsense", lambda _: "[]"]
)
def test_what_this_key_did_not_seal_is_hashed_again(make_project, hashed, harm):
    made = make_project(files=1)
    anonymize(made.policy(), made.settings(), engine="local")
    kept = made.root / "private" / "people" / "digests.json"
    before = kept.read_text()
    kept.write_text(harm(before))
    hashed.clear()
    assert anonymize(made.policy(), made.settings(), engine="local").reused == 1
    assert hashed == ["000.parquet"]
    assert kept.read_text() == before


@pytest.mark.parametrize("change", ["replaced", "gone"])
def test_a_source_that_changes_meanwhile_is_temporary(make_project, monkeypatch, people, change):
    made = make_project(files=1)
    original = _digests._hashed

    def late(raw, file):
        if change == "gone":
            (made.root / "raw" / file.path).unlink()
        else:
            made.write(people(7), "000.parquet")
        return original(raw, file)

    monkeypatch.setattr(_digests, "_hashed", late)
    with pytest.raises(SourceChangedError, match="since it was listed"):
        anonymize(made.policy(), made.settings(), engine="local")
    assert not list((made.root / "staging").rglob("*.parquet"))
