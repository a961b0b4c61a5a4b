"""Alphabets as data: what an encrypted value may be written in. Shared by the operator `fpe` and the gate."""

from __future__ import annotations

import string
import unicodedata

__all__ = ["ALPHABETS", "LONGEST", "SMALLEST_DOMAIN", "letters_of", "separators_of", "shortest_of"]

_UPPER, _LOWER, _DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits

ALPHABETS = {
    "digits": _DIGITS,
    "lower": _LOWER,
    "upper": _UPPER,
    "letters": _UPPER + _LOWER,
    "hex": _DIGITS + "abcdef",
    "alphanumeric": _DIGITS + _UPPER,
    "base62": _DIGITS + _UPPER + _LOWER,
}
"""Alphabets by name. `hex` has small letters, `alphanumeric` capitals, as most ids have."""

SMALLEST_DOMAIN = 1_000_000
"""Fewer values than this can be tried out (NIST SP 800-38G Rev. 1, second draft, section 4)."""

LONGEST = 56
"""Characters of the longest value."""

_RADIXES = range(2, 63)

_SHORTEST = 6

_SEPARATORS = " -./()+"
"""What stands between the groups of phone, card and account numbers."""

_MOST_SEPARATORS = 16


def letters_of(alphabet: str) -> str:
    """The characters of an alphabet: a named one's, or those given.

    Raises:
        ValueError: Not 2 to 62 distinct characters.

    Example:
        >>> letters_of("hex"), letters_of("ACGT")
        ('0123456789abcdef', 'ACGT')
    """
    letters = ALPHABETS.get(alphabet, alphabet)
    if len(letters) not in _RADIXES or len(set(letters)) != len(letters):
        raise ValueError(f"alphabet is one of {', '.join(ALPHABETS)}, or 2 to 62 distinct characters of your own")
    return letters


def separators_of(separators: str | None, letters: str) -> str:
    """The characters that stay in their places: those given, or the usual ones as far as they are no letters.

    Raises:
        ValueError: One of those given is a character of the alphabet, a letter or a digit, or they are too many: what stays in its
            place is published.

    Example:
        >>> separators_of(None, "01+")
        ' -./()'
    """
    if separators is None:
        return "".join(character for character in _SEPARATORS if character not in letters)
    if set(separators) & set(letters):
        raise ValueError("a separator can't be a character of the alphabet, too; take it out of one of them")
    if len(separators) > _MOST_SEPARATORS or not all(map(_separates, separators)):
        raise ValueError(
            f"separators are at most {_MOST_SEPARATORS} spaces and punctuation marks: they stay as they are, and letters and digits would "
            "be published. Take those out, or into the alphabet"
        )
    return separators


def _separates(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and not character.isalnum()
    return unicodedata.category(character)[0] in "PZ"


def shortest_of(letters: str, *, luhn: bool = False) -> int:
    """The least length that has `SMALLEST_DOMAIN` values; at least six. The check digit of `luhn` does not count.

    Example:
        >>> shortest_of("0123456789"), shortest_of("0123456789", luhn=True), shortest_of("01")
        (6, 7, 20)
    """
    lengths = range(_SHORTEST, LONGEST)
    return luhn + next(length for length in lengths if len(letters) ** length >= SMALLEST_DOMAIN)
