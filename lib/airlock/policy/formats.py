"""Output formats as data: all that operators and gate share.

For each operator, what its output must look like: an Arrow type and a `Shape`. The gate matches every written value against the
shape without knowing the operator; a kernel replaced by the identity must not pass. Called by `plan` (contract) and `gate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "Absent", "AllNull", "Constant", "Free", "HostBits", "MaskedText", "MaxLength", "MultipleOf", "OneOf", "PeriodStart", "Shape",
    "Token", "Unshaped",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like. `closed`: nothing else fits in, so it is not scanned further."""

    closed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(Shape):
    """The leaf is not in the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllNull(Shape):
    """Every value is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Shape):
    """Every value is this text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Shape):
    """Every value, as text, is one of these."""

    values: tuple[str, ...]


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
class MaskedText(Shape):
    """Every character of the masked classes is `char`, but the first `first` and the last `last`; all of them in a text that is
    not longer than first + last. `digits`, `letters`, `others`: which classes are masked.
    """

    char: str
    first: int
    last: int
    digits: bool = True
    letters: bool = True
    others: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLength(Shape):
    """At most `length` characters (code points). Long ones are scanned."""

    length: int

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters."""
        return self.length <= 4  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleOf(Shape):
    """A number that is a whole multiple of `width`."""

    width: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStart(Shape):
    """A date or timestamp that is the first moment of its `unit` (year, quarter, month, week, day, hour, decade)."""

    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBits(Shape):
    """An IP address as text, canonical, with all bits after the prefix zero."""

    v4: int
    v6: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Free(Shape):
    """Any value: scanned for entities."""

    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshaped(Shape):
    """No declared form, accepted by the policy for this reason: scanned for entities."""

    reason: str
    closed = False
