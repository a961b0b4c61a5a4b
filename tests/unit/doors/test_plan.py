"""`plan`: what a run would do, without writing anything or needing a key."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.plan import plan_policy
from airlock.errors import NoEffectError, UnclassifiedColumnError, ZonesOverlapError

POLICY = """\
apiVersion: airlock/v1
dataset: small
owner: o
purpose: p
source: {path: small, format: FORMAT}
sink: {path: small}
subject: id
keys: {recipient: r, epoch: 1, domains: {person: {}, city: {}, plan: {}}}
privacy: {k_anonymity: {none: a test}}
gate: {not_proven: {PERSON: "no names"}}
columns:
  id: {type: string, class: direct_identifier, pseudonymize: person}
  city: {type: string, class: sensitive, pseudonymize: city}
  plan: {type: string, class: sensitive, accept_frequency: "a reason", pseudonymize: plan}
  code: {type: string, class: sensitive, truncate: 9}
  kind: {type: string, class: insensitive, keep: {reason: closed, values: [a, b]}}
  note: {type: string, class: sensitive, keep: "a reason"}
  gone: {type: string, class: sensitive, drop: {}}
"""


@pytest.fixture
def small(project):
    """Write a table of strings and its policy."""

    def write(rows=400, source_format="parquet"):
        table = pa.table(
            {
                "id": [f"CANARY-{row:06}" for row in range(rows)],
                "city": [f"CANARY{row % 3}" for row in range(rows)],
                "plan": ["CANARY"] * rows,
                "code": ["CANARY-LONG"] * rows,
                "kind": ["c" if row == 7 else "a" for row in range(rows)],
                "note": ["CANARY"] * rows,
                "gone": ["CANARY"] * rows,
            }
        )
        folder = project / "raw" / "small"
        folder.mkdir()
        if source_format == "parquet":
            pq.write_table(table, folder / "a.parquet")
        else:
            lines = "".join(",".join(row.values()) + "\n" for row in table.to_pylist())
            text = (",".join(table.column_names) + "\n" + lines).encode()
            (folder / "a.csv").write_bytes(text)
            (folder / "b.csv.gz").write_bytes(gzip.compress(text))
        policy = project / "small.yaml"
        policy.write_text(POLICY.replace("FORMAT", source_format))
        return policy

    return write


@pytest.mark.parametrize("name", ["customers", "orders", "tickets"])
def test_the_demos_policies_plan_and_nothing_is_written(project, settings, untouched, name):
    report = plan_policy(project / "policies" / f"{name}.yaml", settings())
    assert report.dataset == name
    assert report.columns
    assert report.output_bytes > 0
    assert report.unanswered == ()
    json.dumps(report.to_dict())


def test_what_would_be_read(project, settings):
    source = plan_policy(project / "policies" / "customers.yaml", settings()).source
    assert (source.files, source.splits, source.rows, source.about_rows, source.whole_files) == (6, 1, 300, None, 0)
    assert 100 < source.sampled <= 300
    source = plan_policy(project / "policies" / "tickets.yaml", settings()).source
    assert (source.files, source.rows, source.whole_files) == (1, None, 1)
    assert source.about_rows == source.sampled == 23


def test_splits_follow_the_settings(project, settings):
    report = plan_policy(project / "policies" / "customers.yaml", settings(split_mib="0"))
    assert report.source.splits == 6


def test_a_plan_needs_no_key(project, settings):
    policy = project / "policies" / "orders.yaml"
    with_keys = {column.key for column in plan_policy(policy, settings()).columns if column.key}
    assert all(len(key.partition(":")[2]) == 16 for key in with_keys)
    (project / "keys" / "root.json").unlink()
    without = {column.key for column in plan_policy(policy, settings()).columns if column.key}
    assert (
        without
        == {key.partition(":")[0] for key in with_keys}
        == {"order/analytics/1", "customer/analytics/1", "email/analytics/1"}
    )


def test_warnings_come_from_a_sample_and_quote_nothing(small, settings):
    report = plan_policy(small(), settings())
    found = {(warned.path, warned.kind): warned.message for warned in report.warnings}
    assert set(found) == {("city", "frequency"), ("kind", "rejects")}
    assert "one value has 34 % of 400 sampled values" in found["city", "frequency"]
    assert "0.2 % of 400 sampled values would be rejected (not-in-list)" in found["kind", "rejects"]
    assert "CANARY" not in json.dumps(report.to_dict())


def test_a_rule_that_changes_nothing_is_refused_or_accepted_with_a_reason(small, settings):
    policy = small()
    text = policy.read_text()
    policy.write_text(text.replace("truncate: 9", "truncate: 11"))
    with pytest.raises(NoEffectError, match="'truncate' changes no sampled value of column 'code'") as caught:
        plan_policy(policy, settings())
    assert (caught.value.code, caught.value.exit_code, caught.value.facts) == ("no-effect", 2, {"columns": ["code"]})
    assert "CANARY" not in str(caught.value)
    policy.write_text(text.replace("truncate: 9", "accept_no_effect: they are short, truncate: 11"))
    assert plan_policy(policy, settings()).dataset == "small"


def test_few_rows_warn_of_nothing(small, settings):
    assert plan_policy(small(rows=10), settings()).warnings == ()


def test_what_a_draft_left_to_say_is_warned_of(small, settings):
    policy = small()
    assert not [warned for warned in plan_policy(policy, settings()).warnings if warned.kind == "unfinished"]
    text = policy.read_text().replace("owner: o", 'owner: "EDIT: who answers"').replace("recipient: r,", "recipient: edit-me,")
    policy.write_text(text)
    found = [warned.path for warned in plan_policy(policy, settings()).warnings if warned.kind == "unfinished"]
    assert found == ["owner", "keys.recipient"]


def test_few_values_among_many_rows_are_a_frequency_warning(small, settings):
    policy = small()
    table = pq.read_table(policy.parent / "raw/small/a.parquet")
    cities = pa.array([f"c{row % 200}" for row in range(400)])
    pq.write_table(table.set_column(1, "city", cities), policy.parent / "raw/small/a.parquet")
    messages = [warned.message for warned in plan_policy(policy, settings()).warnings if warned.kind == "frequency"]
    assert [message.partition(":")[0] for message in messages] == ["200 different values among 400 sampled"]


def test_what_the_gate_cant_prove(small, settings):
    report = plan_policy(small(), settings())
    assert report.not_proven == {"PERSON": "no names"}
    assert report.unanswered == ()  # the gate asks only where text is redacted
    assert report.open_text == ("code", "note")


def test_what_the_gate_cant_prove_of_redacted_text(small, settings):
    policy = small()
    policy.write_text(policy.read_text().replace('keep: "a reason"', "redact_entities: {entities: [URL]}"))
    assert plan_policy(policy, settings()).unanswered == ("LOCATION",)


def test_what_keyed_operators_reject_is_told_too(small, settings):
    policy = small()
    text = policy.read_text().replace("plan: {}}}", "plan: {}, form: {}}}")
    policy.write_text(text.replace("truncate: 9", "reversible: allowed, accept_frequency: r, fpe: {domain: form}"))
    found = {(warned.path, warned.kind): warned.message for warned in plan_policy(policy, settings()).warnings}
    assert "100.0 % of 200 sampled values would be rejected (not-in-alphabet)" in found["code", "rejects"]


def test_csv_and_gzip(small, settings):
    report = plan_policy(small(source_format="csv"), settings())
    assert (report.source.whole_files, report.source.rows, report.source.about_rows) == (1, None, None)
    assert report.output_bytes is None
    assert report.collisions == {}
    assert report.fetched.looked_at == ()
    assert report.fetched.skipped == ("gone",)


def test_collisions_are_bounded_for_each_token_column(small, settings):
    assert plan_policy(small(), settings()).collisions == dict.fromkeys(["id", "city", "plan"], "below 10^-33")


def test_drift_is_an_error_before_a_row_is_read(project, settings):
    policy = project / "policies" / "orders.yaml"
    policy.write_text("".join(line for line in policy.read_text().splitlines(keepends=True) if not line.startswith("  card:")))
    with pytest.raises(UnclassifiedColumnError, match="no rule for 'card'"):
        plan_policy(policy, settings())


def test_zones_must_be_apart(project, settings):
    with pytest.raises(ZonesOverlapError):
        plan_policy(project / "policies" / "orders.yaml", settings(**{"zones.staging.uri": str(project / "raw" / "x")}))
