"""What a policy keeps in files beside it: read when it is loaded, part of its digest, faults at their place."""

import hashlib

import pyarrow as pa
import pytest

from airlock.errors import PolicyFileError
from airlock.plan.bind import bind_policy
from airlock.policy.formats import OneOf, output_of
from airlock.policy.inline import CONTENT, inline_files, without_content
from airlock.policy.load import load_policy
from airlock.policy.tree_file import read_tree
from airlock.policy.yaml import read_yaml

POLICY = """\
apiVersion: airlock/v1
dataset: people
owner: o@example.org
purpose: tests
source: {path: people}
sink: {path: people}
subject: id
keys: {recipient: tests, epoch: 1}
privacy: {k_anonymity: {none: a test}}
columns:
  id: {type: int64, class: direct_identifier, drop: {}}
  diagnosis: {type: string, class: sensitive, hierarchy: {file: d.csv, level: 1}}
"""
TREE = b"flu;lung;any\nasthma;lung;any\nulcer;gut;any\n"


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "d.csv").write_bytes(TREE)
    path = tmp_path / "people.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def said(path):
    with pytest.raises(PolicyFileError) as caught:
        bind_policy(path)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def test_the_file_is_in_the_policy(policy):
    rule = load_policy(policy).columns["diagnosis"].operator
    assert rule.arguments[CONTENT] == {
        "sha256": hashlib.sha256(TREE).hexdigest(),
        "leaves": ["flu", "asthma", "ulcer"],
        "labels": ["lung", "lung", "gut"],
    }
    assert output_of(rule, pa.string(), unshaped=None).shape == OneOf(values=("gut", "lung"))
    assert bind_policy(policy).operators


def test_the_digest_covers_the_file(policy):
    before = load_policy(policy).digest
    policy.with_name("d.csv").write_bytes(TREE + b"gout;joint;any\n")
    assert load_policy(policy).digest != before


def test_files_of_operators_inside_others(tmp_path):
    (tmp_path / "d.csv").write_bytes(TREE)
    document = read_yaml(
        "columns: {a: {type: string, first_match: [{when: {x: 1}, then: {hierarchy: {file: d.csv, level: 2}}}, {otherwise: {keep: r}}]}}",
        "p.yaml",
    )
    inline_files(document, tmp_path)
    inner = document.data["columns"]["a"]["first_match"][0]["then"]["hierarchy"]
    assert inner[CONTENT]["labels"] == ["any", "any", "any"]
    assert document.problems == []


@pytest.mark.parametrize(
    ("arguments", "place", "message"),
    [
        ("{file: gone.csv, level: 1}", 59, "file 'gone.csv' can't be read: No such file or directory. It stands in the policy's folder, at both doors"),
        ("{file: ../x.csv, level: 1}", 59, "file '../x.csv' lies outside the policy's folder; what a policy needs stands beside it"),
        ("{file: 7, level: 1}", 59, "'file' needs the name of a file beside the policy"),
        ("{file: d.csv, level: 3}", 59, "file 'd.csv' has levels up to 2, found level 3; level 0 are the leaves"),
    ],
)  # fmt: skip
def test_faults_stand_at_the_argument(policy, arguments, place, message):
    policy.write_text(POLICY.replace("{file: d.csv, level: 1}", arguments), encoding="utf-8")
    assert (12, place, message) in said(policy)


def test_content_is_not_written_by_hand(policy):
    policy.write_text(POLICY.replace("level: 1}", "level: 1, content: {}}"), encoding="utf-8")
    assert [message for *_, message in said(policy)] == ["'content' is what was read from the file; leave it out"]


def test_a_wrong_level_is_said_once(policy):
    policy.write_text(POLICY.replace("level: 1}", "level: 0}"), encoding="utf-8")
    [(line, _, message)] = said(policy)
    assert (line, "greater than or equal to 1" in message) == (12, True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty or no CSV in UTF-8"),
        (b"flu\nasthma\n", "has 1 columns; a tree has 2 to 32"),
        (b"flu;lung\nasthma;lung;x\n", "line 2: has more or fewer columns than the first line, which has 2"),
        (b"flu;lung\n\nasthma;lung\n", "line 2, column 1: is empty"),
        (b"flu;lung\nasthma;\n", "line 2, column 2: is empty"),
        (b"flu;lung\nulcer;gut\nflu;lung\n", "line 3, column 1: the leaf of line 1 stands here again"),
        (
            b"flu;lung;any\nulcer;gut;any\nasthma;lung;other\n",
            "line 3, column 3: the label of column 2 had another parent in line 1",
        ),
        (b"fl\xff;lung\n", "no CSV in UTF-8"),
        (b"a;b\n" * 9, "line 2, column 1"),
        (b"".join(b"%d;x\n" % n for n in range(100_001)), "has 100,001 lines; a tree has at most 100,000"),
        (b"x;y\n" * (5 << 20), "a tree has at most 16"),
    ],
)
def test_what_is_no_tree_is_refused_without_a_value(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_tree(data)
    assert not any(word in str(caught.value) for word in ("flu", "asthma", "lung", "gut", "ulcer"))


def test_delimiters_and_quotes():
    assert [level.to_pylist() for level in read_tree(b'\xef\xbb\xbf"a;b",c\r\n"d,""e""",f\r\n')] == [
        ["a;b", 'd,"e"'],
        ["c", "f"],
    ]
    assert [level.to_pylist() for level in read_tree(b"a,b;c\n007;NULL")] == [["a,b", "007"], ["c", "NULL"]]


def test_only_what_was_read_from_files_is_left_out():
    """A value that a rule maps may be called so."""
    plain = {"map": {"content": "c", "hierarchy": "h"}, "otherwise": "e"}
    assert without_content("replace", plain) == plain
    inner = {"hierarchy": {"file": "d.csv", "level": 1, "content": {"sha256": ""}}}
    cases = {"cases": [{"in": ["content"], "then": inner}], "otherwise": inner}
    bare = {"hierarchy": {"file": "d.csv", "level": 1}}
    assert without_content("first_match", cases) == {"cases": [{"in": ["content"], "then": bare}], "otherwise": bare}
