"""The three tables as written: schema, joins, skew, and that the policies' privacy models can be met."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest

from airlock.demo import generate
from airlock.errors import ConfigError, MissingCapabilityError

CUSTOMERS = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("email", pa.string()),
        ("name", pa.struct([("first", pa.string()), ("last", pa.string())])),
        ("phones", pa.list_(pa.struct([("kind", pa.string()), ("number", pa.string())]))),
        ("address", pa.struct([("street", pa.string()), ("zip", pa.string()), ("country", pa.string())])),
        ("birth_date", pa.date32()),
        ("sex", pa.string()),
        ("signup_ip", pa.string()),
        ("signup_at", pa.timestamp("us", tz="UTC")),
        ("lifetime_value", pa.decimal128(12, 2)),
        ("attributes", pa.map_(pa.string(), pa.string())),
        ("notes", pa.string()),
    ]
)


def customers(folder: Path, *days: str) -> pa.Table:
    days = days or ("2026-11-21", "2026-11-22")
    return pa.concat_tables([pq.read_table(folder / "crm" / "customers" / f"dt={day}", partitioning=None) for day in days])


def orders(folder: Path) -> pa.Table:
    return pq.read_table(folder / "crm" / "orders")


def tickets(folder: Path) -> pa.Table:
    return pj.read_json(folder / "crm" / "tickets" / "part-00000.jsonl")


def smallest_class(table: pa.Table, *, period: str) -> int:
    """Distinct customers in the smallest class of (zip3, country, birth period, sex)."""
    address = table["address"].combine_chunks()
    year = pc.year(table["birth_date"])
    keys = pa.table(
        {
            "id": table["customer_id"],
            "zip": pc.utf8_slice_codeunits(pc.struct_field(address, "zip"), 0, 3),
            "country": pc.struct_field(address, "country"),
            "born": pc.divide(year, 10) if period == "decade" else year,
            "sex": table["sex"],
        }
    )
    counted = keys.group_by(["zip", "country", "born", "sex"]).aggregate([("id", "count_distinct")])
    return pc.min(counted["id_count_distinct"]).as_py()


def test_customers_have_the_example_policys_columns_and_types(demo_folder):
    assert customers(demo_folder).schema.remove_metadata().equals(CUSTOMERS)


def test_customers_are_partitioned_so_that_where_prunes(example_folder):
    found = ds.dataset(example_folder / "crm" / "customers", partitioning="hive")
    days = found.to_table(columns=["dt"])["dt"].value_counts().to_pylist()
    assert {row["values"]: row["counts"] for row in days} == {"2026-11-21": 2_000, "2026-11-22": 18_000}
    assert len(found.files) == 6


@pytest.mark.parametrize("rows", [100, 333, 2_000, 9_999])
def test_every_size_meets_k_at_decades_in_each_partition_and_in_both(tmp_path, rows):
    generate(tmp_path, rows=rows)
    assert smallest_class(customers(tmp_path), period="decade") >= 5
    assert smallest_class(customers(tmp_path, "2026-11-22"), period="decade") >= 5


def test_the_example_meets_k_at_years(example_folder):
    assert smallest_class(customers(example_folder, "2026-11-22"), period="year") >= 5


def test_plain_generation_does_not_meet_k_at_years(demo_folder):
    assert smallest_class(customers(demo_folder), period="year") < 5


@pytest.mark.parametrize("rows", [100, 2_000])
def test_postal_areas_of_orders_hold_five_customers_each(tmp_path, rows):
    generate(tmp_path, rows=rows)
    table = orders(tmp_path)
    zip3 = pc.utf8_slice_codeunits(table["ship_zip"], 0, 3)
    counted = pa.table({"zip": zip3, "id": table["customer_id"]}).group_by("zip").aggregate([("id", "count_distinct")])
    assert pc.min(counted["id_count_distinct"]).as_py() >= 5


def test_orders_and_tickets_name_existing_customers_only(demo_folder):
    known = pc.unique(customers(demo_folder)["customer_id"])
    as_text = orders(demo_folder)["customer_id"]
    assert as_text.type == pa.string()
    assert pc.all(pc.match_substring_regex(as_text, r"^00\d{8}$")).as_py()
    assert pc.all(pc.is_in(as_text.cast(pa.int64()), known)).as_py()
    assert pc.all(pc.is_in(tickets(demo_folder)["customer_id"], known)).as_py()


def test_orders_carry_their_customers_email_and_postal_code(demo_folder):
    people = customers(demo_folder)
    people = pa.table(
        {
            "id": people["customer_id"],
            "mail": people["email"],
            "zip": pc.struct_field(people["address"].combine_chunks(), "zip"),
        }
    )
    table = orders(demo_folder).select(["customer_id", "email", "ship_zip"])
    table = table.append_column("id", table["customer_id"].cast(pa.int64())).join(people, "id")
    assert table["email"].combine_chunks().equals(table["mail"].combine_chunks())
    assert table["ship_zip"].combine_chunks().equals(table["zip"].combine_chunks())


def test_few_customers_order_much_but_none_more_than_a_hundredth(example_folder):
    counts = pc.sort_indices(
        pc.value_counts(orders(example_folder)["customer_id"]).field("counts"), sort_keys=[("", "descending")]
    )
    values = pc.value_counts(orders(example_folder)["customer_id"]).field("counts").take(counts)
    total = pc.sum(values).as_py()
    assert total == 60_000
    assert values[0].as_py() < total / 100
    assert pc.sum(values[: len(values) // 10]).as_py() > total * 0.25


def test_emails_are_nearly_unique_and_some_repeat_in_another_case(demo_folder):
    mails = customers(demo_folder)["email"].drop_null()
    folded = pc.count_distinct(pc.utf8_lower(mails)).as_py()
    assert len(mails) * 0.98 < folded < len(mails)
    assert pc.count_distinct(mails).as_py() == len(mails)


def test_values_are_skewed_and_some_are_null(demo_folder):
    table = customers(demo_folder)
    for name in ("email", "name", "phones", "address", "birth_date", "sex", "signup_ip", "lifetime_value", "notes"):
        assert 0 < table[name].null_count < len(table), name
    value = table["lifetime_value"].cast(pa.float64())
    assert pc.mean(value).as_py() > 1.5 * pc.quantile(value, 0.5)[0].as_py()


def test_names_come_in_several_scripts(demo_folder):
    last = pc.struct_field(customers(demo_folder)["name"].combine_chunks(), "last")
    assert pc.any(pc.match_substring_regex(last, r"\p{Han}")).as_py()
    assert pc.any(pc.match_substring_regex(last, "[łśżäöüßéèãç]")).as_py()


def test_maps_and_lists_hold_what_the_closed_lists_name(demo_folder):
    table = customers(demo_folder)
    kinds = pc.struct_field(pc.list_flatten(table["phones"]).combine_chunks(), "kind")
    assert set(kinds.to_pylist()) == {"home", "work", "mobile"}
    assert set(table["attributes"].combine_chunks().keys.to_pylist()) == {"plan", "channel"}
    assert set(orders(demo_folder)["currency"].to_pylist()) <= {"USD", "EUR", "GBP", "PLN", "BRL", "JPY"}


def test_amounts_are_the_sum_of_their_items(demo_folder):
    for row in orders(demo_folder).slice(0, 500).to_pylist():
        assert row["amount"] == sum(item["qty"] * item["price"] for item in row["items"])


def test_equal_seeds_write_equal_bytes_and_other_seeds_other_people(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate(tmp_path / name, rows=200, seed=seed)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*") if path.is_file())
    assert len(files) == 10
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)
    assert not customers(tmp_path / "a")["email"].equals(customers(tmp_path / "c")["email"])


def test_rows_do_not_depend_on_file_and_row_group_sizes(tmp_path, monkeypatch):
    generate(tmp_path / "a", rows=500)
    module = sys.modules["airlock.demo.generate"]
    monkeypatch.setattr(module, "_ROW_GROUP", 64)
    monkeypatch.setattr(module, "_FILE_ROWS", 128)
    generate(tmp_path / "b", rows=500)
    written = sorted((tmp_path / "b" / "crm" / "orders").iterdir())
    assert len(written) == 12
    assert pq.ParquetFile(written[0]).num_row_groups == 2
    assert orders(tmp_path / "a").equals(orders(tmp_path / "b"))
    assert customers(tmp_path / "a").equals(customers(tmp_path / "b"))


def test_tickets_are_one_for_a_hundred_customers_and_twenty(demo_folder):
    text = (demo_folder / "crm" / "tickets" / "part-00000.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 40
    assert list(lines[0]) == ["ticket_id", "customer_id", "opened_on", "channel", "requester", "subject", "body"]
    assert pa.types.is_timestamp(tickets(demo_folder).schema.field("opened_on").type)


def test_a_folder_with_data_is_not_overwritten(demo_folder):
    with pytest.raises(ConfigError, match="already there"):
        generate(demo_folder, rows=200)


def test_too_few_rows_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least 100 rows"):
        generate(tmp_path, rows=99)
    assert not (tmp_path / "crm").exists()


def test_without_faker_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MissingCapabilityError, match=r"airlock\[surrogates\]"):
        generate(tmp_path, rows=200)
    assert not (tmp_path / "crm").exists()
