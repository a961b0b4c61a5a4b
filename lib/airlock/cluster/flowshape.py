"""The shape of `flows.yaml`: which keys it has, and what stands there. Read by `flows`, which says what the names in it stand for."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DIGEST",
    "AcceptedShape",
    "BoundShape",
    "FileShape",
    "FlowShape",
    "GuardShape",
    "PartyShape",
    "PlatformShape",
    "RangesShape",
    "RightShape",
]

DIGEST = re.compile("sha256:[0-9a-f]{64}")
"""How a digest is written."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SiteRefShape(_Strict):
    """Which ConfigMap has the site's values."""

    namespace: str
    config_map: str = Field(alias="configMap")


class RangesShape(_Strict):
    """`addresses:`, what pods, Services and nodes have."""

    pods: str | None = None
    services: str | None = None
    nodes: str | None = None
    families: str | None = None


class PartyShape(_Strict):
    """An entry of `parties:`."""

    namespace: str | None = None
    namespaces: str | list[str] | None = None
    pods: dict[str, str] | None = None
    addresses: str | None = None
    exclude: Literal["cluster"] | None = Field(None, alias="except")


class FlowShape(_Strict):
    """An entry of `flows:` or `forbidden:`."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    ports: Annotated[list[str], Field(min_length=1)] | None = None
    why: str
    component: str | None = Field(None, alias="with")
    channel: bool = False


class RightShape(_Strict):
    """An entry of `rights:`."""

    subject: str
    may: list[str]
    namespace: str = Field("", alias="in")
    why: str
    component: str | None = Field(None, alias="with")


class BoundShape(_Strict):
    """An entry of a guard's `bindings:`."""

    zones: Annotated[list[str], Field(min_length=1, alias="in")]
    parameters: str = ""
    says: str = ""
    component: str | None = Field(None, alias="with")


class GuardShape(_Strict):
    """An entry of `guards:`."""

    digest: Annotated[str, Field(pattern=f"^{DIGEST.pattern}$")]
    why: str
    bindings: Annotated[list[BoundShape], Field(min_length=1)]


class AcceptedShape(_Strict):
    """An entry of `accepted:`."""

    kind: str
    name: str | None = None
    namespace: str = Field("", alias="in")
    why: str


class PlatformShape(_Strict):
    """An entry of `platform:`."""

    subject: str
    why: str


class FileShape(_Strict):
    """The file whole."""

    api_version: Literal["airlock/v1"] = Field(alias="apiVersion")
    kind: Literal["Flows"]
    site: SiteRefShape | None = None
    zones: dict[str, list[str]]
    addresses: RangesShape = RangesShape()
    parties: dict[str, PartyShape] = {}
    flows: list[FlowShape] = []
    forbidden: list[FlowShape] = []
    rights: list[RightShape] = []
    guards: dict[str, GuardShape] = {}
    accepted: list[AcceptedShape] = []
    platform: list[PlatformShape] = []
