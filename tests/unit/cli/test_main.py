"""The command line as a whole: exit codes, global options anywhere, what goes to which stream, and ends that are not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airlock import __version__
from airlock.cli import _main, main
from airlock.cli._report import EXIT_CODES

CANARY = "Canary Jane Roe 1974"


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Run one command: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


def test_help_names_every_exit_code(said):
    code, out, _ = said("--help")
    text = " ".join(out.split())
    assert code == 0
    assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES.items())


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(said, flag):
    for command in ("anonymize", "release", "run", "verify", "path", "plan", "preview", "draft", "demo", "doctor"):
        assert said(command, flag)[0] == 0
    for command in ("list", "show", "diff", "prune", "revoke"):
        assert said("runs", command, flag)[0] == 0


def test_the_version_is_data(said):
    assert said("--version") == (0, f"airlock {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["plan"], ["plan", "--fly", "x"], ["runs", "list", "--format", "xml"], ["runs", "revoke", "people"]]
)
def test_usage_errors_are_2_and_on_stderr(said, arguments):
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_errors_go_to_stderr_with_their_remedy(said):
    code, out, err = said("plan", "nowhere.yaml")
    assert (code, out) == (2, "")
    assert "NotFoundError: there is no policy 'nowhere.yaml'" in err
    assert "'airlock explain not-found'" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "{config}", "runs", "list"],
        ["runs", "--config", "{config}", "list"],
        ["runs", "list", "--config", "{config}"],
        ["runs", "list", "--config={config}", "--log-format", "json"],
    ],
)
def test_global_options_stand_anywhere(said, tmp_path, arguments):
    config = tmp_path / "elsewhere.yaml"
    config.write_text("zones: {staging: {uri: staging}}\n")
    code, out, err = said(*(argument.format(config=config) for argument in arguments))
    assert (code, out.strip(), err) == (0, "no run is known in these zones", "")


def test_a_named_configuration_must_be_there(said):
    code, _, err = said("runs", "list", "--config", "nowhere.yaml")
    assert code == 2
    assert "there is no configuration file 'nowhere.yaml'" in err


def test_an_unexpected_error_never_shows_its_text_unless_asked(said, monkeypatch):
    def fall(*_, **__):
        raise ValueError(CANARY)

    monkeypatch.setattr(_main, "app", fall)
    code, out, err = said("runs", "list")
    assert (code, out) == (1, "")
    assert CANARY not in err
    assert "unexpected: ValueError at test_main.py:" in err
    assert CANARY in said("runs", "list", "--debug")[2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, _main.typer.Abort])
def test_who_stops_it_gets_130(said, monkeypatch, error):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr(_main, "app", stop)
    assert said("runs", "list") == (130, "", "")


def test_commands_that_return_no_code_end_well(said, monkeypatch):
    monkeypatch.setattr(_main, "app", lambda *_, **__: None)
    assert said("policy", "schema")[0] == 0


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", [["explain"], ["policy", "schema"], ["--version"]])
def test_a_reader_that_went_away_is_no_drama(command, buffered):
    """`airlock explain | head -1`: no trace, no noise when the interpreter ends, and no success either."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {} if buffered else {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "airlock", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as done:
        done.stdout.close()
        assert done.stderr.read() == b""
        assert done.wait() == 1


def test_the_last_line_of_stdout_is_the_summary(said, tmp_path):
    (tmp_path / "airlock.yaml").write_text("zones: {staging: {uri: staging}}\n")
    for arguments in (["verify", "nowhere"], ["runs", "prune"]):
        code, out, _ = said(*arguments)
        summary = json.loads(out.splitlines()[-1])
        assert (summary["verb"], summary["exit_code"]) == (arguments[-1] if arguments[0] == "runs" else arguments[0], code)
