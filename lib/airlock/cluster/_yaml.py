"""Many YAML documents at the speed of libyaml, as the API server reads them. Called by `read`.

Kubernetes reads YAML 1.1 (go-yaml v2) without its dates and base-60 numbers. A key that stands twice is an error here, whatever a
reader that takes the last one would make of it; so is a value whose aliases stand for more values than anybody writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from airlock.errors import ConfigError, MissingCapabilityError

__all__ = ["read_documents"]

_INT = re.compile(r"[-+]?(?:0b_*[01][01_]*|0o?_*[0-7][0-7_]*|0|[1-9][0-9_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*)$")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_BOOLS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
_TAG = "tag:yaml.org,2002:"
_TYPES = {None, *(_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map"))}
_TEXT = (_TAG + "str", _TAG + "merge")
_ALIAS = re.compile(r"(?:^|[\s\[{,:?-])\*\w", re.MULTILINE)
_DIGITS = 400
"""Of a number: more than the largest that a float can hold."""
_EXPANDED = 100_000
"""Values that aliases of one document may stand for (go-yaml refuses documents that are mostly aliases beyond 400,000)."""


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
    loader, aliases = loader_class(text), _ALIAS.search(text) is not None
    try:
        while loader.check_node():
            node = loader.get_node()
            if aliases:
                _require_few(yaml, node)
            value = loader.construct_document(node)
            if value is not None:
                yield node.start_mark.line + 1, value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: not YAML: {error.problem or 'syntax error'}. Correct the file") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply for any Kubernetes object. Correct the file, or take it out") from None
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

        def flatten_mapping(self, node: Any) -> None:
            """Before '<<' puts others' keys beside the mapping's own, which go before."""
            if not getattr(node, "once", False):
                node.once = True
                _name_keys(yaml, self, node)
            super().flatten_mapping(node)

    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("bool", re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"), "yYnNtTfFoO"),
        ("float", _FLOAT, "-+0123456789."),
        ("int", _INT, "-+0123456789"),
        ("null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
        ("merge", re.compile(r"<<$"), "<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))
    Loader.yaml_constructors = {tag: made for tag, made in base.yaml_constructors.items() if tag in _TYPES}
    for tag, read in (("int", _integer), ("float", _float), ("bool", _bool)):
        Loader.add_constructor(_TAG + tag, _typed(yaml, tag, read))
    return yaml, Loader


def _typed(yaml: Any, name: str, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    """A tag may stand before anything: `!!int banana`."""

    def made(loader: Any, node: Any) -> Any:
        text = loader.construct_scalar(node)
        try:
            return read(text)
        except (ValueError, KeyError):
            raise yaml.constructor.ConstructorError(None, None, f"a value that is no {name}", node.start_mark) from None

    def short(loader: Any, node: Any) -> Any:
        if len(node.value) > _DIGITS:
            raise yaml.constructor.ConstructorError(None, None, f"a number of {len(node.value):,} digits", node.start_mark)
        return made(loader, node)

    return short


def _integer(text: str) -> int:
    text = text.replace("_", "")
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    base = {"0b": 2, "0x": 16, "0o": 8}.get(digits[:2].lower())
    if base is None:
        return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    return sign * int(digits[2:], base)


def _float(text: str) -> float:
    text = text.replace("_", "").lower()
    sign = -1.0 if text[:1] == "-" else 1.0
    digits = text.removeprefix("-") if sign < 0 else text.removeprefix("+")
    return sign * float(digits.removeprefix(".") if digits in (".inf", ".nan") else digits)


def _bool(text: str) -> bool:
    return _BOOLS[text.lower()]


def _key(yaml: Any, key: Any, node: Any) -> str:
    """JSON has keys of text alone; Kubernetes' reader writes numbers and truth values as such (sigs.k8s.io/yaml)."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int):
        return str(key)
    raise yaml.constructor.ConstructorError(None, None, f"a key of type {type(key).__name__}, expected text", node.start_mark)


def _name_keys(yaml: Any, loader: Any, node: Any) -> None:
    """Make keys text, each of which may stand once. Python takes 1 and true for one key, Kubernetes for two."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for place, (key, value) in enumerate(node.value):
        text = key.value
        if key.tag not in _TEXT:
            text = _key(yaml, loader.construct_object(key, deep=True), key)
            node.value[place] = (yaml.ScalarNode(_TAG + "str", text, key.start_mark, key.end_mark), value)
        if text in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key '{text}' stands here a second time; each key may stand once", key.start_mark
            )
        seen.add(text)


def _require_few(yaml: Any, root: Any) -> None:
    """Refuse values that are a part of themselves, and aliases of aliases that stand for a multitude."""
    sizes: dict[int, int] = {}
    distinct = 0

    def size(node: Any) -> int:
        nonlocal distinct
        known = sizes.get(id(node))
        if known == 0:
            raise yaml.constructor.ConstructorError(None, None, "a value that is a part of itself", node.start_mark)
        if known is not None:
            return known
        sizes[id(node)], distinct = 0, distinct + 1
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        found = 1 + sum(size(inner) for part in parts for inner in (part if isinstance(part, tuple) else (part,)))
        sizes[id(node)] = found
        return found

    whole = size(root)
    if whole - distinct > _EXPANDED:
        raise yaml.constructor.ConstructorError(
            None, None, f"aliases make {whole:,} values of {distinct:,}; write them out", root.start_mark
        )
