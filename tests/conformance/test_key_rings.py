"""What every key provider promises, each on its real server: a file, Vault's KV and transit, AWS KMS. One more joins in `_rings`."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError
from tests.conformance import _rings
from tests.servers.serving import serving

from airlock.clients.aws import KmsKey, KmsSession
from airlock.doors.doctor import _keys
from airlock.doors.preview import preview
from airlock.errors import (
    AirlockError,
    ConfigError,
    KeyAccessError,
    KeyEpochError,
    KeyFileError,
    KeyProviderError,
    MissingCapabilityError,
    PermitError,
    TransientError,
)
from airlock.keys import KeyRequest, Permit, open_key_ring
from airlock.keys.derive import derive_all, root_fingerprint
from airlock.keys.open import service_identity
from airlock.settings import load_settings

ROOTS = {1: secrets.token_bytes(32), 2: secrets.token_bytes(32)}
REQUESTS = [KeyRequest("pseudonymize", "aes-cmac", "email"), KeyRequest("order", "aes-ctr")]
NOWHERE = "127.0.0.1:1"


def permit(seconds: float = 60) -> Permit:
    return Permit("0" * 64, time.time() + seconds)


def derive(ring, epoch=1):
    return ring.subkeys(REQUESTS, recipient="tests", epoch=epoch, permit=permit())


@pytest.fixture(autouse=True)
def identity(monkeypatch):
    for name, value in _rings.AWS.items():
        monkeypatch.setenv(name, value)
    for name in ("VAULT_TOKEN", "VAULT_ADDR", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def servers(require):
    """Starts a server when it is first needed; one of each kind for the module."""
    with ExitStack() as stack:
        running = {}

        def server(part):
            if part is None:
                return None
            require(part)
            if part not in running:
                running[part] = stack.enter_context(_rings.SERVERS[part]())
            return running[part]

        yield server


@pytest.fixture(params=_rings.SIDES)
def side(request, servers, tmp_path):
    with _rings.made(request.param, tmp_path, servers(_rings.PARTS[request.param])) as made:
        yield made


@pytest.fixture
def vault(servers):
    return servers("vault")


def test_the_same_root_gives_the_same_subkeys_wherever_it_is_kept(side):
    side.plant(ROOTS)
    ring = side.ring()
    for epoch, root in ROOTS.items():
        expected, made = derive_all(root, REQUESTS, recipient="tests", epoch=epoch), derive(ring, epoch)
        assert {request: made[request] for request in made} == {request: expected[request] for request in expected}
        assert made.ids == expected.ids
        assert ring.fingerprint(epoch, permit()) == root_fingerprint(root, epoch)
    assert sorted(ring.epochs().texts) == [1, 2]


@pytest.mark.parametrize("given", [None, Permit("0" * 64, 0)])
def test_without_a_permit_nothing_is_asked(side, given):
    side.plant(ROOTS)
    ring = side.ring(gone(side))  # an unreachable service would be another error
    with pytest.raises(PermitError, match="permit"):
        ring.subkeys(REQUESTS, recipient="tests", epoch=1, permit=given)
    with pytest.raises(PermitError, match="permit"):
        ring.fingerprint(1, given)


def test_a_missing_epoch(side):
    side.plant(ROOTS)
    with pytest.raises(KeyEpochError, match="has no root for epoch 3; it has: 1, 2") as caught:
        derive(side.ring(), 3)
    assert caught.value.facts == {"epoch": 3}


def test_epochs_are_made_added_and_destroyed(side):
    ring = side.ring()
    ring.create()
    first = derive(ring, 1)
    with pytest.raises((KeyFileError, KeyProviderError), match="not overwritten"):
        ring.create()
    assert ring.add() == 2
    assert derive(ring, 1)[REQUESTS[0]] == first[REQUESTS[0]] != derive(ring, 2)[REQUESTS[0]]
    assert ring.fingerprint(1, permit()) != ring.fingerprint(2, permit())
    assert sorted(ring.epochs().created) == [1, 2]
    ring.remove(2)
    ring.remove(2)
    with pytest.raises(KeyEpochError, match=r"epoch 2 was destroyed at 20..-.*; .* has: 1"):
        derive(ring, 2)
    assert derive(ring, 1)[REQUESTS[0]] == first[REQUESTS[0]]
    assert ring.add() == 3  # a destroyed epoch's number is never taken again
    assert sorted(side.ring().epochs().texts) == [1, 3]


def test_a_stranger_is_refused(side):
    side.plant(ROOTS)
    with pytest.raises(side.denied_error) as caught:
        derive(side.ring(side.deny()))
    assert caught.value.exit_code == 3


def test_what_is_malformed_is_refused_and_not_quoted(side):
    side.plant(ROOTS)
    side.spoil()
    with pytest.raises(side.malformed_error, match="malformed; expected") as caught:
        derive(side.ring())
    assert caught.value.__cause__ is None


def gone(side):
    """Flags of the same service, where nobody listens."""
    return {"keys.vault.address": f"http://{NOWHERE}", "keys.kms.endpoint": f"http://{NOWHERE}"}


@pytest.mark.parametrize("name", ["vault-kv", "vault-transit", "aws-kms"])
def test_a_stopped_server_is_worth_another_try(name, require, tmp_path):
    require(_rings.PARTS[name])
    with _rings.SERVERS[_rings.PARTS[name]]() as server, _rings.made(name, tmp_path, server) as side:
        side.plant(ROOTS)
        ring = side.ring()
        derive(ring)
        server.stop()
        with pytest.raises(TransientError, match=r"did not (read|decrypt)") as caught:
            derive(ring)
    assert caught.value.exit_code == 75


def shapes(secret: bytes) -> list[str]:
    return [base64.b64encode(secret).decode(), secret.hex(), repr(secret), base64.urlsafe_b64encode(secret).decode()]


def test_nothing_secret_is_said_anywhere(side, caplog):
    side.plant(ROOTS)
    caplog.set_level(logging.DEBUG)  # with what libraries log of requests and answers
    ring, said = side.ring(), []
    made = derive(ring)
    assert ring._wrapper.wrap(3, ROOTS[1])
    said += [repr(ring), repr(vars(ring)), repr(made), repr(ring.epochs())]
    for act in (
        lambda: derive(ring, 9),
        lambda: derive(side.ring(gone(side))),
        lambda: derive(side.ring(side.deny())),
        ring.create,
    ):
        try:
            act()
        except AirlockError as error:
            said.append("".join(traceback.format_exception(error)))
    side.spoil()
    with pytest.raises(AirlockError) as caught:
        derive(side.ring())
    said += ["".join(traceback.format_exception(caught.value)), caplog.text]
    for secret in (*ROOTS.values(), *(made[request] for request in made)):
        assert not [shape for shape in shapes(secret) if shape in "\n".join(said)]


@pytest.mark.parametrize("name", ["vault-transit", "aws-kms"])
def test_a_wrapped_root_is_bound_to_its_epoch(name, servers, tmp_path):
    with _rings.made(name, tmp_path, servers(_rings.PARTS[name])) as side:
        side.plant(ROOTS)
        texts = json.loads(side.file.read_text())["epochs"]
        side.write({1: texts["2"], 2: texts["1"]})
        with pytest.raises(KeyProviderError, match="could not decrypt"):
            derive(side.ring())


def test_a_key_of_kms_is_pinned(servers, tmp_path):
    with _rings.made("aws-kms", tmp_path, servers("moto")) as side:
        side.plant(ROOTS)
        other = side.client.create_key()["KeyMetadata"]["Arn"]
        with pytest.raises(KeyProviderError, match="decrypt"):  # moto says AccessDenied here, AWS IncorrectKey
            derive(side.ring({"keys.kms.key_id": other}))


@pytest.mark.parametrize("name", ["vault-kv", "aws-kms"])
def test_who_may_only_decrypt_may_do_without_the_rest(name, servers, tmp_path):
    with _rings.made(name, tmp_path, servers(_rings.PARTS[name])) as side:
        assert re.search("tests|token, policies|Enabled", service_identity(side.settings()))
        if name == "vault-kv":
            side.token.write_text("hvs.unknown")
        strict = side.settings(side.deny() if name == "aws-kms" else None)
        assert "may not ask who it is" in service_identity(strict)


def test_without_credentials_kms_is_not_asked(servers, tmp_path, monkeypatch):
    with _rings.made("aws-kms", tmp_path, servers("moto")) as side:
        side.plant(ROOTS)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(AirlockError, match="may not decrypt: NoCredentialsError"):
            derive(side.ring())


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("AccessDeniedException", KeyAccessError, "this identity may not decrypt: AccessDeniedException"),
        ("ExpiredTokenException", KeyAccessError, "may not decrypt"),
        ("DisabledException", KeyProviderError, "could not decrypt: DisabledException"),
        ("NotFoundException", KeyProviderError, "could not decrypt: NotFoundException"),
        ("ThrottlingException", TransientError, "did not decrypt: ThrottlingException"),
        ("503", TransientError, "did not decrypt"),
    ],
)
def test_what_kms_says_is_told_by_its_code(code, error, said, tmp_path, monkeypatch):
    """What moto never says; the client's own answers, the network left out."""
    side = _rings.File(tmp_path)
    side.write({1: _rings.b64(bytes(64))})
    answer = {
        "Error": {"Code": code, "Message": "CANARY"},
        "ResponseMetadata": {"HTTPStatusCode": int(code) if code.isdigit() else 400},
    }

    def refuse(*_):
        raise ClientError(answer, "Decrypt")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    flags = {"keys.provider": "aws-kms", "keys.kms.key_id": "alias/roots", "keys.kms.region": "eu-west-1"}
    with pytest.raises(error, match=said) as caught:
        derive(side.ring(flags))
    assert type(caught.value) is error
    assert "CANARY" not in "".join(traceback.format_exception(caught.value, chain=False))


def test_the_environment_does_not_say_where_roots_go(tmp_path, monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.setenv(name, f"http://{NOWHERE}")
    key = KmsKey(key_id="k", region="eu-west-1")
    assert KmsSession(key)._client.meta.endpoint_url == "https://kms.eu-west-1.amazonaws.com"
    named = replace(key, endpoint="https://kms.example.org")
    assert KmsSession(named)._client.meta.endpoint_url == "https://kms.example.org"


@pytest.mark.parametrize("name", ["keys.vault.address", "keys.kms.endpoint"])
@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://keys.example.org:8200", True),
        ("http://localhost:8200", True),
        ("http://[::1]:8200", True),
        ("http://keys.example.org:8200", False),
        ("http://127.0.0.1@keys.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("keys.example.org:8200", False),
        ("http://[::1", False),
    ],
)
def test_roots_cross_no_network_in_the_clear(name, url, taken, tmp_path):
    flags = {
        "keys.provider": "aws-kms" if "kms" in name else "vault-kv", "keys.root": str(tmp_path / "root.json"), "keys.kms.key_id": "k",
        "keys.vault.address": url, "keys.vault.path": "p", "keys.kms.endpoint": url,
    }  # fmt: skip
    settings = load_settings(flags=flags, environment={})
    if taken:
        open_key_ring(settings)
        return
    with pytest.raises(ConfigError, match=f"{name} is .*expected https"):
        open_key_ring(settings)


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def airlock(capsys):
    """Run one command: (exit code, stdout, stderr)."""
    from airlock.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


def in_environment(side, monkeypatch):
    flags = {name: value for name, value in side.flags().items() if name not in ("keys.root", "keys.provider")}
    for name, value in flags.items():
        monkeypatch.setenv("AIRLOCK_" + name.upper().replace(".", "_"), value)
    return side.flags()["keys.provider"]


def test_the_commands_work_wherever_the_roots_are(side, airlock, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    provider = in_environment(side, monkeypatch)
    code, lines, err = airlock("keys", "init", "--provider", provider)
    assert (code, "epoch 1" in err) == (0, True)
    for name in [name for name in os.environ if name.startswith("AIRLOCK_KEYS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "airlock.yaml").write_text(lines)  # what it printed is all that is needed

    def doctor():
        # The part of the doctor that looks at keys; looking for Java takes longer than all of this.
        return {check.name: check for check in _keys(load_settings(file=tmp_path / "airlock.yaml", environment={}))}

    assert doctor()["root"].said.startswith("epochs 1 in ")
    assert ("provider" in doctor()) == (provider != "file")
    assert airlock("keys", "rotate")[0] == 0
    code, out, _ = airlock("keys", "show", "--format", "json")
    shown = json.loads(out)
    assert (code, shown["provider"], [one["state"] for one in shown["epochs"]]) == (0, provider, ["active", "active"])
    code, out, _ = airlock("keys", "destroy", "--epoch", 1, "--reason", "end of contract", "--yes")
    record = json.loads(out)["results"][0]
    assert (code, record["root_fingerprint"], record["provider"]) == (0, shown["epochs"][0]["fingerprint"], provider)
    assert airlock("keys", "verify-destroyed", record["file"])[0] == 0
    assert doctor()["root"].said.startswith("epochs 2 in ")
    side.file = tmp_path / "keys" / "root.json"
    side.spoil()
    assert doctor()["root"].status == "failed"
    assert "malformed" in doctor()["root"].said


def test_doors_make_the_same_tokens_wherever_the_root_is(side, make_project, tmp_path):
    made = make_project(files=1, rows=5)
    (tmp_path / "plain").mkdir()
    plain = _rings.File(tmp_path / "plain")
    shown = []
    for one in (plain, side):
        one.plant(ROOTS)
        settings = made.settings(**{name.replace(".", "__"): value for name, value in one.flags().items()})
        shown.append(preview(made.policy(), settings, show_raw=True))
    assert shown[0] == shown[1]


def test_a_doctor_names_what_is_wrong_with_the_service(airlock, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRLOCK_KEYS_PROVIDER", "vault-kv")
    code, out, _ = airlock("doctor", "--format", "json")
    found = {check["name"]: check for check in json.loads(out)}
    assert (code, found["provider"]["status"]) == (2, "failed")
    assert "setting 'keys.vault.address' is not set" in found["provider"]["said"]
    monkeypatch.setenv("AIRLOCK_KEYS_VAULT_ADDRESS", f"http://{NOWHERE}")
    monkeypatch.setenv("AIRLOCK_KEYS_VAULT_PATH", "airlock")
    monkeypatch.setenv("AIRLOCK_KEYS_VAULT_CREDENTIAL", str(tmp_path / "token"))
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("hvs.x")
    _, out, _ = airlock("doctor", "--format", "json")
    found = {check["name"]: check for check in json.loads(out)}
    assert "did not look up its own token" in found["provider"]["said"]


# --- a server that says what it is told to --------------------------------------------------------------------------------


@pytest.fixture
def parrot(tmp_path):
    """Answers every call with `status` and `more` headers: (the server, a ring that asks it)."""

    class Parrot(BaseHTTPRequestHandler):
        status, more, asked = 200, {}, 0

        def do_GET(self):
            Parrot.asked += 1
            self.send_response(Parrot.status)
            for name, value in Parrot.more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("hvs.x")
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Parrot)) as server:
        flags = {
            "keys.provider": "vault-kv", "keys.vault.address": f"http://127.0.0.1:{server.server_port}", "keys.vault.path": "p",
            "keys.vault.credential": str(token),
        }  # fmt: skip
        yield Parrot, open_key_ring(load_settings(flags=flags, environment={}))


@pytest.mark.parametrize("status", [408, 412, 429, 503, 504])
def test_what_another_try_may_mend_is_transient(parrot, status):
    """However long a Retry-After is: who waits longer runs again."""
    server, ring = parrot
    server.status, server.more = status, {"Retry-After": "3600"}
    with pytest.raises(TransientError, match="did not read secret"):
        derive(ring)
    assert server.asked == 4


def test_a_redirect_is_not_followed_and_told(parrot):
    server, ring = parrot
    server.status, server.more = 307, {"Location": f"http://{NOWHERE}/steal"}
    with pytest.raises(KeyProviderError, match=r"names another address.*keys\.vault\.address"):
        derive(ring)
    assert server.asked == 1


@pytest.mark.parametrize("auth", ["token", "approle"])
def test_a_credential_that_others_can_read_is_refused(parrot, tmp_path, auth):
    (tmp_path / "token").chmod(0o644)
    flags = {
        "keys.provider": "vault-kv", "keys.vault.address": f"http://{NOWHERE}", "keys.vault.path": "p", "keys.vault.auth": auth,
        "keys.vault.role": "r", "keys.vault.credential": str(tmp_path / "token"),
    }  # fmt: skip
    with pytest.raises(KeyFileError, match="has permissions 0644, expected 0600"):
        derive(open_key_ring(load_settings(flags=flags, environment={})))


# --- Vault ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kv(vault, tmp_path):
    return _rings.VaultKv(tmp_path, vault)


def test_older_versions_of_the_secret_are_destroyed(kv):
    ring = kv.ring()
    ring.create()
    ring.add()
    ring.remove(1)
    versions = kv.server.call("GET", f"{kv.mount}/metadata/airlock")["data"]["versions"]
    assert {number: version["destroyed"] for number, version in versions.items()} == {"1": True, "2": True, "3": False}


def test_a_broken_off_removal_is_finished(kv):
    """Killed after the new version was written, the older ones still hold the root: the next call destroys them."""
    ring = kv.ring()
    ring.create()
    kept = kv.server.call("GET", f"{kv.mount}/data/airlock")["data"]["data"]
    kv.put({"created": kept["created"], "destroyed": {"1": "2026-01-01T00:00:00Z"}})
    ring.remove(1)
    versions = kv.server.call("GET", f"{kv.mount}/metadata/airlock")["data"]["versions"]
    assert versions["1"]["destroyed"]


def test_of_two_changes_at_once_one_is_refused(kv):
    ring = kv.ring()
    ring.create()

    def edit(epochs):
        kv.put({"1": _rings.b64(ROOTS[1])})  # somebody else is faster
        return epochs.adding(2, _rings.b64(ROOTS[2]), "2026-01-01T00:00:00Z")

    with pytest.raises(KeyProviderError, match="could not write"):
        ring._store.change(edit)
    assert sorted(ring.epochs().texts) == [1]


def test_who_may_read_may_not_rotate(kv):
    kv.plant(ROOTS)
    ring = kv.ring({"keys.vault.credential": str(kv.token_file("reader", _rings.READER))})
    derive(ring)
    with pytest.raises(AirlockError, match="does not let this identity write secret"):
        ring.add()


def test_a_deleted_and_a_missing_secret(kv):
    with pytest.raises(KeyProviderError, match=r"is not there\. Make it with 'airlock keys init --provider vault-kv'"):
        derive(kv.ring())
    kv.plant(ROOTS)
    kv.server.call("DELETE", f"{kv.mount}/data/airlock")
    with pytest.raises(KeyProviderError, match="is not there"):
        derive(kv.ring())
    with pytest.raises(KeyProviderError, match="exists already"):
        kv.ring().create()
    with pytest.raises(AirlockError, match="does not let this identity read secret"):
        derive(kv.ring({"keys.vault.mount": "no-such-mount"}))


def test_login_by_the_environment(kv, monkeypatch):
    kv.plant(ROOTS)
    flags = {"keys.vault.auth": "env"}
    with pytest.raises(ConfigError, match="VAULT_TOKEN is not set"):
        derive(kv.ring(flags))
    monkeypatch.setenv("VAULT_TOKEN", kv.token.read_text().strip())
    derive(kv.ring(flags))


def test_a_token_of_the_environment_is_not_taken_unasked(kv, monkeypatch):
    kv.plant(ROOTS)
    monkeypatch.setenv("VAULT_TOKEN", kv.server.token)
    kv.token.write_text("hvs.unknown\n")
    with pytest.raises(AirlockError, match="does not let this identity"):
        derive(kv.ring())
    kv.token.unlink()
    with pytest.raises(AirlockError, match="can't be opened"):
        derive(kv.ring())


def test_login_by_approle(kv, tmp_path):
    kv.plant(ROOTS)
    at = f"a{secrets.token_hex(4)}"
    kv.server.call("POST", f"sys/auth/{at}", {"type": "approle"})
    kv.server.call("POST", f"auth/{at}/role/inner", {"token_policies": [f"{kv.mount}-token"]})
    role = kv.server.call("GET", f"auth/{at}/role/inner/role-id")["data"]["role_id"]
    secret = kv.server.call("POST", f"auth/{at}/role/inner/secret-id", {})["data"]["secret_id"]
    (tmp_path / "secret-id").touch(0o600)
    (tmp_path / "secret-id").write_text(secret)
    flags = {"keys.vault.auth": "approle", "keys.vault.auth_mount": at, "keys.vault.credential": str(tmp_path / "secret-id")}
    derive(kv.ring({**flags, "keys.vault.role": role}))
    with pytest.raises(ConfigError, match=r"needs keys\.vault\.role"):
        derive(kv.ring(flags))


def test_login_by_kubernetes(kv, tmp_path, cluster, certificate):
    """Vault asks the cluster's TokenReview API whose token it is."""
    kv.plant(ROOTS)
    at = f"k{secrets.token_hex(4)}"
    kv.server.call("POST", f"sys/auth/{at}", {"type": "kubernetes"})
    config = {
        "kubernetes_host": cluster.address,
        "token_reviewer_jwt": cluster.token("vault"),
        "kubernetes_ca_cert": certificate.certificate.read_text(),
        "disable_local_ca_jwt": True,
    }
    kv.server.call("POST", f"auth/{at}/config", config)
    role = {
        "bound_service_account_names": "inner",
        "bound_service_account_namespaces": "pii-raw",
        "token_policies": [f"{kv.mount}-token"],
    }
    kv.server.call("POST", f"auth/{at}/role/inner", role)
    (tmp_path / "projected").write_text(cluster.token("inner"))
    flags = {"keys.vault.auth": "kubernetes", "keys.vault.auth_mount": at, "keys.vault.role": "inner"}
    derive(kv.ring({**flags, "keys.vault.credential": str(tmp_path / "projected")}))
    (tmp_path / "other").write_text(cluster.token("outer"))
    with pytest.raises(AirlockError, match="does not let this identity"):
        derive(kv.ring({**flags, "keys.vault.credential": str(tmp_path / "other")}))


def test_tls_by_an_authority_of_ones_own(require, tmp_path, certificate):
    require("vault")
    with _rings.vault.running(str(certificate.certificate), str(certificate.key)) as server:
        ring_flags = {
            "keys.provider": "vault-kv", "keys.vault.address": server.address, "keys.vault.path": "airlock", "keys.vault.auth": "token",
            "keys.vault.credential": str(tmp_path / "token"),
        }  # fmt: skip
        (tmp_path / "token").touch(0o600)
        (tmp_path / "token").write_text(server.token)
        side = _rings.File(tmp_path)
        with pytest.raises(KeyProviderError, match=r"certificate that is not trusted.*keys\.vault\.ca"):
            derive(side.ring(ring_flags))
        with pytest.raises(AirlockError, match="read secret"):  # trusted by now: there is no such mount
            derive(side.ring({**ring_flags, "keys.vault.ca": str(certificate.certificate)}))


@pytest.mark.parametrize(
    ("provider", "module", "extra"),
    [("vault-kv", "hvac", "vault"), ("vault-transit", "hvac", "vault"), ("aws-kms", "boto3", "aws")],
)
def test_a_missing_library_is_named(provider, module, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    side = _rings.File(tmp_path)
    side.write({1: "vault:v1:abc" if provider == "vault-transit" else _rings.b64(bytes(64))})
    flags = {
        "keys.provider": provider, "keys.vault.address": f"http://{NOWHERE}", "keys.vault.path": "p", "keys.vault.key": "k",
        "keys.kms.key_id": "k", "keys.vault.credential": str(side.file),
    }  # fmt: skip
    with pytest.raises(MissingCapabilityError, match=rf"pip install 'airlock\[{extra}\]'"):
        derive(side.ring(flags))


@pytest.mark.parametrize(
    ("provider", "missing"),
    [("file", "keys.root"), ("vault-kv", "keys.vault.address"), ("vault-transit", "keys.root"), ("aws-kms", "keys.root")],
)
def test_a_missing_setting_is_named(provider, missing):
    with pytest.raises(ConfigError, match=f"setting '{missing}' is not set"):
        open_key_ring(load_settings(flags={"keys.provider": provider}, environment={}))
