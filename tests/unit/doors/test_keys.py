"""`keys init` and the demo's project: each key in a private file of its own, nothing overwritten."""

from __future__ import annotations

import stat
import time

import pytest

from airlock.doors._zones import require_disjoint
from airlock.doors.demo import create_demo
from airlock.doors.keys import create_keys
from airlock.errors import ConfigError, KeyFileError
from airlock.evidence.trust import Trust
from airlock.keys import FileKeyRing, KeyRequest, Permit
from airlock.keys.signing import load_signer
from airlock.settings import load_settings


def test_three_private_files_and_two_public_ones(tmp_path):
    made = create_keys(tmp_path / "keys")
    assert [path.name for path in made.private] == ["root.json", "stage-signing.pem", "release-signing.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.private} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert made.trust == tmp_path / "trust"
    assert sorted(path.name for path in made.trust.iterdir()) == ["release.pub", "stage.pub"]
    assert len({path.read_bytes() for path in made.private}) == 3


def test_the_keys_work(tmp_path):
    made = create_keys(tmp_path / "keys")
    request = KeyRequest("pseudonymize", "aes-cmac", "person")
    keys = FileKeyRing(made.root).subkeys([request], recipient="r", epoch=1, permit=Permit("0" * 64, time.time() + 60))
    assert len(keys[request]) == 32
    trust = Trust.load(made.trust)
    for role, path in (("stage", made.stage_signing), ("release", made.release_signing)):
        [trusted] = trust.of_role(role)
        assert trusted.keyid == made.key_ids[role] == load_signer(path).public_key.keyid


@pytest.mark.parametrize(
    "name", ["keys/root.json", "keys/stage-signing.pem", "keys/release-signing.pem", "trust/stage.pub", "trust/release.pub"]
)
def test_nothing_is_overwritten_and_nothing_half_made(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_keys(tmp_path / "keys")
    assert path.read_text() == "mine"
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


def test_a_dangling_link_is_something(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "root.json").symlink_to(tmp_path / "none")
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_keys(tmp_path / "keys")


def test_a_folder_that_cant_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="can't be made"):
        create_keys(tmp_path / "file" / "keys")


@pytest.mark.parametrize("folder", ["keys", "with space: and #hash"])
def test_the_printed_lines_are_settings(tmp_path, folder):
    made = create_keys(tmp_path / folder, trust=tmp_path / "public")
    for base in (tmp_path, None):
        (tmp_path / "airlock.yaml").write_text(made.settings(base))
        settings = load_settings(file=tmp_path / "airlock.yaml", environment={})
        assert settings.path("keys.root") == made.root.resolve()
        assert settings.path("keys.stage_signing") == made.stage_signing.resolve()
        assert settings.path("keys.release_signing") == made.release_signing.resolve()
        assert settings.path("trust") == made.trust.resolve()
    assert "\n  root: " in made.settings(tmp_path)


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_a_project_is_whole(project, settings):
    loaded = settings()
    require_disjoint(loaded)
    assert loaded.get("separation") == "none"
    assert loaded.path("policies") == project / "policies"
    assert sorted(path.name for path in (project / "policies").iterdir()) == ["customers.yaml", "orders.yaml", "tickets.yaml"]
    assert len(Trust.load(loaded.path("trust"))) == 2
    assert not (project / "staging").exists()


@pytest.mark.parametrize("name", ["airlock.yaml", "keys", "trust", "raw"])
def test_a_project_overwrites_nothing(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match="is already there"):
        create_demo(tmp_path, rows=100)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_equal_seeds_make_equal_data_but_never_equal_keys(tmp_path):
    made = [create_demo(tmp_path / name, rows=100, seed=3) for name in ("a", "b")]
    files = [sorted((demo.folder / "raw").rglob("*.*")) for demo in made]
    assert [path.read_bytes() for path in files[0] if path.is_file()] == [
        path.read_bytes() for path in files[1] if path.is_file()
    ]
    assert made[0].keys.root.read_bytes() != made[1].keys.root.read_bytes()
