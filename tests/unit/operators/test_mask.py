"""mask: against a reference that goes character by character, and what may stand on direct identifiers."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.operators.mask import Mask
from airlock.types import Classification

# Categories of characters assigned long ago: RE2 and Python may carry different Unicode versions.
OLD = st.characters(codec="latin-1") | st.sampled_from("日本٠١½²Ⅷ👍🇩\u0301\u200d\u0935\u093f\u094d«»—€\x00\n\U0001f468")
TEXT = st.text(OLD, max_size=12) | st.text(st.characters(codec="ascii"), max_size=12)
CLASSES = (
    st.sets(st.sampled_from(["digits", "letters", "others"]), min_size=1)
    .map(tuple)
    .filter(lambda chosen: chosen != ("others",))
)


def kind_of(character):
    return {"N": "digits", "L": "letters", "M": "letters"}.get(unicodedata.category(character)[0], "others")


def reference(text, mask):
    if text is None:
        return None
    first, last = (mask.keep_first, mask.keep_last) if len(text) > mask.shown else (0, 0)
    inner = text[first : len(text) - last]
    return text[:first] + "".join(mask.char if kind_of(c) in mask.classes else c for c in inner) + text[len(text) - last :]


def run(mask, texts, data_type=None):
    data_type = data_type or pa.string()
    return mask.kernel(pa.field("c", data_type), None)(pa.array(texts, data_type)).to_pylist()


@settings(deadline=None)
@given(st.lists(TEXT | st.none()), CLASSES, st.integers(0, 3), st.integers(0, 3), st.sampled_from("*•x\\█é0"))
def test_as_the_reference(texts, classes, first, last, char):
    mask = Mask(keep_first=first, keep_last=last, char=char, classes=classes)
    assert run(mask, texts) == [reference(text, mask) for text in texts]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12)), st.integers(0, 3), st.integers(0, 3))
def test_all_classes_leave_only_the_ends_of_any_text(texts, first, last):
    mask = Mask(keep_first=first, keep_last=last)
    for text, made in zip(texts, run(mask, texts), strict=True):
        assert len(made) == len(text)
        kept = (text[:first], text[len(text) - last :]) if len(text) > first + last else ("", "")
        assert made == kept[0] + "*" * (len(text) - len(kept[0]) - len(kept[1])) + kept[1]


def test_one_text_that_is_not_ascii_changes_nothing_for_its_neighbours():
    mask = Mask(classes=("digits",), keep_last=1)
    plain = ["a1b2", None, "12", ""]
    assert run(mask, [*plain, "é1é"])[:4] == run(mask, plain) == ["a*b2", None, "*2", ""]


def test_ascii_categories_are_unicode_s():
    table = (
        Mask(classes=("digits",))._table(),
        Mask(classes=("letters",))._table(),
        Mask(classes=("letters", "others"))._table(),
    )
    for code in range(128):
        masked = [bool(one[code] != code or chr(code) == "*") for one in table]
        wanted = (("digits",), ("letters",), ("letters", "others"))
        want = [kind_of(chr(code)) in kinds or chr(code) == "*" for kinds in wanted]
        assert masked == want


def test_masked_characters_are_not_in_the_buffers():
    made = Mask(keep_last=1).kernel(pa.field("c", pa.string()), None)(pa.array(["secret", "secrets"]))
    assert all(b"ecre" not in buffer.to_pybytes() for buffer in made.buffers() if buffer)


def test_shown_counts_both_ends():
    assert Mask(keep_first=1, keep_last=3).shown == 4


@pytest.mark.parametrize(
    ("classes", "allowed"),
    [
        (("digits", "letters", "others"), True),
        (("letters", "others", "digits"), True),
        (("digits", "letters"), False),
        (("digits",), False),
    ],
)
def test_direct_identifiers_are_masked_in_all_classes(classes, allowed):
    assert (Classification.DIRECT_IDENTIFIER in Mask(classes=classes).contract.classes) is allowed
