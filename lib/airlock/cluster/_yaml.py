"""Many YAML documents at the speed of libyaml, as the API server reads them. Called by `read`.

Kubernetes reads YAML 1.1 (go-yaml v2) without its dates and base-60 numbers. A key that stands twice is an error here, whatever a
reader that takes the last one would make of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from airlock.errors import ConfigError, MissingCapabilityError

__all__ = ["read_documents"]

_INT = re.compile(r"[-+]?(?:0b[0-1_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)


def read_documents(text: str, name: str) -> Iterator[tuple[int, Any]]:
    r"""The documents of one file, with the line (1-based) that each begins at. Empty ones are left out.

    Args:
        text: YAML or JSON.
        name: The file's, for messages.

    Raises:
        ConfigError: Not YAML, or a key stands twice in one mapping.
        MissingCapabilityError: PyYAML is not installed.

    Example:
        >>> list(read_documents("kind: Pod\n---\n---\nkind: Job\n", "a.yaml"))
        [(1, {'kind': 'Pod'}), (4, {'kind': 'Job'})]
    """
    yaml, loader_class = _loader()
    loader = loader_class(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if value is not None:
                yield node.start_mark.line + 1, value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: not YAML: {error.problem or 'syntax error'}. Correct the file") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: not YAML. Correct the file") from None
    finally:
        loader.dispose()


@lru_cache(maxsize=1)
def _loader() -> tuple[Any, Any]:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingCapabilityError("reading resources needs PyYAML. pip install 'airlock[cluster]'") from None
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc, valid-type]
        """The types of JSON, and no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            if len(made) != len(node.value):  # with '<<' flattened, what stands in the mapping itself goes before
                _require_once(yaml, node)
            return made

    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("bool", re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"), "yYnNtTfFoO"),
        ("float", _FLOAT, "-+0123456789."),
        ("int", _INT, "-+0123456789"),
        ("null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
        ("merge", re.compile(r"<<$"), "<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))
    Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    return yaml, Loader


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    base = {"0b": 2, "0x": 16, "0o": 8}.get(digits[:2].lower())
    if base is None:
        return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    return sign * int(digits[2:], base)


def _require_once(yaml: Any, node: Any) -> None:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key '{key.value}' stands here a second time; each key may stand once", key.start_mark
            )
        seen.add(key.value)
