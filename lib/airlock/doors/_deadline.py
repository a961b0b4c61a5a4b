"""An end for a run that comes to none by itself: executors that can't reach their driver hang without an error. Called by `anonymize`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from airlock.errors import RunDeadlineError

__all__ = ["within"]

_EVERY = 1.0


@contextmanager
def within(seconds: float, stop: Callable[[], None]) -> Iterator[None]:
    """End the block's work after some time.

    Args:
        seconds: 0: never.
        stop: Ends what the block waits for, which then raises.

    Raises:
        RunDeadlineError: It was ended so.
    """
    if not seconds:
        yield
        return
    done, late = threading.Event(), threading.Event()

    def end() -> None:
        if done.wait(seconds):
            return
        late.set()
        while not done.wait(_EVERY):  # again and again: what was about to begin is ended, too
            with suppress(Exception):
                stop()

    thread = threading.Thread(target=end, name="run-deadline", daemon=True)
    thread.start()
    try:
        yield
    except Exception:
        if late.is_set():
            raise RunDeadlineError(
                f"the run was not done within {seconds:g} s (run_seconds) and was ended. Finished splits are kept. Look whether its "
                "executors started and reach the driver; then run again"
            ) from None
        raise
    finally:
        done.set()
