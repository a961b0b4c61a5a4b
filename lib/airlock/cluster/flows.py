"""`flows.yaml`: which flows may exist, which must not, and who may do what. Read by `doors`, held against the model by `prove`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airlock.cluster.addresses import EVERYWHERE, FAMILIES, NOWHERE, Addresses, parse_addresses
from airlock.cluster.model import Site
from airlock.cluster.paths import Platform, Right
from airlock.cluster.ports import LAST, PROTOCOLS, PortRange
from airlock.cluster.resources import Resources
from airlock.cluster.rules import Pods
from airlock.cluster.selectors import Requirement, Selector, UnmodelledError
from airlock.errors import ConfigError
from airlock.policy.yaml import read_yaml

__all__ = ["COMPONENT", "Flow", "Flows", "Party", "bare_flows", "find_flows", "read_flows"]

COMPONENT = "airlock.dev/component"
"""Label of every object that a component brings: its flows count where one of them is there."""

_SITE = "site:"
_PORTS = re.compile(rf"({'|'.join(PROTOCOLS)})(?: ([0-9]+)(?:-([0-9]+))?)?$")
NAME = "flows.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _SiteRef(_Strict):
    namespace: str
    config_map: str = Field(alias="configMap")


class _Ranges(_Strict):
    pods: str | None = None
    services: str | None = None
    nodes: str | None = None
    families: str | None = None


class _Party(_Strict):
    namespace: str | None = None
    namespaces: str | list[str] | None = None
    pods: dict[str, str] | None = None
    addresses: str | None = None
    exclude: Literal["cluster"] | None = Field(None, alias="except")


class _Flow(_Strict):
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    ports: Annotated[list[str], Field(min_length=1)] | None = None
    why: str
    component: str | None = Field(None, alias="with")
    channel: bool = False


class _Right(_Strict):
    subject: str
    may: list[str]
    namespace: str = Field("", alias="in")
    why: str
    component: str | None = Field(None, alias="with")


class _Platform(_Strict):
    subject: str
    why: str


class _File(_Strict):
    api_version: Literal["airlock/v1"] = Field(alias="apiVersion")
    kind: Literal["Flows"]
    site: _SiteRef | None = None
    zones: dict[str, list[str]]
    addresses: _Ranges = _Ranges()
    parties: dict[str, _Party] = {}
    flows: list[_Flow] = []
    forbidden: list[_Flow] = []
    rights: list[_Right] = []
    platform: list[_Platform] = []


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a flow: pods, or addresses.

    Attributes:
        pods: One for each namespace that it is in.
        plain: Labels that a pod of it has at least.
    """

    name: str
    pods: tuple[Pods, ...] = ()
    plain: Mapping[str, str] = field(default_factory=dict)
    addresses: Addresses = NOWHERE


@dataclass(frozen=True, slots=True)
class Flow:
    """One line of the file.

    Attributes:
        ports: None in a forbidden one: any.
        channel: Whether bytes can leave the cluster by it, wherever it goes.
    """

    source: Party
    target: Party
    ports: tuple[PortRange, ...] | None
    why: str
    channel: bool = False

    def __str__(self) -> str:
        ports = "any port" if self.ports is None else ", ".join(map(str, self.ports))
        return f"{self.source.name} -> {self.target.name} ({ports})"


@dataclass(frozen=True, slots=True)
class Flows:
    """A file, with the site's values in it.

    Attributes:
        zones: Namespaces of each.
        flows: Those whose component is there, or that need none.
        rights: Those whose component is there, or that need none.
    """

    zones: Mapping[str, tuple[str, ...]]
    site: Site
    flows: tuple[Flow, ...] = ()
    forbidden: tuple[Flow, ...] = ()
    rights: tuple[Right, ...] = ()
    platform: tuple[Platform, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that are in a zone."""
        return tuple(dict.fromkeys(name for some in self.zones.values() for name in some))


def find_flows(places: Sequence[Path | str]) -> Path | None:
    """The nearest `flows.yaml` in a place or above it."""
    for place in places:
        if str(place) != "-":
            path = Path(place).absolute()
            for folder in (path, *path.parents):
                if (folder / NAME).is_file():
                    return folder / NAME
    return None


def bare_flows(namespaces: Sequence[str]) -> Flows:
    """The claim that nothing goes into or out of namespaces."""
    return Flows({name: (name,) for name in namespaces}, Site())


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
        file = _File.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        line, column = document.place(first["loc"])
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{name}:{line}:{column}: {place}: {first['msg']}. Correct it") from None
    return _Reader(file, name, resources).read()


class _Reader:
    """Turns names into what they stand for."""

    def __init__(self, file: _File, name: str, resources: Resources) -> None:
        self.file, self.name = file, name
        namespaces = {"", *(name for some in file.zones.values() for name in some)}
        self.components = {one.labels.get(COMPONENT) for one in resources if one.namespace in namespaces}
        self.values: Mapping[str, str] = {}
        if file.site is not None:
            found = resources.find("ConfigMap", file.site.namespace, file.site.config_map)
            self.values = (found.body.get("data") or {}) if found is not None else {}

    def read(self) -> Flows:
        file = self.file
        if not any(file.zones.values()):
            raise self._wrong("there is no zone, so nothing would be proved. Name the namespaces under zones")
        self.site = self._site(file.addresses)
        self.parties = {name: self._party(name, raw) for name, raw in file.parties.items()}
        for zone, namespaces in file.zones.items():
            if zone in self.parties:
                raise self._wrong(f"'{zone}' is a zone and a party. Rename the party")
            self.parties[zone] = Party(zone, tuple(Pods(one) for one in namespaces))
        return Flows(
            {zone: tuple(some) for zone, some in file.zones.items()},
            self.site,
            self._lines(file.flows, needs_ports=True),
            self._lines(file.forbidden, needs_ports=False),
            tuple(
                Right.parse(one.subject, one.may, one.namespace, one.why) for one in file.rights if self._counts(one.component)
            ),
            tuple(Platform(subject, one.why) for one in file.platform for subject in self._subjects(one.subject)),
        )

    def _lines(self, raw: Sequence[_Flow], *, needs_ports: bool) -> tuple[Flow, ...]:
        found = []
        for one in raw:
            if one.ports is None and needs_ports:
                raise self._wrong(f"flow {one.source} -> {one.target} without ports. List them: [TCP 7070]")
            if self._counts(one.component):
                ports = None if one.ports is None else tuple(map(self._ports, one.ports))
                source, target = self._named(one.source), self._named(one.target)
                for party in (source, target):
                    if needs_ports and not party.pods and not party.addresses:
                        raise self._wrong(
                            f"flow {one.source} -> {one.target}: '{party.name}' is nobody. Fill its site value, or take the flow out"
                        )
                found.append(Flow(source, target, ports, one.why, one.channel))
        return tuple(found)

    def _counts(self, component: str | None) -> bool:
        return component is None or component in self.components

    def _named(self, name: str) -> Party:
        if name not in self.parties:
            raise self._wrong(f"'{name}' is neither a party nor a zone. There are: {', '.join(sorted(self.parties))}")
        return self.parties[name]

    def _party(self, name: str, raw: _Party) -> Party:
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

    def _site(self, raw: _Ranges) -> Site:
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

    def _ports(self, text: str) -> PortRange:
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
        return ConfigError(f"{self.name}: {message}")
