"""The verdict of preflight while a run lasts: renewed where it lies, taken back, or no longer renewed. Read by doors, and by every task.

Doors ask before they use keys and before they commit; a task asks before it opens its keys, on the node where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from airlock.clients.documents import fetched, is_url
from airlock.errors import IsolationDriftError, IsolationUnwatchedError, PermitError, StorageUnavailableError
from airlock.evidence.canonical import parse_time
from airlock.evidence.preflighted import AHEAD, Preflighted
from airlock.evidence.trust import Trust, TrustedKey

__all__ = ["PATIENCE", "Held", "Standing", "demand_held"]

PATIENCE = 120.0
"""Seconds for which a run that lost its watch waits for a new verdict, before it ends with 75."""
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the verdict lies, and for what it must be. A value: it goes to executors with the task frame.

    Attributes:
        place: A file that is replaced whole, or where the preflight pod serves it (http://ADDRESS:PORT).
        keys: Public keys of role `preflight`.
        run: Of this run; None: of whichever.
        node: Where this process is; None: not known, which no verdict is for.
        since: The watch that the run began under; None: of whichever.
    """

    place: str
    keys: tuple[TrustedKey, ...]
    run: str | None = None
    node: str | None = None
    since: str | None = None

    def on(self, node: str | None) -> Standing:
        """The same as another node sees it."""
        return replace(self, node=node)

    def begun(self) -> Standing:
        """The same, for as long as the watch of now lasts without a gap. Raises as `demand` does."""
        return replace(self, since=self.demand()[0].since)

    def read(self) -> tuple[Preflighted, bytes]:
        """The verdict and its envelope, of whatever time.

        Raises:
            PermitError: There is none, or it is of another run or of other nodes.
            StorageUnavailableError: The preflight pod does not answer; or the file is not there.
            IsolationUnwatchedError: The watch began anew since.
            IsolationDriftError: It was taken back.
            SignatureError, IntegrityError: It is not signed by a trusted key of preflight, or it is none.
        """
        envelope = fetched(self._asked()) if is_url(self.place) else _contents(self.place)
        record = Preflighted.parse(envelope, Trust(self.keys))
        self._require_mine(record)
        return record, envelope

    def demand(self) -> tuple[Preflighted, bytes]:
        """The same, of now. Raises as `read` does, and PermitError where there is no file or it has run out."""
        try:
            record, envelope = self.read()
        except StorageUnavailableError as error:
            if is_url(self.place):
                raise
            raise PermitError(f"{str(error).removesuffix('. Run again')}. Run preflight first") from None
        if _over(record):
            raise PermitError(f"the verdict of preflight ran out at {record.expires_at}. Run preflight again")
        return record, envelope

    def await_fresh(
        self, patience: float = PATIENCE, *, sleep: Callable[[float], None] = time.sleep
    ) -> tuple[Preflighted, bytes]:
        """The same during a run: one that has run out is waited for.

        Raises:
            IsolationUnwatchedError: No new one came within `patience` seconds.
        """
        until = time.monotonic() + patience
        while True:
            try:
                record, envelope = self.read()
                if not _over(record):
                    return record, envelope
                why = f"the verdict of preflight ran out at {record.expires_at}"
            except StorageUnavailableError as error:
                why = f"preflight can't be asked: {error}"
            if time.monotonic() >= until:
                raise IsolationUnwatchedError(
                    f"{why.rstrip('.')}; so it was for {patience:.0f} s: nobody watches the zone. Start preflight again, then the run"
                )
            sleep(_PAUSE)

    def _asked(self) -> str:
        return self.place if self.run is None else f"{self.place.rstrip('/')}/{self.run}"

    def _require_mine(self, record: Preflighted) -> None:
        if self.run is not None and record.run != self.run:
            raise PermitError(
                f"the verdict of preflight is for run {record.run}, and this is run {self.run}. Run preflight for it"
            )
        if record.withdrawn:
            raise IsolationDriftError(
                f"preflight took its verdict back at {record.signed_at}: {'; '.join(record.withdrawn)}. Nothing further was written"
            )
        if parse_time(record.signed_at) > datetime.now(UTC) + AHEAD:
            raise PermitError(
                f"the verdict of preflight is of {record.signed_at}, which is still to come. Set the clocks right"
            )
        if self.since is not None and record.since != self.since:
            raise IsolationUnwatchedError(
                f"preflight watches since {record.since}, and this run began under a watch since {self.since}: what happened in between, nobody "
                "knows. Finished splits are kept. Start the run again"
            )
        if self.node is None:
            raise PermitError(
                "isolation.node is not set, so that it is not known whether this node was probed. Set it from the pod's own spec.nodeName"
            )
        if self.node not in record.nodes:
            raise PermitError(
                f"this is node '{self.node}', and the verdict of preflight is for: {', '.join(record.nodes)}. Bind the run's pods to these"
            )


@dataclass(frozen=True, slots=True)
class Held:
    """The verdict that a task began under.

    Attributes:
        objects: Digest of the policies, rights and guards that it is of.
    """

    standing: Standing
    objects: str

    @classmethod
    def now(cls, standing: Standing) -> Held:
        """That of now; of the watch of now, too. Raises as `Standing.await_fresh` does."""
        record, _ = standing.await_fresh()
        return cls(replace(standing, since=record.since), record.objects_sha256)

    def demand(self) -> None:
        """Make sure that it stands still. Raises as `Standing.await_fresh` does, and IsolationDriftError where it is of other objects."""
        record, _ = self.standing.await_fresh()
        if record.objects_sha256 != self.objects:
            raise IsolationDriftError(
                f"the verdict of preflight is of sha256:{record.objects_sha256}, and this task began under one of sha256:{self.objects}. "
                "Nothing of it was kept"
            )


def demand_held(held: Held | None) -> Callable[[], None]:
    """What to call before anything is kept."""
    return _nothing if held is None else held.demand


def _nothing() -> None:
    """Off a cluster there is no verdict."""


def _contents(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:  # it may be on its way
        raise StorageUnavailableError(f"the verdict of preflight '{path}' can't be read: {error.strerror}. Run again") from None
    except OSError as error:
        raise PermitError(f"the verdict of preflight '{path}' can't be read: {error.strerror}. Run preflight first") from None


def _over(record: Preflighted) -> bool:
    return datetime.now(UTC) >= parse_time(record.expires_at)
