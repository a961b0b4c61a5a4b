"""redact: a constant, with or without the nulls."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from airlock.operators.redact import Redact
from airlock.types import Classification


def redact(values, **arguments):
    return Redact.from_dict(arguments).kernel(pa.field("c", values.type), None)(values)


def test_nulls_stay_or_hide():
    values = pa.array(["Ann", None, ""])
    assert redact(values).to_pylist() == ["[redacted]", None, "[redacted]"]
    assert redact(values, presence="hide").to_pylist() == ["[redacted]"] * 3


def test_no_byte_of_the_input_is_in_the_buffers():
    made = redact(pa.array(["Ann Example", "Bob Example"]))
    assert all(b"Example" not in buffer.to_pybytes() for buffer in made.buffers() if buffer)


def test_the_policy_s_word_is_with():
    assert Redact.arguments() == ["with", "presence"]
    assert Redact.from_dict({"with": "-"}).to_dict() == {"with": "-", "presence": "keep"}


def test_any_text_may_be_redacted():
    assert Redact().contract.classes == set(Classification)


@pytest.mark.parametrize("arguments", [{"with": 5}, {"with": None}, {"presence": True}])
def test_other_arguments_are_refused(arguments):
    with pytest.raises(ValidationError, match=next(iter(arguments))):
        Redact.from_dict(arguments)
