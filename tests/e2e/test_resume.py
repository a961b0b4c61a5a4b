"""Work that was done is not done again: after a kill, and when the source grows."""

from __future__ import annotations

import json
import signal

import pytest


def records(made):
    return [name for name in made.files("private") if name.startswith("people/splits/") and name.endswith(".json")]


@pytest.mark.slow
def test_killed_at_ninety_per_cent_a_new_run_reads_the_rest(project, nursery):
    made = project(files=100, rows=5)
    killed = nursery.run("anonymize", made, run="killed", count=90, place=r"link .*/private/people/splits/.*\.json")
    assert killed["signal"] == signal.SIGKILL
    assert len(records(made)) == 89
    again = nursery.run("anonymize", made, run="killed")["result"]
    assert (again["splits"], again["rows_out"]) == (100, 500)
    assert 85 <= again["reused"] == 89
    assert len({name for name in made.files("staging") if name.endswith(".parquet")}) == 100
    assert nursery.run("release", made)["result"]["rows"] == 500

    made.write(_one_more(), "050b.parquet")
    grown = nursery.run("anonymize", made)["result"]
    assert (grown["splits"], grown["reused"], grown["rows_out"]) == (101, 100, 505)
    assert nursery.run("release", made)["result"]["rows"] == 505

    (made.root / "raw" / "people" / "020.parquet").unlink()
    shrunk = nursery.run("anonymize", made)["result"]
    assert (shrunk["splits"], shrunk["reused"], shrunk["rows_out"]) == (100, 100, 500)


@pytest.mark.slow
def test_one_new_file_of_a_hundred_reads_one_file(project, nursery, people):
    """Files a little over the least size that has a split of its own, and some tiny ones that share theirs."""
    made = project(files=0, split_mib="1")
    for number in range(100):
        made.write(people(800, first=number * 1_000), f"{number:03}.parquet")
    for number in range(20):
        made.write(people(10, first=900_000 + number * 10), f"tiny-{number:03}.parquet")
    first = nursery.run("anonymize", made)["result"]
    assert 101 <= first["splits"] <= 110
    before = set(records(made))
    made.write(people(800, first=500_000), "050b.parquet")
    grown = nursery.run("anonymize", made)["result"]
    assert (grown["splits"], grown["reused"]) == (first["splits"] + 1, first["splits"])
    (fresh,) = set(records(made)) - before
    assert before <= set(records(made))
    assert json.loads(json.loads((made.root / "private" / fresh).read_text())["record"])["rows_in"] == 800
    assert nursery.run("release", made, run=grown["run"])["result"]["rows"] == 100 * 800 + 20 * 10 + 800

    made.write(people(10, first=990_000), "tiny-010b.parquet")
    grown = nursery.run("anonymize", made)["result"]
    assert grown["splits"] - grown["reused"] <= 3


def _one_more():
    from tests.conftest import make_people

    return make_people(5, first=500_000)


def test_another_policy_or_key_reuses_nothing(project, nursery):
    made = project(files=5, rows=5)
    assert nursery.run("anonymize", made)["exit"] == 0
    made.write_policy(change=lambda text: text.replace("width: 100", "width: 50"))
    assert nursery.run("anonymize", made)["result"]["reused"] == 0
    made.write_policy()
    assert nursery.run("anonymize", made)["result"]["reused"] == 5


@pytest.mark.parametrize(
    "harm", ["a record that was changed", "a record of another split", "a file that was changed", "a file gone"]
)
def test_what_does_not_hold_is_done_again(project, nursery, harm):
    made = project(files=3, rows=5)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    base = made.root / "private" / "people" / "splits"
    one, other = sorted(base.glob("*.json"))[:2]
    if harm == "a record that was changed":
        envelope = json.loads(one.read_text())
        one.write_text(json.dumps(envelope | {"record": envelope["record"].replace('"rows_out":5', '"rows_out":6')}))
    elif harm == "a record of another split":
        one.write_bytes(other.read_bytes())
    else:
        (file,) = base.glob(f"{one.stem}-*.parquet")
        data = bytearray(file.read_bytes())
        file.unlink()
        if harm == "a file that was changed":
            data[50] ^= 1
            file.write_bytes(data)
    again = nursery.run("anonymize", made, run="two")
    assert again["exit"] == 0, again
    assert (again["result"]["reused"], again["result"]["rows_out"]) == (2, 15)
    assert nursery.run("release", made, run="two")["result"]["rows"] == 15
