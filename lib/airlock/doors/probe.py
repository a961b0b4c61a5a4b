"""Flows tried by real connections on a cluster: everything declared must be open, all the rest shut; the result is signed. Called by the command line."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airlock.cluster._shape import mapping, mappings
from airlock.cluster.addresses import short_text
from airlock.cluster.digest import objects_digest
from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import Flow, Flows
from airlock.cluster.live import Cluster, read_cluster
from airlock.cluster.ports import LAST
from airlock.cluster.prober import Probed as RawProbed
from airlock.cluster.prober import Prober, Round
from airlock.cluster.prove import prove
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.trials import CONTROL, Outcome, Place, Stand, judge, stands
from airlock.doors.isolation import read_claim, require_image
from airlock.errors import ConfigError, DriftError
from airlock.evidence.canonical import parse_time, time_text
from airlock.evidence.probed import LiveVerdict, Probed, Proof, Shown
from airlock.evidence.trust import Trust
from airlock.keys.signing import load_signer

__all__ = ["Asked", "Shown", "probe_isolation", "read_probed"]

_KUBELET = 10250
_METADATA_PORT = 80
_WORD: dict[Verdict, LiveVerdict] = {Verdict.PROVEN: "passed", Verdict.REFUTED: "failed", Verdict.NO_PROOF: "no_proof"}
_PROOF: dict[Verdict, Proof] = {Verdict.PROVEN: "proven", Verdict.REFUTED: "refuted", Verdict.NO_PROOF: "no_proof"}
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What a round is asked for.

    Attributes:
        images: `NAME@sha256:...`, and with `NAMESPACE=` before it one for a namespace.
        node: On which node; empty: the only one that there is.
        outside: `ADDRESS:PORT` of something outside the cluster that answers by TCP; empty: nothing outside can be shown shut.
        name_server: Address of a name server outside, asked directly; empty: none is.
        zone: A DNS zone outside of the cluster, under which a random name is asked for.
        hours: How long the result counts.
    """

    images: tuple[str, ...]
    node: str = ""
    outside: str = ""
    name_server: str = ""
    zone: str = "example.org"
    seconds: int = 10
    sink_seconds: int = 70
    hours: float = 24


def probe_isolation(
    flows_file: Path, asked: Asked, key: Path | None, progress: Callable[[str], None]
) -> tuple[Probed, bytes | None]:
    """One round of probes.

    Args:
        flows_file: The claim.
        asked: What to try, and from where.
        key: A private key of role `probe`; None: the result is not signed.
        progress: Is told what is being done.

    Returns:
        The result, and the signed envelope.

    Raises:
        ConfigError: The file can't be read, or there is nothing to try.
        AdmissionError: The cluster refuses an object of the probes.
        DriftError: What the proof stands on changed meanwhile.
        StorageUnavailableError: The cluster does not answer, or pods do not start.
    """
    signer = load_signer(key) if key is not None else None
    began = datetime.now(UTC)
    text, outside = read_claim(flows_file), _outside(asked)
    images = _images(asked.images)
    resources = read_cluster()
    flows = read_flows(text, str(flows_file), resources)
    before, proof = objects_digest(resources, flows), prove(resources, flows).verdict
    node = _node(resources, asked)
    found, absent = _stands(resources, flows, flows_file)
    round_ = Round(images, node.name, asked.seconds, asked.sink_seconds)
    raw = Prober(Cluster(), flows, round_, progress).run(found, list(_places(resources, flows, asked, node, outside)))
    if objects_digest(read_cluster(), flows) != before:
        raise DriftError("policies, rights or guards changed while they were probed: what was seen is of neither. Run it again")
    outcomes = judge(raw.trials, raw.sinks, raw.sources)
    ended = datetime.now(UTC)
    record = Probed(
        verdict=_verdict(outcomes),
        proof=_PROOF[proof],
        node=node.name,
        image=", ".join(asked.images),
        namespaces=flows.namespaces,
        flows_sha256=hashlib.sha256(text.encode()).hexdigest(),
        objects_sha256=before,
        open_trials=sum(one.verdict is Verdict.PROVEN and bool(one.trial.opens) for one in outcomes),
        shut_trials=sum(one.verdict is Verdict.PROVEN and not one.trial.opens for one in outcomes),
        shown=(*_shown(outcomes), *_lifeless(outcomes), *_mute(outcomes), *_lacking(resources, asked, raw), *absent),
        began_at=time_text(began),
        signed_at=time_text(ended),
        expires_at=time_text(ended + timedelta(hours=asked.hours)),
    )
    return record, record.to_envelope(signer) if signer is not None else None


def _images(given: Sequence[str]) -> dict[str, str]:
    """By namespace; of all others by the empty name.

    Raises:
        ConfigError: One is no image by digest, there is none for all, or two are for the same.
    """
    made: dict[str, str] = {}
    for one in given:
        namespace, _, image = one.rpartition("=")
        require_image(image)
        if namespace in made:
            raise ConfigError(
                f"--image names two for {namespace or 'all namespaces'}. Name one, and others as NAMESPACE=NAME@sha256:..."
            )
        made[namespace] = image
    if "" not in made:
        raise ConfigError(
            "--image names none for the namespaces that it does not name. Give one NAME@sha256:... without a namespace"
        )
    return made


def _stands(resources: Resources, flows: Flows, flows_file: Path) -> tuple[list[Stand], list[Shown]]:
    """Parties that are there, and those that are not and so show nothing."""
    accounts = frozenset((one.namespace, one.name) for one in resources.of("ServiceAccount", ""))
    namespaces = frozenset(one.name for one in resources.of("Namespace", ""))
    found, absent = stands(flows, accounts, namespaces)
    if not found:
        raise ConfigError(
            f"no party of {flows_file} is there to be tried: {'; '.join(absent) or 'it names no pods'}. Apply k8s/ first"
        )
    return found, [Shown(tried=one[:500], verdict="no_proof", said="not there") for one in absent]


def read_probed(file: Path, trust: Path | None, now: datetime | None = None) -> tuple[Probed, bool]:
    """A signed result, and whether it counts still.

    Args:
        file: As `probe` wrote it.
        trust: A public key of role `probe`, or a folder with one.
        now: Instead of the clock.

    Raises:
        ConfigError: The file can't be read.
        SignatureError: It is not signed by a trusted key.
        IntegrityError: It is no such result.
    """
    try:
        envelope = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}. Name what 'airlock isolation probe --out' wrote") from None
    found = Probed.parse(envelope, Trust.load(trust))
    return found, (now or datetime.now(UTC)) < parse_time(found.expires_at)


def _verdict(outcomes: Sequence[Outcome]) -> LiveVerdict:
    """The worst; what can't be tried on this cluster at all is told beside it."""
    counted = (one.verdict for one in outcomes if not _is_lifeless(one))
    return _WORD[max(counted, key=lambda one: one.rank, default=Verdict.NO_PROOF)]


def _is_lifeless(one: Outcome) -> bool:
    """Whether nothing is there to be reached, by anybody. An address that was given to be tried has to be alive."""
    return not one.alive and one.trial.party != "outside" and not one.trial.token


def _lifeless(outcomes: Sequence[Outcome]) -> Iterator[Shown]:
    """Each address once that a pod without policies does not reach either: never taken for shut."""
    said = "a pod without policies does not reach it either, so nothing is shown"
    names = (f"{one.trial.party} ({one.trial.target.address or one.trial.kind})" for one in outcomes if _is_lifeless(one))
    yield from (Shown(tried=name, verdict="no_proof", said=said) for name in dict.fromkeys(names))


def _mute(outcomes: Sequence[Outcome]) -> Iterator[Shown]:
    """Sources that reach nobody, as is declared: that their own network works nothing has shown. Their ends as targets have been."""
    talking = {one.trial.source.party for one in outcomes if one.trial.opens and one.verdict is Verdict.PROVEN}
    for party in dict.fromkeys(one.trial.source.party for one in outcomes):
        if party not in talking and party != CONTROL:
            said = "no flow of its own is declared, so that its network works at all is not shown"
            yield Shown(tried=f"{party} as a source", verdict="no_proof", said=said)


def _shown(outcomes: Sequence[Outcome]) -> Iterator[Shown]:
    counted = (one for one in outcomes if one.verdict is not Verdict.PROVEN and not _is_lifeless(one))
    odd = sorted(counted, key=lambda one: -one.verdict.rank)
    for one in odd[:_MOST_SHOWN]:
        yield Shown(tried=str(one.trial)[:500], verdict=_WORD[one.verdict], said=one.said, line=one.trial.line)
    if odd[_MOST_SHOWN:]:
        yield Shown(tried=f"{len(odd) - _MOST_SHOWN:,} more", verdict=_WORD[odd[_MOST_SHOWN].verdict], said="as bad or less")


def _lacking(resources: Resources, asked: Asked, raw: RawProbed) -> Iterator[Shown]:
    """What this cluster, or what was given, leaves untried: never taken for shown."""

    def no(tried: str, said: str) -> Shown:
        return Shown(tried=tried, verdict="no_proof", said=said)

    if not any(":" in address for sink in raw.sinks for address in sink.addresses):
        yield no("IPv6", "pods have no IPv6 address here")
    if len(resources.of("Node", "")) > 1:
        yield no("from node to node", "sinks and sources of a round are on one node; run it on each")
    else:
        yield no("from node to node", "there is one node")
    if not asked.outside:
        yield no("outside", "no address outside was given (--outside)")
    yield no("a foreign bucket", "which buckets a credential reaches is the store's to say: preflight asks it")
    for kind in ("ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"):
        if resources.of(kind, "policy.networking.k8s.io"):
            yield no(kind, "whether this cluster enforces it is not known; what was tried is shown all the same")


def _node(resources: Resources, asked: Asked) -> Resource:
    nodes = {one.name: one for one in resources.of("Node", "")}
    if asked.node and asked.node not in nodes:
        raise ConfigError(f"node '{asked.node}' is not there. Nodes are: {', '.join(sorted(nodes))}")
    if not asked.node and len(nodes) != 1:
        raise ConfigError(
            f"there are {len(nodes)} nodes; each is probed by itself. Name one by --node: {', '.join(sorted(nodes))}"
        )
    return nodes[asked.node] if asked.node else next(iter(nodes.values()))


def _outside(asked: Asked) -> list[Place]:
    """What was given to be tried outside of the cluster."""
    found = []
    if asked.outside:
        address, _, port = asked.outside.rpartition(":")
        if not port.isdecimal() or not 1 <= int(port) <= LAST:
            raise ConfigError(
                f"--outside '{asked.outside}': expected ADDRESS:PORT, as 203.0.113.7:443 or [2001:db8::7]:443. Correct it"
            )
        found.append(Place("outside", "TCP", _address(address.strip("[]"), "--outside"), int(port)))
    if asked.name_server:
        found.append(Place("outside", "DNS", _address(asked.name_server, "--name-server"), 0, name=f"{_random()}.{asked.zone}"))
    return found


def _address(text: str, option: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"{option}: '{text}' is no address: pods of a zone resolve no names. Give an IP address") from None


def _places(resources: Resources, flows: Flows, asked: Asked, own: Resource, outside: Sequence[Place]) -> Iterator[Place]:
    """Addresses and names that lines of flows.yaml speak of."""
    for node in resources.of("Node", ""):
        for address in _addresses_of(node):
            yield Place("nodes", "TCP", address, _KUBELET, own_node=node.name == own.name)
    yield from _of_flows(resources, flows, own)
    for address in ("169.254.169.254", "169.254.170.23"):
        yield Place("metadata", "TCP", address, _METADATA_PORT)
    yield from _of_dns(resources, asked)
    yield from outside


def _of_flows(resources: Resources, flows: Flows, own: Resource) -> Iterator[Place]:
    """The first address of each declared party that is one, at its declared ports: the API server, stores outside, key services."""
    own_addresses = _addresses_of(own)
    told: set[tuple[str, str, int]] = set()
    for flow in flows.flows:
        for address in _first_addresses(flow):
            for port in flow.ports or ():
                key = (flow.target.name, address, port.low)
                if key not in told and port.protocol == "TCP":
                    told.add(key)
                    yield Place(flow.target.name, "TCP", address, port.low, own_node=address in own_addresses)
    yield from _pods_of_flows(resources, flows)


def _first_addresses(flow: Flow) -> list[str]:
    return [short_text(low, low) for low, _ in flow.target.addresses.intervals]


def _pods_of_flows(resources: Resources, flows: Flows) -> Iterator[Place]:
    """Pods that a declared flow goes to and that are no zone's: a Vault, a push gateway, a name server."""
    for flow in flows.flows:
        for pods in flow.target.pods:
            if pods.namespace and pods.namespace not in flows.namespaces and flow.target.plain:
                for one in resources.of("Pod", ""):
                    if one.namespace == pods.namespace and pods.pods.matches(one.labels):
                        address = str(mapping(one.body, "status").get("podIP") or "")
                        for port in flow.ports or () if address else ():
                            if port.protocol == "TCP":
                                yield Place(flow.target.name, "TCP", address, port.low)


def _of_dns(resources: Resources, asked: Asked) -> Iterator[Place]:
    """The cluster's name servers, asked for a random name outside: that they are asked is the channel."""
    for one in resources.of("Service", ""):
        if one.namespace == "kube-system" and one.labels.get("k8s-app") == "kube-dns":
            yield Place("dns", "DNS", str(one.spec.get("clusterIP")), 0, name=f"{_random()}.{asked.zone}")
    yield Place("dns", "NAME", "", 0, name=f"{_random()}.{asked.zone}")


def _addresses_of(node: Resource) -> list[str]:
    entries = mappings(mapping(node.body, "status"), "addresses")
    return [str(one["address"]) for one in entries if str(one.get("type", "")).endswith("IP")]


def _random() -> str:
    return f"airlock-{secrets.token_hex(8)}"
