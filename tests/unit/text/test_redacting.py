from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.operators import RejectedValuesError
from airlock.text import analyzer
from airlock.text.redacting import Redaction, Span, replace

ROWS = pa.struct({"value": pa.string(), "known": pa.list_(pa.string())})
MAIL = Redaction(entities=("EMAIL_ADDRESS", "PHONE_NUMBER"), min_score=0.4, constant=None)


def rows(*pairs):
    return pa.array([{"value": text, "known": known} for text, known in pairs], ROWS)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], "0123456789"),
        ([Span(0, 10, "A")], "<A>"),
        ([Span(0, 2, "A"), Span(2, 4, "B"), Span(9, 10, "C")], "<A><B>45678<C>"),
        ([Span(2, 5, "A"), Span(4, 9, "B")], "01<B>9"),
        ([Span(2, 5, "A"), Span(4, 7, "B")], "01<A>789"),
        ([Span(1, 9, "A"), Span(2, 4, "B"), Span(8, 10, "C")], "0<A>"),
        ([Span(1, 4, "A"), Span(3, 6, "B"), Span(5, 10, "C")], "0<C>"),
        ([Span(3, 6, "KNOWN_VALUE"), Span(3, 6, "URL")], "012<URL>6789"),
    ],
)
def test_overlaps_become_one_named_after_the_longest(spans, expected):
    assert replace("0123456789", spans) == replace("0123456789", spans[::-1]) == expected


def test_a_constant_stands_for_all():
    assert replace("0123456789", [Span(0, 1, "A"), Span(5, 10, "B")], constant="[x]") == "[x]1234[x]"
    assert replace("0123456789", [Span(0, 4, "A")], constant="") == "456789"


def test_case_folding_that_changes_lengths_keeps_places():
    made = MAIL(
        rows(
            ("ẞtraße: İSTANBUL Straße 5 ß", ["STRASSE 5", "istanbul"]),
            ("ﬁ ﬁnn!", ["Finn"]),
            ("x Jose\u0301\u0301, y", ["José"]),
            ("so\u00adft Muller\u200b|", ["müller"]),
            ("(Anna \t\n Berg)", ["anna berg"]),
        )
    )
    assert made.to_pylist() == [
        "ẞtraße: <KNOWN_VALUE> <KNOWN_VALUE> ß",
        "ﬁ <KNOWN_VALUE>!",
        "x <KNOWN_VALUE>, y",
        "so\u00adft <KNOWN_VALUE>|",
        "(<KNOWN_VALUE>)",
    ]


def test_equal_texts_of_different_rows_lose_their_own_values_only():
    text = "Anna and Bert, a@b.org"
    made = MAIL(rows((text, ["Anna"]), (text, ["Bert"]), (text, []), (None, ["Anna"]), (text, None)))
    assert made.to_pylist() == [
        "<KNOWN_VALUE> and Bert, <EMAIL_ADDRESS>",
        "Anna and <KNOWN_VALUE>, <EMAIL_ADDRESS>",
        "Anna and Bert, <EMAIL_ADDRESS>",
        None,
        "Anna and Bert, <EMAIL_ADDRESS>",
    ]


def test_each_distinct_text_is_searched_once_and_clean_ones_never_again(monkeypatch):
    searched = []
    real = analyzer.find

    def count(texts, **options):
        searched.append(list(texts))
        return real(texts, **options)

    monkeypatch.setattr(analyzer, "find", count)
    made = MAIL(rows(*[("a@b.org", []), ("clean", [])] * 50))
    assert made.to_pylist() == ["<EMAIL_ADDRESS>", "clean"] * 50
    assert searched == [["a@b.org", "clean"], ["<EMAIL_ADDRESS>"]]


def test_what_a_replacement_brings_forth_is_replaced_too():
    # Nine bare digits score 0.05, and 0.4 only once "US_SSN" in the placeholder lends them the context word.
    numbers = Redaction(entities=("US_SSN",), min_score=0.4, constant=None)
    text = "536-22-8723 536228724"
    (before,) = analyzer.find([text], entities=numbers.entities, min_score=0.4)
    assert [text[found.start : found.end] for found in before] == ["536-22-8723"]
    assert numbers(rows((text, []))).to_pylist() == ["<US_SSN> <US_SSN>"]


def test_a_text_that_never_settles_goes_as_a_whole():
    restless = Redaction(entities=("URL",), min_score=0.4, constant="a")
    text = "say a" + "-na" * 20 + " please"
    assert restless(rows((text, ["a-na"]), ("a-na", ["a-na"]))).to_pylist() == ["a", "a"]
    assert MAIL.placeholders == ("<EMAIL_ADDRESS>", "<PHONE_NUMBER>", "<KNOWN_VALUE>", "<REDACTED>")


def test_a_person_called_like_a_placeholder():
    made = MAIL(rows(("Ms Address: a@b.org, <EMAIL_ADDRESS>", ["Address", "Known"])))
    assert made.to_pylist() == ["Ms <KNOWN_VALUE>: <EMAIL_ADDRESS>, <EMAIL_ADDRESS>"]
    named = Redaction(entities=("URL",), min_score=0.4, constant="[anna]")
    assert named(rows(("anna", ["Anna"]))).to_pylist() == ["[anna]"]


def test_an_unsearched_text_rejects_its_rows():
    long = "a" * (analyzer.LONGEST_TEXT + 1)
    with pytest.raises(RejectedValuesError, match="2 of 4 values rejected: entity-search-incomplete") as caught:
        MAIL(rows(("a", []), (long, []), (None, []), (long, [])))
    assert caught.value.mask.to_pylist() == [False, True, False, True]
    assert "aaaa" not in str(caught.value)


def test_a_text_unsearched_in_a_later_round_rejects_its_rows(monkeypatch):
    real = analyzer.find

    def fail_later(texts, **options):
        return [None if "<" in text else found for text, found in zip(texts, real(texts, **options), strict=True)]

    monkeypatch.setattr(analyzer, "find", fail_later)
    with pytest.raises(RejectedValuesError) as caught:
        MAIL(rows(("ok", []), ("a@b.org", []), ("Anna", ["Anna"])))
    assert caught.value.mask.to_pylist() == [False, True, True]
