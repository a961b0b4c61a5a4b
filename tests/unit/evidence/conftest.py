"""Keys, a manifest and a whole release in memory, for the tests of evidence."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from securesystemslib.signer import CryptoSigner

from airlock.errors import NotFoundError
from airlock.evidence.canonical import canonical_json, sha256_hex, time_text
from airlock.evidence.dsse import sign
from airlock.evidence.manifest import ColumnFacts, Counts, KnownValues, PublicManifest, SplitTotals, StagedFile
from airlock.evidence.pointer import Pointer, advance
from airlock.evidence.schema import schema_fields
from airlock.evidence.statement import released_statement, staged_statement
from airlock.evidence.trust import Trust, TrustedKey
from airlock.evidence.verify import join_statements
from airlock.types import Isolation, RunState, Separation

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def _trusted(signer, role, **changes):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = signer._private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = TrustedKey(signer.public_key.keyid, role, public, NOW - timedelta(days=30), NOW + timedelta(days=30))
    return replace(key, **changes)


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def trusted():
    return _trusted


@pytest.fixture(scope="session")
def stage_signer():
    return CryptoSigner.generate_ed25519()


@pytest.fixture(scope="session")
def release_signer():
    return CryptoSigner.generate_ed25519()


@pytest.fixture(scope="session")
def trust(stage_signer, release_signer):
    return Trust([_trusted(stage_signer, "stage"), _trusted(release_signer, "release")])


def _parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.table({"zip": pa.array(["123"] * rows), "n": pa.array(range(rows), pa.int32())}), out)
    return out.getvalue()


def _manifest(parts):
    counts = Counts(5, 5, 0, 0)
    return PublicManifest(
        dataset="customers",
        recipient="analytics",
        run="run-1",
        fence=3,
        owner="crm-data@example.org",
        purpose="churn model",
        plan_digest="1" * 64,
        policy_sha256="2" * 64,
        code={"airlock": "0.1.0", "pyarrow": pa.__version__},
        image_digest=None,
        outputs=tuple(
            StagedFile(name, sha256_hex(data), len(data), pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)
            for name, data in parts.items()
        ),
        schema=schema_fields(pq.ParquetFile(io.BytesIO(next(iter(parts.values())))).schema_arrow),
        columns={"zip": ColumnFacts("truncate", None), "n": ColumnFacts("pseudonymize", "customer/analytics/1")},
        totals=counts,
        splits=(SplitTotals("3f" * 16, counts),),
        known_values=KnownValues(checked=True, found={}),
        inputs_commitment="4" * 64,
        private_sha256="5" * 64,
        isolation=Isolation.NONE,
        separation=Separation.NONE,
        created_at=time_text(NOW),
    )


class MemoryReader:
    """A dataset's folder in memory."""

    def __init__(self, files):
        self.files = dict(files)

    def read(self, path):
        if path not in self.files:
            raise NotFoundError(f"no '{path}'")
        return self.files[path]

    def list(self, prefix):
        return [path for path in self.files if path.startswith(prefix + "/")]

    def measure(self, path):
        data = self.read(path)
        return hashlib.sha256(data).hexdigest(), len(data)

    def describe_parquet(self, path):
        file = pq.ParquetFile(io.BytesIO(self.read(path)))
        return file.metadata.num_rows, schema_fields(file.schema_arrow)


@pytest.fixture(scope="session")
def manifest():
    return _manifest({"part-00000.parquet": _parquet(3), "dt=1/part-00001.parquet": _parquet(2)})


@pytest.fixture
def make_release(stage_signer, release_signer):
    """Make a whole release; `change` may alter the manifest, `pointer` the pointer, before they are signed."""

    def make(change=lambda made: made, pointer=lambda made: made, at=NOW):
        parts = {"part-00000.parquet": _parquet(3), "dt=1/part-00001.parquet": _parquet(2)}
        made = change(_manifest(parts))
        gate = canonical_json({"verdict": "passed"})
        staged = sign(staged_statement(made, at=at), signer=stage_signer)
        released = sign(released_statement(made, gate=gate, staged=staged, at=at), signer=release_signer)
        head = advance(
            None,
            None,
            Pointer(
                dataset=made.dataset,
                recipient=made.recipient,
                sink="crm/customers",
                run=made.run,
                sequence=1,
                previous=None,
                manifest=sha256_hex(made.to_bytes()),
                state=RunState.RELEASED,
                fence=made.fence,
                published_at=time_text(at),
            ),
        )
        files = {f"data/run-1/{name}": data for name, data in parts.items()} | {
            "current.json": pointer(head).to_envelope(release_signer),
            "evidence/run-1/manifest.json": made.to_bytes(),
            "evidence/run-1/gate.json": gate,
            "evidence/run-1/run.intoto.jsonl": join_statements(staged, released),
            "data/run-0/part-00000.parquet": b"a superseded release's file is not looked at",
        }
        return MemoryReader(files)

    return make


@pytest.fixture
def release(make_release):
    return make_release()
