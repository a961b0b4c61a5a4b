"""`preview`: a few rows before and after, originals as shapes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.preview import picture, preview
from airlock.errors import ConfigError, KeyFileError


def by_path(rows):
    return {column.path: column for column in rows.columns}


def test_rows_before_and_after(project, settings, untouched):
    rows = preview(project / "policies" / "customers.yaml", settings(), rows=4)
    found = by_path(rows)
    assert (rows.rows, rows.rejected, rows.suppressed, rows.raw) == (4, {}, 0, False)
    assert all(len(column.before) == len(column.after) == 4 for column in rows.columns)
    assert set(found["customer_id"].before) == {"99999999"}
    assert all(token.startswith("cus_") and len(token) == 30 for token in found["customer_id"].after)
    assert len(set(found["customer_id"].after)) == 4
    assert set(found["birth_date"].before) == {"9999-99-99"}
    assert set(found["address.street"].after) <= {"[street]", None}
    assert not found["name"].written
    assert set(found["signup_ip"].after) == {None}


def test_the_same_tokens_join_across_tables(project, settings):
    customers = by_path(preview(project / "policies" / "customers.yaml", settings(), rows=1000))
    orders = by_path(preview(project / "policies" / "orders.yaml", settings(), rows=1000))
    assert set(orders["customer_id"].after) & set(customers["customer_id"].after)


def test_no_raw_identifier_is_shown(project, settings):
    rows = preview(project / "policies" / "customers.yaml", settings(), rows=300)
    shown = {text for column in rows.columns for text in (*column.before, *column.after) if text}
    table = pq.read_table(project / "raw" / "crm" / "customers")
    for name in ("email", "signup_ip", "notes"):
        raw = {value for value in table[name].to_pylist() if value and any(mark in value for mark in "@0123456789")}
        assert not shown & raw, name
    assert not any(text.isdigit() and set(text) != {"9"} and len(text) > 7 for text in shown)


def test_raw_values_only_on_request(project, settings):
    rows = preview(project / "policies" / "orders.yaml", settings(), rows=2, show_raw=True)
    assert rows.raw
    assert all("@" in (mail or "@") for mail in by_path(rows)["email"].before)
    assert not any(set(card) == {"9"} for card in by_path(rows)["card"].before if card)


def test_what_is_written_as_it_was_is_shown_as_a_shape_too(project, settings):
    found = by_path(preview(project / "policies" / "customers.yaml", settings(), rows=200))
    for path in ("dt", "phones[].kind", "address.country", "sex", "attributes{key}"):
        assert found[path].kept
        assert found[path].after == found[path].before
        assert not any(set(text) & set("bcdefghBCDEFGH12345678") for text in found[path].after if text), path
    assert not any(column.kept for path, column in found.items() if column.operator != "keep")
    raw = by_path(preview(project / "policies" / "customers.yaml", settings(), rows=200, show_raw=True))
    assert {"female", "male"} <= set(raw["sex"].after)
    assert raw["sex"].after == raw["sex"].before != found["sex"].before


def test_of_redacted_text_only_what_was_put_in_is_readable(project, settings):
    rows = preview(project / "policies" / "tickets.yaml", settings(), rows=200)
    words = {
        word
        for text in by_path(rows)["body"].after
        if text
        for word in re.findall(r"[^\W\d_]+", re.sub("<[A-Z_]+(>|…)", "", text))
    }
    assert words
    assert all(set(word) <= set("aA") for word in words), words
    assert any("<KNOWN_VALUE>" in (text or "") for text in by_path(rows)["body"].after)
    raw = preview(project / "policies" / "tickets.yaml", settings(), rows=5, show_raw=True)
    assert any(set(text) & set("bcdefgh") for text in by_path(raw)["body"].after if text)


def test_another_constant_is_readable_too(project, settings):
    policy = project / "policies" / "tickets.yaml"
    policy.write_text(policy.read_text().replace("      entities: [EMAIL", "      with: (gone)\n      entities: [EMAIL"))
    rows = preview(policy, settings(), rows=200)
    assert any("(gone)" in (text or "") for text in by_path(rows)["body"].after)


def test_a_boolean_does_not_tell_itself(project, settings):
    (project / "raw" / "flags").mkdir()
    pq.write_table(pa.table({"id": [1, 2, 3], "ill": [True, False, None]}), project / "raw" / "flags" / "a.parquet")
    policy = project / "flags.yaml"
    policy.write_text(
        "{apiVersion: airlock/v1, dataset: flags, owner: o, purpose: p, source: {path: flags}, sink: {path: b}, subject: id,\n"
        "keys: {recipient: r, epoch: 1}, privacy: {k_anonymity: {none: n}}, columns: {\n"
        "id: {type: int64, class: insensitive, keep: r}, ill: {type: bool, class: sensitive, keep: r}}}\n"
    )
    assert by_path(preview(policy, settings(), rows=3))["ill"].before == ("true or false", "true or false", None)
    assert by_path(preview(policy, settings(), rows=3, show_raw=True))["ill"].after == ("true", "false", None)


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("truncate: {length: 100}", "Aaaaaaaa Aaaaaaaaa"),
        ("mask: {classes: [others, digits]}", "Aaaaaaaa*Aaaaaaaaa"),
        ("mask: {keep_first: 15, keep_last: 1}", "Aaaaaaaa Aaaaaa**a"),
        ("truncate: {length: 3}", "Mar"),
    ],
)
def test_what_a_form_leaves_of_the_original_is_a_shape(project, settings, rule, shown):
    (project / "raw" / "names").mkdir()
    pq.write_table(pa.table({"id": [1], "name": ["Marigold Underhill"]}), project / "raw" / "names" / "a.parquet")
    policy = project / "names.yaml"
    policy.write_text(
        "{apiVersion: airlock/v1, dataset: names, owner: o, purpose: p, source: {path: names}, sink: {path: b}, subject: id,\n"
        "keys: {recipient: r, epoch: 1}, privacy: {k_anonymity: {none: n}}, columns: {\n"
        f"id: {{type: int64, class: insensitive, keep: r}}, name: {{type: string, class: sensitive, {rule}}}}}}}\n"
    )
    assert by_path(preview(policy, settings(), rows=1))["name"].after == (shown,)


def test_texts_are_cut_at_forty_characters(project, settings):
    rows = preview(project / "policies" / "tickets.yaml", settings(), rows=20)
    texts = [text for text in (*by_path(rows)["body"].before, *by_path(rows)["body"].after) if text]
    assert max(map(len, texts)) == 40
    assert any(text.endswith("…") for text in texts)


def test_rejected_rows_are_counted_not_shown(project, settings):
    policy = project / "policies" / "orders.yaml"
    policy.write_text(policy.read_text().replace("values: [USD,", "values: ["))
    rows = preview(policy, settings(), rows=60)
    assert rows.rejected[("currency", "not-in-list")] == 60 - rows.rows > 0
    assert "USD" not in by_path(rows)["currency"].after


def test_excluded_subjects_are_left_out(project, settings):
    policy = project / "policies" / "orders.yaml"
    policy.write_text(policy.read_text().replace("source: {path: crm/orders,", "source: {path: crm/orders, exclude: gone.txt,"))
    ids = pq.read_table(project / "raw" / "crm" / "orders")["customer_id"].to_pylist()
    (project / "raw" / "gone.txt").write_text("\n".join(map(str, ids)))
    rows = preview(policy, settings(), rows=10)
    assert (rows.rows, rows.suppressed) == (0, 10)


def test_the_key_is_needed(project, settings):
    (project / "keys" / "root.json").chmod(0o644)
    with pytest.raises(KeyFileError, match="0644, expected 0600"):
        preview(project / "policies" / "orders.yaml", settings())


@pytest.mark.parametrize("rows", [0, -1, 1001])
def test_a_preview_is_small(project, settings, rows):
    with pytest.raises(ConfigError, match="1 to 1,000 rows"):
        preview(project / "policies" / "orders.yaml", settings(), rows=rows)


def test_binary_is_shown_by_its_size(project, settings):
    (project / "raw" / "blobs").mkdir()
    pq.write_table(pa.table({"id": [1, 2], "blob": [b"\xff\x00\x01", None]}), project / "raw" / "blobs" / "a.parquet")
    policy = project / "blobs.yaml"
    policy.write_text(
        "{apiVersion: airlock/v1, dataset: blobs, owner: o, purpose: p, source: {path: blobs}, sink: {path: b}, subject: id,\n"
        "keys: {recipient: r, epoch: 1}, privacy: {k_anonymity: {none: n}}, columns: {\n"
        "id: {type: int64, class: insensitive, keep: r}, blob: {type: binary, class: sensitive, keep: r}}}\n"
    )
    assert by_path(preview(policy, settings(), rows=2))["blob"].before == ("9 aaaaa", None)
    assert by_path(preview(policy, settings(), rows=2))["blob"].after == ("9 aaaaa", None)
    assert by_path(preview(policy, settings(), rows=2, show_raw=True))["blob"].after == ("3 bytes", None)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Zoë O'Neil", "Aaa A'Aaaa"),
        ("+49 (30) 1-2", "+99 (99) 9-9"),
        ("", ""),
        ("Жук 東京 ١٢", "Aaa aa 99"),
        ("a@b.de", "a@a.aa"),
        (None, None),
    ],
)
def test_pictures(text, shape):
    assert picture(pa.array([text], pa.string())).to_pylist() == [shape]


def command(project, *arguments):
    return [sys.executable, "-m", "airlock", "--config", str(project / "airlock.yaml"), "preview", *arguments]


def test_raw_values_go_to_no_pipe(project):
    done = subprocess.run(
        command(project, str(project / "policies" / "orders.yaml"), "--show-raw"), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "never to a file or pipe" in done.stderr


def test_raw_values_go_to_a_terminal(project):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(project, str(project / "policies" / "orders.yaml"), "--show-raw", "--rows", "1"), stdout=theirs, stderr=theirs
    ) as done:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert done.returncode == 0
    assert b"raw, as a shape" not in shown
    assert b"@" in shown


def _read(descriptor):
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end is closed
        return b""
