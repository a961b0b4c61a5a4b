"""null: the schema stays, the values go."""

import pyarrow as pa
import pytest

from airlock.operators.null import Null
from airlock.types import Classification

LEAVES = [pa.string(), pa.decimal256(50, 3), pa.timestamp("ns", tz="UTC")]
NESTED = [pa.struct([("a", pa.int8())]), pa.list_(pa.string()), pa.map_(pa.string(), pa.int8())]


@pytest.mark.parametrize("data_type", LEAVES)
def test_every_row_is_null_of_the_type(data_type):
    made = Null().kernel(pa.field("c", data_type), None)(pa.nulls(3, data_type))
    assert made.equals(pa.nulls(3, data_type))


@pytest.mark.parametrize("data_type", NESTED)
def test_a_subtree_becomes_one_column_of_text(data_type):
    """What its fields are called may be data, and says what was there."""
    field = pa.field("c", data_type)
    assert Null().result_field(field) == pa.field("c", pa.string())
    assert Null().kernel(field, None)(pa.nulls(3, data_type)).equals(pa.nulls(3, pa.string()))


def test_no_byte_of_the_input_is_in_the_buffers():
    made = Null().kernel(pa.field("c", pa.string()), None)(pa.array(["Ann Example"] * 3))
    assert all(b"Ann" not in buffer.to_pybytes() for buffer in made.buffers() if buffer)


def test_a_required_column_becomes_nullable():
    field = pa.field("c", pa.int64(), nullable=False, metadata={"comment": "Ann"})
    after = Null().result_field(field)
    assert after == pa.field("c", pa.int64())
    assert after.metadata is None


def test_anything_may_become_null():
    assert Null().contract.classes == set(Classification)
    assert Null().contract.subtree
