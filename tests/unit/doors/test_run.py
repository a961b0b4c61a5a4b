"""Both doors by one command: what of the environment each of them gets."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from airlock.doors import run

IDENTITIES = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "VAULT_TOKEN",
}  # fmt: skip
PLACES = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"}


@pytest.mark.parametrize(("holds_keys", "kept"), [(True, IDENTITIES | PLACES), (False, PLACES)])
def test_the_outer_door_gets_no_way_in_to_a_key_provider_but_finds_its_own_profile(monkeypatch, tmp_path, holds_keys, kept):
    names = IDENTITIES | PLACES | {"AIRLOCK_KEYS_ROOT"}
    for name in names:
        monkeypatch.setenv(name, "x")
    seen = {}

    def started(command, **options):
        seen.update(options["env"])
        return SimpleNamespace(returncode=0, stdout=b'{"results": []}\n')

    monkeypatch.setattr(subprocess, "run", started)
    assert run._door(["release"], tmp_path / "airlock.yaml", holds_keys=holds_keys) == []
    assert names & seen.keys() == kept
