"""What there is to say of an operator before a policy uses it: read from its class, for people and machines. Pure.

Called by `airlock operators`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from airlock.errors import MissingCapabilityError, OperatorTypeError, PolicyError
from airlock.operators import Contract, Operator
from airlock.plan.contracts import classes_of
from airlock.plan.explain import describe_shape
from airlock.plan.schema import operator_schema, smallest
from airlock.policy.arrow import parse_type
from airlock.policy.formats import NESTED, output_of
from airlock.policy.model import OperatorSpec
from airlock.policy.yaml import read_yaml

__all__ = ["KINDS", "Argument", "Entry", "describe", "taken_types"]

KINDS = {
    "keyed": "tokens, ciphertexts and made-up values, under a key",
    "generalizing": "coarser values: the more rows share one, the safer",
    "perturbing": "other values of the same form: sums hold, single values do not",
    "plain": "kept, hidden or left out",
    "conditional": "another operator for each row, as other columns say",
}
"""The kinds of operators, in the order in which they are listed."""

_BY_TECHNIQUE = {
    "cryptographic": "keyed",
    "generalization": "generalizing",
    "pseudonymization": "keyed",
    "randomization": "perturbing",
}
_FLAGS = ("deterministic", "injective", "reversible", "keyed", "subtree")
_CONDITIONAL = (*NESTED, "ordered")
_TYPES: Mapping[str, tuple[pa.DataType, ...]] = {
    "text": (pa.string(),),
    "integers": (pa.int64(), pa.int32(), pa.int16()),
    "floats": (pa.float64(),),
    "decimals": (pa.decimal128(12, 2),),
    "booleans": (pa.bool_(),),
    "dates": (pa.date32(),),
    "timestamps": (pa.timestamp("us", tz="UTC"),),
    "binary": (pa.binary(), pa.binary(16)),
}
"""Types that operators are asked about, a few for each word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of an operator.

    Attributes:
        default: As policies write it; None where the argument is needed.
        meaning: From the docstring.
    """

    name: str
    default: str | None
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one operator does and promises; of a conditional one, technique and risk are those of the operators it chooses from.

    Attributes:
        kind: One of KINDS.
        summary: One sentence.
        technique: ISO/IEC 20889:2018; of the smallest declaration, as all that follows. Arguments may change it.
        risk: Residual risk by WP216: singling_out, linkability, inference.
        promises: Flags of the contract that hold.
        classes: Where it may stand.
        writes: What each value looks like under the example's arguments; None without one, or where a file says it.
        example: A rule, to paste.
        shorthand: The argument that `operator: value` sets.
        schema: JSON Schema of the arguments.
        text: The docstring after its summary, without arguments and example.
    """

    name: str
    kind: str
    summary: str
    technique: str
    risk: Mapping[str, str]
    promises: tuple[str, ...]
    classes: tuple[str, ...]
    writes: str | None
    example: str | None
    shorthand: str | None
    arguments: tuple[Argument, ...]
    schema: Mapping[str, Any]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def describe(kind: type[Operator]) -> Entry:
    """All that its class says of an operator.

    Raises:
        MissingCapabilityError: Its class does not hold together: no smallest declaration, or a contract that is none.

    Example:
        >>> from airlock.operators import operator_class
        >>> entry = describe(operator_class("truncate"))
        >>> entry.kind, entry.writes
        ('generalizing', 'at most 2 characters')
    """
    try:
        return _described(kind)
    except MissingCapabilityError:
        raise
    except Exception as error:  # noqa: BLE001 - a third party's class may do anything
        raise MissingCapabilityError(
            f"operator '{kind.name}' of {kind.__module__} can't be described ({type(error).__name__}: {error}). "
            "Its class needs mending: airlock.testing.check_laws tells what else is wrong"
        ) from None


def _described(kind: type[Operator]) -> Entry:
    least = smallest(kind)
    conditional = kind.name in _CONDITIONAL
    summary, text, meanings = _docstring(kind)
    schema = operator_schema(kind)
    risk = least.contract.risk
    return Entry(
        name=kind.name,
        kind="conditional" if conditional else _kind(least.contract),
        summary=summary,
        technique="that of its operators" if conditional else least.contract.technique,
        risk={} if conditional else asdict(risk),
        promises=tuple(flag for flag in _FLAGS if getattr(least.contract, flag)),
        classes=tuple(sorted(least.contract.classes if conditional else classes_of(least))),
        writes=_written(kind),
        example=kind.example and kind.example.rstrip(),
        shorthand=kind.shorthand,
        arguments=tuple(_arguments(schema, meanings)),
        schema=schema,
        text=text,
    )


def _kind(contract: Contract) -> str:
    return _BY_TECHNIQUE.get(contract.technique.partition(":")[0], "plain")


def _example(kind: type[Operator]) -> tuple[OperatorSpec, pa.DataType | None] | None:
    """What the example's last rule asks of the operator, and of which type."""
    if kind.example is None:
        return None
    rule = [*read_yaml(kind.example, kind.name).data.values()][-1]
    return OperatorSpec(name=kind.name, arguments=rule[kind.name]), parse_type(rule["type"])


def _written(kind: type[Operator]) -> str | None:
    found = _example(kind)
    if found is None:
        return None
    try:
        return describe_shape(output_of(*found, unshaped="not declared").shape)
    except PolicyError:
        return None  # a file beside the policy says it


def taken_types(kind: type[Operator]) -> tuple[str, ...]:
    """Types of columns, in words, that an operator takes under its least arguments or its example's: it is asked about each.

    Example:
        >>> from airlock.operators import operator_class
        >>> taken_types(operator_class("geo_grid"))
        ('floats', 'decimals')
    """
    asked, found = [smallest(kind)], _example(kind)
    if found is not None:
        with suppress(ValidationError):  # a file, or another rule, fills in the rest
            asked.append(kind.from_dict(found[0].mapping(kind.shorthand)))
    words = [word for word, types in _TYPES.items() if any(_is_taken(one, data_type) for one in asked for data_type in types)]
    whole = "structs, lists and maps as a whole"
    return (*words, whole) if any(one.contract.subtree for one in asked) else tuple(words)


def _is_taken(operator: Operator, data_type: pa.DataType) -> bool:
    try:
        operator.result_field(pa.field("column", data_type))
    except MissingCapabilityError:
        return True  # the type is right; something is not installed
    except OperatorTypeError:
        return False
    return True


# --- the docstring ----------------------------------------------------------------------------------------------------

_ARGS = re.compile(r"^(?:Args|Attributes):\n((?:(?: .*)?\n)*)", re.MULTILINE)
_EXAMPLE = re.compile(r"^Example:\n(?:(?: .*)?(?:\n|$))*", re.MULTILINE)


def _docstring(kind: type[Operator]) -> tuple[str, str, dict[str, str]]:
    """Summary, the rest without arguments and example, and what each argument means."""
    whole = inspect.cleandoc(kind.__doc__ or "") + "\n"
    summary, _, rest = whole.partition("\n\n")
    rest = _EXAMPLE.sub("", rest)
    found = _ARGS.search(rest)
    meanings = dict(_meanings(found[1])) if found else {}
    return " ".join(summary.split()), _ARGS.sub("", rest).strip(), meanings


def _meanings(section: str) -> Iterator[tuple[str, str]]:
    entries = re.split(r"^ {4}(?=\w+: )", section, flags=re.MULTILINE)
    for entry in entries[1:]:
        name, _, meaning = entry.partition(": ")
        yield name.rstrip("_"), " ".join(meaning.split())


def _arguments(schema: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[Argument]:
    needed = schema.get("required", ())
    for name, field in sorted(schema["properties"].items(), key=lambda item: item[0] not in needed):
        default = None if name in needed else _default(field.get("default"))
        yield Argument(name=name, default=default, meaning=meanings.get(name, ""))


def _default(value: Any) -> str:
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_default, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
