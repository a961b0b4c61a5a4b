"""The form of a value without its content: `999-99-9999` for a social security number. Called where a check, or an error
about the source's names, tells what was met.
"""

from __future__ import annotations

__all__ = ["picture"]

_LONGEST = 32


def picture(text: str) -> str:
    """Digits as 9, letters as a or A, other printable ASCII as it is, all else as '?'; at most 32 characters.

    Example:
        >>> picture("Ann.Lee+7@example.org")
        'Aaa.Aaa+9@aaaaaaa.aaa'
    """
    made = "".join(map(_drawn, text[:_LONGEST]))
    return made + "…" if len(text) > _LONGEST else made


def _drawn(character: str) -> str:
    if character.isnumeric():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character if " " <= character <= "~" else "?"
