"""The settings there are, as data, and a resolved set of them. Read by doors and `airlock config`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from airlock.errors import ConfigError
from airlock.settings._location import Location
from airlock.types import Zone

__all__ = ["SETTINGS", "Origin", "Setting", "Settings"]

Kind = Literal["path", "uri", "identity", "text", "number"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name in airlock.yaml, its kind, default, allowed words and meaning."""

    name: str
    kind: Kind
    meaning: str
    default: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "AIRLOCK_" + self.name.upper().replace(".", "_").removesuffix("_URI")


_ZONES = {
    Zone.RAW: "where raw datasets are; read by the inner door alone",
    Zone.PRIVATE: "what stays on the raw side: accounting, rejected rows, split records",
    Zone.STAGING: "written by the inner door, read by the outer door",
    Zone.SANITIZED: "releases; written by the outer door alone",
}


def _zone(zone: Zone) -> tuple[Setting, ...]:
    own = f"zones.{zone}"
    identity = "profile:NAME, or a credentials file, or a mounted folder of one"
    if zone in (Zone.PRIVATE, Zone.STAGING):
        identity += "; none: the door's own, that of zone raw or sanitized"
    return (
        Setting(f"{own}.uri", "uri", _ZONES[zone]),
        Setting(f"{own}.endpoint", "text", "URL of this zone's object store; none: s3.endpoint"),
        Setting(f"{own}.region", "text", "region of this zone's bucket; none: s3.region"),
        Setting(f"{own}.ca", "path", "PEM file of the authority of its certificate; none: s3.ca"),
        Setting(f"{own}.identity", "identity", identity),
        Setting(f"{own}.kms_key", "text", "KMS key for what is written; none: as the bucket says"),
    )


SETTINGS: tuple[Setting, ...] = (
    *(setting for zone in _ZONES for setting in _zone(zone)),
    Setting("s3.endpoint", "text", "URL of the zones' object store; none: AWS's own"),
    Setting("s3.region", "text", "region of the zones' buckets; none: as the AWS environment says, us-east-1 at an endpoint"),
    Setting("s3.ca", "path", "PEM file of the authority of the endpoint's certificate; none: the system's"),
    Setting(
        "s3.style",
        "text",
        "how buckets are addressed; auto: path at an endpoint, virtual at AWS",
        "auto",
        ("auto", "path", "virtual"),
    ),
    Setting(
        "metadata_service",
        "text",
        "whether an instance's metadata service may be asked for AWS credentials",
        "off",
        ("off", "on"),
    ),
    Setting("keys.provider", "text", "where root keys come from", "file", ("file", "vault-kv", "vault-transit", "aws-kms")),
    Setting("keys.root", "path", "root key file (inner door); of vault-transit and aws-kms: the file of wrapped roots"),
    Setting("keys.vault.address", "text", "https://host:port of Vault or OpenBao (inner door)"),
    Setting("keys.vault.mount", "text", "where the engine is mounted; none: secret (vault-kv), transit (vault-transit)"),
    Setting("keys.vault.path", "text", "vault-kv: the secret that holds the roots"),
    Setting("keys.vault.key", "text", "vault-transit: the key that wraps the roots"),
    Setting(
        "keys.vault.auth",
        "text",
        "how to log in; none: token; env: by VAULT_TOKEN",
        None,
        ("token", "env", "kubernetes", "approle"),
    ),
    Setting("keys.vault.auth_mount", "text", "where the login method is mounted; none: under its own name"),
    Setting("keys.vault.role", "text", "kubernetes: the role; approle: the role id"),
    Setting("keys.vault.credential", "path", "file with the token, projected service account token, or secret id"),
    Setting("keys.vault.ca", "path", "PEM file of the authority of Vault's certificate; none: the system's"),
    Setting("keys.vault.namespace", "text", "namespace of Vault Enterprise"),
    Setting("keys.kms.key_id", "text", "aws-kms: ARN, id or alias of the key that wraps the roots (inner door)"),
    Setting("keys.kms.region", "text", "aws-kms: region; none: as the AWS environment says"),
    Setting("keys.kms.endpoint", "text", "aws-kms: URL instead of the region's own endpoint"),
    Setting("keys.stage_signing", "path", "private key that signs staged releases (inner door)"),
    Setting("keys.release_signing", "path", "private key that signs releases (outer door)"),
    Setting(
        "keys.executor", "path", "executor key file, mounted in driver and executors; none: a fresh private one for each run"
    ),
    Setting("keys.records", "path", "folder for signed records of destroyed epochs; none: beside keys.stage_signing"),
    Setting(
        "reidentify.signing",
        "path",
        "private key that signs who reversed which tokens; of neither door: airlock keys init --reidentify makes it",
    ),
    Setting("reidentify.max_values", "number", "the most tokens that one `airlock reidentify` may reverse", "10000"),
    Setting("trust", "path", "folder of trusted public keys, or one of them"),
    Setting("policies", "path", "the outer door's own approved policies"),
    Setting("waivers", "path", "the gate's own waivers, a YAML file"),
    Setting("reports", "uri", "what the gate found in runs that it refused; for the outer door's people, in no zone"),
    Setting("engine", "text", "who runs the tasks; auto takes Spark where Java 17 is", "auto", ("auto", "local", "spark")),
    Setting("master", "text", "Spark master; a local one retries a task four times", "local[*,4]"),
    Setting("workers", "number", "processes of the local engine and of the outer door; 0: one a core", "0"),
    Setting("split_mib", "number", "how much of the source one task reads, MiB; 0: as little as can be cut", "128"),
    Setting(
        "staging_codec", "text", "compression of staged files, which live for one release", "snappy", ("snappy", "lz4", "zstd")
    ),
    Setting("staging_ttl", "number", "days for which a refused run stays in staging, to be looked at", "7"),
    Setting("lease_seconds", "number", "how long a run may be silent before another may take its dataset over", "60"),
    Setting("grace_minutes", "number", "how long superseded files stay for readers that are still at it", "0"),
    Setting(
        "isolation.preflight",
        "uri",
        "signed verdict of `airlock isolation preflight`: a file, or http://ADDRESS:PORT of the preflight pod; in a pod, keys of Vault and "
        "KMS are unwrapped against it alone",
    ),
    Setting("isolation.node", "text", "the node that this process is on: of a pod its own spec.nodeName"),
    Setting(
        "run_seconds",
        "number",
        "after how many seconds a run of the inner door is ended, to go on when it is run again; 0: never",
        "0",
    ),
    Setting(
        "launch.spark_conf", "path", "Spark's conf of every run on Kubernetes: k8s/launch/spark.conf, of the image its own"
    ),
    Setting("launch.site_conf", "path", "what this site's conf says besides: master, image, sizes; its lines win"),
    Setting("launch.driver_template", "path", "pod template of drivers that `airlock submit` makes"),
    Setting("launch.executor_template", "path", "pod template of executors, which the driver binds to the verdict's nodes"),
    Setting("permit_minutes", "number", "how long one permit to use keys holds", "720"),
    Setting("separation", "text", "what `airlock run` says of itself: both doors on one machine", None, ("none",)),
    Setting("state", "path", "where `verify` remembers the highest sequence it saw"),
    Setting("log_format", "text", "auto: rich on a terminal, JSON lines elsewhere", "auto", ("auto", "text", "json")),
)

Origin = Literal["flag", "environment", "file", "default"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Resolved settings.

    Attributes:
        values: By dotted name; None where nothing sets it.
        origins: Where each value comes from.
        file: airlock.yaml as found, or None.
    """

    values: dict[str, str | None]
    origins: dict[str, Origin]
    file: Path | None = None

    def get(self, name: str) -> str | None:
        """A setting's value."""
        return self.values[name]

    def require(self, name: str) -> str:
        """A setting's value, which must be there. Raises ConfigError with the three ways to set it."""
        value = self.values[name]
        if value is None:
            setting = next(one for one in SETTINGS if one.name == name)
            place = self.file or "airlock.yaml (none is here or above; --config names one)"
            raise ConfigError(
                f"setting '{name}' is not set ({setting.meaning}). Set it in {place}, or by {setting.variable}", setting=name
            )
        return value

    def path(self, name: str) -> Path | None:
        """A path setting."""
        value = self.values[name]
        return None if value is None else Path(value)

    def number(self, name: str) -> int:
        """A number setting."""
        return int(self.require(name))

    def has(self, zone: Zone) -> bool:
        """Whether this configuration names a zone."""
        return self.get(f"zones.{zone}.uri") is not None

    def zone(self, zone: Zone) -> Location:
        """A zone's location. Raises ConfigError where this configuration does not name it."""
        own = f"zones.{zone}"
        shared = self.location(self.require(f"{own}.uri"))
        return replace(
            shared,
            endpoint=self.get(f"{own}.endpoint") or shared.endpoint,
            region=self.get(f"{own}.region") or shared.region,
            ca=self.get(f"{own}.ca") or shared.ca,
            identity=self.get(self.identity_setting(zone)),
            kms_key=self.get(f"{own}.kms_key"),
        )

    def location(self, uri: str) -> Location:
        """A place that is no zone, reached as the settings say of all; by the AWS environment's identity."""
        return Location(
            uri=uri,
            endpoint=self.get("s3.endpoint"),
            region=self.get("s3.region"),
            ca=self.get("s3.ca"),
            style=self.require("s3.style"),
            metadata_service=self.get("metadata_service") == "on",
        )

    def reports(self) -> Location | None:
        """The place of reports, reached as the outer door is; None where none is set."""
        uri = self.get("reports")
        return None if uri is None else replace(self.location(uri), identity=self.get(f"zones.{Zone.SANITIZED}.identity"))

    def identity_setting(self, zone: Zone) -> str:
        """The setting that names a zone's identity. A door has one: what it has for the zone that is its alone serves for the others, too."""
        own = f"zones.{zone}.identity"
        if zone in (Zone.RAW, Zone.SANITIZED) or self.get(own):
            return own
        inner = zone is Zone.PRIVATE or self.has(Zone.RAW) or self.has(Zone.PRIVATE)
        return f"zones.{Zone.RAW if inner else Zone.SANITIZED}.identity"

    def outer(self) -> Settings:
        """What the outer door knows where one file serves both doors: without the raw side's zones."""
        hidden = tuple(f"zones.{zone}." for zone in (Zone.RAW, Zone.PRIVATE))
        return Settings(
            {name: None if name.startswith(hidden) else value for name, value in self.values.items()}, self.origins, self.file
        )

    def having(self, values: dict[str, str]) -> Settings:
        """The same with these on top, as flags would be."""
        return Settings({**self.values, **values}, {**self.origins, **dict.fromkeys(values, "flag")}, self.file)

    def only(self, *prefixes: str) -> dict[str, str]:
        """The values that are set, of the settings whose names start with one of `prefixes`."""
        return {name: value for name, value in self.values.items() if value is not None and name.startswith(prefixes)}
