"""Manifests: strict, canonical, closed under round trips; nothing volatile in the stable bytes."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airlock.errors import IntegrityError
from airlock.evidence.canonical import canonical_json
from airlock.evidence.manifest import (
    ColumnFacts,
    Counts,
    InputFile,
    KnownValues,
    PrivateManifest,
    PublicManifest,
    SplitAccount,
    SplitTotals,
    StagedFile,
)
from airlock.evidence.schema import SchemaField
from airlock.types import Isolation, Separation

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNT = st.integers(0, 2**63)
WORD = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
COUNTS = st.builds(Counts, COUNT, COUNT, COUNT, COUNT)


def _unique(items, key):
    return st.lists(items, max_size=4, unique_by=key).map(tuple)


PUBLIC = st.builds(
    PublicManifest,
    dataset=WORD,
    recipient=WORD,
    run=NAME,
    fence=st.integers(1, 2**40),
    owner=TEXT,
    purpose=TEXT,
    plan_digest=DIGEST,
    policy_sha256=DIGEST,
    code=st.dictionaries(TEXT, TEXT, max_size=3),
    image_digest=st.none() | TEXT,
    outputs=_unique(st.builds(StagedFile, PATH, DIGEST, COUNT, COUNT), lambda file: file.path),
    schema=st.lists(st.builds(SchemaField, TEXT, TEXT, st.booleans()), max_size=3).map(tuple),
    columns=st.dictionaries(TEXT, st.builds(ColumnFacts, TEXT, st.none() | TEXT), max_size=3),
    totals=COUNTS,
    splits=_unique(st.builds(SplitTotals, NAME, COUNTS), lambda split: split.name),
    known_values=st.builds(KnownValues, st.booleans(), st.dictionaries(NAME, COUNT, max_size=3)),
    inputs_commitment=DIGEST,
    private_sha256=DIGEST,
    isolation=st.sampled_from(Isolation),
    separation=st.sampled_from(Separation),
    created_at=st.just("2026-11-22T10:00:00Z"),
)
PRIVATE = st.builds(
    PrivateManifest,
    dataset=WORD,
    run=NAME,
    fence=st.integers(1, 2**53 - 1),
    inputs=_unique(st.builds(InputFile, PATH, COUNT, TEXT, st.none() | DIGEST), lambda file: file.path),
    splits=_unique(st.builds(SplitAccount, NAME, st.lists(PATH, max_size=3).map(tuple), COUNTS), lambda split: split.name),
)


@given(PUBLIC | PRIVATE)
def test_round_trips(made):
    again = type(made).from_bytes(made.to_bytes())
    assert again == made
    assert type(made).from_dict(made.to_dict()) == made
    assert again.to_bytes() == canonical_json(made.to_dict()) == made.to_bytes()


def test_order_of_construction_does_not_count(manifest):
    assert replace(manifest, outputs=manifest.outputs[::-1]).to_bytes() == manifest.to_bytes()


def test_every_missing_key_is_noticed(manifest):
    for name in manifest.to_dict():
        data = {key: value for key, value in manifest.to_dict().items() if key != name}
        with pytest.raises(IntegrityError, match=f"manifest is not one: {name} |not in canonical form"):
            PublicManifest.from_bytes(canonical_json(data))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"extra": 1}, r"extra \(unexpected_keyword_argument"),
        ({"version": 2}, "version"),
        ({"fence": 0}, "fence"),
        ({"fence": "3"}, "fence"),
        ({"fence": True}, "fence"),
        ({"policy_sha256": "A" * 64}, "policy_sha256"),
        ({"policy_sha256": "a" * 64 + "\n"}, "policy_sha256"),
        ({"created_at": "today"}, "created_at"),
        ({"run": "../x"}, "run"),
        ({"separation": "some"}, "separation"),
        ({"totals": {"rows_in": -1, "rows_out": 0, "suppressed": 0, "rejected": 0}}, r"totals\.rows_in"),
        ({"totals": {"rows_in": 1, "rows_out": 0, "suppressed": 0, "rejected": 0, "lost": 0}}, r"totals\.lost"),
        ({"outputs": [{"path": "/etc/x", "sha256": "a" * 64, "bytes": 1, "rows": 1}]}, r"outputs\.0\.path"),
        ({"outputs": [{"path": "x", "sha256": "a" * 64, "bytes": 1, "rows": 1}] * 2}, r"outputs \(value_error"),
    ],
)
def test_other_content_is_refused(manifest, change, match):
    with pytest.raises(IntegrityError, match=match):
        PublicManifest.from_dict(manifest.to_dict() | change)


def test_faults_are_not_quoted(manifest):
    with pytest.raises(IntegrityError, match="created_at") as caught:
        PublicManifest.from_dict(manifest.to_dict() | {"created_at": "jane@example.org"})
    assert "jane" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_only_the_very_bytes_are_taken(manifest):
    data = manifest.to_bytes()
    unsorted = json.loads(data)
    unsorted["outputs"] = unsorted["outputs"][::-1]
    for other in (
        data + b"\n",
        data[:-1],
        b"",
        b"[]",
        b"null",
        json.dumps(manifest.to_dict()).encode(),
        canonical_json(unsorted),
    ):
        with pytest.raises(IntegrityError, match="canonical"):
            PublicManifest.from_bytes(other)


def test_floats_are_refused(manifest):
    with pytest.raises(IntegrityError, match="can't hold"):
        PublicManifest.from_dict(manifest.to_dict() | {"fence": 1.0})


def test_construction_is_strict_too():
    with pytest.raises(ValidationError, match="String should match pattern") as caught:
        StagedFile("x", "no digest", 1, 1)
    assert "no digest" not in str(caught.value)


def test_stable_bytes_leave_out_what_changes(manifest):
    again = replace(
        manifest,
        run="run-2",
        fence=9,
        created_at="2027-01-01T00:00:00Z",
        private_sha256="9" * 64,
        outputs=tuple(replace(file, path=f"a{n}") for n, file in enumerate(manifest.outputs)),
    )
    assert again.stable_bytes() == manifest.stable_bytes()
    assert replace(manifest, policy_sha256="9" * 64).stable_bytes() != manifest.stable_bytes()
    assert {name.partition(".")[0] for name in manifest.volatile} <= {field.name for field in fields(manifest)}


def test_accounting():
    assert Counts(5, 3, 1, 1).closed
    assert not Counts(5, 3, 1, 0).closed
    assert Counts(5, 3, 1, 1) + Counts(1, 1, 0, 0) == Counts(6, 4, 1, 1)
