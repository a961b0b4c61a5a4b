"""The different tokens of a column, with what their operator looks at beside them. Called by `reidentify`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from airlock.engines.rows import aligned_values, leaf_values
from airlock.errors import ConfigError, NotFoundError
from airlock.policy.path import ColumnPath

__all__ = ["Wanted", "wanted_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for.

    Attributes:
        place: A Parquet or CSV file, or a folder of Parquet files.
        path: The column.
        written: The tokens' type.
        inputs: Paths of the columns that the operator looks at, and their types.
        values: A text file with the tokens that are wanted, one a line; None: all.
        limit: The most rows; more are refused.
    """

    place: Path
    path: ColumnPath
    written: pa.DataType
    inputs: Mapping[str, pa.DataType]
    values: Path | None
    limit: int

    @property
    def columns(self) -> list[str]:
        """The top-level columns to read."""
        return list(dict.fromkeys([self.path.column, *(ColumnPath.parse(text).column for text in self.inputs)]))


def wanted_tokens(wanted: Wanted) -> tuple[pa.Table, int]:
    """The different rows of `value`, the token, and each of `inputs`, sorted; and how many of `values` the data does not have.

    Raises:
        ConfigError: There are more than the limit, or the data is of other types.
        NotFoundError: A file can't be read, or has no such token or column.
    """
    chosen = None if wanted.values is None else _as(_lines(wanted.values), wanted.written, str(wanted.values))
    names = ["value", *wanted.inputs]
    made: pa.Table | None = None
    for batch in _batches(wanted):
        found = _rows(batch, wanted)
        kept = pc.is_valid(found["value"])
        found = found.filter(kept if chosen is None else pc.and_(kept, pc.is_in(found["value"], value_set=chosen)))
        made = (found if made is None else pa.concat_tables([made, found])).group_by(names).aggregate([])
        if made.num_rows > wanted.limit:
            raise ConfigError(
                f"column '{wanted.path}' has more than {wanted.limit:,} different tokens. Choose some with --values FILE, or raise "
                "--limit; nothing was reversed"
            )
    if made is None or not made.num_rows:
        raise NotFoundError(
            f"'{wanted.place}' has none of the tokens in column '{wanted.path}'. Check file, column and --values"
        )
    absent = 0 if chosen is None else len(chosen) - len(pc.unique(made["value"]))
    return made.select(names).sort_by([(name, "ascending") for name in names]).combine_chunks(), absent


def _rows(batch: pa.RecordBatch, wanted: Wanted) -> pa.Table:
    tokens = leaf_values(batch, wanted.path)[0]
    made = {"value": _as(tokens, wanted.written, f"column '{wanted.path}'")}
    for text, data_type in wanted.inputs.items():
        beside = aligned_values(batch, wanted.path, ColumnPath.parse(text))
        if len(beside) != len(tokens):
            raise NotFoundError(
                f"the data has no column '{text}', which the way back looks at. Join it to a file of the tokens"
            )
        made[text] = _as(beside, data_type, f"column '{text}'")
    return pa.table(made)


def _lines(file: Path) -> pa.Array:
    try:
        lines = pa.array(file.read_text(encoding="utf-8").splitlines(), pa.string())
    except (OSError, UnicodeDecodeError):
        raise NotFoundError(f"--values '{file}' can't be read as UTF-8 text. Give a file with one token a line") from None
    return pc.unique(lines.filter(pc.not_equal(lines, "")))


def _as(values: pa.Array, data_type: pa.DataType, where: str) -> pa.Array:
    try:
        return values.cast(data_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # The cause would quote a token.
        raise ConfigError(
            f"{where} does not hold values of type {data_type}. Check that data and policy belong together"
        ) from None


def _batches(wanted: Wanted) -> Iterator[pa.RecordBatch]:
    place = wanted.place
    for file in sorted(place.rglob("*.parquet")) if place.is_dir() else [place]:
        try:
            yield from _of_file(file, wanted.columns)
        except (OSError, pa.ArrowInvalid, pa.ArrowKeyError):
            named = " and ".join(f"'{name}'" for name in wanted.columns)
            raise NotFoundError(
                f"'{file}' can't be read as Parquet or CSV with column {named}. Check the file; what the way back looks at must be "
                "in it"
            ) from None


def _of_file(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if file.suffix == ".csv":
        options = pc_csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
        yield from pc_csv.read_csv(file, convert_options=options).to_batches()
        return
    with pq.ParquetFile(file) as opened:
        if not set(columns) <= set(opened.schema_arrow.names):
            raise pa.ArrowKeyError(columns[0])
        yield from opened.iter_batches(columns=columns)
