from __future__ import annotations

import pytest

from airlock.text.folding import fold
from airlock.text.matching import spans


def found(text, needle, digits=""):
    folded = fold(text)
    return [folded[start:end] for start, end in spans(folded, fold(needle), digits=digits)]


@pytest.mark.parametrize(
    ("text", "needle", "expected"),
    [
        ("Anna called. ANNA!", "anna", ["anna", "anna"]),
        ("Joanna, Annas, anna7", "anna", []),
        ("john_smith@x", "smith", ["smith"]),
        ("(anna)", "anna", ["anna"]),
        ("a+b@x.org.", "a+b@x.org", ["a+b@x.org"]),
        ("-12 Elm St.-", "12 elm st.", ["12 elm st."]),
        ("#anna#anna#", "#anna#", ["#anna#", "#anna#"]),
        ("田中太郎様から", "田中太郎", ["田中太郎"]),
        ("Müller様", "Müller", ["muller"]),
        ("김철수는", "김철수", [fold("김철수")]),
        ("รักสมชายมาก", "สมชาย", ["สมชาย"]),
        ("रामायण", "राम", []),
    ],
)
def test_values_stand_on_word_boundaries(text, needle, expected):
    assert found(text, needle) == expected


NUMBER = "15551234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("555-123-4567", ["555-123-4567"]),
        ("(555) 123 4567.", ["555) 123 4567"]),
        ("+1 555.123.4567", ["1 555.123.4567"]),
        ("+15551234567", ["15551234567"]),
        ("0015551234567x12", ["0015551234567"]),
        ("5551234567", ["5551234567"]),
        ("5 5 5 1 2 3 4 5 6 7", ["5 5 5 1 2 3 4 5 6 7"]),
        ("555 - 123 - 4567", ["555 - 123 - 4567"]),
        ("555-123-45678", []),
        ("9999915551234567", []),
        ("555 call 123 4567", []),
        ("555 --- 1234567", []),
        ("123-4567", []),
        ("5551234567 and 555/1234567", ["5551234567", "555/1234567"]),
    ],
)
def test_numbers_are_known_by_their_last_ten_digits(text, expected):
    assert found(text, "+1 (555) 123-4567", NUMBER) == expected


def test_a_longer_number_is_taken_from_where_its_own_digits_begin():
    assert found("card 4111 1111 1111 1234 ok", "x", "4111111111111234") == ["4111 1111 1111 1234"]
    assert found("card 99 4111111111111234 ok", "x", "4111111111111234") == ["4111111111111234"]


def test_words_inside_a_placeholder_do_not_count():
    text = "<email_address> address"
    assert spans(text, "address", exempt=("<email_address>",)) == ((16, 23),)
    assert spans("email_address> address", "address", exempt=("<email_address>",)) == ((6, 13), (15, 22))


def test_absent_is_empty():
    assert spans("", "anna") == ()
    assert spans("nothing", "anna", digits="1234567") == ()
