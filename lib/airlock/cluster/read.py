"""Resources from files: folders of YAML and JSON, Kustomize's folders built, or what comes by stdin. Called by `doors`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airlock.cluster._yaml import read_documents
from airlock.cluster.resources import Resources, resources_from
from airlock.errors import ConfigError, MissingCapabilityError

__all__ = ["read_resources"]

_SUFFIXES = {".yaml", ".yml", ".json"}
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_BUILDERS = (("kustomize", "build"), ("kubectl", "kustomize"))
_PATIENCE = 120
"""Seconds for one build."""


def read_resources(places: Sequence[Path | str], stdin: str = "") -> Resources:
    """All objects of files and folders.

    Args:
        places: Files; folders, whose YAML and JSON files are read, however deep; folders with a kustomization, which are built; '-' for
            `stdin`.
        stdin: What stands for '-'.

    Raises:
        ConfigError: A place is not there, holds no object, or a file can't be read as objects.
        MissingCapabilityError: A folder has a kustomization, and there is neither kustomize nor kubectl.
    """
    documents: list[tuple[str, Any]] = []
    for place in places:
        before = len(documents)
        documents += _documents(place, stdin)
        if len(documents) == before:
            raise ConfigError(
                f"{place}: no Kubernetes object in it. Name a folder with YAML files, or one with a kustomization"
            )
    return resources_from(documents)


def _documents(place: Path | str, stdin: str) -> Iterator[tuple[str, Any]]:
    if str(place) == "-":
        yield from _parsed(stdin, "stdin")
        return
    path = Path(place)
    if path.is_file():
        yield from _parsed(_text(path), str(path))
    elif not path.is_dir():
        raise ConfigError(f"{path}: neither a file nor a folder. Correct the path")
    elif any((path / name).is_file() for name in _KUSTOMIZATIONS):
        yield from _parsed(_built(path), str(path))
    else:
        for file in sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file()):
            if file.name not in _KUSTOMIZATIONS:
                yield from _parsed(_text(file), str(file))


def _parsed(text: str, name: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip()[:1] == "{":
        try:
            yield f"{name}:1", json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, name))
        except json.JSONDecodeError:
            pass  # a flow mapping of YAML, or several documents
        else:
            return
    for line, document in read_documents(text, name):
        yield f"{name}:{line}", document


def _once(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ConfigError(f"{name}: a key stands twice in one object; each key may stand once. Correct the file")
    return made


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text in UTF-8. Correct the file, or take it out") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}. Correct its rights") from None


def _built(folder: Path) -> str:
    """What Kustomize makes of a folder. It is asked for no plugins, no Helm and nothing from the network."""
    command = next(([found, verb] for program, verb in _BUILDERS if (found := shutil.which(program))), None)
    if command is None:
        raise MissingCapabilityError(
            f"{folder} has a kustomization, and there is neither kustomize nor kubectl to build it. Install one, or give what it makes: "
            "kustomize build FOLDER | airlock isolation prove -"
        )
    try:
        made = subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{folder}: '{_shown(command)}' took more than {_PATIENCE} s. Correct its kustomization") from None
    if made.returncode != 0:
        said = made.stderr.strip().splitlines()
        raise ConfigError(
            f"{folder}: '{_shown(command)}' failed: {said[-1] if said else 'it said nothing'}. Correct its kustomization"
        )
    return made.stdout


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])
