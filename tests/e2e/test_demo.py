"""The demo as a user runs it: three related tables, the command line, both doors in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import Haystack

from airlock.doors.demo import create_demo
from airlock.doors.verify import verified_data, verify
from airlock.errors import SignatureError
from airlock.settings import load_settings

ROWS = 2_000
DATASETS = ("customers", "orders", "tickets")
TOKENS = "(?:cus|ord|tic)_[a-z2-7]{26}"


@dataclass(frozen=True)
class Made:
    folder: Path
    done: subprocess.CompletedProcess[str]
    raw: dict[str, pa.Table]
    tables: dict[str, pa.Table]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.done.stdout.splitlines()[-1])


def airlock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as users call it, away from any configuration but the project's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
    environment["XDG_STATE_HOME"] = str(folder / "state")
    command = [sys.executable, "-m", "airlock", *arguments, "--config", str(folder / "airlock.yaml")]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=280)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("demo") / "project"
    create_demo(folder, rows=ROWS)
    done = airlock(folder, "run", "policies", "--engine", "local")
    settings = load_settings(file=folder / "airlock.yaml", environment={}, flags={"state": str(folder / "state.json")})
    crm = folder / "raw" / "crm"
    raw = {name: ds.dataset(crm / name, partitioning="hive").to_table() for name in ("customers", "orders")}
    raw["tickets"] = pa.json.read_json(crm / "tickets" / "part-00000.jsonl")
    assert done.returncode == 0, done.stderr
    tables = {name: _table(Path(verified_data(folder / "sanitized" / name, settings))) for name in DATASETS}
    return Made(folder, done, raw, tables)


def _table(folder: Path) -> pa.Table:
    return ds.dataset(folder, partitioning="hive").to_table()


def test_the_last_line_of_stdout_is_the_summary(made):
    summary = made.summary
    assert (summary["verb"], summary["exit_code"]) == ("run", 0)
    assert {result["dataset"]: result["rows"] for result in summary["results"]} == {
        name: made.raw[name].num_rows for name in DATASETS
    }
    assert {result["state"] for result in summary["results"]} == {"released"}


def test_all_three_verify_from_the_command_line(made):
    done = airlock(made.folder, "verify", "sanitized")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])["results"]
    assert {result["dataset"]: result["rows"] for result in results} == {name: made.raw[name].num_rows for name in DATASETS}
    assert {result["separation"] for result in results} == {"none"}
    refused = airlock(made.folder, "verify", "sanitized", "--require-separation")
    assert refused.returncode == 3


def test_verify_without_a_trusted_key_is_refused(made):
    with pytest.raises(SignatureError, match="trust"):
        verify(
            made.folder / "sanitized" / "customers",
            load_settings(file=None, environment={}, flags={"state": str(made.folder / "s")}),
        )


@pytest.mark.parametrize(("left", "right"), [("customers", "orders"), ("customers", "tickets"), ("orders", "tickets")])
def test_customers_join_as_raw_ones_do(made, left, right):
    def raw_ids(name: str) -> Counter[int]:
        return Counter(int(value) for value in made.raw[name]["customer_id"].to_pylist())

    def tokens(name: str) -> Counter[str]:
        return Counter(made.tables[name]["customer_id"].to_pylist())

    def pairs(one: Counter[Any], other: Counter[Any]) -> Counter[tuple[int, int]]:
        return Counter((one[key], other[key]) for key in one.keys() | other.keys())

    assert pairs(tokens(left), tokens(right)) == pairs(raw_ids(left), raw_ids(right))
    assert sum(tokens(left)[key] for key in tokens(right)) > 0


def test_emails_of_customers_and_orders_join_whatever_their_case(made):
    raw = [
        set(pc.utf8_lower(pc.utf8_trim_whitespace(made.raw[name]["email"])).drop_null().to_pylist()) for name in DATASETS[:2]
    ]
    tokens = [set(made.tables[name]["email"].drop_null().to_pylist()) for name in DATASETS[:2]]
    assert len(tokens[0] & tokens[1]) == len(raw[0] & raw[1]) > 100


def test_partitions_stand_in_the_paths(made):
    paths = [path.relative_to(made.folder).as_posix() for path in (made.folder / "sanitized" / "customers").rglob("*.parquet")]
    days = {str(day) for day in pc.unique(made.raw["customers"]["dt"]).to_pylist()}
    assert {re.search(r"/dt=([^/]+)/", path)[1] for path in paths} == days


# --- canaries ---------------------------------------------------------------------------------------------------------------


def _texts(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)
    elif value is not None:
        yield name, str(value)


def _canaries(made: Made) -> dict[str, set[str]]:
    customers, orders, tickets = (made.raw[name].to_pylist() for name in DATASETS)
    leaves: dict[str, set[str]] = {}
    for row in customers:
        for name, text in _texts(
            {key: row[key] for key in ("email", "name", "phones", "address", "signup_ip", "customer_id")}, ""
        ):
            leaves.setdefault(name, set()).add(text)
    emails = leaves["email"] | {row["email"] for row in orders if row["email"]}
    notes = [text for row in (*customers, *tickets) for text in (row.get("notes"), row.get("body")) if text]
    full_names = {f"{row['name']['first']} {row['name']['last']}" for row in customers if row["name"]}
    return {
        "e-mails": emails,
        "e-mails in free text": {found for text in notes for found in re.findall(r"[\w.+-]+@[\w-]+\.[\w.]*\w", text)},
        "names": full_names,
        "phones": leaves["number"],
        "cards": {row["card"] for row in orders if row["card"]},
        "streets": leaves["street"],
        "ids": leaves["customer_id"] | {row["order_id"] for row in orders} | {row["ticket_id"] for row in tickets},
        "addresses": {row["ip"] for row in orders if row["ip"]} | leaves["signup_ip"],
    }


KINDS = ("e-mails", "e-mails in free text", "names", "phones", "cards", "streets", "ids", "addresses")


@pytest.fixture(scope="module")
def hay(made: Made) -> Haystack:
    return Haystack.of(made.folder / "sanitized", made.folder / "staging", tokens=TOKENS)


@pytest.fixture(scope="module")
def raw_hay(made: Made) -> Haystack:
    return Haystack.of(made.folder / "raw")


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_leaves_the_raw_side(made, hay, kind):
    canaries = _canaries(made)[kind]
    assert len(canaries) > 5
    assert len(hay.found(canaries)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_is_said_aloud(made, kind):
    talk = (made.done.stdout + made.done.stderr).casefold()
    assert not [text for text in _canaries(made)[kind] if text.casefold() in talk]


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_finds_the_canaries_where_they_are(made, raw_hay, kind):
    canaries = _canaries(made)[kind]
    found = len(raw_hay.found(canaries))
    # A full name stands in two columns, and only in some texts as one.
    assert found == len(canaries) if kind != "names" else found > 0


def test_no_key_is_in_any_zone(made):
    root = json.loads((made.folder / "keys" / "root.json").read_text(encoding="utf-8"))["epochs"]["1"]
    pem = (made.folder / "keys" / "release-signing.pem").read_text(encoding="utf-8").splitlines()[1]
    for zone in ("raw", "private", "staging", "sanitized"):
        for file in (made.folder / zone).rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert root.encode() not in data
                assert pem.encode() not in data


# --- the command again ------------------------------------------------------------------------------------------------------


def test_a_second_run_reuses_every_split_and_supersedes_the_release(made):
    done = airlock(made.folder, "run", "policies/orders.yaml", "--engine", "local")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout.splitlines()[-1])["results"]
    first = next(each for each in made.summary["results"] if each["dataset"] == "orders")
    assert result["reused"] == result["splits"] > 0
    assert result["sequence"] == first["sequence"] + 1
    again = _table(made.folder / airlock(made.folder, "path", "sanitized/orders").stdout.strip())
    columns = ["order_id", "customer_id", "amount"]
    assert Counter(zip(*(again[name].to_pylist() for name in columns), strict=True)) == Counter(
        zip(*(made.tables["orders"][name].to_pylist() for name in columns), strict=True)
    )


def test_a_refused_dataset_does_not_hinder_another(tmp_path):
    folder = tmp_path / "project"
    create_demo(folder, rows=200)
    policy = folder / "policies" / "orders.yaml"
    text = policy.read_text(encoding="utf-8")
    edited = re.sub(r"( card: .*?)direct_identifier, mask: \{keep_last: 4\}", r'\1sensitive, keep: "by mistake"', text)
    assert edited != text
    policy.write_text(edited, encoding="utf-8")
    done = airlock(folder, "run", "policies/orders.yaml", "policies/tickets.yaml", "--engine", "local")
    results = {result["policy"]: result for result in json.loads(done.stdout.splitlines()[-1])["results"]}
    assert done.returncode == 3
    assert results["orders.yaml"]["exit_code"] == 3
    assert results["tickets.yaml"]["state"] == "released"
    assert not (folder / "sanitized" / "orders" / "current.json").exists()
    cards = {card for card in pq.read_table(folder / "raw" / "crm" / "orders")["card"].to_pylist() if card}
    assert not [card for card in cards if card in done.stderr + done.stdout]
    assert Haystack.of(folder / "sanitized", tokens=TOKENS).found(cards) == []
