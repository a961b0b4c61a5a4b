"""What README shows of object stores is what code does: its configurations load, its rights are those that a test proves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.servers.demo import RIGHTS

from airlock.doors._zones import require_disjoint
from airlock.settings import load_settings
from airlock.types import Zone

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Object stores\n")[2].partition("\n## ")[0]
DOORS = {"inner": {Zone.RAW, Zone.PRIVATE, Zone.STAGING}, "outer": {Zone.STAGING, Zone.SANITIZED}}


@pytest.mark.parametrize("door", DOORS)
def test_the_configurations_load_and_name_only_their_own_zones(tmp_path, door):
    (block,) = [text for text in re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL) if text.startswith(f"# {door}.yaml")]
    config = tmp_path / f"{door}.yaml"
    config.write_text(block)
    settings = load_settings(file=config, environment={})
    assert {zone for zone in Zone if settings.has(zone)} == DOORS[door]
    assert len({settings.zone(zone).identity for zone in DOORS[door]}) == 1
    assert settings.zone(Zone.STAGING).ca == str(tmp_path / "ca.pem")
    require_disjoint(settings)


def _words(name: str) -> set[str]:
    found = re.search(rf"\b{name} (?:is )?((?:`s3:\w+`(?:, )?)+)", SECTION)
    return set(re.findall(r"s3:\w+", found[1]))


def test_the_rights_are_those_of_the_demo():
    read, write = _words("read"), _words("write")
    lines = [line for line in SECTION.splitlines() if line.startswith("  | ")][2:]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    rows = {zone: {"inner": inner, "outer": outer} for zone, inner, outer, _ in table}
    assert list(rows) == list(RIGHTS)
    for zone, doors in rows.items():
        for door, cell in doors.items():
            named = (
                set(re.findall(r"s3:\w+", cell)) | (read if "read" in cell else set()) | (write if "write" in cell else set())
            )
            assert named == RIGHTS[zone].get(door, {}).keys(), (zone, door)
    assert RIGHTS["staging"]["outer"]["s3:PutObject"] == "*/verdict.json"
