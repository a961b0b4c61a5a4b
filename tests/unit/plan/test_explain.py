"""A plan in words and rough numbers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from airlock.operators import operator_class
from airlock.plan.bind import bind_policy
from airlock.plan.compile import compile_plan
from airlock.plan.explain import collision_bound, describe_shape, explain_columns, fetched, written_bytes_a_row
from airlock.policy import formats
from airlock.policy.shapes import BASE64URL, HEX

NAME = pa.struct([("first", pa.string()), ("age", pa.int8())])


@pytest.fixture
def plan(policy_file):
    path = policy_file(
        "name: {type: struct, class: direct_identifier, drop: {}}",
        "gone: {type: int8, class: sensitive, drop: {}}",
        "note: {type: string, class: sensitive, keep: a reason}",
        "l[].n: {type: decimal128(9, 2), class: sensitive, generalize_number: {width: 10}}".replace(
            "decimal128(9, 2)", "'decimal128(9, 2)'"
        ),
        "later: {type: [int32, int64], class: sensitive, optional: true, null: {}}",
    )
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("name", NAME),
            ("gone", pa.int8()),
            ("note", pa.string()),
            ("l", pa.list_(pa.struct([("n", pa.decimal128(9, 2))]))),
        ]
    )
    return compile_plan(bind_policy(path), [schema], ())


def test_every_rule_is_explained_in_order(plan):
    columns = {column.path: column for column in explain_columns(plan)}
    assert list(columns) == ["id", "name", "gone", "note", "l[].n", "later"]
    token = columns["id"]
    assert (token.type, token.output, token.operator, token.arguments) == ("int64", "string", "pseudonymize", "domain: person")
    assert (token.key, token.shape, token.unread) == ("person/tests/1", "32 characters of 0-9 a-f", False)
    assert (columns["name"].output, columns["name"].unread, columns["gone"].unread) == (None, False, True)
    assert columns["l[].n"].output == "decimal128(9, 2)"
    assert columns["later"].type == "int32 | int64"
    assert columns["note"].arguments == "a reason"


def test_a_key_at_hand_has_a_fingerprint(plan):
    request = next(request for request in plan.requests if request.domain == "person")
    columns = explain_columns(plan, {request: "person/tests/1:00ff"})
    assert columns[0].key == "person/tests/1:00ff"


def test_what_is_fetched_and_what_is_not(plan):
    found = fetched(plan)
    assert found.written == ("id", "note", "l[].n", "later")
    assert found.looked_at == ("name.first",)
    assert found.skipped == ("gone",)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (formats.Absent(), "not written"),
        (formats.AllNull(), "always null"),
        (formats.Constant(text="[x]"), "always '[x]'"),
        (formats.OneOf(values=("a", "b")), "one of 2 listed values"),
        (formats.Token(alphabet="0123456789abcdef", length=36, hyphens=True), "UUID"),
        (formats.Token(alphabet="abcdefghijklmnopqrstuvwxyz234567", length=26, prefix="p_"), "'p_' + 26 characters of a-z 2-7"),
        (formats.Token(alphabet="0123456789abcdef", length=24, last=2), "24 characters of 0-9 a-f, between the value's last 2"),
        (formats.IntegerToken(low=1 << 30, high=(1 << 31) - 1), "a whole number from 1,073,741,824 to 2,147,483,647"),
        (
            formats.Preserved(alphabet="0123456789", separators=" ", shortest=12, longest=19, luhn=True),
            "12 to 19 characters of digits, the last a check digit: scanned for entities",
        ),
        (
            formats.Preserved(alphabet="ACGT", separators="", shortest=10, longest=10),
            "10 characters of 'ACGT': scanned for entities",
        ),
        (formats.MaskedText(char="*", first=1, last=2), "'*', but for the first 1 and last 2"),
        (formats.MaskedText(char="*", first=0, last=0), "'*' throughout"),
        (
            formats.Ciphertext(alphabet=BASE64URL, prefix="e_", shortest=32, step=16),
            "'e_' + base64url of 32 bytes or more, in steps of 16",
        ),
        (formats.Ciphertext(alphabet=HEX, prefix="e_", shortest=16), "'e_' + hexadecimal of 16 bytes or more"),
        (formats.MaxLength(length=1), "at most 1 character"),
        (formats.MultipleOf(width=Decimal("0.5")), "a multiple of 0.5"),
        (formats.MultipleOf(width=Decimal(5), low=Decimal(0), high=Decimal(90)), "a multiple of 5, at least 0, at most 90"),
        (formats.Between(low=None, high=Decimal(80)), "a number, at most 80"),
        (formats.Geohash(length=5), "a geohash of 5 characters"),
        (formats.PeriodStart(unit="week"), "first moment of its week"),
        (formats.PeriodStart(unit="year", earliest=dt.date(1936, 1, 1)), "first moment of its year, at least 1936-01-01"),
        (formats.HostBits(v4=24, v6=48), "an address, zero after /24 or /48"),
        (formats.FromPool(kind="full_name", locale="de_DE"), "a full name made up from de_DE lists"),
        (formats.Free(), "any value: scanned for entities"),
        (formats.Unshaped(reason="r"), "no declared form: scanned for entities"),
    ],
)
def test_shapes_in_words(shape, words):
    assert describe_shape(shape) == words


@pytest.mark.parametrize(
    ("arguments", "rows", "bound"),
    [
        ({"bits": 128}, 1_000_000_000, "below 10^-20"),
        ({"bits": 96}, 1_000_000_000, "below 10^-11"),
        ({"form": "uuid"}, 1_000_000_000, "below 10^-19"),
        ({"form": "int64"}, 1_000_000_000, "0"),
        ({"form": "int32"}, 1_000_000_000, "0"),
        ({"bits": 96}, 2**49, "likely"),
        ({}, 0, "below 10^-38"),
    ],
)
def test_the_birthday_bound(arguments, rows, bound):
    assert collision_bound(operator_class("pseudonymize")(domain="d", **arguments), rows) == bound


@pytest.mark.parametrize(
    ("kind", "rows", "bound"),
    [("phone", 1_000, "likely, of 60,600 surrogates"), ("address", 100, "below 10^-6, of 5,930,200,000 surrogates"), ("phone", 10, "below 10^-3, of 60,600 surrogates")],
)  # fmt: skip
def test_the_bound_of_surrogates_is_their_number(kind, rows, bound):
    assert collision_bound(operator_class("surrogate")(kind=kind, domain="d"), rows) == bound


def test_no_tokens_no_collisions():
    assert collision_bound(operator_class("drop")(), 10) is None


def test_written_size_grows_with_what_is_written(plan, policy_file):
    smaller = compile_plan(bind_policy(policy_file()), [pa.schema([("id", pa.int64())])], ())
    assert 10 < written_bytes_a_row(smaller) < written_bytes_a_row(plan) < 100


@pytest.mark.parametrize(
    ("otherwise", "least", "most"),
    [("redact: {}", 0.7, 0.9), ("keep: a reason", 5, 7), ("pseudonymize: email", 8, 10)],
)
def test_what_a_conditional_rule_writes_is_estimated_from_all_that_it_may_write(policy_file, otherwise, least, most):
    zip_code = f"zip: {{type: string, class: sensitive, when: {{column: id, in: [1], then: {{truncate: 3}}, otherwise: {{{otherwise}}}}}}}"
    schema = pa.schema([("id", pa.int64()), ("zip", pa.string())])
    alone = compile_plan(bind_policy(policy_file()), [schema.remove(1)], ())
    both = compile_plan(bind_policy(policy_file(zip_code)), [schema], ())
    assert least < written_bytes_a_row(both) - written_bytes_a_row(alone) < most
