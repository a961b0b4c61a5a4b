"""Text in every layout that Arrow has for it, through both doors: what is published is the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import release
from airlock.settings import load_settings

COUNT = 240
LAYOUTS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}
NAMES = [f"Marigold{number:03}" for number in range(COUNT)]
VALUES = {
    "code": [f"{1_000_000 + 37 * number}" for number in range(COUNT)],
    "name": NAMES,
    "note": [f"{name} wrote to a{number}@example.org" for number, name in enumerate(NAMES)],
    "zip": [f"{10_000 + number}" for number in range(COUNT)],
    "job": [("cook", "nurse", "pilot")[number % 3] for number in range(COUNT)],
    "site": [f"https://u{number}.example.org/plate" for number in range(COUNT)],
    "host": [f"10.1.{number // 9}.{number % 250 + 1}" for number in range(COUNT)],
    "born": [f"19{number % 60 + 30}-03-{number % 28 + 1:02}" for number in range(COUNT)],
}
RULES = {
    "keep": ("job", "insensitive", "keep: {reason: a list, values: [cook, nurse, pilot]}"),
    "keep_top": ("job", "sensitive", "keep_top: {n: 2, min_count: 20}"),
    "permute": ("job", "sensitive", "permute: {reason: sums, min_rows: 2}"),
    "replace": ("job", "sensitive", "replace: {map: {cook: a, nurse: b}, otherwise: c}"),
    "drop": ("name", "direct_identifier", "drop: {}"),
    "null": ("name", "direct_identifier", "'null': {}"),
    "redact": ("name", "direct_identifier", "redact: {}"),
    "mask": ("name", "direct_identifier", "mask: {keep_last: 2}"),
    "mask_groups": ("name", "sensitive", "mask: {pattern: '([A-Z])(.*)', groups: [2]}"),
    "pseudonymize": ("name", "direct_identifier", "pseudonymize: other"),
    "tails": ("code", "direct_identifier", "pseudonymize: {domain: other, keep_last: 2}"),
    "hmac": ("name", "direct_identifier", "hmac: other"),
    "encrypt": ("name", "direct_identifier", "reversible: allowed, encrypt: other"),
    "encrypt_random": ("name", "direct_identifier", "reversible: allowed, encrypt_random: other"),
    "fpe": ("code", "direct_identifier", "reversible: allowed, fpe: other"),
    "surrogate": ("name", "direct_identifier", "surrogate: {kind: username, domain: other}"),
    "redact_entities": (
        "note",
        "sensitive",
        "redact_entities: {entities: [EMAIL_ADDRESS], known_values: [string_drop, string_view_drop]}",
    ),
    "truncate": ("zip", "sensitive", "truncate: 2"),
    "zip3": ("zip", "sensitive", "zip3: {}"),
    "ip_truncate": ("host", "sensitive", "ip_truncate: {}"),
    "url": ("site", "sensitive", "url: registered_domain"),
    "hierarchy": ("job", "sensitive", "hierarchy: {file: jobs.csv, level: 1}"),
    "when": ("name", "direct_identifier", "when: {column: string_view_when_by, in: [cook], then: {mask: {}}, otherwise: {redact: {}}}"),
    "first_match": (
        "zip",
        "sensitive",
        "first_match: {cases: [{column: string_view_when_by, in: [cook], then: {truncate: 2}}], otherwise: {redact: {}}}",
    ),
    "when_by": ("job", "insensitive", "keep: {reason: a list, values: [cook, nurse, pilot]}"),
}  # fmt: skip
POLICY = """\
apiVersion: airlock/v1
dataset: things
owner: things@example.org
purpose: a test of layouts
source: {path: things, format: parquet, exclude: gone.txt}
sink: {path: things}
subject: person
keys: {recipient: nobody, epoch: 1, domains: {person: {}, other: {}}}
columns:
  person: {type: string_view, class: direct_identifier, pseudonymize: {domain: person, form: hex}}
"""
END = """\
gate:
  not_proven: {PERSON: "a test", LOCATION: "a test"}
  max_rejects: 1
privacy:
  k_anonymity: {none: "a test"}
"""


@pytest.mark.parametrize("nulls", [False, True])
def test_every_layout_of_text_goes_through_both_doors(tmp_path: Path, nulls: bool) -> None:
    columns, rules = {"person": pa.array(map(str, range(COUNT)), pa.string_view())}, []
    for layout, data_type in LAYOUTS.items():
        for name, (what, kind, operator) in RULES.items():
            values = [None if nulls and at % 40 == 5 else value for at, value in enumerate(VALUES[what])]
            if (layout, name) == ("string_view", "ip_truncate"):
                values[-1] = "no address"
            columns[f"{layout}_{name}"] = pa.array(values, data_type)
            declared = "string" if layout == "dictionary" else layout
            rules.append(f"  {layout}_{name}: {{type: {declared}, class: {kind}, {operator}}}\n")
    raw = tmp_path / "raw" / "things"
    raw.mkdir(parents=True)
    pq.write_table(pa.table(columns), raw / "part.parquet")
    policy = tmp_path / "policies" / "things.yaml"
    policy.parent.mkdir()
    policy.write_text(POLICY + "".join(rules) + END, encoding="utf-8")
    (policy.parent / "jobs.csv").write_text("cook;food;any\nnurse;health;any\npilot;travel;any\n", encoding="utf-8")
    (tmp_path / "private").mkdir()
    for folder in (tmp_path, tmp_path / "raw", tmp_path / "private", policy.parent):
        (folder / "gone.txt").write_text("7\n", encoding="utf-8")
    zones = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
    more = create_keys(tmp_path / "keys").settings(tmp_path) + "policies: policies\nworkers: 1\n"
    (tmp_path / "airlock.yaml").write_text(zones + more, encoding="utf-8")
    settings = load_settings(file=tmp_path / "airlock.yaml", environment={})

    staged = anonymize(policy, settings, engine="local")
    assert staged.rejected == 1
    made = release(policy, settings)
    assert (made.state, made.rows) == ("released", COUNT - 2)
    files = (tmp_path / "sanitized").rglob("*.parquet")
    read = pa.concat_tables(pq.ParquetFile(path).read() for path in files)
    for name in RULES.keys() - {"encrypt_random", "drop"}:  # the one never writes the same, the other nothing
        written = [read[f"{layout}_{name}"].to_pylist() for layout in LAYOUTS]
        # Each column is permuted by itself.
        written = [sorted(map(str, values)) for values in written] if name == "permute" else written
        assert all(values == written[0] for values in written), name
