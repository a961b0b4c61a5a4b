"""On PYTHONPATH of Spark's Python workers, or of a pool's: at a step of a task, kill the worker or its executor, or make the task wait, hang, or hold until it may go on.

Orders stand in the file that WORKER_ORDERS names, a JSON list of `{do, place, first, times}`: act on the `first`-th step (from 0)
of any worker that matches `place`, and on those after it, `times` times in all. Steps as in `nursery.py`: links, renames.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

WAITS = {"wait": 2.5, "hang": 60, "hold": 60}
"""Seconds."""
STEPS = {"os.link": 1, "os.rename": 1}


def hook(event: str, args: tuple) -> None:
    if event not in STEPS:
        return
    file = Path(os.environ["WORKER_ORDERS"])
    step = f"{event} {args[STEPS[event]]}"
    for number, order in enumerate(json.loads(file.read_text()) if file.exists() else []):
        if re.search(order["place"], step):
            at = claim(file, number) - order.get("first", 0)
            if 0 <= at < order.get("times", 1):
                Path(f"{file}.done.{number}.{at}").touch()
                act(order["do"], Path(f"{file}.go"))


def claim(file: Path, number: int) -> int:
    """The step's number among all workers' that match an order."""
    for count in range(10_000):
        try:
            os.close(os.open(f"{file}.{number}.{count}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return count
    raise AssertionError("too many steps")


def act(what: str, go: Path) -> None:
    until = time.monotonic() + WAITS.get(what, 0)
    while time.monotonic() < until and not (what == "hold" and go.exists()):
        time.sleep(0.1)
    if what in WAITS:
        return
    if what == "kill executor":
        # The worker's parent is Spark's daemon, and the daemon's is the executor.
        daemon = os.getppid()
        os.kill(int(Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if "WORKER_ORDERS" in os.environ and {"pyspark.daemon", "--multiprocessing-fork"} & {*sys.orig_argv}:
    sys.addaudithook(hook)
