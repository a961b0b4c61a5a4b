"""The epochs of a project's roots as a value: what every provider stores, whatever holds it. Pure; stores read and write it.

An epoch that was destroyed leaves its number: no later root is ever taken for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airlock.errors import KeyEpochError

__all__ = ["TIMES", "VERSION", "EpochStore", "Epochs", "epochs_tree", "format_epochs", "parse_epochs"]

VERSION = 1
TIMES = ("created", "destroyed")
"""What stands beside the texts, where it is known."""


@dataclass(frozen=True, slots=True)
class Epochs:
    """The stored text of each epoch's root, and when epochs came and went.

    Attributes:
        texts: By epoch; base64, or what a key service wrapped. Never printed.
        created: Times by epoch, where they are known.
        destroyed: Times by epoch.
    """

    texts: Mapping[int, str] = field(repr=False)
    created: Mapping[int, str] = field(default_factory=dict)
    destroyed: Mapping[int, str] = field(default_factory=dict)

    def __reduce__(self) -> str:
        raise TypeError("roots are not pickled: pickles end up in files and logs")

    @property
    def next(self) -> int:
        """The number of the next epoch; a destroyed one's is never used again.

        Example:
            >>> Epochs({1: "a"}, destroyed={2: "2026-11-22T10:30:00Z"}).next
            3
        """
        return max((*self.texts, *self.destroyed), default=0) + 1

    def text(self, epoch: int, place: str) -> str:
        """The stored text of one epoch.

        Raises:
            KeyEpochError: There is none; `place` says where it was looked for.
        """
        if epoch in self.texts:
            return self.texts[epoch]
        found = ", ".join(map(str, sorted(self.texts))) or "none"
        if epoch in self.destroyed:
            raise KeyEpochError(
                f"the root of epoch {epoch} was destroyed at {self.destroyed[epoch]}; {place} has: {found}. What it made can't be "
                "joined with or reversed any more. Set keys.epoch to one of them",
                epoch=epoch,
            )
        raise KeyEpochError(
            f"{place} has no root for epoch {epoch}; it has: {found}. "
            "Set keys.epoch to one of them, or add a root with 'airlock keys rotate'",
            epoch=epoch,
        )

    def adding(self, epoch: int, text: str, at: str) -> Epochs:
        """With one more. Raises KeyEpochError where that number was used already: a root is never replaced."""
        if epoch in self.texts or epoch in self.destroyed:
            raise KeyEpochError(
                f"epoch {epoch} exists already: somebody else added it. Look with 'airlock keys show'", epoch=epoch
            )
        return Epochs({**self.texts, epoch: text}, {**self.created, epoch: at}, self.destroyed)

    def without(self, epoch: int, at: str) -> Epochs:
        """With this one destroyed; once is enough."""
        left = {known: text for known, text in self.texts.items() if known != epoch}
        return Epochs(left, self.created, {epoch: at, **self.destroyed})


class EpochStore(Protocol):
    """Where epochs are kept: a private file, or a path of a key service."""

    @property
    def place(self) -> str:
        """What messages call it."""
        ...

    def load(self) -> Epochs:
        """What is stored. Raises KeyFileError, KeyProviderError or TransientError."""
        ...

    def create(self, epochs: Epochs) -> None:
        """Store the first ones; nothing is overwritten."""
        ...

    def change(self, edit: Callable[[Epochs], Epochs]) -> None:
        """Put `edit` of what is stored in its place, at once; what is no longer stored can't be had from here again."""
        ...


def epochs_tree(epochs: Epochs) -> dict[str, Any]:
    """As JSON-able values: version 1, `epochs`, and times where there are any."""
    tree: dict[str, Any] = {"version": VERSION, "epochs": _keyed(epochs.texts)}
    return tree | {name: _keyed(getattr(epochs, name)) for name in TIMES if getattr(epochs, name)}


def format_epochs(epochs: Epochs) -> bytes:
    """As a file holds it: `epochs_tree` in one line of JSON."""
    return json.dumps(epochs_tree(epochs), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse_epochs(tree: Any, accepts: Callable[[str], bool]) -> Epochs | None:
    """What `epochs_tree` made; None where it is anything else.

    Args:
        tree: Decoded JSON.
        accepts: Whether a text may be an epoch's root.
    """
    try:
        if tree["version"] != VERSION or not {"version", "epochs"} <= set(tree) <= {"version", "epochs", *TIMES}:
            return None
        parts = [_numbered(tree.get(name, {})) for name in ("epochs", *TIMES)]
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    epochs = Epochs(*parts)
    texts = list(epochs.texts.values())
    good = len(set(texts)) == len(texts) and all(accepts(text) for text in texts) and not epochs.texts.keys() & epochs.destroyed
    return epochs if good else None


def _keyed(values: Mapping[int, str]) -> dict[str, str]:
    return {str(epoch): value for epoch, value in values.items()}


def _numbered(values: Mapping[str, Any]) -> dict[int, str]:
    made = {int(epoch): value for epoch, value in values.items()}
    if {str(epoch) for epoch in made if epoch > 0} != set(values) or not all(isinstance(value, str) for value in made.values()):
        raise ValueError("not epochs")
    return made
