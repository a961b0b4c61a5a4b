"""Settings: flag over environment over file over default, each with its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.errors import ConfigError
from airlock.settings import SETTINGS, load_settings
from airlock.types import Zone


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "airlock.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No airlock.yaml above the working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def load(**arguments):
    return load_settings(**({"environment": {}} | arguments))


def test_without_anything_the_defaults_stand():
    settings = load()
    assert settings.file is None
    assert set(settings.origins.values()) == {"default"}
    assert settings.values == {setting.name: setting.default for setting in SETTINGS}


def test_each_layer_beats_the_one_below(file):
    path = file("workers: 1\nengine: local\n")
    assert load(file=path).number("workers") == 1
    environment = {"AIRLOCK_WORKERS": "2", "UNRELATED": "x"}
    settings = load(file=path, environment=environment)
    assert (settings.get("workers"), settings.origins["workers"]) == ("2", "environment")
    settings = load(file=path, environment=environment, flags={"workers": "3", "engine": None})
    assert (settings.get("workers"), settings.origins["workers"]) == ("3", "flag")
    assert (settings.get("engine"), settings.origins["engine"]) == ("local", "file")


def test_paths_in_a_file_are_relative_to_it(file, tmp_path):
    settings = load(
        file=file("zones: {raw: {uri: raw}, staging: {uri: 'file:///srv/x'}}\nkeys: {root: ../k.json}\ntrust: ~/t\n")
    )
    assert settings.zone(Zone.RAW).uri == str(tmp_path / "raw")
    assert settings.zone(Zone.STAGING).uri == "file:///srv/x"
    assert settings.path("keys.root") == tmp_path.parent / "k.json"
    assert settings.path("trust") == Path.home() / "t"


def test_paths_in_the_environment_are_relative_to_the_working_folder():
    settings = load(environment={"AIRLOCK_ZONES_RAW": "raw", "AIRLOCK_KEYS_ROOT": ""})
    assert settings.zone(Zone.RAW).uri == str(Path.cwd() / "raw")
    assert settings.path("keys.root") is None


def test_staging_is_reached_by_the_identity_of_the_door_that_the_file_is_for(file):
    identities = "raw: {identity: inner.ini}, sanitized: {identity: outer.ini, uri: s3://out}"
    both = load(file=file(f"zones: {{{identities}, private: {{uri: s3://private}}, staging: {{uri: s3://staged}}}}\n"))
    assert both.identity_setting(Zone.STAGING) == both.identity_setting(Zone.PRIVATE) == "zones.raw.identity"
    assert both.outer().identity_setting(Zone.STAGING) == "zones.sanitized.identity"
    assert both.outer().zone(Zone.STAGING).identity == both.zone(Zone.SANITIZED).identity
    own = load(file=file("zones: {staging: {uri: s3://staged, identity: 'profile:me'}}\n"))
    assert own.zone(Zone.STAGING).identity == "profile:me"


def test_reports_are_reached_as_the_outer_door_is(file):
    settings = load(
        file=file(
            "zones: {sanitized: {uri: s3://out, identity: outer.ini}}\nreports: s3://reports\n"
            "s3: {endpoint: 'https://s3.example.org'}\n"
        )
    )
    place = settings.reports()
    assert (place.uri, place.endpoint) == ("s3://reports", "https://s3.example.org")
    assert place.identity == settings.zone(Zone.SANITIZED).identity
    assert load(file=file("workers: 1\n")).reports() is None


def test_the_file_here_or_above_is_found(file, tmp_path):
    path = file("workers: 7\n")
    settings = load()
    assert (settings.file, settings.get("workers")) == (path, "7")
    other = tmp_path / "other.yaml"
    other.write_text("workers: 8\n")
    assert load(environment={"AIRLOCK_CONFIG": str(other)}).get("workers") == "8"
    assert load(file=path, environment={"AIRLOCK_CONFIG": str(other)}).get("workers") == "7"


@pytest.mark.parametrize("named", [{"file": Path("none.yaml")}, {"environment": {"AIRLOCK_CONFIG": "none.yaml"}}])
def test_a_named_file_must_be_there(named):
    with pytest.raises(ConfigError, match=r"no configuration file 'none\.yaml'"):
        load(**named)


def test_all_faults_of_a_file_are_named_at_their_places(file):
    path = file("zones:\n  raw: {url: x}\n  row: {uri: x}\nengin: local\nkeys: 3\n")
    with pytest.raises(ConfigError) as caught:
        load(file=path)
    assert str(caught.value).splitlines() == [
        "airlock.yaml:",
        f"{path}:2:9: unknown setting 'zones.raw.url'; nearest: 'zones.raw.uri'",
        f"{path}:3:3: unknown setting 'zones.row'; nearest: 'zones.raw'",
        f"{path}:4:1: unknown setting 'engin'; nearest: 'engine'",
        f"{path}:5:1: 'keys' must be a mapping",
    ]


@pytest.mark.parametrize("text", ["- a\n", "text\n"])
def test_a_file_is_a_mapping(file, text):
    with pytest.raises(ConfigError, match="'the file' must be a mapping"):
        load(file=file(text))


def test_an_empty_file_sets_nothing(file):
    assert set(load(file=file("# nothing\n")).origins.values()) == {"default"}


def test_a_file_of_other_bytes(tmp_path):
    (tmp_path / "airlock.yaml").write_bytes(b"master: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(file=tmp_path / "airlock.yaml")


def test_unknown_variables_and_flags_are_refused():
    with pytest.raises(ConfigError, match="unknown variable AIRLOCK_ENGIN; nearest: AIRLOCK_ENGINE"):
        load(environment={"AIRLOCK_ENGIN": "local"})
    with pytest.raises(ConfigError, match="there is no setting 'engin'"):
        load(flags={"engin": "local"})
    assert load(environment={"AIRLOCK_REQUIRE": "java"}).get("engine") == "auto"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "²", "True"])
def test_numbers_are_whole_and_not_negative(value):
    with pytest.raises(ConfigError, match="'workers' must be a whole number"):
        load(flags={"workers": value})


def test_choices_are_listed():
    with pytest.raises(ConfigError, match="setting 'engine' is 'sparc'; expected one of auto, local, spark"):
        load(flags={"engine": "sparc"})


def test_a_missing_setting_says_how_to_set_it(file):
    with pytest.raises(
        ConfigError, match=r"Set it in airlock\.yaml \(none is here or above; --config names one\), or by AIRLOCK_"
    ):
        load().zone(Zone.RAW)
    with pytest.raises(
        ConfigError, match=r"'zones\.raw\.uri' is not set .*Set it in /.*airlock\.yaml, or by AIRLOCK_ZONES_RAW"
    ):
        load(file=file("workers: 1\n")).zone(Zone.RAW)


def test_what_is_set_below_a_prefix():
    settings = load(flags={"keys.root": "/k", "zones.raw.uri": "/r"})
    assert settings.only("keys.", "zones.") == {"keys.provider": "file", "keys.root": "/k", "zones.raw.uri": "/r"}


def test_names_variables_and_meanings_are_unique():
    assert len({setting.name for setting in SETTINGS}) == len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.meaning for setting in SETTINGS)


def test_a_mounted_secret_is_named_by_the_link_that_every_pod_has(file, tmp_path):
    """Kubernetes mounts NAME -> ..data/NAME -> ..DATE/NAME, and the date is the pod's own."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "executor.key").write_bytes(b"x")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "executor.key").symlink_to("..data/executor.key")
    settings = load_settings(file=file(f"keys: {{executor: {tmp_path}/a/../executor.key}}"), environment={})
    assert settings.path("keys.executor") == tmp_path / "executor.key"


def test_paths_in_a_mounted_file_are_relative_to_the_mount(tmp_path):
    (tmp_path / "config" / "..2026").mkdir(parents=True)
    (tmp_path / "config" / "..2026" / "airlock.yaml").write_text("trust: ../trust\n")
    (tmp_path / "config" / "..data").symlink_to("..2026")
    (tmp_path / "config" / "airlock.yaml").symlink_to("..data/airlock.yaml")
    assert load_settings(file=tmp_path / "config" / "airlock.yaml", environment={}).path("trust") == tmp_path / "trust"


def test_paths_in_a_file_that_is_linked_to_are_relative_to_the_file(file, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.yaml").symlink_to(file("trust: keys\n"))
    assert load_settings(file=tmp_path / "elsewhere" / "link.yaml", environment={}).path("trust") == tmp_path / "keys"
