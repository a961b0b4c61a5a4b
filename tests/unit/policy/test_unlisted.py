"""Names that come from the source: shown only if they look like identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.policy.path import ELEMENT, ColumnPath
from airlock.policy.unlisted import Unlisted, paste_lines, shown_name, yaml_key
from airlock.policy.yaml import read_yaml


@pytest.mark.parametrize(
    "name",
    ["a", "_id", "mother_name", "Date of-birth", "iso.3166", "größe", "v2", "x" * 64, "q1_2026", "straße", "address_line_2"],
)
def test_an_identifier_is_shown(name):
    assert shown_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "ann@example.org", "1979-05-17", "4111 1111 1111 1111", "+49 30 123", "x" * 65, "a\nb", "a:b", "O'Brien", "b ", "a/b",
        "tel_0301234567", "id 123-45-67890", "<script>", "\u0661\u0662",
        "AB123456C", "RSSMRA85T10A562S", "id_4111x1111x1111x1111", "x\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467",
    ],
)  # fmt: skip
def test_what_may_be_data_is_not(name):
    assert shown_name(name) is None
    unlisted = Unlisted.of(ColumnPath(("known", ELEMENT, name)), "string")
    assert not name.strip() or name not in str(unlisted)
    assert unlisted.paste == ""
    assert any("No line can be given" in line for line in paste_lines([unlisted]))


@given(st.text(min_size=1, max_size=12).filter(lambda name: shown_name(name) is not None))
def test_a_shown_name_is_a_key_that_yaml_reads_as_itself(name):
    path = ColumnPath((name, ELEMENT, "x"))
    document = read_yaml(f"{yaml_key(str(path))}: 1\n{yaml_key(str(ColumnPath(('p', name))))}: 2\n", "p.yaml")
    assert not document.problems
    assert [ColumnPath.parse(text) for text in document.data] == [path, ColumnPath(("p", name))]
