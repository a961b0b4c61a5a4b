"""Runs doors in forked children that stop or die at a chosen step. A program of its own: orders in, reports out, one JSON line each.

The steps are what changes a folder: link, rename, remove, mkdir and rmdir, seen by an audit hook (PEP 578), so that no step
of the program under test is named here or can be forgotten.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

STEPS = {"os.link": 1, "os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0}
PATIENCE = 60
alive: set[int] = set()


def main() -> None:
    import airlock.doors.anonymize
    import airlock.doors.prune
    import airlock.doors.release
    import airlock.doors.shard  # noqa: F401

    say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        say(start(order) if order["do"] == "start" else wait(order))
    for child in alive:
        os.kill(child, signal.SIGKILL)


def say(report: dict) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def start(order: dict) -> dict:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(work(order))
    alive.add(child)
    return {"pid": child}


def wait(order: dict) -> dict:
    """Until the child has stopped or ended; one that does neither is killed."""
    until = time.monotonic() + PATIENCE
    while not (ended := os.waitpid(order["pid"], os.WUNTRACED | os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(order["pid"], signal.SIGKILL)
        time.sleep(0.005)
    status = ended[1]
    if os.WIFSTOPPED(status):
        return {"stopped": True}
    alive.discard(order["pid"])
    return {
        "stopped": False,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "exit": os.waitstatus_to_exitcode(status),
    }


def work(order: dict) -> int:
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os.environ["TMPDIR"] = order["tmp"]
    from airlock.errors import AirlockError

    steps = Steps(order)
    sys.addaudithook(steps)
    report = {"exit": 0}
    try:
        report["result"] = carry_out(order)
    except AirlockError as error:
        report |= {"exit": error.exit_code, "error": type(error).__name__, "message": str(error)}
    except Exception as error:  # noqa: BLE001 - what a door lets through is a finding
        import traceback

        traceback.print_exc()
        report |= {"exit": 1, "error": type(error).__name__, "message": str(error)}
    steps.quiet = True
    report["steps"] = steps.seen
    Path(order["report"]).write_text(json.dumps(report))
    return report["exit"]


def carry_out(order: dict) -> dict:
    from dataclasses import asdict

    from airlock.doors import _engine
    from airlock.doors.anonymize import anonymize
    from airlock.doors.prune import Extent, prune, prune_jobs
    from airlock.doors.release import release
    from airlock.doors.shard import Shard, check_shard
    from airlock.engines.frame import open_frame
    from airlock.engines.task import run_task
    from airlock.settings import load_settings

    # Tasks in the driver's own process: what dies or stops is the whole machine.
    _engine.run_local = lambda sealed, binding, todo, **_: (run_task(open_frame(sealed, binding), index) for index in todo)
    settings = load_settings(file=Path(order["config"]), environment={})
    policy = Path(order["policy"])
    if order["door"] == "anonymize":
        return asdict(anonymize(policy, settings, run_id=order.get("run"), engine="local"))
    if order["door"] == "prune":
        jobs = [job for job in prune_jobs((), settings) if job.sink]
        return {"removed": [one.what for job in jobs for one in prune(job, settings, Extent(now=True))]}
    if order["door"] == "shard":
        return asdict(check_shard(policy, settings, Shard.parse(order["shard"]), run_id=order.get("run")))
    return asdict(release(policy, settings, run_id=order.get("run"), shards=order.get("shards")))


class Steps:
    """Counts steps and acts before one: the `at`-th, or the `count`-th that matches `place`."""

    def __init__(self, order: dict) -> None:
        self.seen: list[str] = []
        self.quiet = False
        self.at, self.place = order.get("at"), re.compile(order["place"]) if order.get("place") else None
        self.left = order.get("count", 1)
        self.signal = getattr(signal, order.get("signal", "SIGKILL"))

    def __call__(self, event: str, args: tuple) -> None:
        if event not in STEPS or self.quiet:
            return
        target = str(args[STEPS[event]])
        self.seen.append(f"{event} {target}")
        if self.place and self.place.search(self.seen[-1]):
            self.left -= 1
        if len(self.seen) == self.at or (self.place and self.left == 0):
            self.place = None
            os.kill(os.getpid(), self.signal)


if __name__ == "__main__":
    main()
