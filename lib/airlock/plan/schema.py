"""The JSON Schema of a policy file, every operator's arguments included. For editors; called by `airlock policy schema`.

The file's own form, not the resolved model's: an operator is a key of its column's rule, and may be given in shorthand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from airlock.operators import Operator, operator_class, operator_names
from airlock.policy.inline import CONTENT
from airlock.policy.model import Policy

__all__ = ["operator_schema", "policy_schema", "smallest"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SHARED = ("keys", "sink")
"""Required keys that a file named by `extends` may bring."""


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a policy file.

    Example:
        >>> schema = policy_schema()
        >>> schema["$defs"]["ColumnRule"]["properties"]["truncate"]["anyOf"][0]["type"]
        'integer'
    """
    schema = _plain(Policy.model_json_schema(by_alias=True))
    definitions = schema["$defs"]
    definitions.pop("OperatorSpec")
    definitions["ColumnRule"] = _column_rule(definitions["ColumnRule"], definitions)
    schema["properties"] = {"extends": {"type": "string", "minLength": 1}} | schema["properties"]
    required = schema.pop("required")
    schema["required"] = [name for name in required if name not in _SHARED]
    schema["anyOf"] = [{"required": ["extends"]}, {"required": list(_SHARED)}]
    return {"$schema": _DIALECT, "title": "Airlock policy"} | {name: schema[name] for name in sorted(schema) if name != "title"}


def _column_rule(rule: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    names = operator_names()
    properties = {name: value for name, value in rule["properties"].items() if name != "operator"}
    text = {"type": "string", "minLength": 1}
    properties["type"] = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}
    return {
        "type": "object",
        "description": rule["description"],
        "properties": properties | {name: _operator(operator_class(name), definitions) for name in names},
        "required": ["type", "class"],
        "oneOf": [{"required": [name]} for name in names],
        "additionalProperties": False,
    }


def operator_schema(kind: type[Operator]) -> dict[str, Any]:
    """JSON Schema of the arguments that rules may give the operator, its own `$defs` included.

    Example:
        >>> operator_schema(operator_class("truncate"))["required"]
        ['length']
    """
    arguments = _plain(TypeAdapter(kind).json_schema(by_alias=True))
    arguments["description"] = _summary(kind)
    # Key domains, files and other rules fill these in; a rule may not.
    for name in ("canonical", CONTENT, *kind.filled):
        arguments["properties"].pop(name, None)
    if CONTENT in arguments.get("required", ()):
        arguments["required"].remove(CONTENT)
    if "$defs" in arguments:
        own = arguments.pop("$defs")
        used = {name: own[name] for name in own if f'"#/$defs/{name}"' in json.dumps(arguments)}
        arguments |= {"$defs": used} if used else {}
    return arguments


def _operator(kind: type[Operator], definitions: dict[str, Any]) -> dict[str, Any]:
    """The operator's arguments; null stands for none of them."""
    arguments = operator_schema(kind)
    definitions |= arguments.pop("$defs", {})
    forms = [arguments]
    if kind.shorthand is not None:
        forms.insert(0, arguments["properties"][kind.shorthand])
    if not arguments.get("required"):
        forms.append({"type": "null"})
    return forms[0] if len(forms) == 1 else {"anyOf": forms, "description": _summary(kind)}


def _summary(kind: type[Operator]) -> str:
    return (kind.__doc__ or "").strip().partition("\n\n")[0]


def _plain(schema: Any) -> Any:
    """Without pydantic's titles; a property may well be called `title`."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    return {name: _plain(value) for name, value in kept.items()}


def smallest(kind: type[Operator]) -> Operator:
    """A declaration with the least arguments that the operator takes: to ask what it promises, never to run.

    Example:
        >>> smallest(operator_class("truncate"))
        Truncate(length=1)
    """
    schema = TypeAdapter(kind).json_schema(by_alias=True)
    return kind.from_dict({**_least(schema, schema.get("$defs", {})), **kind.least})


def _least(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _least(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _least(schema["anyOf"][0], definitions)
    if schema.get("type") == "object":
        return {name: _least(schema["properties"][name], definitions) for name in schema.get("required", ())}
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [_least(schema["items"], definitions)]
    return max(1, schema.get("minimum", 1)) if schema.get("type") in ("integer", "number") else "x"
