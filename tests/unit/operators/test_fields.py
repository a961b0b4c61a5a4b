"""Type checks that the operators share: what they name, and what they leave out."""

import pyarrow as pa
import pytest

from airlock.errors import OperatorTypeError
from airlock.operators import operator_class
from airlock.operators._fields import over_text, text_field

METADATA = {"comment": "Ann Example"}


def test_the_error_names_operator_column_and_type():
    with pytest.raises(OperatorTypeError, match="'mask' does not take column 'age' of type int64: it takes text") as raised:
        text_field("mask", pa.field("age", pa.int64(), metadata=METADATA))
    assert raised.value.facts == {"operator": "mask", "column": "age"}
    assert "Ann" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "arguments", "data_type"),
    [
        ("mask", {}, pa.string()),
        ("redact", {}, pa.large_string()),
        ("truncate", {"length": 2}, pa.string_view()),
        ("ip_truncate", {}, pa.string()),
        ("generalize_number", {"width": 10}, pa.int64()),
        ("generalize_date", {"to": "year"}, pa.date32()),
        ("null", {}, pa.int8()),
        ("keep", {"reason": "x"}, pa.binary()),
    ],
)
def test_metadata_of_the_source_stays_behind(name, arguments, data_type):
    after = operator_class(name).from_dict(arguments).result_field(pa.field("c", data_type, metadata=METADATA))
    assert after == pa.field("c", data_type)
    assert after.metadata is None


def test_views_go_through_large_text_and_back():
    seen = []

    def kernel(values):
        seen.append(values.type)
        return values

    made = over_text(kernel)(pa.array(["a text that does not fit inline", None], pa.string_view()))
    assert seen == [pa.large_string()]
    assert made.equals(pa.array(["a text that does not fit inline", None], pa.string_view()))
