"""Where the data of a claim are kept: the volume that it has, those that it may take, or what its class makes. Called by `volumes`.

A claim takes any free volume of its class that is large enough (kubernetes.io, Persistent Volumes, "Binding"): no volume has to name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airlock.cluster._shape import about, mapping, words
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.neighbours import is_of_node
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["OUTSIDE", "Claim", "claim_opening", "outside_sources"]

OUTSIDE = frozenset({
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs",
    "hostPath", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
})  # fmt: skip
"""Sources of a PersistentVolume that others outside the zone may read."""

_SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_BLOCKS = frozenset({
    "blockstorage.csi.ibm.com", "blockvolume.csi.oraclecloud.com", "cinder.csi.openstack.org", "csi.hetzner.cloud", "csi.vsphere.vmware.com",
    "disk.csi.azure.com", "disk.csi.cloud.yandex.net", "diskplugin.csi.alibabacloud.com", "dobs.csi.digitalocean.com", "driver.longhorn.io",
    "ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs", "kubernetes.io/azure-disk", "kubernetes.io/cinder",
    "kubernetes.io/gce-pd", "kubernetes.io/no-provisioner", "kubernetes.io/vsphere-volume", "linodebs.csi.linode.com",
    "local.csi.openebs.io", "openebs.io/local", "pd.csi.storage.gke.io", "rancher.io/local-path", "rbd.csi.ceph.com", "topolvm.io",
    "zfs.csi.openebs.io",
})  # fmt: skip
"""Drivers and provisioners of disks that one node mounts at a time."""
_CEPH = ".rbd.csi.ceph.com"
"""What the names of Rook's drivers end with: the namespace of its own goes before."""
_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_BETA = "volume.beta.kubernetes.io/storage-class"
"""Annotation that goes before `storageClassName` (k8s.io/component-helpers, storage/volume, GetPersistentVolumeClaimClass)."""
_STEP = "Claim a disk that one node mounts at a time, or keep the data in the zone's store"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that a pod names, or one that is made for it.

    Attributes:
        place: The object that has the pod, and where in it the claim stands.
        name: Empty: of one that is made for the pod, whose name is not known.
        spec: A PersistentVolumeClaim's.
        notes: Its annotations.
    """

    ref: Ref
    rule: str
    name: str
    spec: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def storage_class(self) -> str | None:
        """The class that it asks for; None: the default one."""
        named = self.notes.get(_BETA) or self.spec.get("storageClassName")
        return None if named is None else str(named)

    def __str__(self) -> str:
        return f"claim '{self.name}'" if self.name else "a claim of its own"

    def opens(self, text: str, verdict: Verdict = Verdict.PROVEN, code: str = "", step: str = _STEP) -> Opening:
        """What it opens, in words."""
        return Opening(
            self.ref, "volume", self.rule, f"{self} {text}", verdict, code, "" if verdict is Verdict.PROVEN else step
        )


def outside_sources(volume: Resource) -> list[str]:
    """Sources of a PersistentVolume that others may read."""
    return sorted(volume.spec.keys() & OUTSIDE)


def claim_opening(claim: Claim, resources: Resources) -> Opening:
    """What it does to a proof where a claim keeps its data.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    modes = words(claim.spec, "accessModes")
    volumes = list(_volumes(claim, resources))
    for one, bound in volumes:
        with about(one):
            sources = outside_sources(one)
        if sources and bound:
            text = f"is bound to {one.ref} of '{sources[0]}', which others outside the zone may read"
            return claim.opens(text, Verdict.REFUTED, "volume.network")
        if (other := _same_disk(one, resources)) is not None:
            text = f"{'is bound to' if bound else 'may take'} {one.ref}, and {other.ref} is the same disk"
            return claim.opens(text, Verdict.NO_PROOF, "volume.same-disk")
    if _SHARED & set(modes):
        text = f"is {', '.join(modes)}: several nodes mount it, over a network that no policy sees"
        return claim.opens(text, Verdict.NO_PROOF, "volume.shared", "Claim it ReadWriteOnce, or use emptyDir")
    for one, _ in volumes:
        if sources := outside_sources(one):
            text = f"may take {one.ref} of '{sources[0]}', which others outside the zone may read"
            return claim.opens(text, Verdict.NO_PROOF, "volume.free")
    return _by_driver(claim, volumes, resources)


def _by_driver(claim: Claim, volumes: Sequence[tuple[Resource, bool]], resources: Resources) -> Opening:
    bound = [one for one, has in volumes if has]
    made = [] if bound else _provisioners(claim, resources)
    if made is None:
        named = claim.storage_class
        text = f"is of the class '{named}', which is" if named else "names no class, and the default one is"
        step = "Give the StorageClass too"
        return claim.opens(f"{text} not among these objects", Verdict.NO_PROOF, "volume.unknown-class", step)
    drivers = [*(_driver(one) for one in bound or (one for one, _ in volumes)), *made]
    for one in bound or [one for one, _ in volumes]:
        kind, folder = _disk(one)
        if kind == "local" and is_of_node(folder):
            text = f"keeps data in the node's {folder or '/'}, which others there read"
            return claim.opens(text, Verdict.NO_PROOF, "volume.node-folder")
    odd = next((one for one in drivers if one and one not in _BLOCKS and not one.endswith(_CEPH)), None)
    if odd is not None:
        text = f"is kept by the driver '{odd}', which may carry it to others, past every policy"
        return claim.opens(text, Verdict.NO_PROOF, "volume.driver")
    return claim.opens("keeps data in the cluster's storage, which whoever runs it reads")


def _volumes(claim: Claim, resources: Resources) -> Iterator[tuple[Resource, bool]]:
    """Volumes that it has (True), and those that it may take."""
    named = str(claim.spec.get("volumeName") or "")
    wanted = _wanted(claim, resources)
    for one in resources.of("PersistentVolume", ""):
        with about(one):
            to = mapping(one.spec, "claimRef")
            own = str(mapping(one.metadata, "annotations").get(_BETA) or one.spec.get("storageClassName") or "")
        # A volume waits for its claim by claimRef, which need not name it back.
        if one.name == named or (claim.name and (to.get("namespace"), to.get("name")) == (claim.ref.namespace, claim.name)):
            yield one, True
        elif not named and not to.get("name") and own in wanted:
            yield one, False


def _wanted(claim: Claim, resources: Resources) -> frozenset[str]:
    """Classes of which it may take a volume: its own; without one the default's, and those of none while there is no default."""
    named = claim.storage_class
    if named is not None:
        return frozenset({named})
    return frozenset({"", *(one.name for one in _defaults(resources))})


def _defaults(resources: Resources) -> list[Resource]:
    found = []
    for one in resources.of("StorageClass", "storage.k8s.io"):
        with about(one):
            notes = mapping(one.metadata, "annotations")
        if any(str(notes.get(name)).lower() == "true" for name in _DEFAULTS):
            found.append(one)
    return found


def _provisioners(claim: Claim, resources: Resources) -> list[str] | None:
    """Provisioners that may make its volume; None where its class is not known. `''` is no class: only a volume that is there can be taken."""
    named = claim.storage_class
    if named == "":
        return []
    if named is None:
        classes = _defaults(resources)
    else:
        classes = [one for one in resources.of("StorageClass", "storage.k8s.io") if one.name == named]
    return [str(one.body.get("provisioner") or "") for one in classes] or None


def _same_disk(volume: Resource, resources: Resources) -> Resource | None:
    """Another PersistentVolume of the same disk: nothing keeps handles and folders from standing twice."""
    own = _disk(volume)
    others = resources.of("PersistentVolume", "") if any(own) else ()
    return next((one for one in others if one.name != volume.name and _disk(one) == own), None)


def _disk(volume: Resource) -> tuple[str, str]:
    with about(volume):
        csi, local = mapping(volume.spec, "csi"), mapping(volume.spec, "local")
    if csi:
        return str(csi.get("driver")), str(csi.get("volumeHandle"))
    return ("local", str(local.get("path")).rstrip("/")) if local else ("", "")


def _driver(volume: Resource) -> str:
    """The driver of a volume; empty where it has none, as a node's own disk."""
    with about(volume):
        return str(mapping(volume.spec, "csi").get("driver") or "")
