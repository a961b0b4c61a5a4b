"""The checks that look at every written value, one a file. A new check is a module here and a line below."""

from __future__ import annotations

from typing import Any

from airlock.gate._check import Check
from airlock.gate.checks.classes import ClassesCheck
from airlock.gate.checks.entities import EntitiesCheck
from airlock.gate.checks.frequency import FrequencyCheck
from airlock.gate.checks.names import NamesCheck
from airlock.gate.checks.rare import RareCheck
from airlock.gate.checks.schema import SchemaCheck
from airlock.gate.checks.shapes import ShapesCheck
from airlock.gate.checks.uniqueness import UniquenessCheck

__all__ = ["CHECKS"]

CHECKS: dict[str, type[Check[Any]]] = {
    "schema": SchemaCheck,
    "names": NamesCheck,
    "shapes": ShapesCheck,
    "entities": EntitiesCheck,
    "frequency": FrequencyCheck,
    "rare": RareCheck,
    "uniqueness": UniquenessCheck,
    "classes": ClassesCheck,
}
"""In the order in which their verdicts are told."""
