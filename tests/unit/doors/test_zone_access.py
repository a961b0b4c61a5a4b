"""What the inner door's identity may do at a real store: as the buckets' policies say, and what is found where one says too much or too little."""

from __future__ import annotations

import pytest
from tests.conftest import make_people
from tests.servers import s3
from tests.servers.project import bucket_project

from airlock.doors._zone_access import zone_access
from airlock.doors.preflight import stores_of
from airlock.errors import ConfigError, StorageUnavailableError

FOREIGN = "foreign"


@pytest.fixture(scope="module")
def made(require, tmp_path_factory):
    require("s3")
    folder = tmp_path_factory.mktemp("access")
    with s3.running(folder / "gateway") as gateway:
        project = bucket_project(folder / "project", gateway, name="access")
        project.write(make_people(5), "000.parquet")
        gateway.bucket(FOREIGN, {"access-outer": s3.READ + s3.WRITE})
        yield project


@pytest.fixture
def look(made):
    """(what is wrong, what was found), under the inner door's identity."""

    def take(*never, **settings):
        given = never or (f"s3://{made.buckets['sanitized']}", f"s3://{FOREIGN}")
        return zone_access(stores_of(made.settings(**settings), given))

    yield take
    grants = {"raw": s3.READ, "staging": s3.READ + s3.WRITE}
    for zone, granted in grants.items():
        made.gateway.allow(
            made.buckets[zone], {"access-inner": granted, "access-outer": ("s3:GetObject",) if zone == "staging" else ()}
        )
    made.gateway.allow(FOREIGN, {"access-outer": s3.READ})
    made.gateway.allow(made.buckets["sanitized"], {"access-outer": s3.READ})


def test_as_the_policies_say_it_is_in_order_and_nothing_is_left(made, look):
    wrong, found = look()
    assert (wrong, found) == ([], "raw data can be read and not written, 2 buckets written, 2 neither")
    for zone in ("staging", "private", "sanitized"):
        assert made.files(zone) == []
    assert made.files("raw") == ["people/000.parquet"]


def test_raw_data_that_can_be_written(made, look):
    made.gateway.allow(made.buckets["raw"], {"access-inner": s3.READ + s3.WRITE})
    assert look()[0] == ["s3://access-raw can be written, and raw data are read alone"]
    assert made.files("raw") == ["people/000.parquet"]


@pytest.mark.parametrize(("granted", "what"), [(s3.READ, "read"), (s3.WRITE, "written")])
def test_a_sanitized_bucket_that_can_be_reached(made, look, granted, what):
    made.gateway.allow(made.buckets["sanitized"], {"access-inner": granted})
    assert look()[0] == [f"s3://access-sanitized can be {what}, and the inner door has no business there"]


def test_a_foreign_bucket_that_can_be_written(made, look):
    made.gateway.allow(FOREIGN, {"access-inner": s3.WRITE})
    assert look()[0] == ["s3://foreign can be written, and the inner door has no business there"]


def test_a_foreign_bucket_that_takes_somebody_elses_keys(made):
    """As a store does whose endpoint has no policy: trap T25."""
    keys = made.root / "identities" / "outer.ini"
    made.gateway.allow(FOREIGN, {"access-outer": s3.READ + s3.WRITE})
    stores = stores_of(made.settings(), (f"s3://{FOREIGN}",), keys)
    assert [one.identity == str(keys) for one in stores.never] == [False, True]
    assert zone_access(stores)[0] == [
        f"s3://foreign can be {what} with somebody else's keys, and the inner door has no business there"
        for what in ("written", "read")
    ]
    made.gateway.user("access-owner")
    made.gateway.allow(FOREIGN, {"access-owner": s3.READ})  # an endpoint's policy would answer the same
    assert zone_access(stores)[0] == []


def test_what_can_not_be_reached_at_all_is_shut(look):
    with pytest.raises(StorageUnavailableError):  # the inner door's own must answer
        look(s3__endpoint="http://127.0.0.1:9")


def test_staging_that_can_not_be_written(made, look):
    made.gateway.allow(made.buckets["staging"], {"access-inner": s3.READ})
    with pytest.raises(ConfigError, match="does not let this identity use"):
        look()


def test_a_bucket_that_is_not_there_shows_nothing(look):
    with pytest.raises(ConfigError, match="there is no such bucket"):
        look("s3://no-such-bucket-anywhere")


def test_whoever_has_buckets_says_which_are_none_of_its_business(made, make_project):
    with pytest.raises(ConfigError, match="Give --never with the sanitized zone's uri"):
        stores_of(made.settings(), ())
    assert stores_of(make_project(files=0).settings(), ()) is None
