"""Verification of a whole release: what is good passes, and any changed byte, file or signature is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airlock.errors import (
    BoundaryError,
    DigestMismatchError,
    IntegrityError,
    NotFoundError,
    RollbackError,
    SchemaMismatchError,
    SignatureError,
)
from airlock.evidence.canonical import canonical_json
from airlock.evidence.schema import SchemaField
from airlock.evidence.trust import Trust
from airlock.evidence.verify import verify_evidence, verify_release
from airlock.types import RunState, Separation

EVIDENCE = "evidence/run-1"


def test_a_good_release_passes(release, trust, now):
    facts = verify_release(release, trust=trust, remembered=1, folder=("zones", "crm", "customers"))
    assert (facts.files, facts.rows, facts.data, facts.signed_at) == (2, 5, "data/run-1", now)
    assert facts.bytes == sum(len(data) for name, data in release.files.items() if name.startswith("data/run-1/"))
    assert facts.staged_verified
    assert facts.pointer.run == facts.manifest.run == "run-1"


def test_a_release_key_alone_verifies_all_but_the_inner_signature(release, release_signer, trusted):
    assert not verify_release(release, trust=Trust([trusted(release_signer, "release")])).staged_verified


def test_old_evidence_outlives_its_keys(make_release, stage_signer, release_signer, trusted, now):
    later = {"revoked": now + timedelta(days=1)}
    trust = Trust([trusted(stage_signer, "stage", **later), trusted(release_signer, "release", **later)])
    assert verify_release(make_release(), trust=trust).staged_verified
    with pytest.raises(SignatureError, match="was revoked"):
        verify_release(make_release(at=now + timedelta(days=2)), trust=trust)


def test_an_unknown_signer_is_refused(release, stage_signer, trusted):
    with pytest.raises(SignatureError, match="none of the 1 signatures is by a trusted key"):
        verify_release(release, trust=Trust([trusted(stage_signer, "stage")]))


def _tampered(data):
    for place in range(len(data)):
        yield data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]


@pytest.fixture(params=["both keys", "release key alone"])
def either_trust(request, trust, release_signer, trusted):
    return trust if request.param == "both keys" else Trust([trusted(release_signer, "release")])


@pytest.mark.parametrize(
    "name", ["current.json", f"{EVIDENCE}/manifest.json", f"{EVIDENCE}/gate.json", f"{EVIDENCE}/run.intoto.jsonl"]
)
def test_every_changed_byte_of_the_evidence_is_refused(release, either_trust, name):
    for data in _tampered(release.files[name]):
        release.files[name] = data
        with pytest.raises(IntegrityError):
            verify_release(release, trust=either_trust)


@pytest.mark.parametrize("name", ["part-00000.parquet", "dt=1/part-00001.parquet"])
def test_every_changed_byte_of_the_data_is_refused(release, trust, name):
    path = f"data/run-1/{name}"
    for data in list(_tampered(release.files[path]))[::7]:
        release.files[path] = data
        with pytest.raises(DigestMismatchError, match=f"{name}' has SHA-256"):
            verify_release(release, trust=trust)


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1], lambda _: b""])
def test_every_other_length_is_refused(release, trust, change):
    for name in [name for name in release.files if "run-0" not in name]:
        good = release.files[name]
        release.files[name] = change(good)
        with pytest.raises(IntegrityError):
            verify_release(release, trust=trust)
        release.files[name] = good


def test_every_missing_file_is_named(release, trust):
    for name in [name for name in release.files if "run-0" not in name and name != "current.json"]:
        good = release.files.pop(name)
        with pytest.raises(IntegrityError, match=f"'{name}' is missing"):
            verify_release(release, trust=trust)
        release.files[name] = good
    del release.files["current.json"]
    with pytest.raises(NotFoundError, match=r"current\.json"):
        verify_release(release, trust=trust)


@pytest.mark.parametrize("name", ["data/run-1/extra.parquet", "data/run-1/.hidden", f"{EVIDENCE}/notes.txt"])
def test_every_extra_file_is_named(release, trust, name):
    release.files[name] = b"x"
    with pytest.raises(IntegrityError, match=f"'{name}' is not part of the release"):
        verify_release(release, trust=trust)


def test_swapped_files_are_refused(release, trust):
    first, second = "data/run-1/part-00000.parquet", "data/run-1/dt=1/part-00001.parquet"
    release.files[first], release.files[second] = release.files[second], release.files[first]
    with pytest.raises(DigestMismatchError, match="the manifest says"):
        verify_release(release, trust=trust)


def test_a_lower_sequence_than_remembered_is_a_rollback(release, trust):
    with pytest.raises(RollbackError, match="sequence 1, but 2 was seen before"):
        verify_release(release, trust=trust, remembered=2)


def test_a_revoked_release_is_refused(make_release, trust):
    revoked = make_release(pointer=lambda made: replace(made, state=RunState.REVOKED))
    with pytest.raises(IntegrityError, match="release 'run-1' was revoked at 2026-11-22"):
        verify_release(revoked, trust=trust)


@pytest.mark.parametrize(
    ("folder", "in_zone"), [(("crm", "orders"), True), (("copies", "orders"), False), (("team", "crm", "customers"), True)]
)
def test_a_release_in_another_sinks_folder_is_refused(release, trust, folder, in_zone):
    with pytest.raises(IntegrityError, match=r"holds the release of sink 'crm/customers' \(dataset 'customers'\)"):
        verify_release(release, trust=trust, folder=folder, in_zone=in_zone)


def test_a_pointer_older_than_its_history_is_refused(release, trust):
    release.files["history/00000001.json"] = release.files["current.json"]
    assert verify_release(release, trust=trust).pointer.sequence == 1
    release.files["history/00000002.json"] = b"whatever it holds"
    with pytest.raises(RollbackError, match="the current pointer has sequence 1, but 'history/' holds pointer 2"):
        verify_release(release, trust=trust)


@pytest.mark.parametrize("change", [{"dataset": "orders"}, {"recipient": "marketing"}])
def test_a_pointer_to_another_chains_manifest_is_refused(make_release, trust, change):
    with pytest.raises(IntegrityError, match=f"name another {next(iter(change))}"):
        verify_release(make_release(pointer=lambda made: replace(made, **change)), trust=trust)


def test_separation_can_be_required(make_release, trust):
    with pytest.raises(BoundaryError, match="separation 'none'"):
        verify_release(make_release(), trust=trust, require_separation=True)
    apart = make_release(change=lambda made: replace(made, separation=Separation.IDENTITIES))
    assert verify_release(apart, trust=trust, require_separation=True).separation is Separation.IDENTITIES


def test_statements_of_another_run_are_refused(make_release, trust):
    release, other = make_release(), make_release(change=lambda made: replace(made, purpose="another"))
    name = f"{EVIDENCE}/run.intoto.jsonl"
    release.files[name] = other.files[name]
    with pytest.raises(IntegrityError, match=r"not about these files: 1 differ, first 'manifest\.json'"):
        verify_release(release, trust=trust)


def test_swapped_or_added_statements_are_refused(release, trust):
    name = f"{EVIDENCE}/run.intoto.jsonl"
    staged, released, _ = release.files[name].split(b"\n")
    for lines in (
        [released, staged, b""],
        [released, released, b""],
        [staged, released],
        [staged, released, released, b""],
        [staged, b""],
    ):
        release.files[name] = b"\n".join(lines)
        with pytest.raises(IntegrityError):
            verify_release(release, trust=trust)


def test_another_verdict_than_the_signed_one_is_refused(release, trust):
    release.files[f"{EVIDENCE}/gate.json"] = canonical_json({"verdict": "refused"})
    with pytest.raises(DigestMismatchError, match=r"gate\.json"):
        verify_release(release, trust=trust)


def test_row_counts_are_counted(make_release, trust):
    wrong = make_release(
        change=lambda made: replace(made, outputs=tuple(replace(file, rows=file.rows + 1) for file in made.outputs))
    )
    with pytest.raises(IntegrityError, match="has 2 rows, the manifest says 3"):
        verify_release(wrong, trust=trust)


def test_schemas_are_compared(make_release, trust):
    wrong = make_release(change=lambda made: replace(made, schema=(*made.schema, SchemaField("x", "int8", nullable=True))))
    with pytest.raises(SchemaMismatchError, match="another schema"):
        verify_release(wrong, trust=trust)


def test_evidence_alone_is_verified_without_its_data(release, trust, now):
    release.files = {path: data for path, data in release.files.items() if path.startswith("evidence/")}
    facts = verify_evidence(release, "run-1", trust=trust)
    assert (facts.manifest.run, facts.signed_at, facts.staged_verified) == ("run-1", now, True)
    assert facts.gate == canonical_json({"verdict": "passed"})


@pytest.mark.parametrize("name", ["manifest.json", "gate.json", "run.intoto.jsonl"])
def test_evidence_that_was_changed_is_refused(release, trust, name):
    release.files[f"{EVIDENCE}/{name}"] = release.files[f"{EVIDENCE}/{name}"].replace(b"a", b"b", 1)
    with pytest.raises((IntegrityError, SignatureError), match=r"\S"):
        verify_evidence(release, "run-1", trust=trust)


def test_evidence_of_another_run_is_refused(release, trust):
    moved = {path.replace("run-1", "run-9"): data for path, data in release.files.items()}
    release.files = moved
    with pytest.raises(IntegrityError, match="is of run 'run-1'"):
        verify_evidence(release, "run-9", trust=trust)
