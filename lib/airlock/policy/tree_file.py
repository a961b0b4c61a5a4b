"""A generalization tree in a CSV file, as ARX writes them: one line a leaf, from the leaf on the left to the root on the right.

Called by `inline`. Errors name line and column number, never a value.
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

__all__ = ["MOST_BYTES", "read_tree"]

MOST_BYTES = 16 << 20
_MOST_LEAVES = 100_000
_LEAST_LEVELS, _MOST_LEVELS = 2, 32


def read_tree(data: bytes) -> tuple[pa.StringArray, ...]:
    r"""The levels of a tree, leaves first; row i of each belongs to line i + 1.

    There is no header line. Fields are parted by `;` if the first line has one outside quotes, else by `,`; quotes are `"`, doubled
    inside. Spaces count.

    Args:
        data: The file's bytes, UTF-8.

    Raises:
        ValueError: It is not such a file, or no tree.

    Example:
        >>> [level.to_pylist() for level in read_tree(b"flu;lung;any\nasthma;lung;any\n")]
        [['flu', 'asthma'], ['lung', 'lung'], ['any', 'any']]
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"has {len(data) >> 20} MiB; a tree has at most {MOST_BYTES >> 20}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    levels = _columns(data, _delimiter(data))
    if not _LEAST_LEVELS <= len(levels) <= _MOST_LEVELS:
        raise ValueError(f"has {len(levels)} columns; a tree has {_LEAST_LEVELS} to {_MOST_LEVELS}, parted by ';' or ','")
    if len(levels[0]) > _MOST_LEAVES:
        raise ValueError(f"has {len(levels[0]):,} lines; a tree has at most {_MOST_LEAVES:,}")
    _demand_filled(levels)
    _demand_one_line_each(levels[0])
    for number in range(1, len(levels) - 1):
        _demand_one_parent(levels[number], levels[number + 1], number)
    return levels


def _delimiter(data: bytes) -> str:
    # Every second piece between quotes is quoted.
    outside = b"".join(data.partition(b"\n")[0].split(b'"')[::2])
    return ";" if b";" in outside else ","


def _columns(data: bytes, delimiter: str) -> tuple[pa.StringArray, ...]:
    odd: list[int] = []

    def wrong(row: pcsv.InvalidRow) -> str:
        odd.append(row.number or 0)
        return "skip"

    try:
        width = len(_parsed(data.partition(b"\n")[0] + b"\n", delimiter, {}, None).column_names)
        table = _parsed(data, delimiter, {f"f{at}": pa.string() for at in range(width)}, wrong)
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        raise ValueError("is empty or no CSV in UTF-8") from None
    if odd:
        raise ValueError(f"line {odd[0]}: has more or fewer columns than the first line, which has {width}")
    return tuple(column.combine_chunks() for column in table.columns)


def _parsed(data: bytes, delimiter: str, types: dict[str, pa.DataType], wrong: object) -> pa.Table:
    return pcsv.read_csv(
        io.BytesIO(data),
        pcsv.ReadOptions(use_threads=False, autogenerate_column_names=True, block_size=MOST_BYTES + 1),
        pcsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=wrong),
        pcsv.ConvertOptions(column_types=types, strings_can_be_null=False, quoted_strings_can_be_null=False),
    )


def _demand_filled(levels: tuple[pa.StringArray, ...]) -> None:
    for number, level in enumerate(levels, start=1):
        line = pc.index(pc.equal(pc.binary_length(level), 0), value=True).as_py()
        if line >= 0:
            raise ValueError(f"line {line + 1}, column {number}: is empty; every leaf has a label at every level")


def _demand_one_line_each(leaves: pa.StringArray) -> None:
    # The first line of each leaf is its place among the distinct ones' first places.
    first = pc.index_in(leaves, value_set=leaves)
    again = pc.index(pc.not_equal(first, pa.array(range(len(leaves)), pa.int32())), value=True).as_py()
    if again >= 0:
        raise ValueError(
            f"line {again + 1}, column 1: the leaf of line {first[again].as_py() + 1} stands here again; each has one line"
        )


def _demand_one_parent(level: pa.StringArray, above: pa.StringArray, number: int) -> None:
    first = pc.index_in(level, value_set=level)
    other = pc.index(pc.not_equal(above, above.take(first)), value=True).as_py()
    if other >= 0:
        raise ValueError(
            f"line {other + 1}, column {number + 2}: the label of column {number + 1} had another parent in line "
            f"{first[other].as_py() + 1}; in a tree it has one"
        )
