"""What outputs tell beside their form. A conditional operator's cases by what each writes: a text, a prefix or a mask of its own for
each value is a look-up table. And masks by what they leave.

Called by `plan` and the gate.
"""

from __future__ import annotations

from collections.abc import Iterable

from airlock.policy.formats import Ciphertext, Constant, MaskedGroups, MaskedText, Shape, Token

__all__ = ["CHOICES", "MASKED", "constants_of", "open_masks", "prefixes_of", "tells_values"]

MASKED = ("@", "-", ".", " ")
"""What a mask character may stand for, so that what was not masked can still be read: `ann*example.org`."""

_MOST_FORMS = 4

CHOICES = f"different texts, prefixes or mask characters, or more than {_MOST_FORMS} forms: which of them it is tells the value"
"""What `tells_values` finds, in words."""


def constants_of(parts: Iterable[Shape]) -> set[str]:
    """The texts that stand for whole values."""
    return {part.text for part in parts if isinstance(part, Constant)}


def prefixes_of(parts: Iterable[Shape]) -> set[str]:
    """What stands before tokens and ciphertexts, where something does."""
    return {part.prefix for part in parts if isinstance(part, Ciphertext | Token) and part.prefix}


def open_masks(parts: Iterable[Shape]) -> set[str]:
    """The mask characters of masks that leave much readable."""
    return {part.char for part in parts if isinstance(part, MaskedGroups | MaskedText) and part.char and not part.closed}


def tells_values(parts: Iterable[Shape]) -> bool:
    """Whether cases that write these say more of a direct identifier than that it was there.

    Example:
        >>> tells_values([Constant(text="gone")]), tells_values([Constant(text="ann"), Constant(text="bob")])
        (False, True)
    """
    parts = set(parts)
    masks = {part.char for part in parts if isinstance(part, MaskedText)}
    return len(parts) > _MOST_FORMS or any(len(texts) > 1 for texts in (constants_of(parts), prefixes_of(parts), masks))
