"""keep: identity for a reason, and closed lists."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from airlock.operators import RejectedValuesError
from airlock.operators.keep import Keep
from airlock.types import Classification


def test_the_same_array_comes_out():
    values = pa.array([1.5, None])
    assert Keep(reason="x").kernel(pa.field("c", pa.float64()), None)(values) is values


def test_no_direct_identifier_is_kept():
    assert Keep(reason="x").contract.classes == set(Classification) - {Classification.DIRECT_IDENTIFIER}


def test_metadata_does_not_come_along():
    field = pa.field("c", pa.string(), metadata={"comment": "Ann Example"})
    assert Keep(reason="x").result_field(field).metadata is None


def test_rejected_rows_are_exactly_the_unlisted_ones():
    kernel = Keep(reason="x", values=("a", "b")).kernel(pa.field("c", pa.string()), None)
    with pytest.raises(RejectedValuesError, match="2 of 4 values rejected: not-in-list") as raised:
        kernel(pa.array(["a", None, "Ann Example", "B"]))
    assert raised.value.mask.to_pylist() == [False, False, True, True]
    assert "Ann" not in str(raised.value)


def test_numbers_and_dates_of_a_policy_become_text():
    keep = Keep.from_dict({"reason": "x", "values": [1, True, "a"]})
    assert keep.values == ("1", "true", "a")


@pytest.mark.parametrize("values", [[1.5], [None], "home"])
def test_lists_of_other_things_are_refused(values):
    with pytest.raises(ValidationError, match="values"):
        Keep.from_dict({"reason": "x", "values": values})


def test_a_declaration_can_t_be_changed():
    keep = Keep(reason="x")
    with pytest.raises(AttributeError, match="reason"):
        keep.reason = "y"
