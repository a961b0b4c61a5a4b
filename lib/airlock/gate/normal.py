"""Text as it would be read: compatibility forms, digits of other scripts, dashes and invisible characters made plain. Called by
`entities` for the values that are not ASCII.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["as_text", "plain_text", "whole_text"]

_DASHES = r"[\x{2010}-\x{2015}\x{2212}\x{2043}]"
_INVISIBLE = r"[\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{3164}\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]"
"""Format characters (Unicode category Cf), variation selectors, and others that Unicode says may be ignored."""


def plain_text(values: pa.Array) -> pa.Array:
    r"""NFKC, with every decimal digit as ASCII, every dash as '-', full stops as '.', and without invisible characters.

    Example:
        >>> plain_text(pa.array(["ann\uff20example.org", "\u0660\u0666 12\u200b3"])).to_pylist()
        ['ann@example.org', '06 123']
    """
    made = pc.utf8_normalize(values, form="NFKC")
    made = pc.replace_substring_regex(made, _INVISIBLE, "")
    made = pc.replace_substring_regex(made, _DASHES, "-")
    made = pc.replace_substring(made, "\u3002", ".")  # the full stop of domains in Chinese and Japanese (RFC 3490)
    if pc.any(pc.match_substring_regex(made, f"[{''.join(_digits().values())}]")).as_py():
        for digit, forms in _digits().items():
            made = pc.replace_substring_regex(made, f"[{forms}]", digit)
    return made


def whole_text(values: pa.Array) -> pa.Array:
    r"""Without NUL characters, which stand between the letters of UTF-16.

    Example:
        >>> whole_text(pa.array(["a\0n\0n\0"])).to_pylist()
        ['ann']
    """
    return plain_text(pc.replace_substring(values, "\0", ""))


def as_text(values: pa.Array) -> pa.Array:
    """Text or bytes as text: bytes that are not ASCII become spaces, so that what stands between them is found."""
    if pa.types.is_string_view(values.type):
        return values.cast(pa.large_string())
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return _ascii(values.cast(pa.large_binary()))
    return values


def _ascii(values: pa.Array) -> pa.Array:
    import numpy as np  # noqa: PLC0415  # only bytes need it

    validity, offsets, data = values.buffers()
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    plain = np.where(content < 128, content, np.uint8(32))  # noqa: PLR2004  # ASCII, space
    return pa.Array.from_buffers(pa.large_string(), len(values), [validity, offsets, pa.py_buffer(plain)], offset=values.offset)


@cache
def _digits() -> dict[str, str]:
    """By ASCII digit, the decimal digits of other scripts with its value (Unicode category Nd)."""
    others = (chr(code) for code in range(128, sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Nd")
    found: dict[str, str] = {}
    for character in others:
        digit = str(unicodedata.digit(character))
        found[digit] = found.get(digit, "") + character
    return found
