"""Where a zone's identity may come from: each form by itself, on a machine whose AWS environment has nothing, or somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.clients.s3 import S3Session
from airlock.errors import ConfigError
from airlock.settings import Location

LINES = "aws_access_key_id = {name}\naws_secret_access_key = secret-of-{name}\n"


def _file(folder: Path) -> str:
    path = folder / "identity.ini"
    path.write_text("[default]\n" + LINES.format(name="mine"))
    return str(path)


def _folder(folder: Path) -> str:
    path = folder / "mounted"
    path.mkdir()
    (path / "access_key_id").write_text("mine\n")
    (path / "secret_access_key").write_text("secret-of-mine\n")
    return str(path)


def _profile(folder: Path) -> str:
    with (folder / "config").open("a") as config:
        config.write("[profile door]\n" + LINES.format(name="mine"))
    return "profile:door"


@pytest.fixture(params=["nothing", "somebody"])
def environment(request, tmp_path, monkeypatch):
    """An AWS environment without an identity, or with another one in each of its places."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    if request.param == "somebody":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-somebody")
        (tmp_path / "credentials").write_text("[default]\n" + LINES.format(name="somebody"))
        (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n")
    return request.param


def _session(identity: str | None) -> S3Session:
    return S3Session(Location("s3://bucket", endpoint="http://127.0.0.1:1", region="us-east-1", identity=identity))


@pytest.mark.parametrize("form", [_file, _folder, _profile])
def test_an_identity_is_the_one_that_is_named(environment, tmp_path, form):
    session = _session(form(tmp_path))
    assert (session.caller(), session.credentials().secret_key) == ("mine", "secret-of-mine")
    assert session.region == "us-east-1"  # a client can be made


def test_without_one_the_environment_says_who_asks(environment):
    session = _session(None)
    if environment == "somebody":
        assert session.caller() == "somebody"
    else:
        with pytest.raises(ConfigError, match=r"s3://bucket at http://127\.0\.0\.1:1: no identity is found"):
            session.caller()


@pytest.mark.parametrize("identity", ["profile:absent", "absent.ini"])
def test_what_is_not_there_is_not_replaced_by_another(environment, tmp_path, identity):
    named = identity if identity.startswith("profile:") else str(tmp_path / identity)
    with pytest.raises(ConfigError, match="identity"):
        _session(named).caller()


def test_a_folder_that_lacks_a_part_is_refused(environment, tmp_path):
    (tmp_path / "mounted").mkdir()
    with pytest.raises(ConfigError, match="lacks access_key_id or secret_access_key"):
        _session(str(tmp_path / "mounted")).caller()
