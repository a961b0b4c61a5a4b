"""Talk goes to stderr, results to stdout; errors say what to do and never more than they may."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
from rich.console import Console

from airlock.cli import _report
from airlock.cli._report import EXIT_CODES, each, fail, summary, watch, worst
from airlock.doors.progress import Progress
from airlock.errors import AirlockError, ConfigError, LeaseHeldError, SmallGroupError, all_errors

CANARY = "Canary Jane Roe 1974"


def _raised(error: Exception) -> Exception:
    """The error with a trace, as it is caught."""
    try:
        raise error  # noqa: TRY301 - it needs a trace
    except Exception as caught:  # noqa: BLE001 - any
        return caught


def test_every_error_has_an_exit_code_of_the_table():
    assert set(EXIT_CODES) == {0, 1, 2, 3, 75}
    assert {kind.exit_code for kind in all_errors().values()} == {1, 2, 3, 75}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0], 0), ([0, 75], 75), ([75, 1, 0], 1), ([1, 2], 2), ([2, 75], 2), ([0, 1, 2, 3, 75], 3)],
)
def test_the_worst_exit_code_wins_in_any_order(codes, expected):
    assert {worst(order) for order in permutations(codes)} == {expected}
    assert worst(code for code in codes * 2) == expected


@pytest.mark.parametrize("kind", all_errors().values(), ids=lambda kind: kind.code)
def test_every_error_is_said_with_its_remedy(kind, capsys):
    error = kind.__new__(kind)
    Exception.__init__(error, "what happened")
    assert fail(error, debug=False) == kind.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{kind.__name__}: what happened\n")
    assert f"{kind.remedy} ('airlock explain {kind.code}')" in said.err


@pytest.mark.parametrize("text", ["[bold]x[/]", "[/]", "policy.yaml:100:5: unknown", "person:key:1", "a" * 400, "one\ntwo"])
def test_a_message_is_printed_as_it_is(text, capsys):
    fail(ConfigError(text), debug=False)
    assert capsys.readouterr().err.startswith(f"ConfigError: {text}\n")


def test_an_unexpected_error_shows_class_and_place_and_never_its_text(capsys):
    assert fail(_raised(ValueError(CANARY)), debug=False) == 1
    said = capsys.readouterr().err
    assert "unexpected: ValueError at test_report.py:" in said
    assert CANARY not in said
    assert fail(KeyError(CANARY), debug=False) == 1
    said = capsys.readouterr().err
    assert "KeyError at unknown place" in said
    assert CANARY not in said


def test_a_cause_is_shown_to_none_but_those_who_ask(capsys):
    error = SmallGroupError("smallest class has 2 rows")
    error.__cause__ = _raised(ValueError(CANARY))
    fail(_raised(error), debug=False)
    assert CANARY not in capsys.readouterr().err
    fail(_raised(error), debug=True)
    assert CANARY in capsys.readouterr().err


def test_one_policy_that_fails_does_not_stop_the_others(capsys):
    def act(policy: Path):
        if policy.stem == "held":
            raise LeaseHeldError("another run has it")
        if policy.stem == "broken":
            raise ValueError(CANARY)
        return {"dataset": policy.stem, "rows": 3}

    results = each("release", [Path("held.yaml"), Path("broken.yaml"), Path("good.yaml")], act, debug=False)
    assert results == [
        {"policy": "held.yaml", "exit_code": 75, "code": "lease-held"},
        {"policy": "broken.yaml", "exit_code": 1, "code": "unexpected"},
        {"policy": "good.yaml", "exit_code": 0, "dataset": "good", "rows": 3},
    ]
    said = capsys.readouterr()
    assert said.out == ""
    assert CANARY not in said.err
    table = said.err[said.err.index("airlock release") :]
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["policy", "held.yaml", "broken.yaml", "good.yaml"]


RUN = "01a221e4-84d8-7f3e-84fc-dd1b5b630e02"


@pytest.mark.parametrize("width", [72, 80, 100, 120])
def test_the_table_fits_and_no_run_s_id_is_cut(capsys, monkeypatch, width):
    monkeypatch.setattr(_report, "talk", Console(stderr=True, soft_wrap=True, width=width))
    result = {"dataset": "customers", "run": RUN, "state": "released", "rows": 1_000_000, "splits": 12, "reused": 0}
    each("run", [Path("customers.yaml"), Path("orders[1].yaml")], lambda _: dict(result), debug=False)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(RUN in line for line in lines) == 2
    assert ("1,000,000" in lines[-1], "customers " in lines[-1]) == (width >= 86, width >= 100)
    assert lines[-1].split()[-1] == "0"
    assert lines[-1].startswith("orders[1].yaml")


def test_of_several_policies_an_error_names_its_own(capsys):
    def act(policy: Path):
        raise ConfigError(f"no good {policy.stem}")

    each("release", [Path("one/a.yaml"), Path("one/b.yaml")], act, debug=False)
    lines = capsys.readouterr().err.splitlines()
    assert [lines[0], lines[1], lines[3], lines[4]] == [
        "one/a.yaml:",
        "ConfigError: no good a",
        "one/b.yaml:",
        "ConfigError: no good b",
    ]


def test_one_policy_alone_needs_no_table(capsys):
    each("release", [Path("good.yaml")], lambda policy: {"dataset": policy.stem}, debug=False)
    assert capsys.readouterr() == ("", "")


def test_the_summary_is_one_json_line_on_stdout(capsys):
    results = [{"exit_code": 75, "dataset": "a"}, {"exit_code": 3, "dataset": "b", "said": "two\nlines"}]
    assert summary("run", results) == 3
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count("\n") == 1
    assert json.loads(said.out) == {"verb": "run", "exit_code": 3, "results": results}
    assert summary("run", []) == 0


def test_progress_is_json_lines_where_no_terminal_is(capsys):
    with watch("auto") as watcher:
        for done in (1, 2, 3):
            watcher(Progress("people", "check", done, 3, reused=1))
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["dataset"], found["phase"], found["done"], found["total"], found["reused"]) == (
        "progress",
        "people",
        "check",
        3,
        3,
        1,
    )


def test_without_a_terminal_a_line_comes_every_thirty_seconds_and_at_the_end(capsys, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(_report.time, "monotonic", lambda: now[0])
    with watch("auto") as watcher:
        for second in range(95):
            now[0] = 1_000.0 + second
            watcher(Progress("people", "anonymize", second // 10, 10))
        watcher(Progress("people", "anonymize", 10, 10))
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["done"] for one in said] == [3, 6, 9, 10]


def test_a_bar_keeps_stdout_clean(capsys):
    with watch("text") as watcher:
        watcher(Progress("people", "check", 1, 2))
        watcher(Progress("people", "check", 2, 2))
    assert capsys.readouterr().out == ""


def test_the_root_of_errors_is_unexpected():
    assert (AirlockError.code, AirlockError.exit_code) == ("unexpected", 1)
