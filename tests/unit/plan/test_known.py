"""Where a row's own identifiers are looked for."""

from __future__ import annotations

from airlock.plan.known import open_text
from airlock.policy.model import Policy

RULES = {
    "id": {"type": "int64", "class": "direct_identifier", "pseudonymize": {"domain": "d"}},
    "note": {"type": "string", "class": "sensitive", "keep": "a reason"},
    # Digits that are no words: an identifier of four digits would be found in them by chance.
    "card": {"type": "string", "class": "direct_identifier", "reversible": "allowed", "fpe": "d"},
    "either": {
        "type": "string",
        "class": "sensitive",
        "reversible": "allowed",
        "when": {"column": "note", "in": ["x"], "then": {"fpe": "d"}, "otherwise": {"redact": {}}},
    },
    "kept": {
        "type": "string",
        "class": "sensitive",
        "reversible": "allowed",
        "when": {"column": "note", "in": ["x"], "then": {"fpe": "d"}, "otherwise": {"keep": "a reason"}},
    },
}


def test_identifiers_are_looked_for_in_words_not_in_encrypted_numbers():
    policy = Policy.model_validate(
        {
            "apiVersion": "airlock/v1",
            "dataset": "people",
            "owner": "o",
            "purpose": "p",
            "subject": "id",
            "source": {"path": "a"},
            "sink": {"path": "a"},
            "keys": {"recipient": "r", "epoch": 1, "domains": {"d": {}}},
            "columns": RULES,
            "privacy": {"k_anonymity": {"none": "a test"}},
        }
    )
    assert [str(path) for path in open_text(policy)] == ["note", "kept"]
