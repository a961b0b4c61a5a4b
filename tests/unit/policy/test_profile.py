"""Profiles count what a sample holds: kinds of values, mentions in text, nested leaves, every Arrow type that files have."""

import datetime as dt
import decimal

import pyarrow as pa
import pytest

from airlock.policy.profile import profile


def one(values, type_=None):
    (found,) = profile(pa.table({"c": pa.array(values, type_)}))
    return found


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("EMAIL_ADDRESS", ["ann@example.org", "A.B+c@mail.example.co.uk", " ann@example.org "]),
        ("PHONE_NUMBER", ["+1 212-555-0142", "(212) 555-0142", "+49 30 23125123", "020 7946 0958", "212-555-0142"]),
        ("CREDIT_CARD", ["4111111111111111", "5555 5555 5555 4444", "378282246310005"]),
        ("IBAN_CODE", ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32"]),
        ("US_SSN", ["536-22-8712"]),
        ("IP_ADDRESS", ["198.18.0.1", "2001:db8::1", "10.0.0.0/8", "::1", "1:2:3:4:5:6:7:8"]),
        ("URL", ["https://example.com/a?b=c", "www.example.com"]),
        ("DATE", ["2026-11-22", "2026-11-22T10:00:00Z"]),
        ("UUID", ["8f14e45f-ceea-467f-a8b1-2f3c4d5e6f70"]),
        ("DIGITS", ["0042", "7"]),
    ],
)
def test_whole_values_are_of_one_kind(kind, values):
    assert one(values).kinds == {kind: len(values)}


@pytest.mark.parametrize("value", ["12:30:15", "hello", "3.14", "1,234.50", "a@b", "v1.2.3", "-5", "AB12", ""])
def test_other_values_are_of_no_kind(value):
    assert one([value]).kinds == {}


def test_counts_are_of_rows_though_values_are_matched_once():
    found = one(["a@example.org"] * 30 + [None] * 10 + ["b@example.org", "none"])
    assert (found.rows, found.nulls, found.values, found.distinct) == (42, 10, 32, 3)
    assert found.kinds == {"EMAIL_ADDRESS": 31}
    assert found.share("EMAIL_ADDRESS") == 31 / 32
    assert found.share("URL") == 0.0


def test_longer_texts_mention():
    found = one(["mail ann@example.org or call +1 212-555-0142.", "nothing here", "card 4111111111111111, ip 198.18.0.1"])
    assert found.kinds == {}
    assert found.mentions == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1, "CREDIT_CARD": 1, "IP_ADDRESS": 1}
    assert found.words == pytest.approx((6 + 2 + 4) / 3)
    assert found.max_length == 45


@pytest.mark.parametrize(
    ("values", "type_", "digits"),
    [
        ([1, 22, 333], pa.int64(), 3),
        ([-1234], pa.int32(), 4),
        ([decimal.Decimal("0.50")], pa.decimal128(10, 2), 1),
        ([float("nan"), float("inf"), 12.5], pa.float64(), 2),
        ([float("nan")], pa.float64(), None),
        (["12"], pa.string(), None),
        ([], pa.int64(), None),
    ],
)
def test_numbers_say_how_long_they_are(values, type_, digits):
    assert one(values, type_).digits == digits


def test_nested_leaves_count_what_lies_in_the_slice():
    table = pa.table(
        {
            "m": pa.array([[("a", "x")], None, [("b", "y"), ("c", None)], [("d", "z")]], pa.map_(pa.string(), pa.string())),
            "l": pa.array([[{"n": "p"}], [], None, [{"n": "q"}, {"n": None}]]),
            "s": pa.array([{"a": 1}, None, {"a": None}, {"a": 2}]),
        }
    )
    found = {str(leaf.path): (leaf.rows, leaf.nulls, leaf.distinct) for leaf in profile(table.slice(1))}
    assert found == {"m{key}": (3, 0, 3), "m{value}": (3, 1, 2), "l[].n": (2, 1, 1), "s.a": (3, 2, 1)}


@pytest.mark.parametrize(
    "array",
    [
        pa.nulls(3),
        pa.array([True, None, False]),
        pa.array([b"a", None, b"b"]),
        pa.array([b"a", None, b"b"], pa.binary_view()),
        pa.array(["a", None, "b"], pa.string_view()),
        pa.array(["a", None, "b"], pa.large_string()),
        pa.array([dt.time(1), None, dt.time(2)]),
        pa.array([dt.timedelta(1), None, dt.timedelta(2)]),
        pa.array([dt.date(2026, 1, 1), None, dt.date(2026, 1, 2)]),
        pa.array([1, None, 2]).cast(pa.float32()).cast(pa.float16()),
        pa.array([{}, None, {}], pa.struct([])),
        pa.array([[1], None, [2]], pa.list_(pa.int64(), 1)),
        pa.array([[1], None, [2]], pa.large_list(pa.int64())),
    ],
    ids=lambda array: str(array.type),
)
def test_every_type_can_be_counted_also_sliced_and_empty(array):
    table = pa.table({"c": array})
    for part in (table, table.slice(1), table.slice(0, 0), table.schema.empty_table()):
        (found,) = profile(part)
        assert found.nulls <= found.rows <= len(part)


def test_dictionaries_count_as_their_values():
    found = one(pa.array(["a@example.org", "a@example.org", None]).dictionary_encode())
    assert (found.type, found.distinct, found.kinds) == ("string", 1, {"EMAIL_ADDRESS": 2})


def test_chunks_count_as_one_column():
    table = pa.table({"c": pa.chunked_array([["a"], ["a", "b"]])})
    assert (profile(table)[0].rows, profile(table)[0].distinct) == (3, 2)


def test_a_profile_quotes_no_value():
    assert "zebra" not in repr(one(["zebra", "zebra ann@example.org"]))
