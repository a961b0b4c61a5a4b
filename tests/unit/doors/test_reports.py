"""What the gate found in a refused run: kept for the outer door's people, nowhere that others read."""

from __future__ import annotations

import base64
import json
import shutil
import stat

import pytest

from airlock.cli import main
from airlock.doors.revoke import revoke
from airlock.doors.runs import show_run
from airlock.doors.verify import verify
from airlock.errors import ResidualEntityError
from airlock.evidence.canonical import canonical_json
from airlock.types import Zone


@pytest.fixture
def reporting(place):
    """The project with a place for reports."""
    with (place.root / "airlock.yaml").open("a") as config:
        config.write("reports: reports\n")
    return place


def refuse(place) -> str:
    """A run whose policy keeps e-mail addresses by mistake."""
    proper = place.policy.read_text()
    place.policy.write_text(
        proper.replace(
            "email:  {type: string, class: direct_identifier, drop: {}}", "email:  {type: string, class: sensitive, keep: oops}"
        )
    )
    run = place.stage()
    with pytest.raises(ResidualEntityError):
        place.publish(run)
    place.policy.write_text(proper)
    return run


def files(folder) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "lease" not in path.name
    }


def test_a_refused_runs_report_is_kept_apart(reporting, people):
    before = files(reporting.root / "sanitized")
    run = refuse(reporting)
    assert files(reporting.root / "sanitized") == before
    assert {name for name in files(reporting.root / "staging" / "people" / run) if not name.startswith("data/")} == {
        "manifest.json", "manifest.intoto.json", "verdict.json",
    }  # fmt: skip
    kept = reporting.root / "reports"
    assert set(files(kept)) == {f"people/{run}/gate.json", f"people/{run}/gate.intoto.json"}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    said = (kept / "people" / run / "gate.json").read_text()
    assert json.loads(said)["passed"] is False
    for column in ("email", "name", "phone", "note"):
        assert not [value for value in people(40)[column].to_pylist() if value in said]
    verdict = json.loads(
        base64.b64decode(json.loads((reporting.root / "staging" / "people" / run / "verdict.json").read_bytes())["payload"])
    )
    assert verdict["predicate"].keys() == {"dataset", "run", "state", "code", "at"}


def test_it_is_shown_where_its_place_is_known(reporting):
    run = refuse(reporting)
    shown = show_run(run, reporting.settings())
    assert shown.known.state == "refused"
    (entities,) = [check for check in shown.gate if not check.passed]
    assert (entities.check, entities.findings) == (
        "entities",
        ("column=email count=40 entity=EMAIL_ADDRESS picture=9@aaaaaaa.aaa total=40",),
    )
    assert set(shown.not_proven) == {"PERSON", "LOCATION"}
    inner = reporting.settings(Zone.SANITIZED)
    assert show_run(run, type(inner)(inner.values | {"reports": None}, inner.origins)).gate == ()


@pytest.mark.parametrize("configured", [True, False])
def test_the_command_prints_it_or_says_where_it_is(place, capsys, configured):
    if configured:
        with (place.root / "airlock.yaml").open("a") as config:
            config.write("reports: reports\n")
    run = refuse(place)
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["--config", str(place.root / "airlock.yaml"), "runs", "show", run])
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert ("EMAIL_ADDRESS" in out) is configured
    assert (
        "no report of the gate's checks is here: it refused before it looked at the files, or keeps reports elsewhere"
        in " ".join(out.split())
    ) is not configured


def test_a_report_that_does_not_hold_is_no_report(reporting):
    run = refuse(reporting)
    folder = reporting.root / "reports" / "people" / run
    proper = (folder / "gate.json").read_bytes()

    def problem():
        shown = show_run(run, reporting.settings())
        assert shown.gate == ()
        return shown.known.problem

    (folder / "gate.json").write_bytes(canonical_json(json.loads(proper) | {"passed": True}))
    assert problem() == "integrity"
    (folder / "gate.json").write_bytes(proper)
    envelope = (folder / "gate.intoto.json").read_bytes()
    (folder / "gate.intoto.json").write_bytes(
        (reporting.root / "staging" / "people" / run / "manifest.intoto.json").read_bytes()
    )
    assert problem() == "signature"
    (folder / "gate.intoto.json").unlink()
    assert problem() == ""
    (folder / "gate.intoto.json").write_bytes(envelope)
    other = refuse(reporting)
    shutil.rmtree(folder)
    shutil.copytree(reporting.root / "reports" / "people" / other, folder)
    assert problem() == "integrity"


def test_a_release_that_overtakes_it_lets_it_go_at_the_next_prune(reporting):
    run = refuse(reporting)
    assert ("sanitized", "reports on refused runs") not in reporting.prune()
    released = reporting.run()
    kept = reporting.root / "reports" / "people"
    assert [path.name for path in kept.iterdir()] == [run]
    later = refuse(reporting)
    assert verify(reporting.sink, reporting.settings()).run == released
    assert reporting.prune(dry_run=True)["sanitized", "reports on refused runs"] == 1
    assert {path.name for path in kept.iterdir()} == {run, later}
    assert reporting.prune()["sanitized", "reports on refused runs"] == 1
    assert [path.name for path in kept.iterdir()] == [later]
    assert verify(reporting.sink, reporting.settings()).run == released
    assert show_run(run, reporting.settings()).gate == ()
    assert show_run(later, reporting.settings()).gate


def test_a_withdrawn_release_overtakes_nothing(reporting):
    run = refuse(reporting)
    reporting.run()
    revoke("people", reporting.settings(), reason="a test")
    assert ("sanitized", "reports on refused runs") not in reporting.prune()
    assert show_run(run, reporting.settings()).gate


def test_a_run_that_was_refused_again_has_the_newer_report(reporting):
    """Its door was killed before it wrote the verdict."""
    run = refuse(reporting)
    (reporting.root / "staging" / "people" / run / "verdict.json").unlink()
    proper = reporting.policy.read_text()
    reporting.policy.write_text(
        proper.replace(
            "email:  {type: string, class: direct_identifier, drop: {}}", "email:  {type: string, class: sensitive, keep: oops}"
        )
    )
    with pytest.raises(ResidualEntityError):
        reporting.publish(run)
    assert not all(check.passed for check in show_run(run, reporting.settings()).gate)


def test_looking_makes_no_folder(reporting, second):
    show_run(second, reporting.settings())
    reporting.prune()
    assert not (reporting.root / "reports").exists()
