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

from airlock.crypto.columns import ByteColumn, validity
from airlock.operators._base import STRICT, Contract, Operator, RejectedValuesError
from airlock.operators._fields import INDIRECT, over_text, text_field
from airlock.operators._networks import networks

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["IpTruncate"]

Octets = NDArray[np.uint8]
Groups = NDArray[np.uint16]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_V4_TAIL = rf"\A(?P<head>.*:)(?P<tail>{_V4})\z"
_GROUP = "[0-9A-Fa-f]{1,4}"
_SOME = f"(?:{_GROUP}(?::{_GROUP})*)?"
_WHOLE_V6 = rf"\A{_GROUP}(?::{_GROUP}){{7}}\z"
_SHORT_V6 = rf"\A{_SOME}::{_SOME}\z"

_BLOCK = 1 << 16
"""Values at a time: what is made of them on the way stays in the cache."""

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

    Args:
        v4: Bits of an IPv4 address that stay.
        v6: Bits of an IPv6 address that stay.

    Example:
        >>> addresses = pa.array(["192.0.2.77", "2001:DB8:1:2::3", "::ffff:192.0.2.77", None])
        >>> IpTruncate().kernel(pa.field("ip", pa.string()), None)(addresses).to_pylist()
        ['192.0.2.0', '2001:db8:1::', '::ffff:192.0.2.0', None]
    """

    name: ClassVar[str] = "ip_truncate"
    example: ClassVar[str] = "signup_ip: {type: string, class: quasi_identifier, ip_truncate: {v4: 16, v6: 32}}"

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
        """Both families over whole columns, on their bytes."""
        del field, keys
        return over_text(self._truncated)

    def _truncated(self, values: pa.Array) -> pa.Array:
        """The usual forms on the bytes, the others by pattern: a mapped address, a gap in front, a long prefix."""
        parts = [self._usual(values.slice(start, _BLOCK)) for start in range(0, len(values), _BLOCK)]
        if not parts:
            return values
        made, done = pa.concat_arrays([text for text, _ in parts]), np.concatenate([done for _, done in parts])
        if done.all():
            return made
        left = pc.and_(pc.is_valid(values), pa.array(~done))
        if not left.true_count:
            return made
        return pc.replace_with_mask(made, left, self._by_pattern(values.filter(left), left).cast(values.type))

    def _usual(self, values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        found = networks(ByteColumn.of(values).compact(), v4=self.v4, v6=self.v6)
        return found.text(values.type, validity(values)), found.done

    def _by_pattern(self, texts: pa.Array, places: pa.BooleanArray) -> pa.Array:
        candidates = _without_v4_tail(texts)
        is_v6 = _is_v6(candidates)
        if not pc.all(is_v6).as_py():
            raise RejectedValuesError("not-an-address", pc.replace_with_mask(places, places, pc.invert(is_v6)))
        return self._v6_text(_parsed(candidates))

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


def _prefix(bits: int, kind: np.dtype[np.unsignedinteger], count: int) -> NDArray[np.unsignedinteger]:
    """The first `bits` bits as ones, cut into `count` words."""
    width = kind.itemsize * 8 * count
    ones = ((1 << bits) - 1) << (width - bits)
    return np.frombuffer(ones.to_bytes(width // 8, "big"), kind).astype(kind.newbyteorder("="))


def _dotted(octets: Octets) -> pa.Array:
    """Dotted decimal."""
    return pc.binary_join_element_wise(*(_numbers().take(pa.array(octets[:, i])) for i in range(4)), ".")


@cache
def _numbers() -> pa.Array:
    return pa.array([str(number) for number in range(256)])


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
    octets = np.asarray(pc.split_pattern(found.field("tail"), ".").flatten().cast(pa.uint8())).reshape(-1, 4)
    pairs = octets.view(">u2").astype(np.int64)
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
