"""Resources from files: folders of YAML and JSON, Kustomize's folders built, or what comes by stdin. Called by `doors`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airlock.cluster._yaml import read_documents
from airlock.cluster.resources import Resources, resources_from
from airlock.errors import ConfigError, MissingCapabilityError

__all__ = ["read_resources"]

_SUFFIXES = {".yaml", ".yml", ".json"}
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_BUILDERS = (("kustomize", "build"), ("kubectl", "kustomize"))
_BLANK = re.compile(r"\s*")
_PATIENCE = 120
"""Seconds for one build."""
_SHOWN = 3
"""Kustomizations that an error names."""


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
        documents += (one for one in _documents(place, stdin) if not _is_claim(one[1]))
        if len(documents) == before:
            raise ConfigError(
                f"{place}: no Kubernetes object in it. Name a folder with YAML files, or one with a kustomization"
            )
    return resources_from(documents)


def _is_claim(document: Any) -> bool:
    """`flows.yaml` may lie among the resources that it speaks of."""
    return isinstance(document, Mapping) and (document.get("apiVersion"), document.get("kind")) == ("airlock/v1", "Flows")


def _documents(place: Path | str, stdin: str) -> Iterator[tuple[str, Any]]:
    if str(place) == "-":
        yield from _parsed(_decoded(stdin), "stdin")
        return
    path = Path(place)
    if path.is_file():
        yield from _parsed(_text(path), str(path))
    elif not path.is_dir():
        raise ConfigError(f"{path}: neither a file nor a folder. Correct the path")
    elif any((path / name).is_file() for name in _KUSTOMIZATIONS):
        yield from _parsed(_built(path), str(path))
    else:
        _require_one(path)
        for file in sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file()):
            if file.name not in _KUSTOMIZATIONS:
                yield from _parsed(_text(file), str(file))


def _require_one(folder: Path) -> None:
    """Patches and bases are no objects of a cluster: of several kustomizations one is to be named."""
    found = sorted({file.parent for name in _KUSTOMIZATIONS for file in folder.rglob(name)})
    if len(found) > 1:
        shown = [one for one in found if one.parent.name == "overlays"] or found
        more = ", ..." if len(shown) > _SHOWN else ""
        raise ConfigError(
            f"{folder}: has no kustomization of its own, and {len(found)} deeper down. Name the one to build, such as an overlay: "
            f"{', '.join(map(str, shown[:_SHOWN]))}{more}"
        )


def _parsed(text: str, name: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip()[:1] == "{":
        try:
            yield from list(_json(text, name))
        except json.JSONDecodeError:
            pass  # a flow mapping of YAML
        except RecursionError:
            raise ConfigError(
                f"{name}: nested too deeply for any Kubernetes object. Correct the file, or take it out"
            ) from None
        except ValueError:
            raise ConfigError(f"{name}: a number with thousands of digits. Correct the file, or take it out") from None
        else:
            return
    for line, document in read_documents(text, name):
        yield f"{name}:{line}", document


def _json(text: str, name: str) -> Iterator[tuple[str, Any]]:
    """Objects one after another, as kubectl reads them."""
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _once(pairs, name))
    end, length = 0, len(text.rstrip())
    while end < length:
        blank = _BLANK.match(text, end)
        start = blank.end() if blank else end
        made, end = decoder.raw_decode(text, start)
        yield f"{name}:{text.count(chr(10), 0, start) + 1}", made


def _once(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ConfigError(f"{name}: a key stands twice in one object; each key may stand once. Correct the file")
    return made


def _decoded(stdin: str) -> str:
    try:
        stdin.encode()
    except UnicodeEncodeError:  # Python keeps what is no UTF-8 as lone surrogates
        raise ConfigError("stdin: not text in UTF-8. Give what 'kustomize build' or 'kubectl get -o yaml' prints") from None
    return stdin


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
