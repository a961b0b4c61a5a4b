"""Write the demo's three related raw tables. Called by `airlock demo`, tests and measurements.

Tables are made and written a row group at a time: memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airlock.demo.customers import customers
from airlock.demo.draws import Draws, Index
from airlock.demo.orders import ORDERS_A_CUSTOMER, orders
from airlock.demo.people import DAYS, People
from airlock.demo.pools import make_pools
from airlock.demo.tickets import json_lines, ticket_count, tickets
from airlock.errors import ConfigError

__all__ = ["generate", "generate_example"]

_ROW_GROUP = 65_536
_FILE_ROWS = 4 * _ROW_GROUP


def generate(folder: Path, *, rows: int, seed: int = 7) -> None:
    """Write customers (`rows`), orders (3 x `rows`) and tickets (`rows` / 100 and 20) under `folder/crm/`.

    Customers are Parquet in hive partitions by load date, orders Parquet in several files, tickets JSON lines. Equal arguments
    write equal tables. Any `rows` of 100 or more meets k = 5 under the packaged policies.

    Raises:
        ConfigError: `rows` is below 100, or `folder/crm` is already there.
        MissingCapabilityError: Faker is not installed.
    """
    _write(folder, rows=rows, seed=seed, dense=False)


def generate_example(folder: Path, *, rows: int = 20_000, seed: int = 7) -> None:
    """As `generate`, with demographics dense enough for five people of every birth year in every class.

    Raises:
        ConfigError: `rows` is below 100, or `folder/crm` is already there.
        MissingCapabilityError: Faker is not installed.
    """
    _write(folder, rows=rows, seed=seed, dense=True)


def _write(folder: Path, *, rows: int, seed: int, dense: bool) -> None:
    least = 100
    if rows < least:
        raise ConfigError(f"generated data needs at least {least} rows for k = 5; asked for {rows}", rows=rows)
    target = folder / "crm"
    if target.exists():
        raise ConfigError(f"'{target}' is already there; remove it or name another folder", path=str(target))
    people = People(rows, Draws(seed), make_pools(seed), dense)
    for day, first, end in ((DAYS[0], 0, people.first_day_rows), (DAYS[1], people.first_day_rows, rows)):
        _parquet(target / "customers" / f"dt={day}", (first, end), lambda index: customers(people, index))
    _parquet(target / "orders", (0, ORDERS_A_CUSTOMER * rows), lambda number: orders(people, number))
    (target / "tickets").mkdir(parents=True)
    lines = json_lines(tickets(people, np.arange(ticket_count(rows), dtype=np.uint64)))
    text = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_py()
    (target / "tickets" / "part-00000.jsonl").write_text(text + "\n", encoding="utf-8")


def _parquet(folder: Path, numbers: tuple[int, int], make: Callable[[Index], pa.Table]) -> None:
    """Write the rows of these numbers as files of at most `_FILE_ROWS`, three at least."""
    folder.mkdir(parents=True)
    first, end = numbers
    for part, (start, stop) in enumerate(pairwise(_cuts(first, end, min(_FILE_ROWS, -(-(end - first) // 3))))):
        groups = _groups(start, stop, make)
        head = next(groups)
        with pq.ParquetWriter(folder / f"part-{part:05d}.parquet", head.schema) as writer:
            writer.write_table(head)
            for group in groups:
                writer.write_table(group)


def _groups(start: int, stop: int, make: Callable[[Index], pa.Table]) -> Iterator[pa.Table]:
    for low, high in pairwise(_cuts(start, stop, _ROW_GROUP)):
        yield make(np.arange(low, high, dtype=np.uint64))


def _cuts(start: int, stop: int, width: int) -> list[int]:
    return [*range(start, stop, width), stop]
