"""The gate's judge of surrogates against the operator, and against what is nearly one."""

import pyarrow as pa
import pytest

from airlock.errors import DisclosureError
from airlock.gate.shapes import offenders, violations
from airlock.operators import operator_class
from airlock.policy.formats import FromPool
from airlock.policy.model import KeyDomain
from airlock.policy.pools import GENDERED, KINDS, LOCALES
from airlock.testing import Trial

RAW = pa.array([f"Mx. Raw {number}" for number in range(300)])


def made(kind, locale, gender="any"):
    operator = operator_class("surrogate").from_dict({"kind": kind, "domain": "d", "locale": locale, "gender": gender})
    return Trial.of(operator.resolve({"d": KeyDomain()}), pa.field("c", pa.string()), RAW).run()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_operator_makes_passes_and_nothing_near_it(kind, locale):
    shape, texts = FromPool(kind=kind, locale=locale), made(kind, locale)
    assert (
        violations(texts, shape)
        == violations(texts.dictionary_encode(), shape)
        == violations(texts.cast(pa.large_string()), shape)
        == 0
    )
    assert violations(texts.cast(pa.string_view()), shape) == 0
    assert violations(RAW, shape) == len(RAW)
    near = [
        change(text)
        for text in texts.to_pylist()[:40]
        for change in (lambda t: t + "x", lambda t: t[1:] + "\x00", lambda t: f" {t}", lambda t: f"{t}\n")
    ]
    assert offenders(pa.array([*near, ""]), shape).all()


@pytest.mark.parametrize("kind", GENDERED)
@pytest.mark.parametrize("gender", ["female", "male"])
def test_a_gender_is_a_pool_of_its_own(kind, gender):
    other = "male" if gender == "female" else "female"
    assert violations(made(kind, "de_DE", gender), FromPool(kind=kind, locale="de_DE", gender=gender)) == 0
    assert violations(made(kind, "de_DE", gender), FromPool(kind=kind, locale="de_DE")) == 0
    assert violations(made(kind, "de_DE", other), FromPool(kind=kind, locale="de_DE", gender=gender)) > 250


def test_every_part_is_looked_up():
    shape = FromPool(kind="email", locale="en_US")
    assert violations(pa.array(["anna.smith.42@example.org"]), shape) == 0
    wrong = [
        "anna.smith.42@gmail.com", "qqq.smith.42@example.org", "anna.qqq.42@example.org", "anna.smith.7@example.org", "anna.smith@example.org",
        "Anna.smith.42@example.org", "anna.smith.42@example.org@example.org", "a@b@example.org", "anna.smith.42",
    ]  # fmt: skip
    assert violations(pa.array(wrong), shape) == len(wrong)
    place = FromPool(kind="address", locale="en_US")
    assert violations(pa.array(["12 Smith Court, Dallas, Texas 75262", "12 Smith Avenue, Dallas, Texas 75262"]), place) == 1
    assert violations(pa.array(["12 Smith Court, Dallas, Utah 75262", "200 Smith Court, Dallas, Texas 75262"]), place) == 2


def test_numbers_are_no_surrogates_unless_their_text_is():
    assert violations(pa.array([84406, 84407, 1]), FromPool(kind="postcode", locale="en_US")) == 1
    assert violations(pa.array([84406, 1]), FromPool(kind="full_name", locale="en_US")) == 2
    assert violations(pa.array([b"\xff"]), FromPool(kind="full_name", locale="en_US")) == 1


@pytest.mark.parametrize(
    ("kind", "entity"), [("email", "EMAIL_ADDRESS"), ("phone", "PHONE_NUMBER"), ("full_name", "PERSON"), ("street", "LOCATION")]
)
def test_what_looks_real_needs_the_policys_word(column, rules_of, kind, entity):
    columns = {
        "id": column("int64", pseudonymize="d"),
        "x": column("string", kind="direct_identifier", surrogate={"kind": kind, "domain": "e"}),
    }
    for accepted in ({}, {"x": "URL"}):
        with pytest.raises(
            DisclosureError, match=rf"'x' would hold what looks like {entity}, which gate\.synthetic does not accept"
        ):
            rules_of(columns, gate={"synthetic": accepted})
    (_, rule) = rules_of(columns, gate={"synthetic": {"x": entity}}).leaves
    assert rule.forbidden == ()
    assert rule.shape(pa.string()) == FromPool(kind=kind, locale="en_US")


@pytest.mark.parametrize("kind", ["company", "job", "username"])
def test_what_looks_like_nothing_needs_none(column, rules_of, kind):
    columns = {"id": column("int64", pseudonymize="d"), "x": column("string", surrogate={"kind": kind, "domain": "e"})}
    assert len(rules_of(columns).leaves) == 2


def test_frequencies_count_as_for_pseudonyms(column, rules_of):
    columns = {
        "id": column("int64", pseudonymize="d"),
        "x": column("string", surrogate={"kind": "job", "domain": "e"}),
        "accepted": {**column("string", surrogate={"kind": "job", "domain": "e"}), "accept_frequency": "r"},
        "subjects": column("string", surrogate={"kind": "job", "domain": "d"}),
    }
    assert [str(rule.path) for rule in rules_of(columns).leaves if rule.frequency] == ["x", "subjects"]
    assert [str(rule.path) for rule in rules_of(columns).leaves if rule.kept] == []
