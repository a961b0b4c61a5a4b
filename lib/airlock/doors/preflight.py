"""What a job runs before it touches raw data, and beside it: is the zone as it was proved and probed, and does it still refuse what it must?

Signed where it is. Taken back, signed too, as soon as it is so no longer. Called by the command line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import Signer

from airlock.cluster.watching import Watching
from airlock.doors._zone_access import Stores, zone_access
from airlock.doors._zone_looks import QUICK, Check, Looks, Wanted, taken
from airlock.doors.isolation import require_image
from airlock.errors import AirlockError, ConfigError, IsolationUnwatchedError, TransientError
from airlock.evidence.canonical import parse_time, time_text
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.standing import PATIENCE
from airlock.keys.signing import load_signer
from airlock.settings import Settings
from airlock.types import Zone

__all__ = ["Check", "Given", "Stores", "Wanted", "preflight", "stores_of", "watch"]

_BEGIN_SECONDS = 30.0
_PAUSE = 0.25
_AGAIN = 2.0
_RENEWALS = 4
"""How many verdicts are given in the time that one counts: some may get lost."""


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


def stores_of(settings: Settings, never: Sequence[str], foreign: Path | None = None) -> Stores | None:
    """The inner door's zones that are buckets; None where it has none.

    Args:
        settings: The inner door's, read under its identity at the stores.
        never: Buckets that this identity must have no access to.
        foreign: Credentials of somebody else, in AWS's format: who smuggles data out brings keys of their own, and none but the endpoint's
            policy stops them. They must have no access through the zone's endpoint either.

    Raises:
        ConfigError: It has, and `never` names none: whether the sanitized zone is shut could not be shown.
    """
    places = {zone: settings.zone(zone) for zone in (Zone.RAW, Zone.PRIVATE, Zone.STAGING) if settings.has(zone)}
    if Zone.RAW not in places or not places[Zone.RAW].is_object_store:
        return None
    if not never:
        raise ConfigError("which buckets the inner door must not reach is not said. Give --never with the sanitized zone's uri")
    written = tuple(place for zone, place in places.items() if zone is not Zone.RAW and place.is_object_store)
    identities = (places[Zone.RAW].identity, *([] if foreign is None else [str(foreign.absolute())]))
    none = tuple(replace(places[Zone.RAW], uri=uri, kms_key=None, identity=one) for uri in never for one in identities)
    return Stores(places[Zone.RAW], written, none)


def preflight(given: Given) -> tuple[list[Check], bytes | None]:
    """Take every look, once.

    Returns:
        What was found, and the signed verdict; None where anything failed.

    Raises:
        ConfigError, KeyFileError: The claim or the key can't be read, or no cluster is configured.
        StorageUnavailableError: The cluster does not answer.
    """
    desk = _Desk(given)
    checks = desk.every_look()
    if not all(one.passed for one in checks):
        return checks, None
    return checks, desk.passed(checks)


def watch(
    given: Given, publish: Callable[[bytes], None], say: Callable[[list[Check]], None], stop: threading.Event
) -> list[Check]:
    """Take every look, then go on: renew the verdict while all stays in order, and take it back as soon as something is not.

    Args:
        given: As of `preflight`.
        publish: Told of each verdict; replaces the one before.
        say: Told of what was found before the first one.
        stop: Set where the run is over.

    Returns:
        What is not in order, so that there is no verdict; empty where `stop` was set.

    Raises:
        IsolationUnwatchedError: The cluster was not seen for so long that no run counts on it any more.
        ConfigError, KeyFileError, StorageUnavailableError: As `preflight`, at first.
    """
    desk = _Desk(given)
    with Watching(desk.looks.guarding) as watching:
        lost = watching.await_begun(_BEGIN_SECONDS)
        if lost:
            return [Check("watch", passed=False, said="; ".join(f"{path}: {why}" for path, why in lost.items()))]
        watching.changed.clear()
        checks = desk.every_look()
        say(checks)
        if not all(one.passed for one in checks):
            return [one for one in checks if not one.passed]
        publish(desk.passed(checks))
        return _Watch(desk, watching, checks, publish).run(stop)


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
        checks = self.looks.take()
        stores = self.given.stores
        return checks if stores is None else [*checks, taken("access", lambda: zone_access(stores))]

    def passed(self, checks: Sequence[Check]) -> bytes:
        """A verdict of now, by what the looks found last."""
        self.record = self._record(checks)
        return self.record.to_envelope(self.signer)

    def withdrawn(self, checks: Sequence[Check], why: Sequence[str]) -> bytes:
        """That there is none any more."""
        return self._record(checks, tuple(one[:500] for one in why)).to_envelope(self.signer)

    def _record(self, checks: Sequence[Check], why: tuple[str, ...] = ()) -> Preflighted:
        looks, now = self.looks, datetime.now(UTC)
        ends = [now + timedelta(minutes=self.wanted.minutes), *(parse_time(one.expires_at) for one in looks.probed.values())]
        return Preflighted(
            run=self.wanted.run,
            nodes=looks.nodes,
            namespaces=looks.flows.namespaces,
            flows_sha256=looks.flows_sha256,
            objects_sha256=looks.digest,
            probes_sha256={node: looks.envelopes[node] for node in looks.nodes if node in looks.envelopes},
            checks=tuple(one.name for one in checks),
            withdrawn=why,
            since=time_text(self.since),
            signed_at=time_text(now),
            expires_at=time_text(min(ends)),
        )


class _Watch:
    """One watch: what it saw last, and when it has to look again."""

    def __init__(self, desk: _Desk, watching: Watching, checks: Sequence[Check], publish: Callable[[bytes], None]) -> None:
        self.desk, self.watching, self.checks, self.publish = desk, watching, checks, publish
        self.blind = False
        self._put_off(self._pause)

    def run(self, stop: threading.Event) -> list[Check]:
        """Until something is not in order, or the run is over."""
        while not stop.is_set():
            changed, due = self.watching.changed.wait(_PAUSE), time.monotonic() >= self.due
            self.blind = self.blind or bool(self.watching.lost())
            if not changed and not due:
                continue
            wrong = self._look(quick=not due)
            if wrong:
                self.publish(self.desk.withdrawn(self.checks, [f"{one.name}: {one.said}" for one in wrong]))
                return wrong
        return []

    def _look(self, *, quick: bool) -> list[Check]:
        """What is not in order; what could not be seen is put off, and no verdict is given meanwhile."""
        self.watching.changed.clear()
        lost = self.watching.lost()
        try:
            found = self.desk.looks.take(QUICK) if quick else self.desk.looks.take()
        except TransientError as error:
            return self._unseen(str(error))
        except AirlockError as error:
            return [Check("objects", passed=False, said=f"could not be read: {error}")]
        wrong = [one for one in found if not one.passed]
        if any(not one.unseen for one in wrong):
            return wrong
        if wrong or lost:
            return self._unseen("; ".join([*(one.said for one in wrong), *lost.values()]))
        if not quick:
            self._renew()
        return []

    def _renew(self) -> None:
        if self.blind:  # what happened while nobody watched, nobody knows
            self.blind, self.desk.since = False, datetime.now(UTC)
        self.publish(self.desk.passed(self.checks))
        self._put_off(self._pause)

    def _unseen(self, why: str) -> list[Check]:
        self.blind = True
        late = (datetime.now(UTC) - parse_time(self.desk.record.expires_at)).total_seconds()
        if late > PATIENCE:
            raise IsolationUnwatchedError(
                f"the cluster could not be watched, and the verdict ran out {late:.0f} s ago: {why}. Run again"
            )
        self._put_off(_AGAIN)
        return []

    @property
    def _pause(self) -> float:
        return 60 * self.desk.wanted.minutes / _RENEWALS

    def _put_off(self, seconds: float) -> None:
        self.due = time.monotonic() + seconds
