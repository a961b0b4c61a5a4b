"""Watch what holds a zone: something changed, or nobody can see whether it did. Called by `doors`.

Every list of `Guarding` is watched by a thread of its own. What an API server only keeps account of (status, versions, who applied what) is
no change.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from airlock.cluster.live import Guarding
from airlock.errors import AirlockError

__all__ = ["Watching"]

_SECONDS = 60
"""How long one request watches: a connection that fell silent is found out after that."""
_PAUSE = 2.0
_ACCOUNTS = frozenset({"resourceVersion", "managedFields", "generation"})


class Watching:
    """Threads that watch, until the block ends.

    Attributes:
        changed: Set where something changed, or may have while nobody watched.
    """

    def __init__(self, guarding: Guarding) -> None:
        self.changed = threading.Event()
        self._guarding, self._ended = guarding, threading.Event()
        self._known: dict[str, str] = {}
        self._lost: dict[str, str] = {}

    def __enter__(self) -> Self:
        for path in self._guarding.paths():
            self._lost[path] = "not begun"
            threading.Thread(target=self._watch, args=(path,), name=f"watch {path}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def lost(self) -> dict[str, str]:
        """Paths that nobody watches now, and why."""
        return dict(self._lost)

    def await_begun(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> dict[str, str]:
        """Wait until everything is watched; returns what is not after so long."""
        until = clock() + seconds
        while self._lost and clock() < until:
            self._ended.wait(0.05)
        return self.lost()

    def _watch(self, path: str) -> None:
        while not self._ended.is_set():
            try:
                for event in self._guarding.events(path, _SECONDS):
                    self._lost.pop(path, None)
                    if event:
                        self._take(path, event)
                    if self._ended.is_set():
                        return
            except AirlockError as error:
                self._lost[path] = str(error)
                self._ended.wait(_PAUSE)
            except Exception as error:  # noqa: BLE001 - a thread that died unseen would watch nothing
                self._lost[path] = type(error).__name__
                self._ended.wait(_PAUSE)
            # What was deleted between two requests, neither of them tells.
            self.changed.set()

    def _take(self, path: str, event: Mapping[str, Any]) -> None:
        one = event.get("object") or {}
        name = f"{path} {(one.get('metadata') or {}).get('name')}"
        said = "" if event.get("type") == "DELETED" else _meaning(one)
        if self._known.get(name) != said:
            self._known[name] = said
            self.changed.set()


def _meaning(one: Mapping[str, Any]) -> str:
    metadata = {key: value for key, value in (one.get("metadata") or {}).items() if key not in _ACCOUNTS}
    return json.dumps({**one, "metadata": metadata, "status": None}, sort_keys=True)
