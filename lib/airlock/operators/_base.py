"""What an operator is: a frozen declaration that compiles to a column function.

`plan` binds declarations from a policy, `engines` compile them on the executors. The laws that every operator keeps are in
`airlock.testing`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow as pa
from pydantic import ConfigDict, TypeAdapter

from airlock.types import Classification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airlock.keys import KeyRequest, SubKeys
    from airlock.policy.model import KeyDomain

    Kernel = Callable[[pa.Array], pa.Array]
    RowKernel = Callable[[pa.StructArray], pa.Array]

__all__ = ["ANY_CLASS", "STRICT", "Contract", "Operator", "RejectedValuesError", "RowOperator"]

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""What every operator's pydantic dataclass is made with: no unknown argument, no silent conversion."""

ANY_CLASS = frozenset(Classification)


class RejectedValuesError(Exception):
    """A kernel met values that it can't transform; the task rejects their rows and runs the batch again without them.

    Attributes:
        code: A stable word for the reason, such as `not-an-address`.
        mask: Boolean array, as long as the kernel's input; true where the value is rejected.
    """

    def __init__(self, code: str, mask: pa.BooleanArray) -> None:
        super().__init__(f"{mask.true_count} of {len(mask)} values rejected: {code}")
        self.code = code
        self.mask = mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What an operator promises about its output; checked at compile time against what the policy uses it for.

    Attributes:
        technique: ISO/IEC 20889:2018 technique, such as `pseudonymization` or `generalization: rounding`.
        deterministic: Equal inputs give equal outputs under equal keys.
        injective: Different inputs give different outputs (up to a stated collision bound).
        reversible: Who holds the key can recover the input.
        keyed: Needs a key.
        subtree: May stand on a struct, list or map as a whole (only drop and null).
        classes: Classifications that the operator may stand on.
    """

    technique: str
    deterministic: bool = True
    injective: bool = False
    reversible: bool = False
    keyed: bool = False
    subtree: bool = False
    classes: frozenset[Classification] = ANY_CLASS


class Operator(ABC):
    """One way to transform a column. Subclasses are frozen, keyword-only pydantic dataclasses (`config=STRICT`).

    `shorthand` names the argument that `operator: value` sets (`keep: "a reason"` is `keep: {reason: "a reason"}`).
    `distributions` are the packages, beyond those that every operator uses, whose versions shape the output.
    """

    name: ClassVar[str]
    shorthand: ClassVar[str | None] = None
    distributions: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def contract(self) -> Contract:
        """What this declaration promises."""

    @abstractmethod
    def result_field(self, field: pa.Field) -> pa.Field | None:
        """The field that comes out (None: the column goes); `field` never has a dictionary type.

        Raises:
            OperatorTypeError: The operator does not take this type.
        """

    @abstractmethod
    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel | RowKernel:
        """Compile: a function from the column's values to the transformed ones, of type `result_field(field).type`.

        The kernel gets plain (dictionary-decoded) arrays, possibly sliced or empty. It may raise RejectedValuesError.
        """

    def requests(self) -> tuple[KeyRequest, ...]:
        """The subkeys that the kernel asks of `keys`."""
        return ()

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """This declaration with what the policy's key domains say filled in. Raises ValueError for an unknown domain."""
        del domains
        return self

    def to_dict(self) -> dict[str, Any]:
        """The arguments as JSON-able values; `from_dict` reads them back."""
        made: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json", by_alias=True)
        return made

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Build from a policy's arguments. Raises pydantic.ValidationError naming each fault."""
        # JSON mode: YAML lists become tuples and words become enums, yet "5" never becomes 5.
        import json  # noqa: PLC0415

        return TypeAdapter(cls).validate_json(json.dumps(dict(arguments), default=str))

    @classmethod
    def arguments(cls) -> Sequence[str]:
        """The names of the arguments, as policies write them (`with`, where Python needs `with_`)."""
        return [f.name.rstrip("_") for f in fields(cls)]  # type: ignore[arg-type]


class RowOperator(Operator):
    """An operator that looks at other values of the row.

    Its kernel takes a struct array: field `value` holds the column's values; field `known` (list of string) the row's own
    values of the columns that `inputs` names, as text, nulls left out; both as long as the column.
    """

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Paths of the other columns that the kernel looks at."""
