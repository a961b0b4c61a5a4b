"""A few rows before and after, transformed in this process with the real keys. Called by `airlock preview`; writes nothing.

What comes out is what the inner door would stage; the outer door has not looked at it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from airlock.doors._runs import new_run_id
from airlock.doors._sample import read_sample
from airlock.doors._source import Prepared, prepare
from airlock.doors.permits import key_permit
from airlock.engines.exclusion import excluded_rows
from airlock.engines.rows import inputs_of, leaf_values, rows_where
from airlock.errors import ConfigError
from airlock.keys import SubKeys, open_key_ring
from airlock.operators import Operator, RejectedValuesError
from airlock.plan.program import compile_column
from airlock.plan.tree import rule_tree
from airlock.policy.arrow import NESTED, is_binary, parse_type
from airlock.policy.formats import OneOf, output_of
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath
from airlock.settings import Settings
from airlock.text.known import PLACEHOLDERS, placeholder
from airlock.text.redact_entities import RedactEntities

__all__ = ["PreviewedColumn", "PreviewedRows", "picture", "preview"]

_LONGEST = 40
_MOST_ROWS = 1_000
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class PreviewedColumn:
    """One rule's column in some rows. Texts are at most 40 characters; several values of a row stand side by side.

    Attributes:
        before: Raw values, or their pictures; None for null or where nothing was read.
        after: As written; what of it is the original, as a picture unless raw values are shown. None for null.
        written: Whether anything is written.
        kept: Whether what is written is the original, whole.
    """

    path: str
    operator: str
    before: tuple[str | None, ...]
    after: tuple[str | None, ...]
    written: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class PreviewedRows:
    """Some rows before and after.

    Attributes:
        rejected: Rows left out, by (column or '', code).
        suppressed: Rows left out because their subject is excluded.
        raw: Whether raw values are shown: all of them in `before`, what is left of them in `after`.
    """

    dataset: str
    rows: int
    columns: tuple[PreviewedColumn, ...]
    rejected: Mapping[tuple[str, str], int]
    suppressed: int
    raw: bool


def preview(policy: Path, settings: Settings, *, rows: int = 5, show_raw: bool = False) -> PreviewedRows:
    """Read a few rows and transform them with the real keys.

    Args:
        policy: One policy file.
        settings: Zone `raw` and a key provider are needed.
        rows: How many, at most 1,000.
        show_raw: Show raw values instead of their pictures, before and after. Callers see to it that only a person at a terminal gets them.

    Raises:
        ConfigError: `rows` is out of range, or a setting is missing.
        KeyFileError, KeyProviderError: The root key can't be read.
    """
    if not 1 <= rows <= _MOST_ROWS:
        raise ConfigError(f"preview shows 1 to {_MOST_ROWS:,} rows, asked for {rows}. Choose --rows in between")
    prepared = prepare(policy, settings)
    declared, plan = prepared.bound.policy, prepared.plan
    keys = open_key_ring(settings).subkeys(
        plan.requests,
        recipient=declared.keys.recipient,
        epoch=declared.keys.epoch,
        permit=key_permit(settings),
        run=new_run_id(),
    )
    sample = read_sample(prepared, rows)
    batch = sample.batch
    if prepared.excluded:
        mask, _ = excluded_rows(batch, prepared.plan, prepared.excluded)
        batch = rows_where(batch, pc.invert(mask))
    suppressed = sample.batch.num_rows - batch.num_rows
    rejected = Counter(sample.rejected)
    batch, written = _transformed(prepared, batch, keys, rejected)
    columns = tuple(_columns(prepared, batch, written, show_raw=show_raw))
    return PreviewedRows(declared.dataset, batch.num_rows, columns, dict(rejected), suppressed, show_raw)


def _transformed(
    prepared: Prepared, batch: pa.RecordBatch, keys: SubKeys, rejected: Counter[tuple[str, str]]
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows that are not rejected, and what becomes of them."""
    tree, reading = rule_tree(prepared.bound.rules), prepared.plan.reading.schema
    made: dict[str, pa.Array] = {}
    for field in reading:
        program = compile_column(tree[field.name], field.type, prepared.plan.operators, keys)
        if program is None:
            continue
        try:
            made[field.name] = program.transform(batch.column(field.name), inputs_of(batch))
        except RejectedValuesError as error:
            rejected[(field.name, error.code)] += error.mask.true_count
            return _transformed(prepared, rows_where(batch, pc.invert(error.mask)), keys, rejected)
    return batch, pa.RecordBatch.from_arrays(list(made.values()), names=list(made))


def _columns(
    prepared: Prepared, batch: pa.RecordBatch, written: pa.RecordBatch, *, show_raw: bool
) -> Iterator[PreviewedColumn]:
    for path, rule in prepared.bound.rules.items():
        operator = prepared.plan.operators[path]
        gone, kept = operator.name == "drop", operator.name == "keep"
        nothing = (None,) * batch.num_rows
        subtree = rule.type[-1] in NESTED
        before = nothing if subtree else tuple(_texts(batch, path, _shown if show_raw else _pictured))
        show = partial(_pictured, marks=_marks(operator)) if _lets_originals_through(rule) and not show_raw else _shown
        after = nothing if subtree or gone else tuple(_texts(written, path, show))
        yield PreviewedColumn(str(path), operator.name, before, after, not gone, kept)


def _lets_originals_through(rule: ColumnRule) -> bool:
    """Whether the declared form has room for originals: a kept value is one, and so is most of a long truncated text."""
    shape = output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped).shape
    return isinstance(shape, OneOf) or not shape.closed


def _marks(operator: Operator) -> frozenset[str]:
    """What the operator puts into a text that else stays as it is."""
    if not isinstance(operator, RedactEntities):
        return frozenset()
    return PLACEHOLDERS.union(map(placeholder, operator.entities)) if operator.with_ is None else frozenset({operator.with_})


def _texts(batch: pa.RecordBatch, path: ColumnPath, show: Callable[[pa.Array], pa.Array]) -> list[str | None]:
    """One text a row, at most 40 characters; None for null and for rows without a value."""
    values, owners = leaf_values(batch, path)
    shown: list[list[str]] = [[] for _ in range(batch.num_rows)]
    for row, text in zip(owners.to_numpy().tolist(), show(values).to_numpy(zero_copy_only=False).tolist(), strict=True):
        if text is not None:
            shown[row].append(text)
    joined = (_SEPARATOR.join(parts) if parts else None for parts in shown)
    return [text if text is None or len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in joined]


def _pictured(values: pa.Array, marks: frozenset[str] = frozenset()) -> pa.Array:
    """Pictures of values; `marks` stay readable, and a boolean does not tell itself by its length."""
    if pa.types.is_boolean(values.type):
        return pc.if_else(values.is_valid(), pa.scalar("true or false"), pa.scalar(None, pa.string()))
    texts = _shown(values)
    if not marks:
        return picture(texts)
    cut = re.compile(f"({'|'.join(map(re.escape, sorted(filter(None, marks))))})")
    parts = (None if text is None else cut.split(text) for text in texts.to_numpy(zero_copy_only=False).tolist())
    return pa.array([None if found is None else _between(found) for found in parts], pa.string())


def _between(parts: list[str]) -> str:
    """Every other part is a mark, which stays."""
    pictures = picture(pa.array(parts[::2], pa.string())).to_pylist()
    return "".join(text for pair in zip(pictures, [*parts[1::2], ""], strict=True) for text in pair)


def _shown(values: pa.Array) -> pa.Array:
    if is_binary(values.type):
        size = pc.binary_length(values.cast(pa.large_binary())).cast(pa.string())
        return pc.binary_join_element_wise(size, pa.scalar("bytes"), " ")
    return values.cast(pa.string())


def picture(texts: pa.Array) -> pa.Array:
    """The shape of texts: letters become a or A, digits 9, anything else stays.

    Example:
        >>> picture(pa.array(["Zoë O'Neil, +49 30", None])).to_pylist()
        ["Aaa A'Aaaa, +99 99", None]
    """
    for pattern, shape in ((r"[\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{M}]", "a"), (r"\p{Lu}", "A"), (r"\p{N}", "9")):
        texts = pc.replace_substring_regex(texts, pattern=pattern, replacement=shape)
    return texts
