"""Which raw values of a row the inner door looks for in what it writes, and where. Called by `compile` and `engines.residue`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from airlock.crypto.columns import is_byte_type
from airlock.errors import PolicyError
from airlock.operators import Operator, RowOperator
from airlock.plan.tree import nested_kind, type_at
from airlock.policy.arrow import parse_type
from airlock.policy.choices import constants_of
from airlock.policy.formats import Shape, output_of, shape_parts
from airlock.policy.model import Policy
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath
from airlock.types import Classification

__all__ = ["identifier_paths", "looked_at", "open_text", "require_seen", "shape_of"]

_TOO_SHORT = (pa.null(), pa.bool_(), pa.int8(), pa.uint8())
"""Types whose values are words of every text, or have no four characters."""


def open_text(policy: Policy) -> tuple[ColumnPath, ...]:
    """Written leaves, text or bytes, whose declared form leaves room for anything: where a row's own identifiers could stand."""
    found = []
    for path, rule in policy.rules().items():
        made = output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped)
        room = not made.shape.closed and made.shape.holds_text
        # A text for each case is as good as a copy.
        if made.type is not None and is_byte_type(made.type) and (room or len(constants_of(shape_parts(made.shape))) > 1):
            found.append(path)
    return tuple(found)


def shape_of(policy: Policy, path: ColumnPath) -> Shape:
    """The declared form of a written leaf."""
    rule = policy.rules()[path]
    return output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped).shape


def identifier_paths(policy: Policy, schema: pa.Schema | None) -> tuple[ColumnPath, ...]:
    """Every raw leaf that is a direct identifier; of dropped subtrees those that may be one, as far as `schema` shows them."""
    found: list[ColumnPath] = []
    for path, rule in policy.rules().items():
        if rule.classification is not Classification.DIRECT_IDENTIFIER:
            continue
        own = parse_type(rule.type[-1])
        if own is None:
            below = None if schema is None else type_at(schema, path)
            found.extend(_leaves(path, below) if below is not None else ())
        else:
            found.append(path)
    return tuple(found)


def looked_at(policy: Policy, operators: Mapping[ColumnPath, Operator], schema: pa.Schema | None) -> tuple[ColumnPath, ...]:
    """Raw leaves to read although they may not be written: operators' inputs, identifiers to look for, the subject."""
    rowwise = [operator for operator in operators.values() if isinstance(operator, RowOperator)]
    paths = [ColumnPath.parse(text) for operator in rowwise for text in (*operator.inputs, *operator.known)]
    if open_text(policy):
        paths += identifier_paths(policy, schema)
    if policy.source.exclude is not None:
        paths.append(ColumnPath.parse(policy.subject))
    return tuple(dict.fromkeys(paths))


def require_seen(policy: Policy, needed: Iterable[ColumnPath]) -> None:
    """Refuse to look for identifiers in a subtree of which nobody says what is inside.

    Args:
        policy: Whose source has no schema (JSON lines).
        needed: What `looked_at` found.

    Raises:
        PolicyError: Free text is written, and no leaf below a dropped direct identifier is named.
    """
    texts, wanted = open_text(policy), tuple(needed)
    for path, rule in policy.rules().items():
        unseen = parse_type(rule.type[-1]) is None and not any(path.covers(other) for other in wanted)
        if texts and unseen and rule.classification is Classification.DIRECT_IDENTIFIER:
            leaf = path.child({"list": ELEMENT, "map": VALUE}.get(rule.type[-1], "first"))
            raise PolicyError(
                f"'{path}' is a direct identifier whose leaves {policy.source.format} does not show, so they can't be looked for in "
                f"'{texts[0]}'. Name each leaf, such as `{leaf}: {{type: string, class: direct_identifier, drop: {{}}}}`; or name those "
                "that identify under the text's known_values",
                column=str(path),
            )


def _leaves(path: ColumnPath, data_type: pa.DataType) -> Iterator[ColumnPath]:
    kind = nested_kind(data_type)
    if kind == "struct":
        for i in range(data_type.num_fields):
            field = data_type.field(i)
            yield from _leaves(path.child(field.name), field.type)
    elif kind == "list":
        yield from _leaves(path.child(ELEMENT), data_type.value_type)
    elif kind == "map":
        yield from _leaves(path.child(KEY), data_type.key_type)
        yield from _leaves(path.child(VALUE), data_type.item_type)
    elif data_type not in _TOO_SHORT:
        yield path
