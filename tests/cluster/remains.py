"""What a run leaves where it must leave nothing, looked at from the node while it goes on: scratch volumes, logs, environments, objects."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.live import done, kubectl

PODS, LOGS = Path("/var/lib/local-cluster/kubelet/pods"), Path("/var/log/containers")
"""Of the node, where this machine is it."""
_EVERY = 0.3
_FLEETING = "pods,events"
_KINDS = "pods,events,configmaps,services,jobs,cronjobs,statefulsets"
_NAMESPACES = ("pii-raw", "pii-airlock", "pii-sanitized")


class Remains:
    """Looks for canaries, again and again.

    Attributes:
        found: Where there was one; never which.
        seen: How many different files of each kind were looked at, to show that there was something to see.
    """

    def __init__(self, canaries: Sequence[str], controls: Mapping[str, str]) -> None:
        """`controls` are what must be seen, one of a kind of place, so that a watch that sees nothing is no proof."""
        encoded = [part for canary in canaries[::10] for part in _in_base64(canary.encode())]
        self._any = re.compile(b"|".join(re.escape(one) for one in (*(canary.encode() for canary in canaries), *encoded)))
        self.controls = dict.fromkeys(((kind, text.encode()) for kind, text in controls.items()), False)
        self.found: set[str] = set()
        self.seen: dict[str, set[str]] = {kind: set() for kind in ("scratch", "logs", "objects", "environments", "launchers")}
        self._uids: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[Remains]:
        """Look until the block ends, and once more then."""
        over = threading.Event()
        thread = threading.Thread(target=self._until, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
            self.look()

    def _until(self, over: threading.Event) -> None:
        while not over.wait(_EVERY):
            self.look(objects=False)

    def look_below(self, folder: Path) -> None:
        """At what a launcher outside of the zones wrote: its log, what it kept."""
        for file in _files(folder):
            self._take("launchers", str(file.relative_to(folder)), file)

    def look(self, *, objects: bool = True) -> None:
        """Once at everything; executors' volumes and logs go with them. Where the API server does not answer, at what was there before."""
        mine = self._pods()
        for uid in mine:
            for file in _files(PODS / uid / "volumes" / "kubernetes.io~empty-dir"):
                self._take("scratch", str(file.relative_to(PODS / uid)), file)
        for file in LOGS.glob("*_pii-*"):
            if "-store-" not in file.name:
                self._take("logs", file.name, file)
        self._environments(mine)
        for namespace in _NAMESPACES:  # pods and events go with their executors
            made = kubectl("get", _KINDS if objects else _FLEETING, "-n", namespace, "-o", "json")
            self._judge("objects", namespace, (done(made) if objects else made.stdout).encode())

    def _pods(self) -> list[str]:
        """The uids of pods that are no store's: stores hold what was put there."""
        made = kubectl("get", "pods", "-A", "-o", "json")
        if made.returncode == 0:
            self._uids = [
                one["metadata"]["uid"]
                for one in json.loads(made.stdout)["items"]
                if one["metadata"]["namespace"] in _NAMESPACES
                and not one["metadata"]["labels"]["airlock.dev/role"].endswith("-store")
            ]
        return self._uids

    def _environments(self, uids: Sequence[str]) -> None:
        """Arguments and environments of the pods' processes, as anybody on the node reads them."""
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            with suppress(OSError):
                group = (process / "cgroup").read_text()
                if any(uid in group for uid in uids):
                    for part in ("environ", "cmdline"):
                        self._judge("environments", f"{process.name}/{part}", (process / part).read_bytes())

    def _take(self, kind: str, name: str, file: Path) -> None:
        with suppress(OSError):  # gone again
            self._judge(kind, name, file.read_bytes())

    def _judge(self, kind: str, name: str, content: bytes) -> None:
        self.seen[kind].add(name)
        if self._any.search(content):
            self.found.add(f"{kind} {name}")
        for control in self.controls:
            if control[0] == kind and control[1] in content:
                self.controls[control] = True


def _in_base64(canary: bytes) -> Iterator[bytes]:
    """What of it any text in base64 shows that holds it, at each of the three places where it may begin."""
    for before in range(3):
        padded = b"\0" * before + canary
        whole = base64.b64encode(padded[: len(padded) // 3 * 3])
        yield whole[4 if before else 0 :]


def _files(folder: Path) -> Iterator[Path]:
    """Those below it; os.walk passes over folders that are gone again."""
    for place, _, names in os.walk(folder):
        yield from (file for name in names if not (file := Path(place, name)).is_symlink())


def processes_of(uid: str, name: str, argument: str = "") -> list[int]:
    """The processes of a pod that run a program, the oldest first; with an argument, where one is given, whatever the program."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                mine = argument.encode() in words if argument else any(Path(word.decode()).name == name for word in words[:1])
                if mine and uid in (process / "cgroup").read_text():
                    found.append(int(process.name))
    return sorted(found)
