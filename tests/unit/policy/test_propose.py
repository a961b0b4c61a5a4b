"""Drafts: what is proposed for a column, that the text is a valid policy, and that no value of the data stands in it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from airlock.demo import generate
from airlock.errors import PolicyError
from airlock.policy.model import KAnonymity, NoPrivacyModel, Policy
from airlock.policy.path import ColumnPath
from airlock.policy.profile import ColumnProfile, profile
from airlock.policy.propose import Proposal, missing_rules, propose, propose_rule, propose_rules, update
from airlock.types import Classification

SHARED = Path(__file__).parents[4] / "shared" / "data"
REAL = ("legislators.jsonl", "social-media.jsonl", "adult.csv")


def loaded(text: str) -> Policy:
    return Policy.model_validate(YAML(typ="safe").load(text))


def drafted(table: pa.Table, **names: str) -> Policy:
    return loaded(propose(profile(table), **({"dataset": "d", "source_path": "raw/d"} | names)))


def leaf(path: str, type_: str = "string", **counts: object) -> ColumnProfile:
    return ColumnProfile(**({"path": ColumnPath.parse(path), "type": type_, "rows": 200, "nulls": 0, "distinct": 200} | counts))


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> dict[str, pa.Table]:
    folder = tmp_path_factory.mktemp("raw")
    generate(folder, rows=600)
    crm = folder / "crm"
    return {
        "customers": pq.read_table(crm / "customers"),
        "orders": pq.read_table(crm / "orders"),
        "tickets": pj.read_json(crm / "tickets" / "part-00000.jsonl"),
    }


def real(name: str) -> pa.Table:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} of the shared data folder is missing")
    return pacsv.read_csv(path) if name.endswith(".csv") else pj.read_json(path)


def samples(demo: dict[str, pa.Table]) -> dict[str, pa.Table]:
    return demo | {name.partition(".")[0]: real(name) for name in REAL if (SHARED / name).exists()}


# --- one leaf ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "operator", "arguments", "classification"),
    [
        (
            leaf("contact", kinds={"EMAIL_ADDRESS": 180}),
            "pseudonymize",
            {"domain": "email", "form": "hex"},
            "direct_identifier",
        ),
        (leaf("email"), "pseudonymize", {"domain": "email", "form": "hex"}, "direct_identifier"),
        (leaf("customerId", "int64"), "pseudonymize", {"domain": "customer", "form": "base32"}, "direct_identifier"),
        (leaf("offices[].id"), "pseudonymize", {"domain": "offices", "form": "base32"}, "direct_identifier"),
        (leaf("ref", kinds={"UUID": 200}), "pseudonymize", {"domain": "ref", "form": "base32"}, "direct_identifier"),
        (leaf("status_id", "int32", distinct=4), "drop", {}, "direct_identifier"),
        (leaf("id", "float64"), "drop", {}, "direct_identifier"),
        (leaf("phones[].number", kinds={"PHONE_NUMBER": 199}), "mask", {"keep_last": 2}, "direct_identifier"),
        (leaf("phones[].kind", distinct=3), "drop", {}, "direct_identifier"),
        (leaf("pay", kinds={"CREDIT_CARD": 150}), "mask", {"keep_last": 4}, "direct_identifier"),
        (leaf("pay", "int64", kinds={"CREDIT_CARD": 150}), "drop", {}, "direct_identifier"),
        (leaf("iban"), "drop", {}, "direct_identifier"),
        (leaf("account", kinds={"IBAN_CODE": 200}), "drop", {}, "direct_identifier"),
        (leaf("social", kinds={"US_SSN": 200}), "drop", {}, "direct_identifier"),
        (leaf("from", kinds={"IP_ADDRESS": 200}), "drop", {}, "direct_identifier"),
        (leaf("signup_ip"), "drop", {}, "direct_identifier"),
        (leaf("profile", kinds={"URL": 200}), "drop", {}, "direct_identifier"),
        (leaf("last_name"), "drop", {}, "direct_identifier"),
        (leaf("name.middle"), "drop", {}, "direct_identifier"),
        (leaf("address.street"), "redact", {"with": "[address]"}, "direct_identifier"),
        (leaf("email_address"), "pseudonymize", {"domain": "email", "form": "hex"}, "direct_identifier"),
        (leaf("ip_address"), "drop", {}, "direct_identifier"),
        (leaf("birth_date", "date32"), "generalize_date", {"to": "year"}, "quasi_identifier"),
        (leaf("dob", kinds={"DATE": 200}), "truncate", {"length": 4}, "quasi_identifier"),
        (leaf("dob", kinds={"DATE": 199}), "drop", {}, "quasi_identifier"),
        (leaf("birth_year", "int16"), "generalize_number", {"width": 10}, "quasi_identifier"),
        (leaf("age", "int64"), "generalize_number", {"width": 10, "top": 90}, "quasi_identifier"),
        (leaf("address.zip", kinds={"DIGITS": 200}, max_length=5), "zip3", {}, "quasi_identifier"),
        (leaf("address.zip", kinds={"DIGITS": 199}, max_length=5), "truncate", {"length": 3}, "quasi_identifier"),
        (leaf("postcode", kinds={"DIGITS": 200}, max_length=5), "truncate", {"length": 3}, "quasi_identifier"),
        (leaf("zip_code", "int32", digits=5), "zip3", {}, "quasi_identifier"),
        (leaf("zip_code", "int32", digits=8), "generalize_number", {"width": 100}, "quasi_identifier"),
        (leaf("home.lat", "double"), "geo_grid", {"cell": "0.1"}, "quasi_identifier"),
        (leaf("latitude", "int32"), "drop", {}, "direct_identifier"),
        (
            leaf("http_referrer", kinds={"URL": 200}),
            "url",
            {"to": "registered_domain", "otherwise": "none"},
            "quasi_identifier",
        ),
        (leaf("referrer"), "drop", {}, "sensitive"),
        (leaf("address.zip"), "truncate", {"length": 3}, "quasi_identifier"),
        (leaf("zip_code", "int32"), "generalize_number", {"width": 100}, "quasi_identifier"),
        (leaf("native-country", distinct=40), "drop", {}, "quasi_identifier"),
        (leaf("sex", distinct=2), "drop", {}, "quasi_identifier"),
        (leaf("lifetime_value", "decimal128(12, 2)", digits=4), "generalize_number", {"width": 100}, "sensitive"),
        (leaf("price", "float64", digits=1), "generalize_number", {"width": 10}, "sensitive"),
        (leaf("income", distinct=2), "drop", {}, "sensitive"),
        (leaf("ordered_at", "timestamp[us, tz=UTC]"), "generalize_date", {"to": "month"}, "sensitive"),
        (leaf("attributes{key}"), "redact", {"with": "[key]"}, "sensitive"),
        (leaf("attributes{value}"), "redact", {"with": "[removed]"}, "sensitive"),
        (leaf("active", "bool", distinct=2), "drop", {}, "sensitive"),
        (leaf("plan", distinct=4), "drop", {}, "sensitive"),
        (leaf("qty", "int32"), "drop", {}, "sensitive"),
        (leaf("blob", "binary"), "drop", {}, "sensitive"),
    ],
)
def test_a_leaf_is_proposed(given, operator, arguments, classification):
    found = propose_rule(given)
    assert (found.operator, dict(found.arguments), found.classification) == (operator, arguments, classification)
    assert found.type == given.type


@pytest.mark.parametrize(
    "given",
    [
        leaf("notes"),
        leaf("reason", max_length=90, words=7.0),
        leaf("reason", mentions={"PHONE_NUMBER": 1}),
    ],
)
def test_free_text_is_searched_for_entities(given):
    found = propose_rule(given)
    assert (found.operator, found.classification) == ("redact_entities", Classification.SENSITIVE)
    assert "EMAIL_ADDRESS" in found.arguments["entities"]


def test_an_identifier_called_like_a_text_is_no_text():
    assert propose_rule(leaf("message_id")).operator == "pseudonymize"


def test_nothing_is_ever_kept_and_no_direct_identifier_is_generalised():
    for name in ("a", "id", "email", "zip", "notes", "country", "amount", "born", "ip", "phone", "first"):
        for type_ in ("string", "int64", "float64", "bool", "date32", "binary", "null", "timestamp[us]", "time64[us]"):
            found = propose_rule(leaf(name, type_))
            assert found.operator != "keep"
            if found.classification is Classification.DIRECT_IDENTIFIER:
                assert found.operator in {"drop", "redact", "pseudonymize", "mask"}
            if found.operator in {"mask", "truncate", "redact", "redact_entities"}:
                assert type_ == "string"


def test_an_empty_column_is_proposed_by_name():
    assert propose_rule(leaf("phone", rows=0, distinct=0)).operator == "mask"
    assert propose_rule(leaf("x", "null", rows=9, nulls=9, distinct=0)).operator == "drop"


def test_repeating_identifiers_are_told_of_the_frequency_check():
    assert "accept_frequency" in propose_rule(leaf("customer_id", distinct=150)).why
    assert "accept_frequency" not in propose_rule(leaf("customer_id")).why


# --- a table ----------------------------------------------------------------------------------------------------------


def test_what_is_dropped_whole_is_one_rule():
    inner = pa.struct([("first", pa.string()), ("last", pa.string())])
    table = pa.table(
        {
            "name": pa.array([{"first": "a", "last": "b"}], inner),
            "tags": pa.array([["x"]]),
            "family": pa.array([[{"name": "a"}]]),
            "scores": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "labels": pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())),
            "empty": pa.array([{}], pa.struct([])),
        }
    )
    rules = propose_rules(profile(table), dataset="d")
    assert {path: (found.type, found.operator) for path, found in rules.items()} == {
        "name": ("struct", "drop"),
        "tags": ("list", "drop"),
        "family": ("list", "drop"),
        "scores": ("map", "drop"),
        "labels{key}": ("string", "redact"),
        "labels{value}": ("string", "redact"),
        "empty": ("struct", "drop"),
    }
    assert rules["name"].classification is Classification.DIRECT_IDENTIFIER


def test_free_text_knows_the_rows_names_and_numbers_but_no_map_and_no_nested_list():
    profiles = [leaf("name.first"), leaf("email"), leaf("a[].b[].street"), leaf("m{value}"), leaf("notes")]
    rules = propose_rules(profiles, dataset="d")
    assert rules["notes"].arguments["known_values"] == ["name.first", "email"]


def test_a_column_called_id_takes_the_datasets_name_as_domain():
    assert propose_rules([leaf("id")], dataset="patients")["id"].arguments["domain"] == "patients"


def test_one_domain_has_one_canonical_form():
    profiles = [leaf("customer_id", "int64"), leaf("customer_key"), leaf("customer.id", kinds={"DIGITS": 200})]
    rules = propose_rules(profiles, dataset="d")
    assert [found.arguments["domain"] for found in rules.values()] == ["customer", "customer-2", "customer"]
    assert rules["customer_key"].canonical == ("trim", "nfc")


def test_the_demos_drafts_are_what_a_person_would_begin_with(demo):
    policy = drafted(demo["customers"], dataset="customers")
    operators = {path: rule.operator.name for path, rule in policy.columns.items()}
    assert operators == {
        "customer_id": "pseudonymize",
        "email": "pseudonymize",
        "name": "drop",
        "phones[].kind": "drop",
        "phones[].number": "mask",
        "address.street": "redact",
        "address.zip": "truncate",
        "address.country": "drop",
        "birth_date": "generalize_date",
        "sex": "drop",
        "signup_ip": "drop",
        "signup_at": "generalize_date",
        "lifetime_value": "generalize_number",
        "attributes{key}": "redact",
        "attributes{value}": "redact",
        "notes": "redact_entities",
        "dt": "drop",
    }
    assert policy.subject == "customer_id"
    assert policy.privacy.k_anonymity == KAnonymity(k=5, count="subjects")


def test_the_drafts_of_related_tables_join(demo):
    customers, orders = drafted(demo["customers"]), drafted(demo["orders"])
    assert customers.keys.domains["customer"] == orders.keys.domains["customer"]
    assert customers.keys.domains["email"] == orders.keys.domains["email"]
    assert orders.subject == "customer_id"


@pytest.mark.parametrize("name", REAL)
def test_drafts_of_real_tables_are_policies(name):
    table = real(name)
    policy = drafted(table, format=name.partition(".")[2])
    assert {ColumnPath.parse(path).column for path in policy.columns} == set(table.column_names)
    assert not [path for path, rule in policy.columns.items() if rule.operator.name == "keep"]


def test_a_table_without_identifiers_counts_rows_and_says_so():
    text = propose([leaf("age", "int64")], dataset="d", source_path="d", format="csv")
    policy = loaded(text)
    assert (policy.subject, policy.source.format) == ("age", "csv")
    assert policy.privacy.k_anonymity == KAnonymity(k=5, count="rows")
    assert "no identifier was found" in text


def test_a_table_without_quasi_identifiers_asks_for_a_reason():
    policy = drafted(pa.table({"user_id": ["a", "b"]}))
    assert isinstance(policy.privacy.k_anonymity, NoPrivacyModel)
    assert policy.privacy.k_anonymity.none.startswith("EDIT")


def test_a_subject_is_preferred_that_is_always_there_and_no_email():
    profiles = [leaf("email"), leaf("a_id", nulls=20), leaf("b_id"), leaf("tags[].user_id")]
    assert loaded(propose(profiles, dataset="d", source_path="d")).subject == "b_id"


@pytest.mark.parametrize(
    "name",
    [
        "a.b",
        "no",
        "null",
        "12",
        "x: y",
        "#c",
        "tab\there",
        "nl\nx",
        '"',
        "'",
        "\\",
        "a[]",
        "{k}",
        "é",
        "名",
        "😀",
        "\x85",
        "\ufeff",
        "- a",
        " ",
    ],
)
def test_any_column_name_survives(name):
    policy = drafted(pa.table({name: ["v"], "user_id": [1]}))
    assert ColumnPath((name,)) in policy.rules()


def test_a_column_without_a_name_and_a_table_without_columns_are_refused():
    with pytest.raises(PolicyError, match="empty name"):
        drafted(pa.table({"": [1]}))
    with pytest.raises(PolicyError, match="no column"):
        drafted(pa.table({}))


def _texts(array: pa.Array) -> set[str]:
    kind = array.type
    if pa.types.is_struct(kind):
        return set().union(*(_texts(child) for child in array.flatten()))
    if pa.types.is_map(kind):
        return _texts(array.keys) | _texts(array.items)
    if pa.types.is_list(kind):
        return _texts(array.flatten())
    return {str(value) for value in array.unique().to_pylist() if value is not None and len(str(value)) >= 4}


def test_no_value_of_the_data_stands_in_a_draft(demo):
    for name, table in samples(demo).items():
        texts = set().union(
            *(_texts(column.combine_chunks()) for column in table.columns if not pa.types.is_integer(column.type))
        )
        assert len(texts) > 60
        draft = propose(profile(table), dataset=name, source_path=f"raw/{name}")
        # What stands in the draft of the empty table too is a word of ours or of the schema.
        own_words = propose(profile(table.slice(0, 0)), dataset=name, source_path=f"raw/{name}")
        own_words += "free text by its length or by what it mentions a category"
        assert {text for text in texts if text in draft and text not in own_words} == set()


def test_no_planted_value_stands_in_a_draft():
    canary = "canary-7f3a"
    inner = pa.array([[{"k": canary}]] * 40)
    table = pa.table(
        {
            "plan": [canary] * 40,
            "notes": [f"call {canary} at {canary}@example.org"] * 40,
            "l": inner,
            "m": pa.array([[(canary, canary)]] * 40, pa.map_(pa.string(), pa.string())),
            "d": pa.array([canary] * 40).dictionary_encode(),
        }
    )
    text = propose(profile(table), dataset="d", source_path="d")
    assert canary not in text
    assert canary not in repr(profile(table))
    assert canary not in repr(propose_rules(profile(table), dataset="d"))


# --- appending --------------------------------------------------------------------------------------------------------

POLICY = """\
# our customers, since 2024
apiVersion: airlock/v1
dataset: d
owner: 'a'   # who
purpose: "b"
source: {path: x}
sink: {path: d}
subject: customer_id
keys:
  recipient: r
  epoch: 1
  domains: {customer: {canonical: [decimal]}}
columns:
    customer_id:  {type: int64, class: direct_identifier, pseudonymize: {domain: customer}}   # the key
    name.first:   {type: string, class: direct_identifier, drop: {}}
    # more to come

# why no k: see DPA-7
privacy:
  k_anonymity: {none: "see DPA-7"}
"""
NEW = [leaf("customer_id", "int64"), leaf("name.first"), leaf("name.middle"), leaf("plan", distinct=3), leaf("notes")]


def new_rules() -> dict[str, Proposal]:
    return missing_rules(NEW, present=loaded(POLICY).rules(), dataset="d")


def test_missing_rules_are_those_that_no_rule_covers():
    assert list(new_rules()) == ["name.middle", "plan", "notes"]
    assert new_rules()["notes"].arguments["known_values"] == ["name.first", "name.middle"]
    assert missing_rules(NEW, present=[ColumnPath((item.path.column,)) for item in NEW], dataset="d") == {}


def test_update_appends_and_leaves_every_other_byte():
    text = update(POLICY, new_rules())
    before, after = POLICY.split("    # more to come\n")
    assert text.startswith(before + "    # more to come\n")
    assert text.endswith(after)
    added = loaded(text)
    assert list(added.columns) == ["customer_id", "name.first", "name.middle", "plan", "notes"]
    assert added.columns["plan"].operator.name == "drop"
    assert len(text.splitlines()) == len(POLICY.splitlines()) + 4 + 7


def test_update_without_missing_rules_changes_nothing():
    assert update(POLICY, {}) == POLICY


def test_update_keeps_windows_line_ends_and_a_missing_last_one():
    windows = POLICY.replace("\n", "\r\n")
    text = update(windows, new_rules())
    assert text.replace("\r\n", "\n") == update(POLICY, new_rules())
    head, _, tail = POLICY.partition("columns:\n")
    columns, _, privacy = tail.partition("\n# why")
    last = head + "privacy:" + privacy.partition("privacy:")[2] + "columns:\n" + columns.rstrip("\n")
    assert "plan" in loaded(update(last, new_rules())).columns


def test_update_of_a_policy_in_flow_style_still_says_the_same_and_keeps_comments():
    head, _, tail = POLICY.partition("columns:\n")
    flow = head + "columns: {customer_id: {type: int64, class: direct_identifier, pseudonymize: {domain: customer}}}\n\n"
    flow += tail[tail.index("# why") :]
    text = update(flow, new_rules())
    assert list(loaded(text).columns) == ["customer_id", "name.middle", "plan", "notes"]
    assert "# our customers, since 2024" in text
    assert "# why no k: see DPA-7" in text


def test_update_drops_what_needs_an_undeclared_domain():
    rules = missing_rules([leaf("email")], present=[], dataset="d")
    dropped = update(POLICY, rules)
    assert loaded(dropped).columns["email"].operator.name == "drop"
    assert "declare key domain 'email'" in dropped
    assert loaded(update(POLICY, rules, domains={"email"})).columns["email"].operator.name == "pseudonymize"


def test_update_refuses_a_path_that_has_a_rule_and_a_text_without_columns():
    with pytest.raises(PolicyError, match="a rule for 'plan' already"):
        update(update(POLICY, new_rules()), {"plan": new_rules()["plan"]})
    with pytest.raises(PolicyError, match="no mapping 'columns'"):
        update("dataset: d\n", new_rules())
    with pytest.raises(PolicyError, match="not YAML"):
        update("a: [", new_rules())


# --- with the layers above ---------------------------------------------------------------------------------------------


def test_drafts_bind_and_compile_against_their_tables(demo, tmp_path):
    from airlock.plan.bind import bind_policy
    from airlock.plan.compile import compile_plan

    for name, table in samples(demo).items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(propose(profile(table), dataset=name, source_path=f"raw/{name}"), encoding="utf-8")
        plan = compile_plan(bind_policy(path), [table.schema], [])
        assert set(plan.schema.names) <= set(table.column_names)
