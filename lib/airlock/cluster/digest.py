"""One digest of all objects that a proof stands on: equal as long as nothing of it has changed, in files and in a cluster alike. Called by `prove`.

It is of what objects mean: policies as the model reads them, rights as RBAC gives them, guards by their own digests. What an API server fills in,
who applied them and when is not part of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from airlock.cluster.flows import Flows
from airlock.cluster.network import namespace_labels
from airlock.cluster.pinned import guard_digests
from airlock.cluster.rbac import all_held, within
from airlock.cluster.resources import Resources
from airlock.cluster.zonemodel import concerned_policies

__all__ = ["objects_digest"]


def objects_digest(resources: Resources, flows: Flows) -> str:
    """SHA-256, in hexadecimal, of what a claim stands on.

    Policies that may select pods of a zone, labels of the zones' namespaces, rights in them that are not the platform's, and guards with their
    parameters.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    inside = frozenset(flows.namespaces)
    labels = namespace_labels(resources)
    held = within(all_held(resources)[0], flows.namespaces)
    rights = {
        (str(one.subject), one.power, one.namespace)
        for one in held
        if not any(entry.covers(one.subject, inside) for entry in flows.platform)
    }
    said = {
        "policies": sorted(_text(one) for one in concerned_policies(resources, flows)),
        "namespaces": {name: dict(labels.get(name, {})) for name in flows.namespaces},
        "rights": sorted(rights),
        "guards": sorted(guard_digests(resources, flows.guards)),
    }
    return hashlib.sha256(_text(said).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, sets as sorted lists: the same text for the same meaning."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
