"""The task frame: whole after the way, shut to all who lack the executor key, and to every other run and plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airlock.engines.frame import open_frame, seal_frame
from airlock.errors import IntegrityError, KeyFileError
from airlock.keys import create_executor_key_file


def test_a_frame_comes_out_as_it_went_in(sealed):
    opened = open_frame(sealed.data, sealed.binding)
    made = sealed.frame
    for name in ("run", "splits", "names", "zones", "excluded", "codec"):
        assert getattr(opened, name) == getattr(made, name), name
    assert opened.plan.to_dict() == made.plan.to_dict()
    assert {key: opened.keys[key] for key in opened.keys} == {key: made.keys[key] for key in made.keys}
    assert dict(opened.keys.ids) == dict(made.keys.ids)


def test_nothing_of_it_shows(sealed):
    keys = [sealed.frame.keys[key] for key in sealed.frame.keys]
    texts = ["people", "email", "100003", "raw", *sealed.frame.names, str(sealed.project.root)]
    shown = sealed.data + repr(sealed.binding).encode()
    assert [key for key in keys if key in shown or key.hex().encode() in shown] == []
    assert [text for text in texts if len(text) > 3 and text.encode() in sealed.data] == []
    # Twice sealed, twice different: nobody sees that two runs do the same.
    assert seal_frame(sealed.frame, sealed.binding)[16:] != sealed.data[16:]


@pytest.mark.parametrize("change", [{"run": "other"}, {"plan_digest": "0" * 64}, {"recipient": "others"}, {"epoch": 2}])
def test_another_run_or_plan_does_not_open_it(sealed, change):
    with pytest.raises(IntegrityError, match="does not open under this key and context"):
        open_frame(sealed.data, replace(sealed.binding, **change))


def test_another_executor_key_does_not_open_it(sealed, tmp_path):
    other = replace(sealed.binding, executor_key=str(create_executor_key_file(tmp_path)))
    with pytest.raises(IntegrityError, match="does not open"):
        open_frame(sealed.data, other)


@pytest.mark.parametrize("at", [0, 5, 20, -1])
def test_a_changed_byte_does_not_pass(sealed, at):
    data = bytearray(sealed.data)
    data[at] ^= 1
    with pytest.raises(IntegrityError, match="does not open"):
        open_frame(bytes(data), sealed.binding)


def test_an_executor_key_that_others_can_read_is_refused(sealed):
    path = Path(sealed.binding.executor_key)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="0644"):
        open_frame(sealed.data, sealed.binding)
    path.unlink()
    with pytest.raises(KeyFileError, match="can't be opened"):
        open_frame(sealed.data, sealed.binding)
