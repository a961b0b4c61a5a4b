"""Find, read and merge the four layers of settings. Called by the command line and by jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from airlock.errors import ConfigError
from airlock.policy.yaml import Document, read_yaml
from airlock.settings._location import PROFILE
from airlock.settings._model import SETTINGS, Origin, Setting, Settings

__all__ = ["load_settings"]

_FILE = "airlock.yaml"
_NOT_SETTINGS = {"AIRLOCK_CONFIG", "AIRLOCK_REQUIRE", "AIRLOCK_STATUS"}


def load_settings(
    *,
    file: Path | None = None,
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merge flags, environment, file and defaults.

    Args:
        file: airlock.yaml; without it `AIRLOCK_CONFIG`, then airlock.yaml here or in a folder above.
        flags: By dotted name; None is not set.
        environment: Instead of the process's own.

    Raises:
        ConfigError: An unknown key or variable, a wrong value, or a named file that is not there; all faults at once.
    """
    environment = os.environ if environment is None else environment
    found = _find(file, environment)
    values: dict[str, str | None] = {setting.name: setting.default for setting in SETTINGS}
    origins: dict[str, Origin] = dict.fromkeys(values, "default")
    layers: list[tuple[Origin, Mapping[str, str | None]]] = [
        ("file", _from_file(found) if found else {}),
        ("environment", _from_environment(environment)),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ]
    for origin, layer in layers:
        for name, value in layer.items():
            if name not in values:
                raise ConfigError(f"there is no setting '{name}'; 'airlock config' lists them")
            values[name], origins[name] = value, origin
    _check(values)
    return Settings(values, origins, found)


def _find(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = file or (Path(environment["AIRLOCK_CONFIG"]) if environment.get("AIRLOCK_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"there is no configuration file '{named}'")
        return named
    here = Path.cwd()
    return next((folder / _FILE for folder in (here, *here.parents) if (folder / _FILE).is_file()), None)


def _from_file(path: Path) -> dict[str, str | None]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"'{path}' is not UTF-8 text") from None
    document = read_yaml(text, str(path))
    values: dict[str, str | None] = {}
    if document.data is not None:
        _walk(document.data, (), document, values, _folder_of(path))
    if document.problems:
        raise ConfigError("\n".join(["airlock.yaml:", *map(str, sorted(set(document.problems)))]))
    return values


def _folder_of(path: Path) -> Path:
    """What paths in the file are relative to: where the file is, or in a folder that Kubernetes mounted where every pod sees it."""
    mounted = (path.parent / "..data").is_symlink()
    return path.absolute().parent if mounted else path.resolve().parent


def _walk(data: Any, at: tuple[str, ...], document: Document, values: dict[str, str | None], base: Path) -> None:
    by_name = {setting.name: setting for setting in SETTINGS}
    if not isinstance(data, dict):
        document.report(at, f"'{'.'.join(at) or 'the file'}' must be a mapping")
        return
    for key, value in data.items():
        name = ".".join((*at, key))
        if name in by_name:
            values[name] = _resolve(by_name[name], None if value is None else str(value), base)
        elif any(known.startswith(name + ".") for known in by_name):
            _walk(value, (*at, key), document, values, base)
        else:
            near = get_close_matches(name, _names(by_name), n=1)
            document.report((*at, key), f"unknown setting '{name}'" + (f"; nearest: '{near[0]}'" if near else ""))


def _names(settings: Iterable[str]) -> list[str]:
    """The settings' names and those of their groups."""
    return list(
        dict.fromkeys(".".join(name.split(".")[: depth + 1]) for name in settings for depth in range(name.count(".") + 1))
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, str | None]:
    by_variable = {setting.variable: setting for setting in SETTINGS}
    given = {name: value for name, value in environment.items() if name.startswith("AIRLOCK_") and name not in _NOT_SETTINGS}
    unknown = sorted(set(given) - set(by_variable))
    if unknown:
        near = get_close_matches(unknown[0], by_variable, n=1)
        raise ConfigError(f"unknown variable {unknown[0]}" + (f"; nearest: {near[0]}" if near else ""))
    return {by_variable[name].name: _resolve(by_variable[name], value, Path.cwd()) for name, value in given.items() if value}


def _resolve(setting: Setting, value: str | None, base: Path) -> str | None:
    """Paths in a file are relative to it. Links stay: a mounted Secret's lead to a folder of today, which another pod has not."""
    if value is None or setting.kind in ("text", "number") or "://" in value:
        return value
    if setting.kind == "identity" and value.startswith(PROFILE):
        return value
    return os.path.normpath(base.absolute() / Path(value).expanduser())


def _check(values: Mapping[str, str | None]) -> None:
    for setting in SETTINGS:
        value = values[setting.name]
        if value is None:
            continue
        if setting.choices and value not in setting.choices:
            raise ConfigError(f"setting '{setting.name}' is '{value}'; expected one of {', '.join(setting.choices)}")
        if setting.kind == "number" and not (value.isascii() and value.isdigit()):
            raise ConfigError(f"setting '{setting.name}' must be a whole number, 0 or more")
