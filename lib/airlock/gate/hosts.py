"""Hosts' names: each distinct one against the rules of names and, for registered domains, the public suffix list's own library.
Called by `shapes`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from airlock.gate.buffers import text_buffers
from airlock.policy.formats import Host

__all__ = ["host_offenders"]

_IP = "ip"
"""What an address in place of a name becomes."""

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789-."
_LABEL, _NAME = 63, 253


def host_offenders(values: pa.Array, shape: Host) -> np.ndarray:
    """True where a value is neither such a name, nor `ip`, nor the declared text.

    Example:
        >>> names = pa.array(["www.example.org", "example.org", "example.org/ann", "192.0.2.1", "ip"])
        >>> host_offenders(names, Host(registered=False)).tolist(), host_offenders(names, Host(registered=True)).tolist()
        ([False, False, True, True, False], [True, False, True, True, False])
    """
    coded = values.cast(pa.large_string()).dictionary_encode()
    names = coded.dictionary
    bad = _malformed(names)
    if shape.registered:
        bad[~bad] = ~_registered(names.filter(pa.array(~bad)))
    texts = [_IP] if shape.otherwise is None else [_IP, shape.otherwise]
    bad &= ~np.asarray(pc.is_in(names, value_set=pa.array(texts, names.type)))
    return bad[np.asarray(coded.indices)]


def _malformed(names: pa.Array) -> np.ndarray:
    offsets, data = text_buffers(names)
    bad = (np.diff(offsets) < 1) | (np.diff(offsets) > _NAME)
    foreign = ~np.isin(data, np.frombuffer(_ALPHABET, np.uint8))
    return bad | _holds(foreign, offsets) | _odd_labels(names)


def _holds(marked: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    count = np.concatenate([[0], np.cumsum(marked)])
    return np.diff(count[offsets]) > 0


def _odd_labels(names: pa.Array) -> np.ndarray:
    """True where a label is empty or too long, or the last one a number, which makes an address of the name."""
    pattern = rf"(?:\A|\.)(?:\.|\z)|[^.]{{{_LABEL + 1}}}|(?:\A|\.)(?:[0-9]+|0x[0-9a-f]*)\z"
    return np.asarray(pc.match_substring_regex(names, pattern))


def _registered(names: pa.Array) -> np.ndarray:
    rules = _suffixes()
    return np.array([rules.privatesuffix(name) == name for name in names.to_numpy(zero_copy_only=False)], bool)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)
