"""drop: no field, whatever stands below it."""

import pyarrow as pa
import pytest

from airlock.operators.drop import Drop
from airlock.types import Classification


@pytest.mark.parametrize(
    "data_type", [pa.string(), pa.struct([("a", pa.int8())]), pa.list_(pa.string()), pa.map_(pa.string(), pa.int8())]
)
def test_no_field(data_type):
    assert Drop().result_field(pa.field("c", data_type)) is None


def test_the_kernel_passes_no_value():
    assert Drop().kernel(pa.field("c", pa.string()), None)(pa.array(["Ann", None])).equals(pa.nulls(2))


def test_anything_may_be_dropped():
    assert Drop().contract.classes == set(Classification)
    assert Drop().contract.subtree
