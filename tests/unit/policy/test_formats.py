"""Output formats against what the operators really do: types equal, outputs of the declared shape, the identity's not."""

import base64
import datetime as dt
import ipaddress
import math
import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from airlock.errors import OperatorTypeError, PolicyError
from airlock.operators import operator_class, operator_names
from airlock.policy import formats, pools
from airlock.policy.formats import (
    Absent,
    AllNull,
    AnyOf,
    Between,
    Ciphertext,
    Constant,
    FewValues,
    Free,
    FromPool,
    Geohash,
    Host,
    HostBits,
    IntegerToken,
    MaskedGroups,
    MaskedText,
    MaxLength,
    MultipleOf,
    OneOf,
    Output,
    PeriodStart,
    Perturbed,
    Preserved,
    Token,
    Unshaped,
    listed_text,
    output_of,
)
from airlock.policy.mail_domains import OTHER_DOMAIN, common_mail_domains
from airlock.policy.model import KeyDomain, OperatorSpec
from airlock.testing import Trial

TEXTS = ["+49 171 2345", "192.0.2.77", "Zoë", "x", "", None, "ann@gmail.com", "bob@example.org"]
ADDRESSES = ["192.0.2.77", "2001:db8:1:2::3", "::ffff:192.0.2.77", None]
NUMBERS = [0, 1, 99, 100, 123, None]
DATES = [dt.date(2024, 2, 29), dt.date(1969, 12, 31), dt.date(2024, 1, 1), None]
MOMENTS = [dt.datetime(2024, 10, 27, 1, 30, tzinfo=dt.UTC), dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=dt.UTC), None]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
NUMBER_TYPES = [
    pa.int8(),
    pa.int64(),
    pa.uint64(),
    pa.float32(),
    pa.float64(),
    pa.decimal32(7, 2),
    pa.decimal128(12, 2),
    pa.decimal256(50, 2),
]
MOMENT_TYPES = [pa.timestamp("s", tz="UTC"), pa.timestamp("us", tz="Europe/Berlin"), pa.timestamp("ns", tz="+05:30")]
PERTURB = {"domain": "d", "subject": "s", "no_subject": None}

TREE = {"sha256": "", "leaves": ["7"], "labels": ["seven"]}

DECLARATIONS = [
    *(("mask", arguments, TEXT_TYPES, TEXTS) for arguments in (
        None, {}, {"keep_last": 2}, {"keep_first": 1, "char": "•"}, {"classes": ["digits"]}, {"classes": ["letters", "others"], "keep_last": 1},
    )),
    *(("redact", arguments, TEXT_TYPES, TEXTS) for arguments in ({}, None, {"with": "[x]"}, {"with": "", "presence": "hide"})),
    *(("keep_top", arguments, TEXT_TYPES, TEXTS) for arguments in (None, 3, {"n": 2, "min_count": 20, "other": None})),
    ("keep_top", {"other": -1}, [pa.int8(), pa.int64()], NUMBERS),
    ("permute", "sums stay", [*TEXT_TYPES, *NUMBER_TYPES], NUMBERS[:0]),
    *(("truncate", arguments, TEXT_TYPES, TEXTS) for arguments in (3, {"length": 5})),
    *(("ip_truncate", arguments, TEXT_TYPES, ADDRESSES) for arguments in ({}, None, {"v4": 20}, {"v4": 0, "v6": 0}, {"v6": 57})),
    *(("generalize_number", arguments, NUMBER_TYPES, NUMBERS) for arguments in ({"width": 10}, {"width": "10", "top": 100}, {"width": Decimal(7)})),
    ("generalize_number", {"width": 0.25}, [pa.float64(), pa.decimal128(12, 2)], [0.1, 0.3, -0.2, 1.0, None]),
    ("generalize_number", {"width": "0.1"}, [pa.float16(), pa.float32(), pa.float64()], [0.15, 0.3, 0.77, -0.01, float("nan"), None]),
    *(("generalize_date", unit, [pa.date32(), pa.date64()], DATES) for unit in ("decade", "year", "quarter", "month", "week")),
    *(("generalize_date", {"to": unit}, MOMENT_TYPES, MOMENTS) for unit in ("decade", "year", "quarter", "month", "week", "day", "hour")),
    ("age", "2026-11-22", [pa.date32(), pa.date64()], DATES),
    ("age", {"at": "2026-11-22", "width": 5, "top": 85, "parse": "epoch_s"}, [pa.int64()], [0, -3_000_000_000, None]),
    *(("generalize_date", {"to": unit, "bottom": dt.date(2000, 5, 17)}, [pa.date32()], DATES) for unit in ("decade", "year", "month", "week")),
    *(("generalize_date", {"to": unit, "parse": "iso", "zone": "Europe/Berlin"}, TEXT_TYPES, ["2024-02-29T23:30:00Z", None]) for unit in ("year", "day", "hour")),
    *(("zip3", arguments, [*TEXT_TYPES, pa.int64()], ["94110", "03601", "10001", None]) for arguments in ({}, {"otherwise": "n/a"}, {"as_of": "2000-04-01"})),
    *(("round", to, NUMBER_TYPES, NUMBERS) for to in (10, {"to": "50"})),
    ("round", "0.1", [pa.float32(), pa.float64(), pa.decimal128(12, 2)], [0.15, 0.3, 0.77, -0.01, None]),
    *(("clamp", arguments, NUMBER_TYPES, NUMBERS) for arguments in ({"top": 99}, {"bottom": 10, "top": "100"}, {"bottom": 1})),
    ("geo_grid", 1, [pa.float32(), pa.float64(), pa.decimal128(9, 6)], [52.5163, -0.1, 0, 180, None]),
    ("geohash", {"length": 3, "longitude": "lon"}, [pa.float32(), pa.float64(), pa.decimal128(9, 6)], [52.5163, -0.1, None]),
    ("interval", [10, 100], NUMBER_TYPES, NUMBERS),
    ("interval", {"breaks": [dt.date(2000, 1, 1)], "labels": ["before", "since"]}, [pa.date32()], DATES),
    ("replace", {"map": {"x": "y", "": "y"}, "otherwise": "z"}, TEXT_TYPES, TEXTS),
    ("replace", {"map": {"0": "none"}, "otherwise": None}, [pa.int8(), pa.uint64()], NUMBERS),
    ("replace", {"with": "gone"}, [*TEXT_TYPES, pa.binary()], ["a", None]),
    ("keep", "needed", [*TEXT_TYPES, pa.binary()], ["a", None]),
    ("keep", {"reason": "needed"}, NUMBER_TYPES, NUMBERS),
    ("keep", {"reason": "listed", "values": ["home", "work"]}, TEXT_TYPES, ["home", None]),
    ("keep", {"reason": "listed", "values": [1, -2]}, [pa.int8(), pa.int64()], [1, -2, None]),
    ("keep", {"reason": "listed", "values": [True]}, [pa.bool_()], [True, None]),
    ("keep", {"reason": "listed", "values": [dt.date(2024, 2, 29)]}, [pa.date32()], [dt.date(2024, 2, 29), None]),
    ("drop", {}, [*TEXT_TYPES, *NUMBER_TYPES, *MOMENT_TYPES], [None]),
    ("drop", None, [pa.string()], TEXTS),
    ("null", {}, [pa.string()], TEXTS),
    ("null", {}, [*NUMBER_TYPES, *MOMENT_TYPES, pa.bool_()], [None]),
    *(("pseudonymize", arguments, TEXT_TYPES, TEXTS) for arguments in (
        "d", {"domain": "d", "bits": 96}, {"domain": "d", "form": "base32", "prefix": "cus_"}, {"domain": "d", "form": "base32", "bits": 96},
        {"domain": "d", "form": "uuid"}, {"domain": "d", "keep_domain": "common", "presence": "hide"},
        {"domain": "d", "keep_domain": ["example.org"]},
    )),
    ("pseudonymize", "d", [pa.int64(), pa.uint8(), pa.decimal128(12, 0)], NUMBERS),
    *(("surrogate", {"kind": kind, "domain": "d", "locale": locale}, TEXT_TYPES, TEXTS) for kind in ("full_name", "email", "street", "address") for locale in (
        "en_GB", "ja_JP",
    )),
    ("surrogate", {"kind": "phone", "domain": "d"}, [pa.int64(), pa.uint8(), pa.decimal128(12, 0)], NUMBERS),
    *(("pseudonymize", {"domain": "d", "form": form}, [pa.int64(), pa.uint8(), pa.decimal128(12, 0)], NUMBERS) for form in ("int32", "int64")),
    ("pseudonymize", {"domain": "d", "keep_first": 1, "keep_last": 2}, TEXT_TYPES, TEXTS),
    *(("fpe", arguments, TEXT_TYPES, ["123-456", "98 76 54 32 10", None]) for arguments in ("d", {"domain": "d", "max_length": 10}, {"domain": "d", "alphabet": "base62", "separators": " -"})),
    ("fpe", {"domain": "d", "luhn": True}, TEXT_TYPES, ["4111 1111 1111 1111", None]),
    ("fpe", {"domain": "d", "length": 6}, [pa.int32(), pa.uint64()], [0, 42, 999_999, None]),
    *((name, arguments, TEXT_TYPES, TEXTS) for name in ("encrypt", "encrypt_random") for arguments in (
        "d", {"domain": "d", "form": "hex"}, {"domain": "d", "pad_to": 64, "prefix": "x"}, {"domain": "d", "pad_to": None},
        {"domain": "d", "form": "hex", "pad_to": None, "prefix": "a.b:c-d_"},
    )),
    *((name, "d", [pa.int64(), pa.uint8(), pa.decimal128(12, 0)], NUMBERS) for name in ("encrypt", "encrypt_random", "hmac")),
    *(("hmac", arguments, TEXT_TYPES, TEXTS) for arguments in (
        "d", {"domain": "d", "bits": 128}, {"domain": "d", "form": "base64url", "prefix": "h_", "presence": "hide"},
        {"domain": "d", "form": "base64url", "bits": 128},
    )),
    *(("mask", arguments, TEXT_TYPES, ["ab-12", "?", None]) for arguments in (
        {"pattern": "([a-z]+)-([0-9]+)", "groups": [2]}, {"pattern": "([a-z]+)-([0-9]+)", "keep_groups": [2], "char": "."},
    )),
    *(("url", arguments, TEXT_TYPES, ["https://www.example.org/x", "http://192.0.2.1", "?", None]) for arguments in (
        {"to": "host", "otherwise": "none"}, {"to": "registered_domain", "otherwise": "none"},
    )),
    ("hierarchy", {"file": "f", "level": 1, "otherwise": "no", "content": TREE}, [*TEXT_TYPES, pa.int64()], ["7", "8", None]),
    ("redact_entities", {"entities": ["EMAIL_ADDRESS"]}, TEXT_TYPES, ["write to ann@example.org", None]),
    *(("add_noise", {**PERTURB, "distribution": "laplace", **more}, kinds, values) for more, kinds, values in (
        ({"scale": 3, "within": [0, 100]}, NUMBER_TYPES[:5], NUMBERS),
        ({"scale": 2, "decimals": 1, "within": ["0.0", 100]}, [pa.float64(), pa.float32(), pa.decimal128(12, 2)], [0.07, 99.99, None]),
        ({"scale": 3, "unit": "days"}, [pa.date32(), pa.date64()], DATES),
        ({"scale": 90, "unit": "seconds"}, MOMENT_TYPES, MOMENTS),
    )),
    ("shift_date", PERTURB, [pa.date32(), pa.date64()], DATES),
    ("shift_date", {**PERTURB, "keep_weekday": True}, MOMENT_TYPES, MOMENTS),
    ("ordered", {"after": "c", "do": {"shift_date": PERTURB}, "other": {"shift_date": PERTURB}}, [pa.date32()], DATES),
    ("when", {"column": "c", "in": ["x"], "then": {"mask": {"keep_last": 1}}, "otherwise": {"redact": {"with": "-"}}}, TEXT_TYPES, TEXTS),
    ("first_match", {"cases": [{"column": "c", "null": True, "then": {"truncate": 2}}], "otherwise": {"redact": {}}}, TEXT_TYPES, TEXTS),
]  # fmt: skip

CASES = [
    pytest.param(name, arguments, data_type, values, id=f"{name}-{arguments}-{data_type}")
    for name, arguments, data_types, values in DECLARATIONS
    for data_type in data_types
]


def has_shape(value, shape):
    """The reference: one value at a time, from the words of the shapes' docstrings."""
    return REFERENCE[type(shape)](value, shape)


def kind_of(character):
    return {"N": "digits", "L": "letters", "M": "letters"}.get(unicodedata.category(character)[0], "others")


def is_masked(text, shape):
    inner = text if len(text) <= shape.first + shape.last else text[shape.first : len(text) - shape.last]
    return all(c == shape.char or not getattr(shape, kind_of(c)) for c in inner)


def is_between(number, shape):
    if not isinstance(number, int | float | Decimal):
        return False
    ends = (shape.low, shape.high)
    if not isinstance(number, float):
        return (ends[0] is None or number >= ends[0]) and (ends[1] is None or number <= ends[1])
    near = [
        [None if end is None else pa.scalar(float(end), kind).as_py() for end in ends]
        for kind in (pa.float16(), pa.float32(), pa.float64())
    ]
    return math.isnan(number) or any((low is None or number >= low) and (high is None or number <= high) for low, high in near)


def is_multiple(number, shape):
    if not is_between(number, shape):
        return False
    if isinstance(number, float):
        width = Fraction(shape.width)
        return math.isnan(number) or any(
            pa.scalar(float(round(Fraction(number) / width) * width), kind).as_py() == number for kind in (pa.float16(), pa.float32(), pa.float64())
        )  # fmt: skip
    return Fraction(number) % Fraction(shape.width) == 0


def is_period_start(moment, shape):
    if not isinstance(moment, dt.date):
        return False
    date = dt.date(moment.year, moment.month, moment.day)
    first = {
        "decade": date.year % 10 == 0 and (date.month, date.day) == (1, 1),
        "year": (date.month, date.day) == (1, 1),
        "quarter": date.month in (1, 4, 7, 10) and date.day == 1,
        "month": date.day == 1,
        "week": date.weekday() == 0,
        "day": True,
        "hour": True,
    }[shape.unit]
    if shape.earliest is not None and date < shape.earliest - dt.timedelta(
        {"decade": 3652, "year": 365, "month": 30, "week": 6}[shape.unit]
    ):
        return False
    if not isinstance(moment, dt.datetime):
        return first
    return (
        first and (moment.minute, moment.second, moment.microsecond) == (0, 0, 0) and (shape.unit == "hour" or moment.hour == 0)
    )


def has_host_bits_zero(text, shape):
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 4:
        return str(address) == text and int(address) % (1 << (32 - shape.v4)) == 0
    if address.ipv4_mapped:
        return text == f"::ffff:{address.ipv4_mapped}" and int(address.ipv4_mapped) % (1 << (32 - shape.v4)) == 0
    return str(address) == text and int(address) % (1 << (128 - shape.v6)) == 0


def is_host(text, shape):
    suffix_and_one = text.count(".") == 1 or not shape.registered
    return text in ("ip", shape.otherwise) or (
        re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]+", text) is not None and suffix_and_one
    )


def is_masked_in_groups(text, shape):
    pattern = "".join(f"{re.escape(shape.char)}*" if piece.masked else piece.pattern for piece in shape.pieces)
    return re.fullmatch(pattern, text) is not None or set(text) <= {shape.char}


def is_token(text, shape):
    token, at, domain = text.partition("@")
    if (shape.domains is None) == bool(at) or (shape.domains is not None and domain not in shape.domains):
        return False
    body = token.removeprefix(shape.prefix)
    if shape.hyphens and [i for i, c in enumerate(body) if c == "-"] != [8, 13, 18, 23]:
        return False
    letters = body.replace("-", "") if shape.hyphens else body
    return token.startswith(shape.prefix) and len(body) == shape.length and set(letters) <= set(shape.alphabet)


def may_be_perturbed(value, shape):
    if shape.kind == "moment":
        return isinstance(value, dt.date)
    if isinstance(value, float) and math.isnan(value):
        return True
    ends = shape.within or (value, value)
    return Fraction(ends[0]) <= Fraction(value) <= Fraction(ends[1]) and is_multiple(
        value, MultipleOf(width=Decimal(1).scaleb(-shape.decimals))
    )


@cache
def texts_of(part):
    return frozenset(part.texts.to_pylist())


def fits(text, of):
    """However the text is cut at the separator."""
    if isinstance(of, pools.Part):
        return text in texts_of(of)
    cuts = [at for at in range(len(text)) if text.startswith(of.separator, at)]
    return any(fits(text[:at], of.left) and fits(text[at + len(of.separator) :], of.right) for at in cuts)


def is_around(text, shape):
    inner = text[shape.first : len(text) - shape.last]
    return is_token(text, shape) or is_token(inner, shape)


def is_preserved(value, shape):
    if isinstance(value, int):
        return 0 <= value < 10**shape.longest
    letters = [c for c in value if c in shape.alphabet]
    doubled = (
        sum(sum(divmod(2 * int(c), 10)) if place % 2 else int(c) for place, c in enumerate(letters[::-1])) if shape.luhn else 0
    )
    return (
        set(value) <= set(shape.alphabet + shape.separators)
        and shape.shortest <= len(letters) <= shape.longest
        and doubled % 10 == 0
    )


def is_ciphertext(text, shape):
    body = text.removeprefix(shape.prefix)
    decode = bytes.fromhex if len(shape.alphabet) == 16 else base64.urlsafe_b64decode
    try:
        held = len(decode(body + "=" * (-len(body) % 4) if len(shape.alphabet) == 64 else body))
    except ValueError:
        return False
    allowed = held >= shape.shortest and (held - shape.shortest) % shape.step == 0
    return text.startswith(shape.prefix) and set(body) <= set(shape.alphabet) and allowed


REFERENCE = {
    FromPool: lambda value, shape: fits(str(value), pools.form(shape.kind, shape.locale, shape.gender)),
    IntegerToken: lambda value, shape: shape.low <= value <= shape.high,
    Preserved: is_preserved,
    AllNull: lambda value, shape: False,
    FewValues: lambda value, shape: True,  # counted over the dataset
    Ciphertext: is_ciphertext,
    Host: is_host,
    Between: is_between,
    Constant: lambda value, shape: value == shape.text,
    Free: lambda value, shape: True,
    Geohash: lambda value, shape: isinstance(value, str) and len(value) == shape.length and not set(value) & set("ailo"),
    HostBits: has_host_bits_zero,
    MaskedGroups: is_masked_in_groups,
    MaskedText: is_masked,
    MaxLength: lambda value, shape: len(value) <= shape.length,
    MultipleOf: is_multiple,
    OneOf: lambda value, shape: (str(value) if isinstance(value, float | Decimal) else listed_text(value)) in shape.values,
    PeriodStart: is_period_start,
    Perturbed: may_be_perturbed,
    Token: is_around,
    AnyOf: lambda value, shape: any(has_shape(value, one) for one in shape.shapes),
}


def declare(name, arguments):
    kind = operator_class(name)
    operator = kind.from_dict(OperatorSpec(name=name, arguments=arguments).mapping(kind.shorthand))
    return operator.resolve({"d": KeyDomain()})


def column(values, data_type):
    if pa.types.is_integer(data_type):
        values = [None if value is None else int(value) for value in values]
    if pa.types.is_decimal(data_type):
        values = [None if value is None else Decimal(str(value)) for value in values]
    return pa.array(values, data_type)


def python_values(array):
    values = array.to_pylist()
    tz = getattr(array.type, "tz", None)
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        values = array.cast(pa.timestamp("us", tz=tz)).to_pylist()
    return [value for value in values if value is not None]


@pytest.mark.parametrize(("name", "arguments", "data_type", "values"), CASES)
def test_the_type_is_the_operator_s(name, arguments, data_type, values):
    after = declare(name, arguments).result_field(pa.field("c", data_type))
    assert output_of(OperatorSpec(name=name, arguments=arguments), data_type, unshaped=None).type == (after and after.type)


@pytest.mark.parametrize(("name", "arguments", "data_type", "values"), [case for case in CASES if case.values[0] != "drop"])
def test_outputs_have_the_shape(name, arguments, data_type, values):
    shape = output_of(OperatorSpec(name=name, arguments=arguments), data_type, unshaped=None).shape
    array = column(values, data_type)
    beside = {"s": list(range(len(array)))} | ({"c": array} if name == "ordered" else {})
    made = Trial.of(declare(name, arguments), pa.field("x", data_type), array, beside).run()
    assert all(has_shape(value, shape) for value in python_values(made))


@pytest.mark.parametrize(
    ("name", "arguments", "data_type", "values"),
    [
        case
        for case in CASES
        if case.values[0] not in ("drop", "fpe", "keep", "keep_top", "permute", "redact_entities")
        and any(x is not None for x in case.values[3])
        # What only the inner door can tell apart, it compares.
        and not declare(*case.values[:2]).contract.same_form
    ],
)
def test_the_identity_is_found(name, arguments, data_type, values):
    shape = output_of(OperatorSpec(name=name, arguments=arguments), data_type, unshaped=None).shape
    raw = python_values(column(values, data_type))
    if isinstance(shape, Token | Ciphertext | OneOf):
        raw = list(map(str, raw))
    assert not all(has_shape(value, shape) for value in raw)


def test_a_listed_column_of_other_values_is_found():
    shape = output_of(
        OperatorSpec(name="keep", arguments={"reason": "x", "values": ["home"]}), pa.string(), unshaped=None
    ).shape
    assert not has_shape("4 Elm Street", shape)


def test_the_reference_knows_zones():
    assert is_period_start(dt.datetime(2024, 3, 1, tzinfo=ZoneInfo("Europe/Berlin")), PeriodStart(unit="month"))
    assert not is_period_start(dt.datetime(2024, 3, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), PeriodStart(unit="month"))


def test_every_built_in_operator_has_a_format_and_an_example():
    assert {*formats._FORMATS, *formats.NESTED} == set(operator_names()) == {name for name, *_ in DECLARATIONS}


@pytest.mark.parametrize("name", formats._FORMATS)
def test_the_shorthand_is_the_operator_s(name):
    assert formats._FORMATS[name][0] == operator_class(name).shorthand


def test_what_leaves_no_room_for_words_and_what_looks_like_an_entity():
    digits = output_of(OperatorSpec(name="fpe", arguments="d"), pa.string(), unshaped=None).shape
    assert digits == Preserved(alphabet="0123456789", separators=" -./()+", shortest=6, longest=56)
    assert not digits.holds_text
    assert "CREDIT_CARD" in digits.looks_like
    assert Free().holds_text
    assert Free().looks_like == ()
    assert AnyOf(shapes=(digits, Free())).holds_text
    assert AnyOf(shapes=(digits, Free())).looks_like == ()
    assert "CREDIT_CARD" in AnyOf(shapes=(digits, Constant(text="x"))).looks_like
    assert not AnyOf(shapes=(digits, Constant(text="x"))).holds_text


def test_exact_shapes():
    def shape(name, arguments=None):
        return output_of(OperatorSpec(name=name, arguments=arguments), pa.string(), unshaped=None).shape

    assert shape("mask", {"keep_last": 2, "classes": ["digits"]}) == MaskedText(
        char="*", first=0, last=2, letters=False, others=False
    )
    assert shape("redact") == Constant(text="[redacted]")
    assert shape("truncate", 3) == MaxLength(length=3)
    assert shape("ip_truncate", {"v6": 56}) == HostBits(v4=24, v6=56)
    assert shape("generalize_number", {"width": "0.10"}) == MultipleOf(width=Decimal("0.1"))
    gender = {"column": "sex", "female": ["F"]}
    assert shape("surrogate", {"kind": "email", "domain": "d", "gender": gender}) == FromPool(kind="email", locale="en_US")
    assert shape("surrogate", {"kind": "first_name", "domain": "d", "locale": "de_DE", "gender": "male"}) == FromPool(
        kind="first_name", locale="de_DE", gender="male"
    )
    assert shape("generalize_date", "week") == PeriodStart(unit="week")
    assert shape("keep", {"reason": "x", "values": [1, True, dt.date(2024, 2, 29), "a"]}) == OneOf(
        values=("1", "true", "2024-02-29", "a")
    )
    assert shape("pseudonymize", {"domain": "d", "form": "base32"}) == Token(
        alphabet="abcdefghijklmnopqrstuvwxyz234567", length=26
    )
    assert shape("pseudonymize", {"domain": "d", "form": "base32", "bits": 96}).length == 20
    assert shape("pseudonymize", {"domain": "d", "bits": 96}).length == 24
    assert shape("hmac", "d") == Token(alphabet="0123456789abcdef", length=64)
    assert [shape("hmac", {"form": "base64url", "bits": bits}).length for bits in (256, 128)] == [43, 22]
    assert [(shape("encrypt", {"pad_to": pad_to}).shortest, shape("encrypt", {"pad_to": pad_to}).step) for pad_to in (16, 64, None)] == [
        (32, 16), (80, 64), (16, 1),
    ]  # fmt: skip
    assert (shape("encrypt_random", "d").shortest, shape("encrypt_random", "d").prefix) == (48, "enc_")
    assert shape("pseudonymize", {"domain": "d", "form": "uuid"}) == Token(alphabet="0123456789abcdef", length=36, hyphens=True)


def test_kept_mail_domains_are_the_shape_s():
    arguments = {"domain": "d", "keep_domain": "common"}
    shape = output_of(OperatorSpec(name="pseudonymize", arguments=arguments), pa.string(), unshaped=None).shape
    assert set(shape.domains) == common_mail_domains() | {OTHER_DOMAIN}
    own = {"domain": "d", "keep_domain": ["uni.example", "example.org"]}
    shape = output_of(OperatorSpec(name="pseudonymize", arguments=own), pa.string(), unshaped=None).shape
    assert shape.domains == ("example.org", OTHER_DOMAIN, "uni.example")


@pytest.mark.parametrize("choice", ["all", [], ["Example.org"], {"file": "x"}, ["a.example", "a.example"], True, 7])
def test_a_list_of_domains_that_is_none_has_no_shape(choice):
    spec = OperatorSpec(name="pseudonymize", arguments={"domain": "d", "keep_domain": choice})
    with pytest.raises(PolicyError, match="arguments of 'pseudonymize' can't be read"):
        output_of(spec, pa.string(), unshaped=None)


@pytest.mark.parametrize(
    ("shape", "closed"),
    [
        (MaskedText(char="*", first=0, last=2), True),
        (MaskedText(char="*", first=2, last=2, others=False), True),
        (MaskedText(char="*", first=3, last=2), False),
        (MaskedText(char="*", first=0, last=0, letters=False), False),
        (MaskedText(char="*", first=0, last=0, digits=False), False),
        (MaxLength(length=4), True),
        (MaxLength(length=5), False),
        (OneOf(values=("a",)), True),
        (Token(alphabet="a", length=9, first=2, last=2), True),
        (Token(alphabet="a", length=9, first=3, last=2), False),
        (IntegerToken(low=1, high=2), True),
        (Preserved(alphabet="01", separators="", shortest=20, longest=20), False),
        (Free(), False),
        (Unshaped(reason="x"), False),
    ],
)
def test_what_is_scanned_further(shape, closed):
    assert shape.closed is closed


@pytest.mark.parametrize(("name", "want"), [("drop", Output(None, Absent())), ("null", Output(pa.string(), AllNull()))])
def test_subtrees_are_dropped_or_null(name, want):
    assert output_of(OperatorSpec(name=name, arguments={}), None, unshaped=None) == want


@pytest.mark.parametrize("name", [name for name in operator_names() if name not in ("drop", "null")])
def test_nothing_else_covers_a_subtree(name):
    arguments = next(arguments for known, arguments, *_ in DECLARATIONS if known == name)
    with pytest.raises(PolicyError, match="Name each leaf"):
        output_of(OperatorSpec(name=name, arguments=arguments), None, unshaped=None)
    operator = declare(name, arguments)
    with pytest.raises(OperatorTypeError, match="'c'"):
        operator.result_field(pa.field("c", pa.struct([("a", pa.string())])))


def test_unknown_operators_need_a_reason():
    spec = OperatorSpec(name="shuffle_letters", arguments={})
    with pytest.raises(PolicyError, match="'shuffle_letters' declares no output format"):
        output_of(spec, pa.string(), unshaped=None)
    assert output_of(spec, pa.int64(), unshaped="reviewed") == Output(pa.int64(), Unshaped(reason="reviewed"))


def test_a_reason_does_not_loosen_a_known_format():
    assert output_of(OperatorSpec(name="truncate", arguments=3), pa.string(), unshaped="x").shape == MaxLength(length=3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("generalize_number", {}),
        ("generalize_number", {"width": "wide"}),
        ("generalize_date", {}),
        ("truncate", None),
        ("drop", "why"),
        ("pseudonymize", {"domain": "d", "form": "roman"}),
        ("keep", {"reason": "x", "values": [1.5]}),
        ("keep", {"reason": "x", "values": 3}),
        ("mask", {"classes": None}),
    ],
)
def test_arguments_that_can_t_be_read(name, arguments):
    with pytest.raises(PolicyError, match=f"the arguments of '{name}' can't be read"):
        output_of(OperatorSpec(name=name, arguments=arguments), pa.string(), unshaped=None)


@pytest.mark.parametrize("value", [1.5, None, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), ["a"]])
def test_what_can_t_be_listed(value):
    with pytest.raises(ValueError, match="a listed value is"):
        listed_text(value)
