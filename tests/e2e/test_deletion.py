"""When someone asks to be forgotten: no file of any zone that a reader or an insider could open holds their rows any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people
from tests.e2e._search import unpacked

GONE = 100_007
RAW = (str(GONE), "Canary000007", "Canaryname 000007", "Canarynote 000007", "55000007")
"""The subject's raw values as text; numbers and dates are looked for as cells."""
ALL = ("--superseded", "--now")


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, hidden ones too, with Parquet pages decompressed."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes()
            parts = list(unpacked(data)) if data[:4] == b"PAR1" else []
            yield str(file.relative_to(folder)), b"\0".join([str(file).encode(), data, *parts])


def holding(made, wanted: tuple[str, ...]) -> list[str]:
    """Files outside of zone raw that say one of these."""
    needles = [text.casefold().encode() for text in wanted]
    needles += [GONE.to_bytes(8, "little")]
    return [
        f"{zone}/{name}"
        for zone in ("private", "staging", "sanitized")
        for name, data in contents(made.root / zone)
        if any(needle in data.lower() for needle in needles)
    ]


def subject_token(made) -> str:
    """The subject's pseudonym: theirs is the row with this masked phone number."""
    (older, *_) = sorted((made.root / "sanitized" / "people" / "data").iterdir())
    table = pq.read_table(next(older.glob("*.parquet")))
    phone = make_people(20)["phone"][7].as_py()
    found = table.filter(pc.equal(table["phone"], "*" * (len(phone) - 2) + phone[-2:]))
    assert found.num_rows == 1
    return found["id"][0].as_py()


@pytest.fixture
def released(project, airlock):
    """A release with the subject in it and, before it, one more; a rejected row of theirs; a run that waits in staging."""
    made = project(files=1)
    made.write_policy(max_rejects=1)
    table = make_people(20)
    assert airlock("run", made.policy(), project=made).code == 0
    again = table.slice(7, 1).set_column(4, "city", pa.array(["Atlantis"]))
    made.write(pa.concat_tables([table, again]), "000.parquet")
    assert airlock("run", made.policy(), project=made).code == 0
    made.write(pa.concat_tables([table, again, make_people(3, first=500)]), "000.parquet")
    assert airlock("anonymize", made.policy(), project=made).code == 0
    assert len([name for name in made.files("private") if name.endswith(".sealed")]) == 2
    return made


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exclude", "delete"])
def test_after_a_deletion_no_file_holds_the_subject(released, airlock, how):
    subject = subject_token(released)
    assert holding(released, (*RAW, subject))
    if how == "exclude":
        (released.root / "raw" / "gone.txt").write_text(f"{GONE}\n")
        released.write_policy(
            max_rejects=1,
            change=lambda text: text.replace("source: {path: people,", "source: {path: people, exclude: gone.txt,"),
        )
    else:
        table = make_people(20)
        released.write(table.filter(pc.not_equal(table["id"], GONE)), "000.parquet")
    assert airlock("run", released.policy(), project=released).code == 0
    # Without it one superseded release stays, and so does what waits.
    assert airlock("runs", "prune", project=released).code == 0
    assert holding(released, (*RAW, subject))
    done = airlock("runs", "prune", *ALL, project=released)
    assert done.code == 0, done.err
    assert holding(released, (*RAW, subject)) == []
    assert [name for name in released.files("private") if name.endswith((".sealed", ".rejects"))] == []
    assert airlock("verify", released.root / "sanitized" / "people", project=released).code == 0
    assert airlock("runs", "list", project=released).code == 0
    assert "nothing to remove" in airlock("runs", "prune", *ALL, project=released).err
