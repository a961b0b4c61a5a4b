"""What tests of the resources share: the folders of `k8s/`, built."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.servers import kustomize

K8S = Path(__file__).parents[2] / "k8s"

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
        return built(trial)

    return make
