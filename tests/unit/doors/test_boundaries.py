"""Zones and keys stay apart; settings of each door name only its own side."""

from __future__ import annotations

import pytest

from airlock.doors._zones import require_disjoint
from airlock.errors import ZonesOverlapError
from airlock.settings import load_settings


def settings(folder, **flags):
    return load_settings(environment={}, flags={name.replace("__", "."): str(folder / value) for name, value in flags.items()})


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("a", "a/inside"), ("a/inside", "a")],
)
def test_overlapping_zones_are_refused(tmp_path, first, second):
    with pytest.raises(ZonesOverlapError, match="overlap"):
        require_disjoint(settings(tmp_path, zones__raw__uri=first, zones__sanitized__uri=second))


@pytest.mark.parametrize("zone", ["sanitized", "staging"])
def test_reports_on_refused_runs_stand_in_no_zone(tmp_path, zone):
    with pytest.raises(ZonesOverlapError, match=f"zone '{zone}' and the place of reports overlap"):
        require_disjoint(settings(tmp_path, reports="a/inside", **{f"zones__{zone}__uri": "a"}))


def test_a_link_does_not_hide_an_overlap(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "raw")
    with pytest.raises(ZonesOverlapError, match="zone 'raw' and zone 'sanitized'"):
        require_disjoint(settings(tmp_path, zones__raw__uri="raw", zones__sanitized__uri="other"))


def test_one_key_file_for_two_purposes_is_refused(tmp_path):
    with pytest.raises(ZonesOverlapError, match="one file"):
        require_disjoint(settings(tmp_path, keys__root="key", keys__stage_signing="key"))


def test_keys_inside_a_zone_are_refused(tmp_path):
    with pytest.raises(ZonesOverlapError, match="inside zone 'staging'"):
        require_disjoint(settings(tmp_path, zones__staging__uri="staging", keys__root="staging/root.json"))


@pytest.mark.parametrize("name", ["keys__executor", "keys__records", "keys__vault__credential", "reidentify__signing"])
def test_whatever_else_is_of_keys_is_looked_at_too(tmp_path, name):
    with pytest.raises(ZonesOverlapError, match="inside zone 'staging'"):
        require_disjoint(settings(tmp_path, zones__staging__uri="staging", **{name: "staging/k"}))


def test_four_places_and_three_files_are_fine(tmp_path):
    require_disjoint(
        settings(
            tmp_path,
            zones__raw__uri="raw",
            zones__private__uri="private",
            zones__staging__uri="staging",
            zones__sanitized__uri="sanitized",
            keys__root="keys/root",
            keys__stage_signing="keys/stage",
            keys__release_signing="keys/release",
        )
    )
