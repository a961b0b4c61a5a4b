"""truncate: prefixes by code points."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.operators.truncate import Truncate
from airlock.types import Classification

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(st.lists(TEXT | st.none()), st.integers(1, 8))
def test_as_python_slices(texts, length):
    made = Truncate(length=length).kernel(pa.field("c", pa.string()), None)(pa.array(texts, pa.string()))
    assert made.to_pylist() == [None if text is None else text[:length] for text in texts]


def test_a_prefix_may_still_identify():
    assert Classification.DIRECT_IDENTIFIER not in Truncate(length=3).contract.classes


def test_what_was_cut_is_not_in_the_buffers():
    made = Truncate(length=1).kernel(pa.field("c", pa.string()), None)(pa.array(["a-secret", "b-secret"]))
    assert all(b"secret" not in buffer.to_pybytes() for buffer in made.buffers() if buffer)
