"""The keys that Spark knows: what its classes of configuration hold as text, read from its jars without a JVM. For the tests of spark.conf."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_CONFIGURATION = re.compile(
    r"org/apache/spark/(internal/config/|deploy/k8s/Config|sql/internal/(Static)?SQLConf|network/util/TransportConf)"
)
"""Where Spark declares its keys. Not SparkConf: it has those that were once, too."""
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
"""Bytes after each tag of a constant but text's, which is 1 (Java Virtual Machine Specification, 4.4)."""
_WIDE = (5, 6)


@lru_cache(maxsize=1)
def known_keys(jars: Path) -> frozenset[str]:
    """All of `spark.*`, and those that Spark joins of an identity's prefix and a word."""
    found = {one for jar in jars.glob("spark-*.jar") for one in _texts(jar)}
    keys = {one for one in found if re.fullmatch(r"spark\.[\w.-]+", one)}
    # "\1.word": a place for a text, and what is joined to it (java.lang.invoke.StringConcatFactory).
    words = {one.removeprefix("\1") for one in found if re.fullmatch(r"\x01\.[\w.]+", one)}
    return frozenset(keys | {one + word for one in keys if one.startswith("spark.kubernetes.authenticate") for word in words})


def _texts(jar: Path) -> Iterator[str]:
    with zipfile.ZipFile(jar) as opened:
        for name in opened.namelist():
            if name.endswith(".class") and _CONFIGURATION.match(name):
                yield from _constants(opened.read(name))


def _constants(code: bytes) -> Iterator[str]:
    at, left = 10, int.from_bytes(code[8:10], "big") - 1
    while left > 0:
        tag = code[at]
        if tag == 1:
            size = 2 + int.from_bytes(code[at + 1 : at + 3], "big")
            yield code[at + 3 : at + 1 + size].decode("utf-8", "replace")
        else:
            size = _SIZES[tag]
        at, left = at + 1 + size, left - (2 if tag in _WIDE else 1)
