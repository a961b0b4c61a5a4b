"""Root keys in a file: the provider for one machine and for a mounted Secret. Called by the inner door and `airlock keys`.

`{"version": 1, "epochs": {"1": "<32 random bytes, base64>"}}`: every epoch has a root of its own, so destroying one destroys what
it derived and nothing else. Providers that wrap roots keep what was wrapped in a file of the same form.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from airlock.errors import KeyFileError
from airlock.keys.epochs import Epochs, format_epochs, parse_epochs
from airlock.keys.private import create_private_file, read_private_file, replace_private_file
from airlock.keys.ring import ROOT_BYTES, Plain, RootRing, Wrapper

__all__ = ["FileEpochs", "FileKeyRing", "create_root_file"]


class FileEpochs:
    """Epochs in a private file. It is read anew each time, so a mounted Secret may change under a running door."""

    def __init__(self, path: Path, wrapper: Wrapper, *, holds: str) -> None:
        self._path, self._wrapper, self._holds = path, wrapper, holds

    @property
    def place(self) -> str:
        """The file."""
        return f"key file '{self._path}'"

    def load(self) -> Epochs:
        """Read the file.

        Raises:
            KeyFileError: It is missing, malformed or readable by others.
        """
        return self._parsed(read_private_file(self._path))

    def create(self, epochs: Epochs) -> None:
        """Write a new file (0600). Raises KeyFileError where it is there already."""
        create_private_file(self._path, format_epochs(epochs))

    def change(self, edit: Callable[[Epochs], Epochs]) -> None:
        """Replace the file and overwrite what it held. Raises KeyFileError."""
        replace_private_file(self._path, lambda content: format_epochs(edit(self._parsed(content))))

    def _parsed(self, content: bytes) -> Epochs:
        try:
            epochs = parse_epochs(json.loads(content), self._wrapper.accepts)
        except (ValueError, RecursionError):
            epochs = None
        if epochs is None:
            # Outside of the handler: the cause could quote a root.
            raise KeyFileError(
                f"key file '{self._path}' is malformed; expected JSON with version 1 and, by epoch, different {self._holds}. "
                "Restore it from a backup, or make new keys with 'airlock keys init'"
            )
        return epochs


class FileKeyRing(RootRing):
    """A `KeyRing` over a root file. The file is read anew for each request and never kept.

    Example:
        >>> import tempfile, time
        >>> from airlock.keys import KeyRequest, Permit
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "root.json")
        >>> create_root_file(path)
        >>> request, permit = KeyRequest("pseudonymize", "aes-cmac", "email"), Permit("0" * 64, time.time() + 60)
        >>> keys = FileKeyRing(path).subkeys([request], recipient="analytics", epoch=1, permit=permit)
        >>> len(keys[request]), keys.ids[request].partition(":")[0]
        (32, 'email/analytics/1')
        >>> folder.cleanup()
    """

    def __init__(self, path: Path | str) -> None:
        wrapper = Plain()
        super().__init__("file", FileEpochs(Path(path), wrapper, holds=f"roots of {ROOT_BYTES} bytes in base64"), wrapper)


def create_root_file(path: Path, epochs: Iterable[int] = (1,)) -> None:
    """Write a new root file (0600) with a fresh random root for each epoch.

    Raises:
        KeyFileError: The file exists already, or its folder does not.
    """
    texts = {epoch: Plain().wrap(epoch, secrets.token_bytes(ROOT_BYTES)) for epoch in epochs}
    create_private_file(path, format_epochs(Epochs(texts)))
