"""Both doors by one command: what of the environment each of them gets."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from airlock.doors import run


@pytest.mark.parametrize(("holds_keys", "kept"), [(True, {"VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY"}), (False, set())])
def test_the_outer_door_gets_no_way_in_to_a_key_provider(monkeypatch, tmp_path, holds_keys, kept):
    names = {"VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "AIRLOCK_KEYS_ROOT"}
    for name in names:
        monkeypatch.setenv(name, "x")
    seen = {}

    def started(command, **options):
        seen.update(options["env"])
        return SimpleNamespace(returncode=0, stdout=b'{"results": []}\n')

    monkeypatch.setattr(subprocess, "run", started)
    assert run._door(["release"], tmp_path / "airlock.yaml", holds_keys=holds_keys) == []
    assert names & seen.keys() == kept
