"""What `isolation preflight` does with verdicts: a file, an address, and what is printed. Called by `isolation`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from airlock.cli._isolation_looks import print_checks
from airlock.cli._report import print_json, talk
from airlock.doors._served import Served, served
from airlock.doors.preflight import Check, Given, Issued, preflight, watch

__all__ = ["Publishing", "run_preflight"]


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where verdicts go.

    Attributes:
        out: A file, replaced whole; None: none.
        serve: ADDRESS:PORT; empty: nowhere.
    """

    out: Path | None
    serve: str


def run_preflight(given: Given, publishing: Publishing, *, stay: bool, as_json: bool) -> int:
    """Carry it out and say what was found; returns the exit code."""
    if stay:
        return _beside(given, publishing, lambda checks: _say(checks, as_json=as_json))
    checks, envelope = preflight(given)
    if envelope is not None and publishing.out is not None:
        _replace(publishing.out, envelope)
    _say(checks, as_json=as_json)
    return 0 if envelope is not None else 3


def _beside(given: Given, publishing: Publishing, say: Callable[[list[Check]], None]) -> int:
    with _until_told() as stop, served(publishing.serve) if publishing.serve else nullcontext(Served()) as at:

        def publish(issued: Issued) -> None:
            at.answer, at.ready = issued.of, lambda: issued.stands
            if publishing.out is not None:
                _replace(publishing.out, issued.of(None))

        wrong = watch(given, publish, say, stop)
        for one in wrong:
            talk.print(f"taken back: {one.name}: {one.said}", markup=False, style="bold red")
        if wrong and publishing.serve:  # the run's pods are to hear of it before nobody answers any more
            stop.wait(_TOLD_SECONDS)
        return 3 if wrong or at.answer is None else 0


_TOLD_SECONDS = 30
"""The driver asks every second, a task before its split; one that is about to begin takes some seconds to its first question."""


def _replace(out: Path, envelope: bytes) -> None:
    fresh = out.with_name(f".{out.name}.fresh")
    fresh.write_bytes(envelope)
    fresh.replace(out)


def _say(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        print_json({"passed": all(one.passed for one in checks), "checks": [_plain(one) for one in checks]})
    else:
        print_checks(checks)


def _plain(check: Check) -> dict[str, object]:
    return {name: value for name, value in asdict(check).items() if name != "unseen"}


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: a pod that is deleted has done its work."""
    stop = threading.Event()

    def told(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
