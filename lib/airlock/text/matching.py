"""Where one known value stands in one text, both folded: by its characters on word boundaries, or by its digits.

`known` calls this for the few pairs of value and text that its columnar gates let through.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["COMPARED_DIGITS", "IDEOGRAPH", "spans"]

COMPARED_DIGITS = 10
"""How many last digits of a number decide: all of a national number, whatever country code stands before."""

_EXTRA_DIGITS = 4

# Scripts written without spaces between words: no word boundary can be asked for beside such a letter.
_IDEOGRAPHS = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_UNSPACED = re.compile(f"[{_IDEOGRAPHS}\u0e00-\u0fff\u1000-\u11ff\u1780-\u17ff]")
_DIGIT = re.compile("[0-9]")
_GAP = re.compile(r"[\W_]{0,3}")


def spans(text: str, needle: str, *, digits: str = "", exempt: Iterable[str] = ()) -> tuple[tuple[int, int], ...]:
    """Where a folded known value stands in a folded text, by its characters or by its digits; overlaps are possible.

    By its digits: the last ten of them (all, if there are fewer), at most three separators between two, no digit directly
    after and at most four directly before, so that a number is found with and without its country code. What stands before
    those ten is taken too where it is the same number's.

    Example:
        >>> spans("ann, joann, ann", "ann")
        ((0, 3), (12, 15))
        >>> spans("ring +49 (151) 234-5678 now", "0151 2345678", digits="1512345678")
        ((10, 23),)
    """
    found = [(at, at + len(needle)) for at in _places(text, needle) if _apart(text, at, at + len(needle))]
    if digits:
        found += _digit_spans(text, digits)
    present = [word for word in exempt if word in text] if found else []
    return tuple(span for span in found if not any(_inside(text, span, word) for word in present))


def _places(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)


def _apart(text: str, start: int, end: int) -> bool:
    return not (start and _joined(text[start - 1], text[start])) and not (end < len(text) and _joined(text[end - 1], text[end]))


def _joined(left: str, right: str) -> bool:
    return _of_word(left) and _of_word(right) and not _UNSPACED.match(left) and not _UNSPACED.match(right)


def _of_word(char: str) -> bool:
    # An underscore joins words rather than letters: john_smith names John and Smith.
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _inside(text: str, span: tuple[int, int], word: str) -> bool:
    start, end = span
    return text.find(word, max(0, end - len(word)), start + len(word)) >= 0


def _digit_spans(text: str, digits: str) -> Iterator[tuple[int, int]]:
    places = [match.start() for match in _DIGIT.finditer(text)]
    row = "".join(text[at] for at in places)
    tail, lead = digits[-COMPARED_DIGITS:], digits[:-COMPARED_DIGITS]
    for at in _places(row, tail):
        last = at + len(tail) - 1
        if not all(_near(text, places, i) for i in range(at, last)):
            continue
        if last + 1 < len(places) and places[last + 1] == places[last] + 1:
            continue
        first = _lead_start(text, places, at, lead)
        extra = _adjacent_before(places, first)
        if extra <= _EXTRA_DIGITS:
            yield places[first - extra], places[last] + 1


def _near(text: str, places: list[int], left: int) -> bool:
    return _GAP.fullmatch(text, places[left] + 1, places[left + 1]) is not None


def _lead_start(text: str, places: list[int], at: int, lead: str) -> int:
    for digit in reversed(lead):
        if at == 0 or text[places[at - 1]] != digit or not _near(text, places, at - 1):
            break
        at -= 1
    return at


def _adjacent_before(places: list[int], first: int) -> int:
    count = 0
    while count < first and places[first - count - 1] == places[first] - count - 1:
        count += 1
    return count
