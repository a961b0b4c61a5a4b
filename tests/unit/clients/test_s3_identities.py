"""Who a zone is reached as: each way to name an identity, against real servers; and that none is taken from where nobody said."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import pytest
from tests.servers import careless, instance, intercept, s3
from tests.servers.certificate import make_certificate

from airlock.clients.s3 import s3_session
from airlock.doors._zones import require_disjoint
from airlock.errors import ConfigError, StorageUnavailableError, ZonesOverlapError
from airlock.settings import Location, load_settings
from airlock.storage import open_store

USER = "alice"


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory):
    """Knows one user, who may use one bucket."""
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        served.user(USER)
        served.bucket("zone", {USER: s3.READ + s3.WRITE})
        yield served


@pytest.fixture(scope="module")
def moto(require):
    """Takes every identity, and is AWS's STS too."""
    require("moto")
    with careless.running() as served:
        served.admin().create_bucket(Bucket="zone")
        yield served


@pytest.fixture(autouse=True)
def _nobody(monkeypatch, tmp_path):
    """No identity lies around."""
    s3_session.cache_clear()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


def _file(path, section="default", key=USER, secret=f"secret-of-{USER}-for-tests", **more):
    lines = [f"{name} = {value}" for name, value in {"aws_access_key_id": key, "aws_secret_access_key": secret, **more}.items()]
    path.write_text("\n".join([f"[{section}]", *lines, ""]))
    return path


def _folder(path, **parts):
    path.mkdir()
    for name, value in parts.items():
        (path / name).write_text(f"{value}\n")
    return path


def _works(place, folder):
    """Written by one library, read by both."""
    store = open_store(place)
    store.create(f"{folder.name}/x", b"content")
    with store.open_input(f"{folder.name}/x") as source:
        assert (store.read(f"{folder.name}/x"), source.read()) == (b"content", b"content")
    return s3_session(place).caller()


# --- ways to name one -------------------------------------------------------------------------------------------------


def test_a_credentials_file(gateway, tmp_path):
    place = Location("s3://zone", endpoint=gateway.endpoint, identity=str(_file(tmp_path / "alice.ini")))
    assert _works(place, tmp_path) == USER


def test_a_mounted_folder(gateway, tmp_path):
    folder = _folder(tmp_path / "secret", access_key_id=USER, secret_access_key=f"secret-of-{USER}-for-tests")
    assert _works(Location("s3://zone", endpoint=gateway.endpoint, identity=str(folder)), tmp_path) == USER


def test_a_mounted_folder_with_a_token(moto, tmp_path):
    folder = _folder(tmp_path / "secret", access_key_id="k", secret_access_key="s", session_token="t")
    place = Location("s3://zone", endpoint=moto.endpoint, identity=str(folder))
    assert _works(place, tmp_path) == "k"
    assert s3_session(place).credentials().token == "t"


def test_a_mounted_folder_that_lacks_a_part(gateway, tmp_path):
    folder = _folder(tmp_path / "secret", access_key_id=USER)
    with pytest.raises(ConfigError, match=r"is a folder, but lacks access_key_id or secret_access_key. Mount the Secret"):
        open_store(Location("s3://zone", endpoint=gateway.endpoint, identity=str(folder))).read("x")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_profile_of_the_environment_has_no_say_where_an_identity_is_named(gateway, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    if kind == "file":
        identity = _file(tmp_path / "alice.ini")
    else:
        identity = _folder(tmp_path / "secret", access_key_id=USER, secret_access_key=f"secret-of-{USER}-for-tests")
    assert _works(Location("s3://zone", endpoint=gateway.endpoint, identity=str(identity)), tmp_path) == USER


def test_a_profile(gateway, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(_file(tmp_path / "credentials", section="outer")))
    assert _works(Location("s3://zone", endpoint=gateway.endpoint, identity="profile:outer"), tmp_path) == USER


def test_the_environment(gateway, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"secret-of-{USER}-for-tests")
    assert _works(Location("s3://zone", endpoint=gateway.endpoint), tmp_path) == USER


@pytest.fixture
def sts(moto, tmp_path, monkeypatch):
    """STS under its own https address, which botocore insists on here."""
    made = make_certificate(tmp_path, ["sts.us-east-1.amazonaws.com", "sts.amazonaws.com"])
    with intercept.running(made, urlsplit(moto.endpoint).port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(made.certificate))
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        (tmp_path / "token").write_text("a-projected-token")
        yield proxy


ROLE = "arn:aws:iam::123456789012:role/outer"


def test_a_web_identity_of_a_profile(moto, sts, tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.write_text(f"[profile outer]\nrole_arn = {ROLE}\nweb_identity_token_file = {tmp_path}/token\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    place = Location("s3://zone", endpoint=moto.endpoint, identity="profile:outer")
    assert _works(place, tmp_path) == ROLE
    assert s3_session(place).credentials().token
    assert {host.partition(":")[0] for host in sts.hosts} == {"sts.us-east-1.amazonaws.com"}


def test_a_web_identity_of_a_pod(moto, sts, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    place = Location("s3://zone", endpoint=moto.endpoint)
    assert _works(place, tmp_path) == ROLE
    assert s3_session(place).credentials().token
    assert sts.hosts


def test_a_role_of_the_environment_is_told_apart_from_one_of_the_configuration(moto, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("a-projected-token")
    config = tmp_path / "config"
    config.write_text(f"[default]\nrole_arn = {ROLE}-of-a-file\nweb_identity_token_file = {tmp_path}/token\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert s3_session(Location("s3://zone", endpoint=moto.endpoint)).caller() == ROLE


def _session_of(moto, folder, name):
    """A file with temporary credentials that name nobody, as a container or SSO has them."""
    client = boto3.client(
        "sts", endpoint_url=moto.endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    made = client.assume_role(RoleArn=ROLE, RoleSessionName=name)["Credentials"]
    token = {"aws_session_token": made["SessionToken"]}
    return str(_file(folder / f"{name}.ini", key=made["AccessKeyId"], secret=made["SecretAccessKey"], **token))


def test_two_logins_of_one_role_are_one_caller(moto, sts, tmp_path):
    one, other = (Location("s3://zone", identity=_session_of(moto, tmp_path, name)) for name in ("inner", "outer"))
    assert s3_session(one).credentials() != s3_session(other).credentials()
    assert s3_session(one).caller() == s3_session(other).caller() == ROLE
    assert {host.partition(":")[0] for host in sts.hosts} == {"sts.us-east-1.amazonaws.com"}
    asked = len(sts.hosts)
    s3_session(one).caller()
    assert len(sts.hosts) == asked


def test_where_nobody_says_whose_they_are_is_an_error(moto, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    place = Location("s3://zone", identity=_session_of(moto, tmp_path, "inner"))
    with pytest.raises(StorageUnavailableError, match=r"was not told by AWS STS .* Let this door reach STS"):
        s3_session(place).caller()


def test_long_lived_keys_ask_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert s3_session(Location("s3://zone", identity=str(_file(tmp_path / "alice.ini")))).caller() == USER


# --- and from nowhere else --------------------------------------------------------------------------------------------


@pytest.fixture
def offered(monkeypatch):
    """Every identity that an environment can offer: variables, a container's agent, an instance's metadata service."""
    with instance.running() as served:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{served.address}/container")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", served.address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-environment")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment")
        yield served


def _empty_file(folder, monkeypatch):
    (folder / "empty.ini").write_text("[default]\nregion = us-east-1\n")
    return str(folder / "empty.ini")


def _empty_profile(folder, monkeypatch):
    (folder / "config").write_text("[profile outer]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    return "profile:outer"


@pytest.mark.parametrize("named", [_empty_file, _empty_profile])
def test_an_identity_that_is_named_falls_back_to_nothing(moto, offered, tmp_path, monkeypatch, named):
    place = Location("s3://zone", endpoint=moto.endpoint, identity=named(tmp_path, monkeypatch), metadata_service=True)
    with pytest.raises(ConfigError, match=r"no identity is found \(NoCredentialsError\)"):
        open_store(place).read("x")
    with pytest.raises(ConfigError, match="no identity is found"):
        s3_session(place).caller()
    assert offered.asked == []


def test_an_identity_that_is_named_goes_before_the_environment(moto, offered, tmp_path):
    place = Location("s3://zone", endpoint=moto.endpoint, identity=str(_file(tmp_path / "alice.ini")), metadata_service=True)
    assert _works(place, tmp_path) == USER
    assert offered.asked == []


@pytest.mark.parametrize("switch", [False, True])
def test_the_metadata_service_is_asked_only_where_that_is_switched_on(moto, offered, tmp_path, monkeypatch, switch):
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    place = Location("s3://zone", endpoint=moto.endpoint, metadata_service=switch)
    if switch:
        assert _works(place, tmp_path) == instance.KEYS["AccessKeyId"]
        assert offered.asked[0] == "/latest/api/token"
    else:
        with pytest.raises(ConfigError, match="no identity is found"):
            open_store(place).read("x")
        assert offered.asked == []


def test_a_container_is_asked_where_nobody_is_named(moto, offered, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert _works(Location("s3://zone", endpoint=moto.endpoint), tmp_path) == instance.KEYS["AccessKeyId"]
    assert set(offered.asked) == {"/container"}


# --- two sides --------------------------------------------------------------------------------------------------------


def _two(**values):
    return load_settings(environment={}, flags={name.replace("__", "."): value for name, value in values.items()})


@pytest.mark.parametrize("inner", ["raw", "private"])
def test_one_bucket_for_both_sides_is_refused(tmp_path, inner):
    settings = _two(**{f"zones__{inner}__uri": "s3://one/inner", "zones__sanitized__uri": "s3://one/outer"})
    with pytest.raises(ZonesOverlapError, match=f"zone '{inner}' and zone 'sanitized' are in one bucket"):
        require_disjoint(settings)


@pytest.mark.parametrize("inner", ["raw", "private"])
@pytest.mark.parametrize("named", ["same file", "other file, same key", "nobody"])
def test_one_identity_for_both_sides_is_refused(tmp_path, inner, named, monkeypatch):
    one, other = _file(tmp_path / "one.ini"), _file(tmp_path / "other.ini")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    identities = {"same file": (one, one), "other file, same key": (one, other), "nobody": (None, None)}[named]
    values = {f"zones__{inner}__uri": "s3://one", "zones__sanitized__uri": "s3://other"}
    for zone, identity in zip((inner, "sanitized"), identities, strict=True):
        values |= {f"zones__{zone}__identity": str(identity)} if identity else {}
    with pytest.raises(ZonesOverlapError, match=f"zone '{inner}' and zone 'sanitized' are reached by one identity"):
        require_disjoint(_two(**values))


def test_two_identities_and_two_buckets_are_fine(tmp_path):
    one, other = _file(tmp_path / "one.ini"), _file(tmp_path / "other.ini", key="bob")
    places = {"zones__raw__uri": "s3://one", "zones__sanitized__uri": "s3://other"}
    require_disjoint(_two(**places, zones__raw__identity=str(one), zones__sanitized__identity=str(other)))
