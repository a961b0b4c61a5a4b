"""Each key provider on a real server, as the suite of key rings needs it: settings, known roots, a stranger's settings, a mess."""

from __future__ import annotations

import base64
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from tests.servers import kms, vault

from airlock.errors import AirlockError, KeyAccessError, KeyFileError, KeyProviderError
from airlock.keys import RootRing, open_key_ring
from airlock.settings import Settings, load_settings

AWS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_EC2_METADATA_DISABLED": "true"}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Side(ABC):
    """One provider. `denied` and `malformed` say which errors it raises there."""

    denied_error: type[AirlockError] = KeyAccessError
    malformed_error: type[AirlockError] = KeyFileError

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "root.json"

    @abstractmethod
    def flags(self) -> dict[str, str]: ...

    @abstractmethod
    def plant(self, roots: Mapping[int, bytes]) -> None:
        """Store these roots as an administrator would."""

    @abstractmethod
    def deny(self) -> dict[str, str]:
        """Flags under which the same roots are refused."""

    @abstractmethod
    def spoil(self) -> None:
        """Make what is stored malformed."""

    def settings(self, flags: Mapping[str, str] | None = None) -> Settings:
        return load_settings(flags={**self.flags(), **(flags or {})}, environment={})

    def ring(self, flags: Mapping[str, str] | None = None) -> RootRing:
        return open_key_ring(self.settings(flags))

    def write(self, texts: Mapping[int, str]) -> None:
        self.file.touch(0o600)
        self.file.write_text(json.dumps({"version": 1, "epochs": {str(epoch): text for epoch, text in texts.items()}}))


class File(Side):
    denied_error = KeyFileError

    def flags(self) -> dict[str, str]:
        return {"keys.provider": "file", "keys.root": str(self.file)}

    def plant(self, roots: Mapping[int, bytes]) -> None:
        self.write({epoch: b64(root) for epoch, root in roots.items()})

    def deny(self) -> dict[str, str]:
        self.file.chmod(0o644)
        return {}

    def spoil(self) -> None:
        self.file.write_text(self.file.read_text().replace("epochs", "roots"))


READER = (
    'path "{mount}/data/airlock" {{capabilities = ["read"]}}\npath "{mount}/metadata/airlock" {{capabilities = ["read"]}}\n'
)
KEEPER = """
path "{mount}/data/airlock" {{capabilities = ["create", "read", "update"]}}
path "{mount}/metadata/airlock" {{capabilities = ["read"]}}
path "{mount}/destroy/airlock" {{capabilities = ["update"]}}
"""
WRAPPER = """
path "{mount}/decrypt/roots" {{capabilities = ["update"]}}
path "{mount}/encrypt/roots" {{capabilities = ["update"]}}
"""


class OnVault(Side):
    rules = ""
    engine: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it

    def __init__(self, folder: Path, server: vault.Vault) -> None:
        super().__init__(folder)
        self.server = server
        self.mount = f"m{secrets.token_hex(4)}"
        server.call("POST", f"sys/mounts/{self.mount}", self.engine)
        self.token = self.token_file("token", self.rules)

    def token_file(self, name: str, rules: str) -> Path:
        file = self.folder / name
        file.touch(0o600)
        file.write_text(self.server.login(f"{self.mount}-{name}", rules.format(mount=self.mount)) + "\n")
        return file

    def flags(self) -> dict[str, str]:
        where = {"keys.vault.address": self.server.address, "keys.vault.mount": self.mount}
        return {**where, "keys.vault.credential": str(self.token)}

    def deny(self) -> dict[str, str]:
        return {"keys.vault.credential": str(self.token_file("stranger", 'path "sys/health" {{capabilities = ["read"]}}'))}


class VaultKv(OnVault):
    malformed_error = KeyProviderError
    rules = KEEPER
    engine = {"type": "kv", "options": {"version": "2"}}  # noqa: RUF012

    def flags(self) -> dict[str, str]:
        return {**super().flags(), "keys.provider": "vault-kv", "keys.vault.path": "airlock"}

    def plant(self, roots: Mapping[int, bytes]) -> None:
        self.put({str(epoch): b64(root) for epoch, root in roots.items()})

    def put(self, data: Mapping[str, Any]) -> None:
        self.server.call("POST", f"{self.mount}/data/airlock", {"data": data})

    def spoil(self) -> None:
        self.put({"1": b64(b"short")})


class VaultTransit(OnVault):
    rules = WRAPPER
    engine = {"type": "transit"}  # noqa: RUF012

    def __init__(self, folder: Path, server: vault.Vault) -> None:
        super().__init__(folder, server)
        server.call("POST", f"{self.mount}/keys/roots", {"type": "aes256-gcm96"})

    def flags(self) -> dict[str, str]:
        return {**super().flags(), "keys.provider": "vault-transit", "keys.vault.key": "roots", "keys.root": str(self.file)}

    def plant(self, roots: Mapping[int, bytes]) -> None:
        self.write({epoch: self.wrapped(epoch, root) for epoch, root in roots.items()})

    def wrapped(self, epoch: int, root: bytes) -> str:
        body = {"plaintext": b64(root), "associated_data": b64(f"airlock/v1/epoch/{epoch}".encode())}
        return self.server.call("POST", f"{self.mount}/encrypt/roots", body)["data"]["ciphertext"]

    def spoil(self) -> None:
        # Bare roots where wrapped ones are expected must not be taken, nor sent anywhere.
        self.write({1: b64(bytes(32))})


class AwsKms(Side):
    def __init__(self, folder: Path, server: kms.Kms) -> None:
        super().__init__(folder)
        self.server = server
        self.client = boto3.client("kms", region_name="eu-west-1", endpoint_url=server.address)
        self.key = self.client.create_key()["KeyMetadata"]["Arn"]

    def flags(self) -> dict[str, str]:
        where = {"keys.kms.region": "eu-west-1", "keys.kms.endpoint": self.server.address, "keys.kms.key_id": self.key}
        return {**where, "keys.provider": "aws-kms", "keys.root": str(self.file)}

    def plant(self, roots: Mapping[int, bytes]) -> None:
        self.write({epoch: self.wrapped(epoch, root) for epoch, root in roots.items()})

    def wrapped(self, epoch: int, root: bytes) -> str:
        context = {"airlock": "v1", "epoch": str(epoch)}
        return b64(self.client.encrypt(KeyId=self.key, Plaintext=root, EncryptionContext=context)["CiphertextBlob"])

    def deny(self) -> dict[str, str]:
        """The same call at a server whose IAM knows nobody."""
        self.strict = kms.running(open_calls=0)
        return {"keys.kms.endpoint": self.strict.__enter__().address}

    def spoil(self) -> None:
        self.write({1: b64(bytes(32))})


SIDES = {"file": File, "vault-kv": VaultKv, "vault-transit": VaultTransit, "aws-kms": AwsKms}
PARTS = {"file": None, "vault-kv": "vault", "vault-transit": "vault", "aws-kms": "moto"}
SERVERS = {"vault": vault.running, "moto": kms.running}


@contextmanager
def made(name: str, folder: Path, server: Any) -> Iterator[Side]:
    side = SIDES[name](folder) if server is None else SIDES[name](folder, server)
    try:
        yield side
    finally:
        if strict := getattr(side, "strict", None):
            strict.__exit__(None, None, None)
