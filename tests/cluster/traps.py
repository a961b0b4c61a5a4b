"""The traps that policies and their surroundings set, each a file in `traps/` with the truth about it in its head.

The lines of a head that begin with `#:` are YAML. `open`, `closed` and `undecided` list connections ("FROM -> TO PROTOCOL PORT", by either
family where none is added), where an end is namespace/pod or an address. `prove` says what `airlock isolation prove` must find: the
verdict (or one of several), objects that it must name, words that its report must hold. `live` is what no reading of objects can
show, and a probe must. A trap is set in the cluster of `base.yaml`, less what `drop` lists, unless it stands `alone`; `future` are
pods that may come; `parties` and `flows` are declared beside those of `flows.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.oracle import Address, Pod
from tests.cluster.probes import pods_of

FOLDER = Path(__file__).parent / "traps"
KEYS = {"open", "closed", "undecided", "prove", "live", "alone", "drop", "future", "parties", "flows"}


@dataclass(frozen=True)
class Connection:
    """One that is open or closed.

    Attributes:
        family: 4 or 6; None for any.
    """

    source: Pod | Address
    destination: Pod | Address
    protocol: str
    port: int
    family: int | None


@dataclass(frozen=True)
class Trap:
    """One trap, set.

    Attributes:
        about: The sentence that it is about.
        documents: All objects that are there.
        own: Those of them that are not of `base.yaml`.
        flows: What is declared, as `flows.yaml` holds it.
        truth: What its head says.
    """

    name: str
    about: str
    documents: Sequence[Mapping[str, Any]]
    own: Sequence[Mapping[str, Any]]
    flows: Mapping[str, Any]
    truth: Mapping[str, Any]

    def connections(self, state: str) -> list[Connection]:
        """Those that the head lists as open, closed or undecided."""
        ends = {f"{pod.namespace}/{pod.name}": pod for pod in self.pods}
        return [_connection(line, ends) for line in self.truth.get(state, [])]

    @property
    def pods(self) -> list[Pod]:
        """Those that are there, and those that may come."""
        return [*pods_of(self.documents), *(_pod(place, **said) for place, said in self.truth.get("future", {}).items())]

    @property
    def verdicts(self) -> list[str]:
        """What `prove` must find: one of these."""
        said = self.truth.get("prove", {}).get("verdict", [])
        return [said] if isinstance(said, str) else said


def all_traps() -> list[Trap]:
    """Every one, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("T*.yaml"))]


def _read(path: Path) -> Trap:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    truth = yaml.safe_load("\n".join(line.removeprefix("#:")[1:] for line in lines if line.startswith("#:")))
    if set(truth) - KEYS:
        raise ValueError(f"{path.name}: unknown {sorted(set(truth) - KEYS)} in its head")
    own = [each for each in yaml.safe_load_all(text) if each]
    flows = yaml.safe_load((FOLDER / "flows.yaml").read_text(encoding="utf-8"))
    flows = {**flows, "parties": flows["parties"] | truth.get("parties", {}), "flows": flows["flows"] + truth.get("flows", [])}
    documents = own if truth.get("alone") else _set_in_base(own, truth.get("drop", []))
    return Trap(path.stem, lines[0].removeprefix("# "), documents, own, flows, truth)


@cache
def base() -> list[dict[str, Any]]:
    """The objects of `base.yaml`."""
    return [each for each in yaml.safe_load_all((FOLDER / "base.yaml").read_text(encoding="utf-8")) if each]


def _set_in_base(own: list, dropped: Sequence[str]) -> list:
    gone = {ref_of(each) for each in own} | set(dropped)
    if set(dropped) - {ref_of(each) for each in base()}:
        raise ValueError(f"base.yaml has none of {sorted(dropped)}")
    return [each for each in base() if ref_of(each) not in gone] + own


def ref_of(document) -> str:
    """How messages name an object: kind, namespace where it has one, name."""
    metadata = document["metadata"]
    place = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
    return f"{document['kind']} {place}"


def _connection(line: str, ends: Mapping[str, Pod]) -> Connection:
    source, _, rest = line.partition(" -> ")
    destination, protocol, port, *family = rest.split()
    return Connection(_end(source, ends), _end(destination, ends), protocol, int(port), int(family[0][-1]) if family else None)


def _end(text: str, ends: Mapping[str, Pod]) -> Pod | Address:
    return ends[text] if "/" in text else Address(text)


def _pod(place: str, labels, addresses, namespace_labels=None, ports=()) -> Pod:
    namespace, _, name = place.partition("/")
    named = {**(namespace_labels or {}), "kubernetes.io/metadata.name": namespace}
    return Pod(namespace, labels, named, tuple(tuple(each) for each in ports), tuple(addresses), name=name)
