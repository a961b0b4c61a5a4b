"""Pack hipaa-safe-harbor through both doors: every kind of identifier, and the boundaries of ages, years and ZIP codes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.keys import create_keys
from airlock.doors.plan import plan_policy
from airlock.doors.release import release
from airlock.errors import NearlyUniqueError, PolicyFileError
from airlock.settings import load_settings

COUNT = 240
AS_OF = date(2026, 11, 1)

POLICY = """\
apiVersion: airlock/v1
dataset: stays
owner: records@example.org
purpose: length of stay, by Safe Harbor
source: {path: stays}
sink: {path: stays}
subject: mrn
pack:
  name: hipaa-safe-harbor
  as_of: 2026-11-01
  absent: {health_plan: "not in this extract", license: "not in this extract", biometric: "not in this extract"}
  codes: {mrn: "keyed and one way; the epoch's root is destroyed when the study ends"}
keys: {recipient: study, epoch: 1, domains: {patient: {}}}
columns:
  mrn: {type: string, class: direct_identifier, identifier: medical_record, pseudonymize: patient}
  name: {type: string, class: direct_identifier, identifier: names, drop: {}}
  kin: {type: string, class: direct_identifier, identifier: names, redact: {}}
  zip: {type: string, class: quasi_identifier, identifier: geography, zip3: {}}
  zip_number: {type: int32, class: quasi_identifier, identifier: geography, zip3: {}}
  state: {type: string, class: quasi_identifier, identifier: none, keep: "a state is no smaller than a state"}
  born: {type: date32, class: quasi_identifier, identifier: dates, generalize_date: {to: year, bottom: 1936-01-01}}
  born_text: {type: string, class: quasi_identifier, identifier: dates, generalize_date: {to: year, bottom: 1936-01-01, parse: iso}}
  born_epoch: {type: int64, class: quasi_identifier, identifier: dates, generalize_date: {to: year, bottom: 1936-01-01, parse: epoch_s}}
  admitted: {type: string, class: sensitive, identifier: dates, generalize_date: {to: year, bottom: 1936-01-01, parse: iso, zone: America/New_York}}
  age: {type: int16, class: quasi_identifier, identifier: dates, clamp: {bottom: 0, top: 90}}
  age_from_birth: {type: date32, class: quasi_identifier, identifier: dates, age: {at: 2026-11-01}}
  phone: {type: string, class: direct_identifier, identifier: phone, drop: {}}
  fax: {type: string, class: direct_identifier, identifier: fax, "null": {}}
  email: {type: string, class: direct_identifier, identifier: email, drop: {}}
  ssn: {type: string, class: direct_identifier, identifier: ssn, mask: {}}
  account: {type: string, class: direct_identifier, identifier: account, drop: {}}
  plate: {type: string, class: direct_identifier, identifier: vehicle, drop: {}}
  device: {type: string, class: direct_identifier, identifier: device, drop: {}}
  url: {type: string, class: direct_identifier, identifier: url, drop: {}}
  ip: {type: string, class: direct_identifier, identifier: ip, drop: {}}
  photo: {type: binary, class: direct_identifier, identifier: photo, drop: {}}
  trial: {type: string, class: direct_identifier, identifier: other_unique, drop: {}}
  notes: {type: string, class: sensitive, identifier: free_text, drop: {}}
  ward: {type: string, class: insensitive, identifier: none, keep: {reason: "closed list", values: [north, south]}}
privacy: {k_anonymity: {none: "Safe Harbor: the rule names what is removed"}}
"""

ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"

BIRTHS = [
    date(1937, 11, 1),
    date(1937, 11, 2),
    date(1936, 11, 1),
    date(1936, 11, 2),
    date(1935, 11, 1),
    date(1901, 2, 3),
    date(2000, 2, 29),
]
"""Aged 89, 88, 90, 89, 91, 125 and 26 on the day."""

ZIPS = ["03601", "10025", "94110-1234", "03602", "00601", "82101"]


def patients():
    birth = [BIRTHS[number % len(BIRTHS)] for number in range(COUNT)]
    texts = {
        name: [f"{name} {number}" for number in range(COUNT)]
        for name in ("name", "kin", "phone", "fax", "email", "ssn", "account", "plate", "device", "url", "ip", "trial", "notes")
    }
    zips = [ZIPS[number % len(ZIPS)] for number in range(COUNT)]
    return pa.table(
        {
            "mrn": [f"M{number:06}" for number in range(COUNT)],
            "zip": zips,
            "zip_number": pa.array([int(text[:5]) for text in zips], pa.int32()),
            "state": ["NH", "NY", "CA", "NH", "PR", "WY"] * (COUNT // 6),
            "born": pa.array(birth),
            "born_text": [day.isoformat() for day in birth],
            "born_epoch": [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in birth],
            # Two in the morning in Greenwich on New Year's Day is still the old year in New York.
            "admitted": ["2026-01-01T02:00:00Z", "2026-01-01T02:00:00-05:00"] * (COUNT // 2),
            "age": pa.array([(88, 89, 90, 91, 104)[number % 5] for number in range(COUNT)], pa.int16()),
            "age_from_birth": pa.array(birth),
            "photo": [b"\xff\xd8" + bytes([number]) for number in range(COUNT)],
            "ward": ["north", "south"] * (COUNT // 2),
        }
        | texts
    )


@pytest.fixture
def stays(tmp_path):
    """The policy's path, edited, and the settings."""

    def write(*edits: tuple[str, str], table: pa.Table | None = None):
        (tmp_path / "raw/stays").mkdir(parents=True)
        pq.write_table(patients() if table is None else table, tmp_path / "raw/stays/part.parquet")
        text = POLICY
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        policy = tmp_path / "policies/stays.yaml"
        policy.parent.mkdir()
        policy.write_text(text, encoding="utf-8")
        more = create_keys(tmp_path / "keys").settings(tmp_path) + "policies: policies\nworkers: 1\n"
        (tmp_path / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
        return policy, load_settings(file=tmp_path / "airlock.yaml", environment={})

    return write


def released(folder: Path) -> pa.Table:
    return pq.read_table(next((folder / "sanitized/stays/data").iterdir())).combine_chunks()


def test_the_boundaries(stays, tmp_path):
    policy, settings = stays()
    anonymize(policy, settings, engine="local")
    made = release(policy, settings)
    assert (made.state, made.rows) == ("released", COUNT)
    table = released(tmp_path)
    gone = {"name", "phone", "email", "account", "plate", "device", "url", "ip", "photo", "trial", "notes"}
    assert not gone & set(table.column_names)
    assert set(table.column("fax").to_pylist()) == {None}
    assert {text.strip("*") for text in table.column("ssn").to_pylist()} == {""}
    # 036 and 821 hold 20,000 people or fewer; 006 is Puerto Rico's.
    assert set(table.column("zip").to_pylist()) == {"000", "100", "941", "006"}
    assert set(table.column("zip_number").to_pylist()) == {"000", "100", "941", "006"}
    assert table.column("zip").to_pylist().count("000") == COUNT // 2
    # Who was born in 1936 or before is, or will be this year, 90: one category.
    years = {date(1936, 1, 1), date(1937, 1, 1), date(2000, 1, 1)}
    assert set(table.column("born").to_pylist()) == years
    assert set(table.column("born_text").to_pylist()) == years
    assert set(table.column("born_epoch").to_pylist()) == years
    assert set(table.column("admitted").to_pylist()) == {date(2025, 1, 1), date(2026, 1, 1)}
    assert set(table.column("age").to_pylist()) == {88, 89, 90}
    assert set(table.column("age_from_birth").to_pylist()) == {26, 88, 89, 90}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("identifier: names, drop: {}", "identifier: names, pseudonymize: patient", r"is names \(A\): 'pseudonymize' derives a code"),
        ("zip3: {}}\n  zip_number", "truncate: 3}\n  zip_number", r"is geography \(B\): 'truncate' keeps what is smaller than a state"),
        ("to: year, bottom: 1936-01-01}}", "to: year}}", r"is dates \(C\): a birth year before 1936 would tell an age over 89"),
        ("clamp: {bottom: 0, top: 90}", "clamp: {bottom: 0, top: 95}", r"is dates \(C\): 'clamp' would tell an age over 89"),
        ("age: {at: 2026-11-01}", "age: {at: 2026-11-01, top: 99}", r"is dates \(C\): 'age' would tell an age over 89"),
        ("ssn, mask: {}", "ssn, mask: {keep_last: 4}", r"is ssn \(G\): 'mask' may keep part of it"),
        ('codes: {mrn: "keyed', 'codes: {state: "keyed', r"is medical_record \(H\): 'pseudonymize' derives a code"),
        ("identifier: free_text, drop: {}", "identifier: free_text, redact_entities: {entities: [URL]}", "can't prove that names are gone"),
        ('license: "not in this extract", ', "", r"nothing is said of license \(K\)"),
        ("identifier: none, keep: {reason", "keep: {reason", "'ward' needs `identifier`"),
    ],
)  # fmt: skip
def test_what_the_rule_does_not_allow_is_refused_before_a_row_is_read(stays, old, new, message):
    policy, settings = stays((old, new))
    with pytest.raises(PolicyFileError, match=message) as caught:
        anonymize(policy, settings, engine="local")
    assert "pack" in caught.value.facts["codes"]


def test_plan_reviews_what_is_said_to_be_no_identifier(stays):
    table = patients()
    state = table.schema.get_field_index("state")
    table = table.set_column(
        state, "state", pa.array([f"county {number // 2}" if number < 120 else "CA" for number in range(COUNT)])
    )
    policy, settings = stays(table=table)
    [found] = [warned for warned in plan_policy(policy, settings).warnings if warned.kind == "uniqueness"]
    assert found.path == "state"
    assert "60 values of 240 sampled occur once or twice" in found.message


def test_other_unique_characteristics_are_found_by_the_review_and_nobody_waives_it(stays, tmp_path):
    table = patients()
    ward = table.schema.get_field_index("ward")
    table = table.set_column(ward, "ward", pa.array([f"bed {number}, floor {number % 7}" for number in range(COUNT)]))
    policy, settings = stays(('keep: {reason: "closed list", values: [north, south]}', 'keep: "a bed"'), table=table)
    (tmp_path / "gate.yaml").write_text(
        "waivers:\n- {dataset: stays, column: ward, entity: NEARLY_UNIQUE, approver: a, expires: 2999-01-01, reason: r}\n"
    )
    settings = load_settings(file=tmp_path / "airlock.yaml", environment={"AIRLOCK_WAIVERS": str(tmp_path / "gate.yaml")})
    anonymize(policy, settings, engine="local")
    with pytest.raises(NearlyUniqueError, match=r"'ward'.*pack hipaa-safe-harbor knows no waiver of NEARLY_UNIQUE"):
        release(policy, settings)
