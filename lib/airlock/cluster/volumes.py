"""What a pod's volumes open: the node reads and writes them, past every NetworkPolicy. Called by `podspec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airlock.cluster._fields import FIELDS
from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.disks import Claim, claim_opening, outside_sources
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["volume_openings", "waiting_volumes"]

_INSIDE = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected"})
"""Kept on the node, or filled from objects of the namespace; tokens in projected ones are `tokens`' business."""
_SOURCES = FIELDS["Volume"].keys() - {"name"}
_SECRETS_STORE = "secrets-store.csi.k8s.io"
_STEP = "Use emptyDir, or keep the data in the zone's store"


def volume_openings(ref: Ref, place: str, spec: Mapping[str, Any], resources: Resources) -> Iterator[Opening]:
    """What the volumes of a pod open.

    Args:
        ref: The object that makes the pod.
        place: Where its spec stands in the object.
        spec: The pod's spec.
        resources: For the claims and volumes that are named.
    """
    for number, volume in enumerate(mappings(spec, "volumes")):
        rule = f"{place}.volumes[{number}]"
        for source in sorted(volume.keys() & _SOURCES - _INSIDE):
            yield _one(ref, f"{rule}.{source}", source, volume, resources)


def _one(ref: Ref, rule: str, source: str, volume: Mapping[str, Any], resources: Resources) -> Opening:
    match source:
        case "hostPath":
            text = "mounts a folder of the node, which every pod there that may can read"
            return Opening(ref, "volume", rule, text, Verdict.REFUTED, "volume.host-path", _STEP)
        case "image" | "gitRepo":
            text = f"the node fetches what '{source}' names, past every policy: the name asked for can carry data"
            return Opening(ref, "volume", rule, text, Verdict.NO_PROOF, "volume.fetched", "Put it into the image")
        case "csi":
            return _csi(ref, rule, mapping(volume, "csi"))
        case "persistentVolumeClaim":
            name = str(mapping(volume, source).get("claimName") or "")
            return _claim(ref, rule, name, resources)
        case "ephemeral":
            template = mapping(mapping(volume, source), "volumeClaimTemplate")
            notes = mapping(mapping(template, "metadata"), "annotations")
            return claim_opening(Claim(ref, rule, "", mapping(template, "spec"), notes), resources)
    text = f"the node carries what is written to '{source}', past every policy"
    return Opening(ref, "volume", rule, text, Verdict.REFUTED, "volume.network", _STEP)


def _csi(ref: Ref, rule: str, csi: Mapping[str, Any]) -> Opening:
    driver = str(csi.get("driver", ""))
    if driver == _SECRETS_STORE and csi.get("readOnly") is True:
        return Opening(ref, "volume", rule, "the node fetches secrets for it, read only")
    text = f"the node carries what is written to the driver '{driver}', past every policy"
    return Opening(ref, "volume", rule, text, Verdict.NO_PROOF, "volume.csi", _STEP)


def _claim(ref: Ref, rule: str, name: str, resources: Resources) -> Opening:
    claim = resources.find("PersistentVolumeClaim", ref.namespace, name)
    if claim is None:
        text = f"claim '{name}' is not among these objects: where it keeps its data is not known"
        return Opening(ref, "volume", rule, text, Verdict.NO_PROOF, "volume.unknown-claim", "Give the claim too")
    with about(claim):
        return claim_opening(_of_object(ref, rule, claim), resources)


def _of_object(ref: Ref, rule: str, claim: Resource) -> Claim:
    return Claim(ref, rule, claim.name, claim.spec, mapping(claim.metadata, "annotations"))


def waiting_volumes(resources: Resources, namespaces: frozenset[str]) -> Iterator[tuple[str, Opening]]:
    """Claims of these namespaces, whether a pod mounts them yet or not, and volumes that wait for one, whoever will make it: a StatefulSet's,
    a pod's own.
    """
    for one in resources.of("PersistentVolumeClaim", ""):
        if one.namespace in namespaces:
            with about(one):
                yield one.namespace, claim_opening(_of_object(one.ref, "spec", one), resources)
    for one in resources.of("PersistentVolume", ""):
        with about(one):
            to = mapping(one.spec, "claimRef")
            sources = outside_sources(one)
        namespace, name = str(to.get("namespace") or ""), str(to.get("name") or "")
        if namespace not in namespaces or resources.find("PersistentVolumeClaim", namespace, name) is not None:
            continue
        if sources:
            text = f"waits with '{sources[0]}' for a claim '{name}' in {namespace}, which others outside the zone may read"
            yield namespace, Opening(one.ref, "volume", "spec.claimRef", text, Verdict.REFUTED, "volume.network", _STEP)
        else:
            waiting = Claim(Ref("PersistentVolumeClaim", namespace, name), "", name, {"volumeName": one.name})
            yield namespace, claim_opening(waiting, resources)
