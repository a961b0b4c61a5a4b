"""k-anonymity counted by the gate against a plain count, and merging in any grouping."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from functools import reduce

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.gate._check import Batch
from airlock.gate.checks.classes import ClassesCheck
from airlock.gate.rules import GateConfig, GateRules, compile_rules
from airlock.policy.model import Policy

ROW = st.fixed_dictionaries(
    {
        "id": st.one_of(st.none(), st.sampled_from("abcdef")),
        "zip": st.one_of(st.none(), st.sampled_from(["", "9", "94", "\\0"])),
        "age": st.one_of(st.none(), st.integers(0, 2)),
        "tags": st.one_of(
            st.none(), st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "a,b", "\\0", "[a]"])), max_size=3)
        ),
    }
)
SCHEMA = pa.schema({"id": pa.string(), "zip": pa.string(), "age": pa.int64(), "tags": pa.list_(pa.string())})


def rules_of(count: str, k: int) -> GateRules:
    kept = {"class": "quasi_identifier", "keep": "r"}
    policy = Policy.model_validate(
        {
            "apiVersion": "airlock/v1", "dataset": "d", "owner": "o", "purpose": "p", "subject": "id", "source": {"path": "a"},
            "sink": {"path": "a"}, "keys": {"recipient": "r", "epoch": 1, "domains": {"d": {}}},
            "columns": {
                "id": {"type": "string", "class": "direct_identifier", "pseudonymize": "d"},
                "zip": {"type": "string", **kept}, "age": {"type": "int64", **kept}, "tags[]": {"type": "string", **kept},
            },
            "privacy": {"k_anonymity": {"k": k, "count": count}},
        }
    )  # fmt: skip
    return compile_rules(policy, GateConfig(), today=date(2026, 11, 22))


def plain_sizes(rows: list[dict], count: str) -> list[int]:
    """The sizes of all classes, by a plain loop."""
    members: dict[tuple, Counter] = defaultdict(Counter)
    for row in rows:
        tags = row["tags"] if row["tags"] is None else tuple(row["tags"])
        members[row["zip"], row["age"], tags][row["id"]] += 1
    return sorted(len(each) if count == "subjects" else each.total() for each in members.values())


@settings(deadline=None)
@given(
    files=st.lists(st.lists(ROW, max_size=12), max_size=12), count=st.sampled_from(["rows", "subjects"]), k=st.integers(2, 5)
)
def test_sizes_are_those_of_a_plain_count(files, count, k):
    rules = rules_of(count, k)
    parts = [ClassesCheck.scan(Batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA)), rules) for rows in [[], *files]]
    expected = plain_sizes([row for rows in files for row in rows], count)
    for merged in (reduce(ClassesCheck.merge, parts), reduce(lambda one, other: ClassesCheck.merge(other, one), parts)):
        sizes = sorted(merged.sizes().tolist())
        assert sizes == (sorted(min(size, k) for size in expected) if count == "subjects" else expected)
        assert ClassesCheck.verdict(merged, rules).passed == all(size >= k for size in expected)


@settings(deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30), cut=st.integers(0, 30))
def test_dictionaries_and_slices_count_alike(rows, cut):
    rules = rules_of("rows", 2)
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    encoded = batch.set_column(1, "zip", batch.column("zip").dictionary_encode())
    cuts = [encoded.slice(0, cut), batch.slice(min(cut, len(rows)))]
    merged = reduce(ClassesCheck.merge, [ClassesCheck.scan(Batch(each), rules) for each in cuts])
    assert sorted(merged.sizes().tolist()) == plain_sizes(rows, "rows")
