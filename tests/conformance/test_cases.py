"""Every operator's examples, as data in tests/cases."""

from pathlib import Path

import pytest

from airlock.operators import operator_names
from airlock.testing import Case, check_case, read_cases

FOLDER = Path(__file__).parents[1] / "cases"
CASES = [case for path in sorted(FOLDER.glob("*.yaml")) for case in read_cases(path)]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.operator.name}-{case.name}") for case in CASES])
def test_case(case):
    check_case(case)


@pytest.mark.parametrize("name", operator_names())
def test_every_operator_has_cases_that_transform_and_cases_that_are_refused(name):
    mine = [case for case in CASES if case.operator.name == name]
    assert any(case.output is not None or case.absent for case in mine)
    assert any(case.refused for case in mine)


def test_names_are_unique():
    named = [(case.operator.name, case.name) for case in CASES]
    assert len(named) == len(set(named))


def test_no_file_without_an_operator():
    assert {path.stem for path in FOLDER.glob("*.yaml")} <= set(operator_names())


def test_a_wrong_output_is_found(tmp_path):
    (tmp_path / "truncate.yaml").write_text('- {name: wrong, operator: 2, type: string, input: ["abc"], output: ["abc"]}')
    with pytest.raises(AssertionError, match="wrong: made"):
        check_case(read_cases(tmp_path / "truncate.yaml")[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{operator: 2, type: string, input: ["a"], refused: "no"}', "must be refused"),
        ('{operator: 0, type: string, refused: "another reason"}', "another message"),
        ('{operator: 2, type: string, input: ["a"], error: "not-an-address"}', "must reject values"),
        ('{operator: 2, type: string, input: ["a"], absent: true}', "absent"),
        ('{operator: 2, type: string, input: ["a"]}', "needs one of"),
    ],
)
def test_a_wrong_expectation_is_found(tmp_path, text, message):
    (tmp_path / "truncate.yaml").write_text(f"- {text[:1]}name: x, {text[1:]}")
    [case] = read_cases(tmp_path / "truncate.yaml")
    assert isinstance(case, Case)
    with pytest.raises(AssertionError, match=message):
        check_case(case)


def test_a_wrong_code_is_found(tmp_path):
    (tmp_path / "ip_truncate.yaml").write_text('- {name: x, operator: {}, type: string, input: ["a"], error: "other"}')
    with pytest.raises(AssertionError, match="rejected as not-an-address"):
        check_case(read_cases(tmp_path / "ip_truncate.yaml")[0])


def test_a_file_that_is_no_list(tmp_path):
    (tmp_path / "keep.yaml").write_text("name: x")
    with pytest.raises(ValueError, match=r"keep\.yaml is not a list of cases"):
        read_cases(tmp_path / "keep.yaml")
