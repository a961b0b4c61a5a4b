"""Parts of an object with their shape checked: what is no mapping where one belongs can't be judged. Called by everything in `cluster`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airlock.cluster.resources import Resource
from airlock.errors import ConfigError

__all__ = ["about", "mapping", "mappings", "selects", "single", "singles", "texts", "words"]

_NOTHING: Mapping[str, Any] = {}


class about:  # noqa: N801 (it reads as a statement: with about(role))
    """Says of which object an error of shape is: a context that puts the object, and where it was read, before the error's text.

    Raises:
        ConfigError: What was raised inside, with that before it.
    """

    __slots__ = ("_resource",)

    def __init__(self, resource: Resource | None) -> None:
        self._resource = resource

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ConfigError) and self._resource is not None:
            where = f"{self._resource.source}: {self._resource.ref}: "
            raise ConfigError(where + str(error).removeprefix(where)) from None


def mapping(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping of an object; empty where there is none.

    Raises:
        ConfigError: Something else stands there.
    """
    found = body.get(key)
    if found is None:
        return _NOTHING
    if type(found) is not dict and not isinstance(found, Mapping):
        raise ConfigError(f"'{key}' is {_said(found)}, expected a mapping. Correct the object")
    return found


def mappings(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of mappings of an object; empty where there is none.

    Raises:
        ConfigError: Something else stands there, or in the list.
    """
    found = body.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ConfigError(f"'{key}' is {_said(found)}, expected a list. Correct the object")
    for one in found:
        if type(one) is not dict and not isinstance(one, Mapping):
            raise ConfigError(f"'{key}' has {_said(one)} in it, expected mappings only. Correct the object")
    return found


def words(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings of an object; empty where there is none.

    Raises:
        ConfigError: Something else stands there, or in the list.
    """
    found = body.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigError(f"'{key}' is {_said(found)}, expected a list of strings. Correct the object")
    return tuple(found)


def single(body: Mapping[str, Any], key: str) -> None:
    """Make sure that a single value stands there, or nothing.

    Raises:
        ConfigError: A list or a mapping does.
    """
    found = body.get(key)
    if isinstance(found, (list, Mapping)):
        raise ConfigError(f"'{key}' is {_said(found)}, expected a single value. Correct the object")


def singles(body: Mapping[str, Any], key: str) -> None:
    """Make sure that a list of single values stands there, or nothing.

    Raises:
        ConfigError: Something else does.
    """
    found = body.get(key)
    if found is not None and (not isinstance(found, list) or any(isinstance(one, (list, Mapping)) for one in found)):
        raise ConfigError(f"'{key}' is {_said(found)}, expected a list of single values. Correct the object")


def texts(body: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """A mapping of strings to strings, as labels and annotations are; empty where there is none.

    Raises:
        ConfigError: Something else stands there, or in it.
    """
    found = mapping(body, key)
    for name, value in found.items():
        if type(name) is not str or type(value) is not str:
            said = _said(name if type(name) is not str else value)
            raise ConfigError(f"'{key}' has {said} in it ({name!r}), expected strings only. Correct the object")
    return found


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector (meta/v1) selects these labels; an empty one selects all.

    Raises:
        ConfigError: An operator that is none of In, NotIn, Exists, DoesNotExist.

    Example:
        >>> selects({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {})
        True
    """
    if any(labels.get(key) != value for key, value in mapping(selector, "matchLabels").items()):
        return False
    return all(_meets(one, labels) for one in mappings(selector, "matchExpressions"))


def _meets(asked: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = asked.get("key", ""), words(asked, "values")
    match asked.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ConfigError(
        f"a selector asks by {asked.get('operator')!r}, expected In, NotIn, Exists or DoesNotExist. Correct the object"
    )


def _said(found: Any) -> str:
    names = {str: "a string", list: "a list", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(found), "a mapping")
