"""Many small requests to one store. Doors use it wherever they do the same to each of many files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from airlock.storage._base import Store

__all__ = ["at_once"]

T = TypeVar("T")
R = TypeVar("R")


def at_once(store: Store, act: Callable[[T], R], items: Iterable[T], *, most: int = 16) -> Iterator[R]:
    """What `act` returns for each item, in their order. Elsewhere than on a disk several are under way, for each waits for an answer.

    The first that raises ends it; those that are under way are waited for. Never more than so many results are held.
    """
    if store.local_path("") is not None:
        yield from map(act, items)
        return
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(most, "requests") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(act, item))
                if len(under_way) == most:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
