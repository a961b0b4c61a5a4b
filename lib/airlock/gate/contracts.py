"""What no policy may ask for, by the gate's own reading of it: no operator's word is taken for what becomes of a direct identifier.
Called by `rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from airlock.errors import DisclosureError
from airlock.policy.choices import CHOICES, tells_values
from airlock.policy.formats import (
    ON_DIRECT_IDENTIFIERS,
    RAW,
    MaskedGroups,
    MaskedText,
    Output,
    Token,
    is_reversible,
    leaf_specs,
    shape_parts,
)
from airlock.policy.model import ColumnRule, Policy
from airlock.policy.packs import pack_faults
from airlock.policy.path import ColumnPath
from airlock.types import Classification

__all__ = ["demand_contracts"]

_MOST_SHOWN = 4
"""Characters that a mask, or what stands around a token, may show of a direct identifier."""

_MOST_NAMED = 20

_SHOWN_OUTSIDE = (
    "age", "clamp", "generalize_date", "generalize_number", "geo_grid", "geohash", "hierarchy", "interval", "ip_truncate", "keep", "keep_top", "replace", "round",
    "truncate", "url", "zip3",
)  # fmt: skip
"""Operators whose output may stand in folder names and footers: it is published for what it says. A token is not."""


def demand_contracts(policy: Policy, outputs: dict[ColumnPath, tuple[Output, ...]], *, today: date) -> None:
    """Refuse a policy whose rules could not hold, whatever is written.

    Args:
        policy: The outer door's own copy.
        outputs: What each rule writes.
        today: Up to which ages are counted, where the policy's pack does not say.

    Raises:
        DisclosureError: A direct identifier has an operator that may let it through, a raw value stays without a reason, what is
            written looks like an entity and nobody accepted that, or folder names or footers would show a column that is neither kept
            nor generalized.
    """
    faults = [fault for path, rule in policy.rules().items() for fault in _faults(path, rule, outputs[path])]
    faults += _synthetic_faults(policy, outputs)
    faults += _sink_faults(policy)
    faults += [
        f"'{fault.column}': {fault.message}" if fault.column else fault.message for fault in pack_faults(policy, today=today)
    ]
    if faults:
        raise DisclosureError(
            f"policy '{policy.dataset}' asks for what no release may hold: {'; '.join(faults[:_MOST_NAMED])}. Nothing was released. Mend the rules, "
            "approve the policy anew and run again",
            columns=len(faults),
        )


def _faults(path: ColumnPath, rule: ColumnRule, outputs: tuple[Output, ...]) -> Iterator[str]:
    specs = leaf_specs(rule.operator)
    for spec in specs:
        if spec.name in RAW and not _is_reason(spec.mapping("reason").get("reason")):
            yield f"'{path}' is {'kept' if spec.name == 'keep' else 'permuted'} without a reason"
        if is_reversible(spec) and rule.reversible is None:
            yield f"'{path}' can be turned back under {spec.name}, without `reversible: allowed`"
    if rule.classification is not Classification.DIRECT_IDENTIFIER:
        return
    for name in (spec.name for spec in specs if spec.name not in ON_DIRECT_IDENTIFIERS):
        yield f"'{path}' is a direct identifier under {name}; it takes {', '.join(ON_DIRECT_IDENTIFIERS)}"
    shapes = [part for output in outputs for part in shape_parts(output.shape)]
    shown = [shape for shape in shapes if isinstance(shape, MaskedGroups | MaskedText | Token)]
    if not all(not isinstance(shape, MaskedGroups) and _hides(shape) for shape in shown):
        yield f"'{path}' is a direct identifier whose mask or token may show more than {_MOST_SHOWN} characters"
    if tells_values(shapes):
        yield f"'{path}' is a direct identifier whose cases write {CHOICES}"


def _synthetic_faults(policy: Policy, outputs: dict[ColumnPath, tuple[Output, ...]]) -> Iterator[str]:
    """What is not scanned, for its form is declared, and looks real all the same."""
    for path, outputs_of in outputs.items():
        parts = [part for output in outputs_of for part in shape_parts(output.shape) if part.closed]
        for entity in sorted({entity for part in parts for entity in part.looks_like} - policy.gate.accepted(str(path))):
            yield f"'{path}' would hold what looks like {entity}, which gate.synthetic does not accept"


def _sink_faults(policy: Policy) -> Iterator[str]:
    rules = policy.rules()
    for key, names in (("partition_by", policy.sink.partition_by), ("statistics", policy.sink.statistics)):
        for name in names:
            rule = rules.get(ColumnPath.parse(name))
            if rule is None or rule.operator.name not in _SHOWN_OUTSIDE:
                yield f"sink.{key} names '{name}', which is neither kept nor generalized"


def _is_reason(reason: object) -> bool:
    return isinstance(reason, str) and bool(reason.strip())


def _hides(shape: MaskedText | Token) -> bool:
    counts = (shape.first, shape.last)
    # Arguments come as the file has them: a negative count would hide a large one.
    if not all(type(count) is int and count >= 0 for count in counts):
        return False
    if isinstance(shape, Token) and shape.domains is not None and any(counts):
        return False
    whole = isinstance(shape, Token) or (shape.digits and shape.letters and shape.others)
    return whole and sum(counts) <= _MOST_SHOWN
