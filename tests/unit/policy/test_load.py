"""From YAML to the model: every fault at once, with its place; `extends`; files that can't be read."""

from __future__ import annotations

import pytest

from airlock.errors import NotFoundError, PolicyFileError
from airlock.policy.load import load_policy, parse_policy, policy_files

HEAD = """\
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
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="people.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def said(path):
    with pytest.raises(PolicyFileError) as caught:
        load_policy(path)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def test_a_policy_is_read(file):
    policy = load_policy(file(HEAD))
    assert policy.dataset == "people"
    assert policy.columns["id"].operator.name == "drop"


def test_every_fault_is_named_at_its_place(file):
    text = (
        HEAD.replace("epoch: 1", "epcoh: 1")
        .replace("{path: people}\nsub", "{path: ../people}\nsub")
        .replace("owner: o@example.org\n", "")
    )
    assert said(file(text)) == [
        (1, 1, "'owner' is missing"),
        (5, 8, "sink.path: must be a path relative to its zone, without '.', '..' or empty parts"),
        (7, 1, "'epoch' is missing"),
        (7, 26, "unknown key 'epcoh'; nearest: 'epoch'"),
    ]


def test_a_message_shows_file_line_and_column(file):
    path = file(HEAD.replace("subject:", "subjekt:"))
    with pytest.raises(PolicyFileError) as caught:
        load_policy(path)
    assert str(caught.value) == (
        f"2 problems in the policy:\n{path}:1:1: 'subject' is missing\n{path}:7:1: unknown key 'subjekt'; nearest: 'subject'"
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("airlock/v1", "airlock/v2", 1, "apiVersion: Input should be 'airlock/v1'"),
        ("dataset: people", "dataset: People", 2, "dataset: String should match pattern"),
        ("epoch: 1", "epoch: '1'", 8, "keys.epoch: Input should be a valid integer"),
        ("{none: a test}", "{none: ''}", 9, "privacy.k_anonymity.none: String should have at least 1 character"),
        ("{none: a test}", "{k: 1}", 9, "privacy.k_anonymity.k: Input should be greater than or equal to 2"),
        ("drop: {}", "drop: {}, keep: x", 11, "columns.id.operator: needs exactly one operator, found drop, keep"),
        (", drop: {}", "", 11, "columns.id.operator: needs exactly one operator, found none"),
        ("type: int64", "type: int65", 11, "columns.id.type: 'int65' is not an Arrow type"),
        ("type: int64", "type: []", 11, "columns.id.type: needs an Arrow type, or a list of them"),
        ("direct_identifier", "direct", 11, "columns.id.class: Input should be 'direct_identifier', 'quasi_identifier'"),
        ("  id: {", "  'i..d': {", 10, "columns: column 'i..d': empty name at character 2"),
        ("{none: a test}", "{none: a test, epoch: 1}", 9, "'epoch' has no place under 'k_anonymity'"),
        ("dataset: people", "dataset: people\nk: 5", 3, "'k' has no place at the top of the file"),
        ("subject: id", "subject: di", 1, "the policy: subject names 'di', which has no rule under columns"),
    ],
)
def test_faults(file, old, new, line, message):
    assert old in HEAD
    found = said(file(HEAD.replace(old, new)))
    assert any(at == line and text.startswith(message) for at, _, text in found), found


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "# nothing\n"])
def test_what_is_no_mapping_is_no_policy(file, text):
    assert said(file(text)) == [(1, 1, "a policy is a mapping that begins with 'apiVersion: airlock/v1'")]


def test_values_are_not_quoted(file):
    canary = "canary-4711"
    found = said(file(HEAD.replace("epoch: 1", f"epoch: {canary}").replace("{none: a test}", f"{{k: {canary}}}")))
    assert len(found) == 2
    assert canary not in str(found)


def test_parsing_does_not_raise_for_faults(file):
    parsed = parse_policy(file(HEAD + "xyzzy: 1\n"))
    assert parsed.policy is None
    assert [problem.message for problem in parsed.document.problems] == ["unknown key 'xyzzy'"]


def test_files_that_cant_be_read(tmp_path):
    with pytest.raises(NotFoundError, match="there is no policy file"):
        load_policy(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError, match="is a folder"):
        load_policy(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"owner: Andr\xe9")
    with pytest.raises(NotFoundError, match="is not UTF-8 text"):
        load_policy(tmp_path / "latin.yaml")


# --- extends ----------------------------------------------------------------------------------------------------------


def test_a_shared_file_brings_keys_gate_and_a_prefix(file):
    file(
        "keys: {recipient: shared, epoch: 3, domains: {person: {}}}\ngate: {absent: [URL]}\nsink: {prefix: team, retain: {days: 3}}\n",
        "common.yaml",
    )
    own = HEAD.replace("keys: {recipient: tests, epoch: 1}\n", "") + "gate: {max_rejects: 2}\nextends: common.yaml\n"
    policy = load_policy(file(own))
    assert (policy.keys.recipient, policy.keys.epoch) == ("shared", 3)
    assert (policy.gate.absent, policy.gate.max_rejects) == (["URL"], 2)
    assert (policy.sink.path, policy.sink.retain.days) == ("team/people", 3)


def test_nothing_shared_is_redefined(file):
    common = file("keys: {recipient: shared, epoch: 3}\n", "common.yaml")
    found = said(file(HEAD + "extends: common.yaml\n"))
    assert sorted(message for _, _, message in found) == [
        "'epoch' is already set in the file that this one extends; take one of them out",
        "'recipient' is already set in the file that this one extends; take one of them out",
    ]
    assert {line for line, _, _ in found} == {8}
    assert common.exists()


def test_columns_are_never_shared(file):
    file("columns: {x: {type: int8, class: sensitive, drop: {}}}\n", "common.yaml")
    with pytest.raises(PolicyFileError, match=r"common\.yaml:1:1: 'columns' can't be shared"):
        load_policy(file(HEAD + "extends: common.yaml\n"))


@pytest.mark.parametrize(
    ("named", "message"), [("[a, b]", "needs the name of one file"), ("list.yaml", "'list.yaml' is not a mapping")]
)
def test_what_cant_be_extended(file, named, message):
    file("- a\n", "list.yaml")
    assert any(message in text for _, _, text in said(file(HEAD + f"extends: {named}\n")))


def test_a_shared_file_that_is_not_there(file):
    with pytest.raises(PolicyFileError, match=r"people\.yaml:12:1: there is no policy file '.*none\.yaml'"):
        load_policy(file(HEAD + "extends: none.yaml\n"))


def test_equal_keys_and_a_shared_file_give_no_fault_that_is_not_there(file):
    file("keys: {recipient: shared, epoch: 3}\n", "common.yaml")
    own = HEAD.replace("keys: {recipient: tests, epoch: 1}\n", "") + "owner: twice@example.org\nextends: common.yaml\n"
    assert [message for _, _, message in said(file(own))] == ["key 'owner' stands here a second time; each key may stand once"]


def test_extending_is_one_level_deep(file):
    file("extends: deeper.yaml\n", "common.yaml")
    with pytest.raises(PolicyFileError, match="'extends' can't be shared"):
        load_policy(file(HEAD + "extends: common.yaml\n"))


# --- folders of policies ----------------------------------------------------------------------------------------------


def test_a_folder_names_its_policies(file, tmp_path):
    file(HEAD, "b.yaml")
    file(HEAD, "a.yml")
    file("keys: {}\n", "common.yaml")
    file(HEAD, "notes.txt")
    assert [path.name for path in policy_files(tmp_path)] == ["a.yml", "b.yaml"]
    assert policy_files(tmp_path / "b.yaml") == [tmp_path / "b.yaml"]


def test_no_policy_is_an_error(tmp_path):
    with pytest.raises(NotFoundError, match="holds no policy"):
        policy_files(tmp_path)
    with pytest.raises(NotFoundError, match="there is no policy"):
        policy_files(tmp_path / "none.yaml")
