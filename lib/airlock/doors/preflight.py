"""What a job runs before it touches raw data, and beside it: is the zone as it was proved and probed, and does it still refuse what it must?

Signed where it is. Taken back, signed too, as soon as it is so no longer. Called by the command line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import Signer

from airlock.cluster.watching import Change, Watching
from airlock.doors._pods import own_image
from airlock.doors._zone_access import Stores, zone_access
from airlock.doors._zone_looks import QUICK, Check, Found, Looks, Wanted, taken
from airlock.doors.isolation import require_image
from airlock.errors import AirlockError, ConfigError, IsolationUnwatchedError, TransientError
from airlock.evidence.canonical import parse_time, time_text
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.standing import PATIENCE
from airlock.keys.signing import load_signer
from airlock.settings import Settings
from airlock.types import Zone

__all__ = ["Check", "Given", "Issued", "Stores", "Wanted", "own_image", "preflight", "stores_of", "watch"]

_BEGIN_SECONDS = 30.0
_PAUSE = 0.25
_AGAIN = 2.0
_BLIND_SECONDS = 5.0
"""How long a watch may take to begin again, before that is told."""
_RENEWALS = 4
"""How many verdicts are given in the time that one counts: some may get lost."""
_NO_RUN = "none"
"""What stands for the run in a verdict that no run asked for."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a preflight is made with.

    Attributes:
        flows: The claim.
        probes: Signed results of probes, one a node.
        trust: Public keys: whose probes count.
        key: A private key of role `preflight`.
        wanted: For what the verdict is.
        stores: What the inner door's identity may do there, is tried; None: there are none to try.
    """

    flows: Path
    probes: Sequence[Path]
    trust: Path | None
    key: Path
    wanted: Wanted
    stores: Stores | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A verdict, signed for who asks: as long as it is watched, what is in order for one run is so for every other."""

    record: Preflighted
    signer: Signer
    bound: bool

    @property
    def stands(self) -> bool:
        """Whether it counts now: it was not taken back, and has not run out."""
        return not self.record.withdrawn and self.record.counts(datetime.now(UTC))

    def of(self, run: str | None) -> bytes:
        """The signed verdict; one that is bound to a run is of that one, whoever asks."""
        asked = self.record if self.bound or run is None else replace(self.record, run=run)
        return asked.to_envelope(self.signer)


def stores_of(
    settings: Settings, never: Sequence[str], foreign: Path | None = None, endpoint: str | None = None
) -> Stores | None:
    """The inner door's zones that are buckets; None where it has none.

    Args:
        settings: The inner door's, read under its identity at the stores.
        never: Buckets that this identity must have no access to.
        endpoint: Where those are, if not where the raw zone is.
        foreign: Credentials of somebody else, in AWS's format: who smuggles data out brings keys of their own, and none but the endpoint's
            policy stops them. They must have no access through the zone's endpoint either.

    Raises:
        ConfigError: It has, and `never` names none: whether the sanitized zone is shut could not be shown.
    """
    places = {zone: settings.zone(zone) for zone in (Zone.RAW, Zone.PRIVATE, Zone.STAGING) if settings.has(zone)}
    if Zone.RAW not in places or not places[Zone.RAW].is_object_store:
        if never:
            raise ConfigError(
                "--never is tried under the inner door's identity, and the settings name no zones.raw in a bucket. Name it"
            )
        return None
    if not never:
        raise ConfigError("which buckets the inner door must not reach is not said. Give --never with the sanitized zone's uri")
    written = tuple(place for zone, place in places.items() if zone is not Zone.RAW and place.is_object_store)
    identities = (places[Zone.RAW].identity, *([] if foreign is None else [str(foreign.absolute())]))
    there = replace(places[Zone.RAW], kms_key=None, endpoint=endpoint or places[Zone.RAW].endpoint)
    none = tuple(replace(there, uri=uri, identity=one) for uri in never for one in identities)
    return Stores(places[Zone.RAW], written, none)


def preflight(given: Given) -> tuple[list[Check], bytes | None]:
    """Take every look, once.

    Returns:
        What was found, and the signed verdict; None where anything failed, or could not be told.

    Raises:
        ConfigError, KeyFileError: The claim or the key can't be read, or no cluster is configured.
    """
    desk = _Desk(given)
    checks = desk.every_look()
    if not all(one.passed for one in checks):
        return checks, None
    return checks, desk.passed(checks, watched=False).of(None)


def watch(
    given: Given, publish: Callable[[Issued], None], say: Callable[[list[Check]], None], stop: threading.Event
) -> list[Check]:
    """Take every look, then go on: renew the verdict while all stays in order, and take it back as soon as something is not.

    Args:
        given: As of `preflight`.
        publish: Told of each verdict; replaces the one before.
        say: Told of what was found before the first one.
        stop: Set where the run is over.

    Returns:
        What was not in order any more, so that the verdict was taken back; empty where there was none to begin with, or `stop` was set.

    Raises:
        IsolationUnwatchedError: The cluster was not seen for so long that no run counts on it any more.
        ConfigError, KeyFileError: As `preflight`.
    """
    desk = _Desk(given)
    with ExitStack() as stack:
        try:
            watching = stack.enter_context(Watching(desk.looks.guarding))
            lost = watching.await_begun(_BEGIN_SECONDS)
        except AirlockError as error:
            lost = {"": error}
        except Exception as error:  # noqa: BLE001 - whatever the cluster answers: there is no verdict
            lost = {"": AirlockError(f"the cluster could not be read: {type(error).__name__}")}
        if lost:
            say([Check("watch", passed=False, said="; ".join(str(why) for why in lost.values()))])
            return []
        checks = desk.every_look()
        say(checks)
        if not all(one.passed for one in checks):
            return []
        publish(desk.passed(checks))
        try:
            return _Watch(desk, watching, checks, publish).run(stop)
        except IsolationUnwatchedError:
            raise
        except Exception as error:
            publish(desk.withdrawn([f"preflight failed: {type(error).__name__}"]))
            raise


class _Desk:
    """Where looks are taken and verdicts are signed."""

    def __init__(self, given: Given) -> None:
        self.given, self.wanted = given, given.wanted
        self.signer: Signer = load_signer(given.key)
        require_image(self.wanted.image)
        self.looks = Looks(given.flows, given.probes, given.trust, self.wanted)
        self.since = datetime.now(UTC)

    def every_look(self) -> list[Check]:
        """All of them; what stores let the inner door do is tried here alone, before the run."""
        read = taken("objects", self._read)
        if not read.passed:
            return [read]
        checks = self.looks.take(self.resources)
        stores = self.given.stores
        return checks if stores is None else [*checks, taken("access", lambda: zone_access(stores))]

    def _read(self) -> Found:
        self.resources = self.looks.read()
        return [], ""

    def passed(self, checks: Sequence[Check], *, watched: bool = True) -> Issued:
        """A verdict of now, by what the looks found last."""
        looks, now = self.looks, datetime.now(UTC)
        ends = [now + timedelta(minutes=self.wanted.minutes), *(parse_time(one.expires_at) for one in looks.probed.values())]
        self.record = Preflighted(
            run=self.wanted.run or _NO_RUN,
            nodes=looks.nodes,
            namespaces=looks.flows.namespaces,
            flows_sha256=looks.flows_sha256,
            objects_sha256=looks.digest,
            probes_sha256={node: looks.envelopes[node] for node in looks.nodes},
            checks=tuple(one.name for one in checks),
            watched=watched,
            since=time_text(self.since),
            signed_at=time_text(now),
            expires_at=time_text(min(ends)),
        )
        return self._issued(self.record)

    def over(self) -> Issued:
        """That the last one is none of now."""
        now = time_text(datetime.now(UTC))
        return self._issued(replace(self.record, signed_at=now, expires_at=now))

    def withdrawn(self, why: Sequence[str]) -> Issued:
        """That the last one does not count any more."""
        told = replace(self.record, withdrawn=tuple(one[:500] for one in why), signed_at=time_text(datetime.now(UTC)))
        return self._issued(told)

    def _issued(self, record: Preflighted) -> Issued:
        return Issued(record, self.signer, self.wanted.run is not None)


class _Watch:
    """One watch: what it saw last, and when it has to look again."""

    def __init__(self, desk: _Desk, watching: Watching, checks: Sequence[Check], publish: Callable[[Issued], None]) -> None:
        self.desk, self.watching, self.checks, self.publish = desk, watching, checks, publish
        self.seen, self.told, self.hurried = time.monotonic(), False, False
        self._put_off(self._pause)

    def run(self, stop: threading.Event) -> list[Check]:
        """Until something is not in order, or the run is over."""
        while not stop.is_set():
            change = self.watching.taken(_PAUSE)
            wrong = [] if change is None else self._changed(change)
            if self.watching.gap.is_set() and not self.hurried:
                self.due, self.hurried = 0.0, True
            if not wrong and time.monotonic() >= self.due:
                wrong = self._renewed()
            if wrong:
                self.publish(self.desk.withdrawn([f"{one.name}: {one.said}" for one in wrong]))
                return wrong
            self._tell_where_blind()
        return []

    def _tell_where_blind(self) -> None:
        """Nobody is to count on what was last seen, where nothing is seen any more."""
        if not self.watching.lost():
            self.seen = time.monotonic()
        elif time.monotonic() - self.seen > _BLIND_SECONDS and not self.told:
            self.told = True
            self.publish(self.desk.over())

    def _changed(self, change: Change) -> list[Check]:
        """What is not in order after one change: each is judged by itself, for the next one may undo it."""
        if change.listed.kind == "Pod":
            there = tuple(body for body in change.items.values() if body is not None)
            found = self.desk.looks.of_pods(replace(change.listed, items=there)) if there else []
        elif change.items:
            found = self.desk.looks.take(self.watching.resources(), QUICK)
        else:
            found = []
        return [one for one in found if not one.passed]

    def _renewed(self) -> list[Check]:
        """What is not in order now; what can't be seen now is put off, and no verdict is given meanwhile."""
        lost = [str(why) for why in self.watching.lost().values()]
        try:
            found = self.desk.looks.take(self.desk.looks.read())
        except TransientError as error:
            return self._unseen([str(error)])
        except AirlockError as error:
            return [Check("objects", passed=False, said=f"could not be read: {error}")]
        wrong = [one for one in found if not one.passed]
        if any(not one.unseen for one in wrong):
            return wrong
        if wrong or lost:
            return self._unseen([*(one.said for one in wrong), *lost])
        if self.watching.gap.is_set():
            self.watching.gap.clear()
            self.desk.since = datetime.now(UTC)
        # What was heard of meanwhile comes before what is said.
        while (change := self.watching.taken(0)) is not None:
            late = self._changed(change)
            if late:
                return late
        self.publish(self.desk.passed(self.checks))
        self.told = self.hurried = False
        self._put_off(self._pause)
        return []

    def _unseen(self, why: Sequence[str]) -> list[Check]:
        late = (datetime.now(UTC) - parse_time(self.desk.record.expires_at)).total_seconds()
        if late > PATIENCE:
            raise IsolationUnwatchedError(
                f"the cluster could not be watched, and the verdict ran out {late:.0f} s ago: {'; '.join(why)}. Run again"
            )
        self._put_off(_AGAIN)
        return []

    @property
    def _pause(self) -> float:
        return 60 * self.desk.wanted.minutes / _RENEWALS

    def _put_off(self, seconds: float) -> None:
        self.due = time.monotonic() + seconds
