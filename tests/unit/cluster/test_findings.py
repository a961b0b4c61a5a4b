"""Verdicts order by what they say of a proof, and many alike are told once."""

from __future__ import annotations

import itertools

import pytest

from airlock.cluster.findings import Finding, Opening, Verdict, merged, worst
from airlock.cluster.resources import Ref

POD = Ref("Pod", "raw", "p-0")


def finding(verdict):
    return Finding(verdict, "code", "what")


@pytest.mark.parametrize("some", list(itertools.product(Verdict, repeat=2)))
def test_the_worst_of_two_is_what_stands_against_a_proof_most(some):
    order = [Verdict.PROVEN, Verdict.NO_PROOF, Verdict.REFUTED]
    assert worst(map(finding, some)) is order[max(map(order.index, some))]
    assert [one.rank for one in order] == [0, 1, 2]


def test_nothing_found_is_proven():
    assert worst([]) is Verdict.PROVEN


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Finding(Verdict.REFUTED, "c", "is open", POD, "spec.x", "Shut it"), "REFUTED Pod raw/p-0 (spec.x): is open. Shut it"),
        (Finding(Verdict.NO_PROOF, "c", "is not known"), "NO PROOF is not known"),
    ],
)
def test_a_finding_says_what_where_and_what_to_do(one, said):
    assert str(one) == said


def test_a_listed_opening_is_no_finding_and_what_cannot_be_judged_no_path():
    listed = Opening(POD, "volume", "spec.volumes[0]", "keeps data")
    odd = Opening(POD, "", "spec.x", "is not known", Verdict.NO_PROOF, "pod.unknown-field")
    assert listed.finding() is None
    assert odd.path("raw") is None
    assert (listed.path("raw").zone, odd.finding().code) == ("raw", "pod.unknown-field")


def test_objects_that_differ_by_name_alone_are_told_once():
    alike = [
        Opening(Ref("Pod", "raw", f"p-{number}"), "pod", "spec.x", "is open", Verdict.REFUTED, "c") for number in range(1200)
    ]
    other = Opening(Ref("Pod", "other", "p"), "pod", "spec.x", "is open", Verdict.REFUTED, "c")
    [first, second] = merged([*alike, other])
    assert (first.where.name, first.text) == ("p-0", "is open (and 1,199 more like it)")
    assert (second.where.namespace, second.text) == ("other", "is open")
