"""Look now and then at work that others do, while a block waits for its end. Called by `anonymize`.

A Spark stage gives its results at the end alone, a large split takes minutes: what is finished is seen in the split records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["pulse"]

_EVERY = 1.0
_SHARE = 20
"""Looking takes a twentieth of one core at most."""


@contextmanager
def pulse(look: Callable[[], None]) -> Iterator[None]:
    """Call `look` every second, in a daemon thread, until the block ends. A look that fails is let go: the work is what counts."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(look, done), name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(look: Callable[[], None], done: threading.Event) -> None:
    pause = _EVERY
    while not done.wait(pause):
        start = time.monotonic()
        with suppress(Exception):
            look()
        pause = max(_EVERY, _SHARE * (time.monotonic() - start))
