"""How often deterministic pseudonyms occur: counted as they are written, so that the inner door refuses what frequencies invert
before anything is staged. `task` counts a split, `doors.anonymize` judges all of them.

Few tokens are counted exactly. Of a column that turns out to have many, only what stands out is: a token is looked for where an
evenly spaced sample shows it, so a count is never too high. The gate counts all of them again, exactly.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.crypto import Cmac
from airlock.engines.records import ColumnCounts, SplitRecord
from airlock.engines.rows import leaf_values
from airlock.errors import FrequencyError
from airlock.keys import SubKeys
from airlock.operators import Operator
from airlock.plan.compile import INNER_REQUESTS, Plan
from airlock.policy.path import ColumnPath
from airlock.policy.subjects import is_subject_key

__all__ = ["Frequencies", "SplitCounter", "counted_columns", "demand_frequencies"]

_MANY = 10_000
_TOP_ROWS, _TOP_SHARE = 100, 100
_STANDS_OUT = 200
"""One value in so many is kept of a column with many: half of what refuses, as a token may be rarer in one split than in all."""

_FIRST = 16_384
"""Values that show whether a column has many."""
_BLOCK = 131_072
_SAMPLE = 4_096
_PAIR = np.dtype([("print", "<u8"), ("count", "<u8")])


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Counts of tokens by their keyed 64-bit fingerprints; of one split, or of several added.

    Attributes:
        rows: Values that are not null.
        pairs: Fingerprints, rising, with their counts: all of them, or with `many` those that stand out, each counted at least
            so often.
        many: There are 10,000 different ones or more.
    """

    rows: int
    pairs: np.ndarray
    many: bool

    @classmethod
    def of(cls, counts: ColumnCounts) -> Frequencies:
        """From a split's record."""
        return cls(counts.rows, np.frombuffer(base64.b64decode(counts.counted), _PAIR), counts.many)

    def __add__(self, other: Frequencies) -> Frequencies:
        rows = self.rows + other.rows
        pairs = _grouped(np.concatenate([self.pairs, other.pairs]))
        many = self.many or other.many or len(pairs) >= _MANY
        return Frequencies(rows, _outstanding(pairs, rows) if many else pairs, many)

    @property
    def top(self) -> int:
        """The most frequent token occurs at least so often; exactly so often without `many`."""
        return int(self.pairs["count"].max(initial=0))

    @property
    def invertible(self) -> bool:
        """Few values that repeat, or one that stands out."""
        few = not self.many and 10 * len(self.pairs) < 9 * self.rows
        return few or (self.top >= _TOP_ROWS and _TOP_SHARE * self.top > self.rows)

    def to_counts(self, column: str) -> ColumnCounts:
        """For the split's record."""
        return ColumnCounts(column, self.rows, self.many, base64.b64encode(self.pairs.tobytes()).decode())


class ColumnCounter:
    """Counts one column's tokens, batch by batch.

    Args:
        key: Of the fingerprints, 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._mac = Cmac(key)
        self._found = Frequencies(0, np.zeros(0, _PAIR), many=False)
        self._waiting: list[pa.Array] = []
        self._held = 0

    def add(self, values: pa.Array) -> None:
        """Count a batch's values."""
        if isinstance(values, pa.DictionaryArray) and not values.dictionary.null_count:
            uses = np.bincount(np.asarray(values.indices.drop_null()), minlength=len(values.dictionary))
            self._merge(_as_bytes(values.dictionary), uses)
            return
        plain = _as_bytes(values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values)
        # Small batches are gathered: a sample of each would cost more than it tells.
        self._waiting.append(plain)
        self._held += len(plain)
        if self._held >= _BLOCK:
            self._flush()

    def finish(self) -> Frequencies:
        """What was counted."""
        self._flush()
        return self._found

    def _flush(self) -> None:
        held, self._waiting, self._held = self._waiting, [], 0
        if held and not self._found.many:
            values = held[0] if len(held) == 1 else pa.concat_arrays(held)
            held = [values.slice(_FIRST)] if len(values) > _FIRST else []
            self._count(values.slice(0, _FIRST))
        if held and not self._found.many:
            self._count(*held)
        elif held:
            self._look(held)

    def _count(self, values: pa.Array) -> None:
        present = values.drop_null()
        self._found += Frequencies(len(present), _paired(*np.unique(self._prints(present), return_counts=True)), many=False)

    def _look(self, held: Sequence[pa.Array]) -> None:
        """Of many values, those that stand out in a sample."""
        step = max(1, sum(map(len, held)) // _SAMPLE)
        spaced = [values.take(pa.array(np.arange(step // 2, len(values), step))) for values in held]
        sample = pa.concat_arrays(spaced).drop_null().value_counts()
        seen = np.asarray(sample.field("counts"))
        tokens = sample.field("values").filter(pa.array(seen * _STANDS_OUT >= seen.sum()))
        uses = np.zeros(len(tokens), np.int64)
        for values in held if len(tokens) else ():
            places = np.asarray(pc.index_in(values, value_set=tokens).drop_null())
            uses += np.bincount(places, minlength=len(tokens))
        self._merge(tokens, uses, rows=sum(len(values) - values.null_count for values in held))

    def _merge(self, tokens: pa.Array, uses: np.ndarray, *, rows: int | None = None) -> None:
        """Add tokens with their counts, which are those of all `rows` unless that is given."""
        total = int(uses.sum()) if rows is None else rows
        chosen = uses * _STANDS_OUT >= total if self._found.many else uses > 0
        pairs = _paired(self._prints(tokens.filter(pa.array(chosen))), uses[chosen])
        self._found += Frequencies(total, pairs, many=False)

    def _prints(self, tokens: pa.Array) -> np.ndarray:
        return self._mac.tags(tokens)[:, :8].copy().view("<u8")[:, 0]


def _as_bytes(tokens: pa.Array) -> pa.Array:
    """Integers as their bytes; text in a layout that Arrow can count and take from."""
    if tokens.type == pa.string_view():
        return tokens.cast(pa.large_string())
    return tokens.view(pa.binary(tokens.type.bit_width // 8)) if pa.types.is_integer(tokens.type) else tokens


class SplitCounter:
    """Counts the tokens of every concerned column of a split."""

    def __init__(self, plan: Plan, keys: SubKeys) -> None:
        key = keys[INNER_REQUESTS["frequency"]]
        self._counters = {path: ColumnCounter(key) for path in counted_columns(plan)}

    def add(self, written: pa.RecordBatch) -> None:
        """Count a batch as it is written."""
        for path, counter in self._counters.items():
            if path.column in written.schema.names:
                nested = len(path.steps) > 1
                counter.add(leaf_values(written, path)[0] if nested else written.column(path.column))

    def finish(self) -> tuple[ColumnCounts, ...]:
        """For the split's record."""
        return tuple(counter.finish().to_counts(str(path)) for path, counter in self._counters.items())


def counted_columns(plan: Plan) -> tuple[ColumnPath, ...]:
    """Columns whose frequencies count: deterministic pseudonyms, but of the subject and of keys to one, not accepted as they are.
    Another column in the subject's domain counts: its values may be few.
    """
    policy = plan.policy
    return tuple(
        path
        for path, rule in policy.rules().items()
        if rule.accept_frequency is None and not is_subject_key(policy, path, rule) and _tells(plan.operators[path])
    )


def _tells(operator: Operator) -> bool:
    """Whether equal values come out equal, of this operator or of one that it sends values through."""
    inside: tuple[Operator, ...] = getattr(operator, "operators", ())
    contract = operator.contract
    if inside:
        return any(map(_tells, inside))
    return contract.keyed and contract.deterministic and not contract.technique.startswith("randomization")


def demand_frequencies(dataset: str, records: Iterable[SplitRecord]) -> None:
    """Refuse a run whose tokens' frequencies would invert them.

    Args:
        dataset: For the message.
        records: Of every split.

    Raises:
        FrequencyError: A column has under 10,000 different tokens and under 0.9 x its values, or a token in 100 values or more
            that are over 1 % of them. `facts` names the columns.
    """
    split_counts: dict[str, Frequencies] = {}
    for record in records:
        for counts in record.frequencies:
            found = Frequencies.of(counts)
            split_counts[counts.column] = split_counts[counts.column] + found if counts.column in split_counts else found
    bad = {column: found for column, found in sorted(split_counts.items()) if found.invertible}
    if not bad:
        return
    parts = [
        f"column '{column}' has {_MANY if found.many else len(found.pairs):,}{' or more' * found.many} different tokens in "
        f"{found.rows:,} values, the most frequent in {'at least ' * found.many}{found.top:,}"
        for column, found in bad.items()
    ]
    raise FrequencyError(
        f"{'; '.join(parts)}: who knows how often a value occurs can tell it (needed: 10,000 different ones or 90 % of the values, and "
        f"no token over 1 %). Nothing of '{dataset}' was staged. Drop or generalise the column, or accept it with "
        "accept_frequency: REASON",
        columns=sorted(bad),
    )


def _paired(prints: np.ndarray, counts: np.ndarray) -> np.ndarray:
    pairs = np.empty(len(prints), _PAIR)
    pairs["print"], pairs["count"] = prints, counts
    return pairs


def _grouped(pairs: np.ndarray) -> np.ndarray:
    """One pair for each fingerprint, rising."""
    if len(pairs) == 0:
        return pairs
    ordered = pairs[np.argsort(pairs["print"])]
    first = np.flatnonzero(np.concatenate([[True], ordered["print"][1:] != ordered["print"][:-1]]))
    made = ordered[first]
    made["count"] = np.add.reduceat(ordered["count"], first)
    return made


def _outstanding(pairs: np.ndarray, rows: int) -> np.ndarray:
    return pairs[pairs["count"] * _STANDS_OUT >= rows]
