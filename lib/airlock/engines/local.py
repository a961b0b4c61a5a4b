"""The local runner: a process pool, no Java. Used where Java is missing, and by `make demo` there."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from airlock.engines.frame import FrameBinding
from airlock.engines.task import TaskResult, run_sealed
from airlock.errors import TransientError

__all__ = ["run_local", "stop_local"]

_at_work: list[ProcessPoolExecutor] = []
"""Pools of this process."""
_taken: list[tuple[bytes, FrameBinding]] = []
"""In a worker: what the pool gave it once, for a frame of many splits is too large to go with each of them."""


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
    with ProcessPoolExecutor(count, mp_context=context, initializer=_take, initargs=(sealed, binding)) as pool:
        _at_work.append(pool)
        try:
            pending = [pool.submit(_run, index) for index in indexes]
            for future in as_completed(pending):
                yield future.result()
        except (BrokenProcessPool, OSError):  # the pool's pipes end with it
            raise TransientError(
                "a worker process was killed (often: out of memory). Finished splits are kept; run again, with fewer workers "
                "or a smaller split_mib",
                workers=count,
            ) from None
        finally:
            _at_work.remove(pool)
            pool.shutdown(cancel_futures=True)


def stop_local() -> None:
    """End the workers of `run_local` at once, from another thread: it raises TransientError."""
    for pool in _at_work:
        for worker in list((pool._processes or {}).values()):  # noqa: SLF001 - kill_workers, from Python 3.14 on
            worker.kill()


def _take(sealed: bytes, binding: FrameBinding) -> None:
    _taken[:] = [(sealed, binding)]


def _run(index: int) -> TaskResult:
    ((sealed, binding),) = _taken
    return run_sealed(sealed, binding, index)
