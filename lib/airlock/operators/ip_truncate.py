"""`ip_truncate`: IP addresses with the host's bits set to zero."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import ByteColumn
from airlock.operators._base import STRICT, Contract, Operator, RejectedValuesError
from airlock.operators._fields import INDIRECT, over_text, text_field

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["IpTruncate"]

Octets = NDArray[np.uint8]
Groups = NDArray[np.uint16]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_ONLY_V4 = rf"\A{_V4}\z"
_V4_TAIL = rf"\A(?P<head>.*:)(?P<tail>{_V4})\z"
_GROUP = "[0-9A-Fa-f]{1,4}"
_SOME = f"(?:{_GROUP}(?::{_GROUP})*)?"
_WHOLE_V6 = rf"\A{_GROUP}(?::{_GROUP}){{7}}\z"
_SHORT_V6 = rf"\A{_SOME}::{_SOME}\z"

_NOTHING, _GAP = 2 << 16, (2 << 16) + 1
"""Places of "" and "::" in the table of an IPv6 address' parts."""


@dataclass(kw_only=True, config=STRICT)
class IpTruncate(Operator):
    """Keep the network part of an address, `v4` or `v6` bits, and set the rest to zero.

    Guarantee:
        Every output is an address in canonical text whose bits after the prefix are zero, so hosts of one network can't be
        told apart. Text that is no address is rejected as `not-an-address`: surrounding space, leading zeros, ports, zone ids
        and prefix lengths included.

    Source: ISO/IEC 20889:2018, generalization. Input: RFC 4291, section 2.2; output: RFC 5952. An IPv4-mapped address
    (`::ffff:192.0.2.1`) is an IPv4 one: its prefix is 96 + `v4` bits, and it keeps dotted decimal (RFC 5952, section 5).

    Example:
        >>> addresses = pa.array(["192.0.2.77", "2001:DB8:1:2::3", "::ffff:192.0.2.77", None])
        >>> IpTruncate().kernel(pa.field("ip", pa.string()), None)(addresses).to_pylist()
        ['192.0.2.0', '2001:db8:1::', '::ffff:192.0.2.0', None]
    """

    name: ClassVar[str] = "ip_truncate"

    v4: int = Field(default=24, ge=0, le=31)
    v6: int = Field(default=48, ge=0, le=127)

    @property
    def contract(self) -> Contract:
        """A network may still be one household."""
        return Contract(technique="generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type."""
        return text_field(self.name, field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Both families over whole columns, IPv6 only where there is any."""
        del field, keys
        return over_text(self._truncated)

    def _truncated(self, values: pa.Array) -> pa.Array:
        octets = None if values.null_count else _octets(ByteColumn.of(values).compact())
        if octets is not None:
            return self._v4_text(octets).cast(values.type)
        is_v4 = _where(pc.match_substring_regex(values, _ONLY_V4))
        made = pc.replace_with_mask(pa.nulls(len(values), pa.string()), is_v4, self._v4_text(_octets_of(values.filter(is_v4))))
        rest = pc.and_(pc.is_valid(values), pc.invert(is_v4))
        if rest.true_count:
            candidates = _without_v4_tail(values.filter(rest))
            is_v6 = _is_v6(candidates)
            if not pc.all(is_v6).as_py():
                wrong = pc.replace_with_mask(rest, rest, pc.invert(is_v6))
                raise RejectedValuesError("not-an-address", wrong)
            made = pc.replace_with_mask(made, rest, self._v6_text(_parsed(candidates)))
        return made.cast(values.type)

    def _v4_text(self, octets: Octets) -> pa.Array:
        return _dotted(octets & _prefix(self.v4, np.dtype(">u1"), 4), zeros=self.v4 <= 16)  # noqa: PLR2004 - half of 32

    def _v6_text(self, groups: Groups) -> pa.Array:
        mapped = ~groups[:, :5].any(axis=1) & (groups[:, 5] == 0xFFFF)  # noqa: PLR2004 - RFC 4291, section 2.5.5.2
        mask = np.where(mapped[:, None], _prefix(96 + self.v4, np.dtype(">u2"), 8), _prefix(self.v6, np.dtype(">u2"), 8))
        groups = groups & mask
        made = _compressed(groups)
        if not mapped.any():
            return made
        octets = groups[mapped, 6:].astype(">u2").view(np.uint8).reshape(-1, 4)
        dotted = pc.binary_join_element_wise("::ffff:", _dotted(octets), "")
        return pc.replace_with_mask(made, pa.array(mapped), dotted)


def _where(mask: pa.BooleanArray) -> pa.BooleanArray:
    return pc.fill_null(mask, fill_value=False)


def _prefix(bits: int, kind: np.dtype[np.unsignedinteger], count: int) -> NDArray[np.unsignedinteger]:
    """The first `bits` bits as ones, cut into `count` words."""
    width = kind.itemsize * 8 * count
    ones = ((1 << bits) - 1) << (width - bits)
    return np.frombuffer(ones.to_bytes(width // 8, "big"), kind).astype(kind.newbyteorder("="))


def _octets(column: ByteColumn) -> Octets | None:
    """Shape (n, 4), of dotted decimal; None unless every value is that and nothing else (a fifth of what a pattern takes)."""
    digit = column.data - np.uint8(ord("0"))
    dots = np.flatnonzero(digit > 9)  # noqa: PLR2004 - the last digit
    count = len(column.offsets) - 1
    if len(dots) != 3 * count or not (column.data[dots] == ord(".")).all():
        return None
    # Columns: before the value, its three dots, behind it.
    bounds = np.empty((5, count), np.int64)
    bounds[0], bounds[4], bounds[1:4] = column.offsets[:-1] - 1, column.offsets[1:], dots.reshape(-1, 3).T
    octets = np.empty((count, 4), np.uint8)
    for part in range(4):
        made = _octet(digit, bounds[part] + 1, bounds[part + 1])
        if made is None:
            return None
        octets[:, part] = made
    return octets


def _octet(digit: NDArray[np.uint8], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.uint8] | None:
    """The numbers between `first` and `stop`; None if one is not from 0 to 255 in shortest form."""
    length = stop - first
    if len(length) and (int(length.min()) < 1 or int(length.max()) > 3):  # noqa: PLR2004 - 255
        return None
    leading = digit[first]
    made = leading.astype(np.uint16)
    for more in (1, 2):
        made = np.where(length > more, made * 10 + digit[np.minimum(first + more, len(digit) - 1)], made)
    if (made > 255).any() or ((leading == 0) & (length > 1)).any():  # noqa: PLR2004 - eight bits
        return None
    return made.astype(np.uint8)


def _octets_of(texts: pa.Array) -> Octets:
    """Shape (n, 4), of what a pattern has found to be dotted decimal."""
    octets = _octets(ByteColumn.of(texts).compact())
    assert octets is not None  # the pattern takes the same texts
    return octets


def _dotted(octets: Octets, *, zeros: bool = False) -> pa.Array:
    """Dotted decimal; with `zeros` the last two octets are known to be nothing else."""
    halves = octets.view(">u2")
    if zeros:
        return _halves()[1].take(pa.array(halves[:, 0].astype(np.int32)))
    pair, _ = _halves()
    return pc.binary_join_element_wise(*(pair.take(pa.array(halves[:, i].astype(np.int32))) for i in range(2)), ".")


@cache
def _halves() -> tuple[pa.Array, pa.Array]:
    """Two octets in dotted decimal, at the number that they make: alone, and with ".0.0" behind."""
    octet = [str(number) for number in range(256)]
    pairs = [f"{high}.{low}" for high in octet for low in octet]
    return pa.array(pairs), pa.array([f"{pair}.0.0" for pair in pairs])


@cache
def _parts() -> pa.Array:
    """Each group in hexadecimal, each again after a colon, nothing, and the gap."""
    groups = [f"{group:x}" for group in range(1 << 16)]
    return pa.array([*groups, *(f":{group}" for group in groups), "", "::"])


def _without_v4_tail(texts: pa.Array) -> pa.Array:
    """Dotted decimal at the end (RFC 4291, section 2.2.3) as two groups."""
    split = pc.extract_regex(texts, _V4_TAIL)
    tailed = pc.is_valid(split)
    if not tailed.true_count:
        return texts
    found = split.filter(tailed)
    pairs = _octets_of(found.field("tail")).reshape(-1, 4).view(">u2").astype(np.int64)
    first, last = (_parts().take(pa.array(pairs[:, i])) for i in range(2))
    groups = pc.binary_join_element_wise(first, last, ":").cast(texts.type)
    rewritten = pc.binary_join_element_wise(found.field("head"), groups, pa.scalar("", texts.type))
    return pc.replace_with_mask(texts, tailed, rewritten)


def _is_v6(texts: pa.Array) -> pa.BooleanArray:
    short = pc.match_substring_regex(texts, _SHORT_V6)
    # A gap stands for at least one group: at most seven others, so at most seven colons, or eight with the gap at an end.
    at_end = pc.or_(pc.starts_with(texts, "::"), pc.ends_with(texts, "::"))
    colons = pc.count_substring(texts, ":")
    fits = pc.less_equal(colons, pc.if_else(at_end, 8, 7))
    return pc.or_(pc.match_substring_regex(texts, _WHOLE_V6), pc.and_(short, fits))


def _parsed(texts: pa.Array) -> Groups:
    """Shape (n, 8): the groups before the gap from the left, those after it from the right, zeros between."""
    split = pc.split_pattern(texts, ":")
    parts, row = split.flatten(), np.asarray(pc.list_parent_indices(split))
    empty = np.asarray(pc.equal(pc.binary_length(parts), 0))
    filled = pc.invert(pa.array(empty))
    before, nothing = (pa.scalar(text, parts.type) for text in ("0x", ""))
    numbers = np.asarray(pc.binary_join_element_wise(before, parts.filter(filled), nothing).cast(pa.uint16()))
    row_of = row[~empty]
    count = np.bincount(row_of, minlength=len(texts))
    place = np.arange(len(row_of)) - np.repeat(np.cumsum(count) - count, count)
    before_gap = np.bincount(row_of[_before_first_empty(empty, row)[~empty]], minlength=len(texts))
    place = np.where(place < before_gap[row_of], place, 8 - count[row_of] + place)
    groups = np.zeros((len(texts), 8), np.uint16)
    groups[row_of, place] = numbers
    return groups


def _before_first_empty(empty: NDArray[np.bool_], row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether no empty part stands at or before this one in its row; `row` rises."""
    seen = np.cumsum(empty)
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    seen_earlier: NDArray[np.int64] = seen[starts] - empty[starts]
    return np.equal(seen, np.repeat(seen_earlier, np.diff(starts, append=len(row))))


def _compressed(groups: Groups) -> pa.Array:
    """RFC 5952, section 4: no leading zeros, the first longest run of two or more zero groups as "::"."""
    run = np.zeros((len(groups), 9), np.int64)
    for i in range(7, -1, -1):
        run[:, i] = np.where(groups[:, i] == 0, run[:, i + 1] + 1, 0)
    start, length = run.argmax(axis=1), run.max(axis=1)
    start, end = np.where(length > 1, start, 8), np.where(length > 1, start + length, 8)
    pieces = []
    for i in range(8):
        colon = (i > 0) & (end != i)
        index = np.where((start <= i) & (i < end), np.where(start == i, _GAP, _NOTHING), groups[:, i] + (colon << 16))
        pieces.append(_parts().take(pa.array(index)))
    return pc.binary_join_element_wise(*pieces, "")
