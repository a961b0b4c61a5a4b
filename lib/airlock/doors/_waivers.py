"""The gate's own waivers: a YAML file of the outer door's configuration. Called by `release`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airlock.errors import ConfigError
from airlock.gate.rules import GateConfig, Waiver
from airlock.policy.load import report_validation
from airlock.policy.yaml import read_yaml

__all__ = ["load_waivers"]


class _Waiver(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    dataset: str
    column: str
    entity: str
    approver: str = Field(min_length=1)
    expires: date
    reason: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    waivers: list[_Waiver]


def load_waivers(path: Path | None) -> GateConfig:
    """Read the waivers; without a file there are none.

    Raises:
        ConfigError: The file is missing or wrong; every fault is named with its place.
    """
    if path is None:
        return GateConfig(waivers=())
    if not path.is_file():
        raise ConfigError(f"there is no waiver file '{path}' (setting 'waivers')")
    document = read_yaml(path.read_text(encoding="utf-8"), str(path))
    if not document.problems:
        try:
            file = _File.model_validate(document.data)
            return GateConfig(waivers=tuple(Waiver(**vars(waiver)) for waiver in file.waivers))
        except ValidationError as error:
            report_validation(document, error, [*_Waiver.model_fields, "waivers"])
    raise ConfigError("\n".join(["waivers:", *map(str, sorted(set(document.problems)))]))
