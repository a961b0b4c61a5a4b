from pathlib import Path

import pyarrow as pa
import pytest

from airlock.policy.model import Source
from airlock.storage.local import LocalStore
from airlock.storage.sources import list_source, plan_splits, read_batches


class Raw:
    """A raw zone with the steps that every reading test takes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalStore(root)

    def put(self, path: str, data: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def path(self, path: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def list(self, **source):
        return list_source(self.store, Source(**source))

    def batches(self, schema, target_bytes=128 << 20, source=None, **options):
        source = Source(**source)
        splits = plan_splits(self.store, list_source(self.store, source), source, target_bytes=target_bytes)
        return [batch for split in splits for batch in read_batches(self.store, split, source=source, schema=schema, **options)]

    def rows(self, schema, **options):
        return [row for batch in self.batches(schema, **options) for row in batch.batch.to_pylist()]

    def rejects(self, schema, **options):
        return [
            (rows.code, rows.column, rows.raw, rows.count)
            for batch in self.batches(schema, **options)
            for rows in batch.rejected
        ]


@pytest.fixture
def raw(tmp_path):
    return Raw(tmp_path)


@pytest.fixture
def table():
    return pa.table(
        {
            "id": pa.array(range(1000), pa.int64()),
            "word": [f"w{at % 7}" for at in range(1000)],
            "mail": [f"m{at}@example.org" for at in range(1000)],
        }
    )
