"""Surrogates: chosen by the tag alone, one record a tuple, equal in every table, another's for another recipient."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from airlock.errors import OperatorTypeError
from airlock.operators import RowOperator, operator_class
from airlock.operators.surrogate import _salt, _tuples
from airlock.policy.model import Canonical, KeyDomain
from airlock.policy.pools import Part, form, parts, possible
from airlock.policy.pools._places import places
from airlock.testing import Trial, unsafe_subkeys

WORD = (1 << 64) - 1


def declared(kind="full_name", *, canonical=(), **arguments):
    made = operator_class("surrogate").from_dict({"kind": kind, "domain": "d", **arguments})
    return made.resolve({"d": KeyDomain(canonical=canonical)})


def run(values, kind="full_name", *, data_type=None, beside=None, salt="", **arguments):
    array = values if isinstance(values, pa.Array) else pa.array(values, data_type or pa.string())
    trial = Trial.of(declared(kind, **arguments), pa.field("c", array.type), array, beside)
    return Trial(trial.operator, trial.field, trial.values, salt).run().to_pylist()


def reference(text, kind, locale, key):
    """By `cryptography` and Python's integers."""
    mac = CMAC(AES(key))
    mac.update(text.encode())
    tag = int.from_bytes(mac.finalize()[:8], "little")
    made = ""
    for part in parts(form(kind, locale)):
        if isinstance(part, Part):
            mixed = tag ^ int(_salt(part.role))
            mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & WORD
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & WORD
            made += part.texts[(mixed >> 32) * len(part.texts) >> 32].as_py()
        else:
            made += part
    return made


@pytest.mark.parametrize("kind", ["full_name", "address", "email", "company", "phone", "postcode"])
@pytest.mark.parametrize("locale", ["en_US", "it_IT", "ja_JP"])
def test_the_tag_chooses(kind, locale):
    operator = declared(kind, locale=locale)
    keys = unsafe_subkeys(operator.requests())
    texts = ["ann", "", "Zoë", "x" * 100, "42"]
    assert run(texts, kind, locale=locale) == [reference(text, kind, locale, keys[operator.requests()[0]]) for text in texts]


def test_the_roles_choices_are_frozen():
    """What a release of Airlock changes here changes every surrogate."""
    assert [f"{int(_salt(role)):016x}"[:4] for role in ("first", "last", "place")] == ["8fa5", "9a48", "15ff"]


def test_every_text_is_as_likely_as_any_other():
    made = Counter(run([str(number) for number in range(69_000)], "first_name"))
    assert len(made) == 690
    # 100 each, standard deviation 10.
    assert 50 < min(made.values()) <= max(made.values()) < 150


def test_parts_are_chosen_independently():
    made = [text.split(" ") for text in run([str(number) for number in range(20_000)])]
    first, last = (np.unique([row[at] for row in made], return_inverse=True)[1] for at in (0, 1))
    assert abs(np.corrcoef(first, last)[0, 1]) < 0.03
    assert len({tuple(row) for row in made}) > 19_600


def test_tables_agree_whatever_their_types():
    steps = (Canonical.DECIMAL,)
    integers = run([42, 7, None], data_type=pa.int64(), canonical=steps)
    assert integers == run(["0042", "7", None], data_type=pa.large_string(), canonical=steps)
    assert integers[2] is None


def test_another_recipient_gets_others():
    texts = [str(number) for number in range(2_000)]
    equal = sum(one == other for one, other in zip(run(texts), run(texts, salt="another"), strict=True))
    assert equal <= 2  # chance: one in 690,000
    assert (
        sum(one == other for one, other in zip(run(texts, "first_name"), run(texts, "first_name", salt="x"), strict=True)) < 15
    )


ROWS = {
    "street": pa.array(["1 Elm St", "1 Elm St", None, "", "2 Oak St"]),
    "city": pa.array(["Erehwon", "Utopia", "Erehwon", "Erehwon", "Erehwon"]),
    "zip": pa.array([12345, 12345, 12345, 12345, 12345]),
}


@pytest.mark.parametrize("locale", ["de_DE", "en_US", "it_IT", "nl_NL"])
def test_city_state_and_post_code_of_a_tuple_are_one_place(locale):
    of = ["street", "city", "zip"]
    there = {
        (state, city, code)
        for state, city, code in zip(places(locale).states, places(locale).cities, places(locale).postcodes, strict=True)
    }
    made = {
        kind: run(ROWS["city"], kind, locale=locale, of=of, beside=ROWS) for kind in ("state", "city", "postcode", "address")
    }
    assert len(set(made["postcode"])) == 5
    for state, city, code, line in zip(*made.values(), strict=True):
        assert (state, city, code) in there
        assert city in line
        assert code in line


def test_name_and_mail_address_of_a_tuple_are_one_person():
    beside = {"id": pa.array([1, 2, 3]), "sex": pa.array(["f", "m", None])}
    gender = {"column": "sex", "female": ["f"], "male": ["m"]}
    first, last, full, mail = (
        run(["a", "b", "c"], kind, of=["id"], beside=beside, **({} if kind == "last_name" else {"gender": gender}))
        for kind in ("first_name", "last_name", "full_name", "email")
    )
    assert full == [f"{one} {other}" for one, other in zip(first, last, strict=True)]
    assert [text.rsplit(".", 2)[0] for text in mail] == [text.lower().replace(" ", ".") for text in full]


def test_the_order_of_the_columns_counts():
    one, other = (run(ROWS["city"], "address", of=of, beside=ROWS) for of in (["street", "city"], ["city", "street"]))
    assert not set(one) & set(other)


@given(st.lists(st.tuples(*[st.none() | st.text("a\0\1", max_size=3)] * 2), min_size=2, max_size=8, unique=True))
def test_different_tuples_are_different_bytes(rows):
    columns = [pa.array([row[at] for row in rows], pa.large_string()) for at in (0, 1)]
    assert len(set(_tuples(columns).to_pylist())) == len(rows)


def test_the_columns_value_decides_whether_there_is_one():
    assert run([None, "x"], "city", of=["zip"], beside={"zip": pa.array([1, 1])})[0] is None


def test_gender_by_a_column():
    number = 4_000
    says = pa.array(["F", "M", "?", None] * (number // 4))
    made = run(
        [str(n) for n in range(number)],
        "first_name",
        gender={"column": "sex", "female": ["F"], "male": ["M"]},
        beside={"sex": says},
    )
    female, male, every = (set(form("first_name", "en_US", gender).texts.to_pylist()) for gender in ("female", "male", "any"))
    assert set(made[0::4]) <= female
    assert set(made[1::4]) <= male
    for rest in (made[2::4], made[3::4]):
        assert set(rest) <= every
        assert set(rest) - female
        assert set(rest) - male
    assert made[0::4] == [run([str(n)], "first_name", gender="female")[0] for n in range(0, number, 4)][: len(made[0::4])]


def test_gender_by_an_integer_column():
    beside = {"sex": pa.array([1, 2])}
    gender = {"column": "sex", "female": ["2"], "male": ["1"]}
    made = run(["a", "b"], "first_name", gender=gender, beside=beside)
    assert made == [run(["a"], "first_name", gender="male")[0], run(["b"], "first_name", gender="female")[0]]


def test_only_what_looks_at_other_columns_is_a_row_operator():
    """A plain one costs distinct values over dictionaries."""
    assert not isinstance(declared("city"), RowOperator)
    assert declared("city", of=["a", "b"]).inputs == ("a", "b")
    assert declared("email", of=["a"], gender={"column": "a", "female": [], "male": []}).inputs == ("a",)


@pytest.mark.parametrize(
    ("arguments", "types", "message"),
    [
        ({"of": ["a"]}, {"a": pa.bool_()}, "can't be made of 'a', which is bool"),
        ({"of": ["a"], "canonical": (Canonical.UUID,)}, {"a": pa.int64()}, "uuid does not fit"),
        (
            {"gender": {"column": "s", "female": [], "male": []}},
            {"s": pa.binary()},
            "can't tell a gender from 's', which is binary",
        ),
    ],
)
def test_inputs_of_other_types_are_refused(arguments, types, message):
    with pytest.raises(OperatorTypeError, match=message):
        declared("first_name", **arguments).require_inputs(types)


def test_the_contract_says_how_often_a_value_stays_by_chance():
    contract = declared("first_name").contract
    assert contract.chance == 1 / possible(form("first_name", "en_US")) == 1 / 690
    assert (contract.keyed, contract.deterministic, contract.injective, contract.reversible) == (True, True, False, False)
