from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from airlock.gate.shapes import offenders, violations
from airlock.policy.formats import (
    Absent,
    AllNull,
    Between,
    Ciphertext,
    Constant,
    Free,
    Geohash,
    HostBits,
    IntegerToken,
    MaskedText,
    MaxLength,
    MultipleOf,
    OneOf,
    PeriodStart,
    Perturbed,
    Preserved,
    Shape,
    Token,
    Unshaped,
    output_of,
)
from airlock.policy.model import OperatorSpec
from airlock.policy.pictures import picture

HEX, BASE32 = "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz234567"
UTC = dt.UTC


def off(values: list, shape: Shape, data_type: pa.DataType | None = None) -> list:
    """The values that do not have the shape; plain, sliced and dictionary arrays must agree."""
    array = pa.array(values, data_type)
    bad = offenders(array.drop_null(), shape)
    found = [value for value, wrong in zip(array.drop_null().to_pylist(), bad, strict=True) if wrong]
    assert violations(array, shape) == len(found)
    assert violations(pa.concat_arrays([array, array]).slice(len(array)), shape) == len(found)
    if not (pa.types.is_decimal(array.type) and array.type.bit_width < 128):  # Arrow can't encode those
        assert violations(array.dictionary_encode(), shape) == len(found)
    assert violations(array.slice(0, 0), shape) == 0
    return found


def test_tokens():
    plain = Token(alphabet=HEX, length=4)
    assert off(["0af9", None, "ffff"], plain) == []
    assert off(["0af9", "0aFg", "0af", "0af99", "", "0á9"], plain) == ["0aFg", "0af", "0af99", "", "0á9"]
    assert off(["0aFg", "0af9", "ffff"], plain) == ["0aFg"]
    prefixed = Token(alphabet=BASE32, length=3, prefix="cus_")
    assert off(["cus_a27", "cus_a28", "cus_a01", "xus_a27", "a27cus_"], prefixed) == [
        "cus_a28",
        "cus_a01",
        "xus_a27",
        "a27cus_",
    ]
    assert off([b"0af9", b"0ag9"], plain, pa.binary()) == [b"0ag9"]
    assert off([1234, 12345], Token(alphabet="0123456789", length=4)) == [12345]


def test_tokens_with_hyphens_and_domains():
    uuid = Token(alphabet=HEX, length=36, hyphens=True)
    good = "123e4567-e89b-42d3-a456-426614174000"
    assert off([good], uuid) == []
    wrong = [good.replace("-", "0"), good.replace("e", "-"), good.upper()]
    assert off([good, *wrong], uuid) == wrong
    mail = Token(alphabet=HEX, length=4, domains=("gmail.com", "other.invalid"))
    kept = ["00af@gmail.com", "00af@other.invalid"]
    bad = ["00af@gmailxcom", "0af@gmail.com", "00af@gmail.com.x", "ann@gmail.com", "00af", "00af@gmail.com\n"]
    assert off([*kept, *bad], mail) == bad


def test_tokens_between_the_ends_of_the_value():
    shape = Token(alphabet=HEX, length=4, prefix="t_", first=1, last=2)
    assert off(["At_0af9é9", "\nt_ffff\n\n", "t_0af9"], shape) == []
    wrong = ["t_0af9é9", "Bt_0af9", "ABt_0af999", "At_0ag999", "Bt_0af9999"]
    assert off(wrong, shape) == wrong
    assert off(["t_0af9x", "t_0af9"], Token(alphabet=HEX, length=4, prefix="t_", last=1)) == []


def test_integer_tokens():
    shape = IntegerToken(low=1 << 62, high=(1 << 63) - 1)
    assert off([1 << 62, (1 << 63) - 1, None], shape) == []
    assert off([0, -1, (1 << 62) - 1], shape) == [0, -1, (1 << 62) - 1]
    assert off([1 << 30, 5], IntegerToken(low=1 << 30, high=(1 << 31) - 1), pa.int32()) == [5]
    assert off(["4611686018427387904"], shape) == ["4611686018427387904"]


def test_preserved_forms():
    digits = Preserved(alphabet="0123456789", separators=" -", shortest=6, longest=8)
    assert off(["123456", "12 34-56 78", "-123456-", None], digits) == []
    assert off(["12345", "123456789", "12345a", "12.3456", "", "١٢٣٤٥٦"], digits) == [
        "12345",
        "123456789",
        "12345a",
        "12.3456",
        "",
        "١٢٣٤٥٦",
    ]
    assert off([0, 99_999_999, -1, 100_000_000, None], digits) == [-1, 100_000_000]
    wide = Preserved(alphabet="äöü-]^", separators=" \\", shortest=3, longest=4)
    assert off(["äö ü", "-]^\\ä"], wide) == []
    assert off(["äö", "äöüäö", "äöa"], wide) == ["äö", "äöüäö", "äöa"]
    assert violations(pa.array([1.5]), digits) == 1


def test_check_digits():
    cards = Preserved(alphabet="0123456789", separators=" ", shortest=7, longest=19, luhn=True)
    assert off(["4111 1111 1111 1111", "378282246310005", "79927398713"], cards) == []
    assert off(["4111 1111 1111 1112", "79927398710", "18", "4111111111111111"], cards) == [
        "4111 1111 1111 1112",
        "79927398710",
        "18",
    ]


BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_ciphertexts():
    padded = Ciphertext(alphabet=BASE64URL, prefix="enc_", shortest=32, step=16)
    good = ["enc_" + "aZ09-_" * 7 + "a", "enc_" + "A" * 64, "enc_" + "b" * 86, None]
    bad = [
        "enc_" + "a" * 42, "enc_" + "a" * 44, "enc_" + "a" * 65, "enc_" + "a" * 22, "enc_", "", "e", "aZ09-_" * 7 + "aenc_",
        "enx_" + "a" * 43, "enc_" + "a" * 42 + "=", "enc_" + "a" * 42 + "+", "enc_" + "a" * 41 + "é", "Enc_" + "A" * 43, "Ann Lee",
    ]  # fmt: skip
    assert off([*good, *bad, *good], padded) == bad
    exact = Ciphertext(alphabet=HEX, prefix=".:", shortest=16)
    assert off([".:" + "0a" * size for size in range(16, 40)], exact) == []
    wrong = [".:" + "0a" * 15, ".:" + "0" * 33, ".:" + "0A" * 16, ":." + "0a" * 16, "0a" * 17]
    assert off([*wrong, ".:" + "0a" * 16], exact) == wrong
    six_bits = Ciphertext(alphabet=BASE64URL, prefix="x", shortest=16)
    assert off(["x" + "a" * size for size in range(20, 32)], six_bits) == ["x" + "a" * size for size in (20, 21, 25, 29)]
    assert off([b"enc_" + b"a" * 43], padded, pa.binary()) != []
    assert off([7], padded) == [7]


@pytest.mark.parametrize("others", [True, False])
def test_masks(others):
    shape = MaskedText(char="*", first=1, last=2, others=others)
    assert off(["4****78", "***", "", "**", None], shape) == []
    assert off(["4*1**78", "12", "41*", "é*é78", "478", "4780"], shape) == ["4*1**78", "12", "41*", "é*é78", "478", "4780"]
    hyphened = ["4**-*78", "---"]
    assert off(hyphened, shape) == (hyphened if others else [])


def test_masks_of_other_scripts():
    shape = MaskedText(char="*", first=0, last=1, others=False)
    good = ["**** ***я", "**-٣", "*", "é"[:0], "…*"]
    bad = ["Я*** я", "٣٣", "é", "e\u0301*1", "½*1"]
    assert off([*good, *bad], shape) == bad
    dotted = MaskedText(char="•", first=0, last=0)
    assert off(["••", "•a", "a"], dotted) == ["•a", "a"]


def test_only_the_named_classes_must_be_masked():
    digits = MaskedText(char="#", first=0, last=0, digits=True, letters=False, others=False)
    assert off(["ab-##é", "ab-1#", "½"], digits) == ["ab-1#", "½"]
    letters = MaskedText(char="#", first=0, last=0, digits=False, letters=True, others=False)
    assert off(["12-##", "12-é#"], letters) == ["12-é#"]


@pytest.mark.parametrize(
    ("unit", "good", "bad"),
    [
        ("year", ["1970-01-01", "1900-01-01", "2024-01-01"], ["1970-01-02", "1969-12-31"]),
        ("decade", ["1970-01-01", "1960-01-01"], ["1971-01-01", "1969-01-01"]),
        ("quarter", ["2024-04-01", "1969-10-01"], ["2024-05-01", "2024-04-02"]),
        ("month", ["2024-02-01", "1901-12-01"], ["2024-02-29"]),
        ("week", ["2026-11-23", "1969-12-29"], ["2026-11-22", "1970-01-01"]),
        ("day", ["2026-11-22"], []),
    ],
)
def test_periods_of_dates(unit, good, bad):
    dates = [dt.date.fromisoformat(text) for text in good + bad]
    for data_type in (pa.date32(), pa.date64()):
        assert off(dates, PeriodStart(unit=unit), data_type) == dates[len(good) :]
    stamps = [dt.datetime.combine(day, dt.time()) for day in dates]
    for unit_of_time in ("s", "ms", "us"):
        assert off(stamps, PeriodStart(unit=unit), pa.timestamp(unit_of_time)) == stamps[len(good) :]
        later = [stamp + dt.timedelta(seconds=1) for stamp in stamps]
        assert violations(pa.array(later, pa.timestamp(unit_of_time)), PeriodStart(unit=unit)) == len(later)


def test_periods_with_a_zone_are_local():
    berlin = pa.timestamp("us", tz="Europe/Berlin")
    good = dt.datetime(2024, 5, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert off([good], PeriodStart(unit="month"), berlin) == []
    assert off([dt.datetime(2024, 5, 1, tzinfo=UTC)], PeriodStart(unit="month"), berlin) != []
    # The hour from two to three comes twice; only the first time it begins counts.
    twice = [dt.datetime(2024, 10, 27, 0, tzinfo=UTC), dt.datetime(2024, 10, 27, 1, tzinfo=UTC)]
    assert violations(pa.array(twice, berlin), PeriodStart(unit="hour")) == 1
    # In Beirut midnight of 2024-03-31 does not exist: the day begins at one.
    assert (
        violations(
            pa.array([dt.datetime(2024, 3, 30, 22, tzinfo=UTC)], pa.timestamp("us", tz="Asia/Beirut")), PeriodStart(unit="day")
        )
        == 0
    )


def test_multiples():
    hundred = MultipleOf(width=Decimal(100))
    assert off([0, -300, 50, 101], hundred, pa.int64()) == [50, 101]
    assert off([0, 100, 50], hundred, pa.int8()) == [50]
    assert off([0, 100], MultipleOf(width=Decimal(1000)), pa.int8()) == [100]
    assert off([2**63, 2**63 + 1], MultipleOf(width=Decimal(2)), pa.uint64()) == [2**63 + 1]
    cents = [Decimal("100.00"), Decimal("-200.00"), Decimal("100.01")]
    for data_type in (pa.decimal128(12, 2), pa.decimal256(40, 2), pa.decimal64(12, 2), pa.decimal32(9, 2)):
        assert off(cents, hundred, data_type) == cents[2:]
    huge = [Decimal(10**32), Decimal(10**30 + 1), Decimal(-(10**30))]
    for data_type in (pa.decimal128(38, 0), pa.decimal256(60, 0)):
        assert off(huge, hundred, data_type) == huge[1:2]
    assert off([Decimal("0.25"), Decimal("0.30")], MultipleOf(width=Decimal("0.25")), pa.decimal128(5, 2)) == [Decimal("0.30")]
    assert off([0.1 * 3, 0.3, 0.35], MultipleOf(width=Decimal("0.1"))) == [0.1 * 3, 0.35]
    assert off([100.0, 150.0, float("inf"), -0.0, 1e300], hundred) == [150.0, float("inf")]
    assert violations(pa.array([float("nan")]), hundred) == 0
    assert violations(pa.array(np.float32([0.3, 0.31])), MultipleOf(width=Decimal("0.1"))) == 1
    assert off(["100"], hundred) == ["100"]


def test_host_bits():
    shape = HostBits(v4=24, v6=48)
    good = ["192.0.2.0", "0.0.0.0", "2001:db8:1::", "::", "2001:0:1::", "::ffff:192.0.2.0"]
    bad = [
        "192.0.2.7",
        "192.0.02.0",
        "256.0.2.0",
        "192.0.2",
        "2001:db8:1:1::",
        "2001:DB8:1::",
        "2001:db8:0::",
        "x",
        "",
        "::ffff:192.0.2.1",
        "::1",
    ]
    assert off([*good, *bad], shape) == bad
    assert off(["192.0.16.0", "192.0.8.0"], HostBits(v4=20, v6=48)) == ["192.0.8.0"]
    assert off(["2001:db8:8000::", "2001:db8:c000::"], HostBits(v4=24, v6=33)) == ["2001:db8:c000::"]
    assert off(["1.2.3.4", "fe80::1"], HostBits(v4=32, v6=128)) == []
    assert off(["0.0.0.0", "1.0.0.0"], HostBits(v4=0, v6=0)) == ["1.0.0.0"]
    assert off([7], shape) == [7]


def test_constants_lists_lengths_and_nulls():
    assert off(["[x]", "y", ""], Constant(text="[x]")) == ["y", ""]
    assert off(["home", "away"], OneOf(values=("home",))) == ["away"]
    assert off([1, 2], OneOf(values=("1",))) == [2]
    assert off([True, False], OneOf(values=("true",))) == [False]
    assert off([dt.date(2024, 2, 29), dt.date(2024, 3, 1)], OneOf(values=("2024-02-29",))) == [dt.date(2024, 3, 1)]
    assert off(["éé", "ééé"], MaxLength(length=2)) == ["ééé"]
    assert off([b"ab", b"abc"], MaxLength(length=2)) == [b"abc"]
    assert off([None, None], AllNull(), pa.string()) == []
    assert off([None, 1], AllNull()) == [1]
    assert off([1], Absent()) == [1]
    assert off(["x"], Free()) == off(["x"], Unshaped(reason="r")) == []


def test_a_type_that_a_shape_cannot_judge_is_all_wrong():
    assert violations(pa.array([1.5]), MaxLength(length=9)) == 1
    assert violations(pa.array([1]), PeriodStart(unit="year")) == 1
    assert violations(pa.array([dt.date(2020, 1, 1)]), PeriodStart(unit="eon")) == 1


RAW = {
    "string": ["Ann Lee", "Ann.Lee@example.org", "212-555-0147", "94110", "192.0.2.17", "Grüße 7"],
    "int64": [4711, 8080, 12345],
    "decimal": [Decimal("1234.56"), Decimal("-0.01")],
    "date": [dt.date(1984, 5, 17), dt.date(2001, 12, 31)],
    "stamp": [dt.datetime(2026, 11, 22, 13, 14, 15, 16)],  # noqa: DTZ001
}
TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "decimal": pa.decimal128(12, 2),
    "date": pa.date32(),
    "stamp": pa.timestamp("us"),
}


@pytest.mark.parametrize(
    ("operator", "arguments", "kinds"),
    [
        ("pseudonymize", {"domain": "d"}, ["string", "int64"]),
        ("pseudonymize", {"domain": "d", "form": "base32", "prefix": "cus_"}, ["string", "int64"]),
        ("pseudonymize", {"domain": "d", "form": "uuid"}, ["string"]),
        ("pseudonymize", {"domain": "d", "keep_domain": "common"}, ["string"]),
        ("pseudonymize", {"domain": "d", "keep_domain": ["example.org"]}, ["string"]),
        ("pseudonymize", {"domain": "d", "keep_first": 1, "keep_last": 1}, ["string"]),
        ("pseudonymize", {"domain": "d", "form": "int64"}, ["int64", "string"]),
        ("encrypt", {"domain": "d"}, ["string", "int64"]),
        ("encrypt_random", {"domain": "d", "form": "hex", "pad_to": None, "prefix": "e"}, ["string", "int64"]),
        ("hmac", {"domain": "d"}, ["string", "int64"]),
        ("mask", {"keep_last": 2}, ["string"]),
        ("mask", {"keep_first": 1, "keep_last": 3, "classes": ["digits", "letters"]}, ["string"]),
        ("redact", {"with": "[gone]"}, ["string"]),
        ("truncate", {"length": 3}, ["string"]),
        ("generalize_date", {"to": "year"}, ["date", "stamp"]),
        ("generalize_date", {"to": "month"}, ["date", "stamp"]),
        ("generalize_date", {"to": "hour"}, ["stamp"]),
        ("generalize_number", {"width": 100}, ["int64", "decimal"]),
        ("ip_truncate", {}, ["string"]),
        ("null", {}, list(RAW)),
        ("keep", {"reason": "r", "values": ["a"]}, ["string", "int64", "date"]),
        ("drop", {}, list(RAW)),
    ],
)
def test_a_kernel_replaced_by_the_identity_is_refused(operator, arguments, kinds):
    for kind in kinds:
        shape = output_of(OperatorSpec(name=operator, arguments=arguments), TYPES[kind], unshaped=None).shape
        raw = pa.array(RAW[kind], TYPES[kind])
        assert violations(raw, shape) == len(raw), (operator, kind)


def test_only_domains_that_the_policy_lists_pass():
    arguments = {"domain": "d", "keep_domain": ["example.org", "uni.example"]}
    shape = output_of(OperatorSpec(name="pseudonymize", arguments=arguments), pa.string(), unshaped=None).shape
    token = "0f" * 16
    good = [f"{token}@example.org", f"{token}@uni.example", f"{token}@other.invalid", None]
    bad = [f"{token}@gmail.com", f"{token}@exampleXorg", f"{token}@Example.org", f"{token}@x.example.org", f"{token}@", token]
    assert violations(pa.array(good), shape) == 0
    assert violations(pa.array(good + bad), shape) == len(bad)


def test_pictures_hold_no_letter_or_digit_of_the_text():
    assert picture("536-90-4399") == "999-99-9999"
    assert picture("Жук ½ x\n") == "Aaa 9 a?"
    assert picture("a" * 50) == "a" * 32 + "…"
    assert not re.search("[b-zB-Z0-8]", picture("Zed Quux 10435, 8th St"))


def test_perturbed_values_are_of_their_kind_their_decimals_and_between_their_ends():
    amount = Perturbed(kind="number", decimals=1, within=(Decimal("0.5"), Decimal(100)))
    for kind in (pa.float32(), pa.float64()):
        assert violations(pa.array([0.5, 100, 7.3, float("nan"), None], kind), amount) == 0
        assert violations(pa.array([0.4, 100.1, 7.31, -0.5], kind), amount) == 4
    for kind in (pa.decimal32(7, 2), pa.decimal128(38, 5), pa.decimal256(50, 2)):
        assert violations(pa.array(list(map(Decimal, ["0.5", "100", "7.3"])), kind), amount) == 0
        assert violations(pa.array(list(map(Decimal, ["0.4", "100.1", "7.31"])), kind), amount) == 3
    count = Perturbed(kind="number", decimals=0, within=(Decimal(-3), Decimal(3)))
    assert violations(pa.array([-4, -3, 3, 4]), count) == 2
    assert violations(pa.array([0, 3, 4, 2**64 - 1], pa.uint64()), count) == 2
    assert violations(pa.array(["7"]), count) == 1
    assert violations(pa.array([dt.date(2024, 1, 1)]), count) == 1
    assert violations(pa.array([dt.date(2024, 1, 1)]), Perturbed(kind="moment")) == 0
    assert violations(pa.array([7]), Perturbed(kind="moment")) == 1


def test_numbers_outside_their_ends():
    five = MultipleOf(width=Decimal(5), low=Decimal(0), high=Decimal(90))
    assert off([0, 90, 95, -5, 3], five, pa.int16()) == [95, -5, 3]
    assert off([0.0, 90.0, 95.0, -5.0], five) == [95.0, -5.0]
    assert off([Decimal("90.00"), Decimal("95.00")], five, pa.decimal128(5, 2)) == [Decimal("95.00")]
    ends = Between(low=Decimal("-0.5"), high=Decimal("0.1"))
    assert off([-1, 0, 1], ends) == [-1, 1]
    assert off([float(np.float32(0.1)), 0.2, -0.5, -0.6], ends, pa.float32()) == [pytest.approx(0.2), pytest.approx(-0.6)]
    assert violations(pa.array([float("nan"), float("inf"), float("-inf")]), ends) == 2
    assert off([Decimal("0.10"), Decimal("0.11"), Decimal("-0.51")], ends, pa.decimal32(5, 2)) == [
        Decimal("0.11"),
        Decimal("-0.51"),
    ]
    assert violations(pa.array([0, 2**64 - 1], pa.uint64()), Between(low=Decimal(-5), high=Decimal(7))) == 1
    assert violations(pa.array(["5"]), ends) == 1


def test_periods_before_the_earliest():
    days = [dt.date(1935, 1, 1), dt.date(1936, 1, 1), dt.date(1937, 1, 1)]
    assert off(days, PeriodStart(unit="year", earliest=dt.date(1936, 6, 1)), pa.date32()) == days[:1]
    moments = [dt.datetime(2024, 1, 31, 23, tzinfo=UTC), dt.datetime(2023, 12, 31, 23, tzinfo=UTC)]
    month = PeriodStart(unit="month", earliest=dt.date(2024, 2, 15))
    assert off(moments, month, pa.timestamp("us", tz="Europe/Berlin")) == [moments[1].astimezone(ZoneInfo("Europe/Berlin"))]


def test_geohashes():
    assert off(["ezs42", "ezs4", "ezs4a", "EZS42", "ezs421"], Geohash(length=5)) == ["ezs4", "ezs4a", "EZS42", "ezs421"]
    assert violations(pa.array([52.5]), Geohash(length=5)) == 1


@pytest.mark.parametrize("layout", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (MaxLength(length=2), "10", "10115"),
        (OneOf(values=("a", "b")), "a", "c"),
        (Constant(text="-"), "-", "x"),
        (Token(alphabet=HEX, length=4), "00ff", "00fg"),
        (MaskedText(char="*", first=0, last=2), "***12", "12312"),
        (HostBits(v4=24, v6=48), "10.1.2.0", "10.1.2.3"),
    ],
)
def test_every_layout_of_text_is_judged_alike(layout, shape, good, bad):
    assert violations(pa.array([good, None, good], layout), shape) == 0
    assert violations(pa.array([good, bad, None, bad], layout), shape) == 2
