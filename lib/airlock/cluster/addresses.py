"""Sets of IP addresses as intervals on one line: IPv4 first, then IPv6. Called by the whole model."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airlock.cluster.selectors import UnmodelledError

__all__ = ["EVERYWHERE", "FAMILIES", "NOWHERE", "Addresses", "family_of", "parse_addresses", "range_text", "short_text"]

_V4 = 1 << 32
_END = _V4 + (1 << 128)
FAMILIES = ("IPv4", "IPv6")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_CIDR = re.compile(r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?")
"""No zones (`%eth0`), no masks (`/255.0.0.0`), which Python reads and the API server does not."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """A set of addresses.

    Attributes:
        intervals: Sorted and disjoint, each with its first and its last place on the line.

    Example:
        >>> block = parse_addresses(["10.0.0.0/8"]) - parse_addresses(["10.1.0.0/16"])
        >>> [range_text(*one) for one in block.intervals]
        ['10.0.0.0-10.0.255.255', '10.2.0.0-10.255.255.255']
        >>> parse_addresses(["10.0.0.7"]) <= block, bool(block & parse_addresses(["::/0"]))
        (True, False)
    """

    intervals: tuple[tuple[int, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: Addresses) -> Addresses:
        return Addresses(tuple(_joined(self.intervals + other.intervals)))

    def __and__(self, other: Addresses) -> Addresses:
        return self - (EVERYWHERE - other)

    def __sub__(self, other: Addresses) -> Addresses:
        return Addresses(tuple(_without(self.intervals, other.intervals)))

    def __le__(self, other: Addresses) -> bool:
        return not self - other


def _joined(intervals: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    low, high = -1, -2
    for start, end in sorted(intervals):
        if start <= high + 1 and not (start == _V4 and high == _V4 - 1):
            high = max(high, end)
            continue
        if high >= low:
            yield low, high
        low, high = start, end
    if high >= low:
        yield low, high


def _without(intervals: tuple[tuple[int, int], ...], holes: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, int]]:
    for low, high in intervals:
        start = low
        for first, last in holes:
            if last < start or first > high:
                continue
            if first > start:
                yield start, first - 1
            start = last + 1
        if start <= high:
            yield start, high


NOWHERE = Addresses()
EVERYWHERE = Addresses(((0, _V4 - 1), (_V4, _END - 1)))


def parse_addresses(cidrs: Iterable[str]) -> Addresses:
    """The union of CIDRs and single addresses. Bits behind the prefix are passed over, as the API server does.

    Raises:
        UnmodelledError: One is neither, or it is an IPv4 address mapped into IPv6: Go's `net.IPNet` takes that for IPv4.
    """
    found = []
    for cidr in cidrs:
        network = _network(cidr)
        base = 0 if network.version == 4 else _V4  # noqa: PLR2004 - the family's number
        found.append((base + int(network.network_address), base + int(network.broadcast_address)))
    return Addresses(tuple(_joined(found)))


def _network(cidr: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not isinstance(cidr, str) or not _CIDR.fullmatch(cidr):
        raise UnmodelledError(f"{cidr!r} is not a CIDR")
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise UnmodelledError(f"{cidr!r} is not a CIDR") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        raise UnmodelledError(
            f"{cidr!r} is an IPv4 address in IPv6's clothes, which some read as the one and some as the other"
        )
    return network


def family_of(place: int) -> int:
    """0 for a place on the line that is IPv4, 1 for IPv6."""
    return int(place >= _V4)


def range_text(low: int, high: int) -> str:
    """First and last address of an interval, in the form of a list of connections.

    Example:
        >>> range_text(0, 255), short_text(0, 255), short_text(1, 1)
        ('0.0.0.0-0.0.0.255', '0.0.0.0-0.0.0.255', '0.0.0.1')
    """
    return f"{_address(low)}-{_address(high)}"


def short_text(low: int, high: int) -> str:
    """An interval for people: one address, where it has no more."""
    return str(_address(low)) if low == high else range_text(low, high)


def _address(place: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv6Address(place - _V4) if place >= _V4 else ipaddress.IPv4Address(place)
