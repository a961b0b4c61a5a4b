"""`doctor`: what is fit, what is missing, what to do; and it changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

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


_BLOCKED = """\
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Blocker())
from airlock.cli import main
main({arguments!r})
"""


def without(*blocked, arguments=("doctor", "--format", "json"), **environment):
    """Run a command in a Python that lacks these modules, on a machine without Java: nothing of it is on the path."""
    code = _BLOCKED.format(blocked=set(blocked), arguments=list(arguments))
    clean = {name: value for name, value in os.environ.items() if name != "JAVA_HOME" and not name.startswith("AIRLOCK_")}
    return subprocess.run([sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True)


PARTS = {
    "Java": "apt-get install openjdk-17-jre-headless",
    "pyspark": "pip install 'airlock[spark]'",
    "pandas": "pip install 'airlock[spark]'",
    "presidio": "pip install 'airlock[text]'",
    "Faker": "pip install 'airlock[surrogates]'",
}


@pytest.mark.parametrize("engine", ["auto", "local", "spark"])
def test_every_missing_part_is_named_with_the_line_that_installs_it(project, tmp_path, engine):
    done = without(
        "pyspark", "pandas", "presidio_analyzer", "spacy", "faker",
        PATH=str(tmp_path), AIRLOCK_CONFIG=str(project / "airlock.yaml"), AIRLOCK_ENGINE=engine,
    )  # fmt: skip
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    for name, line in PARTS.items():
        needed = engine == "spark" and name in ("Java", "pyspark", "pandas")
        assert checks[name]["status"] == ("failed" if needed else "warning"), name
        assert checks[name]["said"] in ("not installed", "none found")
        assert line in checks[name]["hint"]
    assert checks["engine"]["said"] == ("auto: processes of this machine" if engine == "auto" else f"{engine}, as set")
    assert (done.returncode, done.stderr) == (2 if engine == "spark" else 0, "")


def test_the_machine_that_lacks_them_still_runs_both_doors(project, tmp_path):
    """Without Java, Spark, pandas, Presidio and Faker: the orders have no free text."""
    done = without(
        "pyspark", "pandas", "presidio_analyzer", "spacy", "faker",
        arguments=("--config", f"{project}/airlock.yaml", "anonymize", f"{project}/policies/orders.yaml"), PATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = without(
        "presidio_analyzer", arguments=("--config", f"{project}/airlock.yaml", "plan", f"{project}/policies/tickets.yaml")
    )
    assert done.returncode == 2
    assert "Install airlock[text]" in done.stderr


@pytest.mark.parametrize("module", ["pyarrow", "ruamel", "re2", "typer", "cryptography"])
def test_a_library_without_which_nothing_runs_is_named(module):
    done = without(module)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"airlock can't start: Python's module '{module}' is not installed here. Install it: pip install airlock\n"
    )


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
        diagnose(settings(**{"zones.sanitized.uri": str(project / "airlock.yaml" / "x"), "zones.private.uri": "gopher://x/y"}))
    )
    assert found["staging"].said == "readable and writable"
    assert (found["sanitized"].status, found["private"].status) == ("failed", "failed")
    assert "can't be made" in found["sanitized"].said
    assert "scheme 'gopher://'" in found["private"].said
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
