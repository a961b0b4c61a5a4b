"""Which versions shape the output: those of the operators in use, and they are part of the program's identity."""

from __future__ import annotations

from importlib.metadata import version

from airlock.doors._said import _CODE
from airlock.operators import operator_class, operator_names
from airlock.plan.versions import code_versions
from airlock.text.redact_entities import RedactEntities


def test_an_operators_packages_are_told_where_it_is_used():
    plain = code_versions([])
    text = code_versions([RedactEntities(entities=("URL",))])
    assert text.items() > plain.items()
    assert text["presidio-analyzer"] == version("presidio-analyzer")


def test_the_outer_door_knows_every_word():
    used = {name for operator in operator_names() for name in operator_class(operator).distributions}
    assert set(_CODE) == {*code_versions([]), *used}
