"""What two recipients get from one root does not join: their outputs match at chance level, which at 128 bits is never."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from airlock.keys import FileKeyRing, Permit, create_root_file
from airlock.operators import operator_class

COUNT = 100_000

DECLARATIONS = [
    ("pseudonymize", {"domain": "d"}),
    ("pseudonymize", {"domain": "d", "bits": 96, "form": "base32"}),
    ("hmac", {"domain": "d"}),
    ("hmac", {"domain": "d", "bits": 128}),
    ("encrypt", {"domain": "d"}),
    ("encrypt_random", {"domain": "d"}),
]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> FileKeyRing:
    path = Path(tmp_path_factory.mktemp("keys"), "root.json")
    create_root_file(path, [1, 2])
    return FileKeyRing(path)


@pytest.mark.parametrize(("name", "arguments"), DECLARATIONS, ids=str)
def test_two_recipients_outputs_do_not_join(ring: FileKeyRing, name: str, arguments: dict) -> None:
    operator = operator_class(name).from_dict(arguments)
    values = pa.array(np.arange(COUNT)).cast(pa.string())

    def made(recipient: str, epoch: int = 1) -> pa.Array:
        permit = Permit("0" * 64, time.time() + 60)
        keys = ring.subkeys(operator.requests(), recipient=recipient, epoch=epoch, permit=permit, run="run-1")
        return operator.kernel(pa.field("c", pa.string()), keys)(values)

    mine = made("a")
    assert len(pc.unique(mine)) == COUNT
    for theirs in (made("b"), made("a", epoch=2)):
        assert pc.is_in(mine, value_set=theirs).true_count == 0
    # The same comparison finds everything where everything joins.
    joined = pc.is_in(mine, value_set=made("a")).true_count
    assert joined == (COUNT if operator.contract.deterministic else 0)
