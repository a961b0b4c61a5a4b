"""Every law of `airlock.testing` for every operator: over the cases as data, over generated columns, and broken on purpose."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airlock.keys import KeyRequest
from airlock.operators import Contract, Operator, RejectedValuesError, operator_class, operator_names
from airlock.policy.model import KeyDomain
from airlock.testing import LAWS, Trial, check_laws, read_cases, unsafe_subkeys
from airlock.testing.laws import chunks_join, slices_agree

FOLDER = Path(__file__).parents[1] / "cases"
TEXT_LAYOUTS = ("string", "large_string", "string_view")
SLOW = {"redact_entities": 2}
"""Operators that take milliseconds a value, and how many of their cases go through every law."""

DOMAINS = {"d": KeyDomain()}

SHIFT = NOISE = {"domain": "d", "subject": "subject"}
TENS = {"width": 10}

EXAMPLES = [
    ("keep", "as it is", pa.decimal64(18, 3)),
    ("keep", "as it is", pa.bool_()),
    ("keep", "as it is", pa.binary()),
    ("keep", {"reason": "listed", "values": ["true"]}, pa.bool_()),
    ("keep", {"reason": "listed", "values": [0, 1, 2, -1]}, pa.int64()),
    ("drop", {}, pa.string()),
    ("drop", {}, pa.float64()),
    ("null", {}, pa.int32()),
    ("null", {}, pa.timestamp("us", tz="Europe/Berlin")),
    ("redact", {"with": "[x]"}, pa.string()),
    ("redact", {"presence": "hide"}, pa.string()),
    ("mask", {"keep_last": 2}, pa.string()),
    ("mask", {"keep_first": 1, "char": "•"}, pa.string()),
    ("mask", {"classes": ["digits"], "keep_last": 1}, pa.string()),
    ("mask", {"classes": ["letters", "others"], "keep_first": 2, "char": "é"}, pa.string()),
    ("mask", {"pattern": "(.)(.*)", "groups": [2]}, pa.string()),
    ("truncate", 3, pa.string()),
    ("fpe", "d", pa.string()),
    ("fpe", {"domain": "d", "alphabet": "base62", "separators": ":"}, pa.string()),
    ("fpe", {"domain": "d", "length": 6}, pa.int64()),
    ("fpe", {"domain": "d", "tweak_column": "other"}, pa.string()),
    ("encrypt", "d", pa.string()),
    ("encrypt", {"domain": "d", "form": "hex", "prefix": "e:", "pad_to": None}, pa.string()),
    ("encrypt", {"domain": "d", "pad_to": 48}, pa.binary()),
    ("encrypt", "d", pa.int64()),
    ("encrypt", "d", pa.date32()),
    ("encrypt_random", "d", pa.string()),
    ("encrypt_random", {"domain": "d", "form": "hex", "prefix": "e:", "pad_to": None}, pa.binary()),
    ("encrypt_random", "d", pa.uint64()),
    ("generalize_number", {"width": 10}, pa.int8()),
    ("generalize_number", {"width": 7, "bottom": -700, "top": 7000}, pa.int64()),
    ("generalize_number", {"width": 1000}, pa.uint64()),
    ("generalize_number", {"width": "0.25"}, pa.float64()),
    ("generalize_number", {"width": "0.1"}, pa.float32()),
    ("generalize_number", {"width": "0.50", "top": 100}, pa.decimal32(7, 2)),
    ("generalize_number", {"width": 50}, pa.decimal128(38, 4)),
    ("generalize_number", {"width": 50}, pa.decimal256(60, 4)),
    ("generalize_date", "decade", pa.date32()),
    ("generalize_date", "week", pa.date64()),
    ("generalize_date", "quarter", pa.timestamp("s")),
    ("generalize_date", "hour", pa.timestamp("ms", tz="Europe/Berlin")),
    ("generalize_date", "day", pa.timestamp("us", tz="America/Havana")),
    ("generalize_date", "month", pa.timestamp("us", tz="UTC")),
    ("hmac", "d", pa.string()),
    ("hmac", {"domain": "d", "form": "base64url", "bits": 128, "presence": "hide", "prefix": "h_"}, pa.string()),
    ("hmac", {"domain": "d", "form": "base64url"}, pa.int64()),
    ("round", {"to": 20}, pa.int8()),
    ("round", {"to": 7}, pa.int64()),
    ("round", {"to": 36}, pa.uint8()),
    ("round", {"to": "0.25"}, pa.float64()),
    ("round", {"to": "0.50"}, pa.decimal64(18, 2)),
    ("clamp", {"bottom": -2, "top": 90}, pa.int8()),
    ("clamp", {"bottom": "0.1"}, pa.float32()),
    ("clamp", {"top": 7}, pa.decimal128(38, 4)),
    ("age", "2026-11-22", pa.date32()),
    ("age", {"at": "2024-02-29", "width": 10}, pa.timestamp("us", tz="Europe/Berlin")),
    ("age", {"at": "2500-01-01", "parse": "epoch_s"}, pa.int64()),
    ("generalize_date", {"to": "year", "bottom": "1936-06-01"}, pa.date32()),
    ("generalize_date", {"to": "hour", "parse": "epoch_ms", "zone": "Europe/Berlin"}, pa.int64()),
    ("zip3", {}, pa.int32()),
    ("geo_grid", "0.1", pa.float64()),
    ("geo_grid", 5, pa.decimal128(9, 6)),
    ("geohash", {"length": 5, "longitude": "lon"}, pa.float64()),
    ("interval", [0, 1, 100], pa.int64()),
    ("interval", {"breaks": ["0.1", 5]}, pa.float32()),
    ("interval", {"breaks": [0, "0.5"], "labels": ["a", "b", "c"]}, pa.decimal64(18, 3)),
    ("interval", ["-0.5", 100], pa.decimal256(60, 4)),
    ("interval", ["1900-01-01", "2000-01-01"], pa.date32()),
    ("replace", {"with": "x"}, pa.float64()),
    ("zip3", {}, pa.string()),
    ("replace", {"map": {"ann@gmail.com": "a", "192.0.2.1": "b"}, "otherwise": "c"}, pa.string()),
    ("replace", {"map": {"0": "a", "1": "b"}, "otherwise": None}, pa.uint8()),
    ("ip_truncate", {}, pa.string()),
    ("ip_truncate", {"v4": 9, "v6": 99}, pa.large_string()),
    ("keep_top", {"n": 3, "min_count": 20}, pa.string()),
    ("keep_top", {"n": 1_000, "other": ""}, pa.large_string()),
    ("keep_top", {"n": 2, "other": None}, pa.int64()),
    ("keep_top", {"n": 2, "other": 7}, pa.uint8()),
    ("permute", {"reason": "sums", "min_rows": 2}, pa.string()),
    ("permute", {"reason": "sums", "min_rows": 60}, pa.decimal64(18, 3)),
    ("permute", "sums", pa.float64()),
    ("url", {"to": "host", "otherwise": "none"}, pa.string()),
    ("url", {"to": "registered_domain", "otherwise": "none"}, pa.string()),
    (
        "hierarchy",
        {"file": "f", "level": 1, "otherwise": "z", "content": {"sha256": "", "leaves": ["a", "7"], "labels": ["x", "y"]}},
        pa.string(),
    ),
    ("hierarchy", {"file": "f", "level": 1, "content": {"sha256": "", "leaves": ["7", "0"], "labels": ["y", "y"]}}, pa.int32()),
    ("pseudonymize", "d", pa.string()),
    ("pseudonymize", {"domain": "d", "form": "base32", "presence": "hide"}, pa.string()),
    ("pseudonymize", {"domain": "d", "form": "uuid"}, pa.int64()),
    ("pseudonymize", {"domain": "d", "form": "int64"}, pa.int32()),
    ("pseudonymize", {"domain": "d", "form": "int32", "presence": "hide"}, pa.int64()),
    ("pseudonymize", {"domain": "d", "form": "int64"}, pa.decimal128(12, 0)),
    ("pseudonymize", {"domain": "d", "form": "int64"}, pa.decimal64(18, 0)),
    ("pseudonymize", {"domain": "d", "form": "int32"}, pa.decimal32(4, 0)),
    ("pseudonymize", {"domain": "d", "keep_first": 2, "keep_last": 1}, pa.string()),
    ("pseudonymize", {"domain": "d", "keep_domain": "common", "bits": 96}, pa.string()),
    ("pseudonymize", {"domain": "d", "keep_domain": ["example.org"]}, pa.string()),
    ("shift_date", SHIFT, pa.date32()),
    ("shift_date", {**SHIFT, "keep_weekday": True, "no_subject": None}, pa.date64()),
    ("shift_date", {**SHIFT, "days": 3650, "min_days": 365}, pa.timestamp("ms")),
    ("shift_date", SHIFT, pa.timestamp("us", tz="Europe/Berlin")),
    ("shift_date", SHIFT, pa.timestamp("s", tz="UTC")),
    ("add_noise", {**NOISE, "distribution": "laplace", "scale": 10}, pa.int64()),
    ("add_noise", {**NOISE, "distribution": "gaussian", "scale": 2, "within": [0, 100]}, pa.uint8()),
    ("add_noise", {**NOISE, "distribution": "uniform", "scale": 5}, pa.uint64()),
    ("add_noise", {**NOISE, "distribution": "gaussian", "scale": "0.5", "decimals": 2}, pa.float64()),
    ("add_noise", {**NOISE, "distribution": "laplace", "scale": 3, "decimals": 1, "no_subject": None}, pa.float32()),
    ("add_noise", {**NOISE, "distribution": "laplace", "scale": 3, "decimals": 2}, pa.decimal32(7, 2)),
    ("add_noise", {**NOISE, "distribution": "laplace", "scale": 3}, pa.decimal128(38, 18)),
    ("add_noise", {**NOISE, "distribution": "gaussian", "scale": 7, "unit": "days"}, pa.date32()),
    (
        "add_noise",
        {**NOISE, "distribution": "gaussian", "scale": 900, "unit": "seconds"},
        pa.timestamp("ns", tz="Europe/Berlin"),
    ),
    ("ordered", {"after": "same", "do": {"shift_date": SHIFT}, "other": {"shift_date": SHIFT}}, pa.date32()),
    (
        "ordered",
        {"after": "same", "do": {"fpe": {"domain": "d", "length": 6}}, "other": {"fpe": {"domain": "d", "length": 6}}},
        pa.int64(),
    ),
    (
        "ordered",
        {"after": "same", "do": {"generalize_date": "month"}, "other": {"generalize_date": "month"}},
        pa.timestamp("s"),
    ),
    (
        "ordered",
        {"after": "same", "do": {"generalize_number": TENS}, "other": {"generalize_number": TENS}},
        pa.decimal64(18, 2),
    ),
    ("surrogate", {"kind": "full_name", "domain": "d", "locale": "de_DE"}, pa.string()),
    ("surrogate", {"kind": "phone", "domain": "d", "locale": "fr_FR"}, pa.int64()),
    ("surrogate", {"kind": "city", "domain": "d", "of": ["street", "city"]}, pa.string()),
    ("surrogate", {"kind": "email", "domain": "d", "gender": {"column": "sex", "female": ["F"], "male": ["M"]}}, pa.string()),
    ("when", {"column": "c", "null": True, "then": {"truncate": 2}, "otherwise": {"redact": {}}}, pa.string()),
    ("first_match", {"cases": [{"column": "c", "in": [1], "then": {"redact": {}}}], "otherwise": {"truncate": 1}}, pa.string()),
]


TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.from_regex(r"\A[0-9]{3}[ -]?[0-9]{3,9}\Z")
    | st.ip_addresses().map(str)
    | st.sampled_from(["ann@gmail.com", "", "e\u0301", "https://Ann@www.example.org:80/x", "http://example.org"])
)
MOMENTS = st.integers(-9_151_400_000, 9_183_110_400).map(
    lambda second: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(0, second)
)

STRATEGIES = [
    (
        pa.types.is_decimal,
        lambda kind: st.integers(1 - 10**kind.precision, 10**kind.precision - 1).map(lambda n: exact(n, kind)),
    ),
    (pa.types.is_unsigned_integer, lambda kind: st.integers(0, 2**kind.bit_width - 1) | st.integers(0, 3)),
    (
        pa.types.is_integer,
        lambda kind: st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1) | st.integers(-3, 3),
    ),
    (
        pa.types.is_floating,
        lambda kind: st.floats(width=kind.bit_width) | st.sampled_from([0.1, 0.3, -0.0]).map(lambda x: rounded(x, kind)),
    ),
    (pa.types.is_date, lambda _: st.dates()),
    (pa.types.is_timestamp, lambda kind: MOMENTS if kind.tz else MOMENTS.map(lambda moment: moment.replace(tzinfo=None))),
    (pa.types.is_boolean, lambda _: st.booleans()),
    (pa.types.is_binary, lambda _: st.binary(max_size=8)),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), lambda _: TEXTS),
]


@cache
def values_of(data_type):
    """A hypothesis strategy for values of a type, edges included."""
    return next(make(data_type) for accepts, make in STRATEGIES if accepts(data_type))


def rounded(number, data_type):
    return pa.scalar(number, data_type).as_py()


def exact(number, data_type):
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -data_type.scale))


def declare(name, arguments):
    from airlock.policy.model import OperatorSpec

    kind = operator_class(name)
    return kind.from_dict(OperatorSpec(name=name, arguments=arguments).mapping(kind.shorthand)).resolve(DOMAINS)


def label(example):
    name, arguments, data_type = example
    return f"{name}-{arguments}-{data_type}"


def case_trials():
    for path in sorted(FOLDER.glob("*.yaml")):
        cases = [case for case in read_cases(path) if case.refused is None]
        for case in cases[: SLOW.get(path.stem)]:
            layouts = TEXT_LAYOUTS if case.type in TEXT_LAYOUTS and path.stem not in SLOW else (case.type,)
            for layout in layouts:
                yield pytest.param(replace(case, type=layout), id=f"{path.stem}-{case.name}-{layout}")


@pytest.mark.parametrize("case", list(case_trials()))
def test_laws_over_the_cases(case):
    trial = case.trial()
    check_laws(trial.operator, trial.field, trial.column, beside=case.looked_at())


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_laws_over_generated_columns(example, data):
    name, arguments, data_type = example
    drawn = data.draw(st.lists(values_of(data_type) | st.none(), max_size=12))
    # What is looked at by these names is drawn, too; what has another name is null.
    types = {"subject": pa.int32(), "same": data_type}
    beside = {
        other: pa.array(data.draw(st.lists(values_of(kind) | st.none(), min_size=len(drawn), max_size=len(drawn))), kind)
        for other, kind in types.items()
    }
    trial = Trial.of(declare(name, arguments), pa.field("column", data_type), pa.array(drawn, data_type), beside).accepted()
    for law_name, law in LAWS.items():
        if law_name != "chunks_join":
            law(trial)
    chunks_join(trial, data.draw(st.integers(0, len(trial.values))))


@pytest.mark.parametrize("layout", TEXT_LAYOUTS)
@pytest.mark.parametrize(
    ("name", "arguments"), [(name, arguments) for name, arguments, data_type in EXAMPLES if data_type == pa.string()]
)
def test_every_text_layout_gives_the_same_texts(name, arguments, layout):
    texts = pa.array(["192.0.2.1", None, "2001:db8:1:2::1", "198.51.100.255"], pa.string())
    column = pa.field(
        "column", {"string": pa.string(), "large_string": pa.large_string(), "string_view": pa.string_view()}[layout]
    )
    operator = declare(name, arguments)
    trials = [
        Trial.of(operator, column, texts.cast(column.type)).accepted(),
        Trial.of(operator, pa.field("column", pa.string()), texts).accepted(),
    ]
    made, plain = (trial.settled(trial.run()) for trial in trials)
    assert made.cast(plain.type).equals(plain)


@pytest.mark.parametrize("name", operator_names())
def test_every_operator_has_examples(name):
    assert (FOLDER / f"{name}.yaml").exists()
    assert name in {example[0] for example in EXAMPLES} | set(SLOW)


@pytest.mark.parametrize("name", operator_names())
def test_every_operator_says_what_it_guarantees_and_shows_it(name):
    kind = operator_class(name)
    assert kind.name == name
    assert "Guarantee:" in kind.__doc__
    assert ">>> " in kind.__doc__


@pytest.mark.parametrize("name", operator_names())
def test_every_shorthand_is_an_argument(name):
    kind = operator_class(name)
    assert kind.shorthand is None or kind.shorthand in kind.arguments()


def test_other_domains_and_other_salts_are_other_keys():
    request = KeyRequest("pseudonymize", "aes-cmac", "a")
    other = KeyRequest("pseudonymize", "aes-cmac", "b")
    keys = unsafe_subkeys([request, other])
    assert keys[request] != keys[other]
    assert unsafe_subkeys([request], salt="x")[request] != keys[request]


def test_pseudonyms_of_two_domains_differ_everywhere():
    texts = pa.array(["ann", "bob", ""])
    made = [
        Trial.of(operator_class("pseudonymize").from_dict({"domain": domain}), pa.field("c", pa.string()), texts).run()
        for domain in ("a", "b")
    ]
    assert not set(made[0].to_pylist()) & set(made[1].to_pylist())


# --- each law can fail: an operator that breaks it, and nothing else ---------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Broken(Operator):
    """Keeps every law until `kind` says which one not to."""

    kind: str
    name = "broken"

    @property
    def contract(self):
        return Contract(
            technique="none",
            deterministic=self.kind != "repeats",
            injective=True,
            reversible=self.kind in WAYS_BACK,
            keyed=self.kind == "keyed" or self.kind in WAYS_BACK,
            subtree=self.kind == "subtree",
        )

    def requests(self):
        return (KeyRequest("broken", "none"),) if self.kind in ("keyed", "secretly keyed", "key holder") else ()

    def result_field(self, field):
        if pa.types.is_nested(field.type):
            from airlock.errors import OperatorTypeError

            raise OperatorTypeError("no subtree")
        return pa.field("other" if self.kind == "renames" else field.name, field.type, field.nullable and self.kind != "nulls")

    def to_dict(self):
        return {"kind": self.kind if self.kind != "forgets" else "else"}

    @classmethod
    def from_dict(cls, arguments):
        return cls(**arguments)

    def reverse(self, field, keys):
        return WAYS_BACK[self.kind]

    def kernel(self, field, keys):
        return BREAKS.get(self.kind, lambda values: values)


def write_into(values):
    np.frombuffer(values.buffers()[1], np.int64)[0] += 1
    return values


BREAKS = {
    "shorter": lambda values: values.slice(1),
    "sorted": lambda values: values.take(pc.sort_indices(values)),
    "fills": lambda values: pc.fill_null(values, 99),
    "first": lambda values: pc.if_else(pc.is_valid(values), pc.add(values, min(len(values), 4)), None),
    "offset": lambda values: pc.add(values, values.offset),
    "writes": write_into,
    "casts": lambda values: values.cast(pa.float64()),
    "constant": lambda values: pc.if_else(pc.is_valid(values), 7, pa.scalar(None, pa.int64())),
    "empty": lambda values: values if len(values) else pa.array([1]),
    "rejects": None,
}

WAYS_BACK = {
    "turns to others": lambda values: pc.add(values, 1),
    "loses nulls": lambda values: pc.fill_null(values, 0),
    "opens to all": lambda values: values,
}


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        ("shorter", "rows_stand_alone"),
        ("sorted", "rows_stand_alone"),
        ("fills", "nulls_stay_null"),
        ("first", "chunks_join"),
        ("offset", "chunks_join"),
        ("empty", "chunks_join"),
        ("writes", "inputs_stay"),
        ("casts", "type_is_declared"),
        ("renames", "type_is_declared"),
        ("nulls", "type_is_declared"),
        ("forgets", "declarations_travel"),
        ("keyed", "keys_decide"),
        ("secretly keyed", "keys_decide"),
        ("constant", "contract_holds"),
        ("repeats", "contract_holds"),
        ("subtree", "contract_holds"),
        ("turns to others", "ways_back_hold"),
        ("loses nulls", "ways_back_hold"),
    ],
)
def test_a_broken_law_is_found(kind, law):
    column = pa.field("column", pa.int64())
    trial = Trial(Broken(kind=kind), column, pa.array([5, None, 3, 4, 5, 1], pa.int64()))
    with pytest.raises(AssertionError, match=law):
        LAWS[law](trial)


def test_a_kernel_that_keeps_every_law_passes():
    check_laws(Broken(kind="none"), pa.field("column", pa.int64()), pa.array([5, None, 3, 4, 5, 1], pa.int64()))


def test_a_way_back_that_needs_no_key_is_found():
    trial = Trial(Broken(kind="opens to all"), pa.field("column", pa.int64()), pa.array(range(20), pa.int64()))
    with pytest.raises(AssertionError, match="another key must not turn it back"):
        LAWS["ways_back_hold"](trial)


def test_slices_are_tried_with_offsets():
    trial = Trial(Broken(kind="offset"), pa.field("column", pa.int64()), pa.array([5, None, 3], pa.int64()))
    with pytest.raises(AssertionError, match="slices_agree"):
        slices_agree(trial)


@pytest.mark.parametrize(
    ("mask", "message"),
    [([True], "as long as the input"), ([None, True, False], "no nulls"), ([False] * 3, "must reject something")],
)
def test_a_wrong_mask_is_found(monkeypatch, mask, message):
    def reject(values):
        raise RejectedValuesError("never", pa.array(mask, pa.bool_()))

    monkeypatch.setitem(BREAKS, "rejects", reject)
    with pytest.raises(AssertionError, match=message):
        check_laws(Broken(kind="rejects"), pa.field("column", pa.int64()), pa.array([1, 2, 3]))
