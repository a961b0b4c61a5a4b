"""Pools of surrogates: forms that can be taken apart again, places that belong together, and numbers and addresses that are nobody's."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

import phonenumbers
import pytest

from airlock.errors import MissingCapabilityError
from airlock.policy.pools import GENDERED, KINDS, LOCALES, Joined, Part, demand_same_lists, form, parts, possible
from airlock.policy.pools._places import listed_places, places
from airlock.policy.pools._words import words

OWN_TABLE = [locale for locale in LOCALES if locale != "it_IT"]
FICTION = {
    "de_DE": r"030 23125 \d{3}|040 66969 \d{3}|069 90009 \d{3}|089 99998 \d{3}|0221 4710 \d{3}",
    "en_GB": r"01(1[3-8]|[2-6]1) 496 0\d{3}|020 7946 0\d{3}|0191 498 0\d{3}|028 9649 6\d{3}|029 2018 0\d{3}|01632 960\d{3}|07700 900\d{3}",
    "en_US": r"\([2-9][0-8]\d\) 555-01\d\d",
    "fr_FR": r"(01 99 00|02 61 91|03 53 01|04 65 71|05 36 49|06 39 98) \d\d \d\d",
    "sv_SE": r"031-390 06 \d\d|040-628 04 \d\d|08-465 004 \d\d|0980-319 2\d\d",
}


def address_provider(locale):
    return import_module(f"faker.providers.address.{locale}").Provider


def texts(of):
    return [text for part in parts(of) for text in ([part] if isinstance(part, str) else part.texts.to_pylist())]


def joints(of):
    if isinstance(of, Joined):
        yield of
        yield from joints(of.left)
        yield from joints(of.right)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_surrogate_is_taken_apart_in_one_way(kind, locale):
    for joint in joints(form(kind, locale)):
        side = joint.right if joint.rightmost else joint.left
        assert [text for text in texts(side) if joint.separator in text] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_pools_have_an_order_of_their_own(locale):
    """Not Faker's, nor a set's: the same in every process."""
    for kind in ("first_name", "last_name", "job", "country"):
        made = form(kind, locale).texts.to_pylist()
        assert made == sorted(set(made))
    for gender in ("female", "male"):
        assert set(form("first_name", locale, gender).texts.to_pylist()) < set(form("first_name", locale).texts.to_pylist())


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_empty_or_has_a_break(locale):
    for kind in KINDS:
        for part in parts(form(kind, locale)):
            if isinstance(part, Part):
                assert [
                    text for text in part.texts.to_pylist() if not text.strip() or text != text.strip() or "\n" in text
                ] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_mail_goes_to_nobody(locale):
    *account, at, domains = parts(form("email", locale))
    assert at == "@"
    assert domains.texts.to_pylist() == ["example.com", "example.net", "example.org"]
    written = [text for part in account for text in ([part] if isinstance(part, str) else part.texts.to_pylist())]
    assert [text for text in written if not re.fullmatch(r"[a-z0-9-]+|\.", text)] == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("gender", ["female", "male", "any"])
def test_an_address_is_spelled_like_the_name_at_its_place(locale, gender):
    """Columns of one record choose one place in both pools."""
    name, account = form("first_name", locale, gender), next(parts(form("email", locale, gender)))
    assert len(name.texts) == len(account.texts)
    assert account.texts.to_pylist() == [latin for _, latin in words(locale).first(gender)]


@pytest.mark.parametrize("locale", LOCALES)
def test_phones_ring_nowhere(locale):
    numbers = form("phone", locale).texts.to_pylist()
    assert len(numbers) == len(set(numbers))
    if locale in FICTION:
        assert [number for number in numbers if not re.fullmatch(FICTION[locale], number)] == []
    else:
        region = locale[-2:]
        tried = [phonenumbers.parse(number, region) for number in numbers[:: len(numbers) // 500]]
        assert len(tried) >= 500
        assert [number for number in tried if phonenumbers.is_valid_number(number)] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_columns_of_a_place_go_together(locale):
    made = places(locale)
    sizes = {len(form(kind, locale).texts) for kind in ("city", "state", "postcode")}
    assert sizes == {len(made.cities)} == {len(made.lines)}
    for city, code, line in zip(made.cities[::97], made.postcodes[::97], made.lines[::97], strict=True):
        assert city in line
        assert code in line


@pytest.mark.parametrize("locale", ["de_DE", "en_GB", "en_US", "es_ES", "fr_FR"])
def test_there_are_two_hundred_places(locale):
    assert len(listed_places(locale)) >= 200
    assert possible(form("city", locale)) >= 190


@pytest.mark.parametrize("locale", OWN_TABLE)
def test_every_line_of_the_table_is_read(locale):
    listed = listed_places(locale)
    assert len(listed) == len(set(listed)) >= 80
    assert [row for row in listed if len(row) != 3 or not all(row) or re.search(r"\d", row[2])] == []


def test_american_towns_lie_in_the_zones_of_their_states():
    """By the first two digits: Faker's own ranges leave out most of Connecticut, Nebraska and Vermont, and the 74 of Oklahoma."""
    faker = address_provider("en_US")
    abbreviated = [state for state in faker.states_abbr if state != "DC"]
    zones = {
        name: {first // 1000, last // 1000, *range(first // 1000, last // 1000)}
        for name, (first, last) in zip(faker.states, (faker.states_postcode[short] for short in abbreviated), strict=True)
    }
    zones["Oklahoma"].add(74)
    listed = listed_places("en_US")
    assert [(state, start, town) for state, start, town in listed if int(start[:2]) not in zones[state]] == []
    assert {state for state, _, _ in listed} == set(faker.states)


def test_french_towns_have_departments():
    codes = {code for code, _ in address_provider("fr_FR").departments if len(code) == 2}
    assert {start for _, start, _ in listed_places("fr_FR")} == codes - {"2A", "2B"} | {"20"}


def test_every_spanish_province_has_its_number():
    listed = listed_places("es_ES")
    numbers = {start: state for state, start, _ in listed}
    assert sorted(numbers) == [f"{number:02}" for number in range(1, 53)]
    assert len({state for state, _, _ in listed}) == 52
    assert len(set(address_provider("es_ES").states) - set(numbers.values())) == 1  # Faker's "Ciudad" has lost its "Real"


@pytest.mark.parametrize(
    ("locale", "listing"), [("ja_JP", "prefectures"), ("de_DE", "states"), ("nl_NL", "provinces"), ("sv_SE", "states")]
)
def test_states_are_those_that_there_are(locale, listing):
    assert {state for state, _, _ in listed_places(locale)} == set(getattr(address_provider(locale), listing))


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("en_US", r"\d{5}"), ("de_DE", r"\d{5}"), ("fr_FR", r"\d{5}"), ("es_ES", r"\d{5}"), ("it_IT", r"\d{5}"), ("pl_PL", r"\d\d-\d{3}"),
        ("pt_BR", r"\d{5}-\d{3}"), ("sv_SE", r"\d{3} \d\d"), ("nl_NL", r"\d{4} [A-Z]{2}"), ("ja_JP", r"\d{3}-\d{4}"),
        ("en_GB", r"[A-Z]{1,2}\d \d[A-Z]{2}"),
    ],
)  # fmt: skip
def test_post_codes_are_written_as_they_are_there(locale, code):
    made = form("postcode", locale).texts.to_pylist()
    assert [text for text in made if not re.fullmatch(code, text)] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("planet", "en_US"), "no kind of surrogate 'planet'"),
        (("city", "tlh"), "no surrogates for locale 'tlh'"),
        (("city", "en_US", "f"), "gender is"),
    ],
)
def test_there_is_nothing_else(arguments, message):
    with pytest.raises(ValueError, match=message):
        form(*arguments)


def test_gender_is_asked_where_there_is_a_first_name():
    assert {
        kind for kind in KINDS if "first" in {part.role for part in parts(form(kind, "en_US")) if isinstance(part, Part)}
    } == set(GENDERED)


def test_without_faker_the_extra_is_named():
    code = """
import sys
sys.modules["faker"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name.startswith("faker") else find(name)
from airlock.errors import MissingCapabilityError
from airlock.operators import operator_class
operator = operator_class("surrogate")(kind="city", domain="d")
assert operator.contract.chance == 1
try:
    operator.resolve({})
except MissingCapabilityError as error:
    print(error.facts, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("{'extra': 'surrogates'} surrogates come from word lists"), done.stderr
    assert "pip install 'airlock[surrogates]'" in done.stdout


def test_only_the_same_lists_judge():
    demand_same_lists({"numpy": "1"})
    demand_same_lists({"faker": version("faker")})
    with pytest.raises(MissingCapabilityError, match=f"Faker 1.2, this door has {re.escape(version('faker'))}"):
        demand_same_lists({"faker": "1.2"})
    with pytest.raises(MissingCapabilityError, match="Faker another version"):
        demand_same_lists({"faker": "Ann Lee"})
