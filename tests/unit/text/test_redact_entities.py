from __future__ import annotations

import pickle
from functools import cache

import pyarrow as pa
import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airlock.errors import ContractError, MissingCapabilityError, OperatorTypeError
from airlock.keys import SubKeys
from airlock.text import analyzer
from airlock.text.known import occurrences
from airlock.text.redact_entities import ROWS_PER_SECOND, RedactEntities
from airlock.types import Classification

CHOSEN = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "URL")
FULL = RedactEntities(entities=CHOSEN, known_values=("name", "email"))
TYPES = [pa.string(), pa.large_string(), pa.string_view()]


def rows(texts, known, kind=None):
    return pa.StructArray.from_arrays(
        [pa.array(texts, kind or pa.string()), pa.array(known, pa.list_(pa.string()))], ["value", "known"]
    )


def redact(operator, texts, known=None, kind=None):
    kernel = operator.kernel(pa.field("notes", kind or pa.string()), SubKeys({}, {}))
    return kernel(rows(texts, known or [[]] * len(texts), kind))


@cache
def people(count=60, seed=21):
    fake = Faker(["en_US", "de_DE", "fr_FR"])
    Faker.seed(seed)
    texts, known = [], []
    for row in range(count):
        name, mail = fake.name(), fake.email()
        phone, street = fake.numerify("+1 (2##) 55#-01##"), fake.street_address()
        digits = "".join(filter(str.isdigit, phone))
        mention = [
            name.upper(),
            name.lower(),
            mail.upper(),
            digits,
            digits[1:],
            phone.replace(" ", "."),
            street,
            street.upper(),
        ]
        card, iban = fake.credit_card_number(), fake.iban()
        texts.append(f"{fake.sentence()} {mention[row % 8]}; {mention[row % 5]} {card if row % 2 else iban}. {fake.sentence()}")
        known.append([name, mail, phone, street])
    return texts, known


def test_nothing_known_and_no_entity_is_left():
    texts, known = people()
    assert all(occurrences(pa.array(texts), pa.array(known)).to_pylist())
    made = redact(FULL, texts, known)
    assert not any(occurrences(made, pa.array(known), placeholders=FULL.placeholders).to_pylist())
    assert analyzer.find(made.to_pylist(), entities=CHOSEN, min_score=0.4) == [()] * len(texts)
    assert redact(FULL, made.to_pylist(), known).equals(made)


def test_chunks_and_slices_agree_with_the_whole():
    texts, known = people()
    whole = redact(FULL, texts, known)
    assert pa.concat_arrays([redact(FULL, texts[:7], known[:7]), redact(FULL, texts[7:], known[7:])]).equals(whole)
    kernel = FULL.kernel(pa.field("notes", pa.string()), SubKeys({}, {}))
    assert kernel(rows(texts, known).slice(5, 11)).equals(whole.slice(5, 11))
    assert kernel(rows([], [])).equals(whole.slice(0, 0))


@pytest.mark.parametrize("kind", TYPES)
def test_the_type_stays_and_nulls_stay(kind):
    field = pa.field("notes", kind)
    assert FULL.result_field(field) == field
    made = redact(FULL, ["a@b.org", None, "", "x"], kind=kind)
    assert made.type == kind
    assert made.to_pylist() == ["<EMAIL_ADDRESS>", None, "", "x"]
    assert redact(FULL, [None, None], kind=kind).to_pylist() == [None, None]


def test_a_null_row_is_a_null_text():
    value = pa.array(["a@b.org", "c@d.org"])
    known = pa.array([[], []], pa.list_(pa.string()))
    struct = pa.StructArray.from_arrays([value, known], ["value", "known"], mask=pa.array([False, True]))
    kernel = FULL.kernel(pa.field("notes", pa.string()), SubKeys({}, {}))
    assert kernel(struct).to_pylist() == ["<EMAIL_ADDRESS>", None]


def test_the_input_is_not_changed():
    texts, known = people(6)
    given_rows = rows(texts, known)
    before = given_rows.to_pylist()
    FULL.kernel(pa.field("notes", pa.string()), SubKeys({}, {}))(given_rows)
    assert given_rows.to_pylist() == before


@pytest.mark.parametrize("kind", [pa.int64(), pa.binary(), pa.list_(pa.string()), pa.date32()])
def test_other_types_are_refused(kind):
    with pytest.raises(OperatorTypeError, match=r"takes text .* but column 'notes' is"):
        FULL.result_field(pa.field("notes", kind))


def test_an_entity_without_a_recognizer_is_refused():
    operator = RedactEntities(entities=("URL", "PERSON", "LOCATION"))
    with pytest.raises(
        MissingCapabilityError, match=r"can find LOCATION, PERSON; what can be found: .*EMAIL_ADDRESS"
    ) as caught:
        operator.result_field(pa.field("notes", pa.string()))
    assert caught.value.exit_code == 2
    assert caught.value.facts == {"missing": ["LOCATION", "PERSON"]}


def test_a_constant_that_is_itself_an_entity_is_refused():
    operator = RedactEntities.from_dict({"entities": ["EMAIL_ADDRESS"], "with": "gone@example.org"})
    with pytest.raises(ContractError, match="would itself be found as an entity") as caught:
        operator.check_entities()
    assert "gone@example.org" not in str(caught.value)


def test_every_entity_that_can_be_found_has_a_placeholder_that_can_not():
    RedactEntities(entities=tuple(sorted(analyzer.supported_entities())), min_score=0.0).check_entities()


def test_the_constant_and_the_score():
    operator = RedactEntities.from_dict({"entities": ["PHONE_NUMBER", "PHONE_NUMBER"], "min_score": 0.5, "with": "[gone]"})
    assert redact(operator, ["2025550143", "phone 2025550143"]).to_pylist() == ["2025550143", "phone [gone]"]
    assert operator.placeholders == ("[gone]",)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"entities": []},
        {"entities": [""]},
        {"entities": "URL"},
        {"entities": ["URL"], "min_score": 1.5},
        {"entities": ["URL"], "min_score": "0.4"},
        {"entities": ["URL"], "with_": "x"},
        {"entities": ["URL"], "known": ["name"]},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValidationError):
        RedactEntities.from_dict(arguments)


def test_the_declaration_is_a_value():
    made = RedactEntities.from_dict({"entities": ["URL"], "known_values": ["name.first"], "min_score": 1, "with": "[x]"})
    assert made.to_dict() == {"entities": ["URL"], "known_values": ["name.first"], "min_score": 1.0, "with": "[x]"}
    assert RedactEntities.from_dict(made.to_dict()) == made == pickle.loads(pickle.dumps(made))
    assert hash(made) == hash(RedactEntities.from_dict(made.to_dict()))
    assert made.known == ("name.first",)
    assert list(made.arguments()) == ["entities", "known_values", "min_score", "with"]
    assert made.requests() == ()
    assert pickle.loads(pickle.dumps(made.kernel(pa.field("x", pa.string()), SubKeys({}, {})))) is not None


def test_the_contract():
    contract = FULL.contract
    assert (contract.technique, contract.deterministic, contract.keyed) == (
        "suppression: local suppression, partial",
        True,
        False,
    )
    assert contract.classes == {Classification.SENSITIVE}
    assert ROWS_PER_SECOND > 0


pieces = st.one_of(
    st.sampled_from(
        [
            "Anna",
            "ANNA",
            "Straße 5",
            "strasse 5",
            "a@b.org",
            "555-1234567",
            "5551234567",
            "<URL>",
            "@",
            "-",
            " ",
            "4111111111111111",
        ]
    ),
    st.text(max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(pieces, max_size=6).map("".join), st.lists(pieces, max_size=3)), max_size=4))
def test_redaction_is_complete_and_idempotent(pairs):
    texts, known = [text for text, _ in pairs], [values for _, values in pairs]
    made = redact(FULL, texts, known)
    assert not any(occurrences(made, pa.array(known, pa.list_(pa.string())), placeholders=FULL.placeholders).to_pylist())
    assert redact(FULL, made.to_pylist(), known).equals(made)
    if texts:
        assert pa.concat_arrays([redact(FULL, [text], [own]) for text, own in pairs]).equals(made)
