"""What checks counted, written for another process: it comes back as it was, whatever the files, for every check there is."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.errors import ConfigError, IntegrityError
from airlock.evidence.manifest import Counts
from airlock.gate import partials as written
from airlock.gate._check import Batch
from airlock.gate.checks import CHECKS
from airlock.gate.inspect import FilePartial, ManifestFacts, decide
from airlock.gate.partials import collapse, digest_of, dump_partials, load_partials
from airlock.gate.rules import GateConfig, Waiver, compile_rules
from airlock.policy.model import Policy

WAIVER = Waiver(dataset="d", column="note", entity="EMAIL_ADDRESS", approver="dpo", expires=date(2026, 12, 1), reason="a test")


def rules_of(*, k: int = 3, count: str = "subjects", waivers: tuple[Waiver, ...] = (WAIVER,), today: date = date(2026, 11, 22)):
    policy = Policy.model_validate(
        {
            "apiVersion": "airlock/v1", "dataset": "d", "owner": "o", "purpose": "p", "subject": "id", "source": {"path": "a"},
            "sink": {"path": "a", "partition_by": ["dt"]}, "keys": {"recipient": "r", "epoch": 1, "domains": {"d": {}, "e": {}}},
            "columns": {
                "id": {"type": "string", "class": "direct_identifier", "pseudonymize": "d"},
                "mail": {"type": "string", "class": "direct_identifier", "pseudonymize": {"domain": "e", "form": "hex"}},
                "zip": {"type": "string", "class": "quasi_identifier", "keep": "r"},
                "raw": {"type": "binary", "class": "quasi_identifier", "keep": "r"},
                "sum": {"type": "int64", "class": "sensitive", "generalize_number": {"width": 100}},
                "note": {"type": "string", "class": "sensitive", "keep": "r"},
                "card": {"type": "int64", "class": "sensitive", "keep": "r"},
                "dt": {"type": "string", "class": "insensitive", "keep": "r"},
                "job": {"type": "string", "class": "sensitive", "keep_top": {"n": 2, "min_count": 20}},
            },
            "privacy": {"k_anonymity": {"k": k, "count": count}},
        }
    )  # fmt: skip
    return compile_rules(policy, GateConfig(waivers=waivers), today=today)


ROW = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abcdef"),
        "mail": st.sampled_from(["0" * 32, "f" * 32, "not a token"]),
        "zip": st.one_of(st.none(), st.text(max_size=4)),
        "raw": st.one_of(st.none(), st.binary(max_size=3)),
        "sum": st.sampled_from([0, 100, 101]),
        "note": st.sampled_from(["quiet", "ann.lee@example.org", "536-90-4399", ""]),
        "card": st.sampled_from([4111111111111111, 4111111111111112, 5, None]),
        "dt": st.sampled_from(["2026-11-22", "ann.lee@example.org"]),
        "job": st.sampled_from(["cook", "nurse", "pilot", "other", None]),
    }
)
SCHEMA = pa.schema(
    {
        "id": pa.string(), "mail": pa.string(), "zip": pa.string(), "raw": pa.binary(), "sum": pa.int64(), "note": pa.string(),
        "card": pa.int64(), "dt": pa.string(), "job": pa.string(),
    }
)  # fmt: skip
OTHER = pa.schema({"id": pa.int64(), "Marigold": pa.string()})
"""Of a file that is not the policy's: only its schema and names are looked at."""

FILES = st.lists(st.lists(ROW, max_size=8), max_size=4)


def file_of(rows: list[dict], rules, *, checks=CHECKS) -> FilePartial:
    batch = Batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    return FilePartial(parts={name: check.scan(batch, rules) for name, check in checks.items()}, rows=len(rows))


def strange_file(rules) -> FilePartial:
    batch = Batch(pa.RecordBatch.from_pylist([], schema=OTHER))
    return FilePartial(parts={name: CHECKS[name].scan(batch, rules) for name in ("schema", "names")}, rows=7)


def judged(partials, rules):
    rows = sum(partial.rows for partial in partials)
    counts = Counts(rows, rows, 0, 0)
    return decide(partials, rules, ManifestFacts(splits=(counts,), totals=counts, known_checked=True, known_found={}))


def said(verdict) -> list[Any]:
    return [verdict.to_dict(), [result.message for result in verdict.results]]


@settings(deadline=None)
@pytest.mark.parametrize("name", CHECKS)
@given(files=FILES, count=st.sampled_from(["rows", "subjects"]))
def test_a_partial_comes_back_as_it_was(name, files, count):
    rules, check = rules_of(count=count), CHECKS[name]
    nothing = file_of([], rules, checks={name: check})
    parts = [nothing, *(file_of(rows, rules, checks={name: check}) for rows in files)]
    whole = collapse(parts)
    data = dump_partials(whole)
    (back,) = load_partials(data)
    assert dump_partials([back]) == data
    assert check.verdict(back.parts[name], rules) == check.verdict(whole[0].parts[name], rules)
    # It can be merged further, with what never left its process.
    more = reduce(check.merge, [back.parts[name], *(part.parts[name] for part in parts)])
    same = reduce(check.merge, [whole[0].parts[name], *(part.parts[name] for part in parts)])
    assert check.verdict(more, rules) == check.verdict(same, rules)


@settings(deadline=None, max_examples=30)
@given(files=FILES, strange=st.integers(0, 2), of=st.integers(1, 6))
def test_shards_decide_as_one_process_does(files, strange, of):
    rules = rules_of()
    parts = [*(file_of(rows, rules) for rows in files), *(strange_file(rules) for _ in range(strange))]
    gathered = [part for number in range(of) for part in load_partials(dump_partials(collapse(parts[number::of])))]
    assert said(judged(gathered, rules)) == said(judged(parts, rules))
    assert sum(part.files for part in gathered) == len(parts)


def test_nothing_is_unpickled():
    with pytest.raises(IntegrityError, match="Run the shard again"):
        load_partials(pickle.dumps({"partials/1": []}))


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: data[:-9], lambda data: data[: len(data) // 2], lambda data: b"x" * 99]
)
def test_other_bytes_are_refused_without_a_word_of_them(spoil):
    data = dump_partials([file_of([{"zip": "Marigold", "id": "a", "note": "x"}], rules_of())])
    with pytest.raises(IntegrityError, match="not what this version writes") as caught:
        load_partials(spoil(data))
    assert "Marigold" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_counts_are_capped_in_bytes(monkeypatch):
    monkeypatch.setattr(written, "_MOST", 100)
    with pytest.raises(ConfigError, match="Take more shards"):
        dump_partials([file_of([], rules_of())])


# --- a new check --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    sizes: np.ndarray
    share: float
    last: tuple[str, int] | None
    table: pa.Table | None = None


class NewCheck:
    @staticmethod
    def merge(one: Part, other: Part) -> Part:
        return one


class OddCheck:
    @staticmethod
    def merge(one: Decimal, other: Decimal) -> Decimal:
        return one


def test_a_new_check_needs_nothing_but_a_return_type(monkeypatch):
    monkeypatch.setitem(CHECKS, "new", NewCheck)
    for part in (
        Part(np.array([1, 2], np.uint64), 0.1, ("a", 1), pa.table({"a": [1]})),
        Part(np.zeros(0, np.int8), -0.0, None),
    ):
        (back,) = load_partials(dump_partials([FilePartial(parts={"new": part}, rows=0)]))
        found = back.parts["new"]
        assert (found.share.hex(), found.last, found.table) == (part.share.hex(), part.last, part.table)
        assert found.sizes.dtype == part.sizes.dtype
        assert found.sizes.tolist() == part.sizes.tolist()


def test_a_check_whose_partial_can_not_be_carried_is_named(monkeypatch):
    monkeypatch.setitem(CHECKS, "odd", OddCheck)
    with pytest.raises(TypeError, match="shards can't carry"):
        dump_partials([FilePartial(parts={"odd": Decimal(1)}, rows=0)])


# --- the digest of what a gate demands ----------------------------------------------------------------------------------


def test_the_digest_follows_waivers_and_their_last_day():
    rules = rules_of()
    assert digest_of(rules) == digest_of(pickle.loads(pickle.dumps(rules)))
    others = [
        rules_of(waivers=()),
        rules_of(waivers=(replace(WAIVER, column="zip"),)),
        rules_of(today=date(2026, 12, 2)),
        rules_of(k=4),
        replace(rules, leaves=rules.leaves[:-1]),
        replace(rules, leaves=(replace(rules.leaves[0], forbidden=("URL",)), *rules.leaves[1:])),
    ]
    assert len({digest_of(rules), *map(digest_of, others)}) == 1 + len(others)


def test_the_digest_is_the_same_in_another_process():
    code = "from tests.properties.test_gate_partials import rules_of, digest_of; print(digest_of(rules_of()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == digest_of(rules_of())


def test_a_rule_without_a_digest_is_an_error():
    with pytest.raises(TypeError, match="which has no digest"):
        digest_of(replace(rules_of(), max_rejects=object()))
