"""What a plan does to each column, in words and rough numbers. Pure; `doors.plan` adds what listing and sample say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airlock.keys import KeyRequest
from airlock.operators import Operator
from airlock.plan.compile import Plan
from airlock.plan.known import open_text
from airlock.plan.tree import nested_kind
from airlock.policy import formats
from airlock.policy.alphabets import ALPHABETS
from airlock.policy.arrow import parse_type, type_text
from airlock.policy.formats import output_of
from airlock.policy.inline import without_content
from airlock.policy.model import ColumnRule
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath

__all__ = ["ColumnPlan", "Fetched", "collision_bound", "describe_shape", "explain_columns", "fetched", "written_bytes_a_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """One rule of a plan, in words.

    Attributes:
        output: The written type; None where nothing is written.
        arguments: The operator's own, as the policy has them, whole.
        key: `domain/recipient/epoch`, with `:fingerprint` where the key is at hand; None without a key.
        shape: What every written value looks like.
        unread: The column is not fetched at all.
    """

    path: str
    type: str
    output: str | None
    classification: str
    operator: str
    arguments: str
    key: str | None
    shape: str
    unread: bool


def explain_columns(plan: Plan, key_ids: Mapping[KeyRequest, str] | None = None) -> tuple[ColumnPlan, ...]:
    """Every rule of a plan, in the policy's order.

    Args:
        plan: The compiled plan.
        key_ids: Ids with fingerprints, where the root key could be read.
    """
    read = frozenset(_leaves_of(plan.reading.schema))
    return tuple(_column(plan, path, rule, key_ids or {}, read) for path, rule in plan.policy.rules().items())


def _column(
    plan: Plan, path: ColumnPath, rule: ColumnRule, key_ids: Mapping[KeyRequest, str], read: frozenset[ColumnPath]
) -> ColumnPlan:
    operator, keys = plan.operators[path], plan.policy.keys
    requests = operator.requests()
    names = [key_ids.get(one, f"{one.domain or one.purpose}/{keys.recipient}/{keys.epoch}") for one in requests]
    written = output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped)
    made = _written_type(path, rule, operator)
    return ColumnPlan(
        path=str(path),
        type=" | ".join(rule.type),
        output=made,
        classification=str(rule.classification),
        operator=operator.name,
        arguments=_arguments(without_content(rule.operator.name, rule.operator.arguments)),
        key=", ".join(names) or None,
        shape=describe_shape(written.shape),
        unread=not any(path.covers(leaf) for leaf in read),
    )


def _written_type(path: ColumnPath, rule: ColumnRule, operator: Operator) -> str | None:
    data_type = parse_type(rule.type[-1])
    if data_type is None:
        return type_text(formats.NULL_SUBTREE) if operator.name == "null" else None
    made = operator.result_field(pa.field(str(path), data_type))
    return None if made is None else type_text(made.type)


def _arguments(arguments: Any) -> str:
    if arguments in (None, {}, []):
        return ""
    if isinstance(arguments, Mapping):
        return ", ".join(f"{name}: {_arguments(value)}" for name, value in arguments.items())
    if isinstance(arguments, list | tuple):
        return f"[{', '.join(_arguments(value) for value in arguments)}]"
    return arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)


# --- shapes -----------------------------------------------------------------------------------------------------------


def describe_shape(shape: formats.Shape) -> str:
    """A shape in words.

    Example:
        >>> describe_shape(formats.MaxLength(length=3))
        'at most 3 characters'
    """
    if isinstance(shape, formats.AnyOf):
        return ", or ".join(map(describe_shape, shape.shapes))
    words = _WORDS.get(type(shape))
    return "no declared form: scanned for entities" if words is None else words(shape)


def _token(shape: formats.Token) -> str:
    kind = "UUID" if shape.hyphens else f"{shape.length} characters of {shape.alphabet[0]}-{shape.alphabet[-1]}"
    kind = kind.replace("of 0-f", "of 0-9 a-f").replace("of a-7", "of a-z 2-7")
    return (
        (f"'{shape.prefix}' + " if shape.prefix else "")
        + kind
        + (f" @ one of {len(shape.domains)} domains" if shape.domains else "")
    )


def _around(shape: formats.Token) -> str:
    shown = [f"{what} {count}" for what, count in (("first", shape.first), ("last", shape.last)) if count]
    return f"{_token(shape)}, between the value's {' and '.join(shown)}" if shown else _token(shape)


def _preserved(shape: formats.Preserved) -> str:
    length = f"{shape.shortest}" if shape.shortest == shape.longest else f"{shape.shortest} to {shape.longest}"
    named = next((name for name, letters in ALPHABETS.items() if letters == shape.alphabet), f"'{shape.alphabet}'")
    return f"{length} characters of {named}" + (", the last a check digit" if shape.luhn else "") + ": scanned for entities"


def _ciphertext(shape: formats.Ciphertext) -> str:
    form = "hexadecimal" if len(shape.alphabet) == 16 else "base64url"  # noqa: PLR2004 - that is what base 16 means
    steps = f", in steps of {shape.step}" if shape.step > 1 else ""
    return f"'{shape.prefix}' + {form} of {shape.shortest} bytes or more{steps}"


def _masked(shape: formats.MaskedText) -> str:
    shown = [f"{what} {count}" for what, count in (("first", shape.first), ("last", shape.last)) if count]
    return f"'{shape.char}', but for the {' and '.join(shown)}" if shown else f"'{shape.char}' throughout"


def _perturbed(shape: formats.Perturbed) -> str:
    ends = f" from {shape.within[0]} to {shape.within[1]}" if shape.within else ""
    return f"any {shape.kind}{ends}: scanned for entities"


def _other(other: str | int | None) -> str:
    return "null" if other is None else f"'{other}'"


def _ends(low: object, high: object) -> str:
    return "".join(f", {what} {end}" for what, end in (("at least", low), ("at most", high)) if end is not None)


_WORDS: Mapping[type[formats.Shape], Callable[[Any], str]] = {
    formats.Absent: lambda _: "not written",
    formats.AllNull: lambda _: "always null",
    formats.Ciphertext: _ciphertext,
    formats.FromPool: lambda shape: f"a {shape.kind.replace('_', ' ')} made up from {shape.locale} lists",
    formats.IntegerToken: lambda shape: f"a whole number from {shape.low:,} to {shape.high:,}",
    formats.Host: lambda shape: f"a {'registered domain' if shape.registered else 'host'}: scanned for entities",
    formats.Between: lambda shape: f"a number{_ends(shape.low, shape.high)}",
    formats.Constant: lambda shape: f"always '{shape.text}'",
    formats.FewValues: lambda shape: f"at most {shape.n} frequent values, or {_other(shape.other)}: scanned for entities",
    formats.Free: lambda _: "any value: scanned for entities",
    formats.Geohash: lambda shape: f"a geohash of {shape.length} character{'s' if shape.length > 1 else ''}",
    formats.HostBits: lambda shape: f"an address, zero after /{shape.v4} or /{shape.v6}",
    formats.MaskedGroups: lambda shape: (
        f"'{shape.char}' in place of {sum(p.masked for p in shape.pieces)} parts of a pattern, or throughout"
    ),
    formats.MaskedText: _masked,
    formats.MaxLength: lambda shape: f"at most {shape.length} character{'s' if shape.length > 1 else ''}",
    formats.MultipleOf: lambda shape: f"a multiple of {shape.width}{_ends(shape.low, shape.high)}",
    formats.OneOf: lambda shape: f"one of {len(shape.values)} listed values",
    formats.Perturbed: _perturbed,
    formats.Preserved: _preserved,
    formats.Token: _around,
    formats.PeriodStart: lambda shape: f"first moment of its {shape.unit}{_ends(shape.earliest, None)}",
}


# --- what is read -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Which raw leaves tasks read.

    Attributes:
        written: Read, transformed and written.
        looked_at: Read, so that they can be searched for in what is written; never written themselves.
        skipped: Rules whose column is not read at all.
    """

    written: tuple[str, ...]
    looked_at: tuple[str, ...]
    skipped: tuple[str, ...]


def fetched(plan: Plan) -> Fetched:
    """Which raw leaves tasks read, and which they don't."""
    leaves = list(_leaves_of(plan.reading.schema))
    gone = [path for path, operator in plan.operators.items() if operator.name == "drop"]
    dropped = {leaf for leaf in leaves if any(path.covers(leaf) for path in gone)}
    return Fetched(
        written=tuple(str(leaf) for leaf in leaves if leaf not in dropped),
        looked_at=tuple(str(leaf) for leaf in leaves if leaf in dropped),
        skipped=tuple(str(path) for path in gone if not any(path.covers(leaf) for leaf in leaves)),
    )


def _leaves_of(schema: pa.Schema) -> Iterator[ColumnPath]:
    for field in schema:
        yield from _leaves(ColumnPath((field.name,)), field.type)


def _leaves(path: ColumnPath, data_type: pa.DataType) -> Iterator[ColumnPath]:
    kind = nested_kind(data_type)
    if kind == "struct":
        for at in range(data_type.num_fields):
            yield from _leaves(path.child(data_type.field(at).name), data_type.field(at).type)
    elif kind == "list":
        yield from _leaves(path.child(ELEMENT), data_type.value_type)
    elif kind == "map":
        yield from _leaves(path.child(KEY), data_type.key_type)
        yield from _leaves(path.child(VALUE), data_type.item_type)
    else:
        yield path


# --- rough numbers ----------------------------------------------------------------------------------------------------

_TEXT_BYTES, _FREE_BYTES, _ELEMENTS = 6.0, 24.0, 1.5
_SHAPE_BYTES: Mapping[type[formats.Shape], float] = {
    formats.Absent: 0.0,
    formats.AllNull: 0.02,
    formats.Constant: 0.05,
    formats.FewValues: 0.3,
    formats.OneOf: 0.3,
    formats.Geohash: 2.0,
    formats.Between: 4.0,
    formats.PeriodStart: 1.0,
    formats.MultipleOf: 2.0,
    formats.FromPool: 5.0,
    formats.Host: 1.5,
    formats.HostBits: 4.0,
    formats.MaxLength: 1.5,
    formats.MaskedGroups: 3.0,
    formats.MaskedText: 3.0,
    formats.IntegerToken: 7.0,
    formats.Preserved: 7.0,
}
"""Bytes a value takes in a written file, zstd level 3: rough means over the generated tables, right within a factor of two."""


def written_bytes_a_row(plan: Plan) -> float:
    """About how many bytes a row takes in the written files; elements of lists and maps count 1.5 times."""
    policy = plan.policy
    free = set(open_text(policy))
    return sum(_bytes(path, rule, free=path in free) for path, rule in policy.rules().items())


def _bytes(path: ColumnPath, rule: ColumnRule, *, free: bool) -> float:
    written = output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped)
    times = _ELEMENTS if path.repeated else 1.0
    parts = [_shape_bytes(part) for part in formats.shape_parts(written.shape)]
    known = [size for size in parts if size is not None]
    if len(known) == len(parts):
        return times * sum(known) / len(known)
    if free:
        return times * (_FREE_BYTES if rule.operator.name == "redact_entities" else _TEXT_BYTES)
    # Of a conditional operator some values may have no known form; texts have no width at all.
    kind = written.type
    if kind is None or not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind)):
        return times * _TEXT_BYTES
    return times * 0.5 * kind.bit_width / 8


def _shape_bytes(shape: formats.Shape) -> float | None:
    if isinstance(shape, formats.Token):
        # Tokens don't compress below what they carry: 4 or 5 bits a character.
        return shape.length * (5 if len(shape.alphabet) > 16 else 4) / 8  # noqa: PLR2004 - hex or base32
    if isinstance(shape, formats.Ciphertext):
        return shape.shortest + shape.step / 2
    return _SHAPE_BYTES.get(type(shape))


def collision_bound(operator: Operator, rows: int) -> str | None:
    """How likely two of `rows` different values share a token, as a power of ten; None for an operator without tokens. Of surrogates,
    which are few, how many different ones there are.

    The birthday bound n^2 / 2^(b+1) for tokens of b bits (SP 800-38B, appendix B): 128, 96, or the 122 free bits of a UUID. Integer
    tokens are a permutation: none do.

    Example:
        >>> from airlock.operators import operator_class
        >>> operator = operator_class("pseudonymize")(domain="d")
        >>> collision_bound(operator, 1_000_000)
        'below 10^-26'
    """
    images = _images(operator)
    if images is None:
        return None
    if getattr(operator, "form", "") in ("int32", "int64"):
        return "0"
    allowed = 2 * images // max(1, rows) ** 2
    bound = f"below 10^-{len(str(allowed)) - 1}" if allowed >= 10 else "likely"  # noqa: PLR2004 - a power of ten
    return f"{bound}, of {images:,} surrogates" if hasattr(operator, "images") else bound


def _images(operator: Operator) -> int | None:
    """How many tokens there can be."""
    bits = getattr(operator, "bits", None)
    if isinstance(bits, int) and operator.contract.keyed:
        return 1 << (122 if getattr(operator, "form", "") == "uuid" else bits)
    return getattr(operator, "images", None)
