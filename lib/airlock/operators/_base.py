"""What an operator is: a frozen declaration that compiles to a column function.

`plan` binds declarations from a policy, `engines` compile them on the executors. The laws that every operator keeps are in
`airlock.testing`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter

from airlock.errors import ContractError
from airlock.operators._risk import TECHNIQUES, ResidualRisk, residual_risk
from airlock.types import Classification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airlock.keys import KeyRequest, SubKeys
    from airlock.passes import Pass
    from airlock.policy.model import KeyDomain
    from airlock.policy.path import ColumnPath

    Kernel = Callable[[pa.Array], pa.Array]
    RowKernel = Callable[[pa.StructArray], pa.Array]

__all__ = ["ANY_CLASS", "STRICT", "Contract", "Operator", "RejectedValuesError", "RowOperator", "reject"]

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""What every operator's pydantic dataclass is made with: no unknown argument, no silent conversion."""

ANY_CLASS = frozenset(Classification)

_CODE = re.compile(r"[a-z][a-z0-9-]{1,31}")


class RejectedValuesError(Exception):
    """A kernel met values that it can't transform; the task rejects their rows and runs the batch again without them.

    Attributes:
        code: A stable word for the reason, such as `not-an-address`: 2 to 32 of a-z, 0-9 and '-'. It is logged and counted, so it
            says nothing of the value.
        mask: Boolean array, as long as the kernel's input; true where the value is rejected.
    """

    def __init__(self, code: str, mask: pa.BooleanArray) -> None:
        if not _CODE.fullmatch(code):
            raise ValueError("a rejection's code is 2 to 32 of a-z, 0-9 and '-', a letter first")
        super().__init__(f"{mask.true_count} of {len(mask)} values rejected: {code}")
        self.code = code
        self.mask = mask


def reject(code: str, mask: pa.BooleanArray | NDArray[np.bool_]) -> None:
    """Reject the values at which the mask is true; at a null it is not.

    Raises:
        RejectedValuesError: There are any.

    Example:
        >>> reject("not-a-date", pa.array([None, True, False]))
        Traceback (most recent call last):
        airlock.operators._base.RejectedValuesError: 1 of 3 values rejected: not-a-date
    """
    if isinstance(mask, np.ndarray):
        if mask.any():
            raise RejectedValuesError(code, pa.array(mask))
    elif mask.true_count:
        raise RejectedValuesError(code, pc.fill_null(mask, fill_value=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What an operator promises about its output; checked at compile time against what the policy uses it for.

    Attributes:
        technique: ISO/IEC 20889:2018 technique, such as `pseudonymization` or `generalization: rounding`; several are joined by `; `.
            Another than the ones whose remaining risk is known is a ValueError.
        deterministic: Equal inputs give equal outputs under equal keys.
        injective: Different inputs give different outputs (up to a stated collision bound).
        reversible: Who holds the key can recover the input.
        authentic: And the way back tells what this key did not make.
        keyed: Needs a key.
        subtree: May stand on a struct, list or map as a whole (only drop and null).
        partly: Not every value passes through what the other flags say: a conditional operator.
        same_form: What it writes looks like what it reads: the gate can't tell that it did its work, so the inner door compares.
        chance: Share of values that come out as they went in by chance (0: none do): one in the pool's size for surrogates.
        classes: Classifications that the operator may stand on.
    """

    technique: str
    deterministic: bool = True
    injective: bool = False
    reversible: bool = False
    authentic: bool = False
    keyed: bool = False
    subtree: bool = False
    partly: bool = False
    same_form: bool = False
    chance: float = 0.0
    classes: frozenset[Classification] = ANY_CLASS

    def __post_init__(self) -> None:
        unknown = sorted({*self.technique.split("; ")} - {*TECHNIQUES})
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no technique here; known: {', '.join(sorted(TECHNIQUES))}")

    @property
    def risk(self) -> ResidualRisk:
        """What remains of the three risks of WP216 (Article 29 Working Party, Opinion 05/2014), by the technique."""
        return residual_risk(self.technique)


class Operator(ABC):
    """One way to transform a column. Subclasses are frozen, keyword-only pydantic dataclasses (`config=STRICT`).

    `shorthand` names the argument that `operator: value` sets (`keep: "a reason"` is `keep: {reason: "a reason"}`).
    `least` are the arguments of a smallest declaration, where the required ones alone do not make one.
    `example` is a rule as policies write it (YAML; its last one, where it needs more), to paste and adapt.
    `filled` are the arguments that the policy fills in by `beside`, not its rules. `nests`: it may stand inside another operator.
    `distributions` are the packages, beyond those that every operator uses, whose versions shape the output; of a third party's operator
    its own alone, which is installed at the outer door too, where its name is looked up and nothing of it runs.

    Example:
        >>> import pyarrow.compute as pc
        >>> from pydantic.dataclasses import dataclass
        >>> from airlock.errors import OperatorTypeError
        >>> @dataclass(kw_only=True, config=STRICT)
        ... class Initials(Operator):
        ...     '''The first letters.
        ...
        ...     Guarantee: `most` characters at most.
        ...     '''
        ...
        ...     name = "initials"
        ...     most: int = 1
        ...
        ...     @property
        ...     def contract(self):
        ...         return Contract(technique="generalization")
        ...
        ...     def result_field(self, field):
        ...         if field.type not in (pa.string(), pa.large_string()):
        ...             raise OperatorTypeError(f"'initials' takes text, and '{field.name}' is {field.type}")
        ...         return field
        ...
        ...     def kernel(self, field, keys):
        ...         return lambda values: pc.utf8_slice_codeunits(values, 0, self.most)
        >>> Initials(most=2).kernel(pa.field("name", pa.string()), None)(pa.array(["Ann", None, ""])).to_pylist()
        ['An', None, '']
    """

    name: ClassVar[str]
    shorthand: ClassVar[str | None] = None
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    example: ClassVar[str | None] = None
    filled: ClassVar[tuple[str, ...]] = ()
    nests: ClassVar[bool] = True
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

        The kernel gets plain (dictionary-decoded) arrays, a RowOperator's inputs too, possibly sliced or empty. It may raise RejectedValuesError.
        """

    def reverse(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Compile the way back, of an operator whose contract says `reversible`: from written values to the raw ones.

        Of a RowOperator it takes rows as `kernel` does, `value` the written values. It may raise RejectedValuesError: where the
        contract says `authentic`, with code `not-authentic` for what this key did not make.

        Args:
            field: The raw column's field.
            keys: The subkeys that `kernel` needs.

        Raises:
            ContractError: There is no way back.
        """
        del field, keys
        raise ContractError(f"'{self.name}' can't be reversed: what it writes does not hold the values")

    def requests(self) -> tuple[KeyRequest, ...]:
        """The subkeys that the kernel asks of `keys`; each names a key domain, or the outer door does not know its id."""
        return ()

    def pass_over(self, path: ColumnPath) -> Pass | None:
        """What this operator needs more than one row for, where it stands at `path`; None for nearly all.

        A pass over row groups moves what the kernel made; the conclusion of one over the dataset takes the kernel's place.

        Raises:
            ContractError: It can't stand there.
        """
        del path
        return None

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """This declaration with what the policy's key domains say filled in. Raises ValueError for an unknown domain."""
        del domains
        return self

    def beside(self, operators: Mapping[str, Operator]) -> Self:
        """This declaration with what other columns' rules say filled in; `operators` has all of them, resolved, by path.

        Raises:
            ValueError: A column that it needs is not there.
        """
        del operators
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

    Its kernel takes a struct array as long as the column: field `value` holds the column's values; for each path of `inputs` a
    field of that name holds the other column's value of the same row (inside a list: of the same element), in its raw type; where
    `known` names paths, field `known` (list of string) holds the row's own values there, as text, nulls left out. All of them are
    plain arrays: what is coded in a dictionary is decoded before.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths of the other columns whose value the kernel looks at: one for each of its own."""
        return ()

    @property
    def known(self) -> tuple[str, ...]:
        """Paths of columns, repeated ones too, all of whose values in the row the kernel looks at."""
        return ()

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Refuse inputs of types that the kernel does not take; `types` has one for each of `inputs`, and the column's own as `value`.

        Raises:
            OperatorTypeError: It does not take one of them.
        """
        del types
