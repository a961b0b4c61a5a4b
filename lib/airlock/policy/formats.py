"""Output formats as data: all that operators and gate share.

For each operator, what its output must look like: an Arrow type and a `Shape`. The gate matches every written value against the
shape without knowing the operator; a kernel replaced by the identity must not pass. Called by `plan` (contract) and `gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from typing import Any

import pyarrow as pa

from airlock.errors import PolicyError
from airlock.policy.coarse import (
    Between,
    Geohash,
    MultipleOf,
    PeriodStart,
    areas_of,
    between,
    labels_of,
    multiples,
    otherwise_of,
    period,
    replaced,
)
from airlock.policy.listed import listed_text
from airlock.policy.mail_domains import OTHER_DOMAIN, kept_mail_domains
from airlock.policy.model import OperatorSpec
from airlock.policy.partial import Host, MaskedGroups, mask_pieces
from airlock.policy.shapes import (
    BASE64URL,
    HEX,
    Ciphertext,
    FewValues,
    FromPool,
    IntegerToken,
    Perturbed,
    Preserved,
    Shape,
    Token,
)
from airlock.policy.simple import (
    Absent,
    AllNull,
    AnyOf,
    Constant,
    Free,
    HostBits,
    MaskedText,
    MaxLength,
    OneOf,
    Unshaped,
)

__all__ = [
    "INTEGER_BITS", "NESTED", "NULL_SUBTREE", "ON_DIRECT_IDENTIFIERS", "RAW", "TOKENS", "Absent", "AllNull", "AnyOf", "Between", "Ciphertext", "Constant", "FewValues", "Free", "FromPool", "Geohash", "Host", "HostBits", "IntegerToken", "MaskedGroups", "MaskedText", "MaxLength", "MultipleOf", "OneOf", "Output",
    "PeriodStart", "Perturbed", "Preserved", "Shape", "Token", "Unshaped", "common_type", "is_reversible", "leaf_specs", "listed_text", "mask_pieces", "nested_specs", "output_of", "shape_parts",
]  # fmt: skip


NULL_SUBTREE = pa.string()
"""What `null` writes for a struct, list or map: one column, for the names and types inside may be data, or say what was there."""

ON_DIRECT_IDENTIFIERS = (
    "drop",
    "encrypt",
    "encrypt_random",
    "fpe",
    "hmac",
    "mask",
    "null",
    "pseudonymize",
    "redact",
    "surrogate",
)
"""Operators whose output keeps nothing of a direct identifier; the gate takes no others there, whatever their contracts say."""

TOKENS = ("encrypt", "fpe", "hmac", "pseudonymize", "surrogate")
"""Operators that write the same for equal values of a key domain: how often each occurs could tell the value."""

_REVERSIBLE = ("encrypt", "encrypt_random", "fpe")
"""Operators whose output can be turned back by who holds the key; the gate takes them where the rule says `reversible: allowed`."""

RAW = ("keep", "permute")
"""Operators that publish a column's raw values: each needs a reason, and no column may be nearly unique."""

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """What an operator writes into a leaf.

    Attributes:
        type: The leaf's Arrow type; None where the leaf is absent.
        shape: What every non-null value looks like.
    """

    type: pa.DataType | None
    shape: Shape


def output_of(operator: OperatorSpec, data_type: pa.DataType | None, *, unshaped: str | None) -> Output:
    """The output of an operator over a leaf, from the arguments as the policy has them.

    Args:
        operator: Name and raw arguments, shorthand forms included.
        data_type: The raw leaf's type; None for a subtree (`struct`, `list`, `map`), which only `drop` and `null` may cover.
        unshaped: Why an operator that is not listed here may stand; its output keeps the raw type.

    Raises:
        PolicyError: The operator has no format and no reason stands for it, or its arguments can't be read.
        MissingCapabilityError: The pools of surrogates are not installed.

    Example:
        >>> output_of(OperatorSpec(name="truncate", arguments=3), pa.string(), unshaped=None)
        Output(type=DataType(string), shape=MaxLength(length=3))
    """
    name = operator.name
    if name in NESTED:
        return _any_of([output_of(one, data_type, unshaped=unshaped) for one in nested_specs(operator)], name)
    if name not in _FORMATS:
        if not unshaped:
            raise PolicyError(
                f"'{name}' declares no output format; add `unshaped: REASON` to the rule, or use another operator"
            )
        return Output(data_type, Unshaped(reason=unshaped))
    if data_type is None and name not in ("drop", "null"):
        raise PolicyError(f"'{name}' can't cover a struct, list or map; only drop and null can. Name each leaf")
    shorthand, type_after, shape_of = _FORMATS[name]
    try:
        shape = shape_of(operator.mapping(shorthand))
    except (KeyError, TypeError, ValueError, DecimalException) as error:
        raise PolicyError(
            f"the arguments of '{name}' can't be read ({type(error).__name__}); 'airlock operators show {name}' shows them"
        ) from None
    return Output(shape.written or type_after(data_type), shape)


def nested_specs(operator: OperatorSpec) -> tuple[OperatorSpec, ...]:
    """The operators that a conditional one chooses from; none of any other.

    Raises:
        PolicyError: Its arguments can't be read.

    Example:
        >>> choice = {"column": "country", "in": ["DE"], "then": {"truncate": 2}, "otherwise": {"redact": {}}}
        >>> [spec.name for spec in nested_specs(OperatorSpec(name="when", arguments=choice))]
        ['truncate', 'redact']
    """
    if operator.name not in NESTED:
        return ()
    try:
        named = [next(iter(one.items())) for one in NESTED[operator.name](operator.mapping(None)) if len(one) == 1]
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        named = []
    if not named:
        raise PolicyError(
            f"the arguments of '{operator.name}' can't be read; 'airlock operators show {operator.name}' shows them"
        )
    return tuple(OperatorSpec(name=name, arguments=arguments) for name, arguments in named)


def leaf_specs(operator: OperatorSpec) -> tuple[OperatorSpec, ...]:
    """The operator itself, or all that a conditional one may send a value through, however deep."""
    inside = nested_specs(operator)
    return tuple(leaf for one in inside for leaf in leaf_specs(one)) if inside else (operator,)


def is_reversible(operator: OperatorSpec) -> bool:
    """Whether who holds the key can turn back what this operator writes: ciphertexts, and tokens that are integers.

    Example:
        >>> is_reversible(OperatorSpec(name="pseudonymize", arguments={"domain": "d", "form": "int64"}))
        True
    """
    return operator.name in _REVERSIBLE or (
        operator.name == "pseudonymize" and operator.mapping("domain").get("form", "hex") in INTEGER_BITS
    )


def shape_parts(shape: Shape) -> tuple[Shape, ...]:
    """The shape itself, or those of which one is enough."""
    return tuple(part for one in shape.shapes for part in shape_parts(one)) if isinstance(shape, AnyOf) else (shape,)


def _any_of(outputs: list[Output], name: str) -> Output:
    data_type = common_type(output.type for output in outputs)
    if data_type is None:
        raise PolicyError(f"the operators of '{name}' write different types; all must write one")
    shapes = tuple(dict.fromkeys(part for output in outputs for part in shape_parts(output.shape)))
    return Output(data_type, shapes[0] if len(shapes) == 1 else AnyOf(shapes=shapes))


def common_type(types: Iterable[pa.DataType | None]) -> pa.DataType | None:
    """The one type of all these, of different layouts of text `string`; None where they differ or there is none.

    Example:
        >>> common_type([pa.large_string(), pa.string()])
        DataType(string)
    """
    found = set(types)
    if len(found) > 1 and found <= {pa.string(), pa.large_string(), pa.string_view()}:
        return pa.string()
    return found.pop() if len(found) == 1 else None


def _kept(arguments: Arguments) -> Shape:
    values = tuple(listed_text(value) for value in arguments.get("values", ()))
    return OneOf(values=values) if values else Free()


def _masked(arguments: Arguments) -> Shape:
    if "pattern" in arguments:
        return MaskedGroups(char=arguments.get("char", "*"), pieces=mask_pieces(arguments))
    classes = ("digits", "letters", "others")
    chosen = arguments.get("classes", classes)
    if not {"digits", "letters"} & set(chosen):
        raise ValueError("a mask of nothing but punctuation hides nothing")
    return MaskedText(
        char=arguments.get("char", "*"),
        first=arguments.get("keep_first", 0),
        last=arguments.get("keep_last", 0),
        **{name: name in chosen for name in classes},
    )


def _token(arguments: Arguments, *, most: int = 128) -> Shape:
    form, bits = arguments.get("form", "hex"), arguments.get("bits", most)
    if form in INTEGER_BITS:
        return IntegerToken(low=1 << INTEGER_BITS[form], high=(2 << INTEGER_BITS[form]) - 1)
    alphabet, per_character = _ALPHABETS[form]
    length = 36 if form == "uuid" else -(-bits // per_character)
    kept = arguments.get("keep_domain")
    domains = None if kept is None else tuple(sorted((*kept_mail_domains(kept), OTHER_DOMAIN)))
    return Token(
        alphabet=alphabet,
        length=length,
        prefix=arguments.get("prefix", ""),
        hyphens=form == "uuid",
        domains=domains,
        first=arguments.get("keep_first", 0),
        last=arguments.get("keep_last", 0),
    )


def _labels(arguments: Arguments) -> Shape:
    return OneOf(values=tuple(sorted({*arguments["content"]["labels"], *otherwise_of(arguments)})))


def _host(arguments: Arguments) -> Shape:
    return Host(registered=arguments["to"] == "registered_domain", otherwise=next(iter(otherwise_of(arguments)), None))


def _replacement(arguments: Arguments) -> Shape:
    return OneOf(values=replaced(arguments)) if "map" in arguments else Constant(text=arguments["with"])


def _same(data_type: pa.DataType | None) -> pa.DataType | None:
    return data_type


def _text(data_type: pa.DataType | None) -> pa.DataType:
    return data_type if data_type in (pa.large_string(), pa.string_view()) else pa.string()


def _blank(data_type: pa.DataType | None) -> pa.DataType:
    return NULL_SUBTREE if data_type is None else data_type


def _absent(data_type: pa.DataType | None) -> None:
    del data_type


def _string(data_type: pa.DataType | None) -> pa.DataType:
    del data_type
    return pa.string()


def _int16(data_type: pa.DataType | None) -> pa.DataType:
    del data_type
    return pa.int16()


NESTED: dict[str, Callable[[Arguments], list[Any]]] = {
    "first_match": lambda arguments: [*(case["then"] for case in arguments["cases"]), arguments["otherwise"]],
    "ordered": lambda arguments: [arguments["do"]],
    "when": lambda arguments: [arguments["then"], arguments["otherwise"]],
}
"""Operators that send each value through one of several, and where those stand in their arguments. `ordered` writes another column's
values too, of the same form."""

_ALPHABETS = {
    "hex": (HEX, 4), "base32": ("abcdefghijklmnopqrstuvwxyz234567", 5), "base64url": (BASE64URL, 6), "uuid": (HEX, 4),
}  # fmt: skip
"""Alphabet, and bits in a character."""

INTEGER_BITS = {"int32": 30, "int64": 62}
"""Integer forms: how many bits are permuted; the token has one more, which is set."""

_FORMATS: dict[str, tuple[str | None, Callable[[pa.DataType | None], pa.DataType | None], Callable[[Arguments], Shape]]] = {
    "add_noise": (None, _same, Perturbed.of),
    "age": ("at", _int16, lambda arguments: multiples(arguments.get("width", 1), 0, arguments.get("top", 90))),
    "clamp": (None, _same, between),
    "drop": (None, _absent, lambda _: Absent()),
    "fpe": ("domain", _same, Preserved.of),
    "encrypt": ("domain", _string, lambda arguments: Ciphertext.of(arguments, blocks=1)),
    "encrypt_random": ("domain", _string, lambda arguments: Ciphertext.of(arguments, blocks=2)),
    "hmac": ("domain", _string, lambda arguments: _token(arguments, most=256)),
    "hierarchy": (None, _text, _labels),
    "generalize_date": ("to", _same, period),
    "generalize_number": (
        None,
        _same,
        lambda arguments: multiples(arguments["width"], arguments.get("bottom"), arguments.get("top")),
    ),
    "geo_grid": ("cell", _same, lambda arguments: multiples(arguments["cell"], -180, 180)),
    "geohash": (None, _string, lambda arguments: Geohash(length=arguments["length"])),
    "interval": ("breaks", _string, lambda arguments: OneOf(values=labels_of(arguments))),
    "ip_truncate": (None, _same, lambda arguments: HostBits(v4=arguments.get("v4", 24), v6=arguments.get("v6", 48))),
    "keep": ("reason", _same, _kept),
    "keep_top": ("n", _same, FewValues.of),
    "mask": (None, _same, _masked),
    "null": (None, _blank, lambda _: AllNull()),
    "permute": ("reason", _same, lambda _: Free()),
    "pseudonymize": ("domain", _string, _token),
    "redact": (None, _same, lambda arguments: Constant(text=arguments.get("with", "[redacted]"))),
    "redact_entities": (None, _same, lambda _: Free()),
    "shift_date": (None, _same, lambda _: Perturbed(kind="moment")),
    "surrogate": (None, _string, FromPool.of),
    "url": ("to", _same, _host),
    "replace": (None, _text, _replacement),
    "round": ("to", _same, lambda arguments: multiples(arguments["to"], None, None)),
    "truncate": ("length", _same, lambda arguments: MaxLength(length=arguments["length"])),
    "zip3": (None, _string, lambda arguments: OneOf(values=areas_of(arguments))),
}
"""Each operator's shorthand argument, its output type by its input type, and its shape by its arguments."""
