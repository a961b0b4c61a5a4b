"""References join, or are a PolicyError that says what differs."""

from __future__ import annotations

import pytest

from airlock.errors import PolicyFileError
from airlock.plan.bind import bind_policy

POLICY = """\
apiVersion: airlock/v1
dataset: {dataset}
owner: o
purpose: p
source: {{path: {dataset}}}
sink: {{path: {dataset}}}
subject: id
keys: {{recipient: {recipient}, epoch: {epoch}, domains: {{person: {{canonical: [{canonical}]}}}}}}
columns:
  id: {{type: string, class: direct_identifier, {references}{operator}}}
privacy: {{k_anonymity: {{none: small}}}}
"""
DEFAULTS = {
    "recipient": "team",
    "epoch": 1,
    "canonical": "trim",
    "references": "",
    "operator": "pseudonymize: {domain: person, form: hex}",
}


def write(folder, dataset, **changes):
    path = folder / f"{dataset}.yaml"
    path.write_text(POLICY.format(dataset=dataset, **(DEFAULTS | changes)))
    return path


def test_equal_columns_join(tmp_path):
    write(tmp_path, "people")
    orders = write(tmp_path, "orders", references="references: people.id, ")
    assert bind_policy(orders).policy.columns["id"].references == "people.id"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipient": "other"}, "recipient is team, there other"),
        ({"epoch": 2}, "epoch is 1, there 2"),
        ({"canonical": "lower"}, "domain 'person' has another canonical form there"),
        ({"operator": "pseudonymize: {domain: person, form: base32}"}, "form is hex, there base32"),
        ({"operator": "drop: {}"}, "the operator is pseudonymize, there drop"),
    ],
)
def test_what_would_not_join_is_refused(tmp_path, changes, said):
    write(tmp_path, "people", **changes)
    orders = write(tmp_path, "orders", references="references: people.id, ")
    with pytest.raises(PolicyFileError, match=said):
        bind_policy(orders)


@pytest.mark.parametrize(
    ("reference", "said"), [("people.name", "has no column 'name'"), ("staff.id", "is of dataset 'staff'")]
)
def test_what_is_not_there_is_refused(tmp_path, reference, said):
    write(tmp_path, "people")
    orders = write(tmp_path, "orders", references=f"references: {reference}, ")
    with pytest.raises(PolicyFileError, match=said):
        bind_policy(orders)


SUBJECTLESS = """\
  id: {type: string, class: direct_identifier, pseudonymize: {domain: person, form: hex}}
  note: {type: string, class: sensitive, REFERENCESpseudonymize: {domain: person, form: hex}}
privacy"""


def test_in_the_subjects_domain_only_a_subject_is_referenced(tmp_path):
    """Else it would be free of the check of frequencies, at both doors."""

    def with_note(dataset, references):
        path = write(tmp_path, dataset)
        text = path.read_text()
        path.write_text(
            text[: text.index("  id:")] + SUBJECTLESS.replace("REFERENCES", references) + text.partition("privacy")[2]
        )
        return path

    with_note("people", "")
    orders = with_note("orders", "references: people.note, ")
    with pytest.raises(PolicyFileError, match=r"'people.note' is not the subject of 'people' \('id' is\): reference that"):
        bind_policy(orders)
    assert bind_policy(with_note("orders", "references: people.id, ")).policy.columns["note"].references == "people.id"
