"""Destroy an epoch's root for good, and leave a signed record of it. Called by `airlock keys destroy` and `verify-destroyed`.

The record is begun before anything is removed, because afterwards nobody could tell which root it was; a call that was broken off
is done again and ends with the same record. Its name holds the root's fingerprint: another root may have had the same number.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer

from airlock.doors._person import reason_line, user_line
from airlock.doors.permits import key_permit
from airlock.errors import ConfigError, IntegrityError, KeyEpochError, KeyFileError, NotFoundError
from airlock.evidence.canonical import time_text
from airlock.evidence.keyacts import Destroyed
from airlock.evidence.trust import Trust
from airlock.keys import Permit, RootRing, open_key_ring
from airlock.keys.private import write_private_file
from airlock.keys.signing import load_signer
from airlock.settings import Settings

__all__ = ["DestroyedKey", "destroy_epoch", "verify_destroyed"]

_MAX_RECORD = 64 * 1024


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """What was destroyed, and where that is written.

    Attributes:
        record: The signed record.
        file: Where it is.
    """

    record: Destroyed
    file: Path


def destroy_epoch(settings: Settings, epoch: int, *, reason: str, yes: bool) -> DestroyedKey:
    """Remove an epoch's root wherever this provider keeps it, and write a signed record.

    Args:
        settings: Name a key provider that this process may write to, trust and the stage-signing key.
        epoch: Which one.
        reason: For the record: one printable line.
        yes: Nothing is destroyed without it.

    Raises:
        ConfigError: Not confirmed, or the reason is not one printable line.
        KeyEpochError: There never was such an epoch.
        KeyFileError, KeyProviderError, TransientError: It was not, or not wholly, removed: run again.
    """
    reason = reason_line(reason)
    if not yes:
        raise ConfigError(
            f"destroying epoch {epoch} can't be undone: no later release joins with what it made, nothing it encrypted can be "
            "reversed. Add --yes if that is what you want"
        )
    ring, permit, trust = open_key_ring(settings), key_permit(settings), Trust.load(settings.path("trust"))
    signer = load_signer(Path(settings.require("keys.stage_signing")))
    return _Destruction(ring, permit, epoch, _folder(settings), signer, trust).carry_out(reason)


def verify_destroyed(file: Path, settings: Settings) -> Destroyed:
    """Verify a record: signed by a trusted stage key, and ended, not only begun.

    Raises:
        NotFoundError: There is no such file.
        SignatureError, IntegrityError: It is not such a record, or only begun.
    """
    record = _read(file, Trust.load(settings.path("trust")))
    if record.state != "destroyed":
        raise IntegrityError(
            f"'{file}' says that destroying epoch {record.epoch} was begun, not that it ended. Run 'airlock keys destroy' again"
        )
    return record


@dataclass(frozen=True, slots=True)
class _Destruction:
    """One epoch's end: begun on record, removed, seen to be gone, on record."""

    ring: RootRing
    permit: Permit
    epoch: int
    folder: Path
    signer: Signer
    trust: Trust

    def carry_out(self, reason: str) -> DestroyedKey:
        try:
            record = self._of_root(self.ring.fingerprint(self.epoch, self.permit), reason)
        except KeyEpochError:
            left = self._left()
            if left is None:
                raise
            record = left
        # Also where the record says that it has ended: a backup may have brought the root back.
        self.ring.remove(self.epoch)
        self._require_gone()
        done = self._file("destroyed", record.root_fingerprint)
        if record.state == "begun":
            record = replace(record, state="destroyed", seen="derivation refused: key-epoch", signed_at=_now())
            write_private_file(done, record.to_envelope(self.signer))
        self._file("begun", record.root_fingerprint).unlink(missing_ok=True)
        return DestroyedKey(record, done)

    def _file(self, word: str, root_fingerprint: str) -> Path:
        return self.folder / f"{word}-epoch-{self.epoch}-{root_fingerprint}.json"

    def _of_root(self, root_fingerprint: str, reason: str) -> Destroyed:
        """The record of this very root that an earlier call wrote, or a new one, on the disk."""
        for word in ("destroyed", "begun"):
            file = self._file(word, root_fingerprint)
            if file.exists():
                found = _read(file, self.trust)
                if (found.root_fingerprint, self._is_of_place(found)) != (root_fingerprint, True):
                    raise IntegrityError(
                        f"record '{file}' is of a root in {found.place}, expected {self.ring.place}. Move it away, or name another "
                        "folder as keys.records; nothing was destroyed"
                    )
                return found
        record = Destroyed(
            state="begun",
            epoch=self.epoch,
            provider=self.ring.provider,
            place=self.ring.place,
            root_fingerprint=root_fingerprint,
            user=user_line(),
            reason=reason,
            signed_at=_now(),
        )
        write_private_file(self._file("begun", root_fingerprint), record.to_envelope(self.signer))
        return record

    def _left(self) -> Destroyed | None:
        """The newest record of this epoch at this place, where its root is gone: an earlier call was broken off, or ended.

        The newest, as an older one may be of a root that stood here before and lives on elsewhere.
        """
        if self.epoch not in self.ring.epochs().destroyed:
            return None
        files = sorted(self.folder.glob(f"*-epoch-{self.epoch}-*.json"))
        found = [record for record in (_read(file, self.trust) for file in files) if self._is_of_place(record)]
        return max(found, key=lambda record: (record.signed_at, record.state), default=None)

    def _is_of_place(self, record: Destroyed) -> bool:
        return (record.epoch, record.provider, record.place) == (self.epoch, self.ring.provider, self.ring.place)

    def _require_gone(self) -> None:
        try:
            self.ring.fingerprint(self.epoch, self.permit)
        except KeyEpochError:
            return
        raise IntegrityError(
            f"epoch {self.epoch} can still be derived from {self.ring.place} after its removal. Find out who put it back"
        )


def _folder(settings: Settings) -> Path:
    named = settings.path("keys.records") or Path(settings.require("keys.stage_signing")).parent / "destroyed"
    try:
        named.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(
            f"the folder '{named}' for records can't be made: {error.strerror}. Name another as keys.records"
        ) from None
    if not os.access(named, os.W_OK | os.X_OK):
        raise KeyFileError(
            f"the folder '{named}' for records can't be written. Name another as keys.records; nothing was destroyed"
        )
    return named


def _read(file: Path, trust: Trust) -> Destroyed:
    try:
        with file.open("rb") as opened:
            return Destroyed.parse(opened.read(_MAX_RECORD), trust)
    except OSError as error:
        raise NotFoundError(
            f"record '{file}' can't be read: {error.strerror}. 'airlock keys destroy' says where it wrote it"
        ) from None


def _now() -> str:
    return time_text(datetime.now(UTC))
