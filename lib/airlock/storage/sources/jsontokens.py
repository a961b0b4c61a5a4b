"""The tokens of valid JSON lines by whole columns, without making values: which names stand where, and where objects end.

For `jsonfields`, which asks which fields there are and reads objects as maps. Every line must have been parsed before: what stands
here tells brackets from text by counting quotes, and judges nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Fields", "Tokens"]

Indexes = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

QUOTE, BACKSLASH, COLON, COMMA, OBJECT, LIST, OBJECT_END, LIST_END = b'"\\:,{[}]'


_SPACE = np.zeros(256, dtype=bool)
_SPACE[list(b" \t\r\n")] = True
_QUOTE, _BACKSLASH, _MARK = 1, 2, 3
_CLASSES = bytes(
    _MARK if code in b"{}[]:," else _QUOTE if code == QUOTE else _BACKSLASH if code == BACKSLASH else 0 for code in range(256)
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The `name: value` pairs directly inside some objects.

    Attributes:
        colons: Token of each pair's colon.
        owners: Which object, as a number of its own.
        names: Each pair's name, dictionary-encoded; escapes resolved.
    """

    colons: Indexes
    owners: Indexes
    names: pa.DictionaryArray

    def called(self, name: str) -> Indexes:
        """The colons of the pairs with this name."""
        at = self.names.dictionary.index(name).as_py()
        return self.colons[np.asarray(self.names.indices) == at] if at >= 0 else self.colons[:0]


class Tokens:
    """Brackets, colons and commas outside of text, in order. A token is known by its index here.

    Args:
        data: Valid JSON lines, each one object.
    """

    def __init__(self, data: bytes | pa.Buffer) -> None:
        self.values: Bytes = np.frombuffer(data, dtype=np.uint8)
        classes = np.frombuffer(bytes(data).translate(_CLASSES), dtype=np.uint8)
        quote = classes == _QUOTE
        backslashes = np.flatnonzero(classes == _BACKSLASH)
        if len(backslashes):
            quote[_escaped(backslashes, len(quote))] = False
        self._quotes = np.flatnonzero(quote)
        marks = np.flatnonzero(classes == _MARK)
        self.places: Indexes = marks[np.cumsum(quote, dtype=np.uint8)[marks] & 1 == 0]
        self.kinds: Bytes = self.values[self.places]
        opens = (self.kinds == OBJECT) | (self.kinds == LIST)
        ends = (self.kinds == OBJECT_END) | (self.kinds == LIST_END)
        # A bracket counts as inside what it opens, its end as outside: both then have the depth of their surroundings, plus one.
        self._depth = np.cumsum(opens.astype(np.int32) - ends)
        self._opens, self._ends = opens, ends
        self._strings = self._texts(data)

    def _texts(self, data: bytes | pa.Buffer) -> pa.BinaryArray:
        """Gaps and texts in turn, over the same bytes: text `i` is element `2 i + 1`."""
        bounds = np.empty(len(self._quotes) + 2, dtype=np.int32)
        bounds[0], bounds[-1] = 0, len(self.values)
        bounds[1:-1:2], bounds[2:-1:2] = self._quotes[::2] + 1, self._quotes[1::2]
        return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])

    def roots(self) -> Indexes:
        """The lines' own objects."""
        return np.flatnonzero(self._opens & (self._depth == 1))

    def objects(self, tokens: Indexes) -> Indexes:
        """Of some brackets, those that open an object."""
        return tokens[self.kinds[tokens] == OBJECT]

    def lists(self, tokens: Indexes) -> Indexes:
        """Of some brackets, those that open a list."""
        return tokens[self.kinds[tokens] == LIST]

    def ends(self, opened: Indexes) -> Indexes:
        """Where each of some brackets of one depth ends."""
        if not len(opened):
            return opened
        depth = self._depth[opened[0]]
        return np.flatnonzero(self._ends & (self._depth == depth - 1))[self._siblings(opened, opened)]

    def inside(self, opened: Indexes, kind: int) -> tuple[Indexes, Indexes]:
        """The tokens of a kind directly inside some brackets of one depth, and which bracket each is in."""
        if not len(opened):
            return opened, opened
        found = np.flatnonzero((self.kinds == kind) & (self._depth == self._depth[opened[0]]))
        owners = self._siblings(opened, found)
        wanted = np.zeros(owners.max(initial=0) + 1, dtype=bool)
        chosen = self._siblings(opened, opened)
        wanted[chosen[chosen < len(wanted)]] = True
        return found[wanted[owners]], owners[wanted[owners]]

    def _siblings(self, opened: Indexes, tokens: Indexes) -> Indexes:
        """For each token the number of the last bracket at or before it, of all brackets of that depth."""
        every = np.flatnonzero(self._opens & (self._depth == self._depth[opened[0]]))
        return np.searchsorted(every, tokens, side="right") - 1

    def fields(self, objects: Indexes) -> Fields:
        """The pairs directly inside some objects of one depth."""
        colons, owners = self.inside(objects, COLON)
        before = np.searchsorted(self._quotes, self.places[colons]) // 2  # texts that have ended before the colon
        names = self._strings.take(pa.array(2 * before - 1)).cast(pa.string()).dictionary_encode()
        return Fields(colons, owners, _unescaped(names))

    def starts(self, tokens: Indexes) -> Indexes:
        """Where, after each token, the next value starts: an offset into the bytes."""
        places = self.places[tokens] + 1
        places += _SPACE[self.values[places]]  # as most writers have it
        spaces = _SPACE[self.values[places]]
        if spaces.any():
            filled = np.flatnonzero(~_SPACE[self.values])
            places[spaces] = filled[np.searchsorted(filled, places[spaces])]
        return places

    def opened(self, tokens: Indexes) -> Indexes:
        """The brackets that the values right after some tokens open, other values left out."""
        starts = self.starts(tokens)
        nested = (self.values[starts] == OBJECT) | (self.values[starts] == LIST)
        return tokens[nested] + 1


def _escaped(backslashes: Indexes, size: int) -> Indexes:
    """The offsets of characters that an odd run of backslashes stands before."""
    first = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)
    lengths = np.diff(first, append=len(backslashes))
    after = backslashes[first] + lengths
    return after[(lengths % 2 == 1) & (after < size)]


def _unescaped(names: pa.DictionaryArray) -> pa.DictionaryArray:
    """Two spellings of one name are one name."""
    escaped = np.asarray(pc.match_substring(names.dictionary, "\\"))
    if not escaped.any():
        return names
    spelled = (json.loads(f'"{text}"') for text in names.dictionary.filter(pa.array(escaped)))
    plain = pa.array([text.encode(errors="replace").decode() for text in spelled], pa.string())
    words = pc.replace_with_mask(names.dictionary, pa.array(escaped), plain)
    return words.take(names.indices).dictionary_encode()
