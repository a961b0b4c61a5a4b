"""What the policy does not list and whom the data owner excludes: nothing of either passes the doors, in any format."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import Haystack, unpacked

FORMATS = ("parquet", "csv", "jsonl")
NESTED = '  prefs.theme: {type: string, class: insensitive, keep: {reason: "closed list", values: [dark, light]}}\n'
SECRET_NAMES = ("Extraname", "canary.person@example.org")


def put(made, table, form, name="000"):
    folder = made.root / "raw" / "people"
    folder.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        pq.write_table(table, folder / f"{name}.parquet")
    elif form == "csv":
        pa.csv.write_csv(table, folder / f"{name}.csv")
    else:
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()))


def with_unlisted(table, form):
    """Columns of the source's own, one named by a person, and where the format has structs a field inside of one."""
    secret = pa.array([f"Extracanary {at:06}" for at in range(table.num_rows)])
    for name in SECRET_NAMES:
        table = table.append_column(name, secret)
    if form == "csv":
        return table
    theme = pa.array(["dark", "light"] * (table.num_rows // 2))
    prefs = pa.StructArray.from_arrays([secret, theme, secret], ["Extrainner", "theme", "also.canary@example.org"])
    return table.append_column("prefs", prefs).append_column("Extralist", pa.array([[text] for text in secret.to_pylist()]))


def policy(made, form, *, unlisted="drop", source=""):
    def change(text):
        text = text.replace("columns:\n", f"unlisted_columns: {unlisted}\ncolumns:\n" + (NESTED if form != "csv" else ""))
        return text.replace(f"format: {form}}}", f"format: {form}{source}}}")

    made.write_policy(form=form, change=change)


def released(made, run=None):
    pointer = json.loads((made.root / "sanitized" / "people" / "current.json").read_text())
    assert pointer
    files = sorted((made.root / "sanitized" / "people" / "data").glob(f"{run or '*'}/*.parquet"))
    assert files
    return pa.concat_tables([pq.read_table(file) for file in files])


@pytest.mark.parametrize("form", FORMATS)
def test_unlisted_columns_are_left_out_and_nothing_of_them_passes(project, nursery, people, form):
    made = project(files=0)
    policy(made, form)
    put(made, with_unlisted(people(40), form), form)
    staged = nursery.run("anonymize", made)
    assert staged["exit"] == 0, staged
    counts = {name: staged["result"][name] for name in ("rows_in", "rows_out", "suppressed", "rejected")}
    assert counts == {"rows_in": 40, "rows_out": 40, "suppressed": 0, "rejected": 0}
    done = nursery.run("release", made)
    assert (done["exit"], done["result"]["rows"]) == (0, 40), done
    table = released(made)
    assert set(table.schema.names) == {"id", "email", "phone", "city", "born", "amount", "note"} | (
        {"prefs"} - {form == "csv" and "prefs"}
    )
    if form != "csv":
        assert table.schema.field("prefs").type == pa.struct([("theme", pa.string())])
        assert sorted(row["theme"] for row in table["prefs"].to_pylist()) == ["dark"] * 20 + ["light"] * 20
    hay = Haystack.of(made.root / "sanitized", made.root / "staging")
    values = [f"Extracanary {at:06}" for at in range(40)]
    assert hay.found([*values, "Extracanary", "Extraname", "Extrainner", "Extralist", "canary.person", "also.canary"]) == []


@pytest.mark.parametrize("form", FORMATS)
def test_unlisted_columns_refuse_the_run_by_default_and_no_value_is_said(project, nursery, people, form):
    made = project(files=0)
    policy(made, form, unlisted="refuse")
    put(made, with_unlisted(people(40), form), form)
    refused = nursery.run("anonymize", made)
    assert (refused["exit"], refused["error"]) == (3, "UnclassifiedColumnError")
    said = refused["message"]
    assert "  Extraname: {type: string, class: direct_identifier, drop: {}}" in said.splitlines()
    if form != "csv":
        assert "  prefs.Extrainner: {type: string, class: direct_identifier, drop: {}}" in said.splitlines()
    assert "of the shape 'aaaaaa.aaaaaa@aaaaaaa.aaa' (string)" in said
    failures = "".join(file.read_text() for file in (made.root / "private").rglob("failures.jsonl"))
    assert not re.search(r"(?i)extracanary|canary\.person|also\.canary", said + failures)
    assert not list((made.root / "staging").rglob("*.parquet"))


@pytest.mark.parametrize("form", FORMATS)
def test_excluded_subjects_have_no_row_and_no_pseudonym_in_the_release(project, nursery, people, form):
    made = project(files=0)
    made.write_policy(form=form)
    put(made, people(3), form)
    assert nursery.run("anonymize", made, run="gone")["exit"] == 0
    assert nursery.run("release", made, run="gone")["exit"] == 0
    gone = set(released(made, "gone")["id"].to_pylist())
    assert len(gone) == 3

    (made.root / "raw" / "gone.txt").write_bytes("\ufeff100000\r\n 100001 \n\n100002\n900000\n".encode())
    made.write_policy(form=form, change=lambda text: text.replace(f"format: {form}}}", f"format: {form}, exclude: gone.txt}}"))
    put(made, people(40), form)
    staged = nursery.run("anonymize", made, run="rest")
    counts = {name: staged["result"][name] for name in ("rows_in", "rows_out", "suppressed", "rejected")}
    assert counts == {"rows_in": 40, "rows_out": 37, "suppressed": 3, "rejected": 0}
    done = nursery.run("release", made, run="rest")
    assert (done["exit"], done["result"]["rows"]) == (0, 37), done
    rest = released(made, "rest")
    assert len(set(rest["id"].to_pylist())) == 37
    assert not gone & set(rest["id"].to_pylist())
    public = json.loads((made.root / "sanitized" / "people" / "evidence" / "rest" / "manifest.json").read_text())
    assert public["totals"] == {"rows_in": 40, "rows_out": 37, "suppressed": 3, "rejected": 0}
    files = [
        *(made.root / "sanitized" / "people" / "data" / "rest").iterdir(),
        *(made.root / "sanitized" / "people" / "evidence" / "rest").iterdir(),
    ]
    said = b"".join(
        part for file in files for part in (unpacked(file.read_bytes()) if file.suffix == ".parquet" else [file.read_bytes()])
    )
    assert all(token.encode() in said for token in rest["id"].to_pylist())
    assert not [token for token in gone if token.encode() in said]
