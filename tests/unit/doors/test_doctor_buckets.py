"""`doctor` on zones in buckets: each look fails for its own reason, and says the line that mends it; nothing stays."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest
from tests.servers import careless, s3
from tests.servers.certificate import make_certificate
from tests.servers.project import bucket_project

from airlock.doors._buckets import bucket_checks
from airlock.doors.doctor import _zones

WRITER = (
    "s3:ListBucket", "s3:GetObject", "s3:DeleteObject", "s3:PutObject", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload",
)  # fmt: skip
LOOKS = ["identity", "endpoint", "clock", "rights", "conditions", "uploads", "versions"]


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory):
    require("s3")
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "versions").mkdir()
    with s3.running(folder, data=folder / "data", posix=("--versioning-dir", str(folder / "versions"))) as served:
        yield served


@pytest.fixture
def buckets(gateway, tmp_path, people):
    made = bucket_project(tmp_path / "project", gateway, name=f"p{uuid.uuid4().hex[:12]}")
    made.write(people(3), "a.parquet")
    return made


def look(settings):
    """The checks by group and name; none of them quotes a secret."""
    checks = [*_zones(settings), *bucket_checks(settings)]
    assert "secret-of" not in repr(checks)
    found = {}
    for check in checks:
        assert (check.group, check.name) not in found
        assert bool(check.hint) == (check.status != "ok")
        found[check.group, check.name] = check
    return found


def failures(settings):
    return {where for where, check in look(settings).items() if check.status == "failed"}


def names(found, group):
    return [name for where, name in found if where == group]


def test_four_buckets_and_two_identities_are_fit(buckets):
    before = {zone: buckets.files(zone) for zone in buckets.buckets}
    found = look(buckets.settings())
    assert [check for check in found.values() if check.status != "ok"] == []
    assert names(found, "raw") == LOOKS[:4]
    for group in ("private", "staging", "sanitized"):
        assert names(found, group) == LOOKS
    assert names(found, "outer staging") == LOOKS[:4]
    assert found["outer staging", "rights"].said == "may list, read, delete and write verdicts"
    inner, outer = (f"{buckets.buckets['raw'].removesuffix('-raw')}-{door}" for door in ("inner", "outer"))
    assert found["staging", "identity"].said == f"{inner}, of {buckets.root}/identities/inner.ini"
    assert found["outer staging", "identity"].said == f"{outer}, of {buckets.root}/identities/outer.ini"
    assert found["raw", "endpoint"].said == f"s3://{buckets.buckets['raw']} at {buckets.gateway.endpoint} answers"
    assert found["raw", "rights"].said == "may list and read"
    assert found["staging", "rights"].said == "may list, read, write and delete, begin and abort uploads"
    assert found["zones", "metadata"].said == "no instance's metadata service is asked for an identity"
    assert {zone: buckets.files(zone) for zone in buckets.buckets} == before


def test_the_outer_door_may_write_nothing_but_verdicts_into_staging(buckets):
    arn = f"arn:aws:s3:::{buckets.buckets['staging']}/*"
    outer = f"{buckets.name}-outer"
    statements = []
    for statement in _policy(buckets, "staging")["Statement"]:
        if outer in statement["Principal"]["AWS"] and "s3:PutObject" in statement["Action"]:
            actions = [action for action in statement["Action"] if action != "s3:PutObject"]
            statements.append({**statement, "Action": actions})
            statements.append({**statement, "Action": ["s3:PutObject"], "Resource": [f"{arn}/verdict.json"]})
        else:
            statements.append(statement)
    _set(buckets, "staging", statements)
    assert look(buckets.settings())["outer staging", "rights"].status == "ok"
    _take_away(buckets, "staging", "s3:PutObject")
    lacking = look(buckets.settings())["outer staging", "rights"]
    assert (lacking.status, lacking.said) == ("failed", "may not s3:PutObject")
    assert f'"Resource": ["{arn}/verdict.json"]' in lacking.hint


def _policy(buckets, zone):
    return json.loads(buckets.client.get_bucket_policy(Bucket=buckets.buckets[zone])["Policy"])


def _set(buckets, zone, statements):
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    buckets.client.put_bucket_policy(Bucket=buckets.buckets[zone], Policy=policy)


def _take_away(buckets, zone, action):
    statements = []
    for statement in _policy(buckets, zone)["Statement"]:
        actions = [one for one in statement["Action"] if one != action]
        statements += [{**statement, "Action": actions}] if actions else []
    _set(buckets, zone, statements)


def _follow(buckets, zone, hint, user):
    """Put the line that was said into the bucket's policy."""
    line = json.loads(hint.partition("in the bucket's policy: ")[2].rpartition("}")[0] + "}")
    _set(buckets, zone, [*_policy(buckets, zone)["Statement"], {**line, "Principal": {"AWS": [user]}}])


def _user(buckets, door):
    return f"{buckets.buckets['raw'].removesuffix('-raw')}-{door}"


@pytest.mark.parametrize(
    ("zone", "action"),
    [("sanitized", action) for action in WRITER] + [("raw", action) for action in WRITER[:2]],
)
def test_an_action_that_lacks_is_named_with_the_line_that_allows_it(buckets, zone, action):
    _take_away(buckets, zone, action)
    before = buckets.files(zone)
    found = look(buckets.settings())
    assert {where for where, check in found.items() if check.status == "failed"} == {(zone, "rights")}
    assert found[zone, "rights"].said == f"may not {action}"
    assert names(found, zone) == LOOKS[:4]
    assert buckets.files(zone) == before
    _follow(buckets, zone, found[zone, "rights"].hint, _user(buckets, "inner" if zone == "raw" else "outer"))
    assert failures(buckets.settings()) == set()


def test_who_only_reads_releases_is_warned_and_no_more(buckets):
    for action in WRITER[2:]:
        _take_away(buckets, "sanitized", action)
    settings = buckets.settings()
    settings.values.update({"keys.stage_signing": None, "keys.release_signing": None})
    found = look(settings)
    assert (found["sanitized", "rights"].status, found["sanitized", "rights"].said) == (
        "warning",
        "may list and read, not write",
    )
    assert names(found, "sanitized") == LOOKS[:4]


@pytest.mark.parametrize(("action", "verb"), [("s3:ListBucket", "list"), ("s3:GetObject", "read"), ("s3:PutObject", "write")])
@pytest.mark.parametrize(("mine", "other"), [("raw", "sanitized"), ("sanitized", "raw"), ("sanitized", "private")])
def test_an_identity_that_reaches_the_other_side_fails(buckets, mine, other, action, verb):
    user = _user(buckets, "inner" if mine == "raw" else "outer")
    arn = f"arn:aws:s3:::{buckets.buckets[other]}"
    resource = arn if action == "s3:ListBucket" else f"{arn}/*"
    leak = {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": [action], "Resource": [resource]}
    _set(buckets, other, [*_policy(buckets, other)["Statement"], leak])
    before = buckets.files(other)
    check = look(buckets.settings())["crossing", f"{mine} to {other}"]
    assert (check.status, check.said) == ("failed", f"the identity of zone {mine} can {verb} there")
    assert '"Effect": "Deny"' in check.hint
    assert buckets.files(other) == before
    _follow(buckets, other, check.hint, user)
    assert failures(buckets.settings()) == set()


def test_an_identity_that_the_other_store_does_not_know_is_fine(buckets, gateway, tmp_path):
    with s3.running(tmp_path / "second") as second:
        place = second.client()
        place.create_bucket(Bucket="elsewhere")
        identity = tmp_path / "elsewhere.ini"
        identity.write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
        values = {"uri": "s3://elsewhere", "endpoint": second.endpoint, "identity": str(identity)}
        found = look(buckets.settings(**{f"zones.sanitized.{name}": value for name, value in values.items()}))
    assert found["crossing", "raw to sanitized"].said == "the identity of zone raw is not known there"
    assert found["crossing", "raw to sanitized"].status == "ok"


def test_one_identity_for_both_sides_fails(buckets):
    found = look(buckets.settings(**{"zones.sanitized.identity": str(buckets.root / "identities" / "inner.ini")}))
    assert found["zones", "apart"].status == "failed"
    assert "are reached by one identity" in found["zones", "apart"].said


def test_a_secret_that_is_wrong_is_told(buckets):
    (buckets.root / "identities" / "inner.ini").write_text(
        f"[default]\naws_access_key_id = {_user(buckets, 'inner')}\naws_secret_access_key = secret-of-nobody\n"
    )
    check = look(buckets.settings())["raw", "rights"]
    assert check.status == "failed"
    assert "SignatureDoesNotMatch" in check.said
    assert check.hint.startswith("zones.raw.identity: an access key and secret that the store knows")


_RAW = "zones.raw.identity"


@pytest.mark.parametrize(
    ("change", "where", "said", "hint"),
    [
        ({"s3.endpoint": "http://127.0.0.1:9"}, ("raw", "endpoint"), "did not answer", "s3.endpoint: the address at which"),
        ({"s3.endpoint": "http://192.0.2.1:9"}, ("raw", "endpoint"), "expected https", "s3.endpoint: https://host:port"),
        ({"zones.private.uri": "s3://nobody-made-it"}, ("private", "rights"), "no such bucket", "correct zones.private.uri"),
        ({_RAW: "profile:nobody"}, ("raw", "identity"), "no identity is found (ProfileNotFound)", f"{_RAW}: profile:NAME"),
        ({_RAW: "nowhere"}, ("raw", "identity"), "can't be read", f"{_RAW}: profile:NAME"),
        ({_RAW: "nowhere"}, ("private", "identity"), "can't be read", f"{_RAW}: profile:NAME"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(buckets, change, where, said, hint):
    check = look(buckets.settings(**change))[where]
    assert check.status == "failed"
    assert said in check.said
    assert hint in check.hint


def test_a_store_that_does_not_answer_is_waited_for_once(buckets):
    found = look(buckets.settings(**{"s3.endpoint": "http://127.0.0.1:9"}))
    failed = {where: check.said for where, check in found.items() if check.status == "failed"}
    assert "did not answer for '.'" in failed.pop(("raw", "endpoint"))
    assert failed == {(group, "endpoint"): "did not answer" for group in ("private", "staging", "sanitized", "outer staging")}
    assert found["sanitized", "endpoint"].hint == "as for raw"
    assert not names(found, "crossing")


def test_versions_of_this_gateway_let_what_was_deleted_be_replaced(buckets):
    """versitygw takes the version below the mark of a deletion for the current one."""
    buckets.client.put_bucket_versioning(Bucket=buckets.buckets["sanitized"], VersioningConfiguration={"Status": "Enabled"})
    found = look(buckets.settings())
    assert {where for where, check in found.items() if check.status == "failed"} == {("sanitized", "conditions")}
    assert found["sanitized", "conditions"].said == (
        "two publishers could both win: an object that was not there any more was replaced (If-Match)"
    )


def test_whether_a_bucket_keeps_versions_may_be_kept_from_an_identity(buckets):
    _take_away(buckets, "sanitized", "s3:GetBucketVersioning")
    check = look(buckets.settings())["sanitized", "versions"]
    assert (check.status, check.said) == ("warning", "whether the bucket keeps what is deleted can't be asked")
    _follow(buckets, "sanitized", check.hint, _user(buckets, "outer"))
    assert look(buckets.settings())["sanitized", "versions"].status == "ok"


def test_an_empty_raw_bucket_is_a_warning(buckets):
    buckets.client.delete_object(Bucket=buckets.buckets["raw"], Key="people/a.parquet")
    check = look(buckets.settings())["raw", "rights"]
    assert (check.status, check.said) == ("warning", "may list, but there is nothing")


def test_an_open_metadata_service_is_a_warning(buckets):
    assert look(buckets.settings(metadata_service="on"))["zones", "metadata"].status == "warning"


def test_a_certificate_needs_its_authority(require, tmp_path, people):
    require("s3")
    certificate = make_certificate(tmp_path)
    with s3.running(tmp_path / "gateway", tls=(certificate.certificate, certificate.key)) as served:
        made = bucket_project(tmp_path / "project", served, name="tls")
        made.write(people(3), "a.parquet")
        assert failures(made.settings()) == set()
        trusted = look(made.settings())["raw", "endpoint"]
        assert trusted.said == f"s3://tls-raw at {served.endpoint} answers; its certificate is trusted"
        settings = made.settings()
        settings.values["s3.ca"] = None
        check = look(settings)["raw", "endpoint"]
    assert (check.status, check.hint) == (
        "failed",
        "s3.ca: the PEM file of the authority that signed the endpoint's certificate",
    )
    assert "certificate is not trusted" in check.said


# --- stores that break a promise --------------------------------------------------------------------------------------


@pytest.fixture
def odd(require, make_project, tmp_path):
    """Makes checks of a project whose zone `sanitized` is in a careless store."""
    require("moto")

    def make(*options, versions=False):
        project = make_project(files=1)
        with careless.running(*options) as served:
            place = served.zone(tmp_path, "sanitized")
            if versions:
                served.admin().put_bucket_versioning(Bucket="sanitized", VersioningConfiguration={"Status": "Enabled"})
            values = {"uri": place.uri, "endpoint": place.endpoint, "identity": place.identity}
            found = look(project.settings(**{f"zones.sanitized.{name}": value for name, value in values.items()}))
        return {name: check for (group, name), check in found.items() if group == "sanitized"}

    return make


@pytest.mark.parametrize("lost", ["If-None-Match", "If-Match"])
def test_a_store_that_passes_over_conditions_fails(odd, lost):
    check = odd(f"--lost={lost}")["conditions"]
    assert check.status == "failed"
    assert check.said.startswith("two publishers could both win: 8 of 8 writers")
    assert check.hint.startswith("zones.sanitized.uri: a bucket of a store that enforces If-None-Match and If-Match")


@pytest.mark.parametrize(
    ("clock", "status", "said"),
    [
        (30, "ok", "as the store's"),
        (-120, "warning", "s behind, expected at most 60 s"),
        (120, "warning", "s ahead, expected at most 60 s"),
        (1200, "failed", "s ahead, limit of signatures 900 s: every request is refused"),
    ],
)
def test_clocks(odd, clock, status, said):
    found = odd(f"--clock={clock}")
    check = found["clock"]
    assert check.status == status
    assert check.said.endswith(said)
    assert ("timedatectl set-ntp true" in check.hint) == (status != "ok")
    assert list(found) == (LOOKS[:3] if status == "failed" else LOOKS)


def test_a_bucket_that_keeps_what_is_deleted_is_a_warning(odd):
    found = odd(versions=True)
    assert {name for name, check in found.items() if check.status != "ok"} == {"versions"}
    assert (found["versions"].status, found["versions"].said) == (
        "warning",
        "what is deleted or replaced stays in the bucket, as a version",
    )
    assert "NoncurrentVersionExpiration" in found["versions"].hint


def test_the_command_shows_it(buckets):
    _take_away(buckets, "staging", "s3:GetObject")
    command = [sys.executable, "-m", "airlock", "--config", str(buckets.config), "doctor"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "")
    shown = {(check["group"], check["name"]): check for check in json.loads(done.stdout)}
    assert [where for where, check in shown.items() if check["status"] == "failed"] == [
        ("staging", "rights"),
        ("outer staging", "rights"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "may not s3:GetObject" in done.stdout
    assert '"Action": ["s3:GetObject"]' in " ".join(done.stdout.split())
