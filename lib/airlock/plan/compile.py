"""Policy times schema: the plan that tasks carry out. Pure; `doors` bring the listing, `engines` compile it again on executors."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airlock.errors import ChangedTypeError, MissingColumnError, OperatorTypeError, PolicyError
from airlock.keys import KeyRequest
from airlock.operators import Operator, operator_class
from airlock.passes import ORDER
from airlock.plan.bind import BoundPolicy
from airlock.plan.known import looked_at, require_seen
from airlock.plan.match import drift_error, match_schema
from airlock.plan.program import output_type
from airlock.plan.reading import Reading, plan_reading
from airlock.plan.tree import RuleNode, expected_type, nested_kind, rule_tree
from airlock.plan.versions import code_versions
from airlock.policy.model import Policy
from airlock.policy.path import ColumnPath
from airlock.types import Sha256

__all__ = ["INNER_REQUESTS", "Plan", "compile_plan"]

INNER_REQUESTS = {
    "order": ORDER,
    "name": KeyRequest("split-name", "hmac-sha256"),
    "record": KeyRequest("split-record", "hmac-sha256"),
    "inputs": KeyRequest("inputs", "hmac-sha256"),
    "frequency": KeyRequest("frequency", "aes-cmac"),
    "rejects": KeyRequest("rejects", "aes-gcm"),
    "summaries": KeyRequest("summaries", "aes-gcm"),
}
"""The inner door's own subkeys, beside those that the operators ask for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to a dataset's columns, whatever its files.

    Attributes:
        policy: The resolved policy.
        operators: One declaration a rule.
        reading: What tasks read.
        schema: What tasks write: the policy's order of columns.
    """

    policy: Policy
    operators: Mapping[ColumnPath, Operator]
    reading: Reading
    schema: pa.Schema

    @property
    def requests(self) -> tuple[KeyRequest, ...]:
        """Every subkey that the run needs."""
        asked = {request for operator in self.operators.values() for request in operator.requests()}
        return tuple(sorted(asked | set(INNER_REQUESTS.values())))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the code that carries it out here."""
        return code_versions(self.operators.values())

    @property
    def digest(self) -> Sha256:
        """SHA-256 over policy, schemas and versions of the code: the program's identity."""
        versions = json.dumps(self.versions, sort_keys=True).encode()
        parts = [self.policy.canonical(), _schema_bytes(self.reading.schema), _schema_bytes(self.schema), versions]
        joined = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return Sha256(hashlib.sha256(joined).hexdigest())

    @property
    def ignored(self) -> tuple[str, ...] | None:
        """What may be in the source beside what is read: dropped paths; None, anything, under `unlisted_columns: drop`."""
        return None if self.policy.unlisted_columns == "drop" else self.reading.ignored

    @property
    def required(self) -> tuple[str, ...]:
        """The paths that every file must have."""
        return tuple(str(path) for path, rule in self.policy.rules().items() if not rule.optional)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; holds no key."""
        return {
            "policy": json.loads(self.policy.canonical()),
            "reading": base64.b64encode(_schema_bytes(self.reading.schema)).decode(),
            "ignored": list(self.reading.ignored),
            "schema": base64.b64encode(_schema_bytes(self.schema)).decode(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read `to_dict` back, on an executor."""
        policy = Policy.model_validate_json(json.dumps(data["policy"]))
        reading = Reading(_read_schema(data["reading"]), tuple(data["ignored"]))
        return cls(policy, _operators(policy), reading, _read_schema(data["schema"]))


def _schema_bytes(schema: pa.Schema) -> bytes:
    return schema.serialize().to_pybytes()


def _read_schema(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.BufferReader(base64.b64decode(text)))


def _operators(policy: Policy) -> dict[ColumnPath, Operator]:
    made = {}
    for path, rule in policy.rules().items():
        kind = operator_class(rule.operator.name)
        made[path] = kind.from_dict(rule.operator.mapping(kind.shorthand)).resolve(policy.keys.domains)
    named = {str(path): operator for path, operator in made.items()}
    return {path: operator.beside(named) for path, operator in made.items()}


def compile_plan(bound: BoundPolicy, schemas: Iterable[pa.Schema | None], partitions: Iterable[str]) -> Plan:
    """Match every distinct schema of the source and compile.

    Args:
        bound: Policy and operators.
        schemas: The distinct schemas of the source's files (None: the format has none).
        partitions: Hive partition columns.

    Raises:
        DriftError: A column without a rule, a rule without a column, a changed type.
        PolicyFileError: An operator does not take its column's type.
    """
    policy, tree = bound.policy, rule_tree(bound.rules)
    found = [_typed_as_asked(schema, tree) if policy.source.format == "csv" else schema for schema in schemas]
    if policy.source.format == "csv":
        _require_headers(found, tree, source=policy.source.path)
    names = frozenset(partitions)
    drifts = [
        drift
        for schema in found
        if schema is not None
        for drift in match_schema(tree, schema, partitions=names, drop_unlisted=policy.unlisted_columns == "drop")
    ]
    if drifts:
        raise drift_error(drifts, dataset=policy.dataset, where=f"raw/{policy.source.path}")
    shown = [schema for schema in found if schema is not None]
    actual = _merged(shown, tree, source=policy.source.path) if shown else None
    needed = looked_at(policy, bound.operators, actual)
    if policy.source.format == "jsonl":
        require_seen(policy, needed)
    reading = plan_reading(tree, bound.operators, actual=actual, needed=needed)
    return Plan(policy, bound.operators, reading, _output_schema(tree, reading, bound))


def _merged(schemas: list[pa.Schema], tree: Mapping[str, RuleNode], *, source: str) -> pa.Schema:
    """One schema that has what any file has of the policy's columns.

    Leaves are read in the policy's own types, so only nested columns must agree.
    """
    by_name: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in (field for field in schema if field.name in tree):
            by_name.setdefault(field.name, []).append(field.type)
    return pa.schema([pa.field(name, _one_type(name, types, source)) for name, types in by_name.items()])


def _one_type(name: str, types: list[pa.DataType], source: str) -> pa.DataType:
    if nested_kind(types[0]) is None:
        return types[0]
    single = [pa.schema([pa.field(name, data_type)]) for data_type in dict.fromkeys(types)]
    try:
        return pa.unify_schemas(single, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise ChangedTypeError(
            f"the files of 'raw/{source}' disagree on what is inside '{name}'. Mend the older files, or prune them with source.where",
            paths=[name],
        ) from None


def _typed_as_asked(schema: pa.Schema | None, tree: Mapping[str, RuleNode]) -> pa.Schema | None:
    """A CSV file has names alone: its columns are of the types that the policy reads them as."""
    if schema is None:
        return None
    return pa.schema(
        [
            pa.field(field.name, (expected_type(tree[field.name]) if field.name in tree else None) or field.type)
            for field in schema
        ]
    )


def _require_headers(schemas: list[pa.Schema | None], tree: Mapping[str, RuleNode], *, source: str) -> None:
    """Refuse files without a header line: their first row must not be told as if it were names of columns."""
    without = sum(schema is not None and not tree.keys() & set(schema.names) for schema in schemas)
    if without:
        raise MissingColumnError(
            f"'raw/{source}': in {without} of {len(schemas)} kinds of files no cell of the first line is a column of the policy. The "
            "line is not shown: without a header it is data. Put a header line there, or correct the delimiter"
        )


def _output_schema(tree: Mapping[str, Any], reading: Reading, bound: BoundPolicy) -> pa.Schema:
    fields, problems = [], []
    for field in reading.schema:
        try:
            made = output_type(tree[field.name], field.type, bound.operators)
        except OperatorTypeError as error:
            problems.append(str(error))
            continue
        if made is not None:
            fields.append(pa.field(field.name, made))
    if problems:
        raise OperatorTypeError(f"policy '{bound.policy.dataset}' ({bound.file}):\n" + "\n".join(problems))
    if not fields:
        raise PolicyError(f"policy '{bound.policy.dataset}' writes no column; at least one must be kept or transformed")
    return pa.schema(fields)
