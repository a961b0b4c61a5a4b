"""A store that fails in the middle of a read is one that failed: what it holds is not called unreadable, nor changed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers import proxy, s3
from tests.servers.proxy import Fault

from airlock.errors import StorageUnavailableError
from airlock.policy.model import Source
from airlock.settings import Location
from airlock.storage import open_store
from airlock.storage.sources import list_source, plan_splits, read_batches

ROWS = 40_000


@pytest.fixture(scope="module")
def line(require, tmp_path_factory):
    """A proxy before versitygw, and a zone behind it with a file of each format."""
    require("s3")
    folder = tmp_path_factory.mktemp("outage")
    identity = folder / "identity"
    identity.write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
    with s3.running(folder / "gateway") as gateway, proxy.running(gateway.endpoint) as made:
        gateway.client().create_bucket(Bucket="raw")
        store = open_store(Location("s3://raw", endpoint=made.address, identity=str(identity)))
        table = pa.table({"n": [str(n * 2654435761 % 2**64) for n in range(ROWS)]})
        with store.open_output("parquet/1") as out:
            pq.write_table(table, out, use_dictionary=False, compression="none", data_page_size=65_536)
        store.create("csv/1", b"n\n" + b"".join(b"%s\n" % value.encode() for value in table["n"].to_pylist()))
        store.create("jsonl/1", b"".join(b'{"n": "%s"}\n' % value.encode() for value in table["n"].to_pylist()))
        yield made, store


def failing(fault, after):
    """From the so-many-th read of content on; what is asked of an object's facts is answered always."""
    seen = []

    def rule(asked):
        seen.extend([asked] if asked.startswith("GET /raw/") else [])
        return fault if asked.startswith("GET /raw/") and len(seen) > after else Fault.NONE

    return rule


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "fault", "after"),
    [("parquet", Fault.HALF, 1), ("parquet", Fault.CUT, 0), ("csv", Fault.HALF, 1), ("jsonl", Fault.HALF, 0)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_read_that_breaks_off(line, form, fault, after):
    made, store = line
    made.clear()
    source = Source(path=form, format=form)
    listing = list_source(store, source)
    schema = pa.schema([("n", pa.string())])
    (split,) = plan_splits(store, listing, source, target_bytes=1 << 30)
    made.rule = failing(fault, after)
    with pytest.raises(StorageUnavailableError, match=rf"did not answer for '{form}/1'"):
        list(read_batches(store, split, source=source, schema=schema))
    made.clear()
    assert sum(batch.rows_in for batch in read_batches(store, split, source=source, schema=schema)) == ROWS


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_listing_that_breaks_off(line, form):
    made, store = line
    made.clear()
    made.rule = failing(Fault.CUT, 0)
    with pytest.raises(StorageUnavailableError, match=rf"did not answer for '{form}/1'"):
        list_source(store, Source(path=form, format=form))
