"""IP addresses with their host bits zero, by pattern; what no pattern covers is parsed once per distinct value. Called by
`shapes`, and for addresses found in text by `validators`.
"""

from __future__ import annotations

from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.buffers import is_text
from airlock.policy.formats import HostBits

__all__ = ["address_offenders"]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP = "(?:0|[1-9a-f][0-9a-f]{0,3})"
_MAPPED = 0xFFFF


def address_offenders(values: pa.Array, shape: HostBits) -> np.ndarray:
    """True where a text is not a canonical address whose bits after the prefix are zero.

    Example:
        >>> address_offenders(pa.array(["192.0.2.0", "192.0.2.7", "2001:db8:1::"]), HostBits(v4=24, v6=48)).tolist()
        [False, True, False]
    """
    if not is_text(values.type):
        return np.ones(len(values), bool)
    bad = ~np.asarray(pc.match_substring_regex(values, _pattern(shape)))
    if bad.any():
        left = values.filter(pa.array(bad)).dictionary_encode()
        known = np.array([not _right(text, shape) for text in left.dictionary.to_pylist()])
        bad[bad] = known[np.asarray(left.indices)]
    return bad


@cache
def _pattern(shape: HostBits) -> str:
    forms = [_v4_pattern(shape.v4)]
    if shape.v6 % 16 == 0 and 0 < shape.v6 <= 64:  # noqa: PLR2004  # the zeros after it are then the longest run
        ending = "[1-9a-f][0-9a-f]{0,3}"
        forms += ["::", f"(?:{_GROUP}:){{0,{shape.v6 // 16 - 1}}}{ending}::"]
    return r"\A(?:" + "|".join(forms) + r")\z"


def _v4_pattern(prefix: int) -> str:
    parts = []
    for octet in range(4):
        bits = min(8, max(0, prefix - 8 * octet))
        parts.append(_OCTET if bits == 8 else "(?:" + "|".join(str(low) for low in range(0, 256, 1 << (8 - bits))) + ")")  # noqa: PLR2004
    return r"\.".join(parts)


def _right(text: str, shape: HostBits) -> bool:
    try:
        if ":" not in text:
            plain = IPv4Address(text)
            return str(plain) == text and int(plain) % (1 << (32 - shape.v4)) == 0
        address = IPv6Address(text)
    except AddressValueError:
        return False
    number = int(address)
    if number >> 32 == _MAPPED:
        inner = IPv4Address(number & 0xFFFFFFFF)
        return text == f"::ffff:{inner}" and int(inner) % (1 << (32 - shape.v4)) == 0
    return text == str(address) and number % (1 << (128 - shape.v6)) == 0
