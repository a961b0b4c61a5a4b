"""Hosts to their registered domains by the Public Suffix List, for whole columns. Called by `url`.

The list comes with package `publicsuffixlist`, whose version is part of a plan that uses it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.columns import ByteColumn, runs, text_array

__all__ = ["registered_domains", "substrings"]

Places = NDArray[np.int64]


class _Rules(NamedTuple):
    """The list's rules without `*.` and `!`, as large_string arrays."""

    exact: pa.Array
    wild: pa.Array
    exceptions: pa.Array
    labels: int


def registered_domains(hosts: pa.Array) -> pa.Array:
    """The public suffix and the label before it; null where there is none: a suffix itself, or one label alone.

    Only the list's ICANN part counts: `ann.example-hosting.org` is one of many at `example-hosting.org`.

    Args:
        hosts: Names in lower-case ASCII, of type large_string, no nulls.

    Source: publicsuffix.org, format of the list: the longest rule wins, an exception before all, else the last label.

    Example:
        >>> registered_domains(pa.array(["a.b.example.co.uk", "co.uk", "www.ck", "y.ck"], pa.large_string())).to_pylist()
        ['example.co.uk', None, 'www.ck', None]
    """
    column = ByteColumn.of(hosts).compact()
    starts = np.stack(_label_starts(column))
    suffix = _suffix_labels(column, starts)
    begin = starts[suffix, np.arange(len(hosts))]
    found = begin >= 0
    made = substrings(column.data, np.where(found, begin, column.offsets[1:]), column.offsets[1:])
    return pc.if_else(pa.array(found), made, pa.scalar(None, made.type))


def _suffix_labels(column: ByteColumn, starts: Places) -> Places:
    """How many labels each name's public suffix has."""
    labels, name = np.nonzero(starts[:-1] >= 0)
    # All ends of names at once: a look-up hashes the whole list first.
    tails = substrings(column.data, starts[labels, name], column.offsets[1:][name])
    rules = _rules()
    suffix = np.ones(len(column.offsets) - 1, np.int64)
    exact, wild, excepted = (_in(tails, each) for each in (rules.exact, rules.wild, rules.exceptions))
    np.maximum.at(suffix, name[exact], labels[exact] + 1)
    # What stands behind an asterisk is a suffix itself, as the package reads the list.
    longer = starts[labels[wild] + 1, name[wild]] >= 0
    np.maximum.at(suffix, name[wild], labels[wild] + 1 + longer)
    suffix[name[excepted]] = labels[excepted]
    return suffix


def substrings(data: NDArray[np.uint8], starts: Places, stops: Places) -> pa.Array:
    """The texts between places, as large_string."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(stops - starts, out=offsets[1:])
    return text_array(ByteColumn(offsets, runs(data, starts, stops - starts)))


def _label_starts(column: ByteColumn) -> list[Places]:
    """Where the last label begins, the last two, and so on, one more than rules have; -1 where there are not so many."""
    begins, dots = column.offsets[:-1], np.flatnonzero(column.data == ord("."))
    first, stop = np.searchsorted(dots, column.offsets[:-1]), np.searchsorted(dots, column.offsets[1:])
    made = []
    for labels in range(1, _rules().labels + 3):
        at = stop - labels
        behind = dots[np.clip(at, 0, len(dots) - 1)] + 1 if len(dots) else begins
        made.append(np.where(at >= first, behind, np.where(at == first - 1, begins, -1)))
    return made


def _in(texts: pa.Array, rules: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.is_in(texts, value_set=rules).to_numpy(zero_copy_only=False)
    return found


@cache
def _rules() -> _Rules:
    text = files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text("utf-8")
    icann = text.partition("===BEGIN ICANN DOMAINS===")[2].partition("// ===END ICANN DOMAINS===")[0]
    lines = [_ascii(line.split()[0]) for line in icann.splitlines()[1:] if line.strip() and not line.startswith("//")]
    wild = [line[2:] for line in lines if line.startswith("*.")]
    exceptions = [line[1:] for line in lines if line.startswith("!")]
    exact = [line for line in lines if line[0] not in "*!"]
    longest = max(line.count(".") + 1 for line in lines)
    made = [pa.array(rules, pa.large_string()) for rules in (exact, wild, exceptions)]
    return _Rules(made[0], made[1], made[2], longest)


def _ascii(rule: str) -> str:
    return rule if rule.isascii() else rule.encode("idna").decode("ascii")
