"""The reachability model asked one connection at a time, in the terms of the brute-force evaluator. For the tests that compare the two."""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import ip_address

from tests.cluster.oracle import Address, Pod
from tests.cluster.policysets import WORKLOAD
from tests.cluster.probes import Probe

from airlock.cluster.addresses import parse_addresses
from airlock.cluster.model import Site, bits
from airlock.cluster.network import network
from airlock.cluster.reach import Reach
from airlock.cluster.resources import Ref, Resources


class Model:
    """Answers of the model: what may be permitted (`upper`), and what surely is (`lower`)."""

    def __init__(self, resources: Resources, site: Site) -> None:
        self.model = network(resources, site)
        self.upper, self.lower = Reach(self.model, upper=True), Reach(self.model, upper=False)
        self._outside = list(bits(self.model.outside))
        self._classes = {ref: place for place, each in enumerate(self.model.classes) for ref in each.workloads}

    def allowed(self, probe: Probe, *, upper: bool) -> bool:
        """Whether both sides permit it."""
        reach = self.upper if upper else self.lower
        port = next(
            place
            for place, each in enumerate(self.model.ports.atoms)
            if each.protocol == probe.protocol and each.low <= probe.port <= each.high
        )
        source, destination = self._end(probe.source, probe.source_ip), self._end(probe.destination, probe.destination_ip)
        return (isinstance(probe.source, Address) or bool(reach.leaving(self._class(probe.source))[port] & destination)) and (
            isinstance(probe.destination, Address) or bool(reach.entering(self._class(probe.destination))[port] & source)
        )

    def _class(self, pod: Pod) -> int:
        return self._classes[Ref("Deployment" if pod.name == WORKLOAD else "Pod", pod.namespace, pod.name)]

    def _end(self, end: Pod | Address, ip: str) -> int:
        address = ip_address(ip)
        family = 0 if address.version == 4 else 1
        if isinstance(end, Pod):
            return self.model.face(self._class(end), family)
        (place,) = parse_addresses([ip]).intervals
        return 1 << self._outside[bisect_right(self.model.cuts, place[0]) - 1]
