"""A kind's schema as JSON Schema that refuses what the API server would silently leave out. For the tests of the SparkApplication."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.servers.spark_crd import SPARK_CRD

_KEPT = "x-kubernetes-preserve-unknown-fields"
_METADATA = ("annotations", "labels", "name", "namespace")
"""Of an object's metadata, what a file may say; the kind's own schema leaves them to Kubernetes."""


def definition(file: Path | None = None) -> dict[str, Any]:
    """The CustomResourceDefinition."""
    return yaml.load((file or SPARK_CRD.program()).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def schema_of(crd: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Of one version, closed: a field that is not in it is an error wherever Kubernetes would prune it."""
    (one,) = (one for one in crd["spec"]["versions"] if one["name"] == version and one["served"])
    made = closed(one["schema"]["openAPIV3Schema"])
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    metadata = {name: texts if name in ("annotations", "labels") else {"type": "string"} for name in _METADATA}
    names = crd["spec"]["names"]
    made["properties"] |= {
        "apiVersion": {"const": f"{crd['spec']['group']}/{version}"},
        "kind": {"const": names["kind"]},
        "metadata": {"type": "object", "properties": metadata, "required": ["name"], "additionalProperties": False},
    }
    return made | {"required": [*made.get("required", []), "apiVersion", "kind", "metadata", "spec"]}


def closed(schema: Any) -> Any:
    """The same, with `additionalProperties: false` where an object says nothing of fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    # A field may be called `properties` or `type`: what stands below `properties` are names, not words of a schema.
    made = {
        word: {name: closed(one) for name, one in below.items()} if word == "properties" else closed(below)
        for word, below in schema.items()
    }
    if made.get("type") == "object" and not made.get(_KEPT):
        made.setdefault("additionalProperties", False)
    return made


def fields_of(schema: Mapping[str, Any], *path: str) -> set[str]:
    """The names that an object in it may have."""
    for name in path:
        schema = schema["properties"][name]
    return set(schema["properties"])
