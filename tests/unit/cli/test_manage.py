"""The commands that make things: draft, keys init, demo."""

from __future__ import annotations

import pytest

from airlock.cli import main
from airlock.settings import load_settings


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Run one command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


@pytest.fixture
def people(tmp_path):
    (tmp_path / "people.csv").write_text("person_id,mail\n" + "".join(f"{row},canary{row}@example.org\n" for row in range(50)))
    return tmp_path / "people.csv"


def test_a_draft_goes_to_stdout_or_to_a_new_file(said, people, tmp_path):
    code, out, err = said("draft", "people.csv")
    assert (code, err) == (0, "")
    assert "canary" not in out
    code, nothing, err = said("draft", "people.csv", "-o", "people.yaml")
    assert (code, nothing) == (0, "")
    assert "a draft for 2 columns, from 50 rows" in err
    assert (tmp_path / "people.yaml").read_text() == out
    code, _, err = said("draft", "people.csv", "-o", "people.yaml")
    assert code == 2
    assert "not overwritten" in err


def test_an_update_is_in_place_or_to_a_new_file(said, people, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOCK_ZONES_RAW", str(tmp_path))
    said("draft", "raw/people.csv", "-o", "people.yaml")
    before = (tmp_path / "people.yaml").read_text()
    lines = before.splitlines(keepends=True)
    cut = "".join(line for line in lines if not line.startswith("  mail:"))
    (tmp_path / "people.yaml").write_text(cut)
    code, out, _ = said("draft", "--update", "people.yaml", "-o", "-")
    assert code == 0
    assert "  mail:" in out
    assert (tmp_path / "people.yaml").read_text() == cut
    code, out, err = said("draft", "--update", "people.yaml")
    assert (code, out) == (0, "")
    assert "appended 1 rules: mail" in err
    assert "  mail:" in (tmp_path / "people.yaml").read_text()
    code, _, err = said("draft", "--update", "people.yaml")
    assert (code, "every column has a rule" in err) == (0, True)


@pytest.mark.parametrize("arguments", [[], ["people.csv", "--update", "x.yaml"], ["people.csv", "--format", "orc"]])
def test_a_draft_that_cant_be_asked_for(said, people, arguments):
    code, out, err = said("draft", *arguments)
    assert (code, out) == (2, "")
    assert err


def test_keys_init_prints_settings(said, tmp_path):
    code, out, err = said("keys", "init")
    assert code == 0
    assert "0600" in err
    (tmp_path / "airlock.yaml").write_text(out)
    settings = load_settings(file=tmp_path / "airlock.yaml", environment={})
    assert settings.path("keys.root") == tmp_path / "keys" / "root.json"
    assert settings.path("trust") == tmp_path / "trust"
    code, out, err = said("keys", "init")
    assert (code, out) == (3, "")
    assert "never overwritten" in err


def test_a_demo_is_made_once(said):
    code, _, err = said("demo", "--rows", "100")
    assert code == 0
    assert "airlock-demo/policies/customers.yaml" in err
    code, _, err = said("demo", "--rows", "100")
    assert code == 2
    assert "is already there" in err
    code, _, err = said("demo", "--rows", "99", "--folder", "other")
    assert code == 2
    assert "at least 100 rows" in err
