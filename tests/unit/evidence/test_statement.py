"""Statements: in-toto's form, about exactly these files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airlock.errors import IntegrityError
from airlock.evidence.canonical import canonical_json, sha256_hex
from airlock.evidence.statement import (
    ReleasedPredicate,
    StagedPredicate,
    parse_statement,
    released_statement,
    signed_at,
    staged_statement,
    subjects_of,
)


@pytest.fixture
def staged(manifest, now):
    return staged_statement(manifest, at=now)


def test_the_form_is_in_totos(manifest, staged):
    value = json.loads(staged)
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "urn:airlock:staged:v1"
    assert [subject["name"] for subject in value["subject"]] == [
        "data/dt=1/part-00001.parquet",
        "data/part-00000.parquet",
        "manifest.json",
    ]
    assert value["subject"][2]["digest"] == {"sha256": sha256_hex(manifest.to_bytes())}


def test_the_staged_statement_reads_back(manifest, staged, now):
    statement = parse_statement(staged, StagedPredicate)
    statement.require(subjects_of(manifest))
    assert statement.predicate.policy_sha256 == manifest.policy_sha256
    assert statement.predicate.separation is manifest.separation
    assert signed_at(staged) == now


def test_the_release_statement_binds_gate_and_staged(manifest, staged, now):
    statement = parse_statement(released_statement(manifest, gate=b"g", staged=staged, at=now), ReleasedPredicate)
    assert statement.predicate.gate_sha256 == sha256_hex(b"g")
    assert statement.predicate.staged_sha256 == sha256_hex(staged)


def test_other_files_are_not_its_subjects(manifest, staged):
    other = replace(manifest, outputs=manifest.outputs[:1])
    with pytest.raises(IntegrityError, match=r"not about these files: 2 differ, first 'data/part-00000\.parquet'"):
        parse_statement(staged, StagedPredicate).require(subjects_of(other))


def test_one_kind_is_not_the_other(manifest, staged):
    with pytest.raises(IntegrityError, match="not a release statement"):
        parse_statement(staged, ReleasedPredicate)


def _malformed(staged):
    value = json.loads(staged)
    yield b""
    yield b"null"
    yield staged + b"\n"
    yield canonical_json(value | {"extra": 1})
    yield canonical_json(value | {"_type": "https://in-toto.io/Statement/v0.1"})
    yield canonical_json(value | {"subject": value["subject"][::-1]})
    yield canonical_json(value | {"subject": value["subject"] * 2})
    yield canonical_json(value | {"subject": "x"})
    yield canonical_json(value | {"subject": [value["subject"][0] | {"digest": {"sha256": "x"}}]})
    yield canonical_json(value | {"subject": [value["subject"][0] | {"digest": {"md5": "0" * 64}}]})
    yield canonical_json(value | {"predicate": value["predicate"] | {"extra": 1}})
    yield canonical_json(value | {"predicate": value["predicate"] | {"signed_at": "now"}})
    yield canonical_json(value | {"predicate": None})


def test_malformed_statements_are_refused(staged):
    for payload in _malformed(staged):
        with pytest.raises(IntegrityError, match="staged statement"):
            parse_statement(payload, StagedPredicate)
