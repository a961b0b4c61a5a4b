"""Many small requests to one store. Doors use it wherever they do the same to each of many files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from airlock.storage._base import Store

__all__ = ["at_once"]

T = TypeVar("T")
R = TypeVar("R")

_REQUESTS = 16


def at_once(store: Store, act: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What `act` returns for each item, in their order. Elsewhere than on a disk several are under way, for each waits for an answer.

    The first that raises ends it; those that are under way are waited for.
    """
    if store.local_path("") is not None:
        yield from map(act, items)
        return
    pool = ThreadPoolExecutor(_REQUESTS, "requests")
    try:
        yield from pool.map(act, items)
    finally:
        pool.shutdown(cancel_futures=True)
