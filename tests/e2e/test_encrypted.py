"""Encrypted columns through both doors and back: what every run has of its own, and what stays from run to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.plan import plan_policy
from airlock.doors.preview import preview
from airlock.doors.release import release
from airlock.keys import FileKeyRing, Permit
from airlock.operators import Operator, RejectedValuesError
from airlock.operators.encrypt import Encrypt
from airlock.operators.encrypt_random import EncryptRandom

ROWS = 20


def encrypted(text: str) -> str:
    """The project's policy with two of its columns encrypted."""
    lines = {
        "email": "email: {type: string, class: direct_identifier, reversible: allowed, encrypt: person}",
        "note": "note: {type: string, class: sensitive, reversible: allowed, encrypt_random: person}",
    }
    kept = [line for line in text.splitlines() if line.strip().partition(":")[0] not in lines]
    at = kept.index("columns:") + 1
    return "\n".join([*kept[:at], *(f"  {line}" for line in lines.values()), *kept[at:]]) + "\n"


@pytest.fixture
def made(make_project: Callable) -> object:
    project = make_project(files=2, rows=ROWS)
    # Steps are for numbers; mail addresses have none.
    project.write_policy(change=lambda text: encrypted(text).replace("canonical: [decimal]", "canonical: []"))
    return project


def released(made: object, run: str) -> pa.Table:
    release(made.policy(), made.settings(), run_id=run)
    files = sorted(Path(made.root, "sanitized").rglob(f"*{run}*/**/*.parquet")) or sorted(
        Path(made.root, "sanitized").rglob("*.parquet")
    )
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])


def opened(made: object, operator: Operator, texts: pa.Array, run: str) -> list:
    ring = FileKeyRing(made.settings().require("keys.root"))
    permit = Permit("0" * 64, time.time() + 60)
    keys = ring.subkeys(operator.requests(), recipient="tests", epoch=1, permit=permit, run=run)
    return operator.reverse(pa.field("c", pa.string()), keys)(texts.combine_chunks()).to_pylist()


def test_there_and_back_and_no_split_of_another_run_is_reused(made: object) -> None:
    first = anonymize(made.policy(), made.settings())
    table = released(made, first.run)
    raw = pa.concat_tables([pq.read_table(file) for file in sorted((made.root / "raw").rglob("*.parquet"))])
    assert table.num_rows == 2 * ROWS
    emails = opened(made, Encrypt(domain="person"), table["email"], first.run)
    notes = opened(made, EncryptRandom(domain="person"), table["note"], first.run)
    assert sorted(zip(emails, notes, strict=True)) == sorted(
        zip(raw["email"].to_pylist(), raw["note"].to_pylist(), strict=True)
    )
    second = anonymize(made.policy(), made.settings())
    assert second.reused == 0
    release(made.policy(), made.settings(), run_id=second.run)
    with pytest.raises(RejectedValuesError, match="not-authentic"):
        opened(made, EncryptRandom(domain="person"), table["note"], second.run)
    assert opened(made, Encrypt(domain="person"), table["email"], second.run) == emails


def test_equal_values_are_not_seen_to_be_equal_even_where_the_file_has_a_dictionary(made: object) -> None:
    for file in sorted((made.root / "raw").rglob("*.parquet")):
        table = pq.read_table(file)
        few = pa.array(["positive" if row % 10 == 0 else "negative" for row in range(table.num_rows)])
        pq.write_table(table.set_column(table.schema.get_field_index("note"), "note", few), file)
    run = anonymize(made.policy(), made.settings()).run
    notes = released(made, run)["note"]
    assert len(notes.unique()) == len(notes) == 2 * ROWS
    assert set(opened(made, EncryptRandom(domain="person"), notes, run)) == {"positive", "negative"}


def test_a_run_that_is_continued_keeps_its_key(made: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wrote before it broke off and what it writes after open under one key."""
    with monkeypatch.context() as patch:
        patch.setattr("airlock.doors.anonymize.stage_manifest", _broken)
        with pytest.raises(OSError, match="no space"):
            anonymize(made.policy(), made.settings(), run_id="run-1")
    first, *_ = sorted(Path(made.root, "private/people/splits").glob("*.json"))
    first.unlink()
    again = anonymize(made.policy(), made.settings(), run_id="run-1")
    assert (again.splits, again.reused) == (2, 1)
    notes = opened(made, EncryptRandom(domain="person"), released(made, "run-1")["note"], "run-1")
    raw = pa.concat_tables([pq.read_table(file) for file in sorted((made.root / "raw").rglob("*.parquet"))])
    assert sorted(notes) == sorted(raw["note"].to_pylist())


def _broken(*_: object, **__: object) -> None:
    raise OSError("no space")


def test_what_looks_ahead_needs_no_run(made: object) -> None:
    columns = {column.path: column for column in plan_policy(made.policy(), made.settings()).columns}
    assert columns["note"].key == "person/tests/1"
    assert columns["email"].key.startswith("person/tests/1:")
    assert columns["email"].shape == "'enc_' + base64url of 32 bytes or more, in steps of 16"
    shown = {column.path: column for column in preview(made.policy(), made.settings()).columns}
    assert shown.keys() >= {"email", "note"}
