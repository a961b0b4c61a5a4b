"""Which splits one Spark task carries out: many small ones together. Called by the doors for the Spark runner.

Splits keep records and files of their own, so that a new file is one new split; a Spark task has a price (some 10 ms to send, and
a Python process to wake), so it takes about as many bytes as `split_mib` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["LEAST_TASKS", "bundled"]

LEAST_TASKS = 64
"""A small dataset is not bundled into fewer, so that every core has work."""


def bundled(indexes: Sequence[int], sizes: Sequence[int], *, target: int) -> tuple[tuple[int, ...], ...]:
    """Each index once, in order, in bundles of at most about `target` bytes.

    Args:
        indexes: Of splits.
        sizes: Bytes of every split, by index.
        target: Most bytes of one bundle, unless one split has more.

    Example:
        >>> bundled(range(4), [5, 5, 5, 50], target=20)
        ((0,), (1,), (2,), (3,))
        >>> bundled(range(1000), [10] * 1000, target=30)[:2]
        ((0, 1, 2), (3, 4, 5))
    """
    most = min(target, sum(sizes[index] for index in indexes) // LEAST_TASKS)
    return tuple(_bundles(indexes, sizes, most))


def _bundles(indexes: Sequence[int], sizes: Sequence[int], most: int) -> Iterator[tuple[int, ...]]:
    held: list[int] = []
    weight = 0
    for index in indexes:
        if held and weight + sizes[index] > most:
            yield tuple(held)
            held, weight = [], 0
        held.append(index)
        weight += sizes[index]
    if held:
        yield tuple(held)
