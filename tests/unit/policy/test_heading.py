"""A policy's heading is that of the policy, read without the libraries that read data."""

from __future__ import annotations

import pytest

from airlock.errors import NotFoundError, PolicyFileError
from airlock.policy.heading import Heading, read_heading
from airlock.policy.load import load_policy


def test_it_is_the_policys(make_project):
    policy = make_project(files=0).policy()
    whole = load_policy(policy)
    assert read_heading(policy) == Heading(whole.dataset, whole.owner, whole.purpose, whole.sink.path)


def test_what_a_policy_extends_counts(make_project):
    policy = make_project(files=0).policy()
    (policy.parent / "common.yaml").write_text("apiVersion: airlock/v1\nsink: {prefix: team}\n")
    policy.write_text(policy.read_text().replace("dataset:", "extends: common.yaml\ndataset:", 1))
    assert read_heading(policy).sink == load_policy(policy).sink.path == "team/people"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "'dataset' is missing, or no text"),
        ("dataset: a\nowner: 7\npurpose: p\nsink: {path: a}\n", "2:1: 'owner' is missing, or no text"),
        ("dataset: A B\nowner: o\npurpose: p\nsink: {path: a}\n", "dataset: takes 1 to 63 of a-z, 0-9 and -"),
        ("dataset: a\nowner: o\npurpose: p\nsink: here\n", "'path' is missing, or no text"),
        ("dataset: a\ndataset: b\nowner: o\npurpose: p\nsink: {path: a}\n", "'dataset' stands here a second time"),
        ("dataset: [\n", "not YAML"),
    ],
)
def test_without_a_heading_there_is_none(tmp_path, text, said):
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    with pytest.raises(PolicyFileError) as caught:
        read_heading(policy)
    assert said in str(caught.value)


def test_without_a_file_there_is_none(tmp_path):
    with pytest.raises(NotFoundError, match="there is no policy file"):
        read_heading(tmp_path / "policy.yaml")
