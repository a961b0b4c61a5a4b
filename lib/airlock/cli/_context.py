"""What the main callback hands to every command: the global options, and the settings that they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airlock.settings import Settings, load_settings

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The global options of one call.

    Attributes:
        config: airlock.yaml as named; None: found as settings are.
        debug: Whether traces may be shown.
        log_format: `auto`, `text` or `json`; None: as set elsewhere.
    """

    config: Path | None = None
    debug: bool = False
    log_format: str | None = None

    def settings(self, flags: Mapping[str, str | None] | None = None, /, **named: str | None) -> Settings:
        """Settings with this call's flags on top; `flags` by dotted name, `named` for names without a dot.

        Raises:
            ConfigError: A setting is unknown or wrong.
        """
        return load_settings(file=self.config, flags={"log_format": self.log_format, **(flags or {}), **named})

    def trusting(self, trust: Path | None) -> Settings:
        """Settings with a key, or a folder of keys, that this call names by `--trust`. Raises as `settings` does."""
        return self.settings(trust=str(trust.resolve()) if trust else None)
