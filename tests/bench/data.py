"""The benchmark's table: ten columns of the shape id/email/phone/ssn/birth_date/zip/ip/city/amount/timestamp, and a project around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from airlock.keys.file import create_root_file
from airlock.keys.signing import create_signing_key
from airlock.settings import Settings, load_settings

COLUMNS = ("id", "email", "phone", "ssn", "birth_date", "zip", "ip", "city", "amount", "timestamp")

POLICY = """\
apiVersion: airlock/v1
dataset: bench
owner: bench
purpose: measurement
source: {path: people, format: parquet}
sink: {path: bench}
subject: id
keys:
  recipient: bench
  epoch: 1
  domains: {person: {canonical: [decimal]}, email: {canonical: []}, ssn: {canonical: []}}
columns:
  id:         {type: int64, class: direct_identifier, pseudonymize: {domain: person, form: hex}}
  email:      {type: string, class: direct_identifier, pseudonymize: {domain: email, form: hex}}
  phone:      {type: string, class: direct_identifier, mask: {keep_last: 2}}
  ssn:        {type: string, class: direct_identifier, pseudonymize: {domain: ssn, form: hex}}
  birth_date: {type: date32, class: quasi_identifier, generalize_date: {to: year}}
  zip:        {type: string, class: quasi_identifier, truncate: {length: 3}}
  ip:         {type: string, class: quasi_identifier, ip_truncate: {v4: 16, v6: 32}}
  city:       {type: string, class: sensitive, keep: "coarse"}
  amount:     {type: float64, class: sensitive, generalize_number: {width: 100}}
  timestamp:  {type: "timestamp[us, tz=UTC]", class: sensitive, generalize_date: {to: month}}
gate: {absent: [EMAIL_ADDRESS, PHONE_NUMBER]}
privacy:
  k_anonymity: {none: "a measurement of speed"}
"""


def table(rows: int, seed: int = 1) -> pa.Table:
    """`rows` rows; e-mails and SSNs are nearly unique, cities and ZIPs repeat."""
    rng = np.random.default_rng(seed)
    number = rng.permutation(rows) + 10_000_000
    text = number.astype("U8")
    digits = rng.integers(0, 10**9, rows)

    def joined(*parts: object) -> pa.Array:
        made = ""
        for part in parts:
            made = np.char.add(made, part)
        return pa.array(made)

    def padded(values: np.ndarray, width: int) -> np.ndarray:
        return np.char.zfill(values.astype(f"U{width}"), width)

    hosts = np.array(["example.org", "example.com", "mail.example.net"])[rng.integers(0, 3, rows)]
    cities = np.array([f"City of {chr(65 + i // 26)}{chr(97 + i % 26)}" for i in range(400)])[rng.zipf(1.3, rows) % 400]
    octets = [rng.integers(1, 255, rows).astype("U3") for _ in range(4)]
    days = rng.integers(-10_000, 14_000, rows)
    return pa.table(
        {
            "id": pa.array(number, pa.int64()),
            "email": joined("user", text, "@", hosts),
            "phone": joined("+1 555-", padded(digits % 1000, 3), "-", padded(digits // 1000 % 10_000, 4)),
            "ssn": joined(padded(digits % 900 + 1, 3), "-", padded(digits % 99 + 1, 2), "-", padded(digits // 99 % 10_000, 4)),
            "birth_date": pa.array(days.astype("datetime64[D]"), pa.date32()),
            "zip": joined(padded(digits % 99_999, 5)),
            "ip": joined(octets[0], ".", octets[1], ".", octets[2], ".", octets[3]),
            "city": pa.array(cities),
            "amount": pa.array(np.round(rng.gamma(2.0, 120.0, rows), 2)),
            "timestamp": pa.array(
                np.datetime64("2020-01-01", "us") + rng.integers(0, 6 * 365 * 86_400 * 10**6, rows),
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def write_source(folder: Path, rows: int, *, files: int = 4, row_group: int = 250_000) -> int:
    """Write the table to `<folder>/raw/people`, Snappy; returns its bytes."""
    target = folder / "raw" / "people"
    target.mkdir(parents=True)
    step = -(-rows // files)
    for number in range(files):
        with pq.ParquetWriter(target / f"part-{number:03d}.parquet", table(1).schema, compression="snappy") as writer:
            for at in range(0, step, row_group):
                writer.write_table(table(min(row_group, step - at), seed=number * 10_000 + at), row_group_size=row_group)
    return sum(file.stat().st_size for file in target.iterdir())


def project(folder: Path) -> Settings:
    """Keys, trust, policy and configuration beside `<folder>/raw`."""
    for name in ("keys", "trust", "policies"):
        (folder / name).mkdir()
    create_root_file(folder / "keys" / "root.json")
    create_signing_key(folder / "keys" / "stage.pem", folder / "trust" / "stage.pub", "stage")
    create_signing_key(folder / "keys" / "release.pem", folder / "trust" / "release.pub", "release")
    (folder / "policies" / "bench.yaml").write_text(POLICY)
    (folder / "airlock.yaml").write_text(
        "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
        "keys: {root: keys/root.json, stage_signing: keys/stage.pem, release_signing: keys/release.pem}\n"
        "trust: trust\npolicies: policies\nmaster: 'local[2,4]'\nworkers: 2\n"
    )
    return load_settings(file=folder / "airlock.yaml", environment={})
