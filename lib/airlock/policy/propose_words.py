"""Words of column names and what they tell: data for `propose_rules`. English, and the commonest of German and French."""

from __future__ import annotations

import re

from airlock.policy.path import ColumnPath

__all__ = [
    "ADDRESS",
    "AGE",
    "AMOUNT",
    "BIRTH",
    "CARD",
    "COORDINATE",
    "EMAIL",
    "ID",
    "NAME",
    "NET",
    "PEOPLE",
    "PERSON",
    "PHONE",
    "PROSE",
    "REFERRER",
    "SECRET",
    "TRAIT",
    "US_ZIP",
    "ZIP",
    "domain_of",
    "split_name",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECRET = _words("ssn password passwd secret token credential pin iban bic passport license licence tax taxid fingerprint")
ID = _words("id ids uuid guid key nr no")
EMAIL = _words("email mail")
PHONE = _words("phone phones telephone tel mobile cell fax telefon")
CARD = _words("card pan creditcard")
NET = _words(
    "ip url urls uri link website homepage hostname mac imei agent useragent device cookie geo gps lat latitude lon lng longitude"
)
COORDINATE = _words("lat latitude lon lng longitude")
REFERRER = _words("referrer referer")
NAME = _words("name names first last surname firstname lastname fullname middle nickname suffix vorname nachname nom prenom")
PERSON = _words("login username user handle handles author contact signature social photo picture image avatar")
PEOPLE = _words(
    "customer person patient user member client subject employee student citizen participant donor driver guest passenger legislator"
)
ADDRESS = _words("address addresses street road addr strasse adresse building suite apartment")
BIRTH = _words("birth birthday birthdate dob born geburtsdatum")
ZIP = _words("zip zipcode postcode postal plz postalcode")
US_ZIP = _words("zip zipcode")
AGE = _words("age alter")
TRAIT = _words(
    "sex gender race ethnicity religion nationality country city town state region province county marital language occupation "
    "profession education relationship caste tribe citizenship"
)
AMOUNT = _words(
    "amount price value total subtotal balance salary wage income revenue cost costs fee gain loss spend spent paid payment "
    "turnover discount credit debit budget"
)
PROSE = _words(
    "note notes comment comments description text body message remark remarks subject bio summary feedback review memo"
)


def split_name(name: str) -> list[str]:
    """The words of a column's name, lower case.

    Example:
        >>> split_name("customerId"), split_name("Date of-birth")
        (['customer', 'id'], ['date', 'of', 'birth'])
    """
    apart = re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])", "_", name)
    return [word.casefold() for word in re.split(r"[\W_]+", apart) if word]


def domain_of(path: ColumnPath) -> str:
    """The key domain that an identifier's name suggests: `customer` for `customer_id` and `customer.id`; else `id`."""
    names = [step for step in path.steps if isinstance(step, str)]
    for name in reversed(names):
        left = [word for word in split_name(name) if word not in ID]
        plain = re.sub(r"[^a-z0-9-]", "", "-".join(left))[:63].strip("-")
        if plain:
            return plain
    return "id"
