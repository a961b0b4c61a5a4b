"""One writer per dataset: a lease file with a fencing number that only grows. Both doors hold one while they write.

The file is kept after release, so that a fence is never given twice; a pointer refuses a fence that is not higher than its own.
A fence is the time in milliseconds since 1970, or the last one plus one where the clock went back: so fences go on growing when
the file is lost with its zone.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.errors import AirlockError, IntegrityError, LeaseHeldError, StorageUnavailableError
from airlock.storage._base import ConflictError, Store
from airlock.storage.conditions import require_conditions

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Holder", "Lease"]

_ATTEMPTS = 20
_STAT_START_TIME = 19
"""Field 22 of /proc/PID/stat (proc(5)), counted from the state after the command's closing parenthesis."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease.

    Attributes:
        owner: The run.
        token: Random; makes two acquisitions of one run different.
        host: For people; `boot` and `namespace` decide whether its process can be looked up from here.
        started: The process's start time in clock ticks since boot: a process id alone is used again.
        since: Milliseconds since 1970; `expires` too.
    """

    owner: str
    token: str
    host: str
    pid: int
    boot: str
    namespace: str
    started: int
    since: int
    expires: int

    @classmethod
    def here(cls, owner: str, ttl: float) -> Holder:
        """This process, from now on."""
        now = _now()
        boot, namespace = _machine()
        started = _started(os.getpid()) or 0
        return cls(
            owner,
            secrets.token_hex(16),
            socket.gethostname(),
            os.getpid(),
            boot,
            namespace,
            started,
            now,
            now + round(ttl * 1000),
        )

    def gone(self) -> bool:
        """Whether its process is known to have ended: it ran under this kernel and process namespace, and is not there."""
        boot, namespace = _machine()
        if not boot or (self.boot, self.namespace) != (boot, namespace):
            return False
        return not _runs(self.pid, self.started)

    def expired(self) -> bool:
        """Whether its time has run out, by this machine's clock."""
        return _now() >= self.expires

    def __str__(self) -> str:
        return f"run '{self.owner}' on {self.host} (pid {self.pid}) since {_text(self.since)}, until {_text(self.expires)}"


class Lease:
    """A held lease. Made by `Lease.acquire`; leaving its `with` block releases it.

    Attributes:
        fence: The number of this acquisition; every later one's is higher.
    """

    def __init__(self, store: Store, path: str, holder: Holder, *, fence: int, version: str) -> None:
        self._store = store
        self._path = path
        self._holder = holder
        self._version = version
        self.fence = fence
        self._ttl = (holder.expires - holder.since) / 1000
        self._deadline = time.monotonic() + self._ttl
        self._guard = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = False

    @classmethod
    def acquire(cls, store: Store, path: str, *, owner: str, ttl: float = 60.0) -> Lease:
        """Take the lease: if it is free, expired, or its holder's process on this machine is gone.

        Args:
            store: Where the lease file is.
            path: Of the lease file.
            owner: The run that will hold it.
            ttl: Seconds until it expires, unless kept alive.

        Raises:
            LeaseHeldError: Another run holds it.
            IntegrityError: The lease file is not one.
            WeakStoreError: The store lets several hold it.
        """
        require_conditions(store)
        for _ in range(_ATTEMPTS):
            found = store.read_versioned(path)
            fence, current = _parse(found[0], path) if found else (0, None)
            if current and not (current.expired() or current.gone()):
                raise LeaseHeldError(
                    f"'{path}' is held by {current}. Wait until it ends or expires, then run again; a run that is stuck must be stopped",
                    path=path,
                    owner=current.owner,
                )
            holder = Holder.here(owner, ttl)
            fence = max(fence + 1, holder.since)
            try:
                version = store.replace(path, _render(fence, holder), found[1] if found else None)
            except ConflictError:
                continue
            return cls(store, path, holder, fence=fence, version=version)
        raise LeaseHeldError(f"'{path}' changed hands {_ATTEMPTS} times while run '{owner}' asked for it. Run again", path=path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give the lease back. What fails in a run that has lost it, fails for that reason: LeaseHeldError.

        Where the store does not answer, that is the reason: asking it once more would double the wait for the same exit code.
        """
        try:
            if isinstance(error, Exception) and not isinstance(error, StorageUnavailableError):
                with suppress(StorageUnavailableError, IntegrityError):
                    self.check()
        finally:
            self.release()

    def keep_alive(self) -> None:
        """Renew every third of the ttl, in a daemon thread, until released or lost."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name=f"lease-{self.fence}", daemon=True)
            self._thread.start()

    def check(self) -> None:
        """Make sure that the lease is still this run's. Called before everything that can't be taken back.

        Raises:
            LeaseHeldError: It expired, or another run took it over.
        """
        with self._guard:
            if not self._lost:
                found = self._store.read_versioned(self._path)
                fence, current = _parse(found[0], self._path) if found else (0, None)
                self._lost = fence != self.fence or current is None or current.token != self._holder.token or self._run_out()
            if self._lost:
                raise LeaseHeldError(
                    f"run '{self._holder.owner}' has lost '{self._path}' (fence {self.fence}): it expired, or another run took it over. "
                    "Nothing more was written; run again",
                    path=self._path,
                    fence=self.fence,
                )

    def release(self) -> None:
        """Give the lease back, keeping its fencing number; a lease that is lost already stays as it is."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._guard:
            if self._lost:
                return
            self._lost = True
            # Not given back, it expires: no reason to hide the error that may be under way.
            with suppress(ConflictError, StorageUnavailableError):
                self._store.replace(self._path, _render(self.fence, None), self._version)

    def _keep(self) -> None:
        pause = self._ttl / 3
        while not self._stop.wait(pause):
            try:
                self._renew()
            except StorageUnavailableError:
                pause = self._ttl / 12
                continue
            except (ConflictError, AirlockError):
                self._lost = True
            if self._lost:
                return
            pause = self._ttl / 3

    def _renew(self) -> None:
        with self._guard:
            # A holder that slept past its end must not revive the lease: others may have looked, and acted.
            self._lost = self._lost or self._run_out()
            if self._lost:
                return
            deadline = time.monotonic() + self._ttl
            holder = Holder(**(asdict(self._holder) | {"expires": _now() + round(self._ttl * 1000)}))
            self._version = self._store.replace(self._path, _render(self.fence, holder), self._version)
            self._holder, self._deadline = holder, deadline

    def _run_out(self) -> bool:
        return self._holder.expired() or time.monotonic() >= self._deadline


def _render(fence: int, holder: Holder | None) -> bytes:
    value = {"fence": fence, "holder": holder and asdict(holder)}
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _parse(data: bytes, path: str) -> tuple[int, Holder | None]:
    try:
        value: dict[str, Any] = json.loads(data)
        fence = value["fence"]
        holder = None if value["holder"] is None else Holder(**value["holder"])
    except (ValueError, KeyError, TypeError):
        fence, holder = 0, None
    if type(fence) is int and fence >= 1 and (holder is None or _well_typed(holder)):
        return fence, holder
    raise IntegrityError(
        f"'{path}' is not a lease file. Make sure that no run is active, then delete it: the next one's fence follows from the clock",
        path=path,
    )


def _well_typed(holder: Holder) -> bool:
    types = {"str": str, "int": int}
    return all(type(getattr(holder, field.name)) is types[str(field.type)] for field in fields(holder))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _machine() -> tuple[str, str]:
    """The kernel's boot id and the process namespace; empty where the system does not tell (then only expiry counts)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the text is not a path
    except OSError:
        return "", ""


def _runs(pid: int, started: int) -> bool:
    """Whether process `pid` is still the one that began at `started`; unknown counts as running."""
    found = _started(pid)
    if found is not None:
        return found == started
    try:
        os.kill(pid, 0)  # /proc may hide other users' processes
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not Path(f"/proc/{pid}/stat").exists()  # exists: a zombie


def _started(pid: int) -> int | None:
    """The start time of a running process in clock ticks since boot; None if there is none, or only a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state = status.rpartition(")")[2].split()
    return None if state[0] in "ZX" else int(state[_STAT_START_TIME])
