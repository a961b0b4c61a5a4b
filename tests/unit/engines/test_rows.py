"""What row operators look at: plain arrays, whatever layout the other columns have."""

import pyarrow as pa
import pytest

from airlock.engines.rows import inputs_of
from airlock.operators.first_match import FirstMatch
from airlock.policy.path import ColumnPath

CASES = [{"column": "kind", "in": ["work"], "then": {"redact": {}}}]
CODED = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), pa.array(["home", "work", None]))


@pytest.mark.parametrize("layout", [pa.string(), pa.string_view()], ids=str)
def test_inputs_are_decoded(layout):
    coded = pa.DictionaryArray.from_arrays(CODED.indices, CODED.dictionary.cast(layout))
    operator = FirstMatch.from_dict({"cases": CASES, "otherwise": {"redact": {}}})
    (kinds,) = inputs_of(pa.record_batch([pa.array(["a"] * 4), coded], ["x", "kind"]))(ColumnPath.parse("x"), operator).values()
    assert not pa.types.is_dictionary(kinds.type)
    assert kinds.to_pylist() == ["home", "work", None, None]
