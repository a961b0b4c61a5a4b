"""Shapes that one look at a value tells: constants, lists, lengths, masks, networks. `formats` has them all. Called by `formats`."""

from __future__ import annotations

from dataclasses import dataclass

from airlock.policy.shapes import UNREADABLE, Shape

__all__ = [
    "Absent",
    "AllNull",
    "AnyOf",
    "Constant",
    "Free",
    "HostBits",
    "MaskedText",
    "MaxLength",
    "OneOf",
    "Unshaped",
]

_NETWORK_V4, _NETWORK_V6 = 24, 64
"""Longer prefixes than these name a few hosts, or one."""


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
class MaskedText(Shape):
    """Every character of the masked classes is `char`, but the first `first` and the last `last`; all of them in a text that is
    not longer than first + last. `digits` (Unicode category N), `letters` (L and M) and `others` (the rest): which classes are
    masked. Characters are code points.
    """

    char: str
    first: int
    last: int
    digits: bool = True
    letters: bool = True
    others: bool = True

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters between punctuation."""
        return self.digits and self.letters and self.first + self.last <= UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLength(Shape):
    """At most `length` characters (code points). Long ones are scanned."""

    length: int

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters."""
        return self.length <= UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBits(Shape):
    """An IP address as text, canonical, with all bits after the prefix zero.

    Canonical is dotted decimal without leading zeros, or RFC 5952; an IPv4-mapped one is `::ffff:` and dotted decimal (section
    5), and its prefix is 96 + `v4` bits.
    """

    v4: int
    v6: int

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """The address of a network, not of a few hosts."""
        return self.v4 <= _NETWORK_V4 and self.v6 <= _NETWORK_V6


@dataclass(frozen=True, slots=True, kw_only=True)
class Free(Shape):
    """Any value: scanned for entities."""

    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshaped(Shape):
    """No declared form, accepted by the policy for this reason: scanned for entities."""

    reason: str
    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf(Shape):
    """Every value has one of these shapes: of the operators that a conditional one chooses from."""

    shapes: tuple[Shape, ...]

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Nothing else fits into any of them."""
        return all(shape.closed for shape in self.shapes)

    @property
    def holds_text(self) -> bool:  # type: ignore[override]
        """Words fit into one that is open."""
        return any(shape.holds_text for shape in self.shapes if not shape.closed)

    @property
    def looks_like(self) -> tuple[str, ...]:  # type: ignore[override]
        """What proper values of every open one may be taken for."""
        found = [set(shape.looks_like) for shape in self.shapes if not shape.closed]
        return tuple(sorted(set.intersection(*found))) if found else ()
