"""The command line as a whole: exit codes, global options anywhere, what goes to which stream, and ends that are not ours."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest
import typer
from tests.conftest import POLICY

from airlock import __version__
from airlock.cli import _main, main
from airlock.cli._examples import EXAMPLES, _commands
from airlock.cli._report import EXIT_CODES

COMMANDS = sorted(name for name, _ in _commands(_main.tree(_main.PARTS)))
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
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(said, monkeypatch, name, flag):
    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = said(*name.split(), flag)
    assert (code, err) == (0, "")
    assert len(EXAMPLES[name]) >= 1
    assert all(line in out for line in EXAMPLES[name])
    assert all(f"{code} {meaning}" in " ".join(out.split()) for code, meaning in EXIT_CODES.items())
    assert "\x1b" not in out


def test_every_command_has_examples_and_no_other_has():
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines if line.startswith("airlock")])
def test_an_example_is_a_command_that_can_be_given(line):
    """Its options and arguments are the command's own: nothing is run."""
    words = shlex.split(line.partition(" > ")[0])[1:]
    command = typer.main.get_command(_main.tree(_main.PARTS))
    context = command.make_context("airlock", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize(
    "command", [["run", "x.yaml"], ["anonymize", "policies"], ["runs", "list"], ["runs", "prune"], ["preview", "x.yaml"]]
)
def test_where_nothing_is_configured_the_message_says_what_to_name(said, tmp_path, command):
    (tmp_path / "policies").mkdir()
    for path in ("x.yaml", "policies/people.yaml"):
        (tmp_path / path).write_text(POLICY.format(dataset="people", format="parquet", max_rejects=0))
    code, out, err = said(*command)
    assert code == 2
    assert "ConfigError" in err
    assert "--config" in err
    assert "/tmp/airlock-" not in err
    assert out == "" or command[0] == "anonymize"


def test_a_folder_that_cant_be_made_is_said(said, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = said("demo", "--folder", "file/demo", "--rows", "100")
    assert code == 2
    assert "ConfigError: folder 'file/demo' can't be made: Not a directory. Name another --folder" in err


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

    monkeypatch.setattr(_main, "tree", lambda _: fall)
    code, out, err = said("runs", "list")
    assert (code, out) == (1, "")
    assert CANARY not in err
    assert "unexpected: ValueError at test_main.py:" in err
    assert CANARY in said("runs", "list", "--debug")[2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, _main.typer.Abort])
def test_who_stops_it_gets_130(said, monkeypatch, error):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr(_main, "tree", lambda _: stop)
    assert said("runs", "list") == (130, "", "")


def test_commands_that_return_no_code_end_well(said, monkeypatch):
    monkeypatch.setattr(_main, "tree", lambda _: lambda *_, **__: None)
    assert said("policy", "schema")[0] == 0


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", [["explain"], ["policy", "schema"], ["--version"]])
def test_a_reader_that_went_away_is_no_drama(command, buffered):
    """`airlock explain | head -1`: no trace, no noise when the interpreter ends, and no success either."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {} if buffered else {"PYTHONUNBUFFERED": "1"}
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "airlock", *command], stdout=write, stderr=subprocess.PIPE, env=environment, check=False
        )
    finally:
        os.close(write)
    assert (done.stderr, done.returncode) == (b"", 1)


def test_the_last_line_of_stdout_is_the_summary(said, tmp_path):
    (tmp_path / "airlock.yaml").write_text("zones: {private: {uri: private}, staging: {uri: staging}}\n")
    for arguments in (["verify", "nowhere"], ["runs", "prune"]):
        code, out, _ = said(*arguments)
        summary = json.loads(out.splitlines()[-1])
        assert (summary["verb"], summary["exit_code"]) == (arguments[-1] if arguments[0] == "runs" else arguments[0], code)
