"""A release that a reader names by its uri: what its zone says of endpoint and identity counts for it."""

from __future__ import annotations

import pytest

from airlock.doors.shelves import shelf
from airlock.settings import load_settings

ZONE = {"zones.sanitized.uri": "s3://sanitized/out", "zones.sanitized.endpoint": "https://127.0.0.1:7"}


@pytest.mark.parametrize("uri", ["s3://sanitized/out/customers", "s3://sanitized/out/customers/"])
def test_a_uri_in_the_zone_is_reached_as_the_zone_is(uri):
    found = shelf(uri, load_settings(flags=ZONE, environment={}))
    assert (found.in_zone, found.parts) == (True, ("customers",))


@pytest.mark.parametrize("uri", ["s3://sanitized/other", "s3://sanitized/outer/customers", "s3://sanitized2/out/customers"])
def test_one_beside_it_is_not(uri):
    assert not shelf(uri, load_settings(flags={**ZONE, "s3.region": "eu-central-1"}, environment={})).in_zone
