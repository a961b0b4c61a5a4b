"""Shapes that stand for themselves: what every shape has, and those of tokens and ciphertexts.

`formats` has the others and says which operator writes which. Called by `formats`, `plan` and the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["BASE64URL", "HEX", "Ciphertext", "Shape", "Token"]

HEX = "0123456789abcdef"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_BLOCK = 16
"""Bytes of an AES block: as many has a synthetic IV (RFC 5297), and the nonce that `encrypt_random` writes before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like. `closed`: nothing else fits in, so it is not scanned further."""

    closed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Shape):
    """`prefix`, then exactly `length` characters of `alphabet`, then (with `domains`) '@' and one of them.

    With `hyphens`, the 8-4-4-4-12 form of a UUID, `length` counting the hyphens.
    """

    alphabet: str
    length: int
    prefix: str = ""
    hyphens: bool = False
    domains: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ciphertext(Shape):
    """`prefix`, then characters of `alphabet` (16 or 64 of them: four or six bits each) that encode, without padding, `shortest` bytes
    or a multiple of `step` more.
    """

    alphabet: str
    prefix: str
    shortest: int
    step: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, Any], *, blocks: int) -> Self:
        """Of AES-SIV, by an operator's arguments: so many blocks come before what has the value's length."""
        padding = arguments.get("pad_to", _BLOCK)
        # ISO/IEC 7816-4 pads an empty value to nothing but padding.
        shortest = _BLOCK * blocks + (0 if padding is None else int(padding))
        alphabet = {"hex": HEX, "base64url": BASE64URL}[arguments.get("form", "base64url")]
        return cls(alphabet=alphabet, prefix=arguments.get("prefix", "enc_"), shortest=shortest, step=int(padding or 1))
