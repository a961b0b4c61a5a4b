"""Encrypted numbers through both doors: cards accepted as synthetic, tweaks from a column, leave for the way back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.crypto.luhn import check_digits
from airlock.doors.anonymize import anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import release
from airlock.errors import PolicyFileError, ResidualEntityError
from airlock.settings import Settings, load_settings

ROWS = 400

ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"

POLICY = """\
apiVersion: airlock/v1
dataset: payments
owner: payments@example.org
purpose: a test of encrypted numbers
source: {path: payments, format: parquet}
sink: {path: payments}
subject: person
keys: {recipient: nobody, epoch: 1, domains: {person: {canonical: [decimal]}, card: {}, order: {}}}
columns:
  person: {type: int64, class: direct_identifier, reversible: allowed, pseudonymize: {domain: person, form: int64}}
  card: {type: string, class: direct_identifier, reversible: allowed, fpe: {domain: card, luhn: true, length: 16}}
  "lines[].order": {type: int32, class: direct_identifier, reversible: allowed, fpe: {domain: order, length: 8, tweak_column: "lines[].kind"}}
  "lines[].kind": {type: string, class: insensitive, keep: {reason: closed list, values: [a, b]}}
gate: {synthetic: {card: [CREDIT_CARD, PHONE_NUMBER, UK_NHS]}}
privacy: {k_anonymity: {none: a test}}
"""


PEOPLE = pa.array(range(1_000_000, 1_000_000 + ROWS))


def cards() -> list[str]:
    digits = np.random.default_rng(4).integers(0, 10, (ROWS, 15)).astype(np.uint8)
    digits[:, 0] = 4
    whole = np.concatenate([digits, check_digits(digits)[:, None]], axis=1)
    texts = ["".join(map(str, row)) for row in whole.tolist()]
    return [f"{text[:4]} {text[4:8]} {text[8:12]} {text[12:]}" for text in texts]


def project(folder: Path, policy: str, people: pa.Array) -> tuple[Path, Settings]:
    kinds = pa.array(["a", "b"] * ROWS)
    orders = pa.array([10_000_000 + number // 2 for number in range(2 * ROWS)], pa.int32())
    lines = pa.ListArray.from_arrays(
        pa.array(range(0, 2 * ROWS + 1, 2), pa.int32()), pa.StructArray.from_arrays([orders, kinds], ["order", "kind"])
    )
    (folder / "raw" / "payments").mkdir(parents=True)
    table = pa.table({"person": people, "card": cards(), "lines": lines})
    pq.write_table(table, folder / "raw" / "payments" / "part.parquet")
    (folder / "policies").mkdir()
    path = folder / "policies" / "payments.yaml"
    path.write_text(policy, encoding="utf-8")
    more = create_keys(folder / "keys").settings(folder) + "policies: policies\nworkers: 1\n"
    (folder / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
    return path, load_settings(file=folder / "airlock.yaml", environment={})


def test_cards_orders_and_persons_are_released_as_others_of_their_form(tmp_path):
    policy, settings = project(tmp_path, POLICY, PEOPLE)
    assert anonymize(policy, settings, engine="local").rejected == 0
    assert release(policy, settings).state == "released"
    table = pq.read_table(next((tmp_path / "sanitized").rglob("*.parquet")))
    made = table.column("card").to_pylist()
    assert not set(made) & set(cards())
    assert len(set(made)) == ROWS
    digits = np.array([[int(c) for c in text.replace(" ", "")] for text in made], np.uint8)
    assert (check_digits(digits[:, :-1]) == digits[:, -1]).all()
    lines = table.column("lines").to_pylist()
    assert all(0 <= line["order"] < 10**8 for row in lines for line in row)
    # Both lines of a row had one order number, under two kinds.
    assert all(row[0]["order"] != row[1]["order"] for row in lines)
    assert min(table.column("person").to_pylist()) >= 1 << 62


def test_cards_that_the_policy_does_not_accept_are_refused(tmp_path, monkeypatch):
    """By the plan, before a byte is read; and by the outer door, which does not rely on it."""
    policy, settings = project(tmp_path, POLICY.replace("[CREDIT_CARD, PHONE_NUMBER, UK_NHS]", "[PHONE_NUMBER]"), PEOPLE)
    with pytest.raises(PolicyFileError, match=r"synthetic: \{card: CREDIT_CARD\}"):
        anonymize(policy, settings, engine="local")
    monkeypatch.setattr("airlock.plan.contracts._synthetic_faults", lambda *_: ())
    anonymize(policy, settings, engine="local")
    with pytest.raises(ResidualEntityError, match=r"'card'.*CREDIT_CARD"):
        release(policy, settings)


def test_what_can_be_turned_back_needs_leave(tmp_path):
    policy, settings = project(
        tmp_path, POLICY.replace("reversible: allowed, fpe: {domain: card", "fpe: {domain: card"), PEOPLE
    )
    with pytest.raises(PolicyFileError, match="reversible: allowed"):
        anonymize(policy, settings, engine="local")


def test_a_listed_subject_is_found_through_the_columns_own_steps(tmp_path):
    rule = "person: {type: string, class: direct_identifier, reversible: allowed, pseudonymize: {domain: person, form: int64, normalize: [digits]}}"
    text = POLICY.replace("format: parquet}", "format: parquet, exclude: gone.txt}")
    text = re.sub(r"^  person: .*$", f"  {rule}", text, flags=re.MULTILINE)
    people = pa.array([f"cus-{number}" for number in PEOPLE.to_pylist()])
    policy, settings = project(tmp_path, text, people)
    (tmp_path / "raw" / "gone.txt").write_text("1000003\ncus-1000004\n", encoding="utf-8")
    done = anonymize(policy, settings, engine="local")
    assert (done.rows_out, done.suppressed) == (ROWS - 2, 2)
