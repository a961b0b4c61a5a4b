from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from airlock.errors import (
    FrequencyError,
    LeakedNameError,
    NearlyUniqueError,
    ResidualEntityError,
    SchemaMismatchError,
    ShapeError,
    SmallGroupError,
)
from airlock.gate.checks.classes import Classes, ClassesCheck
from airlock.gate.checks.frequency import Counts
from airlock.gate.checks.uniqueness import Distinct
from airlock.gate.rules import GateConfig, Waiver
from airlock.policy.arrow import parse_type


def tokens(count: int, *, start: int = 0) -> list[str]:
    return [f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" for number in range(start, start + count)]


# --- schema and names -------------------------------------------------------------------------------------------------

KEPT = {
    "a": {"type": "int64", "class": "insensitive", "keep": "r"},
    "b": {"type": "string", "class": "insensitive", "keep": "r"},
}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"a": pa.array([1], pa.int32()), "b": ["x"]}, r"'a' is int32, expected int64"),
        ({"a": [1]}, r"'b' is missing"),
        ({"b": ["x"], "a": [1]}, r"columns in another order"),
        ({"a": [1], "b": ["x"], "canary_column": [1]}, r"'leaf 3' is not in the policy"),
        ({"a": [1], "b": [{"x": "y"}]}, r"'leaf 2' is not in the policy"),
        ({"a": [1], "b": [["x"]]}, r"'leaf 2' is not in the policy"),
    ],
)
def test_another_schema_is_refused_and_nothing_written(gate, table, said):
    ran = gate(KEPT, pa.table(table))
    assert ran.failed[0] == "schema"
    assert ran.outputs == {}
    with pytest.raises(SchemaMismatchError, match=said):
        ran.verdict.raise_first()
    assert "canary" not in ran.refused() + str(ran.verdict.to_dict())


def test_a_column_twice_is_refused(gate):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array(["x"]), pa.array(["y"])], names=["a", "b", "b"])
    assert "stands there twice" in gate(KEPT, twice).refused()


def test_files_with_different_schemas_are_refused(gate, column):
    columns = {"a": column(["int32", "int64"], keep="r")}
    assert gate(columns, *[pa.table({"a": pa.array([1, 1], kind)}) for kind in (pa.int32(), pa.int32())]).failed == []
    ran = gate(columns, *[pa.table({"a": pa.array([1, 1], kind)}) for kind in (pa.int32(), pa.int64())])
    assert "differs from file to file" in ran.refused()


def test_dictionaries_are_their_values_and_optional_columns_may_lack(gate, column):
    columns = {"a": column("string", keep="r"), "b": {**column("int8", keep="r"), "optional": True}}
    assert gate(columns, pa.table({"a": pa.array(["x", "x"]).dictionary_encode()})).failed == []


def test_a_dropped_name_is_a_leak(gate, column):
    columns = {"a": column("int64", keep="r"), "person": column("struct", kind="direct_identifier", drop={}), "s.x": column("int8", drop={}), "s.y": column("int8", keep="r")}  # fmt: skip
    assert gate(columns, pa.table({"a": [1], "s": pa.array([{"y": 1}], pa.struct({"y": pa.int8()}))})).failed == []
    ran = gate(
        columns, pa.table({"a": [1], "person": [{"first": "Ann"}], "s": pa.array([{"y": 1}], pa.struct({"y": pa.int8()}))})
    )
    assert ran.failed[0] == "names"
    with pytest.raises(LeakedNameError, match=r"'person' is dropped by the policy, yet written"):
        ran.verdict.raise_first()


def test_entities_in_names_and_partition_values_are_leaks(gate, column):
    ran = gate({"ann@example\\.org": column("int64", keep="r")}, pa.table({"ann@example.org": [1]}))
    assert "'a column's name' holds EMAIL_ADDRESS" in ran.refused()
    columns = {"a": column("int64", keep="r"), "p": column("string", keep="r")}
    ran = gate(columns, pa.table({"a": [1], "p": ["212-555-0147"]}), sink={"partition_by": ["p"]})
    assert set(ran.failed) == {"names", "entities"}
    assert "'partition p' holds PHONE_NUMBER" in ran.refused()


# --- shapes and entities ----------------------------------------------------------------------------------------------


def test_a_value_off_shape_is_refused_with_its_picture(gate, column):
    columns = {
        "t": column("string", pseudonymize={"domain": "d"}),
        "p[].n": column("string", kind="direct_identifier", mask={"keep_last": 2}),
    }
    good = pa.table({"t": tokens(3), "p": [[{"n": "***12"}], None, []]})
    assert gate(columns, good).failed == []
    bad = pa.table({"t": tokens(3), "p": [[{"n": "***12"}, {"n": "555-0147"}], None, [{"n": None}]]})
    ran = gate(columns, good, bad)
    assert ran.failed == ["shapes"]
    with pytest.raises(ShapeError, match=r"column 'p\[\]\.n': 1 of 3 values, such as '999-9999'"):
        ran.verdict.raise_first()
    assert "0147" not in ran.refused()


OPEN = {"note": {"type": "string", "class": "insensitive", "keep": "r"}}


def test_one_entity_in_text_refuses(gate):
    ran = gate(OPEN, pa.table({"note": ["fine", "so so"]}), pa.table({"note": ["write to ann@example.org", "fine"]}))
    assert ran.failed == ["entities"]
    with pytest.raises(
        ResidualEntityError, match=r"column 'note' still holds EMAIL_ADDRESS in 1 of 4 values, such as 'a@aaaaaaa\.aaa'"
    ):
        ran.verdict.raise_first()


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        (
            {"m{key}": "string", "m{value}": "int8"},
            {"m": pa.array([[("ann@example.org", 1)]], pa.map_(pa.string(), pa.int8()))},
        ),
        ({"s.t[].u": "string"}, {"s": [{"t": [{"u": "ann@example.org"}]}]}),
        ({"b": "binary"}, {"b": [b"\xffann@example.org"]}),
        ({"b": "fixed_size_binary[16]"}, {"b": pa.array([b"ann@example.org\xff"], pa.binary(16))}),
        ({"b": "large_string"}, {"b": pa.array(["ann@example.org"], pa.large_string())}),
    ],
)
def test_every_kind_of_leaf_is_scanned(gate, column, columns, table):
    ran = gate({path: column(kind, keep="r") for path, kind in columns.items()}, pa.table(table))
    assert ran.failed == ["entities"]
    assert "EMAIL_ADDRESS" in ran.refused()


def test_long_cut_texts_are_scanned_and_closed_shapes_are_not(gate, column):
    cut = {"note": column("string", truncate={"length": 20})}
    assert gate(cut, pa.table({"note": ["ann@example.org"]})).failed == ["entities"]
    mail = column("string", kind="direct_identifier", pseudonymize={"domain": "d", "keep_domain": "common"})
    assert gate({"mail": mail}, pa.table({"mail": [token + "@gmail.com" for token in tokens(3)]})).failed == []
    own = column("string", kind="direct_identifier", pseudonymize={"domain": "d", "keep_domain": ["uni.example"]})
    assert gate({"mail": own}, pa.table({"mail": [token + "@uni.example" for token in tokens(3)]})).failed == []
    assert gate({"mail": own}, pa.table({"mail": [token + "@gmail.com" for token in tokens(3)]})).failed == ["shapes"]


@pytest.mark.parametrize("text", ["ann*example.org", "212*555*0147", "81*2*69*142", "78*05*1120 is not, 078*05*1120 is"])
def test_what_a_mask_character_may_hide_is_looked_for(gate, column, text):
    rule = {"note": column("string", mask={"pattern": r"(\w+)(\W+)(.+)", "groups": [2]})}
    for values in (pa.array([text]), pa.array([text]).dictionary_encode()):
        assert "entities" in gate(rule, pa.table({"note": values})).failed
    assert "entities" not in gate(rule, pa.table({"note": ["order*2026 of ann"]})).failed


@pytest.mark.parametrize("shown", [12, 13, 15])
def test_cards_without_their_last_digits_are_found_by_the_column(gate, column, shown):
    cards = [f"4{number * 7919:011}12345"[:shown] for number in range(40)]
    cut = {"a": column("string", truncate={"length": shown})}
    masked = {"a": column("string", mask={"keep_first": shown})}
    for rule, tail in ((cut, ""), (masked, "*" * (16 - shown))):
        ran = gate(rule, pa.table({"a": [card + tail for card in cards] * 2}))
        assert ran.failed == ["entities"]
        assert "TRUNCATED_CREDIT_CARD" in ran.refused()
        others = [f"1{number * 7919:011}12345"[:shown] + tail for number in range(40)]
        assert gate(rule, pa.table({"a": others * 2})).failed == []
    kept = {"a": column("string", mask={"keep_first": 8, "keep_last": 4})}
    assert gate(kept, pa.table({"a": [f"{card[:8]}****{card[-4:]}" for card in cards] * 2})).failed == []


def test_cards_with_noise_still_look_like_cards(gate, column):
    rule = {"a": column("int64", add_noise={"scale": 5, "key": "d"})}
    assert "entities" in gate(rule, pa.table({"a": [4_111_000_000_000_000 + 7919 * n for n in range(100)]})).failed
    assert "entities" not in gate(rule, pa.table({"a": [1_111_000_000_000_000 + 7919 * n for n in range(100)]})).failed


def test_accepted_and_waived_entities(gate):
    table = pa.table({"note": ["ann@example.org"]})
    assert gate(OPEN, table, gate={"synthetic": {"note": "EMAIL_ADDRESS"}}).failed == ["entities"]
    links = pa.table({"note": ["https://example.org"]})
    assert gate(OPEN, links, gate={"absent": ["URL"]}).failed == ["entities"]
    assert gate(OPEN, links, gate={"absent": ["URL"], "synthetic": {"note": "URL"}}).failed == []
    said = {"dataset": "people", "column": "note", "entity": "EMAIL_ADDRESS", "approver": "dpo", "reason": "r"}
    ran = gate(OPEN, table, config=GateConfig(waivers=(Waiver(expires=dt.date(2026, 12, 1), **said),)))
    assert ran.failed == []
    (waived,) = next(result for result in ran.verdict.results if result.check == "entities").waived
    assert (waived.entity, waived.waiver) == ("EMAIL_ADDRESS", "dpo until 2026-12-01")
    ran = gate(OPEN, table, config=GateConfig(waivers=(Waiver(expires=dt.date(2026, 11, 1), **said),)))
    assert "(its waiver expired on 2026-11-01)" in ran.refused()


def test_entities_that_the_policy_adds(gate):
    table = pa.table({"note": ["see www.example.com"]})
    assert gate(OPEN, table).failed == []
    assert gate(OPEN, table, gate={"absent": ["URL"]}).failed == ["entities"]


IDS = range(7_000_000, 7_000_100)


@pytest.mark.parametrize(
    ("data_type", "values"),
    [
        ("float64", [float(number) for number in IDS]),
        ("float64", [*map(float, IDS), *[float("nan")] * 50, *[None] * 50]),
        ("float32", [float(number) for number in IDS]),
        ("decimal128(12, 2)", [Decimal(number) for number in IDS]),
        ("float64", [*map(float, IDS), *[0.5] * 11]),
        ("float64", [number / 7 for number in IDS]),
        ("float32", [number / 7 for number in range(100)]),
        ("decimal128(12, 2)", [Decimal(number) / 100 for number in IDS]),
    ],
)
def test_numbers_that_no_two_rows_share_identify(gate, column, data_type, values):
    table = pa.table({"a": pa.array(values, parse_type(data_type))})
    assert gate({"a": column(data_type, keep="r")}, table).failed == ["uniqueness"]
    halves = [table.slice(0, 60), table.slice(60)]
    assert gate({"a": column(data_type, keep="r")}, *halves).failed == ["uniqueness"]


@pytest.mark.parametrize("data_type", ["timestamp[us, tz=UTC]", "timestamp[ns]", "time64[us]", "duration[s]", "date32"])
def test_moments_that_no_two_rows_share_identify(gate, column, data_type):
    kind = parse_type(data_type)
    moments = pa.array(range(200), pa.int32() if data_type == "date32" else pa.int64()).view(kind)
    rule = {"a": column(data_type, keep="r")}
    assert gate(rule, pa.table({"a": moments})).failed == ["uniqueness"]
    assert gate(rule, pa.table({"a": pa.concat_arrays([moments, moments])})).failed == []


@pytest.mark.parametrize(
    ("data_type", "values"),
    [
        ("float64", [number / 7 for number in IDS] * 2),
        ("float64", [float("nan"), float("inf")] * 100),
        ("float64", [*map(float, range(99)), *[float("nan")] * 100]),
        ("float64", [float(number // 2) for number in range(200)]),
        ("decimal128(12, 2)", [Decimal(number // 2) / 100 for number in IDS]),
    ],
)
def test_measures_that_rows_share_are_no_ids(gate, column, data_type, values):
    assert gate({"a": column(data_type, keep="r")}, pa.table({"a": pa.array(values, parse_type(data_type))})).failed == []


# --- frequency and uniqueness -----------------------------------------------------------------------------------------

TOKENS = {"id": {"type": "int64", "class": "direct_identifier", "pseudonymize": {"domain": "d"}},
          "mail": {"type": "string", "class": "direct_identifier", "pseudonymize": {"domain": "e"}}}  # fmt: skip


def test_few_tokens_that_repeat_are_refused(gate):
    ran = gate(TOKENS, pa.table({"id": tokens(1000), "mail": tokens(500) * 2}))
    with pytest.raises(FrequencyError, match=r"column 'mail' has 500 distinct tokens in 1,000 rows"):
        ran.verdict.raise_first()
    assert gate(TOKENS, pa.table({"id": tokens(1000), "mail": tokens(950) + tokens(50)})).failed == []
    assert gate(TOKENS, pa.table({"id": tokens(500) * 2, "mail": tokens(1000)})).failed == []
    accepted = {**TOKENS, "mail": {**TOKENS["mail"], "accept_frequency": "r"}}
    assert gate(accepted, pa.table({"id": tokens(1000), "mail": tokens(500) * 2})).failed == []


def test_a_token_that_stands_out_is_refused(gate):
    table = pa.table({"id": tokens(24_000), "mail": tokens(11_850) * 2 + tokens(1, start=50_000) * 300})
    assert gate(TOKENS, table).failed == ["frequency"]
    table = pa.table({"id": tokens(23_800), "mail": tokens(11_850) * 2 + tokens(1, start=50_000) * 100})
    assert gate(TOKENS, table).failed == []


def test_counts_are_exact_then_bounded():
    few = Counts.of(pa.array(["a", "b", "a"])) + Counts.of(pa.array(["c", "a"]).dictionary_encode())
    assert (few.rows, few.distinct, few.top, few.invertible) == (5, 3, 3, True)
    parts = [Counts.of(pa.array([*map(str, range(part * 20_000, (part + 1) * 20_000)), *["top"] * 300])) for part in range(8)]
    many = sum(parts[1:], parts[0])
    assert (many.distinct, many.many, len(many.prints) <= 10_000) == (10_000, True, True)
    assert 2400 <= many.top <= 2400 + many.rows // 10_000
    assert many.invertible
    assert not Counts.of(pa.array(map(str, range(20_000)))).invertible
    assert not Counts.of(pa.array([], pa.string())).invertible


FEW = {"n": 2, "min_count": 20}


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a"] * 20 + ["b"] * 20 + ["other"] * 3 + [None] * 9, ""),
        (["other"] * 50, ""),
        (["a"] * 20 + ["b"] * 19, "column 'x' has 1 values that fewer than 20 rows share"),
        (["a"] * 20 + ["b"] * 20 + ["c"] * 20, "column 'x' has 3 different values, its rule lets 2 stay"),
        ([f"v{n}" for n in range(12_000)], "column 'x' has 10,000 different values, its rule lets 2 stay"),
    ],
    ids=["as it should be", "others alone", "a rare one", "one too many", "many"],
)
def test_few_values_are_few_and_frequent(gate, column, values, said, encoded):
    found = pa.array(values, pa.string())
    ran = gate({"x": column("string", keep_top=FEW)}, pa.table({"x": found.dictionary_encode() if encoded else found}))
    assert "rare" not in ran.failed if not said else said in str(ran.verdict.results[5].message)
    assert ("rare" in ran.failed) == bool(said)


@pytest.mark.parametrize(("other", "fine"), [(-1, True), (None, False), (3, False)])
def test_numbers_that_stand_for_others_are_not_counted(gate, column, other, fine):
    table = pa.table({"x": pa.array([7] * 20 + [-1] * 2)})
    ran = gate({"x": column("int64", keep_top={**FEW, "other": other})}, table)
    assert ("rare" not in ran.failed) == fine


@pytest.mark.parametrize(("rows", "fine"), [(20, True), (19, False)])
def test_frequent_means_rows_of_the_dataset_not_values_of_a_list(gate, column, rows, fine):
    columns = {"x[]": column("string", keep_top=FEW)}
    halves = [pa.table({"x": [["a", "a", "other"]] * count + [None, []]}) for count in (rows - 5, 5)]
    assert ("rare" not in gate(columns, *halves).failed) == fine


def test_nearly_unique_kept_columns_are_refused(gate, column):
    ran = gate(KEPT, pa.table({"a": range(100), "b": ["x"] * 100}))
    with pytest.raises(NearlyUniqueError, match=r"column 'a' has about 100 distinct values in 100"):
        ran.verdict.raise_first()
    assert gate(KEPT, pa.table({"a": range(99), "b": ["x"] * 99})).failed == []
    assert gate(KEPT, pa.table({"a": [*range(89), *[0] * 11], "b": ["x"] * 100})).failed == []
    waiver = Waiver(
        dataset="people", column="a", entity="NEARLY_UNIQUE", approver="dpo", expires=dt.date(2027, 1, 1), reason="r"
    )
    assert gate(KEPT, pa.table({"a": range(100), "b": ["x"] * 100}), config=GateConfig(waivers=(waiver,))).failed == []
    parts = {"a": column("int64", keep="r"), "b": column("string", keep="r")}
    assert gate(parts, pa.table({"a": range(100), "b": ["x"] * 100}), sink={"partition_by": ["a"]}).failed == ["uniqueness"]


DAYS = np.arange(200).astype("M8[D]")
GENERALIZED = {
    "steps of one": ("int64", {"generalize_number": {"width": 1}}, range(200)),
    "steps of ten": ("int64", {"generalize_number": {"width": 10}}, range(0, 2000, 10)),
    "steps of ten, of floats": ("float64", {"generalize_number": {"width": 10}}, [1e15 + 10 * number for number in range(200)]),
    "days": ("timestamp[ms]", {"generalize_date": {"to": "day"}}, DAYS.astype("M8[ms]")),
    "hours": ("timestamp[us]", {"generalize_date": {"to": "hour"}}, DAYS.astype("M8[us]")),
    "weeks": ("date32", {"generalize_date": {"to": "week"}}, (np.arange(200) * 7 + 4).astype("M8[D]")),
    "a list": ("int64", {"keep": {"reason": "r", "values": list(range(200))}}, range(200)),
    "a plugin's": ("string", {"scramble": {}, "unshaped": "r"}, [f"Ann{number}" for number in range(200)]),
}


@pytest.mark.parametrize("name", GENERALIZED)
def test_generalized_and_listed_values_that_no_two_rows_share_identify(gate, column, name):
    data_type, operator, values = GENERALIZED[name]
    table = pa.table({"a": pa.array(values).cast(parse_type(data_type))})
    assert gate({"a": column(data_type, **operator)}, table).failed == ["uniqueness"]
    assert gate({"a": column(data_type, **operator)}, table, table).failed == []


DILUTED = {
    "texts of another case": (
        {"when": {"column": "b", "in": ["x"], "then": {"redact": {}}, "otherwise": {"keep": "r"}}},
        [*["[redacted]"] * 200, *(f"ann{n}" for n in range(20))],
    ),
    "tokens of another case": (
        {"when": {"column": "b", "in": ["x"], "then": {"pseudonymize": {"domain": "d", "prefix": "p_"}}, "otherwise": {"keep": "r"}}},
        [*(f"p_{tokens(1)[0]}" for _ in range(200)), *(f"ann{n}" for n in range(20))],
    ),
    "values of another case's list": (
        {"when": {"column": "b", "in": ["x"], "then": {"keep": {"reason": "r", "values": ["n/a"]}}, "otherwise": {"keep": "r"}}},
        [*["n/a"] * 200, *(f"ann{n}" for n in range(20))],
    ),
    "the ends of a range": ({"clamp": {"bottom": 1000, "top": 9999}}, [*[1000] * 100, *[9999] * 100, *range(5000, 5020)]),
    "the ends of a rounded range": (
        {"generalize_number": {"width": 10, "bottom": 1000, "top": 9000}}, [*[1000] * 100, *[9000] * 100, *range(5000, 5200, 10)],
    ),
    "a text for each row": (
        {"first_match": {"cases": [{"column": "b", "in": [str(n)], "then": {"redact": {"with": f"ann{n}"}}} for n in range(119)],
            "otherwise": {"redact": {"with": "ann119"}}}},
        [f"ann{n}" for n in range(120)],
    ),
    "a prefix for each row": (
        {"first_match": {"cases": [{"column": "b", "in": [str(n)], "then": {"pseudonymize": {"domain": "d", "prefix": f"ann{n}_"}}} for n in range(119)],
            "otherwise": {"pseudonymize": {"domain": "d", "prefix": "ann119_"}}}},
        [f"ann{n}_{token}" for n, token in enumerate(tokens(120))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DILUTED)
def test_what_an_operator_writes_by_itself_makes_no_raw_value_shared(gate, column, name):
    operator, values = DILUTED[name]
    table = pa.table({"a": values, "b": ["x"] * len(values)})
    kind = "int64" if table["a"].type == pa.int64() else "string"
    rules = {"a": column(kind, kind="sensitive", accept_frequency="r", **operator), "b": column("string", redact={"with": "x"})}
    assert gate(rules, table).failed == ["uniqueness"]
    twice = gate(rules, table, table)
    assert twice.failed == []


def test_domains_of_tokens_that_no_two_rows_share_identify(gate, column):
    domains = [f"lee{number}.example" for number in range(120)]
    rule = {"a": column("string", pseudonymize={"domain": "d", "prefix": "p_", "keep_domain": domains})}
    own = [f"p_{token}@{domain}" for token, domain in zip(tokens(120), domains, strict=True)]
    others = [f"p_{token}@other.invalid" for token in tokens(1000, start=120)]
    for values in (pa.array(own), pa.array(own + others), pa.array(own).dictionary_encode()):
        assert gate(rule, pa.table({"a": values})).failed == ["uniqueness"]
    assert gate(rule, pa.table({"a": own + [f"p_{token}@lee0.example" for token in tokens(20, start=5000)]})).failed == []
    assert gate(rule, pa.table({"a": others})).failed == []


def test_uniqueness_is_of_the_dataset_not_of_its_files(gate):
    table = pa.table({"a": range(150), "b": ["x"] * 150})
    assert gate(KEPT, table, table).failed == []
    assert gate(KEPT, table, pa.table({"a": range(150, 300), "b": ["x"] * 150})).failed == ["uniqueness"]


def test_distinct_counts_are_estimated_closely():
    parts = [Distinct.of(pa.array(np.arange(start, start + 150_000))) for start in range(0, 400_000, 50_000)]
    whole = sum(parts[1:], parts[0])
    assert len(whole.prints) == 1 << 14
    assert 0.98 * 500_000 < whole.count < 1.06 * 500_000
    assert Distinct.of(pa.array(["a", None, "b"]).drop_null().dictionary_encode()).count == 2


# --- classes ----------------------------------------------------------------------------------------------------------

QUASI = {
    "id": {"type": "int64", "class": "direct_identifier", "pseudonymize": {"domain": "d"}},
    "zip": {"type": "string", "class": "quasi_identifier", "truncate": 3},
    "year": {"type": "date32", "class": "quasi_identifier", "generalize_date": {"to": "year"}},
}
YEAR = dt.date(1980, 1, 1)


def people(*rows: tuple[int, str | None]) -> pa.Table:
    ids = tokens(1000)
    return pa.table(
        {
            "id": [ids[number] for number, _ in rows],
            "zip": pa.array([zip_ for _, zip_ in rows], pa.string()),
            "year": [YEAR] * len(rows),
        }
    )


def test_rows_and_subjects_are_counted_over_all_files(gate):
    rows = {"privacy": {"k_anonymity": {"k": 3, "count": "rows"}}}
    subjects = {"privacy": {"k_anonymity": {"k": 3, "count": "subjects"}}}
    one, two = people((1, "941"), (1, "941")), people((2, "941"))
    assert gate(QUASI, one, two, **rows).failed == []
    ran = gate(QUASI, one, two, **subjects)
    with pytest.raises(
        SmallGroupError,
        match=r"quasi-identifiers \(zip, year\): smallest equivalence class has 2 subjects, policy asks k >= 3; 1 of 1",
    ):
        ran.verdict.raise_first()
    assert gate(QUASI, one, two, people((3, "941")), **subjects).failed == []
    ran = gate(QUASI, one, people((2, "94")), **rows)
    assert "smallest equivalence class has 1 rows" in ran.refused()
    assert "941" not in ran.refused()


def test_null_is_a_value_of_its_own(gate):
    table = people((1, "941"), (2, "941"), (3, None))
    assert gate(QUASI, table, privacy={"k_anonymity": {"k": 2}}).failed == ["classes"]
    assert gate(QUASI, table, people((4, None)), privacy={"k_anonymity": {"k": 2}}).failed == []


def test_a_quasi_identifier_that_is_not_there_is_null(gate, column):
    columns = {"a": column("int64", keep="r"), "z": {**column("string", kind="quasi_identifier", keep="r"), "optional": True},
               "t[]": {**column("string", kind="quasi_identifier", keep="r"), "optional": True},
               "gone": column("struct", kind="quasi_identifier", null={})}  # fmt: skip
    table = pa.table({"a": [1, 1], "gone": pa.nulls(2, pa.string())})
    assert gate(columns, table, privacy={"k_anonymity": {"k": 2}}).failed == []
    assert gate(columns, table, privacy={"k_anonymity": {"k": 3}}).failed == ["classes"]
    filled = table.set_column(1, "gone", pa.array([None, "x"]))
    assert gate(columns, filled).failed == ["shapes"]


def test_rows_without_a_subject_are_one_subject(gate):
    nobody = people((1, "941"), (2, "941")).set_column(0, "id", pa.nulls(2, pa.string()))
    assert gate(QUASI, nobody, privacy={"k_anonymity": {"k": 2, "count": "subjects"}}).failed == ["classes"]


def test_no_quasi_identifier_is_one_class_and_no_rows_are_none(gate, column):
    columns = {"a": column("int64", keep="r")}
    k = {"privacy": {"k_anonymity": {"k": 3}}}
    assert gate(columns, pa.table({"a": [1, 1]}), **k).failed == ["classes"]
    assert gate(columns, pa.table({"a": [1, 1, 1]}), **k).failed == []
    assert gate(columns, pa.table({"a": pa.array([], pa.int64())}), **k).failed == []


def test_repeated_quasi_identifiers_count_with_all_their_values(gate, column):
    columns = {"id": column("int64", keep="r"), "tags[]": column("string", kind="quasi_identifier", keep="r")}
    k = {"privacy": {"k_anonymity": {"k": 2}}}
    assert gate(columns, pa.table({"id": [1, 1], "tags": [["a", "b"], ["a", "b"]]}), **k).failed == []
    assert gate(columns, pa.table({"id": [1, 1], "tags": [["a", "b"], ["a,b"]]}), **k).failed == ["classes"]
    assert gate(columns, pa.table({"id": [1, 1], "tags": pa.array([[], None], pa.list_(pa.string()))}), **k).failed == [
        "classes"
    ]


def test_classes_stay_bounded_while_they_merge(gate):
    one = gate(
        QUASI, people(*[(number, "941") for number in range(50)]), privacy={"k_anonymity": {"k": 3, "count": "subjects"}}
    )
    part: Classes = one.partials[0].parts["classes"]
    assert part.collapsed().num_rows == 3
    for _ in range(20):
        part = ClassesCheck.merge(part, one.partials[0].parts["classes"])
        assert len(part.tables) < 8
    assert part.collapsed().num_rows == 3
    assert part.sizes().tolist() == [3]
