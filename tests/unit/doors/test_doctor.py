"""`doctor`: what is fit, what is missing, what to do; and it changes nothing."""

from __future__ import annotations

import os

import pytest

from airlock.doors.doctor import diagnose
from airlock.settings import load_settings


def by_name(checks):
    assert len({(check.group, check.name) for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def test_a_whole_project_is_fit(project, settings, untouched):
    checks = diagnose(settings(engine="local"))
    assert [check for check in checks if check.status == "failed"] == []
    found = by_name(checks)
    assert found["Python"].status == found["apart"].status == found["trust"].status == found["clock"].status == "ok"
    assert found["trust"].said == "1 stage key, 1 release key"
    assert found["staging"].said == "reachable; its folder is made when it is needed"
    assert all(not check.hint for check in checks if check.status == "ok")


def test_without_a_configuration_nothing_fails():
    found = by_name(diagnose(load_settings(environment={}, flags={"engine": "local"})))
    assert {check.status for check in found.values()} <= {"ok", "warning"}
    for name in ("raw", "private", "staging", "sanitized", "root", "stage_signing", "release_signing", "trust"):
        assert (found[name].status, found[name].said) == ("warning", "not configured")
    assert all(check.hint for check in found.values() if check.status == "warning")


def test_missing_java_matters_only_if_spark_is_asked_for(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    checks = {engine: by_name(diagnose(settings(engine=engine))) for engine in ("auto", "local", "spark")}
    assert [checks[engine]["Java"].status for engine in checks] == ["warning", "warning", "failed"]
    assert "apt-get install openjdk-17-jre-headless" in checks["spark"]["Java"].hint
    assert checks["auto"]["engine"].said == "auto: processes of this machine"


def test_an_old_java_is_named(settings, tmp_path, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert by_name(diagnose(settings()))["Java"].said == "11, needed 17 or newer"


def test_zones(project, settings):
    (project / "staging").mkdir()
    found = by_name(
        diagnose(settings(**{"zones.sanitized.uri": str(project / "airlock.yaml" / "x"), "zones.private.uri": "s3://x/y"}))
    )
    assert found["staging"].said == "readable and writable"
    assert (found["sanitized"].status, found["private"].status) == ("failed", "failed")
    assert "can't be made" in found["sanitized"].said
    assert "scheme 's3://'" in found["private"].said
    found = by_name(diagnose(settings(**{"zones.raw.uri": str(project / "none")})))
    assert (found["raw"].status, found["raw"].said) == ("failed", "its folder is not there")
    (project / "none").mkdir()
    assert by_name(diagnose(settings(**{"zones.raw.uri": str(project / "none")})))["raw"].said == "readable, but empty"


def test_zones_that_overlap_fail(project, settings):
    check = by_name(diagnose(settings(**{"zones.staging.uri": str(project / "raw" / "x")})))["apart"]
    assert check.status == "failed"
    assert "zone 'raw' and zone 'staging' overlap" in check.said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_zone_that_cant_be_written_is_a_warning(project, settings):
    (project / "staging").mkdir(mode=0o500)
    assert by_name(diagnose(settings()))["staging"].said == "readable, not writable"


@pytest.mark.parametrize("name", ["root.json", "stage-signing.pem", "release-signing.pem"])
def test_a_key_that_others_can_read_fails(project, settings, name):
    (project / "keys" / name).chmod(0o640)
    check = by_name(diagnose(settings()))[name.partition(".")[0].replace("-", "_")]
    assert check.status == "failed"
    assert "0640, expected 0600" in check.said
    assert "chmod 600" in check.hint


def test_a_key_that_is_none_fails(project, settings):
    (project / "keys" / "stage-signing.pem").write_text("CANARY")
    check = by_name(diagnose(settings()))["stage_signing"]
    assert check.status == "failed"
    assert "CANARY" not in check.said


def test_trust(project, settings):
    (project / "trust" / "stage.pub").write_text("{}")
    assert by_name(diagnose(settings()))["trust"].status == "failed"
    found = by_name(diagnose(settings(trust=str(project / "none"))))
    assert "no trusted key" in found["trust"].said


def test_a_clock_before_the_installation_fails(settings, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 86_400.0)
    check = by_name(diagnose(settings(engine="local")))["clock"]
    assert check.status == "failed"
    assert check.said.startswith("1970-01-02")
