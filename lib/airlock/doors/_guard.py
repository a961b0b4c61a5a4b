"""Watch preflight's verdict while tasks are at work: taken back, or no longer renewed, it ends them. Called by `anonymize`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from airlock.errors import AirlockError, IsolationUnwatchedError, StorageUnavailableError
from airlock.evidence.canonical import parse_time
from airlock.evidence.standing import PATIENCE, Standing

__all__ = ["Stop", "guarded"]

_EVERY = 1.0
_LONGEST = 15.0
"""Seconds for which the end of a look is waited for: longer than it can take."""


@contextmanager
def guarded(standing: Standing | None, stop: Callable[[], None], *, patience: float = PATIENCE) -> Iterator[None]:
    """Look at the verdict every second until the block ends; where it counts no longer, end the block's work.

    Tasks wait by themselves for a verdict that ran out; here is counted for how long, for all of them together.

    Args:
        standing: The verdict; None: there is no cluster, and nothing to look at.
        stop: Ends what the block waits for, which then raises.
        patience: Seconds for which a new verdict is waited for.

    Raises:
        IsolationDriftError, PermitError, SignatureError, IntegrityError: The verdict was taken back, or is none any more.
        IsolationUnwatchedError: It ran out, and there was no new one in time.
    """
    if standing is None:
        yield
        return
    watch = _Watch(standing, stop, patience)
    watch.start()
    try:
        yield
    except Exception:
        watch.end(look=True)
        if watch.found is not None:  # why the work was ended; not that it was
            raise watch.found from None
        raise
    finally:
        watch.end()
    if watch.found is not None:
        raise watch.found


class Stop:
    """What a block waits for, where something else can end it; nothing at first."""

    def __init__(self) -> None:
        self._end: Callable[[], None] | None = None

    def __call__(self) -> None:
        """End it, if there is something."""
        if self._end is not None:
            self._end()

    @contextmanager
    def ends(self, end: Callable[[], None]) -> Iterator[None]:
        """The block waits for something that `end` ends."""
        self._end = end
        try:
            yield
        finally:
            self._end = None


class _Watch(threading.Thread):
    """The thread that looks."""

    def __init__(self, standing: Standing, stop: Callable[[], None], patience: float) -> None:
        super().__init__(name="preflight-verdict", daemon=True)
        self.standing, self.stop_work, self.patience = standing, stop, patience
        self.found: AirlockError | None = None
        self.good = time.monotonic()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(_EVERY):
            if self.found is None:
                self.found = self._fault()
            if self.found is not None:
                # Again and again: what was about to begin is ended, too.
                with suppress(Exception):
                    self.stop_work()

    def end(self, *, look: bool = False) -> None:
        """Look no more; `look`: once more, for work that failed may have failed for that."""
        self.done.set()
        self.join(_LONGEST)
        if self.is_alive():
            self.found = IsolationUnwatchedError(
                "the verdict of preflight could not be looked at: no answer came to an end. Run again"
            )
        elif look and self.found is None:
            self.found = self._fault()

    def _fault(self) -> AirlockError | None:
        try:
            record, _ = self.standing.read()
            why, late = f"ran out at {record.expires_at}", (datetime.now(UTC) - parse_time(record.expires_at)).total_seconds()
        except StorageUnavailableError as error:
            why, late = f"can't be asked for ({str(error).removesuffix('. Run again')})", time.monotonic() - self.good
        except AirlockError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a thread that died unseen would guard nothing
            return IsolationUnwatchedError(
                f"the verdict of preflight could not be looked at: {type(error).__name__}. Run again"
            )
        if late <= 0:
            self.good = time.monotonic()
        if late <= self.patience:
            return None
        return IsolationUnwatchedError(
            f"the verdict of preflight {why}, and no other came within {self.patience:.0f} s: nobody watches the zone. Finished splits are "
            "kept. Start preflight again, then the run"
        )
