"""What goes wrong during a run on a cluster whose node is this machine, done to it for real. One function a fault: does it, and mends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.conftest import K8S
from tests.cluster.live import done, kubectl
from tests.cluster.remains import processes_of
from tests.cluster.site import AIRLOCK, Site
from tests.cluster.waiting import until

_TAKE_ALL = """
import os, sys, time
sys.stdin.read()
# The kernel kills what has most, at last the one that takes it all. The other stays, and while it does so does the group with its counter.
held = [] if os.fork() else [b"x" * (50 << 20) for _ in range(200)]
time.sleep(90)
"""
UP = Path(__file__).parents[3] / "shared" / "cluster" / "up"
API_SERVER = Path("/run/local-cluster/kube-apiserver.pid")


def kill_executor(site: Site) -> None:
    """-9 for one, in the middle of a task; another takes its place."""
    with _replaced(site):
        _kill(_with_java(site), "java")


def kill_driver(site: Site) -> None:
    """-9 for the driver's JVM."""
    _kill(_driver(site), "java")


def policy_deleted(site: Site) -> None:
    """What denies all in the raw zone is gone, until the run has ended."""
    file, before = K8S / "base" / "pii-raw" / "default-deny.yaml", _restarts(site)
    done(kubectl("delete", "-f", str(file)))
    try:
        _until_drivers_ended(site, 180)
    finally:
        done(kubectl("apply", "-f", str(file)))
    until(lambda: _restarts(site) > before, 180)  # it begins anew where it took its verdict back


def restart_api_server(site: Site) -> None:
    """-9, and up again."""
    del site
    assert UP.exists(), f"there is no {UP} to bring it up again"
    os.kill(int(API_SERVER.read_text()), signal.SIGKILL)
    time.sleep(3)
    subprocess.run([str(UP)], check=True, capture_output=True, timeout=120)


def staging_down(site: Site) -> None:
    """The store of zone staging is killed whenever it comes back, for half a minute. Its data are its pod's, and stay."""
    until_when = time.monotonic() + 30
    while time.monotonic() < until_when:
        for process in processes_of(site.pod("staging-store-0", AIRLOCK)["metadata"]["uid"], "versitygw"):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.2)


def drain_executors(site: Site) -> None:
    """As before a node's maintenance, and the node is given back."""
    node = site.pods("airlock.dev/role=executor")[0]["spec"]["nodeName"]
    options = ("--pod-selector=airlock.dev/role=executor", "--force", "--delete-emptydir-data", "--timeout=90s")
    before = _executors(site)
    done(kubectl("drain", node, *options))
    # Others come only where they have something left to do.
    assert not before & _executors(site)
    time.sleep(5)
    done(kubectl("uncordon", node))


def credentials_expire(site: Site) -> None:
    """The inner door's are unknown to the store of zone staging, until the run has ended."""
    gateway = site.gateway("staging")
    gateway.forget("inner")
    try:
        _until_drivers_ended(site, 120)
    finally:
        gateway.user("inner")


def starve_executor(site: Site) -> None:
    """An executor's container has no memory left: another process takes it all, and the kernel kills what it likes there."""
    uid = _with_java(site)["metadata"]["uid"]
    java = processes_of(uid, "java")[0]
    groups = Path(f"/proc/{java}/cgroup").read_text().splitlines()
    group = next(line.split(":", 2)[2] for line in groups if line.split(":")[1] == "memory")
    with subprocess.Popen([sys.executable, "-c", _TAKE_ALL], stdin=subprocess.PIPE, start_new_session=True) as other:
        try:
            Path(f"/sys/fs/cgroup/memory{group}/cgroup.procs").write_text(str(other.pid))
            assert other.stdin is not None
            killed = _oom_kills(group)
            other.stdin.close()  # begin
            until(lambda: _oom_kills(group) > killed, 90)
        finally:
            os.killpg(other.pid, signal.SIGKILL)


@contextmanager
def executors_held(site: Site) -> Iterator[None]:
    """Their Python workers stand still as the block begins, for some seconds or until it ends: their tasks are not over before the fault."""
    uids = [one["metadata"]["uid"] for one in site.pods("airlock.dev/role=executor")]
    held = [process for uid in uids for process in processes_of(uid, "", "pyspark.daemon")]
    assert held, "no executor has a Python worker"
    _signal(held, signal.SIGSTOP)
    timer = threading.Timer(_HELD_SECONDS, _signal, (held, signal.SIGCONT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        _signal(held, signal.SIGCONT)


_HELD_SECONDS = 10
"""Far from what Spark calls a lost executor (spark.network.timeout, 60 s)."""


def _signal(processes: list[int], number: int) -> None:
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one, number)


@dataclass(frozen=True)
class Fault:
    """One, and what a Job comes to under it.

    Attributes:
        outcome: Complete, Failed, or either.
        codes: With what the first driver may end; None: the cluster took it.
        pods: How many drivers the Job needs at least.
        resumes: Whether the last driver goes on with splits of the first.
    """

    do: Callable[[Site], None]
    outcome: str = "Complete"
    codes: tuple[int, ...] = (0,)
    pods: int = 1
    resumes: bool = False


FAULTS = {
    "an executor is killed": Fault(kill_executor),
    "the driver is killed": Fault(kill_driver, codes=(137,), pods=2, resumes=True),
    "a policy is deleted": Fault(policy_deleted, outcome="Failed", codes=(3,)),
    "the API server is restarted": Fault(restart_api_server, codes=(0, 75)),
    "the staging store is down for 30 s": Fault(staging_down, codes=(11, 75), pods=2, resumes=True),
    "executors are drained": Fault(drain_executors),
    "credentials expire": Fault(credentials_expire, outcome="either", codes=(1, 3, 11, 75)),
    "an executor runs out of memory": Fault(starve_executor),
}
IN_CI = ("an executor is killed", "the driver is killed", "a policy is deleted")


def _until_drivers_ended(site: Site, seconds: float) -> None:
    until(lambda: not [one for one in site.pods("airlock.dev/role=driver") if one["status"]["phase"] == "Running"], seconds)


@contextmanager
def _replaced(site: Site) -> Iterator[None]:
    """Until Spark made other executors than were there."""
    before = _executors(site)
    yield
    until(lambda: _executors(site) - before, 90)


def _executors(site: Site) -> set[str]:
    return {one["metadata"]["name"] for one in site.pods("airlock.dev/role=executor")}


def _oom_kills(group: str) -> int:
    """How many processes the kernel killed in a cgroup for want of memory."""
    lines = Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _restarts(site: Site) -> int:
    return int(site.pod("preflight-0")["status"]["containerStatuses"][0]["restartCount"])


def _driver(site: Site) -> dict:
    return next(one for one in site.pods("airlock.dev/role=driver") if one["status"]["phase"] == "Running")


def _with_java(site: Site) -> dict:
    """An executor at work."""
    return next(one for one in site.pods("airlock.dev/role=executor") if processes_of(one["metadata"]["uid"], "java"))


def _kill(pod: dict, program: str) -> None:
    processes = processes_of(pod["metadata"]["uid"], program)
    assert processes, f"pod {pod['metadata']['name']} has no process '{program}'"
    os.kill(processes[0], signal.SIGKILL)
