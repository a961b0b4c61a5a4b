"""The local runner: a process pool, no Java. Used where Java is missing, and by `make demo` there."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from airlock.engines.frame import FrameBinding, TaskFrame, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import TransientError

__all__ = ["run_local"]


def run_local(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int = 0) -> Iterator[TaskResult]:
    """Run the splits named by `indexes`, yielding results as they come.

    Args:
        sealed: The task frame.
        binding: What it is bound to.
        indexes: Which splits.
        workers: Processes; 0 is one a core.

    Raises:
        TransientError: A worker was killed (out of memory, say); finished splits are recorded and not done again.
    """
    count = min(workers or os.cpu_count() or 1, len(indexes))
    # A forked worker would inherit Arrow's threads and locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_open, initargs=(sealed, binding)) as pool:
        pending = [pool.submit(_run, index) for index in indexes]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BrokenProcessPool:
            raise TransientError(
                "a worker process was killed (often: out of memory). Finished splits are kept; run again, with fewer workers "
                "or a smaller split_mib",
                workers=count,
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_opened: list[TaskFrame] = []
"""The worker's frame: sent once a process, not once a split."""


def _open(sealed: bytes, binding: FrameBinding) -> None:
    _opened[:] = [open_frame(sealed, binding)]


def _run(index: int) -> TaskResult:
    return run_task(_opened[0], index)
