"""What rights of RBAC let a byte do, verb x resource -> power: one table, and the words of `may:` in flows.yaml. Called by `rbac` and `paths`.

The words, and what each lets: see `POWERS`. A power is written as `VERB THING`, in lower case. `create pods` is also what creates or
changes what makes pods (Deployments, Jobs, SparkApplications, ...). Sources: kubernetes.io, "Using RBAC Authorization" (privilege
escalation prevention) and "Role Based Access Control Good Practices"; pkg/registry/rbac and plugin/pkg/auth/authorizer/rbac for matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["BECOMING", "POWERS", "STEERING", "Power", "is_of_cluster", "url_powers", "verb_powers"]

POWERS: Mapping[str, str] = {
    "create pods": "runs any program as any ServiceAccount of the namespace, with any Secret, ConfigMap and claim of it",
    "change pods": "relabels pods in and out of policies, changes their images, writes annotations",
    "delete pods": "ends pods",
    "read pods": "reads environments, annotations, statuses and termination messages",
    "exec pods": "runs programs in a running pod and carries their input and output through the API server",
    "attach pods": "reads and writes the streams of a running container through the API server",
    "port-forward pods": "carries TCP to and from a running pod through the API server, past every policy",
    "proxy pods": "carries HTTP to and from pods and Services through the API server, past every policy",
    "debug pods": "puts a container of its own into a running pod",
    "read logs": "reads what containers print",
    "read secrets": "reads credentials and keys",
    "write secrets": "carries data through Secrets, and makes tokens of ServiceAccounts",
    "read configmaps": "reads what ConfigMaps hold",
    "write configmaps": "carries data through ConfigMaps, and changes what is configured by them",
    "read events": "reads Events, which programs write",
    "write events": "carries data through Events",
    "write networkpolicies": "opens the network, since what policies allow adds up",
    "write services": "gives addresses outside the cluster a name in it, or pods one outside",
    "write routes": "opens pods to the outside through an ingress or a gateway",
    "write volumes": "mounts storage that the node reaches past every policy, or copies a volume",
    "create tokens": "acts as any ServiceAccount of the namespace, also outside the cluster",
    "write serviceaccounts": "gives ServiceAccounts other identities by annotation",
    "grant rights": "gives rights to others, and with escalate or bind any right",
    "impersonate": "acts as another subject",
    "approve certificates": "makes certificates for any user",
    "write namespaces": "takes Pod Security off by a label, or joins the namespaces that policies select by labels",
    "write admission": "takes guards off, or changes objects on their way",
    "write apis": "puts a server of its own into the API server's place, or changes kinds",
    "proxy nodes": "runs programs in every pod of every node, and reads all logs, through the kubelet",
    "write nodes": "says on which nodes pods run",
    "read objects": "reads objects of other kinds, which may hold what programs wrote",
    "write objects": "carries data through objects of other kinds; what their controllers make of them is not known",
    "delete objects": "removes objects of other kinds, quotas among them",
    "steer deployers": "has a controller that deploys make objects wherever it may itself",
    "use other verbs": "verbs that are not known here",
    "read server": "reads metrics, logs and profiles of the API server",
}
"""Every word of `may:` and what it lets a byte do."""

STEERING = frozenset({
    "create pods", "change pods", "exec pods", "attach pods", "debug pods", "proxy nodes", "write networkpolicies", "write configmaps",
    "create tokens", "grant rights", "impersonate", "approve certificates", "write admission", "write apis",
})  # fmt: skip
"""Powers by which one subject in two zones joins them: what it takes out of one it can put into the other, or open a way."""

BECOMING = frozenset({
    "create pods", "change pods", "exec pods", "attach pods", "debug pods", "create tokens", "read secrets", "write secrets", "impersonate",
    "grant rights", "proxy nodes", "approve certificates",
})  # fmt: skip
"""Powers by which a subject comes to act as another, and has that one's rights too."""

_READ, _WRITE, _DELETE = "get list watch", "create update patch", "delete deletecollection"
_ALL = f"{_READ} {_WRITE} {_DELETE}"
_CHANGE = f"{_WRITE} {_DELETE}"
_TUNNEL = "get create update patch delete"

_TABLE: tuple[tuple[str, str, str, str], ...] = (
    # power, verbs, API groups ("core" is the one without a name), resources
    ("create pods", "create", "core", "pods"),
    ("create pods", _WRITE, "core", "replicationcontrollers"),
    ("create pods", _WRITE, "apps extensions", "deployments daemonsets statefulsets replicasets"),
    ("create pods", _WRITE, "batch", "jobs cronjobs"),
    ("create pods", _WRITE, "sparkoperator.k8s.io", "sparkapplications scheduledsparkapplications sparkconnects"),
    ("create pods", _WRITE, "spark.apache.org", "sparkapplications sparkclusters"),
    ("change pods", "update patch", "core", "pods pods/status pods/resize"),
    ("delete pods", _DELETE, "core", "pods"),
    ("delete pods", "create", "core", "pods/eviction"),
    ("read pods", _READ, "core", "pods pods/status pods/ephemeralcontainers"),
    # A web socket is opened by GET, which servers before 1.35 authorize as get alone.
    ("exec pods", "get create", "core", "pods/exec"),
    ("attach pods", "get create", "core", "pods/attach"),
    ("port-forward pods", "get create", "core", "pods/portforward"),
    ("proxy pods", _TUNNEL, "core", "pods/proxy services/proxy"),
    ("debug pods", "update patch", "core", "pods/ephemeralcontainers"),
    ("read logs", "get list watch", "core", "pods/log"),
    ("read secrets", _READ, "core", "secrets"),
    ("write secrets", _WRITE, "core", "secrets"),
    ("read configmaps", _READ, "core", "configmaps"),
    ("write configmaps", _WRITE, "core", "configmaps"),
    ("read events", _READ, "core events.k8s.io", "events"),
    ("write events", _WRITE, "core events.k8s.io", "events"),
    ("write networkpolicies", _CHANGE, "networking.k8s.io extensions", "networkpolicies"),
    ("write services", _WRITE, "core", "services services/status endpoints"),
    ("write services", _WRITE, "discovery.k8s.io", "endpointslices"),
    ("write routes", _WRITE, "networking.k8s.io extensions", "ingresses"),
    ("write volumes", _WRITE, "core", "persistentvolumeclaims persistentvolumes"),
    ("write volumes", _WRITE, "storage.k8s.io", "storageclasses csidrivers volumeattachments"),
    ("create tokens", "create", "core", "serviceaccounts/token"),
    ("write serviceaccounts", _WRITE, "core", "serviceaccounts"),
    (
        "grant rights",
        f"{_WRITE} escalate bind",
        "rbac.authorization.k8s.io",
        "roles rolebindings clusterroles clusterrolebindings",
    ),
    ("impersonate", "impersonate", "core", "users groups serviceaccounts"),
    ("impersonate", "impersonate", "authentication.k8s.io", "uids userextras"),
    (
        "approve certificates",
        "update patch",
        "certificates.k8s.io",
        "certificatesigningrequests/approval certificatesigningrequests/status",
    ),
    ("approve certificates", "approve sign", "certificates.k8s.io", "signers"),
    ("write namespaces", _CHANGE, "core", "namespaces namespaces/finalize namespaces/status"),
    ("proxy nodes", _TUNNEL, "core", "nodes/proxy nodes/log nodes/checkpoint"),
    ("read pods", "get", "core", "nodes/pods"),
    ("write nodes", _CHANGE, "core", "nodes nodes/status"),
    ("write admission", "use", "security.openshift.io", "securitycontextconstraints"),
    ("write admission", "use", "policy extensions", "podsecuritypolicies"),
)

_WHOLE_GROUPS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "policy.networking.k8s.io", "cilium.io", "isovalent.com", "crd.projectcalico.org", "projectcalico.org", "crd.antrea.io",
            "networking.k8s.aws", "vpcresources.k8s.aws", "k8s.ovn.org", "kubeovn.io", "security.istio.io", "networking.istio.io",
            "policy.linkerd.io", "k8s.cni.cncf.io", "networking.gke.io",
        ),
        ("write networkpolicies", _CHANGE),
    ),
    "gateway.networking.k8s.io": ("write routes", _WRITE),
    "route.openshift.io": ("write routes", _WRITE),
    "admissionregistration.k8s.io": ("write admission", _CHANGE),
    "policies.kyverno.io": ("write admission", _CHANGE),
    "kyverno.io": ("write admission", _CHANGE),
    **dict.fromkeys(
        ("tekton.dev", "ray.io", "batch.volcano.sh", "serving.knative.dev", "kubeflow.org", "jobset.x-k8s.io", "apps.kruise.io", "flink.apache.org"),
        ("create pods", _WRITE),
    ),
    **dict.fromkeys(
        (
            "argoproj.io", "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "helm.cattle.io", "fleet.cattle.io",
            "work.open-cluster-management.io", "kubernetes.crossplane.io",
        ),
        ("steer deployers", _WRITE),
    ),
    "apiextensions.k8s.io": ("write apis", _CHANGE),
    "apiregistration.k8s.io": ("write apis", _CHANGE),
    "snapshot.storage.k8s.io": ("write volumes", _WRITE),
}  # fmt: skip
"""API groups all of whose resources give one power."""

_BUILT_IN: Mapping[str, frozenset[str]] = {
    group: frozenset(names.split())
    for group, names in {
        "": "bindings componentstatuses configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes "
        "pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services users groups",
        "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
        "batch": "cronjobs jobs",
        "autoscaling": "horizontalpodautoscalers",
        "coordination.k8s.io": "leases leasecandidates",
        "discovery.k8s.io": "endpointslices",
        "events.k8s.io": "events",
        "networking.k8s.io": "ingressclasses ingresses ipaddresses networkpolicies servicecidrs",
        "policy": "poddisruptionbudgets podsecuritypolicies",
        "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
        "storage.k8s.io": "csidrivers csinodes csistoragecapacities storageclasses volumeattachments volumeattributesclasses",
    }.items()
}
_EVERY_VERB = frozenset(_ALL.split())
_ELSEWHERE = frozenset().union(*_BUILT_IN.values())

_OF_CLUSTER = frozenset({
    "nodes", "persistentvolumes", "clusterroles", "clusterrolebindings", "storageclasses", "csidrivers", "volumeattachments", "users",
    "groups", "uids", "userextras", "certificatesigningrequests", "signers", "componentstatuses", "csinodes", "ingressclasses",
    "priorityclasses", "runtimeclasses", "flowschemas", "prioritylevelconfigurations", "servicecidrs", "ipaddresses",
    "volumeattributesclasses", "podsecuritypolicies",
})  # fmt: skip
_CLUSTER_GROUPS = frozenset(
    {"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "policy.networking.k8s.io"}
)
_REVIEWS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
"""Groups of questions: what is created there is answered and not kept."""

_SAFE_URLS = (
    "/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi", "/.well-known", "/openid/v1/jwks",
    "/swagger.json", "/swaggerapi", "/swagger-2.0.0.pb-v1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Power:
    """A power that a rule gives.

    Attributes:
        word: One of `POWERS`.
        of_cluster: Whether it is over objects of the cluster; those a RoleBinding does not give.
    """

    word: str
    of_cluster: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    word: str
    verbs: frozenset[str]
    groups: frozenset[str]
    resource: str


_ROWS = tuple(
    _Row(word, frozenset(verbs.split()), frozenset("" if one == "core" else one for one in groups.split()), resource)
    for word, verbs, groups, resources in _TABLE
    for resource in resources.split()
)
_BY_RESOURCE: Mapping[str, tuple[_Row, ...]] = {
    name: tuple(row for row in _ROWS if row.resource == name) for name in {row.resource for row in _ROWS}
}
_BY_SUBRESOURCE: Mapping[str, tuple[_Row, ...]] = {
    sub: tuple(row for row in _ROWS if row.resource.partition("/")[2] == sub)
    for sub in {row.resource.partition("/")[2] for row in _ROWS} - {""}
}


def verb_powers(verbs: Iterable[str], groups: Iterable[str], resources: Iterable[str]) -> frozenset[Power]:
    """The powers of one rule over resources, by RBAC's own matching.

    `*` stands for all verbs, groups, resources (with their subresources); `*/log` for that subresource of every resource. `pods/*` is no
    wildcard: it matches nothing. Names of resources do not matter here: some object can be had.

    Example:
        >>> sorted(one.word for one in verb_powers(["create"], [""], ["pods/exec", "pods/*"]))
        ['exec pods']
        >>> sorted(one.word for one in verb_powers(["*"], ["batch"], ["jobs"]))
        ['create pods', 'delete objects', 'read objects']
    """
    # Finer verbs of impersonation (KEP-5284) count as the whole.
    asked = frozenset("impersonate" if verb.startswith("impersonate") else verb for verb in verbs)
    groups, found = tuple(groups), set[Power]()
    for resource in resources:
        if resource.endswith("/*"):
            continue
        for group in groups:
            found |= _pair_powers(asked, group, resource)
    return frozenset(found)


@lru_cache(maxsize=4096)
def _pair_powers(asked: frozenset[str], group: str, resource: str) -> frozenset[Power]:
    found, covered = set[Power](), set[str]()
    for row in _rows(resource):
        if (group == "*" or group in row.groups) and (hit := _hit(asked, row.verbs)):
            found.add(Power(row.word, is_of_cluster(group, row.resource)))
            covered |= hit
    for whole in _WHOLE_GROUPS if group == "*" and _may_be_of_any(resource) else (group,):
        word, verbs = _WHOLE_GROUPS.get(whole, ("", ""))
        if hit := _hit(asked, frozenset(verbs.split())):
            found.add(Power(word, whole in _CLUSTER_GROUPS))
            covered |= hit
            if whole not in _CLUSTER_GROUPS:
                found.add(Power(word, of_cluster=True))
    if group == "*" or "*" in resource:
        covered = set()
    return frozenset(found | _rest(asked, covered, group, resource))


def _may_be_of_any(resource: str) -> bool:
    """Whether it may be a resource of the groups that are not Kubernetes' own."""
    name = resource.partition("/")[0]
    return resource == "*" or (name != "*" and name not in _ELSEWHERE and resource not in _BY_RESOURCE)


def _rows(resource: str) -> tuple[_Row, ...]:
    if resource == "*":
        return _ROWS
    if resource.startswith("*/"):
        return _BY_SUBRESOURCE.get(resource[2:], ())
    name, _, sub = resource.partition("/")
    return _BY_RESOURCE.get("userextras" if name == "userextras" and sub else resource, ())


def _hit(asked: frozenset[str], verbs: frozenset[str]) -> frozenset[str]:
    return verbs if "*" in asked else verbs & asked


def _rest(asked: frozenset[str], covered: set[str], group: str, resource: str) -> set[Power]:
    """Verbs that no row has taken, over kinds that exist: read, write and delete objects of other kinds."""
    name = resource.partition("/")[0]
    if group in _BUILT_IN and name not in _BUILT_IN[group] and name in _ELSEWHERE:
        return set()  # ('apps', 'pods') and the like: rules multiply groups by resources, and most pairs are nothing
    if group in _REVIEWS and asked <= {"create"}:
        return set()
    of_cluster = is_of_cluster(group, resource)
    left = (_EVERY_VERB if "*" in asked else asked) - covered
    found = set()
    if left & {"get", "list", "watch"} and not of_cluster and name != "namespaces":
        found.add(Power("read objects"))
    if left & {"create", "update", "patch"}:
        found.add(Power("write objects", of_cluster))
    if left & {"delete", "deletecollection"}:
        found.add(Power("delete objects", of_cluster))
    if left - _EVERY_VERB:
        found.add(Power("use other verbs", of_cluster))
    return found


def is_of_cluster(group: str, resource: str) -> bool:
    """Whether a resource is one of the cluster, and in no namespace."""
    return resource.partition("/")[0] in _OF_CLUSTER or group in _CLUSTER_GROUPS


def _is_safe(url: str) -> bool:
    """By whole segments: `/versions` is not `/version`; `/version*`, which is both, is what people write for the one that there is."""
    return any(url in (safe, f"{safe}*") or url.startswith(f"{safe}/") for safe in _SAFE_URLS)


def url_powers(verbs: Iterable[str], urls: Iterable[str]) -> frozenset[Power]:
    """The powers of one rule over URLs that are no resources; health, version and discovery tell nothing of a zone.

    Example:
        >>> [one.word for one in url_powers(["get"], ["/metrics"])], url_powers(["get"], ["/healthz", "/api/*"])
        (['read server'], frozenset())
    """
    asked = any(not _is_safe(url) for url in urls) and any(verbs)
    return frozenset({Power("read server", of_cluster=True)}) if asked else frozenset()
