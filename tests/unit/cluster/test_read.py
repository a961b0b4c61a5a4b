"""Documents that are no objects, or that only look like lists, and text that other readers take otherwise."""

from __future__ import annotations

import pytest
import yaml

from airlock.cluster.resources import resources_from
from airlock.errors import ConfigError


def _resources(text):
    return resources_from([("a.yaml:1", yaml.safe_load(text))])


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("{apiVersion: v1, kind: List, metadata: {resourceVersion: ''}, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}", ["Pod"]),
        ("{apiVersion: cilium.io/v2, kind: OddList, metadata: {}, items: [{metadata: {name: a}}]}", ["Odd"]),
        ("{apiVersion: v1, kind: PodList, items: []}", []),
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {name: x}, spec: {open: everything}, items: []}", ["AllowList"]),
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {name: x}, items: []}", ["AllowList"]),
    ],
)  # fmt: skip
def test_lists_are_taken_apart_and_objects_whose_kind_ends_so_are_not(text, kinds):
    assert [one.kind for one in _resources(text)] == kinds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {}, spec: {}, items: []}", "AllowList without a name"),
        ("{apiVersion: v1, kind: PodList, metadata: {}, items: [{kind: Secret, apiVersion: v1, metadata: {name: a}}]}", "PodList without"),
        ("{apiVersion: evil.io/v1, kind: List, metadata: {}, items: []}", "List without a name"),
        ("{apiVersion: /v1, kind: ConfigMap, metadata: {name: x}}", "ConfigMap x: '/v1' is no apiVersion"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, labels: [a]}}", "Pod x: 'metadata.labels' is no mapping"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {a: [b]}}}", "Pod x: 'a' in 'metadata.labels', or its value, is not text"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, annotations: {a: 1}}}", "Pod x: 'a' in 'metadata.annotations'"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: [a]}}", "Pod x: 'metadata.namespace' is not text"),
    ],
)  # fmt: skip
def test_what_is_no_object_is_named(text, said):
    with pytest.raises(ConfigError, match=rf"a.yaml:1: {said}"):
        _resources(text)


def test_a_spec_that_is_text():
    (one,) = _resources("{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: text}")
    with pytest.raises(ConfigError, match=r"a.yaml:1: Pod default/x: 'spec' is no mapping"):
        _ = one.spec
