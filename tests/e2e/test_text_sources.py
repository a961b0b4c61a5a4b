"""CSV and JSON lines through both doors: read with the policy's types and no others, whatever the files look like."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FORMATS = ("csv", "jsonl")
MORE = """  no:     {type: string, class: insensitive, keep: {reason: "closed list", values: ["007", "true", "1.0"]}}
  level:  {type: int32, class: sensitive, generalize_number: {width: 10}}
"""


def rows(people, count=60, **more):
    table = people(count)
    made = table.to_pylist()
    for at, row in enumerate(made):
        # A cell over several lines, with quotes and a delimiter: cut in the middle it would be two rows.
        row.update({"note": f'Canarynote "{at}"\nwas, here', "no": ("007", "true", "1.0")[at % 3], "level": at} | more)
    return made


def written(made, form, records, *, packed=False, name="000"):
    folder = made.root / "raw" / "people"
    folder.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, records[0].keys())
        writer.writeheader()
        writer.writerows(records)
        data = out.getvalue().encode()
    else:
        data = "".join(json.dumps(row, default=str) + "\n" for row in records).encode()
    path = folder / f"{name}.{form}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def policy(made, form, change=str):
    made.write_policy(form=form, change=lambda text: change(text.replace("columns:\n", "columns:\n" + MORE)))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_text_stays_text_and_quoted_lines_stay_one_cell(project, nursery, people, form, packed):
    made = project(files=0)
    policy(made, form)
    written(made, form, rows(people), packed=packed)
    staged = nursery.run("anonymize", made)
    assert staged["exit"] == 0, staged
    assert (staged["result"]["rows_in"], staged["result"]["rows_out"]) == (60, 60)
    # CSV is cut at line ends outside of quotes; packed files and JSON lines go by file.
    assert staged["result"]["splits"] == (60 if (form, packed) == ("csv", False) else 1)
    assert nursery.run("release", made)["result"]["rows"] == 60
    table = pa.concat_tables([pq.read_table(file) for file in (made.root / "sanitized" / "people" / "data").rglob("*.parquet")])
    assert sorted(table["no"].to_pylist()) == ["007"] * 20 + ["1.0"] * 20 + ["true"] * 20
    assert sorted(table["level"].to_pylist()) == sorted(at // 10 * 10 for at in range(60))
    assert table.schema.field("level").type == pa.int32()
    assert set(table["note"].to_pylist()) == {"[removed]"}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("value", [2**31, "x", 1.5, True])
def test_a_value_of_another_type_is_a_rejected_row_and_the_release_is_refused(project, nursery, people, form, value):
    made = project(files=0)
    policy(made, form)
    bad = rows(people)
    bad[30]["level"] = value
    written(made, form, bad)
    staged = nursery.run("anonymize", made)
    assert (staged["result"]["rows_in"], staged["result"]["rows_out"], staged["result"]["rejected"]) == (60, 59, 1)
    refused = nursery.run("release", made)
    assert (refused["exit"], refused["error"]) == (3, "RejectedRowsError")


@pytest.mark.parametrize("form", FORMATS)
def test_a_wider_type_is_read_where_the_policy_lists_it(project, nursery, people, form):
    made = project(files=0)
    policy(made, form, lambda text: text.replace("{type: int32,", "{type: [int32, int64],"))
    written(made, form, rows(people, level=2**31))
    assert nursery.run("anonymize", made)["result"]["rejected"] == 0
    assert nursery.run("release", made)["result"]["rows"] == 60


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_without_a_column_is_refused_unless_it_is_optional(project, nursery, people, form):
    made = project(files=0)
    policy(made, form)
    written(made, form, rows(people))
    others = rows(lambda count: people(count, first=1000))
    written(made, form, [{name: value for name, value in row.items() if name != "level"} for row in others], name="001")
    refused = nursery.run("anonymize", made)
    assert (refused["exit"], refused["error"]) == (3, "MissingColumnError")
    assert "'level'" in refused["message"]
    assert "optional: true" in refused["message"]
    policy(made, form, lambda text: text.replace("level:  {", "level:  {optional: true, "))
    staged = nursery.run("anonymize", made)
    assert (staged["exit"], staged["result"]["rows_out"], staged["result"]["rejected"]) == (0, 120, 0), staged
