"""Raw datasets: list files, plan splits, read batches of Parquet, CSV and JSON lines. For `plan`, `engines` and `draft`."""

from airlock.storage.sources.known import pack_footers, unpack_footers
from airlock.storage.sources.listing import list_source
from airlock.storage.sources.model import Listing, Piece, RejectedRows, RowGroup, SourceBatch, SourceFile, Split
from airlock.storage.sources.reading import read_batches
from airlock.storage.sources.sampling import sample
from airlock.storage.sources.splits import is_cuttable, plan_splits

__all__ = [
    "Listing",
    "Piece",
    "RejectedRows",
    "RowGroup",
    "SourceBatch",
    "SourceFile",
    "Split",
    "is_cuttable",
    "list_source",
    "pack_footers",
    "plan_splits",
    "read_batches",
    "sample",
    "unpack_footers",
]
