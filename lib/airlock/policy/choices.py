"""What a conditional operator's cases tell by what each writes: a text, a prefix or a mask of its own for each value is a look-up table.

Called by `plan` and the gate.
"""

from __future__ import annotations

from collections.abc import Iterable

from airlock.policy.formats import Ciphertext, Constant, MaskedText, Shape, Token

__all__ = ["CHOICES", "constants_of", "prefixes_of", "tells_values"]

_MOST_FORMS = 4

CHOICES = f"different texts, prefixes or mask characters, or more than {_MOST_FORMS} forms: which of them it is tells the value"
"""What `tells_values` finds, in words."""


def constants_of(parts: Iterable[Shape]) -> set[str]:
    """The texts that stand for whole values."""
    return {part.text for part in parts if isinstance(part, Constant)}


def prefixes_of(parts: Iterable[Shape]) -> set[str]:
    """What stands before tokens and ciphertexts, where something does."""
    return {part.prefix for part in parts if isinstance(part, Ciphertext | Token) and part.prefix}


def tells_values(parts: Iterable[Shape]) -> bool:
    """Whether cases that write these say more of a direct identifier than that it was there.

    Example:
        >>> tells_values([Constant(text="gone")]), tells_values([Constant(text="ann"), Constant(text="bob")])
        (False, True)
    """
    parts = set(parts)
    masks = {part.char for part in parts if isinstance(part, MaskedText)}
    return len(parts) > _MOST_FORMS or any(len(texts) > 1 for texts in (constants_of(parts), prefixes_of(parts), masks))
