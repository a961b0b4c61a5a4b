"""What every object has, in the shape that it must have there: looked at once, before anything is read out of it. Called by `pods`."""

from __future__ import annotations

from airlock.cluster._shape import about, mapping, mappings, texts, words
from airlock.cluster.kinds import MODELLED
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.unknown import field_openings

__all__ = ["check_shapes"]


def check_shapes(resources: Resources) -> None:
    """Make sure that metadata are metadata, and specs of the kinds that are looked into are mappings, Services' down to their values.

    Raises:
        ConfigError: The first that is not, with the object and where it was read.
    """
    for one in resources:
        with about(one):
            texts(one.metadata, "labels")
            mapping(one.metadata, "annotations")
            mappings(one.metadata, "ownerReferences")
            if (one.group, one.kind) in MODELLED:
                mapping(one.body, "spec")
                _check_status(one)


def _check_status(one: Resource) -> None:
    if one.group or one.kind not in ("Service", "Pod"):
        return
    status = mapping(one.body, "status")
    if one.kind == "Pod":
        mappings(status, "podIPs")
        return
    mappings(mapping(status, "loadBalancer"), "ingress")
    spec = mapping(one.body, "spec")
    for _ in field_openings(one.ref, "spec", spec, "ServiceSpec"):
        pass
    texts(spec, "selector")
    words(spec, "externalIPs")
