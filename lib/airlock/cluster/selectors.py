"""Label selectors (meta/v1): read from objects, and matched against labels. Called by `netpol`, `admin` and `flows`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ANY", "Requirement", "Selector", "UnmodelledError", "known_only", "list_of", "parse_selector"]


class UnmodelledError(Exception):
    """Something that could matter and that the model has no meaning for. It becomes NO PROOF; it never reaches a user as an exception."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    Attributes:
        operator: `In`, `NotIn`, `Exists` or `DoesNotExist`.
        values: Of the first two.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. A label that is not there meets `NotIn` (meta/v1 LabelSelectorRequirement)."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        return (value is not None) == (self.operator == "Exists")


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all be met; none at all: everything matches.

    Example:
        >>> chosen = parse_selector({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]})
        >>> chosen.matches({"app": "web"}), chosen.matches({"app": "web", "old": ""}), ANY.matches({})
        (True, False, True)
    """

    requirements: frozenset[Requirement] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all conditions."""
        return all(one.matches(labels) for one in self.requirements)

    @property
    def keys(self) -> frozenset[str]:
        """The labels that it looks at."""
        return frozenset(one.key for one in self.requirements)


ANY = Selector()
_OPERATORS = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}


def parse_selector(raw: Any) -> Selector:
    """A selector as an object holds it; null and {} match everything.

    Raises:
        UnmodelledError: An unknown field or operator, or a value that is no text.
    """
    if raw is None:
        return ANY
    known_only(raw, ("matchLabels", "matchExpressions"), "selector")
    labels = {} if raw.get("matchLabels") is None else raw["matchLabels"]
    if not isinstance(labels, Mapping):
        raise UnmodelledError("matchLabels is not a mapping")
    found = [Requirement(_text(key), "In", frozenset([_text(value)])) for key, value in labels.items()]
    for one in list_of(raw, "matchExpressions"):
        known_only(one, ("key", "operator", "values"), "matchExpressions")
        operator, values = one.get("operator"), list_of(one, "values")
        if not isinstance(operator, str) or operator not in _OPERATORS or _OPERATORS[operator] != bool(values):
            raise UnmodelledError(f"operator '{operator}' with {len(values)} values in a selector")
        found.append(Requirement(_text(one.get("key")), operator, frozenset(map(_text, values))))
    return Selector(frozenset(found))


def known_only(raw: Any, known: Iterable[str], what: str) -> None:
    """Raise UnmodelledError unless `raw` is a mapping with no other keys than `known`."""
    if not isinstance(raw, Mapping):
        raise UnmodelledError(f"{what} is not a mapping")
    unknown = sorted(str(key) for key in raw.keys() - set(known))
    if unknown:
        raise UnmodelledError(f"unknown field '{unknown[0]}' in {what}")


def list_of(raw: Mapping[str, Any], name: str) -> Sequence[Any]:
    """A field that is a list, empty where it is not there. Raises UnmodelledError for anything else."""
    found = raw.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise UnmodelledError(f"'{name}' is not a list")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnmodelledError(f"a label or its value is not text but {type(value).__name__}")
    return value
