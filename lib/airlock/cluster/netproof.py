"""Whether exactly the declared flows exist: the proof over the network. Called by `prove`.

For every pod that is or may come to be in a zone, and every other end: what policies may permit must be declared, what is declared must
surely be permitted, and no rule may be there without need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from airlock.cluster.addresses import NOWHERE
from airlock.cluster.claim import Claim, sides
from airlock.cluster.excess import Excess, shown
from airlock.cluster.findings import Finding, Path, Verdict
from airlock.cluster.flows import Flow, Flows, Party
from airlock.cluster.future import TooManyKindsError
from airlock.cluster.model import Model, bits
from airlock.cluster.needed import needless
from airlock.cluster.ports import NamedPort, PortRange
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.rules import Action, Direction, Pods, Rule, Tier
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
        proof = Proof(Claim(zone_model(resources, flows, services), flows), services)
    except TooManyKindsError as error:
        return [Finding(Verdict.NO_PROOF, "network.too-many-kinds", str(error), next_step="Select by fewer labels")], []
    return list(proof.findings()), list(proof.paths())


@dataclass(frozen=True)
class Proof:
    """A claim, asked for what stands against it."""

    claim: Claim
    services: tuple[Behind, ...] = ()

    @property
    def model(self) -> Model:
        """What it is about."""
        return self.claim.model

    @property
    def flows(self) -> Flows:
        """What it says."""
        return self.claim.flows

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
        yield from self._host_peers()
        yield from self._undeclared()
        yield from self._behind()
        yield from self._closed()
        yield from needless(self.claim)

    def _hosts(self) -> Iterator[Finding]:
        for index in bits(self.claim.zone_classes):
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

    def _host_peers(self) -> Iterator[Finding]:
        """Pods on their node's network with the labels of a rule's peers: to some plugins they are such a peer, and the node with them (T10)."""
        told: set[Ref] = set()
        for policy in self.model.policies:
            if self.model.select(policy.subject) & self.claim.zone_classes:
                for rule in policy.rules:
                    named = (peer.pods for peer in rule.peers or () if peer.pods is not None and rule.action is Action.ALLOW)
                    for pods in named:
                        for index in bits(
                            self.model.select(pods, hosts=True) & self.claim.host_classes & ~self.claim.zone_classes
                        ):
                            yield from self._host_peer(rule, self.model.classes[index].workloads, told)

    def _host_peer(self, rule: Rule, workloads: Iterable[Ref], told: set[Ref]) -> Iterator[Finding]:
        for where in workloads:
            if where not in told:
                told.add(where)
                what = f"is on its node's network and has the labels of a peer of {rule}: to some plugins the node is that peer then"
                step = "Take hostNetwork out, or select by a label that it has not"
                yield Finding(Verdict.NO_PROOF, "network.host-peer", what, where, "spec.hostNetwork", step)

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
                finding = excess.finding(self.model, doubtful=doubtful)
                yield replace(finding, next_step="; ".join([finding.next_step, *self._hints(excess)]))

    def _hints(self, excess: Excess) -> Iterator[str]:
        """Flows that would declare some of it, and do not count. The model is not cut for them: a hint changes no verdict."""
        for flow in self.flows.waiting:
            atoms = list(bits(self.claim.mask(flow.ports)))
            for own, direction, other in sides(flow):
                classes, ends = self.claim.classes(own), self.claim.ends(other)
                found = (rows for index, rows in excess.ends.items() if direction is excess.direction and classes >> index & 1)
                if any(rows.get(atom, 0) & ends for rows in found for atom in atoms):
                    yield flow.waits
                    break

    def _excesses(self, direction: Direction) -> Iterator[Excess]:
        """What each class's own side permits beyond what is declared. Surely open is what the other side permits as well; what is closed there
        alone is closed by policies that others may change.
        """
        # Host-network pods are their node's address, and that is asked for as such.
        passed_over = self._inside | self.model.faces_of(self.claim.host_classes)
        for index in bits(self.claim.zone_classes & ~self.claim.host_classes):
            declared = self.claim.declared[direction].get(index, self.claim.nothing)
            upper, lower = self.claim.upper.row(index, direction), self.claim.lower.row(index, direction)
            for atom, ends in enumerate(upper):
                beyond = ends & ~declared[atom] & ~passed_over
                if beyond:
                    sure = beyond & lower[atom]
                    if sure & self.model.faces:
                        sure &= self.model.outside | self.claim.lower.agreeing(index, atom, direction)
                    for part, certain in ((sure, True), (beyond & ~sure, False)):
                        yield from self._by_rule(index, atom, part, direction, certain=certain)

    def _by_rule(self, index: int, atom: int, ends: int, direction: Direction, *, certain: bool) -> Iterator[Excess]:
        """Which rule lets each end through, in the order in which rules are asked; None: that no rule stands against it."""
        for tier in Tier:
            passed = 0
            for _, rule, own in (one for one in self.claim.upper.takers(index, direction, atom) if one[0] is tier):
                taken = ends & own
                if taken and rule.action is Action.ALLOW:
                    yield Excess(direction, rule, certain, {index: {atom: taken}})
                if rule.action is not Action.DENY:  # what a rule denies for sure is not among the ends
                    passed |= taken if rule.action is Action.PASS else 0
                    ends &= ~taken
            ends |= passed
        if ends:
            yield Excess(direction, None, certain, {index: {atom: ends}})

    def _behind(self) -> Iterator[Finding]:
        """Services whose address may be reached, and what is behind them is not declared."""
        for one in self.services:
            for index in bits(self.claim.zone_classes & ~self.claim.host_classes):
                way, behind = self._undeclared_behind(one, index)
                if behind is not None:
                    what = shown(self.model, next(bits(behind))) if behind else "addresses that nobody knows"
                    yield Finding(
                        Verdict.NO_PROOF,
                        "network.service",
                        f"{self.model.classes[index]} may reach {way}, and behind it is {what}, which no flow declares",
                        one.ref,
                        next_step="Declare what is behind it, or let flows go to pods by their labels",
                    )
                    break

    def _undeclared_behind(self, one: Behind, index: int) -> tuple[str, int | None]:
        """How a class may reach a Service, and the ends behind it that no flow of the class declares; 0: nobody knows which; None: none."""
        row = self.claim.upper.leaving(index)
        pods = self.model.select(one.pods) if one.pods else 0
        own = self.claim.surely(one.addresses)
        if any(ends & own for ends in row):
            found = self._led_to(one, [bool(ends & own) for ends in row], pods, index, coming=True)
            return "its address", found or (None if pods or one.endpoints else 0)
        opened = [self._opens(ends, one, pods) for ends in row]
        if any(opened):
            # A name of a port is asked of the pods that are there: what one that comes may call so is open for it under its number.
            found = self._led_to(one, opened, pods, index, coming=False)
            return "its pods, and so with some network plugins its address", found or None
        return "", None

    def _opens(self, ends: int, one: Behind, pods: int) -> bool:
        """Whether some plugins open the address of a Service where these ends are open: any of its pods, or, where it selects none, all of its
        namespace (aws/amazon-network-policy-controller-k8s, pkg/resolvers/endpoints.go).
        """
        if one.pods is not None:
            return bool(ends & self.model.faces_of(pods))
        every = self.model.select(Pods(one.ref.namespace))
        size = self.model.count
        return bool(every) and not every & ~(ends | ends >> size)

    def _led_to(self, one: Behind, opened: Sequence[bool], pods: int, index: int, *, coming: bool) -> int:
        """Undeclared ends behind a Service, of which these bits of the ports are open: its endpoints, and ports of its pods that it leads to."""
        declared = self.claim.declared[Direction.EGRESS].get(index, self.claim.nothing)
        found = 0
        for addresses, ports in one.endpoints:
            ends = self.claim.surely(addresses)
            for atom in bits(self.claim.mask(ports)):
                found |= ends & ~declared[atom]
        for port, target in one.ports:
            if any(opened[atom] for atom in bits(self.model.ports.mask(port))):
                for mask, classes in self._meant(target, coming=coming):
                    for atom in bits(mask):
                        found |= self.model.faces_of(pods & classes) & ~declared[atom]
        return found

    def _meant(self, port: PortRange | NamedPort, *, coming: bool) -> Iterator[tuple[int, int]]:
        """(mask, classes with which a port means that mask); of pods that do not exist yet a name may mean any port."""
        if isinstance(port, PortRange):
            yield self.model.ports.mask(port), (1 << self.model.count) - 1
        else:
            masks, unknown = self.model.named(port)
            yield from masks.items()
            if coming:
                yield self.claim.mask([PortRange(port.protocol)]), unknown

    def _closed(self) -> Iterator[Finding]:
        """Declared flows that are not surely open, and forbidden ones that are declared as well."""
        for flow in self.flows.flows:
            missing = next(self.claim.shut(flow, self.claim.lower), None)
            if missing is not None:
                index, direction, lacking = missing
                one = self.model.classes[index]
                verb = "send to" if direction is Direction.EGRESS else "be reached from"
                what = f"no {direction.lower()} rule lets {one} {verb} {shown(self.model, lacking)}"
                yield Finding(
                    self.claim.surely_refuted,
                    "network.flow-closed",
                    f"the declared flow {flow} is not open: {what}",
                    Ref("Namespace", "", one.namespace),
                    next_step=f"Add the rule, or take the flow out of {flow.place}",
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
                        next_step=f"Take one of them out: {flow.place}, {other.place}",
                    )

    def paths(self) -> Iterator[Path]:
        """Declared flows that leave their zone, each with the rule that opens it at its source."""
        for flow in self.flows.flows:
            zones = {self._zone_of(pods.namespace) for pods in flow.source.pods} - {""}
            ends = self.claim.plain_ends(flow.target)
            inside = {self._zone_of(pods.namespace) for pods in flow.target.pods}
            for zone in sorted(zones - inside):
                rule = next(self._openers(flow, ends), None)
                if rule is not None:
                    more = "; what is there can pass bytes on, to whom no policy says" if flow.channel else ""
                    yield Path(
                        zone, "flow", rule.policy, f"{rule.direction.lower()} rule {rule.index}", f"{flow}{more}", flow.why
                    )

    def _openers(self, flow: Flow, ends: int) -> Iterator[Rule]:
        for index in self.claim.plain(flow.source):
            for atom in bits(self.claim.mask(flow.ports)):
                yield from (
                    excess.rule
                    for excess in self._by_rule(index, atom, ends, Direction.EGRESS, certain=True)
                    if excess.rule is not None
                )

    def _zone_of(self, namespace: str) -> str:
        return next((zone for zone, names in self.flows.zones.items() if namespace in names), "")

    def _overlap(self, one: Party, other: Party) -> bool:
        return bool(self.claim.ends(one) & self.claim.ends(other))

    @cached_property
    def _inside(self) -> int:
        """Stretches of addresses that only pods have: what goes there is asked of the pods."""
        return self.claim.surely(self.model.site.pods or NOWHERE)


def _narrower(flow: Flow, other: Flow) -> bool:
    """Whether a flow is declared as an exception: to some of the addresses that another line forbids, or from some of them."""
    pairs = ((flow.source.addresses, other.source.addresses), (flow.target.addresses, other.target.addresses))
    return any(bool(own) and own <= whole and own != whole for own, whole in pairs)
