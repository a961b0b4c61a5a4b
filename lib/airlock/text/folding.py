"""One spelling for texts that differ only in case, accents, width, quotes or white space, and the way back to the original.

`known` and `redact_entities` compare folded texts. Folded is: NFKD, full case folding, combining marks and invisible format
characters removed, every decimal digit ASCII, dashes and apostrophes one form each, runs of white space one space. Texts that are
equal under NFKC_Casefold (Unicode Standard, section 3.13) are equal folded; only a lone acute accent is an apostrophe here.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Traced", "fold", "fold_column", "trace"]

_ALIKE = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "′": "'", "`": "'", "´": "'", "ı": "i"})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


class Traced(NamedTuple):
    """A folded text, and for each of its characters where the original's piece that it stands for starts and ends."""

    text: str
    starts: list[int]
    ends: list[int]


def fold(text: str) -> str:
    r"""The text as compared, without white space at either end.

    Example:
        >>> fold("  STRASSE\n12 ") == fold("Straße 12")
        True
        >>> fold("O\u2019BRIEN-GARCÍA")
        "o'brien-garcia"
    """
    lowered = text.lower().replace("`", "'") if text.isascii() else text.translate(_FOLDED)
    return " ".join(lowered.split())


def trace(text: str) -> Traced:
    """`fold`, with the way back: `trace(text).text == fold(text)`.

    Example:
        >>> trace("a  ß")
        Traced(text='a ss', starts=[0, 1, 3, 3], ends=[1, 3, 4, 4])
    """
    made: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for at, char in enumerate(text):
        for folded in _FOLDED[ord(char)]:
            if folded.isspace():
                if not made or made[-1] == " ":
                    continue
                made.append(" ")
            else:
                made.append(folded)
            starts.append(at)
            ends.append(at + 1)
        if ends:
            # What folds to nothing (a mark, more white space) belongs to what stands before it.
            ends[-1] = at + 1
    if made and made[-1] == " ":
        del made[-1], starts[-1], ends[-1]
    return Traced("".join(made), starts, ends)


def fold_column(texts: pa.Array) -> pa.Array:
    """`fold` of every value, as large_string; nulls stay null. ASCII values never leave Arrow."""
    plain = texts.cast(pa.large_string())
    spaced = pc.replace_substring_regex(pc.ascii_lower(plain), r"[\t-\r\x1c-\x20]{2,}|[\t-\r\x1c-\x1f]", " ")
    folded = pc.ascii_trim(pc.replace_substring(spaced, "`", "'"), " ")
    foreign = pc.invert(pc.fill_null(pc.string_is_ascii(plain), fill_value=True))
    if not foreign.true_count:
        return folded
    coded = plain.filter(foreign).dictionary_encode()
    words = pa.array([fold(text) for text in coded.dictionary.to_pylist()], pa.large_string())
    return pc.replace_with_mask(folded, foreign, words.take(coded.indices))


class _Table(dict[int, str]):
    """Each character's folded form, worked out when it is first met; at most one entry a code point."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _fold_character(chr(code))
        return found


_FOLDED = _Table()


def _fold_character(char: str) -> str:
    # Twice: folding can bring characters that decompose again (U+0345, U+1E9E).
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char.translate(_ALIKE)).casefold())
    twice = unicodedata.normalize("NFKD", once.casefold())
    return "".join(_plain(part) for part in twice.translate(_ALIKE))


def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if unicodedata.combining(char) or category == "Cf" or char in _INVISIBLE or "\ufe00" <= char <= "\ufe0f":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if char.isspace():
        return " "
    return "-" if category == "Pd" else char
