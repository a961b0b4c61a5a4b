"""Results of probes: signed, read back with a trusted key, counted until they run out; bad input is told before anything is made."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from airlock.cli._main import tree
from airlock.doors.keys import create_one_key
from airlock.doors.probe import Asked, probe_isolation, read_probed
from airlock.errors import ConfigError, KeyFileError, SignatureError
from airlock.evidence.canonical import time_text
from airlock.evidence.probed import Probed, Shown
from airlock.keys.signing import load_signer

IMAGE = f"registry.example.org/airlock@sha256:{'0' * 64}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(**changed):
    values = {
        "verdict": "passed", "proof": "proven", "node": "a", "image": IMAGE, "namespaces": ("raw",), "flows_sha256": "0" * 64, "objects_sha256": "1" * 64,
        "open_trials": 3, "shut_trials": 40, "shown": (Shown(tried="IPv6", verdict="no_proof", said="none"),),
        "began_at": time_text(NOW), "signed_at": time_text(NOW), "expires_at": time_text(NOW + timedelta(hours=24)),
    }  # fmt: skip
    return Probed(**{**values, **changed})


@pytest.fixture
def signed(tmp_path):
    private, public = create_one_key(tmp_path / "keys", "probe", trust=tmp_path / "trust")
    # A key counts from when it was made.
    described = json.loads(public.read_text())
    public.write_text(json.dumps({**described, "not_before": time_text(NOW)}))

    def make(**changed):
        file = tmp_path / "round"
        file.write_bytes(record(**changed).to_envelope(load_signer(private)))
        return file, tmp_path / "trust"

    return make


def test_a_result_counts_until_it_runs_out(signed):
    file, trust = signed()
    assert read_probed(file, trust, NOW + timedelta(hours=23)) == (record(), True)
    assert read_probed(file, trust, NOW + timedelta(hours=24)) == (record(), False)


def test_a_result_of_another_key_or_changed_is_refused(signed, tmp_path):
    file, trust = signed()
    create_one_key(tmp_path / "others", "probe", trust=tmp_path / "other-trust")
    with pytest.raises(SignatureError, match="none of the 1 signatures is by a trusted key"):
        read_probed(file, tmp_path / "other-trust")
    text = file.read_bytes()
    file.write_bytes(text.replace(b'"sig":"', b'"sig":"AAAA', 1))
    with pytest.raises(SignatureError):
        read_probed(file, trust)


def test_a_key_of_another_role_signs_no_probes(tmp_path):
    private, _ = create_one_key(tmp_path / "keys", "reidentify", trust=tmp_path / "trust")
    file = tmp_path / "round"
    at = time_text(datetime.now(UTC) + timedelta(minutes=1))
    file.write_bytes(record(signed_at=at).to_envelope(load_signer(private)))
    with pytest.raises(SignatureError, match="has role 'reidentify'"):
        read_probed(file, tmp_path / "trust")


def command(*arguments):
    return CliRunner().invoke(tree(("isolation", "keys")), ["isolation", *map(str, arguments)], standalone_mode=False)


def test_the_command_shows_it_and_says_by_its_code_whether_it_counts(signed):
    late = time_text(datetime.now(UTC) + timedelta(hours=1))
    for changed, code in (
        ({"expires_at": late}, 0), ({}, 3), ({"expires_at": late, "verdict": "failed"}, 3), ({"expires_at": late, "proof": "refuted"}, 3),
    ):  # fmt: skip
        file, trust = signed(**changed)
        found = command("probed", file, "--trust", trust, "--format", "json")
        assert found.return_value == code, found.output
        assert json.loads(found.stdout)["counts"] is ("expires_at" in changed)
    assert "3 open as declared, 40 shut" in command("probed", file, "--trust", trust).stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": ("airlock:1",)}, "expected NAME@sha256:"),
        ({"images": (IMAGE, "pii-raw=airlock:1")}, "expected NAME@sha256:"),
        ({"images": (f"pii-raw={IMAGE}",)}, "names none for the namespaces"),
        ({"images": (IMAGE, f"pii-raw={IMAGE}", f"pii-raw={IMAGE}")}, "names two for pii-raw"),
        ({"outside": "example.org:443"}, "'example.org' is no address: pods of a zone resolve no names"),
        ({"outside": "203.0.113.7"}, "expected ADDRESS:PORT"),
        ({"outside": "203.0.113.7:0"}, "expected ADDRESS:PORT"),
        ({"outside": "203.0.113.7:70000"}, "expected ADDRESS:PORT"),
        ({"name_server": "ns.example.org"}, "'ns.example.org' is no address"),
    ],
)
def test_what_is_wrong_is_said_before_a_cluster_is_asked(tmp_path, change, said):
    flows = tmp_path / "flows.yaml"
    flows.write_text("kind: Flows")
    with pytest.raises(ConfigError, match=said):
        probe_isolation(flows, Asked(**{"images": (IMAGE,), **change}), None, print)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"flows\.yaml: can't be read"):
        probe_isolation(tmp_path / "flows.yaml", Asked((IMAGE,)), None, print)
    with pytest.raises(KeyFileError):
        probe_isolation(tmp_path / "flows.yaml", Asked((IMAGE,)), tmp_path / "none.pem", print)
    with pytest.raises(ConfigError, match="can't be read"):
        read_probed(tmp_path / "none", None)
    assert isinstance(
        command("probe", "--flows", tmp_path / "f", "--image", IMAGE, "--key", tmp_path / "k").exception, ConfigError
    )
    found = command(
        "probe", "--flows", tmp_path / "f", "--image", IMAGE, "--key", tmp_path / "k", "--out", tmp_path / "no" / "out"
    )
    assert "its folder is not there" in str(found.exception)
