"""Which kinds of objects are understood, which are harmless, and which leave a proof out of reach. Called by `paths`.

What is in neither table is unknown, and with an unknown object there is no proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.workloads import WORKLOADS

__all__ = ["HARMLESS", "MODELLED", "unjudged_kinds"]

MODELLED: Mapping[tuple[str, str], frozenset[str]] = {
    ("networking.k8s.io", "NetworkPolicy"): frozenset({"v1"}),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"): frozenset({"v1alpha2"}),
    ("policy.networking.k8s.io", "AdminNetworkPolicy"): frozenset({"v1alpha1"}),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"): frozenset({"v1alpha1"}),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): frozenset({"v1", "v1beta1"}),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): frozenset({"v1", "v1beta1"}),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): frozenset({"v1", "v1beta1", "v1alpha1"}),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): frozenset({"v1", "v1beta1", "v1alpha1"}),
    ("sparkoperator.k8s.io", "SparkApplication"): frozenset({"v1beta2"}),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): frozenset({"v1beta2"}),
    **{
        key: frozenset({"v1"})
        for key in [
            *(one for one in WORKLOADS if one[0] != "sparkoperator.k8s.io"),
            *(("", kind) for kind in ("Namespace", "Service", "Endpoints", "ServiceAccount", "Secret", "ConfigMap", "Node")),
            *(("", kind) for kind in ("PersistentVolumeClaim", "PersistentVolume")),
            *(("rbac.authorization.k8s.io", kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")),
            *(("admissionregistration.k8s.io", f"{kind}WebhookConfiguration") for kind in ("Validating", "Mutating")),
            ("discovery.k8s.io", "EndpointSlice"), ("networking.k8s.io", "Ingress"), ("apiregistration.k8s.io", "APIService"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ]
    },
}  # fmt: skip
"""Versions by (group, kind) of what is looked into, here or in the model of the network."""

HARMLESS: Mapping[tuple[str, str], str] = {
    ("", "ResourceQuota"): "limits how much",
    ("", "LimitRange"): "limits how much",
    ("", "Event"): "told by the API server's path",
    ("events.k8s.io", "Event"): "told by the API server's path",
    ("", "PodTemplate"): "runs nothing by itself",
    ("", "ComponentStatus"): "only tells",
    ("", "Binding"): "says on which node a pod runs",
    ("apps", "ControllerRevision"): "a workload's history",
    ("autoscaling", "HorizontalPodAutoscaler"): "says how many pods of a template there are",
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"): "says how much pods get",
    ("policy", "PodDisruptionBudget"): "says how many pods may go at once",
    ("scheduling.k8s.io", "PriorityClass"): "says which pods go first",
    ("coordination.k8s.io", "Lease"): "told by the API server's path",
    ("coordination.k8s.io", "LeaseCandidate"): "told by the API server's path",
    ("node.k8s.io", "RuntimeClass"): "names how containers are run; nodes have what it names",
    ("networking.k8s.io", "IngressClass"): "names a controller; Ingresses are looked at",
    ("networking.k8s.io", "IPAddress"): "only tells which address a Service has",
    ("networking.k8s.io", "ServiceCIDR"): "addresses of Services, which flows.yaml has",
    ("storage.k8s.io", "StorageClass"): "what claims may take of it is looked at",
    ("storage.k8s.io", "CSIDriver"): "volumes are looked at",
    ("storage.k8s.io", "CSINode"): "only tells",
    ("storage.k8s.io", "CSIStorageCapacity"): "only tells",
    ("storage.k8s.io", "VolumeAttachment"): "only tells",
    ("storage.k8s.io", "VolumeAttributesClass"): "claims are looked at",
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): "says whose requests wait",
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): "says whose requests wait",
    ("certificates.k8s.io", "CertificateSigningRequest"): "who may approve is looked at",
    ("certificates.k8s.io", "ClusterTrustBundle"): "certificates that may be trusted",
    ("metrics.k8s.io", "PodMetrics"): "only tells",
    ("metrics.k8s.io", "NodeMetrics"): "only tells",
    ("cert-manager.io", "Certificate"): "fills a Secret",
    ("cert-manager.io", "CertificateRequest"): "fills a Secret",
    ("monitoring.coreos.com", "PrometheusRule"): "asks what was gathered already",
    **dict.fromkeys(
        (
            ("monitoring.coreos.com", "ServiceMonitor"),
            ("monitoring.coreos.com", "PodMonitor"),
            ("monitoring.coreos.com", "Probe"),
        ),
        "says whom Prometheus asks; policies say whether it may",
    ),
    **dict.fromkeys(
        (
            *(
                ("cilium.io", kind)
                for kind in ("CiliumNode", "CiliumIdentity", "CiliumEndpoint", "CiliumEndpointSlice", "CiliumPodIPPool")
            ),
            *(
                ("crd.projectcalico.org", kind)
                for kind in ("BlockAffinity", "IPAMBlock", "IPAMHandle", "IPAMConfig", "IPPool", "IPReservation")
            ),
            *(("crd.projectcalico.org", kind) for kind in ("ClusterInformation", "CalicoNodeStatus")),
            ("networking.k8s.aws", "PolicyEndpoint"),
            ("vpcresources.k8s.aws", "CNINode"),
            ("crd.k8s.amazonaws.com", "ENIConfig"),
        ),
        "what a network plugin keeps of itself; who may write it may write policies",
    ),
    **dict.fromkeys(
        (
            *(("wgpolicyk8s.io", kind) for kind in ("PolicyReport", "ClusterPolicyReport")),
            *(
                ("aquasecurity.github.io", kind)
                for kind in ("VulnerabilityReport", "ConfigAuditReport", "ExposedSecretReport", "SbomReport")
            ),
            ("autoscaling.k8s.io", "VerticalPodAutoscalerCheckpoint"),
            ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
            ("argoproj.io", "AppProject"),
            ("resource.k8s.io", "DeviceClass"),
            ("resource.k8s.io", "ResourceSlice"),
            ("karpenter.sh", "NodePool"),
            ("karpenter.sh", "NodeClaim"),
        ),
        "only tells, or limits",
    ),
    ("airlock", "Flows"): "what is proved, not an object of a cluster",
    ("kustomize.config.k8s.io", "Kustomization"): "no object of a cluster",
}
"""(group, kind) of what opens nothing by itself, and why."""

_NETWORK_GROUPS = (
    "cilium.io", "isovalent.com", "projectcalico.org", "antrea.io", "networking.k8s.aws", "vpcresources.k8s.aws", "policy.networking.k8s.io",
    "k8s.ovn.org", "kubeovn.io", "istio.io", "linkerd.io", "k8s.cni.cncf.io", "networking.gke.io", "kuma.io", "consul.hashicorp.com",
    "multicluster.x-k8s.io", "submariner.io", "policy.open-cluster-management.io", "crd.nsx.vmware.com", "gateway.envoyproxy.io",
)  # fmt: skip
_ROUTES = (
    "gateway.networking.k8s.io",
    "route.openshift.io",
    "traefik.io",
    "traefik.containo.us",
    "projectcontour.io",
    "getambassador.io",
)


def unjudged_kinds(resources: Resources, modelled: Mapping[tuple[str, str], frozenset[str]] = MODELLED) -> Iterator[Finding]:
    """One finding for each kind that is not understood, with the first object of it; and for each that could not be listed.

    Args:
        resources: All objects.
        modelled: What is looked into; more where more of the model is switched on.
    """
    for kind, why in sorted(resources.unread.items()):
        what = f"objects of kind '{kind}' could not be listed: {why}"
        yield Finding(Verdict.NO_PROOF, "kind.unread", what, None, "", "Give the right to list them, and look again")
    odd: dict[tuple[str, str, str], list[Resource]] = {}
    for one in resources:
        key = (one.group, one.kind)
        if key not in HARMLESS and one.version not in modelled.get(key, ()):
            odd.setdefault((*key, one.version), []).append(one)
    for (group, kind, version), some in sorted(odd.items()):
        yield _unjudged(group, f"{group}/{version} {kind}".lstrip("/"), some)


def _unjudged(group: str, name: str, some: list[Resource]) -> Finding:
    more = f" (and {len(some) - 1:,} more)" if len(some) > 1 else ""
    if group.endswith(_NETWORK_GROUPS):
        code, what = "kind.network", f"{name} may open or join networks, and is not modelled{more}"
    elif group.endswith(_ROUTES):
        code, what = "kind.route", f"{name} may open pods to the outside, and is not modelled{more}"
    else:
        code, what = "kind.unknown", f"{name} is not known here, so what it opens is not known either{more}"
    return Finding(Verdict.NO_PROOF, code, what, some[0].ref, "", "Take it out, or prove the zones on a cluster without it")
