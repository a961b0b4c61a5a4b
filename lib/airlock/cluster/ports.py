"""Protocols and ports as bits: the ranges that any rule tells apart, one bit each. Called by the model."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["ALL_CONNECTIONS", "LAST", "NO_CONNECTIONS", "PROTOCOLS", "NamedPort", "PortRange", "PortSpace"]

PROTOCOLS = ("SCTP", "TCP", "UDP")
LAST = 65_535
ALL_CONNECTIONS, NO_CONNECTIONS = "All Connections", "No Connections"


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports of one protocol, both ends included; all of them where none are given."""

    protocol: str
    low: int = 1
    high: int = LAST

    def __str__(self) -> str:
        return f"{self.protocol} {self.low}" + (f"-{self.high}" if self.high > self.low else "")


@dataclass(frozen=True, slots=True, order=True)
class NamedPort:
    """A port by the name that the destination's container gives it.

    Attributes:
        protocol: Empty where any will do.
    """

    protocol: str
    name: str

    def __str__(self) -> str:
        return f"{self.protocol} {self.name}".lstrip()


@dataclass(frozen=True)
class PortSpace:
    """All ports of all protocols, cut where any range begins or ends.

    Attributes:
        atoms: One for each bit.

    Example:
        >>> space = PortSpace.of([PortRange("TCP", 80, 80), PortRange("TCP", 443, 443), PortRange("UDP", 53, 53)])
        >>> space.text(space.mask(PortRange("TCP", 80, 80)) | space.mask(PortRange("TCP", 443, 443)) | space.mask(PortRange("UDP", 53, 53)))
        'TCP 80,443,UDP 53'
        >>> space.text(space.every), space.text(0), space.text(space.mask(PortRange("TCP")))
        ('All Connections', 'No Connections', 'TCP 1-65535')
    """

    atoms: tuple[PortRange, ...]
    _starts: dict[str, tuple[list[int], int]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, ranges: Iterable[PortRange]) -> PortSpace:
        """The coarsest space that tells the ranges apart."""
        cuts = {protocol: {1} for protocol in PROTOCOLS}
        for one in ranges:
            cuts[one.protocol] |= {one.low, one.high + 1}
        atoms: list[PortRange] = []
        starts = {}
        for protocol in PROTOCOLS:
            own = sorted(cut for cut in cuts[protocol] if 1 <= cut <= LAST)
            starts[protocol] = own, len(atoms)
            atoms += [PortRange(protocol, low, high - 1) for low, high in zip(own, [*own[1:], LAST + 1], strict=True)]
        return cls(tuple(atoms), starts)

    @property
    def every(self) -> int:
        """The mask of everything."""
        return (1 << len(self.atoms)) - 1

    def mask(self, ports: PortRange) -> int:
        """The bits of a range whose ends are cuts of this space."""
        own, offset = self._starts[ports.protocol]
        first, last = bisect_left(own, ports.low), bisect_left(own, ports.high + 1)
        return ((1 << (last - first)) - 1) << (first + offset)

    def ranges(self, mask: int) -> list[PortRange]:
        """A mask as ranges, neighbours joined."""
        found: list[PortRange] = []
        for bit, atom in enumerate(self.atoms):
            if not mask >> bit & 1:
                continue
            if found and found[-1].protocol == atom.protocol and found[-1].high + 1 == atom.low:
                found[-1] = PortRange(atom.protocol, found[-1].low, atom.high)
            else:
                found.append(atom)
        return found

    def text(self, mask: int) -> str:
        """A mask in words: `TCP 80,443,UDP 53`, `All Connections`, `No Connections`."""
        if mask in (0, self.every):
            return ALL_CONNECTIONS if mask else NO_CONNECTIONS
        by_protocol: dict[str, list[str]] = {}
        for one in self.ranges(mask):
            by_protocol.setdefault(one.protocol, []).append(str(one).partition(" ")[2])
        return ",".join(f"{protocol} {','.join(some)}" for protocol, some in by_protocol.items())
