"""Output formats as data: all that operators and gate share.

For each operator, what its output must look like: an Arrow type and a `Shape`. The gate matches every written value against the
shape without knowing the operator; a kernel replaced by the identity must not pass. Called by `plan` (contract) and `gate`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, ClassVar

import pyarrow as pa

from airlock.errors import PolicyError
from airlock.policy.intervals import interval_labels, read_break
from airlock.policy.mail_domains import OTHER_DOMAIN, kept_mail_domains
from airlock.policy.model import OperatorSpec
from airlock.policy.zip3 import NO_AREA, shown_prefixes

__all__ = [
    "NULL_SUBTREE", "ON_DIRECT_IDENTIFIERS", "Absent", "AllNull", "Between", "Constant", "Free", "HostBits", "MaskedText", "MaxLength", "MultipleOf", "OneOf", "Output",
    "PeriodStart", "Shape", "Token", "Unshaped", "listed_text", "output_of",
]  # fmt: skip

_UNREADABLE = 4
"""Characters in which no entity fits."""

_CHECK_DIGIT = 10
"""Below this width a rounded number keeps its check digit, or one of few."""

_FEW = 10_000
"""So many numbers are no ids."""

_NETWORK_V4, _NETWORK_V6 = 24, 64
"""Longer prefixes than these name a few hosts, or one."""

NULL_SUBTREE = pa.string()
"""What `null` writes for a struct, list or map: one column, for the names and types inside may be data, or say what was there."""

ON_DIRECT_IDENTIFIERS = ("drop", "mask", "null", "pseudonymize", "redact")
"""Operators whose output keeps nothing of a direct identifier; the gate takes no others there, whatever their contracts say."""

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like.

    `closed`: nothing else fits in, so it is not scanned further. `written`: the type that such values have, where it is not the
    operator's usual one.
    """

    closed = True
    written: ClassVar[pa.DataType | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(Shape):
    """The leaf is not in the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllNull(Shape):
    """Every value is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Shape):
    """Every value is this text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Shape):
    """Every value, as text, is one of these."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Shape):
    """`prefix`, then exactly `length` characters of `alphabet`, then (with `domains`) '@' and one of them.

    With `hyphens`, the 8-4-4-4-12 form of a UUID, `length` counting the hyphens.
    """

    alphabet: str
    length: int
    prefix: str = ""
    hyphens: bool = False
    domains: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedText(Shape):
    """Every character of the masked classes is `char`, but the first `first` and the last `last`; all of them in a text that is
    not longer than first + last. `digits` (Unicode category N), `letters` (L and M) and `others` (the rest): which classes are
    masked. Characters are code points.
    """

    char: str
    first: int
    last: int
    digits: bool = True
    letters: bool = True
    others: bool = True

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters between punctuation."""
        return self.digits and self.letters and self.first + self.last <= _UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLength(Shape):
    """At most `length` characters (code points). Long ones are scanned."""

    length: int

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters."""
        return self.length <= _UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(Shape):
    """A number not below `low` and not above `high` (where they are given); of a floating type, the nearest ends count, or NaN."""

    low: Decimal | None
    high: Decimal | None
    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleOf(Shape):
    """A number that is a whole multiple of `width`; of a floating type, the value of that type nearest to one, or NaN. It lies
    between `low` and `high` where they are given.
    """

    width: Decimal
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """A number that lost its last digit carries no check digit; what else it may tell, the gate counts by column. Where few
        numbers are possible, none of them is anything else.
        """
        few = self.low is not None and self.high is not None and self.high - self.low <= _FEW * self.width
        return few or self.width >= _CHECK_DIGIT


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStart(Shape):
    """A date or timestamp that is the first moment of its `unit` (year, quarter, month, week, day, hour, decade), of none before
    that of `earliest` where it is given.

    Weeks begin on Monday, decades in years that ten divides. A timestamp with a zone is the first moment of the local period:
    the earlier one where the local time comes twice, the end of the gap where it does not exist.
    """

    unit: str
    earliest: dt.date | None = None
    parsed: bool = False
    zone: str | None = None

    @property
    def written(self) -> pa.DataType | None:  # type: ignore[override]
        """What was read from texts or numbers (`parsed`) is a date, or for hours a timestamp in `zone`."""
        if not self.parsed:
            return None
        return pa.timestamp("s", tz=self.zone or "UTC") if self.unit == "hour" else pa.date32()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBits(Shape):
    """An IP address as text, canonical, with all bits after the prefix zero.

    Canonical is dotted decimal without leading zeros, or RFC 5952; an IPv4-mapped one is `::ffff:` and dotted decimal (section
    5), and its prefix is 96 + `v4` bits.
    """

    v4: int
    v6: int

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """The address of a network, not of a few hosts."""
        return self.v4 <= _NETWORK_V4 and self.v6 <= _NETWORK_V6


@dataclass(frozen=True, slots=True, kw_only=True)
class Free(Shape):
    """Any value: scanned for entities."""

    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshaped(Shape):
    """No declared form, accepted by the policy for this reason: scanned for entities."""

    reason: str
    closed = False


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

    Example:
        >>> output_of(OperatorSpec(name="truncate", arguments=3), pa.string(), unshaped=None)
        Output(type=DataType(string), shape=MaxLength(length=3))
    """
    name = operator.name
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
            f"the arguments of '{name}' can't be read ({type(error).__name__}); 'airlock operators' shows them"
        ) from None
    return Output(shape.written or type_after(data_type), shape)


def listed_text(value: object) -> str:
    """A value of a closed list as text; YAML reads unquoted ones as numbers, booleans or dates.

    Raises:
        ValueError: It is something else.

    Example:
        >>> listed_text(True), listed_text(7), listed_text(dt.date(2024, 2, 29))
        ('true', '7', '2024-02-29')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    raise ValueError("a listed value is a text, a whole number, a boolean or a date")


def _kept(arguments: Arguments) -> Shape:
    values = tuple(listed_text(value) for value in arguments.get("values", ()))
    return OneOf(values=values) if values else Free()


def _masked(arguments: Arguments) -> Shape:
    classes = ("digits", "letters", "others")
    chosen = arguments.get("classes", classes)
    return MaskedText(
        char=arguments.get("char", "*"),
        first=arguments.get("keep_first", 0),
        last=arguments.get("keep_last", 0),
        **{name: name in chosen for name in classes},
    )


def _token(arguments: Arguments) -> Shape:
    form, bits = arguments.get("form", "hex"), arguments.get("bits", 128)
    alphabet, per_character = _ALPHABETS[form]
    length = 36 if form == "uuid" else -(-bits // per_character)
    kept = arguments.get("keep_domain")
    domains = None if kept is None else tuple(sorted((*kept_mail_domains(kept), OTHER_DOMAIN)))
    return Token(alphabet=alphabet, length=length, prefix=arguments.get("prefix", ""), hyphens=form == "uuid", domains=domains)


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _multiple(width: object, low: object, high: object) -> Shape:
    return MultipleOf(width=Decimal(str(width)), low=_number(low), high=_number(high))


def _interval(arguments: Arguments) -> Shape:
    labels = arguments.get("labels")
    texts = None if labels is None else [listed_text(label) for label in labels]
    return OneOf(values=interval_labels([read_break(each) for each in arguments["breaks"]], texts))


def _period(arguments: Arguments) -> Shape:
    return PeriodStart(
        unit=arguments["to"],
        earliest=_date(arguments.get("bottom")),
        parsed=arguments.get("parse") is not None,
        zone=arguments.get("zone"),
    )


def _date(value: object) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(listed_text(value))


def _zip3(arguments: Arguments) -> Shape:
    shown, otherwise = (
        shown_prefixes(_date(arguments.get("as_of")), arguments.get("restricted")),
        arguments.get("otherwise", NO_AREA),
    )
    return OneOf(values=tuple(dict.fromkeys([*shown, NO_AREA, *([] if otherwise == "reject" else [otherwise])])))


def _replaced(arguments: Arguments) -> Shape:
    if "map" not in arguments:
        return Constant(text=arguments["with"])
    otherwise = arguments.get("otherwise", "reject")
    new = (*map(listed_text, arguments["map"].values()), *(() if otherwise in (None, "reject") else (otherwise,)))
    return OneOf(values=tuple(dict.fromkeys(new)))


def _same(data_type: pa.DataType | None) -> pa.DataType | None:
    return data_type


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


def _text(data_type: pa.DataType | None) -> pa.DataType:
    return data_type if data_type in (pa.large_string(), pa.string_view()) else pa.string()


_HEX = "0123456789abcdef"

_ALPHABETS = {"hex": (_HEX, 4), "base32": ("abcdefghijklmnopqrstuvwxyz234567", 5), "uuid": (_HEX, 4)}
"""Alphabet, and bits in a character."""

_FORMATS: dict[str, tuple[str | None, Callable[[pa.DataType | None], pa.DataType | None], Callable[[Arguments], Shape]]] = {
    "age": ("at", _int16, lambda arguments: _multiple(arguments.get("width", 1), 0, arguments.get("top", 90))),
    "clamp": (None, _same, lambda arguments: Between(low=_number(arguments.get("bottom")), high=_number(arguments.get("top")))),
    "drop": (None, _absent, lambda _: Absent()),
    "generalize_date": ("to", _same, _period),
    "generalize_number": (
        None,
        _same,
        lambda arguments: _multiple(arguments["width"], arguments.get("bottom"), arguments.get("top")),
    ),
    "geo_grid": ("cell", _same, lambda arguments: _multiple(arguments["cell"], -180, 180)),
    "interval": ("breaks", _string, _interval),
    "ip_truncate": (None, _same, lambda arguments: HostBits(v4=arguments.get("v4", 24), v6=arguments.get("v6", 48))),
    "keep": ("reason", _same, _kept),
    "mask": (None, _same, _masked),
    "null": (None, _blank, lambda _: AllNull()),
    "pseudonymize": ("domain", _string, _token),
    "redact": (None, _same, lambda arguments: Constant(text=arguments.get("with", "[redacted]"))),
    "redact_entities": (None, _same, lambda _: Free()),
    "replace": (None, _text, _replaced),
    "round": ("to", _same, lambda arguments: _multiple(arguments["to"], None, None)),
    "truncate": ("length", _same, lambda arguments: MaxLength(length=arguments["length"])),
    "zip3": (None, _string, _zip3),
}
"""Each operator's shorthand argument, its output type by its input type, and its shape by its arguments."""
