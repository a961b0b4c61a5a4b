"""The operator `pseudonymize`: joins, forms, frozen tokens, refusals. The laws of all operators are in conformance."""

from __future__ import annotations

import json
import pickle
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airlock.errors import OperatorTypeError
from airlock.keys import KeyRequest, SubKeys
from airlock.keys.derive import derive
from airlock.operators._base import RejectedValuesError
from airlock.operators.pseudonymize import Pseudonymize
from airlock.policy.mail_domains import OTHER_DOMAIN, common_mail_domains
from airlock.policy.model import Canonical, KeyDomain

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])
DECIMAL = (Canonical.DECIMAL,)
EMAIL = (Canonical.TRIM, Canonical.NFC, Canonical.CASEFOLD)


def tokens(operator: Pseudonymize, values: list | pa.Array, data_type: pa.DataType | None = None, *, epoch: int = 1) -> list:
    array = values if isinstance(values, pa.Array) else pa.array(values, data_type or pa.string())
    field = pa.field("column", array.type)
    keys = SubKeys({request: derive(ROOT, request, "analytics", epoch) for request in operator.requests()}, {})
    made = operator.kernel(field, keys)(array)
    made.validate(full=True)
    assert made.type == operator.result_field(field).type == pa.string()
    assert len(made) == len(array)
    return made.to_pylist()


@pytest.mark.parametrize("frozen", GOLDEN["tokens"], ids=lambda frozen: ascii(frozen["text"]))
def test_frozen_tokens(frozen: dict) -> None:
    for form, bits, expected in (
        ("hex", 128, "hex"), ("hex", 96, "hex96"), ("base32", 128, "base32"), ("base32", 96, "base32_96"), ("uuid", 128, "uuid"),
    ):  # fmt: skip
        operator = Pseudonymize(domain="customer", form=form, bits=bits)
        assert tokens(operator, [frozen["text"], None]) == [frozen[expected], None]


def test_one_person_under_every_type() -> None:
    operator = Pseudonymize(domain="customer", form="base32", prefix="cus_", canonical=DECIMAL)
    (expected,) = tokens(operator, [42], pa.int64())
    assert expected.startswith("cus_")
    assert tokens(operator, ["42", "0042"]) == [expected] * 2
    assert tokens(operator, [42], pa.uint8()) == [expected]
    assert tokens(operator, [Decimal(42)], pa.decimal128(20, 0)) == [expected]
    assert tokens(operator, [42.0], pa.float64()) == [expected]


def test_without_a_step_int_and_text_still_join_but_leading_zeros_count() -> None:
    operator = Pseudonymize(domain="customer")
    (expected,) = tokens(operator, [42], pa.int64())
    same, other = tokens(operator, ["42", "0042"])
    assert same == expected != other


def test_addresses_that_differ_in_case_and_space_join() -> None:
    operator = Pseudonymize(domain="email", canonical=EMAIL)
    assert len(set(tokens(operator, ["Ann@Example.org", " ann@example.ORG ", "ANN@EXAMPLE.ORG"]))) == 1


@settings(max_examples=30, deadline=None)
@given(values=st.sets(st.text(max_size=8), max_size=30), form=st.sampled_from(["hex", "base32", "uuid"]))
def test_different_values_have_different_tokens(values: set[str], form: str) -> None:
    made = tokens(Pseudonymize(domain="customer", form=form), sorted(values))
    assert len(set(made)) == len(values)


def test_domain_recipient_and_epoch_part_the_tokens() -> None:
    one, two = Pseudonymize(domain="customer"), Pseudonymize(domain="email")
    made = {tokens(one, ["x"])[0], tokens(two, ["x"])[0], tokens(one, ["x"], epoch=2)[0]}
    assert len(made) == 3


def test_uuids_are_of_version_8() -> None:
    (made,) = tokens(Pseudonymize(domain="customer", form="uuid"), ["x"])
    assert uuid.UUID(made).version == 8
    assert uuid.UUID(made).variant == uuid.RFC_4122


def test_presence() -> None:
    values = [None, "", "x", None]
    kept, hidden = (tokens(Pseudonymize(domain="customer", presence=presence), values) for presence in ("keep", "hide"))
    assert [value is None for value in kept] == [True, False, False, True]
    assert hidden[1:3] == kept[1:3]
    assert hidden[0] == hidden[3] is not None
    assert hidden[0] not in kept
    assert tokens(Pseudonymize(domain="customer", presence="hide"), [None], pa.int64()) == [hidden[0]]


def test_no_text_meets_the_hidden_null() -> None:
    raw = pa.array([b"\xff"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    with pytest.raises(RejectedValuesError, match="1 of 1 values rejected: not-utf8"):
        tokens(Pseudonymize(domain="customer", presence="hide"), text)


def test_common_domains_stay_and_the_token_is_of_the_whole_address() -> None:
    plain = Pseudonymize(domain="email", canonical=EMAIL)
    operator = Pseudonymize(domain="email", canonical=EMAIL, keep_domain="common", form="base32")
    values = ["Ann@Gmail.com", "ann@yahoo.com", "ann@rare.example", "no address", "gmail.com", "", None, "a@b@web.de", "ann@"]
    made = tokens(operator, values)
    domains = [None if value is None else value.partition("@")[2] for value in made]
    other = OTHER_DOMAIN
    assert domains == ["gmail.com", "yahoo.com", other, other, other, other, None, "web.de", other]
    locals_ = [None if value is None else value.partition("@")[0] for value in made]
    base32 = Pseudonymize(domain="email", canonical=EMAIL, form="base32")
    assert locals_ == tokens(base32, values)
    assert locals_[0] != locals_[1]
    assert tokens(plain, values)[6] is None


def test_a_policy_s_own_domains_stay_instead() -> None:
    operator = Pseudonymize(domain="email", canonical=EMAIL, keep_domain=("uni.example", "example.org"))
    made = tokens(
        operator, ["Ann@Example.ORG", "ann@uni.example", "ann@gmail.com", "ann@x.uni.example", "ann@uni.example.com", None]
    )
    domains = [None if value is None else value.partition("@")[2] for value in made]
    assert domains == ["example.org", "uni.example", OTHER_DOMAIN, OTHER_DOMAIN, OTHER_DOMAIN, None]
    assert operator.keep_domain == ("example.org", "uni.example")
    assert Pseudonymize.from_dict(operator.to_dict()) == operator


def test_kept_domains_of_slices_and_nothing() -> None:
    operator = Pseudonymize(domain="email", keep_domain="common", presence="hide")
    values = pa.array(["x@y.example", "ann@gmail.com", None, "bob@GMX.de"])
    assert tokens(operator, values.slice(1)) == tokens(operator, values)[1:]
    assert [value.partition("@")[2] for value in tokens(operator, values.slice(1))] == ["gmail.com", OTHER_DOMAIN, "gmx.de"]
    assert tokens(operator, []) == []


def test_the_list_of_common_domains() -> None:
    found = common_mail_domains()
    assert 60 <= len(found) <= 100
    assert all(domain == domain.lower().strip() and "." in domain and "@" not in domain for domain in found)
    assert {"gmail.com", "outlook.com", "gmx.de", "bluewin.ch"} <= found
    assert OTHER_DOMAIN not in found


@pytest.mark.parametrize(
    "data_type",
    [
        pa.bool_(),
        pa.timestamp("us", "UTC"),
        pa.decimal128(12, 2),
        pa.list_(pa.string()),
        pa.struct([("a", pa.string())]),
    ],
    ids=str,
)
def test_types_without_a_canonical_text(data_type: pa.DataType) -> None:
    with pytest.raises(OperatorTypeError, match=r"'pseudonymize' does not take column 'ssn' of type .*: only text") as caught:
        Pseudonymize(domain="customer").result_field(pa.field("ssn", data_type))
    assert caught.value.facts == {"column": "ssn"}


def test_steps_and_options_that_do_not_fit_the_type() -> None:
    with pytest.raises(OperatorTypeError, match="canonical step uuid does not fit an integer"):
        Pseudonymize(domain="customer", canonical=(Canonical.UUID,)).result_field(pa.field("id", pa.int64()))
    with pytest.raises(OperatorTypeError, match="keep_domain needs text"):
        Pseudonymize(domain="email", keep_domain="common").result_field(pa.field("id", pa.int64()))


def test_result_field_keeps_name_and_nullability_and_no_metadata() -> None:
    field = pa.field("id", pa.int64(), nullable=False, metadata={"comment": "raw"})
    assert (
        Pseudonymize(domain="customer")
        .result_field(field)
        .equals(pa.field("id", pa.string(), nullable=False), check_metadata=True)
    )


def test_resolve_fills_in_the_domains_steps() -> None:
    domains = {"customer": KeyDomain(canonical=DECIMAL), "email": KeyDomain(canonical=EMAIL)}
    resolved = Pseudonymize(domain="customer").resolve(domains)
    assert resolved.canonical == DECIMAL
    assert resolved.resolve(domains) == resolved
    with pytest.raises(ValueError, match=r"'shop' is not one of the policy's keys\.domains \(found: customer, email\)"):
        Pseudonymize(domain="shop").resolve(domains)
    with pytest.raises(ValueError, match=r"canonical steps belong to keys\.domains\.email"):
        Pseudonymize(domain="email", canonical=DECIMAL).resolve(domains)


def test_declarations_travel() -> None:
    operator = Pseudonymize(
        domain="email", form="base32", prefix="x_", bits=96, keep_domain="common", presence="hide", canonical=EMAIL
    )
    assert Pseudonymize.from_dict(json.loads(json.dumps(operator.to_dict()))) == operator
    assert pickle.loads(pickle.dumps(operator)) == operator
    assert operator.requests() == (KeyRequest("pseudonymize", "aes-cmac", "email"),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "domain"),
        ({"domain": ""}, "at least 1 character"),
        ({"domain": "x", "form": "base64"}, "'hex', 'base32', 'uuid', 'int64' or 'int32'"),
        ({"domain": "x", "bits": 64}, "128 or 96"),
        ({"domain": "x", "bits": "96"}, "128 or 96"),
        ({"domain": "x", "form": "uuid", "bits": 96}, "form uuid has 128 bits"),
        ({"domain": "x", "prefix": "a b"}, "match pattern"),
        ({"domain": "x", "prefix": "a\n"}, "match pattern"),
        ({"domain": "x", "keep_domain": "all"}, "'common', or a list"),
        ({"domain": "x", "keep_domain": {"file": "domains.txt"}}, "'common', or a list"),
        ({"domain": "x", "keep_domain": []}, "'common', or a list"),
        ({"domain": "x", "keep_domain": ["example.org", "b.example", "example.org"]}, "twice"),
        ({"domain": "x", "keep_domain": [OTHER_DOMAIN]}, "stands for all others"),
        *(
            ({"domain": "x", "keep_domain": ["example.org", bad]}, "entry 2 of keep_domain")
            for bad in (
                "Example.org",
                "example",
                "@example.org",
                "a@b.example",
                "example.org.",
                "-a.example",
                "a..example",
                " b.example",
                "b.example\n",
                "",
                "m\u00fcller.example",
                "x" * 64 + ".example",
                7,
                None,
            )
        ),
        ({"domain": "x", "presence": "drop"}, "'keep' or 'hide'"),
        ({"domain": "x", "salt": "y"}, "Unexpected keyword"),
        ({"domain": "x", "canonical": ["soundex"]}, "canonical"),
    ],
)
def test_arguments_that_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Pseudonymize.from_dict(arguments)


@settings(max_examples=40, deadline=None)
@given(numbers=st.sets(st.integers(1 - (1 << 29), (1 << 29) - 1), max_size=20), form=st.sampled_from(["int32", "int64"]))
def test_integer_tokens_are_in_their_range_and_join_over_types(numbers: set[int], form: str) -> None:
    operator = Pseudonymize(domain="customer", form=form, canonical=DECIMAL)
    kept = sorted(numbers)
    keys = SubKeys({request: derive(ROOT, request, "analytics", 1) for request in operator.requests()}, {})
    made = [
        operator.kernel(pa.field("id", array.type), keys)(array)
        for array in (
            pa.array(kept, pa.int64()),
            pa.array(kept, pa.int32()),
            pa.array([f"{number:012}" for number in kept], pa.string()),
            pa.array(kept, pa.float64()),
        )
    ]
    assert all(one.equals(made[0]) for one in made)
    assert made[0].type == (pa.int32() if form == "int32" else pa.int64())
    tokens_made = made[0].to_pylist()
    bits = 30 if form == "int32" else 62
    assert len(set(tokens_made)) == len(kept)
    assert all(1 << bits <= token < 2 << bits for token in tokens_made)


def test_a_domain_s_text_and_integer_tokens_have_keys_of_their_own() -> None:
    requests = [Pseudonymize(domain="customer", form=form).requests()[0] for form in ("hex", "int64", "int32")]
    assert [request.algorithm for request in requests] == ["aes-cmac", "aes-ff1", "aes-ff1"]


def test_contract() -> None:
    contract = Pseudonymize(domain="customer").contract
    assert (contract.technique, contract.deterministic, contract.injective) == ("pseudonymization", True, True)
    assert (contract.keyed, contract.reversible, contract.subtree) == (True, False, False)


def test_one_kernel_serves_two_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    operator = Pseudonymize(domain="customer")
    keys = SubKeys({request: derive(ROOT, request, "analytics", 1) for request in operator.requests()}, {})
    kernel = operator.kernel(pa.field("id", pa.int64()), keys)
    columns = [pa.array(range(start, start + 30_000)) for start in range(0, 240_000, 30_000)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(kernel, columns))
    assert all(made.equals(kernel(column)) for made, column in zip(together, columns, strict=True))
