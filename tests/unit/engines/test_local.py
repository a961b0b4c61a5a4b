"""The local runner: a pool whose workers may die, and a frame that may not open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.e2e._spark import WORKER

from airlock.engines.local import run_local
from airlock.engines.task import TaskResult
from airlock.errors import TransientError

RECORDS = "people/splits"


def records(sealed):
    return [name for name in sealed.project.files("private") if name.startswith(RECORDS) and name.endswith(".json")]


def test_a_killed_worker_is_temporary_and_finished_splits_stay(sealed, tmp_path, monkeypatch):
    order = {"do": "kill worker", "place": r"link .*/private/people/splits/.*\.json", "first": 1, "times": 10}
    (tmp_path / "orders.json").write_text(json.dumps([order]))
    monkeypatch.setenv("WORKER_ORDERS", str(tmp_path / "orders.json"))
    monkeypatch.setenv("PYTHONPATH", str(WORKER))
    with pytest.raises(TransientError, match=r"a worker process was killed .*Finished splits are kept; run again") as caught:
        list(run_local(sealed.data, sealed.binding, [0, 1, 2], workers=1))
    assert caught.value.facts == {"workers": 1}
    assert len(records(sealed)) == 1
    monkeypatch.delenv("WORKER_ORDERS")
    results = list(run_local(sealed.data, sealed.binding, [0, 1, 2], workers=1))
    assert sorted(result.name for result in results) == sorted(sealed.frame.names)
    assert {result.code for result in results} == {""}
    assert len(records(sealed)) == 3


def test_a_frame_that_does_not_open_comes_back_as_a_code(sealed):
    Path(sealed.binding.executor_key).unlink()
    (result,) = run_local(sealed.data, sealed.binding, [2], workers=1)
    assert result == TaskResult(2, "", "key-file", detail=result.detail)
    assert "can't be opened" in result.detail
