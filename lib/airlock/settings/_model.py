"""The settings there are, as data, and a resolved set of them. Read by doors and `airlock config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from airlock.errors import ConfigError
from airlock.types import Zone

__all__ = ["SETTINGS", "Origin", "Setting", "Settings"]

Kind = Literal["path", "uri", "text", "number"]


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


SETTINGS: tuple[Setting, ...] = (
    Setting("zones.raw.uri", "uri", "where raw datasets are; read by the inner door alone"),
    Setting("zones.private.uri", "uri", "what stays on the raw side: accounting, rejected rows, split records"),
    Setting("zones.staging.uri", "uri", "written by the inner door, read by the outer door"),
    Setting("zones.sanitized.uri", "uri", "releases; written by the outer door alone"),
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
    Setting("lease_seconds", "number", "how long a run may be silent before another may take its dataset over", "60"),
    Setting("grace_minutes", "number", "how long superseded files stay for readers that are still at it", "0"),
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

    def zone(self, zone: Zone) -> str:
        """A zone's location. Raises ConfigError where this configuration does not name it."""
        return self.require(f"zones.{zone}.uri")

    def having(self, values: dict[str, str]) -> Settings:
        """The same with these on top, as flags would be."""
        return Settings({**self.values, **values}, {**self.origins, **dict.fromkeys(values, "flag")}, self.file)

    def only(self, *prefixes: str) -> dict[str, str]:
        """The values that are set, of the settings whose names start with one of `prefixes`."""
        return {name: value for name, value in self.values.items() if value is not None and name.startswith(prefixes)}
