"""The table of what operators cost is whole, and its lines run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from airlock.operators import operator_names

FOLDER = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("bench_of_operators", FOLDER / "operators.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))


def test_every_operator_has_a_line_or_a_reason(bench):
    measured = {line.operator for line in (*bench.PLAIN, *bench.KEYED)} | set(bench.PASSES)
    assert measured | set(bench.UNMEASURED) == set(operator_names())
    assert not measured & set(bench.UNMEASURED)


def test_every_line_of_a_plain_operator_or_pass_runs(bench, monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    lines = [*bench.plain_lines(2_000, set(operator_names())), *bench.pass_lines(2_000, set(operator_names()))]
    assert len(lines) == len(bench.PLAIN) + 3
    assert all(0 < line.measured < float("inf") for line in lines)


@pytest.mark.parametrize("name", ["pseudonymize", "encrypt", "encrypt_random", "fpe", "hmac", "surrogate"])
def test_every_peer_runs(bench, monkeypatch, name):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    lines = list(bench.keyed_lines(1_000, {name}))
    assert lines
    assert all(line.measured > 0 for line in lines)


def test_an_operator_without_a_line_is_an_error(bench, monkeypatch):
    monkeypatch.setattr(bench, "operator_names", lambda: [*operator_names(), "another"])
    with pytest.raises(LookupError, match="another"):
        list(bench.measure(10))
