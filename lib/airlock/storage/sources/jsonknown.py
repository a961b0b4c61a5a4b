"""Which fields JSON lines may have and must have: the policy's side of what `jsonfields` finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from airlock.errors import MissingColumnError
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step
from airlock.policy.unlisted import MOST_SAID

__all__ = ["Known", "Path", "Seen"]

Path = tuple[Step, ...]


@dataclass(slots=True)
class Known:
    """What may stand at one place: names, elements, or keys and values.

    Attributes:
        inside: One step further in.
        anything: A dropped subtree, or a leaf: nobody looks inside.
    """

    inside: dict[Step, Known] = field(default_factory=dict)
    anything: bool = False

    @classmethod
    def of(cls, schema: pa.Schema, passed_over: Sequence[str]) -> Known:
        """From the schema to read, and the paths of other leaves and subtrees that the policy knows, as policies write them."""
        root = cls()
        for part in schema:
            root._add((part.name,), part.type)
        for text in passed_over:
            root._pass_over(ColumnPath.parse(text).steps)
        return root

    def _pass_over(self, steps: Path) -> None:
        """Nobody looks at what is there; a map that is dropped side by side is dropped as a whole."""
        node = self
        for step in steps:
            if step in (KEY, VALUE) and not node.is_map:
                break
            node = node.inside.setdefault(step, Known())
        node.anything = True

    def _at(self, steps: Sequence[Step]) -> Known:
        node = self
        for step in steps:
            node = node.inside.setdefault(step, Known())
        return node

    def _add(self, steps: Path, data_type: pa.DataType) -> None:
        if pa.types.is_struct(data_type):
            self._at(steps)
            for part in data_type:
                self._add((*steps, part.name), part.type)
        elif pa.types.is_map(data_type):
            self._at((*steps, KEY)).anything = True
            self._add((*steps, VALUE), data_type.item_type)
        elif pa.types.is_list(data_type):
            self._add((*steps, ELEMENT), data_type.value_type)
        else:
            self._at(steps).anything = True

    @property
    def names(self) -> Mapping[str, Known]:
        """The fields that may stand here."""
        return {step: child for step, child in self.inside.items() if isinstance(step, str)}

    @property
    def is_map(self) -> bool:
        """Whether an object here is a map."""
        return VALUE in self.inside

    @property
    def holds_map(self) -> bool:
        """Whether anything here or below is a map."""
        return self.is_map or any(child.holds_map for child in self.inside.values())


@dataclass(slots=True)
class Seen:
    """What some lines have of what the policy knows.

    Attributes:
        objects: Where an object stands.
        fields: Fields of those, whatever their values.
    """

    objects: set[Path] = field(default_factory=set)
    fields: set[Path] = field(default_factory=set)

    def add(self, other: Seen) -> None:
        """What other lines have, too."""
        self.objects |= other.objects
        self.fields |= other.fields

    def require(self, required: Sequence[str]) -> None:
        """Raise MissingColumnError for fields that no object at their place has. `required`: paths as policies write them."""
        missing = {
            steps[: size + 1]: None
            for steps in (ColumnPath.parse(text).steps for text in required)
            for size in range(len(steps))
            if steps[:size] in self.objects and steps[: size + 1] not in self.fields and isinstance(steps[size], str)
        }
        if missing:
            names = [str(ColumnPath(steps)) for steps in missing][:MOST_SAID]
            more = f" and {len(missing) - MOST_SAID} more" if len(missing) > MOST_SAID else ""
            raise MissingColumnError(
                f"the policy has a rule for {', '.join(map(repr, names))}{more}, which no line of a file has. If they are gone for "
                "good, remove the rule; if some files lack them, say optional: true",
                columns=tuple(names),
            )
