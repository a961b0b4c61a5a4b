"""Watch what holds a zone: every change in its order, none missed, or that nobody can see whether there is one. Called by `doors`.

Each list of `Guarding` is watched by a thread of its own, from the moment at which it was listed, and after a break from where it broke off. What
an API server only keeps account of (status, versions, who applied what) is no change.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Self

from airlock.cluster.live import Guarding, Listed
from airlock.cluster.resources import Resources, resources_from
from airlock.errors import AdmissionError, AirlockError, StorageUnavailableError

__all__ = ["Change", "Watching", "resources_of"]

_SECONDS = 60
"""How long one request watches: a connection that fell silent is found out after that."""
_PAUSE = 2.0
_SHORT = 1.0
"""Seconds: a watch that ends by itself sooner is none."""
_GONE = 410
_ACCOUNTS = frozenset({"resourceVersion", "managedFields", "generation"})


@dataclass(frozen=True, slots=True)
class Change:
    """What one list has become.

    Attributes:
        items: What is changed, and None where it is gone; by namespace and name.
        whole: These are all that there are: what happened in between, nobody knows.
    """

    listed: Listed
    items: Mapping[tuple[str, str], Mapping[str, Any] | None]
    whole: bool = False


class Watching:
    """Threads that watch, until the block ends; and what is there, by the changes that were taken so far.

    Raises (entering):
        StorageUnavailableError: The cluster does not answer.
        ConfigError: Its answer is not one.

    Attributes:
        gap: Set where something may have happened that no change tells of.
    """

    def __init__(self, guarding: Guarding) -> None:
        self.gap = threading.Event()
        self._guarding, self._ended = guarding, threading.Event()
        self._changes: SimpleQueue[Change] = SimpleQueue()
        self._there: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
        self._listed: dict[str, Listed] = {}
        self._lost: dict[str, AirlockError] = {}

    def __enter__(self) -> Self:
        for listed in self._guarding.lists():
            self._listed[listed.path] = listed
            self._there[listed.path] = _by_name(listed)
            if not listed.refused:
                self._lost[listed.path] = StorageUnavailableError(f"the watch of {listed.path} did not begin. Run again")
                threading.Thread(target=self._watch, args=(listed,), name=f"watch {listed.path}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def lost(self) -> dict[str, AirlockError]:
        """Paths that nobody watches now, and why."""
        return dict(self._lost)

    def await_begun(self, seconds: float) -> dict[str, AirlockError]:
        """Wait until everything is watched; returns what is not after so long."""
        until = time.monotonic() + seconds
        while self._lost and time.monotonic() < until:
            self._ended.wait(0.05)
        return self.lost()

    def taken(self, seconds: float) -> Change | None:
        """Take the next change, waiting so long for one; None where there is none.

        Of what it says, only what is changed by it stays in it: `items` is empty where an API server only kept account.
        """
        try:
            change = self._changes.get(timeout=seconds) if seconds else self._changes.get_nowait()
        except Empty:
            return None
        there = self._there[change.listed.path]
        after = {**dict.fromkeys(there), **change.items} if change.whole else change.items
        changed = {name: body for name, body in after.items() if _meaning(there.get(name)) != _meaning(body)}
        for name, body in after.items():
            if body is None:
                there.pop(name, None)
            else:
                there[name] = body
        return replace(change, items=changed)

    def resources(self) -> Resources:
        """What is there now, by what was taken."""
        return resources_of([replace(one, items=tuple(self._there[path].values())) for path, one in self._listed.items()])

    def _watch(self, listed: Listed) -> None:
        at = listed.at
        while not self._ended.is_set():
            began = time.monotonic()
            # Until it has begun again; a moment, mostly.
            self._lost.setdefault(
                listed.path, StorageUnavailableError(f"the watch of {listed.path} did not begin again. Run again")
            )
            try:
                for reached in self._followed(listed, at):
                    at = reached
                    self._lost.pop(listed.path, None)
                    if self._ended.is_set():
                        return
                if time.monotonic() - began < _SHORT:
                    self._lost[listed.path] = StorageUnavailableError(f"the watch of {listed.path} ends at once. Run again")
                    self._ended.wait(_PAUSE)
            except AdmissionError as error:
                self._lost[listed.path] = error
                if error.facts["status"] == _GONE:
                    at = self._again(listed, at)
                self._ended.wait(_PAUSE)
            except Exception as error:  # noqa: BLE001 - a thread that died unseen would watch nothing
                self._lost[listed.path] = (
                    error if isinstance(error, AirlockError) else StorageUnavailableError(f"{type(error).__name__}. Run again")
                )
                self._ended.wait(_PAUSE)

    def _followed(self, listed: Listed, at: str) -> Iterator[str]:
        """Each change is put where it is taken from; gives the resourceVersion from which a watch would go on, at first where it has begun."""
        for event in self._guarding.events(listed.path, at, _SECONDS):
            body = event.get("object") or {}
            at = str((body.get("metadata") or {}).get("resourceVersion") or at)
            if event.get("type") in ("ADDED", "MODIFIED", "DELETED"):
                gone = event["type"] == "DELETED"
                self._changes.put(Change(listed, {_name(body): None if gone else body}))
            yield at

    def _again(self, listed: Listed, at: str) -> str:
        """List anew, as the API server does not know any more what happened since."""
        try:
            fresh = self._guarding.list(listed.version, listed.path, listed.kind)
        except AirlockError as error:
            self._lost[listed.path] = error
            return at
        if fresh.refused:
            self._lost[listed.path] = AdmissionError(f"{listed.path} may not be listed any more: {fresh.refused}", status=403)
            return at
        self.gap.set()
        self._changes.put(Change(listed, _by_name(fresh), whole=True))
        return fresh.at


def resources_of(lists: Sequence[Listed]) -> Resources:
    """The objects of lists; in `unread` what may not be listed."""
    found = [("live", {**one, "apiVersion": listed.version, "kind": listed.kind}) for listed in lists for one in listed.items]
    return resources_from(found, unread={f"{one.kind} ({one.version})": one.refused for one in lists if one.refused})


def _by_name(listed: Listed) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {_name(one): one for one in listed.items}


def _name(one: Mapping[str, Any]) -> tuple[str, str]:
    metadata = one.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _meaning(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ""
    metadata = {key: value for key, value in (one.get("metadata") or {}).items() if key not in _ACCOUNTS}
    return json.dumps({**one, "metadata": metadata, "status": None}, sort_keys=True)
