"""Whether exactly the declared flows exist: the proof over the network. Called by `prove`.

For every pod that is or may come to be in a zone, and every other end: what policies may permit must be declared, what is declared must
surely be permitted, and no rule may be there without need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from airlock.cluster.addresses import NOWHERE, Addresses
from airlock.cluster.excess import Excess, shown
from airlock.cluster.findings import Finding, Path, Verdict
from airlock.cluster.flows import Flow, Flows, Party
from airlock.cluster.future import TooManyKindsError
from airlock.cluster.model import Model, bits
from airlock.cluster.ports import NamedPort, PortRange
from airlock.cluster.reach import Reach, Row
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.rules import Action, Direction, Rule, Tier
from airlock.cluster.services import Behind, services_of
from airlock.cluster.zonemodel import zone_model

__all__ = ["Proof", "prove_network"]


def prove_network(resources: Resources, flows: Flows) -> tuple[list[Finding], list[Path]]:
    """What stands against the claim that in the zones exactly the declared flows exist, and those of them that leave a zone.

    Args:
        resources: Objects of any kind; kinds that are not modelled are `paths`' business.
        flows: The claim.
    """
    try:
        services = tuple(services_of(resources, flows.site.services))
        proof = Proof(zone_model(resources, flows, services), flows, services)
    except TooManyKindsError as error:
        return [Finding(Verdict.NO_PROOF, "network.too-many-kinds", str(error), next_step="Select by fewer labels")], []
    return list(proof.findings()), list(proof.paths())


@dataclass(frozen=True)
class Proof:
    """One model, asked about one claim."""

    model: Model
    flows: Flows
    services: tuple[Behind, ...] = ()

    # --- what is found ------------------------------------------------------------------------------------------------

    def findings(self) -> Iterator[Finding]:
        """Everything that stands against the claim, worst first within each kind."""
        for doubt in self.model.doubts:
            yield Finding(
                Verdict.NO_PROOF,
                "network.unmodelled",
                doubt.what,
                doubt.where,
                next_step="Write it in a way that the model knows",
            )
        yield from self._hosts()
        yield from self._undeclared()
        yield from self._behind()
        yield from self._closed()
        yield from self._needless()

    def _hosts(self) -> Iterator[Finding]:
        for index in bits(self.zone_classes):
            one = self.model.classes[index]
            if one.host_network:
                for where in one.workloads:
                    yield Finding(
                        Verdict.REFUTED,
                        "network.host-network",
                        "is on its node's network, where no NetworkPolicy applies: it reaches every address, and every address reaches it",
                        where,
                        "spec.hostNetwork",
                        "Take hostNetwork out",
                    )

    def _undeclared(self) -> Iterator[Finding]:
        """Connections that may exist and are not declared, one finding for each rule (or lack of one) that opens some."""
        found: dict[tuple[object, ...], Excess] = {}
        for direction in Direction:
            for excess in self._excesses(direction):
                (index,) = excess.ends
                namespace = self.model.classes[index].namespace if excess.rule is None else ""
                before = found.setdefault((direction, excess.rule, namespace, excess.certain), excess)
                if before is not excess:
                    before.join(excess)
        doubtful = bool(self.model.doubts)
        for (*where, certain), excess in found.items():
            if certain or (*where, True) not in found:
                yield excess.finding(self.model, doubtful=doubtful)

    def _excesses(self, direction: Direction) -> Iterator[Excess]:
        """What each class's own side permits beyond what is declared. Surely open is what the other side permits as well; what is closed there
        alone is closed by policies that others may change.
        """
        # Host-network pods are their node's address, and that is asked for as such.
        passed_over = self._inside | self.model.faces_of(self._host_classes)
        for index in bits(self.zone_classes & ~self._host_classes):
            declared = self._declared_rows[direction].get(index, self._nothing)
            upper, lower = self._row(self.upper, index, direction), self._row(self.lower, index, direction)
            for atom, ends in enumerate(upper):
                beyond = ends & ~declared[atom] & ~passed_over
                if beyond:
                    sure = beyond & lower[atom]
                    if sure & self.model.faces:
                        sure &= self.model.outside | self.lower.agreeing(index, atom, direction)
                    for part, certain in ((sure, True), (beyond & ~sure, False)):
                        yield from self._by_rule(index, atom, part, direction, certain=certain)

    def _by_rule(self, index: int, atom: int, ends: int, direction: Direction, *, certain: bool) -> Iterator[Excess]:
        """Which rule lets each end through, in the order in which rules are asked; None: that no rule stands against it."""
        for tier in Tier:
            passed = 0
            for _, rule, own in (one for one in self.upper.takers(index, direction, atom) if one[0] is tier):
                taken = ends & own
                if taken and rule.action is Action.ALLOW:
                    yield Excess(direction, rule, certain, {index: {atom: taken}})
                if rule.action is not Action.DENY:  # what a rule denies for sure is not among the ends
                    passed |= taken if rule.action is Action.PASS else 0
                    ends &= ~taken
            ends |= passed
        if ends:
            yield Excess(direction, None, certain, {index: {atom: ends}})

    @staticmethod
    def _row(reach: Reach, index: int, direction: Direction) -> Row:
        return reach.leaving(index) if direction is Direction.EGRESS else reach.entering(index)

    def _behind(self) -> Iterator[Finding]:
        """Services whose address may be reached, and what is behind them is not declared."""
        for one in self.services:
            for index in bits(self.zone_classes & ~self._host_classes):
                behind = self._undeclared_behind(one, index)
                if behind is not None:
                    what = shown(self.model, next(bits(behind))) if behind else "addresses that nobody knows"
                    yield Finding(
                        Verdict.NO_PROOF,
                        "network.service",
                        f"{self.model.classes[index]} may reach its address, and behind it is {what}, which no flow declares",
                        one.ref,
                        next_step="Declare what is behind it, or let flows go to pods by their labels",
                    )
                    break

    def _undeclared_behind(self, one: Behind, index: int) -> int | None:
        """Ends behind a Service that a class may reach by it, and that no flow of the class declares; 0: nobody knows which; None: none."""
        own, row = self._surely(one.addresses), self.upper.leaving(index)
        declared = self._declared_rows[Direction.EGRESS].get(index, self._nothing)
        if not any(ends & own for ends in row):
            return None
        endpoints, anywhere = self._surely(one.endpoints), 0
        for ends in declared:
            anywhere |= ends
        found = endpoints & ~anywhere
        pods = self.model.select(one.pods) if one.pods else 0
        for port, target in one.ports:
            if any(row[atom] & own for atom in bits(self.model.ports.mask(port))):
                for mask, classes in self._meant(target):
                    for atom in bits(mask):
                        found |= self.model.faces_of(pods & classes) & ~declared[atom]
        return found or (None if pods or endpoints else 0)

    def _meant(self, port: PortRange | NamedPort) -> Iterator[tuple[int, int]]:
        """(mask, classes with which a port means that mask); of pods that do not exist yet a name may mean any port."""
        if isinstance(port, PortRange):
            yield self.model.ports.mask(port), (1 << self.model.count) - 1
        else:
            masks, unknown = self.model.named(port)
            yield from masks.items()
            yield self._mask([PortRange(port.protocol)]), unknown

    def _closed(self) -> Iterator[Finding]:
        """Declared flows that are not surely open, and forbidden ones that are declared as well."""
        for flow in self.flows.flows:
            missing = next(self._shut(flow), None)
            if missing is not None:
                index, direction, what = missing
                verb = "send to" if direction is Direction.EGRESS else "be reached from"
                yield Finding(
                    self._surely_refuted,
                    "network.flow-closed",
                    f"the declared flow {flow} is not open: no {direction.lower()} rule lets {self.model.classes[index]} {verb} {what}",
                    Ref("Namespace", "", self.model.classes[index].namespace),
                    next_step="Add the rule, or take the flow out of flows.yaml",
                )
        for flow in self.flows.forbidden:
            for other in self.flows.flows:
                if (
                    self._overlap(flow.source, other.source)
                    and self._overlap(flow.target, other.target)
                    and not _narrower(other, flow)
                ):
                    yield Finding(
                        Verdict.REFUTED,
                        "network.forbidden",
                        f"{flow} is forbidden ({flow.why}), and {other} is declared",
                        next_step="Take one of them out of flows.yaml",
                    )

    def paths(self) -> Iterator[Path]:
        """Declared flows that leave their zone, each with the rule that opens it at its source."""
        for flow in self.flows.flows:
            zones = {self._zone_of(pods.namespace) for pods in flow.source.pods} - {""}
            ends = self._plain_ends(flow.target)
            inside = {self._zone_of(pods.namespace) for pods in flow.target.pods}
            for zone in sorted(zones - inside):
                rule = next(self._openers(flow, ends), None)
                if rule is not None:
                    more = "; what is there can pass bytes on, to whom no policy says" if flow.channel else ""
                    yield Path(
                        zone, "flow", rule.policy, f"{rule.direction.lower()} rule {rule.index}", f"{flow}{more}", flow.why
                    )

    def _openers(self, flow: Flow, ends: int) -> Iterator[Rule]:
        for index in self._plain(flow.source):
            for atom in bits(self._mask(flow.ports)):
                yield from (
                    excess.rule
                    for excess in self._by_rule(index, atom, ends, Direction.EGRESS, certain=True)
                    if excess.rule is not None
                )

    def _zone_of(self, namespace: str) -> str:
        return next((zone for zone, names in self.flows.zones.items() if namespace in names), "")

    def _shut(self, flow: Flow) -> Iterator[tuple[int, Direction, str]]:
        """(class, side, other end) of what a declared flow lacks."""
        mask = self._mask(flow.ports)
        for source, direction, target in (
            (flow.source, Direction.EGRESS, flow.target),
            (flow.target, Direction.INGRESS, flow.source),
        ):
            ends = self._plain_ends(target)
            for index in self._plain(source):
                row = self._row(self.lower, index, direction)
                for atom in bits(mask):
                    lacking = ends & ~row[atom]
                    if lacking and not self._by_one_family(row[atom], ends):
                        yield index, direction, self._shown(next(bits(lacking)))

    def _by_one_family(self, row: int, ends: int) -> bool:
        """Pods are reached where one of their faces is."""
        size = self.model.count
        classes = (ends | ends >> size) & ((1 << size) - 1)
        reached = (row | row >> size) & ((1 << size) - 1)
        return not ends >> (2 * size) and not classes & ~reached

    def _needless(self) -> Iterator[Finding]:
        """Rules of the zones' own policies without which every declared flow would still be open."""
        needed = self._needed
        for policy in self.model.policies:
            if policy.ref.namespace in self.flows.namespaces:
                for rule in policy.rules:
                    if rule not in needed:
                        yield Finding(
                            self._surely_refuted,
                            "network.rule-needless",
                            "no declared flow needs this rule: without it all of them are open",
                            rule.policy,
                            f"{rule.direction.lower()} rule {rule.index}",
                            "Take the rule out, or declare the flow that it is for",
                        )

    @cached_property
    def _needed(self) -> frozenset[Rule]:
        """Rules that alone permit some part of a declared flow."""
        needed: set[Rule] = set()
        for flow in self.flows.flows:
            mask = self._mask(flow.ports)
            for own, direction, other in (
                (flow.source, Direction.EGRESS, flow.target),
                (flow.target, Direction.INGRESS, flow.source),
            ):
                ends = self._plain_ends(other)
                for index in self._plain(own):
                    for atom in bits(mask):
                        needed.update(self._alone(index, atom, ends, direction))
        return frozenset(needed)

    def _alone(self, index: int, atom: int, ends: int, direction: Direction) -> Iterator[Rule]:
        """Rules that take an end which no other rule takes."""
        # Of pods that are isolated the baseline is not asked.
        asked = self.lower.takers(index, direction, atom)
        taken = [(rule, ends & own) for tier, rule, own in asked if tier is not Tier.BASELINE and rule.action is Action.ALLOW]
        once = twice = 0
        for _, own in taken:
            twice |= once & own
            once |= own
        return (rule for rule, own in taken if own & ~twice)

    # --- sets ---------------------------------------------------------------------------------------------------------

    @cached_property
    def upper(self) -> Reach:
        """What may be permitted."""
        return Reach(self.model, upper=True)

    @cached_property
    def lower(self) -> Reach:
        """What surely is."""
        return Reach(self.model, upper=False)

    @property
    def _surely_refuted(self) -> Verdict:
        """Where a policy is not modelled, nothing that it may bear on is certain."""
        return Verdict.NO_PROOF if self.model.doubts else Verdict.REFUTED

    @cached_property
    def zone_classes(self) -> int:
        """Classes in any zone."""
        zones = set(self.flows.namespaces)
        return sum(1 << index for index, one in enumerate(self.model.classes) if one.namespace in zones)

    @cached_property
    def _host_classes(self) -> int:
        return sum(1 << index for index, one in enumerate(self.model.classes) if one.host_network)

    @cached_property
    def _inside(self) -> int:
        """Stretches of addresses that only pods have: what goes there is asked of the pods."""
        return self._surely(self.model.site.pods or NOWHERE)

    def _surely(self, addresses: Addresses) -> int:
        return self.model.addressed(addresses)[0] & self.model.outside

    @cached_property
    def _nothing(self) -> Sequence[int]:
        return [0] * len(self.model.ports.atoms)

    @cached_property
    def _declared_rows(self) -> Mapping[Direction, Mapping[int, list[int]]]:
        found: dict[Direction, dict[int, list[int]]] = {one: {} for one in Direction}
        for flow in self.flows.flows:
            mask = self._mask(flow.ports)
            for own, direction, other in (
                (flow.source, Direction.EGRESS, flow.target),
                (flow.target, Direction.INGRESS, flow.source),
            ):
                ends = self._ends(other)
                for index in bits(self._classes(own)):
                    row = found[direction].setdefault(index, [0] * len(self.model.ports.atoms))
                    for atom in bits(mask):
                        row[atom] |= ends
        return found

    def _mask(self, ports: Iterable[PortRange] | None) -> int:
        space = self.model.ports
        if ports is None:
            return space.every
        mask = 0
        for one in ports:
            mask |= space.mask(one)
        return mask

    def _classes(self, party: Party) -> int:
        found = 0
        for pods in party.pods:
            found |= self.model.select(pods)
        return found

    def _ends(self, party: Party) -> int:
        """All ends that a party's name covers."""
        return self.model.faces_of(self._classes(party)) | self._surely(party.addresses)

    def _plain(self, party: Party) -> list[int]:
        """Classes of a party that are there, and those that have its labels and no others."""
        classes = self.model.classes
        return [
            index for index in bits(self._classes(party)) if classes[index].workloads or classes[index].labels == party.plain
        ]

    def _plain_ends(self, party: Party) -> int:
        return self.model.faces_of(sum(1 << index for index in self._plain(party))) | self._surely(party.addresses)

    def _overlap(self, one: Party, other: Party) -> bool:
        return bool(self._ends(one) & self._ends(other))

    def _shown(self, place: int) -> str:
        return shown(self.model, place)


def _narrower(flow: Flow, other: Flow) -> bool:
    """Whether a flow is declared as an exception: to some of the addresses that another line forbids, or from some of them."""
    pairs = ((flow.source.addresses, other.source.addresses), (flow.target.addresses, other.target.addresses))
    return any(bool(own) and own <= whole and own != whole for own, whole in pairs)
