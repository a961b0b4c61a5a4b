"""Reads `flows.yaml`: names turned into what they stand for, with the site's values in them. Called by `doors`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from airlock.cluster import flowshape as shape
from airlock.cluster.addresses import EVERYWHERE, FAMILIES, NOWHERE, Addresses, parse_addresses
from airlock.cluster.findings import Accepted
from airlock.cluster.flows import COMPONENT, Flow, Flows, Party
from airlock.cluster.kinds import MODELLED
from airlock.cluster.model import Site
from airlock.cluster.paths import Platform, Right
from airlock.cluster.pinned import Guard
from airlock.cluster.ports import LAST, PROTOCOLS, PortRange
from airlock.cluster.resources import Resources
from airlock.cluster.rules import Pods
from airlock.cluster.selectors import Requirement, Selector, UnmodelledError
from airlock.errors import ConfigError
from airlock.policy.yaml import Document, Location, read_yaml

__all__ = ["read_flows"]

_SITE = "site:"
_PORTS = re.compile(rf"({'|'.join(PROTOCOLS)})(?: ([0-9]+)(?:-([0-9]+))?)?$")


def read_flows(text: str, name: str, resources: Resources) -> Flows:
    """Read the file and put the site's values in.

    Args:
        text: What the file says.
        name: Its name, for messages.
        resources: Hold the ConfigMap of the site's values, and say which components are there.

    Raises:
        ConfigError: Not such a file, a name that nothing stands for, or a site's value that is not there.
    """
    document = read_yaml(text, name)
    if document.problems:
        raise ConfigError(f"{min(document.problems)}. Correct it")
    try:
        file = shape.FileShape.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        line, column = document.place(first["loc"])
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{name}:{line}:{column}: {place}: {first['msg']}. Correct it") from None
    return _Reader(file, document, resources).read()


class _Reader:
    """Turns names into what they stand for.

    Attributes:
        here: Which part of the file is being read: where an error is.
    """

    def __init__(self, file: shape.FileShape, document: Document, resources: Resources) -> None:
        self.file, self.document = file, document
        self.here: Location = ()
        namespaces = {"", *(name for some in file.zones.values() for name in some)}
        carried = {one.labels.get(COMPONENT) for one in resources if one.namespace in namespaces}
        self.components = sorted(one for one in carried if one is not None)
        self.values: Mapping[str, str] = {}
        if file.site is not None:
            found = resources.find("ConfigMap", file.site.namespace, file.site.config_map)
            self.values = (found.body.get("data") or {}) if found is not None else {}

    def read(self) -> Flows:
        file = self.file
        self._check_zones()
        self.site = self._site(file.addresses)
        self.parties = {name: self._party(name, raw) for name, raw in file.parties.items()}
        for zone, namespaces in file.zones.items():
            if zone in self.parties:
                self.here = ("parties", zone)
                raise self._wrong(f"'{zone}' is a zone and a party. Rename the party")
            self.parties[zone] = Party(zone, tuple(Pods(one) for one in namespaces))
        flows = [self._line(("flows", index), one) for index, one in enumerate(file.flows)]
        forbidden = [self._forbidden(("forbidden", index), one) for index, one in enumerate(file.forbidden)]
        rights = [self._right(("rights", index), one) for index, one in enumerate(file.rights)]
        return Flows(
            {zone: tuple(some) for zone, some in file.zones.items()},
            self.site,
            tuple(one for one in flows if not one.waits),
            tuple(forbidden),
            tuple(one for one in rights if not one.waits),
            tuple(found for index, one in enumerate(file.platform) for found in self._platform(("platform", index), one)),
            tuple(found for name, one in file.guards.items() for found in self._guards(name, one)),
            tuple(self._accepted(("accepted", index), one) for index, one in enumerate(file.accepted)),
            tuple(one for one in flows if one.waits),
            tuple(one for one in rights if one.waits),
        )

    def _check_zones(self) -> None:
        self.here = ("zones",)
        if not any(self.file.zones.values()):
            raise self._wrong("there is no zone, so nothing would be proved. Name the namespaces under zones")
        zone_of: dict[str, str] = {}
        for zone, namespaces in self.file.zones.items():
            self.here = ("zones", zone)
            if not namespaces:
                raise self._wrong(f"zone '{zone}' has no namespace: nothing would be proved of it. Name one, or take it out")
            for index, name in enumerate(namespaces):
                self.here = ("zones", zone, index)
                if name in zone_of:
                    raise self._wrong(
                        f"namespace '{name}' is in zone '{zone_of[name]}' already; each may stand once. Correct it"
                    )
                zone_of[name] = zone

    def _line(self, location: Location, one: shape.FlowShape) -> Flow:
        """A flow; the names in it are checked whether it counts or not."""
        self.here = location
        if one.ports is None:
            raise self._wrong(f"flow {one.source} -> {one.target} without ports. List them: [TCP 7070]")
        found = self._flow(location, one)
        for key, party in (("from", found.source), ("to", found.target)):
            if not found.waits and not party.pods and not party.addresses:
                self.here = (*location, key)
                raise self._wrong(
                    f"flow {one.source} -> {one.target}: '{party.name}' is nobody. Fill its site value, or take the flow out"
                )
        return found

    def _forbidden(self, location: Location, one: shape.FlowShape) -> Flow:
        self.here = location
        if one.component is not None:
            raise self._wrong(
                f"{one.source} -> {one.target} is forbidden with component '{one.component}' alone, whose name may change. "
                "What is forbidden is so whatever is there: take 'with' out"
            )
        return self._flow(location, one)

    def _flow(self, location: Location, one: shape.FlowShape) -> Flow:
        self._require_why(f"flow {one.source} -> {one.target}", one.why)
        self.here = (*location, "from")
        source = self._named(one.source)
        self.here = (*location, "to")
        target = self._named(one.target)
        ports = None if one.ports is None else tuple(self._ports(location, index, port) for index, port in enumerate(one.ports))
        self.here = location
        return Flow(source, target, ports, one.why, one.channel, self._place(), self._waits(one.component))

    def _right(self, location: Location, one: shape.RightShape) -> Right:
        self.here = location
        try:
            found = Right.parse(one.subject, one.may, one.namespace, one.why)
        except ConfigError as error:
            raise self._wrong(str(error)) from None
        return replace(found, place=self._place(), waits=self._waits(one.component))

    def _accepted(self, location: Location, one: shape.AcceptedShape) -> Accepted:
        self.here = location
        self._require_why(f"accepted {one.kind}", one.why)
        if not one.name and one.kind in {kind for _, kind in MODELLED}:
            raise self._wrong(f"accepted: '{one.kind}' is a kind that is modelled, so each is one to look at. Name it")
        return Accepted(one.kind, one.name or "", one.namespace, one.why)

    def _guards(self, name: str, one: shape.GuardShape) -> Iterator[Guard]:
        self.here = ("guards", name, "why")
        self._require_why(f"guard {name}", one.why)
        self.here = ("guards", name, "digest")
        place = self._place()
        for index, bound in enumerate(one.bindings):
            self.here = ("guards", name, "bindings", index)
            namespaces = self._bound_in(name, bound)
            if not self._waits(bound.component):
                yield Guard(name, one.digest, namespaces, bound.parameters, self._says(bound), place, self._says_at(bound))

    def _says(self, bound: shape.BoundShape) -> str:
        found = self._value(bound.says)
        if bound.says and (not bound.parameters or not shape.DIGEST.fullmatch(found)):
            raise self._wrong(f"says '{found}', expected 'sha256:' and 64 hexadecimal digits, of 'parameters'. Correct it")
        return found

    def _says_at(self, bound: shape.BoundShape) -> str:
        key, site = bound.says.removeprefix(_SITE), self.file.site
        if not bound.says.startswith(_SITE) or site is None:
            return self._place()
        return f"'{key}' of ConfigMap {site.namespace}/{site.config_map}"

    def _bound_in(self, name: str, bound: shape.BoundShape) -> tuple[str, ...]:
        """Its namespaces. A slip in `with` would leave a guard out without a word, so the component must be one that rights or flows wait for."""
        waited = {one.component for one in self.file.flows} | {one.component for one in self.file.rights}
        if bound.component is not None and bound.component not in waited:
            raise self._wrong(
                f"guard {name} waits for component '{bound.component}', for which no flow and no right waits. Correct it"
            )
        unknown = next((zone for zone in bound.zones if zone not in self.file.zones), None)
        if unknown is not None:
            raise self._wrong(f"guard {name} in '{unknown}', expected zones: {', '.join(self.file.zones)}. Correct it")
        return tuple(namespace for zone in bound.zones for namespace in self.file.zones[zone])

    def _platform(self, location: Location, one: shape.PlatformShape) -> list[Platform]:
        self.here = location
        try:
            return [Platform(subject, one.why) for subject in self._subjects(one.subject)]
        except ConfigError as error:
            raise self._wrong(str(error)) from None

    def _require_why(self, what: str, why: str) -> None:
        if not why.strip():
            raise self._wrong(f"{what}: expected a reason. Say why")

    def _waits(self, component: str | None) -> str:
        """Why an entry does not count; empty where it does. Most often its component was left out; it may be a slip as well."""
        if component is None or component in self.components:
            return ""
        near = get_close_matches(component, self.components, n=1)
        hint = f" (nearest: '{near[0]}')" if near else ""
        return f"{self._place()} waits for component '{component}', which no object of the zones carries{hint}"

    def _place(self) -> str:
        """File and line of the entry, as findings tell it."""
        return f"{Path(self.document.file).name}:{self.document.place(self.here)[0]}"

    def _named(self, name: str) -> Party:
        if name not in self.parties:
            raise self._wrong(f"'{name}' is neither a party nor a zone. There are: {', '.join(sorted(self.parties))}")
        return self.parties[name]

    def _party(self, name: str, raw: shape.PartyShape) -> Party:
        self.here = ("parties", name)
        if raw.addresses is not None:
            if raw.namespace or raw.namespaces or raw.pods:
                raise self._wrong(f"party '{name}' has addresses and pods. Make two of it")
            found = self._addresses(raw.addresses)
            for one in (self.site.pods, self.site.services, self.site.nodes) if raw.exclude else ():
                found -= one or NOWHERE
            return Party(name, addresses=found)
        given = raw.namespaces if raw.namespaces is not None else raw.namespace
        if given is None:
            raise self._wrong(f"party '{name}' is nobody: give it namespace and pods, or addresses")
        labels = raw.pods or {}
        selector = Selector(frozenset(Requirement(key, "In", frozenset([value])) for key, value in labels.items()))
        namespaces = given if isinstance(given, list) else self._values(given)
        if namespaces == ["*"]:
            return Party(name, (Pods(pods=selector),), labels)
        return Party(name, tuple(Pods(one, pods=selector) for one in namespaces), labels)

    def _site(self, raw: shape.RangesShape) -> Site:
        self.here = ("addresses", "families")
        families = self._values(raw.families) if raw.families else list(FAMILIES)
        unknown = [one for one in families if one not in FAMILIES]
        if unknown or not families:
            raise self._wrong(f"families '{', '.join(unknown)}': expected {' or '.join(FAMILIES)}, or both. Correct it")
        pods, services, nodes = (
            self._range(name, given) for name, given in (("pods", raw.pods), ("services", raw.services), ("nodes", raw.nodes))
        )
        return Site(pods, services, nodes, frozenset(map(FAMILIES.index, families)))

    def _range(self, name: str, text: str | None) -> Addresses | None:
        if text is None:
            return None
        self.here = ("addresses", name)
        found = self._addresses(text)
        if not found:
            raise self._wrong(
                f"addresses.{name} is empty: say which addresses {name} get, or leave the line out where that is not known"
            )
        return found

    def _values(self, text: str) -> list[str]:
        return [one for one in re.split(r"[,\s]+", self._value(text)) if one]

    def _value(self, text: str) -> str:
        """The text, or what the site's ConfigMap says where the text names a key of it."""
        if text.startswith(_SITE):
            key = text.removeprefix(_SITE)
            if key not in self.values:
                at = (
                    f"ConfigMap {self.file.site.namespace}/{self.file.site.config_map}"
                    if self.file.site
                    else "no site's ConfigMap"
                )
                raise self._wrong(
                    f"'{text}' is not known: {at} has no key '{key}'. Give a folder with the site's values, such as an overlay"
                )
            value = self.values[key]
            if not isinstance(value, str):
                raise self._wrong(
                    f"'{text}' is {type(value).__name__} in the site's ConfigMap, expected text. Put it in quotes there"
                )
            return value
        return text

    def _subjects(self, text: str) -> list[str]:
        """Subjects have a blank in them: several are told apart by commas alone."""
        return [one.strip() for one in self._value(text).split(",") if one.strip()]

    def _addresses(self, text: str) -> Addresses:
        try:
            return parse_addresses(self._values(text)) & EVERYWHERE
        except UnmodelledError as error:
            raise self._wrong(f"{error}. Write CIDRs, separated by commas") from None

    def _ports(self, location: Location, index: int, text: str) -> PortRange:
        self.here = (*location, "ports", index)
        protocol, _, number = text.partition(" ")
        if number.startswith(_SITE):
            text = f"{protocol} {' '.join(self._values(number))}"
        found = _PORTS.match(text)
        protocol, low, high = found.groups() if found else ("", None, None)
        ends = (int(low or 1), int(high or low or LAST))
        if not protocol or not 1 <= ends[0] <= ends[1] <= LAST:
            raise self._wrong(f"'{text}' is no port. Write 'TCP 443' or 'TCP 8000-8010'")
        return PortRange(protocol, *ends)

    def _wrong(self, message: str) -> ConfigError:
        line, column = self.document.place(self.here)
        return ConfigError(f"{self.document.file}:{line}:{column}: {message}")
