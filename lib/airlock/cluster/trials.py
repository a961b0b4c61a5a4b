"""What is to be tried by real connections, and what came of it: flows.yaml as probes. Pure; `prober` makes the pods.

Every party of flows.yaml that is a pod of a zone gets a sink, which tells its token to whoever comes, and a source, which tries every sink
and every address that a line names: what is declared must be open, all the rest must stay closed from the source's first moment to its last.
A closed door counts only where the sink was alive all the while; an address, where a pod without policies reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from airlock.cluster.findings import Verdict
from airlock.cluster.flows import Flow, Flows, Party
from airlock.cluster.probepod import Target

__all__ = ["CONTROL", "Kind", "Outcome", "Place", "Sink", "Source", "Stand", "Trial", "judge", "plan", "stands"]

CONTROL = "control"
"""The party that no policy binds: in a namespace of its own, to show that what is closed for others is alive."""

ROLE = "airlock.dev/role"
UNDECLARED = 9999
"""A port that a sink listens on and no flow declares."""


class Kind(StrEnum):
    """How a target is named."""

    POD = "pod"
    SERVICE = "service"
    ADDRESS = "address"
    DNS = "dns"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Stand:
    """A party's pods, as probes stand in for them: its namespace, labels and ServiceAccount."""

    party: str
    namespace: str
    labels: Mapping[str, str] = field(hash=False)

    @property
    def account(self) -> str:
        """The ServiceAccount of its role's name, as admission demands it."""
        return self.labels.get(ROLE, "default")

    @property
    def name(self) -> str:
        """As a part of a pod's name."""
        return f"{self.party}-{self.namespace}" if self.party == "consumers" else self.party


@dataclass(frozen=True, slots=True)
class Place:
    """An address that a line of flows.yaml names, or that a site gives for one.

    Attributes:
        party: As flows.yaml calls it.
        own_node: Whether it is the address of the node that the source is on: no policy closes it.
    """

    party: str
    protocol: str
    address: str
    port: int
    own_node: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One target of one source.

    Attributes:
        opens: Whether it must get through; None: a control, which shows that the target is alive.
        line: The line of flows.yaml that says so; empty: none declares it.
        token: What the target must say; empty: it says nothing of its own.
    """

    source: Stand
    target: Target
    kind: Kind
    party: str
    opens: bool | None
    line: str = ""
    token: str = ""
    own_node: bool = False

    def __str__(self) -> str:
        to = self.target
        where = to.name if self.kind is Kind.NAME else f"{to.address}:{to.port}" if to.port else to.address
        return f"{self.source.party} -> {self.party} ({self.kind} {where} {to.protocol})"


@dataclass(frozen=True, slots=True)
class Sink:
    """A sink that runs, and in the end what it reported.

    Attributes:
        addresses: Of its pod.
        service: Address of a Service that leads to it; empty: none.
        report: What its message says; empty where none came.
    """

    stand: Stand
    token: str
    ports: tuple[tuple[str, int], ...]
    addresses: tuple[str, ...]
    service: str = ""
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A source that ran, by its report."""

    stand: Stand
    report: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        alive: Whether its target was seen alive by anybody.
    """

    trial: Trial
    verdict: Verdict
    said: str
    alive: bool = True

    def __str__(self) -> str:
        return f"{self.verdict.name.replace('_', ' ')} {self.trial}: {self.said}"


def stands(flows: Flows, accounts: frozenset[tuple[str, str]], namespaces: frozenset[str]) -> tuple[list[Stand], list[str]]:
    """The parties that probes stand in for, and those that are not there.

    Args:
        flows: Parties of flows that count, and of forbidden lines.
        accounts: (namespace, name) of each ServiceAccount.
        namespaces: Those that are there.
    """
    found: dict[tuple[str, str], Stand] = {}
    absent: dict[str, None] = {}
    for party in _parties(flows):
        for pods in party.pods:
            one = Stand(party.name, pods.namespace, dict(party.plain))
            inside = pods.namespace in flows.namespaces
            if not pods.namespace or party.name in flows.zones or not (inside or not party.plain):
                continue
            if pods.namespace not in namespaces or (pods.namespace, one.account) not in accounts:
                absent[f"{party.name}: namespace '{pods.namespace}' has no ServiceAccount '{one.account}'"] = None
            else:
                found.setdefault((party.name, pods.namespace), one)
    return list(found.values()), list(absent)


def _parties(flows: Flows) -> Iterator[Party]:
    for flow in (*flows.flows, *flows.forbidden):
        yield flow.source
        yield flow.target


def ports_of(flows: Flows) -> tuple[tuple[str, int], ...]:
    """What every sink listens on: each declared port between pods by TCP and by UDP, and one that nobody declares."""
    numbers = {one.low for flow in flows.flows if flow.target.pods for one in flow.ports or ()}
    return tuple((protocol, number) for protocol in ("TCP", "UDP") for number in sorted({*numbers, UNDECLARED}))


class _Numbered:
    """Gives targets their numbers and nonces."""

    def __init__(self, words: Iterator[str]) -> None:
        self._words, self._next = words, 0

    def target(self, protocol: str, address: str = "", port: int = 0, name: str = "") -> Target:
        self._next += 1
        nonce = next(self._words) if protocol in ("TCP", "UDP") else ""
        return Target(self._next, protocol, address, port, nonce, name)


def plan(source: Stand, sinks: Sequence[Sink], places: Iterable[Place], flows: Flows, words: Iterator[str]) -> list[Trial]:
    """Everything that one source tries.

    Args:
        source: Who tries.
        sinks: Those that run, its own party's among them.
        places: Addresses and names.
        flows: Say what must be open.
        words: Random words of 16 letters, for nonces.
    """
    numbered, zones = _Numbered(words), flows.namespaces
    made = []
    for sink in sinks:
        outside = source.namespace not in zones and sink.stand.namespace not in zones
        for kind, addresses in ((Kind.POD, sink.addresses), (Kind.SERVICE, (sink.service,) if sink.service else ())):
            for address in addresses:
                for protocol, port in sink.ports:
                    flow = None if outside else _declared(flows, source, sink.stand, protocol, port)
                    opens = None if outside else flow is not None
                    target = numbered.target(protocol, address, port)
                    line = flow.place if flow else _forbidding(flows, source, sink.stand)
                    made.append(Trial(source, target, kind, sink.stand.party, opens, line, sink.token))
    for place in places:
        flow = _to_place(flows, source, place)
        kind = Kind.DNS if place.protocol == "DNS" else Kind.NAME if place.protocol == "NAME" else Kind.ADDRESS
        opens = None if source.namespace not in zones else flow is not None
        target = numbered.target(place.protocol, place.address, place.port, place.name)
        line = flow.place if flow else _forbidding_place(flows, source, place)
        made.append(Trial(source, target, kind, place.party, opens, line, own_node=place.own_node))
    return made


def _is(party: Party, stand: Stand) -> bool:
    return any(pods.namespace in ("", stand.namespace) and pods.pods.matches(stand.labels) for pods in party.pods)


def _has(flow: Flow, protocol: str, port: int) -> bool:
    return any(one.protocol == protocol and one.low <= port <= one.high for one in flow.ports or ())


def _declared(flows: Flows, source: Stand, target: Stand, protocol: str, port: int) -> Flow | None:
    return next(
        (one for one in flows.flows if _is(one.source, source) and _is(one.target, target) and _has(one, protocol, port)), None
    )


def _forbidding(flows: Flows, source: Stand, target: Stand) -> str:
    return next((one.place for one in flows.forbidden if _is(one.source, source) and _is(one.target, target)), "")


def _to_place(flows: Flows, source: Stand, place: Place) -> Flow | None:
    protocol, port = ("UDP", 53) if place.protocol in ("DNS", "NAME") else (place.protocol, place.port)
    for one in flows.flows:
        if _is(one.source, source) and one.target.name == place.party and _has(one, protocol, port):
            return one
    return None


def _forbidding_place(flows: Flows, source: Stand, place: Place) -> str:
    named = (one for one in flows.forbidden if one.target.name == place.party and _is(one.source, source))
    return next((one.place for one in named), "")


# --- what came of it ----------------------------------------------------------------------------------------------------


def judge(trials: Sequence[Trial], sinks: Sequence[Sink], sources: Sequence[Source]) -> list[Outcome]:
    """The verdict of each trial but controls: passed is PROVEN, failed REFUTED; where the target was not seen alive NO PROOF."""
    seen = _Seen(trials, sinks, {one.stand: one.report for one in sources})
    return [Outcome(one, *seen.verdict(one), alive=seen.is_alive(one)) for one in trials if one.opens is not None]


class _Seen:
    """What sources and sinks reported, by trial."""

    def __init__(self, trials: Sequence[Trial], sinks: Sequence[Sink], reports: Mapping[Stand, Mapping[str, object]]) -> None:
        self.reports = reports
        self.sinks = {one.token: one for one in sinks}
        self.nonces = {str(word) for one in sinks for word in _list(one.report, "seen")}
        self.alive = {self._key(one) for one in trials if one.opens is None and self.through(one) is not None}

    @staticmethod
    def _key(one: Trial) -> tuple[str, str, int, str]:
        return one.target.protocol, one.target.address, one.target.port, one.target.name

    def through(self, one: Trial) -> tuple[int, str] | None:
        """Milliseconds and what the target said; -1 where the sink saw it and its answer did not come back; None: it did not get through."""
        got = self.reports.get(one.source, {}).get("got")
        entry = got.get(str(one.target.number)) if isinstance(got, dict) else None
        if entry is not None:
            return int(entry[0]), str(entry[1])
        return (-1, "") if one.target.nonce in self.nonces and one.target.nonce else None

    def verdict(self, one: Trial) -> tuple[Verdict, str]:
        report, through = self.reports.get(one.source), self.through(one)
        if not report or (through is None and not _was_tried(one, report)):
            return Verdict.NO_PROOF, "its source came to no attempt" if report else "its source reported nothing"
        if one.opens:
            return self._must_open(one, through)
        if through is None:
            return self._must_close(one, report)
        milliseconds, said = through
        if one.own_node:
            return Verdict.NO_PROOF, "it is the source's own node, which no policy has to close"
        if one.token and said and said != one.token:
            return Verdict.NO_PROOF, "somebody else answers there"
        when = "its packets arrived" if milliseconds < 0 else f"it got through after {milliseconds} ms"
        return Verdict.REFUTED, f"{when}, and no flow declares it"

    def _must_open(self, one: Trial, through: tuple[int, str] | None) -> tuple[Verdict, str]:
        if through is not None:
            milliseconds, said = through
            if one.token and said != one.token:
                return Verdict.REFUTED, "somebody else answers there" if said else "no answer comes back"
            return Verdict.PROVEN, f"open after {milliseconds} ms"
        if one.token and not self.is_alive(one):
            return Verdict.NO_PROOF, "its sink did not answer itself"
        return Verdict.REFUTED, "it does not get through, and it is declared"

    def _must_close(self, one: Trial, report: Mapping[str, object]) -> tuple[Verdict, str]:
        if one.token:
            sink = self.sinks[one.token]
            if not self.is_alive(one):
                return Verdict.NO_PROOF, "its sink did not answer itself: a dead one is no closed one"
            if not _within(report, sink.report):
                return Verdict.NO_PROOF, "its sink was not there all the while"
            if sink.report.get("lost"):
                return Verdict.NO_PROOF, "its sink was told more than its message holds"
            return Verdict.PROVEN, "closed from the first moment to the last"
        if self.is_alive(one):
            return Verdict.PROVEN, "closed from the first moment to the last"
        return Verdict.NO_PROOF, "a pod without policies does not reach it either: whether it is alive is not known"

    def is_alive(self, one: Trial) -> bool:
        """Whether its sink answered itself; or, of an address, whether somebody reached it whom no policy binds, or this source did."""
        if not one.token:
            return self._key(one) in self.alive or self.through(one) is not None
        sink = self.sinks.get(one.token)
        return sink is not None and f"{one.target.protocol}{one.target.port}" in _list(sink.report, "alive")


def _was_tried(one: Trial, report: Mapping[str, object]) -> bool:
    """Whether the source says how its attempts ended that did not get through."""
    ends = report.get("not")
    return isinstance(ends, dict) and any(one.target.number in _list(ends, how) for how in ends)


def _list(report: Mapping[str, object], key: str) -> list[object]:
    found = report.get(key)
    return found if isinstance(found, list) else []


def _within(inner: Mapping[str, object], outer: Mapping[str, object]) -> bool:
    times = [report.get(key) for report, key in ((outer, "from"), (inner, "from"), (inner, "to"), (outer, "to"))]
    numbers = [one for one in times if isinstance(one, float | int)]
    return len(numbers) == len(times) and numbers == sorted(numbers)
