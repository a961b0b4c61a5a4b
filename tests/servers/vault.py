"""A real Vault for tests: HashiCorp Vault 1.14.1 (the last MPL-2.0 line), its core and HTTP API compiled from Go modules.

Go compiles `vault/` in about six minutes, once; the program is kept in ~/.cache/airlock. Without it the tests that need it are
skipped, unless AIRLOCK_REQUIRE lists `vault`: then it is made. `python -m tests.servers.vault` makes it too.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.compiled import Compiled

VAULT = Compiled("vault", Path(__file__).parent / "vault", ("main.go", "go.mod", "go.sum"), ".", "six minutes")


def missing() -> str | None:
    """Why there is no Vault; None where there is one, or where one must be made."""
    return VAULT.missing("vault")


@dataclass(frozen=True)
class Vault:
    """A running server and its root token."""

    address: str
    token: str
    process: subprocess.Popen[bytes]

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One API call, as root by default."""
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token or self.token, "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(content) if content else None

    def login(self, name: str, rules: str) -> str:
        """A token with one policy."""
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})
        made = self.call("POST", "auth/token/create", {"policies": [name], "no_default_policy": False})
        return made["auth"]["client_token"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@contextmanager
def running(*arguments: str) -> Iterator[Vault]:
    """Serve on a free port of the loopback; arguments: certificate and key for TLS."""
    process = subprocess.Popen([str(VAULT.program()), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    told = json.loads(process.stdout.readline())
    served = Vault(told["address"], told["token"], process)
    try:
        yield served
    finally:
        if process.poll() is None:
            served.stop()


if __name__ == "__main__":
    VAULT.build()
