"""What tests of the resources share: the folders of `k8s/`, built."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.live import (
    DIGEST,
    EVERYTHING,
    IMAGE,
    OUTER_IMAGE,
    STORE_IMAGE,
    create,
    create_namespace,
    done,
    executor,
    isolation,
    kubectl,
    settles,
)
from tests.servers import kustomize

from airlock.cluster.pinned import parameters_digest
from airlock.cluster.resources import resources_from
from airlock.doors.keys import create_one_key

K8S = Path(__file__).parents[2] / "k8s"
OURS = "app.kubernetes.io/part-of=airlock"
ZONES = ("pii-raw", "pii-airlock", "pii-sanitized")

Objects = Sequence[Mapping[str, Any]]


@lru_cache(maxsize=32)
def built(folder: Path) -> Objects:
    return tuple(
        one for one in yaml.load_all(kustomize.build(folder), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one
    )


@pytest.fixture(scope="session")
def build(require) -> Callable[[str], Objects]:
    """Builds a folder of `k8s/`: `build("overlays/local")`."""
    require("kustomize")
    return lambda name: built(K8S / name)


@pytest.fixture(scope="session")
def with_components(require, tmp_path_factory) -> Callable[..., Objects]:
    """Builds the base with components, as an overlay of its own would: `with_components("dns", "vault")`."""
    require("kustomize")

    @lru_cache(maxsize=64)
    def make(*names: str) -> Objects:
        copy = tmp_path_factory.mktemp("k8s") / "k8s"
        shutil.copytree(K8S, copy)
        trial = copy / "overlays" / "trial"
        trial.mkdir()
        site = yaml.safe_load((K8S / "overlays" / "aws" / "site.yaml").read_text())
        site["data"] |= {"api-server": "10.0.0.0/28", "consumers": "team-analytics", "store-name": "store.test"}
        (trial / "site.yaml").write_text(yaml.safe_dump(site))
        (trial / "kustomization.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": ["../../base", "site.yaml"],
                    "components": [f"../../components/{name}" for name in (*names, "site")],
                }
            )
        )
        return pinned(built(trial))

    return make


def pinned(objects: Objects) -> Objects:
    """With the digests of the lists as they are, in the site's values: somebody has read them."""
    lists = {one.name: one for one in resources_from(("trial", one) for one in objects).of("ConfigMap", "")}
    site = next(one for one in objects if one["metadata"]["name"] == "airlock-site")
    own = {name: parameters_digest(lists[name]) if name in lists else text for name, text in site["data"].items()}
    return [one if one is not site else {**site, "data": own} for one in objects]


@pytest.fixture(scope="session")
def trial(require, tmp_path_factory):
    """The objects of overlay local, with a digest in each list and stores that run no pod."""
    require("cluster")
    require("kustomize")
    copy = tmp_path_factory.mktemp("trial") / "k8s"
    shutil.copytree(K8S, copy)
    overlay = copy / "overlays" / "local"
    lists = yaml.safe_load((overlay / "pods-parameters.yaml").read_text())
    lists["data"] = {f"images.{zone}": "".join(f"{one} trial\n" for one in _listed(zone)) for zone in ZONES}
    (overlay / "pods-parameters.yaml").write_text(yaml.safe_dump(lists))
    made = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    made["components"][:0] = [f"../../components/{name}" for name in ("airflow", "spark-operator", "airflow-spark-operator")]
    made["images"] = [_image("airlock-store", STORE_IMAGE), _image("airlock-inner", IMAGE)]
    made["replicas"] = [{"name": name, "count": 0} for name in ("raw-store", "staging-store", "sanitized-store", "preflight")]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(made))
    return pinned(built(overlay))


def _listed(zone):
    """Each door's image is its own zone's alone."""
    inner, outer, store = (os.environ.get(name, "") for name in (IMAGE, OUTER_IMAGE, STORE_IMAGE))
    own = [inner, f"localhost/airlock-raw@{DIGEST}"] if zone == ZONES[0] else [outer or inner]
    return [one for one in (f"localhost/airlock@{DIGEST}", f"localhost/airlock-store@{DIGEST}", store, *own) if one]


def _image(name, variable):
    """Kustomize's word for the image that a variable names; for one that is never started where it names none."""
    named, _, digest = os.environ.get(variable, "").partition("@")
    return {"name": name, "newName": named or f"localhost/{name}", "digest": digest or DIGEST}


@contextmanager
def only_applied():
    """Only what the files say, without the right that other tests give themselves."""
    binding = json.loads(done(kubectl("get", "clusterrolebinding", EVERYTHING, "-o", "json")))
    for name in ("resourceVersion", "uid", "creationTimestamp"):
        del binding["metadata"][name]
    done(kubectl("delete", "clusterrolebinding", EVERYTHING))
    yield
    done(kubectl("create", "-f", "-", given=binding))


@pytest.fixture
def applied(cluster):
    """As `only_applied`; gives what the API server said to the trial's objects."""
    with only_applied():
        yield cluster


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Keys of probes and preflight, the public ones, and results of probes."""
    made = tmp_path_factory.mktemp("isolation")
    for role in ("probe", "preflight"):
        create_one_key(made / "keys", role, trust=made / "trust")
    (made / "probes").mkdir()
    return made


@pytest.fixture
def probed(applied, require, folder):
    """One round for all: it counts as long as nothing changes."""
    require("cluster_image")
    return one_round(folder)


def one_round(folder):
    """The signed result of probes, carried out where there is none yet."""
    file = folder / "probes" / "node-1"
    if not file.exists():
        create_namespace("team-analytics")
        try:
            options = ("--seconds", "8", "--sink-seconds", "70")
            made = isolation("probe", *options, "--key", folder / "keys" / "probe-signing.pem", "--out", file)
            assert made.returncode == 0, made.stdout + made.stderr
        finally:
            kubectl("delete", "namespace", "team-analytics", "--wait=true", "--timeout=100s")
    return file


@pytest.fixture(scope="session")
def cluster(trial):
    """The trial's objects on the cluster, first by server-side dry run, then for real."""
    for zone in ZONES:  # of a trial that ended a moment ago
        kubectl("wait", "--for=delete", f"namespace/{zone}", "--timeout=60s")
    present = done(kubectl("get", "namespaces", "-o", "name")).split()
    assert not {f"namespace/{zone}" for zone in ZONES} & set(present), (
        "the cluster has zones already; name another, or delete them"
    )
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": EVERYTHING},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": EVERYTHING}],
    }  # fmt: skip
    everything = {"apiVersion": "v1", "kind": "List", "items": list(trial)}
    ours = [one for one in trial if OURS.partition("=")[0] in one["metadata"]["labels"]]
    namespaces = {"apiVersion": "v1", "kind": "List", "items": [one for one in trial if one["kind"] == "Namespace"]}
    try:
        done(kubectl("apply", "-f", "-", given=namespaces))
        dry = done(kubectl("apply", "--dry-run=server", "-f", "-", given=everything))
        done(kubectl("apply", "-f", "-", given=everything))
        done(kubectl("create", "-f", "-", given=rights))
        # Kubernetes may go on with lists that it once had (kubernetes/kubernetes#130887).
        made = settles(lambda: create(executor(), "pii-raw/driver"), refused=False)
        assert made.returncode == 0, f"the API server does not follow the lists; restart it: {made.stderr}"
        yield dry
    finally:
        # As k8s/README.md says it.
        kubectl("delete", "validatingadmissionpolicybindings", "-l", OURS)
        kubectl("delete", "clusterrolebinding", EVERYTHING)
        kubectl("delete", "--wait=true", "--timeout=100s", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": ours})
