"""Make the keys that two doors need, each in a file of its own. Called by `airlock keys init` and `airlock demo`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import KeyFileError
from airlock.keys import FileKeyRing, open_key_ring
from airlock.keys.signing import SigningRole, create_signing_key
from airlock.settings import Settings

__all__ = ["NewKeys", "create_keys", "create_one_key"]

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeys:
    """Where the new keys are.

    Attributes:
        root: Root key file, for the inner door; None where a service keeps the roots.
        provider: The settings of the key provider, by dotted name.
        place: Where the roots are, for people.
        stage_signing: Private signing key of the inner door.
        release_signing: Private signing key of the outer door.
        trust: Folder with both public keys.
        key_ids: Of the signing keys, by role.
    """

    root: Path | None
    stage_signing: Path
    release_signing: Path
    trust: Path
    key_ids: dict[str, str]
    place: str
    provider: dict[str, str]

    @property
    def private(self) -> tuple[Path, ...]:
        """The files that nobody else may read."""
        return tuple(path for path in (self.root, self.stage_signing, self.release_signing) if path is not None)

    def settings(self, base: Path | None = None) -> str:
        """The lines for airlock.yaml; paths relative to `base` where they lie below it."""

        def shown(path: Path) -> str:
            whole = path.resolve()
            return str(whole.relative_to(base.resolve())) if base and whole.is_relative_to(base.resolve()) else str(whole)

        root = [] if self.root is None else [("  root: ", self.root, "inner door only")]
        rows = [
            *root,
            ("  stage_signing: ", self.stage_signing, "inner door only"),
            ("  release_signing: ", self.release_signing, "outer door only"),
            ("trust: ", self.trust, "public keys: both doors, and everyone who verifies"),
            ("reports: ", self.trust.parent / "reports", "outer door only: what the gate found in runs that it refused"),
        ]
        lines = [(name + _scalar(shown(path)), comment) for name, path, comment in rows]
        width = max(len(line) for line, _ in lines)
        return (
            "keys:\n" + _service_lines(self.provider) + "".join(f"{line:<{width}}   # {comment}\n" for line, comment in lines)
        )


def _service_lines(settings: Mapping[str, str]) -> str:
    """The provider's own settings, nested as airlock.yaml has them; nothing for a file, which is the default."""
    lines, parents = [], set()
    for name, value in settings.items():
        _, *middle, last = name.split(".")
        if middle and middle[0] not in parents:
            parents.add(middle[0])
            lines.append(f"  {middle[0]}:\n")
        lines.append(f"{'  ' * (len(middle) + 1)}{last}: {_scalar(value)}\n")
    return "".join(lines)


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def create_keys(folder: Path, *, trust: Path | None = None, settings: Settings | None = None) -> NewKeys:
    """Make a root key, and a signing key for each door, all 0600 in a 0700 folder; and the public halves.

    Args:
        folder: For the private keys; made if it is not there.
        trust: For the public keys; `trust` beside `folder` by default.
        settings: Name the provider that is to keep the root; None: a file.

    Raises:
        ConfigError: A setting that the provider needs is not set.
        KeyFileError: One of the files exists already: nothing was made.
        KeyProviderError, TransientError: The key service has a root there already, or did not take one; signing
            keys were not made.
    """
    service = (
        {}
        if settings is None or settings.get("keys.provider") == "file"
        else settings.only("keys.provider", "keys.vault", "keys.kms")
    )
    trust = folder.absolute().parent / "trust" if trust is None else trust
    file, stage, release = (folder / name for name in ("root.json", "stage-signing.pem", "release-signing.pem"))
    root = None if service.get("keys.provider") == "vault-kv" else file
    public = {"stage": trust / "stage.pub", "release": trust / "release.pub"}
    there = [str(path) for path in (file, stage, release, *public.values()) if os.path.lexists(path)]
    if there:
        raise KeyFileError(
            f"keys exist already and are never overwritten: {', '.join(there)}. Nothing was made. Choose another --folder; "
            "who loses a root key loses every join with older releases",
            files=there,
        )
    _make(folder, 0o700)
    _make(trust, 0o755)
    ring = FileKeyRing(file) if settings is None else open_key_ring(settings.having({"keys.root": str(file)}))
    ring.create()
    ids = {
        "stage": create_signing_key(stage, public["stage"], "stage"),
        "release": create_signing_key(release, public["release"], "release"),
    }
    return NewKeys(
        root=root, stage_signing=stage, release_signing=release, trust=trust, key_ids=ids, place=ring.place, provider=service
    )


def create_one_key(folder: Path, role: SigningRole, *, trust: Path | None = None) -> tuple[Path, Path]:
    """Make a key that is neither door's: of role `reidentify`, `probe` or `preflight`. Returns its private and its public file.

    Raises:
        KeyFileError: It exists already.
    """
    trust = folder.absolute().parent / "trust" if trust is None else trust
    _make(folder, 0o700)
    _make(trust, 0o755)
    private, public = folder / f"{role}-signing.pem", trust / f"{role}.pub"
    create_signing_key(private, public, role)
    return private, public


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(f"folder '{folder}' can't be made: {error.strerror}. Choose another --folder") from None
