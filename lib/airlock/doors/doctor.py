"""Is this machine, and is this configuration, fit for a run? Called by `airlock doctor`; changes nothing that lasts.

What only some runs need is a warning, unless the settings ask for it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import airlock
from airlock.doors._buckets import bucket_checks, in_buckets
from airlock.doors._checks import Check, Status, attempt
from airlock.doors._provider import provider_looks
from airlock.doors._zones import open_zone, require_disjoint
from airlock.engines.spark import java_version, spark_ready
from airlock.errors import AirlockError
from airlock.evidence.trust import Trust
from airlock.keys.private import read_private_file
from airlock.keys.signing import load_signer
from airlock.settings import Settings
from airlock.text import analyzer
from airlock.types import Zone

__all__ = ["Check", "Status", "diagnose"]

_PYTHON = (3, 11)
_JAVA = 17
_SLACK = 24 * 3600
_SET_UP = "name it in airlock.yaml; 'airlock demo' writes an example"


def diagnose(settings: Settings) -> tuple[Check, ...]:
    """Check programs, zones, keys, trust and clock. Never raises for what it finds."""
    return (*_programs(settings), *_zones(settings), *bucket_checks(settings), *_keys(settings), _trust(settings), _clock())


# --- programs ---------------------------------------------------------------------------------------------------------


def _programs(settings: Settings) -> Iterator[Check]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= _PYTHON
    yield Check("programs", "Python", "ok" if good else "failed", found, "" if good else "install Python 3.11 or newer")
    wanted: Status = "failed" if settings.get("engine") == "spark" else "warning"
    java = java_version()
    if java is not None and java >= _JAVA:
        yield Check("programs", "Java", "ok", str(java))
    else:
        said = "none found" if java is None else f"{java}, needed {_JAVA} or newer"
        yield Check(
            "programs", "Java", wanted, said, "apt-get install openjdk-17-jre-headless, or set JAVA_HOME; or engine: local"
        )
    yield _library("pyspark", "pyspark", "pip install 'airlock[spark]'; or engine: local", missing=wanted)
    yield _library("pandas", "pandas", "pip install 'airlock[spark]'; or engine: local", missing=wanted)
    yield Check("programs", "engine", "ok", _engine(settings))
    yield _presidio()
    yield _library(
        "faker", "Faker", "pip install 'airlock[surrogates]', for operator surrogate and 'airlock demo'", missing="warning"
    )


def _engine(settings: Settings) -> str:
    asked = settings.get("engine")
    if asked != "auto":
        return f"{asked}, as set"
    return "auto: Spark" if spark_ready() is None else "auto: processes of this machine"


def _library(module: str, package: str, hint: str, *, missing: Status) -> Check:
    """Whether Python would find it: a package's metadata may be left where its modules are not."""
    try:
        found = find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        return Check("programs", package, missing, "not installed", hint)
    return Check("programs", package, "ok", _version(package))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _presidio() -> Check:
    try:
        count = len(analyzer.supported_entities())
    except AirlockError:
        hint = "pip install 'airlock[text]', if a policy says redact_entities"
        return Check("programs", "presidio", "warning", "not installed", hint)
    return Check("programs", "presidio", "ok", f"{_version('presidio-analyzer')}, finds {count} entities, no names or places")


# --- zones ------------------------------------------------------------------------------------------------------------


def _zones(settings: Settings) -> Iterator[Check]:
    buckets = in_buckets(settings)
    for zone in Zone:
        if not settings.has(zone):
            yield Check("zones", zone.value, "warning", "not configured", f"if this door needs it, {_SET_UP}")
        elif zone not in buckets:
            yield attempt("zones", zone.value, partial(_reached, settings, zone))
    yield attempt("zones", "apart", lambda: _apart(settings))
    if buckets:
        yield _metadata(settings)


def _metadata(settings: Settings) -> Check:
    if settings.get("metadata_service") == "off":
        return Check("zones", "metadata", "ok", "no instance's metadata service is asked for an identity")
    hint = "metadata_service: off, where every zone has an identity of its own"
    return Check(
        "zones", "metadata", "warning", "an instance's metadata service may be asked: it serves every process there", hint
    )


def _reached(settings: Settings, zone: Zone) -> Check:
    store = open_zone(settings, zone)
    root = store.local_path("")
    if root is not None and not root.is_dir():
        if zone is Zone.RAW:
            return Check("zones", zone.value, "failed", "its folder is not there", "correct zones.raw.uri, or mount it")
        if not _can_be_made(root):
            return Check(
                "zones", zone.value, "failed", "its folder is not there and can't be made", "make it, or correct its uri"
            )
        return Check("zones", zone.value, "ok", "reachable; its folder is made when it is needed")
    held = next(iter(islice(store.list(""), 1)), None)
    if zone is not Zone.RAW and root is not None and not os.access(root, os.W_OK | os.X_OK):
        hint = "give this door's identity leave to write, if it writes here"
        return Check("zones", zone.value, "warning", "readable, not writable", hint)
    if zone is Zone.RAW and held is None:
        return Check("zones", zone.value, "warning", "readable, but empty", "correct zones.raw.uri, or bring the data")
    return Check("zones", zone.value, "ok", "readable" if zone is Zone.RAW else "readable and writable")


def _can_be_made(folder: Path) -> bool:
    above = next(path for path in folder.parents if path.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _apart(settings: Settings) -> Check:
    require_disjoint(settings)
    return Check("zones", "apart", "ok", "no zone or key lies within another")


# --- keys, trust, clock -----------------------------------------------------------------------------------------------


def _keys(settings: Settings) -> Iterator[Check]:
    hint = "if this door needs it: airlock keys init, then airlock.yaml"
    yield from list(_provider(settings)) or [Check("keys", "root", "warning", "not configured", hint)]
    for name in ("stage_signing", "release_signing", "executor"):
        path = settings.path(f"keys.{name}")
        if path is not None:
            yield attempt("keys", name, partial(_private, name, path))
        elif name != "executor":
            yield Check("keys", name, "warning", "not configured", hint)
    reidentify = settings.path("reidentify.signing")
    if reidentify is not None:
        yield attempt("keys", "reidentify", partial(_private, "reidentify_signing", reidentify))


def _provider(settings: Settings) -> Iterator[Check]:
    try:
        looks = list(provider_looks(settings))
    except AirlockError as error:
        yield Check("keys", "provider", "failed", str(error), error.remedy)
        return
    for name, look in looks:
        yield attempt("keys", name, partial(_looked, name, look))


def _looked(name: str, look: Callable[[], str]) -> Check:
    return Check("keys", name, "ok", look())


def _private(name: str, path: Path) -> Check:
    if name.endswith("_signing"):
        load_signer(path)
    else:
        read_private_file(path)
    return Check("keys", name, "ok", "only this user can read it")


def _trust(settings: Settings) -> Check:
    path = settings.path("trust")
    if path is None:
        return Check(
            "keys", "trust", "warning", "not configured", "'airlock keys init' writes public keys; name their folder as trust"
        )

    def load() -> Check:
        trust = Trust.load(path)
        counts = {role: len(trust.of_role(role)) for role in ("stage", "release")}
        said = ", ".join(f"{count} {role} key{'' if count == 1 else 's'}" for role, count in counts.items())
        return Check("keys", "trust", "ok", said)

    return attempt("keys", "trust", load)


def _clock() -> Check:
    """Permits, signatures and leases judge by the clock: it can't be before this code was installed."""
    now, installed = time.time(), Path(airlock.__file__).stat().st_mtime
    said = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < installed - _SLACK:
        return Check("clock", "clock", "failed", f"{said} is before this code was installed", "set the clock (NTP)")
    return Check("clock", "clock", "ok", said)
