"""`hierarchy`: values replaced by their label at a level of a generalization tree, which is a file beside the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.hierarchies.tree import climb
from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._fields import INDIRECT, TEXT, over_text, wrong_type

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Hierarchy", "TreeContent"]


@dataclass(kw_only=True, config=STRICT)
class TreeContent:
    """What was read from the file when the policy was loaded: its digest, the leaves, and the label of each."""

    sha256: str
    leaves: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(kw_only=True, config=STRICT)
class Hierarchy(Operator):
    """Replace each value by the label that stands `level` levels above it in a tree.

    Guarantee:
        Every output is a label of that level, or `otherwise`. A value that is no leaf of the tree, letter by letter, is
        rejected as `not-in-hierarchy`, or becomes `otherwise`. Null stays null.

    Source: ISO/IEC 20889:2018, generalization. The file is CSV as ARX writes it: one line a leaf, labels from the leaf to the
    root, `;` or `,` between them, no header line. Whole numbers are looked up by their shortest decimal text.

    Args:
        file: Beside the policy, at both doors. Its content is part of the policy and of its digest.
        level: 1 is the level above the leaves.
        otherwise: `reject`, or the text for values that the tree does not have.
        content: What the file holds; not written in policies.

    Example:
        >>> content = TreeContent(sha256="", leaves=("flu", "ulcer"), labels=("lung", "gut"))
        >>> tree = Hierarchy(file="diagnosis.csv", level=1, otherwise="other", content=content)
        >>> tree.kernel(pa.field("d", pa.string()), None)(pa.array(["flu", "Flu", None])).to_pylist()
        ['lung', 'other', None]
    """

    name: ClassVar[str] = "hierarchy"
    example: ClassVar[str] = "diagnosis: {type: string, class: sensitive, hierarchy: {file: icd.csv, level: 1}}"

    file: str = Field(min_length=1)
    level: int = Field(ge=1)
    otherwise: str = Field(default="reject", min_length=1)
    content: TreeContent

    @property
    def contract(self) -> Contract:
        """A label may still be of few."""
        return Contract(technique="generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type; text for whole numbers."""
        if field.type not in TEXT and not pa.types.is_integer(field.type):
            raise wrong_type(self.name, field, "it takes text and whole numbers")
        return pa.field(field.name, _text_type(field.type), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """One look-up in a hash table of the leaves."""
        del keys
        target = pa.large_string() if field.type == pa.string_view() else _text_type(field.type)
        leaves, labels = pa.array(self.content.leaves, target), pa.array(self.content.labels, target)

        def generalized(values: pa.Array) -> pa.Array:
            made = climb(values.cast(target), leaves, labels)
            if made.null_count == values.null_count:
                return made
            unknown = pc.and_(pc.is_valid(values), pc.is_null(made))
            if self.otherwise == "reject":
                reject("not-in-hierarchy", unknown)
            return pc.if_else(unknown, pa.scalar(self.otherwise, target), made)

        return over_text(generalized)


def _text_type(data_type: pa.DataType) -> pa.DataType:
    return data_type if data_type in TEXT else pa.string()
