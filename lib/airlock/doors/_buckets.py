"""Looks at the zones that are in buckets, for `doctor`: each as its own identity sees it, and as the other side's must not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from airlock.doors._checks import Check, Status
from airlock.doors._verdicts import VERDICT
from airlock.errors import AirlockError, StorageUnavailableError
from airlock.settings import PROFILE, Location, Settings
from airlock.storage.buckets import LIST, READ, WRITE, Bucket
from airlock.storage.conditions import broken_condition
from airlock.types import Zone

__all__ = ["bucket_checks", "in_buckets"]

_READER = (LIST, READ)
_WRITER = (*_READER, "s3:DeleteObject", WRITE, "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload")
_JUDGE = (*_READER, "s3:DeleteObject", WRITE)
"""The outer door's rights in staging: of what it writes there, verdicts, it writes nothing else."""

_VERBS = {LIST: "list", READ: "read", WRITE: "write", "s3:DeleteObject": "delete"}
_OF_BUCKETS = {LIST, "s3:ListBucketMultipartUploads", "s3:GetBucketVersioning"}

_ODD, _LIMIT = 60, 900
"""Seconds: a clock that is off by more is told; a signature of AWS (SigV4) that is older, or from later, is refused."""

_NTP = "set this machine's clock by NTP: timedatectl set-ntp true"
_INNER, _OUTER = (Zone.RAW, Zone.PRIVATE), (Zone.SANITIZED,)


def in_buckets(settings: Settings) -> list[Zone]:
    """The configured zones that are."""
    return [zone for zone in Zone if settings.has(zone) and settings.zone(zone).is_object_store]


def bucket_checks(settings: Settings) -> Iterator[Check]:
    """Each zone in a bucket, a group each, `staging` twice where one configuration serves both doors; then what crosses."""
    zones, silent = in_buckets(settings), dict[str | None, str]()
    for zone in zones:
        yield from _Looks(settings, zone, zone.value, silent).checks()
    outer = settings.outer()
    if Zone.STAGING in zones and outer.zone(Zone.STAGING) != settings.zone(Zone.STAGING):
        yield from _Looks(outer, Zone.STAGING, "outer staging", silent).checks()
    yield from _crossings(settings, silent)


# --- one zone ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Looks:
    """At one zone.

    Attributes:
        silent: Stores that did not answer, and who found out: nobody waits for them again.
    """

    settings: Settings
    zone: Zone
    group: str
    silent: dict[str | None, str]

    def checks(self) -> Iterator[Check]:
        """One after the other up to the first that fails: those after it would fail for the same reason."""
        try:
            self._bucket.name  # noqa: B018 - an address that is none is refused when it is first used
        except AirlockError as error:
            hint = f"{self._setting('endpoint')}: https://host:port; zones.{self.zone}.uri: s3://bucket/prefix"
            yield self._said("endpoint", str(error), "failed", hint)
            return
        looks: list[tuple[str, Callable[[], Check]]] = [
            ("identity", self._identity),
            ("endpoint", self._endpoint),
            ("clock", self._clock),
            ("rights", self._rights),
        ]
        if self.zone is not Zone.RAW and not self._judges:
            looks += [("conditions", self._conditions), ("uploads", self._uploads), ("versions", self._versions)]
        for name, look in looks:
            found = self._taken(name, look)
            yield found
            if found.status == "failed" or (found.name, found.status) == ("rights", "warning"):
                return

    def _taken(self, name: str, look: Callable[[], Check]) -> Check:
        try:
            return look()
        except AirlockError as error:
            if isinstance(error, StorageUnavailableError):
                self.silent[self._location.endpoint] = self.group
            return self._said(name, str(error), "failed", self._line(name, error))

    @property
    def _location(self) -> Location:
        return self.settings.zone(self.zone)

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self._location, files=VERDICT if self._judges else "")

    @property
    def _judges(self) -> bool:
        """Whether this is staging as the outer door sees it."""
        return self.zone is Zone.STAGING and not self.settings.has(Zone.RAW)

    def _said(self, name: str, said: str, status: Status = "ok", hint: str = "") -> Check:
        return Check(self.group, name, status, said, hint)

    def _identity(self) -> Check:
        return self._said("identity", f"{self._bucket.caller()}, of {_source(self._location)}")

    def _endpoint(self) -> Check:
        endpoint = self._location.endpoint
        if endpoint in self.silent:
            return self._said("endpoint", "did not answer", "failed", f"as for {self.silent[endpoint]}")
        self._bucket.clock_offset()
        if endpoint is None:
            return self._said("endpoint", f"{self._location.uri} at AWS, region {self._bucket.region()}, answers")
        trusted = "" if endpoint.startswith("http:") else "; its certificate is trusted"
        return self._said("endpoint", f"{self._location.uri} at {endpoint} answers{trusted}")

    def _clock(self) -> Check:
        offset = round(self._bucket.clock_offset())
        said = f"the store's is {abs(offset)} s {'ahead' if offset > 0 else 'behind'}"
        if abs(offset) > _LIMIT:
            return self._said("clock", f"{said}, limit of signatures {_LIMIT} s: every request is refused", "failed", _NTP)
        if abs(offset) > _ODD:
            return self._said("clock", f"{said}, expected at most {_ODD} s", "warning", _NTP)
        return self._said("clock", "as the store's")

    def _rights(self) -> Check:
        raw = self.zone is Zone.RAW
        known = None if self._bucket.lacking([LIST]) else self._bucket.first()
        lacking = self._bucket.lacking(_READER if raw else _JUDGE if self._judges else _WRITER, known)
        if not lacking and raw and known is None:
            return self._said("rights", "may list, but there is nothing", "warning", "correct zones.raw.uri, or bring the data")
        if not lacking:
            more = (
                "" if raw else ", delete and write verdicts" if self._judges else ", write and delete, begin and abort uploads"
            )
            return self._said("rights", f"may list{' and' if raw else ','} read{more}")
        reads_alone = not set(lacking) & set(_READER) and not self._is_door
        said = "may list and read, not write" if reads_alone else f"may not {', '.join(lacking)}"
        line = self._policy_line("Allow", lacking)
        hint = f"if this configuration is a door's: {line}" if reads_alone else line
        return self._said("rights", said, "warning" if reads_alone else "failed", hint)

    @property
    def _is_door(self) -> bool:
        """Who only verifies has no key to sign with."""
        return any(self.settings.get(f"keys.{name}") for name in ("stage_signing", "release_signing"))

    def _conditions(self) -> Check:
        broken = broken_condition(self._location)
        if broken is None:
            return self._said("conditions", "of several writers one wins; a stale or lost version is refused")
        hint = f"zones.{self.zone}.uri: a bucket of a store that enforces If-None-Match and If-Match, or switch that on in this one"
        return self._said("conditions", f"two publishers could both win: {broken}", "failed", hint)

    def _uploads(self) -> Check:
        self._bucket.try_upload()
        return self._said("uploads", "of many parts can be begun and aborted")

    def _versions(self) -> Check:
        try:
            kept = self._bucket.keeps_versions()
        except AirlockError as error:
            if not error.facts.get("denied"):
                raise
            hint = self._policy_line("Allow", ["s3:GetBucketVersioning"])
            return self._said("versions", "whether the bucket keeps what is deleted can't be asked", "warning", hint)
        if not kept:
            return self._said("versions", "what is deleted is gone")
        hint = "a lifecycle rule that expires noncurrent versions (NoncurrentVersionExpiration), or a bucket without versions"
        return self._said("versions", "what is deleted or replaced stays in the bucket, as a version", "warning", hint)

    def _policy_line(self, effect: str, actions: list[str] | tuple[str, ...]) -> str:
        return _policy_line(self._bucket, effect, actions)

    def _line(self, look: str, error: AirlockError) -> str:
        """The line that mends it."""
        reason, place = error.facts.get("reason"), self._location
        identity = self.settings.identity_setting(self.zone)
        if isinstance(error, StorageUnavailableError):
            return (
                f"{self._setting('endpoint')}: the address at which the store answers (now {place.endpoint or 'that of AWS'})"
            )
        if error.facts.get("denied"):
            key = "" if place.kms_key is None else f"; in the policy of key {place.kms_key}: kms:GenerateDataKey, kms:Decrypt"
            return self._policy_line("Allow", _WRITER) + key
        if error.facts.get("unknown"):
            return f"{identity}: an access key and secret that the store knows (now {_source(place)})"
        lines = {
            "NoSuchBucket": f"make the bucket, or correct zones.{self.zone}.uri",
            "UntrustedCertificate": f"{self._setting('ca')}: the PEM file of the authority that signed the endpoint's certificate",
            "RequestTimeTooSkewed": _NTP,
            "PermanentRedirect": f"{self._setting('region')}: the bucket's region",
            "AuthorizationHeaderMalformed": f"{self._setting('region')}: the bucket's region",
        }
        if look == "identity":
            return f"{identity}: {PROFILE}NAME, a credentials file, or a mounted folder of one"
        return lines.get(str(reason), error.remedy)

    def _setting(self, name: str) -> str:
        """The one that holds for this zone."""
        own = f"zones.{self.zone}.{name}"
        return own if self.settings.get(own) else f"s3.{name}"


def _source(location: Location) -> str:
    if location.identity is None:
        return "the AWS environment"
    if location.identity.startswith(PROFILE):
        return f"profile '{location.identity.removeprefix(PROFILE)}'"
    return location.identity


def _policy_line(bucket: Bucket, effect: str, actions: list[str] | tuple[str, ...]) -> str:
    arn = f"arn:aws:s3:::{bucket.name}"
    of_bucket = [arn] if any(action in _OF_BUCKETS or action == "s3:*" for action in actions) else []
    objects = f"{arn}/{bucket.prefix}*" + (f"/{bucket.files}" if bucket.files and set(actions) == {WRITE} else "")
    of_objects = [objects] if any(action not in _OF_BUCKETS for action in actions) else []
    shown = {"Effect": effect, "Action": list(actions), "Resource": of_bucket + of_objects}
    return f"in the bucket's policy: {json.dumps(shown)}"


# --- the other side's -------------------------------------------------------------------------------------------------


def _crossings(settings: Settings, silent: Mapping[str | None, str]) -> Iterator[Check]:
    """Where one configuration names both sides: the identity of one may do nothing in the other's buckets."""
    zones = in_buckets(settings)
    pairs = [(mine, other) for one, two in ((_INNER, _OUTER), (_OUTER, _INNER)) for mine in one for other in two]
    seen = set()
    for mine, other in pairs:
        if mine not in zones or other not in zones or settings.zone(other).endpoint in silent:
            continue
        identity, target = settings.zone(mine).identity, settings.zone(other)
        # One identity for both sides is told by the look whether zones are apart.
        if identity != target.identity and (identity, other) not in seen:
            seen.add((identity, other))
            yield _crossing(mine, other, target, replace(target, identity=identity))


def _crossing(mine: Zone, other: Zone, target: Location, crossed: Location) -> Check:
    name, known = f"{mine} to {other}", None
    with suppress(AirlockError):  # told where its own identity looks
        known = Bucket(target).first()
    bucket, can = Bucket(crossed), f"the identity of zone {mine}"
    try:
        denied = bucket.lacking(_VERBS, known)
    except AirlockError as error:
        if error.facts.get("unknown"):
            return Check("crossing", name, "ok", f"{can} is not known there")
        return Check("crossing", name, "warning", f"could not be tried: {error}", error.remedy)
    let = [verb for action, verb in _VERBS.items() if action not in denied]
    if not let:
        return Check("crossing", name, "ok", f"{can} can't list, read, write or delete there")
    line = _policy_line(bucket, "Deny", ["s3:*"])
    return Check(
        "crossing", name, "failed", f"{can} can {' and '.join(let)} there", f"{line} for {bucket.caller()}; or allow it less"
    )
