"""Permits: on one machine after its own checks, on a cluster against a verdict of preflight that is of this run, this node and now."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from airlock.doors.keys import create_one_key
from airlock.doors.permits import key_permit
from airlock.errors import IsolationDriftError, PermitError, SignatureError, ZonesOverlapError
from airlock.evidence.canonical import parse_time, sha256_hex, time_text
from airlock.evidence.preflighted import Preflighted
from airlock.keys.signing import load_signer
from airlock.settings import load_settings

SERVICE = {"keys.provider": "vault-kv", "keys.vault.address": "https://vault.example.org", "keys.vault.path": "airlock"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """(settings with more flags, a verdict with more fields)."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    private, public = create_one_key(tmp_path / "keys", "preflight", trust=tmp_path / "trust")
    described = json.loads(public.read_text())
    public.write_text(json.dumps({**described, "not_before": "2020-01-01T00:00:00Z"}))
    zones = {f"zones.{name}.uri": str(tmp_path / name) for name in ("raw", "private", "staging")}

    def settings(**flags):
        given = {name.replace("__", "."): value for name, value in flags.items()}
        return load_settings(file=None, flags={**zones, "trust": str(tmp_path / "trust"), **given}, environment={})

    def verdict(key=private, **changed):
        now = datetime.now(UTC)
        values = {
            "run": "run-1", "nodes": ("a", "b"), "namespaces": ("pii-raw",), "flows_sha256": "0" * 64, "objects_sha256": "1" * 64,
            "probes_sha256": {"a": "2" * 64, "b": "3" * 64}, "checks": ("probes",), "watched": True,
            "since": time_text(now), "signed_at": time_text(now), "expires_at": time_text(now + timedelta(minutes=10)),
        }  # fmt: skip
        file = tmp_path / "verdict"
        file.write_bytes(Preflighted(**{**values, **changed}).to_envelope(load_signer(key)))
        return file

    return settings, verdict, tmp_path


def test_on_one_machine_the_doors_own_checks_are_enough(place):
    permit = key_permit(place[0](permit_minutes="5"))
    assert 290 < permit.not_after - time.time() <= 300


def test_in_a_pod_a_key_service_is_asked_against_a_verdict_alone(place, monkeypatch):
    settings, verdict, _ = place
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(PermitError, match="keys of vault-kv are unwrapped against a verdict of preflight alone"):
        key_permit(settings(**SERVICE), "run-1")
    assert key_permit(settings(), "run-1").valid()
    permit = key_permit(settings(**SERVICE, isolation__preflight=str(verdict()), isolation__node="a"), "run-1")
    assert permit.valid()


def test_a_permit_lasts_no_longer_than_its_verdict(place):
    settings, verdict, _ = place
    file = verdict()
    permit = key_permit(settings(isolation__preflight=str(file), isolation__node="b"), "run-1")
    assert permit.verdict == sha256_hex(file.read_bytes())
    assert 580 < permit.not_after - time.time() <= 600
    assert parse_time(time_text(datetime.now(UTC))).timestamp() < permit.not_after


def test_a_permit_looks_at_its_verdict_again_whenever_it_is_asked(place):
    settings, verdict, _ = place
    permit = key_permit(settings(isolation__preflight=str(verdict()), isolation__node="b"), "run-1")
    permit.require()
    verdict(withdrawn=("objects: another policy",))
    with pytest.raises(IsolationDriftError, match=r"took its verdict back at .*: objects: another policy"):
        permit.require()
    verdict(run="run-2")
    with pytest.raises(PermitError, match="is for run run-2"):
        permit.require()
    verdict()
    permit.require()


@pytest.mark.parametrize(
    ("changed", "flags", "run", "said"),
    [
        ({"run": "run-2"}, {}, "run-1", "is for run run-2, and this is run run-1"),
        ({}, {"isolation__node": "c"}, "run-1", "this is node 'c', and the verdict of preflight is for: a, b"),
        ({}, {"isolation__node": None}, "run-1", "isolation.node is not set"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, {}, "run-1", "ran out at 2026-01-01T00:00:00Z"),
        ({"signed_at": "2099-01-01T00:00:00Z", "expires_at": "2099-01-02T00:00:00Z"}, {}, "run-1", "which is still to come"),
    ],
)
def test_a_verdict_of_another_run_node_or_time_gives_no_keys(place, changed, flags, run, said):
    settings, verdict, _ = place
    given = {"isolation__preflight": str(verdict(**changed)), "isolation__node": "a", **flags}
    with pytest.raises(PermitError, match=said):
        key_permit(settings(**given), run)


def test_keys_for_no_run_take_any_runs_verdict(place):
    settings, verdict, _ = place
    assert key_permit(settings(isolation__preflight=str(verdict(run="run-9")), isolation__node="a")).valid()


def test_a_verdict_that_is_not_there_or_not_trusted_gives_no_keys(place):
    settings, verdict, folder = place
    with pytest.raises(PermitError, match="can't be read: No such file"):
        key_permit(settings(isolation__preflight=str(folder / "none"), isolation__node="a"), "run-1")
    other, _ = create_one_key(folder / "others", "preflight", trust=folder / "other-trust")
    with pytest.raises(SignatureError, match="by a trusted key"):
        key_permit(settings(isolation__preflight=str(verdict(other)), isolation__node="a"), "run-1")
    probe, _ = create_one_key(folder / "probe-keys", "probe", trust=folder / "trust")
    with pytest.raises(SignatureError, match="by a trusted key"):
        key_permit(
            settings(
                isolation__preflight=str(verdict(probe, signed_at=time_text(datetime.now(UTC) + timedelta(seconds=2)))),
                isolation__node="a",
            ),
            "run-1",
        )


def test_zones_that_are_not_apart_get_no_keys_whatever_the_verdict(place):
    settings, verdict, folder = place
    with pytest.raises(ZonesOverlapError):
        key_permit(
            settings(isolation__preflight=str(verdict()), isolation__node="a", zones__private__uri=str(folder / "raw")), "run-1"
        )
