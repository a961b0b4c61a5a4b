"""Which fields JSON lines have, at every depth, and objects that are read as maps. Called by `jsonl`.

Fields without a rule are found here, and so are maps: pyarrow reads a map from a list of pairs alone, so `{"a": 1}` becomes
`[{"key":"a","value":1}]` before it is parsed. The order of the keys is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import UnclassifiedColumnError
from airlock.policy.path import ELEMENT, VALUE, ColumnPath
from airlock.policy.unlisted import MOST_SAID, Unlisted, paste_lines, said_once
from airlock.storage.sources.jsonknown import Known, Path, Seen
from airlock.storage.sources.jsontokens import COMMA, OBJECT, Fields, Indexes, Tokens
from airlock.storage.sources.records import joined

__all__ = ["Lines", "holds_map", "look_at", "without_maps"]

_BEGIN, _EMPTY, _PAIR, _NEXT, _END, _NOTHING = b'[{"key":', b"[", b',"value":', b'},{"key":', b"}]", b"]"
_NULL = ord("n")
_TYPES = {ord("{"): "struct", ord("["): "list", ord('"'): "string", ord("t"): "bool", ord("f"): "bool", _NULL: "string"}


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines with their maps written as lists of pairs.

    Attributes:
        records: The lines as pyarrow reads them.
        wrong: Lines where something other than an object or null stands for a map.
        repeated: Lines with a map that has a key twice.
        seen: Which fields there are.
    """

    records: pa.BinaryArray
    wrong: npt.NDArray[np.bool_]
    repeated: npt.NDArray[np.bool_]
    seen: Seen


def holds_map(data_type: pa.DataType) -> bool:
    """Whether a type is or holds a map.

    Example:
        >>> holds_map(pa.list_(pa.map_(pa.string(), pa.int8()))), holds_map(pa.string())
        (True, False)
    """
    if pa.types.is_map(data_type):
        return True
    return any(holds_map(data_type.field(at).type) for at in range(data_type.num_fields))


def without_maps(schema: pa.Schema) -> pa.Schema:
    """The top-level columns that hold no map."""
    return pa.schema([part for part in schema if not holds_map(part.type)])


def look_at(records: pa.BinaryArray, known: Known, *, drop_unlisted: bool) -> Lines:
    """Look for fields without a rule, and rewrite maps.

    Args:
        records: Valid lines of one object each.
        known: What may stand in them.
        drop_unlisted: Fields without a rule are left out, not refused.

    Raises:
        UnclassifiedColumnError: A field that the policy does not know.
    """
    look = _Look(records)
    look.object(known, look.tokens.roots(), ())
    if look.unlisted and not drop_unlisted:
        raise _unclassified(look)
    return look.lines()


class _Look:
    """One walk over some lines: what it found, and what is to be written instead of brackets and commas."""

    def __init__(self, records: pa.BinaryArray) -> None:
        self.records = records
        self.tokens = Tokens(joined(records))
        self.unlisted: list[Unlisted] = []
        self.count = 0
        self.seen = Seen()
        self._instead: list[tuple[Indexes, bytes]] = []
        self._wrong: list[Indexes] = []
        self._repeated: list[Indexes] = []

    def object(self, known: Known, objects: Indexes, path: Path) -> None:
        """Some objects with names that the policy must know."""
        if not len(objects):
            return
        fields = self.tokens.fields(objects)
        names = known.names
        self._note(fields, names, path)
        self.seen.objects.add(path)
        self.seen.fields |= {(*path, name) for name in names if len(fields.called(name))}
        for name, child in names.items():
            if child.inside and not child.anything:
                self._values(child, fields.called(name), (*path, name))

    def _values(self, known: Known, before: Indexes, path: Path) -> None:
        """The values right after some tokens."""
        tokens = self.tokens
        opened = tokens.opened(before)
        objects, lists = tokens.objects(opened), tokens.lists(opened)
        if known.is_map:
            self._map(known, before, objects, path)
        else:
            self.object(known, objects, path)
        if ELEMENT in known.inside and not known.inside[ELEMENT].anything:
            self._elements(known.inside[ELEMENT], lists, (*path, ELEMENT))
        elif len(lists) and not known.is_map and ELEMENT not in known.inside:
            self._say(ColumnPath((*path, ELEMENT)), "list")

    def _elements(self, known: Known, lists: Indexes, path: Path) -> None:
        commas, _ = self.tokens.inside(lists, COMMA)
        self._values(known, np.sort(np.concatenate([lists, commas])), path)

    def _map(self, known: Known, before: Indexes, objects: Indexes, path: Path) -> None:
        tokens = self.tokens
        starts = tokens.starts(before)
        firsts = tokens.values[starts]
        # An element's place in an empty list is the list's own end.
        self._wrong.append(starts[(firsts != OBJECT) & (firsts != _NULL) & (firsts != ord("]"))])
        fields = tokens.fields(objects)
        self._repeated.append(tokens.places[_again(fields)])
        self._write(objects, fields)
        child = known.inside[VALUE]
        if child.inside and not child.anything:
            self._values(child, fields.colons, (*path, VALUE))

    def _write(self, objects: Indexes, fields: Fields) -> None:
        tokens, ends = self.tokens, self.tokens.ends(objects)
        empty = ends == objects + 1
        commas, _ = tokens.inside(objects, COMMA)
        for found, text in (
            (objects[~empty], _BEGIN), (objects[empty], _EMPTY), (fields.colons, _PAIR), (commas, _NEXT),
            (ends[~empty], _END), (ends[empty], _NOTHING),
        ):  # fmt: skip
            self._instead.append((tokens.places[found], text))

    def _note(self, fields: Fields, names: Mapping[str, Known], path: Path) -> None:
        words = fields.names.dictionary
        strange = np.flatnonzero(~np.asarray(pc.is_in(words, value_set=pa.array(list(names), pa.string()))))
        self.count += len(strange)
        codes = np.asarray(fields.names.indices)
        for at in strange[: MOST_SAID - len(self.unlisted)]:
            first = self.tokens.starts(fields.colons[[int(np.argmax(codes == at))]])[0]
            self.unlisted.append(Unlisted.of(ColumnPath((*path, words[int(at)].as_py())), self._type(int(first))))

    def _say(self, path: ColumnPath, type_text: str) -> None:
        self.count += 1
        if len(self.unlisted) < MOST_SAID:
            self.unlisted.append(Unlisted.of(path, type_text))

    def _type(self, start: int) -> str:
        """The type that the first value of a field without a rule seems to have."""
        first = int(self.tokens.values[start])
        if first in _TYPES:
            return _TYPES[first]
        number = bytes(self.tokens.values[start : start + 40])
        ends = [at for at in (number.find(mark) for mark in b",}] \t\r\n") if at >= 0]
        return "double" if set(b".eE") & set(number[: min(ends, default=40)]) else "int64"

    def lines(self) -> Lines:
        """The lines with their maps rewritten."""
        _, offsets, _ = self.records.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int32)[self.records.offset :][: len(self.records) + 1].astype(np.int64)
        bounds -= bounds[0]
        wrong, repeated = (_rows_of(places, bounds) for places in (self._wrong, self._repeated))
        return Lines(self._rewritten(bounds) if self._instead else self.records, wrong, repeated, self.seen)

    def _rewritten(self, bounds: Indexes) -> pa.BinaryArray:
        places = np.concatenate([places for places, _ in self._instead])
        codes = np.repeat(np.arange(len(self._instead)), [len(places) for places, _ in self._instead])
        order = np.argsort(places, kind="stable")
        places, codes = places[order], codes[order]
        texts = pa.array([text for _, text in self._instead], pa.binary())
        cuts = np.empty(2 * len(places) + 2, dtype=np.int32)
        cuts[0], cuts[-1] = 0, len(self.tokens.values)
        cuts[1:-1:2], cuts[2:-1:2] = places, places + 1
        parts = pa.Array.from_buffers(pa.binary(), len(cuts) - 1, [None, pa.py_buffer(cuts), pa.py_buffer(self.tokens.values)])
        mask = np.arange(len(parts)) % 2 == 1
        made = joined(pc.replace_with_mask(parts, pa.array(mask), texts.take(pa.array(codes))))
        longer = np.concatenate([[0], np.cumsum(np.asarray(pc.binary_length(texts))[codes] - 1)])
        moved = (bounds + longer[np.searchsorted(places, bounds)]).astype(np.int32)
        return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(moved), made])


def _again(fields: Fields) -> Indexes:
    """The colons of pairs whose name stands in the same object before them."""
    codes = np.asarray(fields.names.indices).astype(np.int64)
    pairs = fields.owners * (codes.max(initial=0) + 1) + codes
    _, first = np.unique(pairs, return_index=True)
    return np.delete(fields.colons, first)


def _rows_of(places: list[Indexes], bounds: Indexes) -> npt.NDArray[np.bool_]:
    mask = np.zeros(len(bounds) - 1, dtype=bool)
    for found in places:
        mask[np.searchsorted(bounds, found, side="right") - 1] = True
    return mask


def _unclassified(look: _Look) -> UnclassifiedColumnError:
    shown = sorted(look.unlisted)
    lines = [f"JSON lines have {look.count} field{'s' if look.count > 1 else ''} that the policy has no rule for."]
    lines += [f"- no rule for {text}" for text in said_once(map(str, shown))]
    if look.count > len(shown):
        lines.append(f"- and {look.count - len(shown)} more")
    return UnclassifiedColumnError("\n".join([*lines, *paste_lines(shown)]), columns=tuple(one.path for one in shown))
