"""What the gate demands of each leaf, from the approved policy and the gate's own configuration. Made by the outer door,
handed to its workers as a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from airlock.errors import NotProvenError
from airlock.gate.chance import BARE, ROUNDED_CARD, TRUNCATED_CARD
from airlock.gate.contracts import demand_contracts
from airlock.gate.entities import FLOOR, SCANNERS
from airlock.gate.literals import demand_plain_literals
from airlock.policy.arrow import parse_type
from airlock.policy.choices import constants_of, prefixes_of
from airlock.policy.formats import (
    RAW,
    TOKENS,
    Absent,
    AllNull,
    Between,
    FewValues,
    Free,
    Geohash,
    Host,
    MaskedGroups,
    MaskedText,
    MaxLength,
    MultipleOf,
    OneOf,
    Output,
    PeriodStart,
    Perturbed,
    Shape,
    Token,
    Unshaped,
    leaf_specs,
    output_of,
    shape_parts,
)
from airlock.policy.model import ColumnRule, KAnonymity, Policy
from airlock.policy.path import ColumnPath
from airlock.policy.subjects import is_subject_key
from airlock.types import Classification

__all__ = ["NEARLY_UNIQUE", "GateConfig", "GateRules", "LeafRule", "Waiver", "compile_rules"]

NEARLY_UNIQUE = "NEARLY_UNIQUE"
"""What a waiver names to let a kept or generalized column be nearly unique."""

_MILLION = 1_000_000
"""PCI DSS 3.4.1: at most the first eight digits of a card number and the last four are shown; this much rounded, no more are."""


_NAMES_OF_PERSONS = ("LOCATION", "PERSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Leave for one entity in one column, by a named person, until (and on) a day."""

    dataset: str
    column: str
    entity: str
    approver: str
    expires: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """The gate's own configuration: no policy can write here."""

    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRule:
    """What one path of the policy demands.

    Attributes:
        outputs: Accepted types with their shapes, one for each raw type that the policy accepts.
        forbidden: Entities that must not be found here; none where the shape is closed, but numbers are not rounded cards.
        frequency: The column is a deterministic pseudonym or ciphertext whose frequencies must not invert it.
        kept: What a raw value leaves here may tell rows apart, generalized or listed or not: it must not be nearly unique.
    """

    path: ColumnPath
    outputs: tuple[Output, ...]
    classification: Classification
    optional: bool = False
    forbidden: tuple[str, ...] = ()
    frequency: bool = False
    kept: bool = False

    @property
    def absent(self) -> bool:
        """Whether nothing may be written for this path."""
        return all(isinstance(output.shape, Absent) for output in self.outputs)

    @property
    def types(self) -> tuple[pa.DataType, ...]:
        """The accepted types; empty where nothing may be written."""
        return tuple(output.type for output in self.outputs if output.type is not None)

    def shape(self, data_type: pa.DataType) -> Shape:
        """The shape that goes with a written type."""
        return next((each.shape for each in self.outputs if each.type == data_type), self.outputs[0].shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """Everything that the checks need to know; picklable.

    Attributes:
        leaves: In the policy's order, absent ones included.
        quasi_identifiers: Paths that are written; `k` is None where the policy says that there is no privacy model.
        entities: Every entity that is looked for somewhere, sorted.
        waivers: Those in force for this dataset; `expired` ones no longer count and are reported.
        not_proven: Entity and the policy's reason.
        pack: The policy's.
    """

    dataset: str
    leaves: tuple[LeafRule, ...]
    quasi_identifiers: tuple[ColumnPath, ...]
    k: int | None
    subject: ColumnPath | None
    partition_by: tuple[str, ...]
    statistics: tuple[str, ...]
    max_rejects: int
    entities: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    expired: tuple[Waiver, ...]
    not_proven: tuple[tuple[str, str], ...]
    pack: str | None

    def rule(self, path: ColumnPath) -> LeafRule | None:
        """The leaf's own rule."""
        return next((rule for rule in self.leaves if rule.path == path), None)

    def waiver(self, column: str, entity: str) -> Waiver | None:
        """The waiver in force for an entity in a column."""
        return next((each for each in self.waivers if (each.column, each.entity) == (column, entity)), None)


def compile_rules(policy: Policy, config: GateConfig, *, today: date) -> GateRules:
    """What the gate demands of a release under `policy`.

    Args:
        policy: The outer door's own approved copy.
        config: The gate's configuration.
        today: Waivers that expire before this day do not count.

    Raises:
        DisclosureError: A rule lets a direct identifier through, keeps a value without a reason, or itself says what no release
            may hold.
        NotProvenError: An entity must be absent, nothing can find it, and the policy does not accept that.
        PolicyError: An operator has no output format.
    """
    _demand_proof(policy)
    outputs = {path: _outputs(rule) for path, rule in policy.rules().items()}
    demand_contracts(policy, outputs, today=today)
    demand_plain_literals(policy.dataset, outputs)
    leaves = tuple(_leaf_rule(policy, path, rule, outputs[path]) for path, rule in policy.rules().items())
    mine = [waiver for waiver in config.waivers if waiver.dataset == policy.dataset and not _forbidden(waiver, policy)]
    written = [leaf for leaf in leaves if not leaf.absent]
    return GateRules(
        dataset=policy.dataset,
        leaves=leaves,
        quasi_identifiers=tuple(leaf.path for leaf in written if leaf.classification is Classification.QUASI_IDENTIFIER),
        k=policy.privacy.k_anonymity.k if isinstance(policy.privacy.k_anonymity, KAnonymity) else None,
        subject=_subject(policy, leaves),
        pack=None if policy.pack is None else policy.pack.name,
        partition_by=tuple(policy.sink.partition_by),
        statistics=tuple(policy.sink.statistics),
        max_rejects=policy.gate.max_rejects,
        entities=tuple(sorted(_sought(policy))),
        waivers=tuple(waiver for waiver in mine if waiver.expires >= today),
        expired=tuple(waiver for waiver in mine if waiver.expires < today),
        not_proven=tuple(sorted(policy.gate.not_proven.items())),
    )


def _forbidden(waiver: Waiver, policy: Policy) -> bool:
    """Under a pack the review of uniqueness is the regulation's (of HIPAA, kind R): nobody waives it."""
    return policy.pack is not None and waiver.entity == NEARLY_UNIQUE


def _sought(policy: Policy) -> set[str]:
    return {*FLOOR, *(entity for entity in policy.gate.absent if entity in SCANNERS or entity in BARE)}


def _demand_proof(policy: Policy) -> None:
    free_text = any(spec.name == "redact_entities" for rule in policy.columns.values() for spec in leaf_specs(rule.operator))
    wanted = {*policy.gate.absent, *(_NAMES_OF_PERSONS if free_text else ())}
    missing = sorted(wanted - _sought(policy) - policy.gate.not_proven.keys())
    if missing:
        names = ", ".join(missing)
        raise NotProvenError(
            f"policy '{policy.dataset}': the gate can't prove the absence of {names}"
            f"{' in redacted text' if free_text else ''}. Nothing was released. Say under gate.not_proven, for each, why that is "
            "acceptable, or drop the text",
            entities=missing,
        )


def _outputs(rule: ColumnRule) -> tuple[Output, ...]:
    return tuple(dict.fromkeys(output_of(rule.operator, parse_type(name), unshaped=rule.unshaped) for name in rule.type))


def _leaf_rule(policy: Policy, path: ColumnPath, rule: ColumnRule, outputs: tuple[Output, ...]) -> LeafRule:
    open_ended = not all(output.shape.closed for output in outputs)
    proper = set.intersection(*(set(part.proper) for output in outputs for part in shape_parts(output.shape)))
    forbidden = _sought(policy) - _accepted(policy, path, outputs) - proper if open_ended else set()
    return LeafRule(
        path=path,
        outputs=outputs,
        classification=rule.classification,
        optional=rule.optional,
        forbidden=tuple(sorted(forbidden.union(*map(_rounded, shape_parts(outputs[0].shape))))),
        frequency=_invertible(policy, path, rule),
        kept=any(_tells(rule, output.shape) for output in outputs),
    )


def _accepted(policy: Policy, path: ColumnPath, outputs: tuple[Output, ...]) -> set[str]:
    """What the policy accepts as synthetic; of the floor, only what the operator's proper values may look like: others are raw."""
    likely = set.intersection(*(set(output.shape.looks_like) for output in outputs))
    return set(policy.gate.accepted(str(path))) - (set(FLOOR) - likely)


def _rounded(shape: Shape) -> set[str]:
    """What only this shape lets through: cards of which the last digits are others, or gone."""
    if isinstance(shape, MaxLength | MaskedText):
        return set() if shape.closed else {TRUNCATED_CARD}
    noisy = isinstance(shape, Perturbed) and shape.kind == "number" and shape.decimals <= 0
    return {ROUNDED_CARD} if noisy or (isinstance(shape, MultipleOf) and 1 < shape.width < _MILLION) else set()


def _tells(rule: ColumnRule, shape: Shape) -> bool:
    """By a part that stays, or by which case of a conditional operator wrote it."""
    parts = shape_parts(shape)
    return any(_kept(rule, part) for part in parts) or len(constants_of(parts)) > 1 or len(prefixes_of(parts)) > 1


def _kept(rule: ColumnRule, shape: Shape) -> bool:
    if isinstance(shape, MaxLength | MaskedText):
        return not shape.closed
    if isinstance(shape, Token):
        return shape.domains is not None or not shape.closed
    if isinstance(shape, Free):  # redacted text differs from row to row
        return any(spec.name in RAW for spec in leaf_specs(rule.operator))
    return isinstance(
        shape, Between | FewValues | Geohash | Host | MaskedGroups | MultipleOf | OneOf | PeriodStart | Perturbed | Unshaped
    )


def _invertible(policy: Policy, path: ColumnPath, rule: ColumnRule) -> bool:
    """Tokens, but the subject's and keys to one: who occurs how often is what they are there to tell."""
    if rule.accept_frequency is not None or is_subject_key(policy, path, rule):
        return False
    return any(spec.name in TOKENS for spec in leaf_specs(rule.operator))


def _subject(policy: Policy, leaves: tuple[LeafRule, ...]) -> ColumnPath | None:
    model = policy.privacy.k_anonymity
    if not isinstance(model, KAnonymity) or model.count == "rows":
        return None
    path = ColumnPath.parse(policy.subject)
    rule = next(leaf for leaf in leaves if leaf.path == path)
    if path.repeated or rule.absent or all(isinstance(output.shape, AllNull) for output in rule.outputs):
        raise NotProvenError(
            f"policy '{policy.dataset}' counts subjects in k, but '{path}' is not written, so the gate can't count them. "
            "Nothing was released. Pseudonymize the subject, or count rows"
        )
    return path
