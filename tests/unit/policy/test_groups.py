"""Patterns cut at their groups."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.policy.groups import cut

ATOMS = st.sampled_from(
    ["a", r"\(", "[)(|]", "[^]]", "[[:alpha:])]", "x*", r"\d+", ".", "(?:b|c)", "[]a]", r"\\", "(?:(?:d))?"]
)
TOP = st.lists(ATOMS | st.lists(ATOMS, max_size=3).map(lambda inner: f"({''.join(inner)})") | st.just("(?P<n_>e)?"), max_size=6)


@given(TOP)
def test_pieces_are_the_pattern(parts):
    numbers = [at for at, part in enumerate((part for part in parts if part.startswith(("(?P", "(")) and not part.startswith("(?:")), start=1) if not part.endswith("?")]  # fmt: skip
    if not numbers:
        return
    pieces = cut("".join(parts), numbers)
    expected = [re.sub(r"^\((\?P<n_>)?(?!\?:)", "(?:", part) for part in parts]
    assert "".join(piece.pattern for piece in pieces) == "".join(expected)
    masked = [part for part in parts if part.startswith("(") and not part.startswith("(?")]
    assert "".join(piece.pattern for piece in pieces if piece.masked) == "".join(f"(?:{part[1:]}" for part in masked)
    assert [piece.masked for piece in cut("".join(parts), numbers, others=True)] == [not piece.masked for piece in pieces]


@pytest.mark.parametrize("pattern", ["(a", "a)", "[a", "(?=a)(b)", r"\Qa(b)\E", "(a)|b", "(a))", "(a)?", "(a){2}", "b"])
def test_what_does_not_say_which_characters(pattern):
    with pytest.raises(ValueError, match=r"group|parenthesis|flags|alternatives"):
        cut(pattern, [1])


def test_no_group_and_no_end():
    with pytest.raises(ValueError, match="at least one group"):
        cut("(a)", [])
    with pytest.raises(ValueError, match="up to 1000"):
        cut("(a)" + "b" * 1_000, [1])
