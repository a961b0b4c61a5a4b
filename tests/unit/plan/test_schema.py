"""The JSON Schema of a policy accepts what the model accepts, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from airlock.operators import operator_class, operator_names
from airlock.plan.schema import policy_schema, smallest
from airlock.policy.yaml import read_yaml

SCHEMA = policy_schema()
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


KNOWN = {
    "$ref", "$defs", "$schema", "title", "description", "default", "type", "properties", "required", "additionalProperties", "anyOf",
    "oneOf", "enum", "const", "items", "minItems", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "pattern",
    "minProperties", "propertyNames", "format",
}  # fmt: skip


def faults(value, schema=SCHEMA, at="$"):
    """Where a value breaks a schema: the keywords that pydantic writes, nothing more; an unknown one is an error."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        return faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], at)
    found = [*_branches(value, schema, at)]
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))):
        return [*found, f"{at}: not {kind}"]
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        found.append(f"{at}: not one of the words")
    look = next((look for kinds, look in LOOKS if isinstance(value, kinds)), None)
    return found if look is None else [*found, *look(value, schema, at)]


def _branches(value, schema, at):
    for name, fits in (("anyOf", lambda count: count >= 1), ("oneOf", lambda count: count == 1)):
        if name in schema and not fits(sum(not faults(value, branch, at) for branch in schema[name])):
            yield f"{at}: {name}"


def _array(value, schema, at):
    if len(value) < schema.get("minItems", 0):
        yield f"{at}: too few"
    for index, item in enumerate(value):
        yield from faults(item, schema.get("items", {}), f"{at}[{index}]")


def _text(value, schema, at):
    short, long = schema.get("minLength", 0), schema.get("maxLength", 10**6)
    if not short <= len(value) <= long or not re.search(schema.get("pattern", ""), value):
        yield f"{at}: not such a text"


def _number(value, schema, at):
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if not low <= value <= high or value <= schema.get("exclusiveMinimum", value - 1):
        yield f"{at}: out of range"


def _object(value, schema, at):
    yield from (f"{at}.{name}: missing" for name in schema.get("required", ()) if name not in value)
    if len(value) < schema.get("minProperties", 0):
        yield f"{at}: too few"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in schema.get("properties", {}):
            yield from faults(item, schema["properties"][name], f"{at}.{name}")
        elif others is False:
            yield f"{at}.{name}: unknown"
        elif isinstance(others, dict):
            yield from faults(item, others, f"{at}.{name}")
        yield from faults(name, schema.get("propertyNames", {}), f"{at}.{name}")


LOOKS = ((dict, _object), (list, _array), (str, _text), (bool, lambda *_: ()), ((int, float), _number))


def policy(name="customers"):
    text = (files("airlock.demo") / "policies" / f"{name}.yaml").read_text(encoding="utf-8")
    return json.loads(json.dumps(read_yaml(text, name).data, default=str))


@pytest.mark.parametrize("name", ["customers", "orders", "tickets"])
def test_the_packaged_policies_fit(name):
    assert faults(policy(name)) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda data: data.update(colums={}), "$.colums"),
        (lambda data: data.pop("subject"), "$.subject"),
        (lambda data: data.update(dataset="Customers"), "$.dataset"),
        (lambda data: data.update(order={}), "$.order"),
        (lambda data: data.pop("keys"), "$: anyOf"),
        (lambda data: data["columns"]["email"].update({"class": "direct"}), "$.columns.email.class"),
        (lambda data: data["columns"]["email"].update({"drop": {}}), "$.columns.email: oneOf"),
        (lambda data: data["columns"]["email"].pop("pseudonymize"), "$.columns.email: oneOf"),
        (
            lambda data: data["columns"]["address.zip"].update({"truncate": {"length": "3"}}),
            "$.columns.address.zip.truncate: anyOf",
        ),
        (lambda data: data["columns"]["address.zip"].update({"truncate": 0}), "$.columns.address.zip.truncate: anyOf"),
        (
            lambda data: data["columns"]["email"]["pseudonymize"].update(canonical=["trim"]),
            "$.columns.email.pseudonymize: anyOf",
        ),
        (
            lambda data: data["columns"]["birth_date"].update({"generalize_date": "years"}),
            "$.columns.birth_date.generalize_date",
        ),
        (lambda data: data["gate"].update(max_rejects=-1), "$.gate.max_rejects"),
        (lambda data: data["privacy"].update(k_anonymity={"k": 1}), "$.privacy.k_anonymity: oneOf"),
    ],
)
def test_what_the_model_refuses_the_schema_refuses(change, place):
    data = policy()
    change(data)
    found = faults(data)
    assert any(fault.startswith(place) for fault in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(extends="common.yaml") or data.pop("keys"),
        lambda data: data.update(order={"kept": "a reason"}),
        lambda data: data["columns"]["email"].update(type=["string", "large_string"]),
        lambda data: data["columns"]["address.zip"].update({"truncate": {"length": 3}}),
        lambda data: data["columns"]["email"].update(pseudonymize="email"),
        lambda data: data["columns"]["signup_ip"].update({"drop": None}),
        lambda data: data["privacy"].update(k_anonymity={"none": "a reason"}),
    ],
)
def test_what_the_model_takes_the_schema_takes(change):
    data = policy()
    change(data)
    assert faults(data) == []


def test_every_operator_is_there_with_its_arguments():
    properties = SCHEMA["$defs"]["ColumnRule"]["properties"]
    for name in operator_names():
        branches = properties[name].get("anyOf", [properties[name]])
        arguments = next(branch for branch in branches if branch.get("type") == "object")
        assert set(arguments["properties"]) == set(operator_class(name).arguments()) - {"canonical", "content"}
        assert arguments["additionalProperties"] is False


def test_no_reference_leads_nowhere():
    named = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(SCHEMA)))
    assert named <= set(SCHEMA["$defs"])
    assert "OperatorSpec" not in SCHEMA["$defs"]


@pytest.mark.parametrize("name", operator_names())
def test_every_operator_has_a_smallest_declaration(name):
    assert smallest(operator_class(name)).contract.technique
