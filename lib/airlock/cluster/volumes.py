"""What a pod's volumes open: the node reads and writes them, past every NetworkPolicy. Called by `podspec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airlock.cluster._fields import FIELDS
from airlock.cluster._shape import about, mapping, mappings, words
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resources

__all__ = ["volume_openings", "waiting_volumes"]

_INSIDE = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected"})
"""Kept on the node, or filled from objects of the namespace; tokens in projected ones are `tokens`' business."""
_SOURCES = FIELDS["Volume"].keys() - {"name"}
_SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_OUTSIDE = frozenset({
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs",
    "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
})  # fmt: skip
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
            claim = mapping(mapping(volume, source), "volumeClaimTemplate")
            return _storage(ref, rule, "a claim of its own", words(mapping(claim, "spec"), "accessModes"))
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
        volume, modes = str(claim.spec.get("volumeName") or ""), words(claim.spec, "accessModes")
    for one in resources.of("PersistentVolume", ""):
        with about(one):
            kept, to = one.spec, mapping(one.spec, "claimRef")
        sources = sorted(kept.keys() & (_OUTSIDE | {"hostPath"}))
        # A volume waits for its claim by claimRef, which need not name it back.
        if sources and (one.name == volume or (to.get("namespace"), to.get("name")) == (ref.namespace, name)):
            text = f"claim '{name}' is bound to {one.ref} of '{sources[0]}', which others outside the zone may read"
            return Opening(ref, "volume", rule, text, Verdict.REFUTED, "volume.network", _STEP)
    return _storage(ref, rule, f"claim '{name}'", modes)


def waiting_volumes(resources: Resources, namespaces: frozenset[str]) -> Iterator[tuple[str, Opening]]:
    """Volumes outside the cluster's storage that wait for a claim of these namespaces, whoever will make it: a StatefulSet's, a pod's own."""
    for one in resources.of("PersistentVolume", ""):
        with about(one):
            to = mapping(one.spec, "claimRef")
            sources = sorted(one.spec.keys() & (_OUTSIDE | {"hostPath"}))
        namespace, name = str(to.get("namespace") or ""), str(to.get("name") or "")
        if sources and namespace in namespaces and resources.find("PersistentVolumeClaim", namespace, name) is None:
            text = f"waits with '{sources[0]}' for a claim '{name}' in {namespace}, which others outside the zone may read"
            yield namespace, Opening(one.ref, "volume", "spec.claimRef", text, Verdict.REFUTED, "volume.network", _STEP)


def _storage(ref: Ref, rule: str, name: str, modes: tuple[str, ...]) -> Opening:
    if _SHARED & set(modes):
        text = f"{name} is {', '.join(modes)}: several nodes mount it, over a network that no policy sees"
        return Opening(ref, "volume", rule, text, Verdict.NO_PROOF, "volume.shared", "Claim it ReadWriteOnce, or use emptyDir")
    return Opening(ref, "volume", rule, f"{name} keeps data in the cluster's storage, which whoever runs it reads")
