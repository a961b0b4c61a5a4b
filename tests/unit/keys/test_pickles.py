"""What holds a key goes into no pickle: pickles end up in Spark's files, in caches and in logs."""

from __future__ import annotations

import copy
import pickle

import pytest

from airlock.crypto import Cmac, Ff1, Siv
from airlock.keys import KeyRequest, SubKeys
from airlock.keys.epochs import Epochs

SECRET = b"sixteen secrets!"


@pytest.mark.parametrize(
    "holder",
    [Cmac(SECRET), Siv(SECRET * 4), Ff1(SECRET, 10), Epochs({1: "secrets"}), SubKeys({KeyRequest("a", "b"): SECRET}, {})],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_key_is_neither_pickled_nor_printed(holder):
    for act in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="are not pickled"):
            act(holder)
    assert "secrets" not in repr(holder)
