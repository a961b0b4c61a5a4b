"""Replace spans of a text: entities that presidio found and the row's own values, until neither is left.

The kernel of `redact_entities`, apart from its declaration.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.operators import RejectedValuesError
from airlock.text import analyzer
from airlock.text.folding import trace
from airlock.text.known import KnownValues, placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Redaction", "Span", "replace"]

_ROUNDS = 8
_KNOWN = "KNOWN_VALUE"
_WHOLE = "REDACTED"


class Span(NamedTuple):
    """Characters `start` to `end` of a text, and what stands there."""

    start: int
    end: int
    entity: str


def replace(text: str, spans: Iterable[Span], *, constant: str | None = None) -> str:
    """The text with every span replaced by `<ENTITY>`, or by the constant.

    Spans that overlap are replaced as one and named after the longest, of equal ones the first; an entity's name
    goes before a known value.

    Example:
        >>> replace("mail jo@x.org", [Span(5, 13, "EMAIL_ADDRESS"), Span(8, 13, "URL")])
        'mail <EMAIL_ADDRESS>'
    """
    pieces: list[str] = []
    rest = len(text)
    for start, end, entity in reversed(_merged(spans)):
        pieces += [text[end:rest], placeholder(entity) if constant is None else constant]
        rest = start
    return text[:rest] + "".join(reversed(pieces))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.entity == _KNOWN, span.entity)):
        length = span.end - span.start
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            longest = length
            continue
        last = merged[-1]
        entity = span.entity if length > longest else last.entity
        merged[-1] = Span(last.start, max(last.end, span.end), entity)
        longest = max(longest, length)
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What to look for, and what to put there.

    Attributes:
        entities: Entities, each known to the analyzer.
        min_score: Lowest score of a finding.
        constant: What replaces a span; None: `<ENTITY>`.
    """

    entities: tuple[str, ...]
    min_score: float
    constant: str | None

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Every text that this redaction puts in."""
        if self.constant is not None:
            return (self.constant,)
        return tuple(map(placeholder, (*self.entities, _KNOWN, _WHOLE)))

    def __call__(self, rows: pa.StructArray) -> pa.Array:
        """Redact field `value` of each row, given the row's own values in field `known`, where there is one.

        What a replacement brings forth is replaced in a further round; after eight of them the whole text is.

        Raises:
            RejectedValuesError: The search of some texts did not complete.
        """
        value = rows.field("value")
        named = rows.type.get_field_index("known") >= 0
        known = rows.field("known") if named else pa.nulls(len(rows), pa.list_(pa.string()))
        if rows.null_count:
            value = pc.if_else(rows.is_valid(), value, pa.scalar(None, value.type))
        made = value.cast(pa.large_string())
        changed = np.arange(len(made))
        for _ in range(_ROUNDS):
            at = pa.array(changed)
            new = self._round(made.take(at), known.take(at), places=changed, length=len(made))
            changed = changed[np.asarray([row for row, _ in new], dtype=np.int64)]
            made = _with(made, changed, [text for _, text in new])
            if not len(changed):
                break
        whole = placeholder(_WHOLE) if self.constant is None else self.constant
        return _with(made, changed, [whole] * len(changed)).cast(value.type)

    def _round(self, texts: pa.Array, known: pa.Array, *, places: NDArray[np.int64], length: int) -> list[tuple[int, str]]:
        coded = texts.dictionary_encode()
        found = analyzer.find(coded.dictionary.to_pylist(), entities=self.entities, min_score=self.min_score)
        codes = np.asarray(pc.fill_null(coded.indices, -1), dtype=np.int64)
        _reject_unsearched(found, codes, places=places, length=length)
        own: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for hit in KnownValues.of(known).hits(texts, placeholders=self.placeholders):
            own[hit.row] += hit.spans
        distinct: list[str] = coded.dictionary.to_pylist()
        entities = [self._spans(text, findings or ()) for text, findings in zip(distinct, found, strict=True)]
        redacted = {code: replace(distinct[code], some, constant=self.constant) for code, some in enumerate(entities) if some}
        with_entity = np.flatnonzero(np.isin(codes, list(redacted)))
        made = {row: redacted[codes[row]] for row in with_entity.tolist()}
        for row, folded in own.items():
            text = distinct[codes[row]]
            made[row] = replace(text, entities[codes[row]] + _traced(text, folded), constant=self.constant)
        return [(row, text) for row, text in sorted(made.items()) if text != distinct[codes[row]]]

    def _spans(self, text: str, findings: Iterable[analyzer.Finding]) -> list[Span]:
        return [
            Span(found.start, found.end, found.entity)
            for found in findings
            if not any(_covers(text, word, found) for word in self.placeholders)
        ]


def _covers(text: str, word: str, found: analyzer.Finding) -> bool:
    return text.find(word, max(0, found.end - len(word)), found.start + len(word)) >= 0


def _traced(text: str, folded: Iterable[tuple[int, int]]) -> list[Span]:
    traced = trace(text)
    return [Span(traced.starts[start], traced.ends[end - 1], _KNOWN) for start, end in folded]


def _with(texts: pa.Array, rows: NDArray[np.int64], values: Sequence[str]) -> pa.Array:
    mask = np.zeros(len(texts), dtype=bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(values, pa.large_string()))


def _reject_unsearched(
    found: Sequence[object | None], codes: NDArray[np.int64], *, places: NDArray[np.int64], length: int
) -> None:
    failed = [code for code, findings in enumerate(found) if findings is None]
    if failed:
        mask = np.zeros(length, dtype=bool)
        mask[places[np.isin(codes, failed)]] = True
        raise RejectedValuesError("entity-search-incomplete", pa.array(mask))
