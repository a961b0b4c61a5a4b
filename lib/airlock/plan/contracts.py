"""Contracts checked at compile time: what an operator promises against what the policy uses it for. Called by `bind`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from airlock.errors import ContractError, ExposedIdentifierError, LostUniquenessError, PackError, PolicyError
from airlock.operators import Operator, leaf_operators
from airlock.plan.promises import promise_faults
from airlock.plan.tree import RuleNode, rule_tree
from airlock.policy.arrow import NESTED, parse_type
from airlock.policy.choices import CHOICES, tells_values
from airlock.policy.formats import ON_DIRECT_IDENTIFIERS, Preserved, Shape, output_of, shape_parts
from airlock.policy.model import ColumnRule, KAnonymity, Policy
from airlock.policy.packs import pack_faults
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath
from airlock.policy.yaml import Location
from airlock.types import Classification

__all__ = ["Fault", "contract_problems"]

_MOST_SHOWN = 4
"""Characters that `mask` and `pseudonymize` may show of a direct identifier."""


class Fault(NamedTuple):
    """A contract that a policy breaks: where in its file, what, and the error that explains it."""

    at: Location
    message: str
    kind: type[PolicyError] = ContractError


def contract_problems(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    """Every contract that the policy breaks."""
    rules = policy.rules()
    for path, rule in rules.items():
        operator = operators[path]
        at: Location = ("columns", str(path))
        exposed = (*dict.fromkeys(_class_faults(rule, operator)), *_choice_faults(rule))
        yield from (Fault(at, message, ExposedIdentifierError) for message in exposed)
        yield from (Fault(at, message) for message in (*_form_faults(rule), *_nesting_faults(path, rule, operator)))
        yield from (Fault(at, message) for message in (*_pass_faults(path, operator), *_domain_faults(operator, operators)))
        yield from (Fault(at, message) for message in _synthetic_faults(policy, path, rule))
        yield from (Fault(at, *fault) for fault in promise_faults(path, rule, operator))
    yield from _overlap_faults(rules)
    for node in rule_tree(rules).values():
        yield from _tree_faults(node, operators)
    yield from _sink_faults(policy, operators)
    yield from _subject_faults(policy, operators)
    yield from _privacy_faults(policy)
    for column, text in pack_faults(policy, today=datetime.now(UTC).date()):
        message = text if column is None else f"column '{column}', {text}"
        yield Fault(("pack",) if column is None else ("columns", column), message, PackError)


def _class_faults(rule: ColumnRule, operator: Operator) -> Iterator[str]:
    for leaf in leaf_operators(operator):
        classes = classes_of(leaf)
        if rule.classification not in classes:
            allowed = ", ".join(sorted(classes))
            inside = "" if leaf is operator else f" (inside '{operator.name}')"
            yield (
                f"{_named(leaf)}{inside} may not stand on a {rule.classification}; it takes {allowed}. A direct identifier takes one of "
                f"{', '.join(ON_DIRECT_IDENTIFIERS)}"
            )
    shown = getattr(operator, "shown", 0)
    if rule.classification is Classification.DIRECT_IDENTIFIER and shown > _MOST_SHOWN:
        yield f"'{operator.name}' shows {shown} characters of a direct identifier; at most {_MOST_SHOWN} may show"


def classes_of(operator: Operator) -> frozenset[Classification]:
    """What its contract allows; a direct identifier only where the gate knows the operator for one, whatever the contract says."""
    classes = operator.contract.classes
    return classes if operator.name in ON_DIRECT_IDENTIFIERS else classes - {Classification.DIRECT_IDENTIFIER}


def _named(operator: Operator) -> str:
    """An operator's name, with the argument that makes it another."""
    return f"'{operator.name}'" + (" with `pattern`" if getattr(operator, "pattern", None) is not None else "")


def _form_faults(rule: ColumnRule) -> Iterator[str]:
    """What is written must have a declared form, or a reason why not."""
    data_type = parse_type(rule.type[-1])
    if data_type is None:
        return
    try:
        output_of(rule.operator, data_type, unshaped=rule.unshaped)
    except PolicyError as error:
        yield str(error)


def _choice_faults(rule: ColumnRule) -> Iterator[str]:
    """Each case a text of its own would be a look-up table."""
    if rule.classification is Classification.DIRECT_IDENTIFIER and tells_values(_parts(rule)):
        yield f"the cases of '{rule.operator.name}' write {CHOICES}. Let all of them write one text, or pseudonymize"


def _parts(rule: ColumnRule) -> tuple[Shape, ...]:
    try:
        return shape_parts(output_of(rule.operator, parse_type(rule.type[-1]), unshaped=rule.unshaped).shape)
    except PolicyError:
        return ()  # `_form_faults` says so


def _synthetic_faults(policy: Policy, path: ColumnPath, rule: ColumnRule) -> Iterator[str]:
    """What nobody can tell from the real thing needs a word that it is not."""
    entities = {entity for part in _parts(rule) for entity in _taken_for(part)}
    for entity in sorted(entities - policy.gate.accepted(str(path))):
        yield f"'{rule.operator.name}' writes what looks like {entity}. Accept it under gate: `synthetic: {{{path}: {entity}}}`"


def _taken_for(shape: Shape) -> tuple[str, ...]:
    """What every value of a shape may be taken for: of what keeps its form, a card's number if it has the check digit of one."""
    if isinstance(shape, Preserved):
        return ("CREDIT_CARD",) if shape.luhn else ()
    return shape.looks_like if shape.closed else ()


def _nesting_faults(path: ColumnPath, rule: ColumnRule, operator: Operator) -> Iterator[str]:
    subtree = next((name for name in rule.type if name in NESTED), None)
    if subtree is not None and not operator.contract.subtree:
        yield f"'{operator.name}' can't cover a {subtree}; only drop and null can. Name each leaf"
    if path.steps[-1] is KEY and operator.name == "null":
        yield "the keys of a map can't be null; redact them, or drop the map"


def _pass_faults(path: ColumnPath, operator: Operator) -> Iterator[str]:
    try:
        operator.pass_over(path)
    except ContractError as error:
        yield str(error)


def _domain_faults(operator: Operator, operators: Mapping[ColumnPath, Operator]) -> Iterator[str]:
    """Who is one person to the subject's pseudonyms must be one to what is drawn for each."""
    for leaf in leaf_operators(getattr(operator, "do", operator)):
        subject = getattr(leaf, "subject", None)
        own = None if subject is None else operators.get(ColumnPath.parse(subject))
        if own is not None and own.name == "pseudonymize" and own.domain != leaf.domain:  # type: ignore[attr-defined]
            yield (
                f"'{leaf.name}' draws by key domain '{leaf.domain}', but its subject '{subject}' is pseudonymized in domain "  # type: ignore[attr-defined]
                f"'{own.domain}'. Name that one in both"  # type: ignore[attr-defined]
            )


def _overlap_faults(rules: Mapping[ColumnPath, ColumnRule]) -> Iterator[Fault]:
    for path in rules:
        for other in rules:
            if other != path and path.covers(other):
                message = f"lies inside '{path}', which has a rule of its own; only one of them may stay"
                yield Fault(("columns", str(other)), message)


def _tree_faults(node: RuleNode, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    """Children of one kind, and both sides of a map: what no file's schema is needed to see."""
    steps = set(node.children)
    insides = steps & {ELEMENT, KEY, VALUE}
    at: Location = ("columns", str(next(_leaves(node))))
    if (insides and insides != steps) or {ELEMENT} < insides:
        yield Fault(
            at, f"'{node.path}' can be a struct, a list or a map, but the rules below it mix them. Name one kind of leaf"
        )
    elif insides & {KEY, VALUE} and insides != {KEY, VALUE}:
        missing = node.path.child(KEY if VALUE in insides else VALUE)
        yield Fault(at, f"'{node.path}' is a map: '{missing}' needs a rule, too")
    elif insides:
        gone = [leaf for step in insides for leaf in [node.children[step].path] if _dropped(node.children[step], operators)]
        if gone and len(gone) < len(insides):
            yield Fault(
                ("columns", str(gone[0])),
                f"'{gone[0]}' can't be dropped alone: redact it, or drop '{node.path}' with one rule",
            )
    for child in node.children.values():
        yield from _tree_faults(child, operators)


def _dropped(node: RuleNode, operators: Mapping[ColumnPath, Operator]) -> bool:
    return all(operators[leaf].name == "drop" for leaf in _leaves(node))


def _leaves(node: RuleNode) -> Iterator[ColumnPath]:
    if node.rule is not None:
        yield node.path
    for child in node.children.values():
        yield from _leaves(child)


def _sink_faults(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    for key, names in (("partition_by", policy.sink.partition_by), ("statistics", policy.sink.statistics)):
        for name in names:
            path = ColumnPath.parse(name)
            technique = operators[path].contract.technique
            if not all(one == "none" or one.startswith("generalization") for one in technique.split("; ")):
                message = f"'{name}' has operator {operators[path].name}; only kept or generalized columns may stand here"
                yield Fault(("sink", key), message)
            if len(path.steps) > 1:
                yield Fault(("sink", key), f"'{name}' is nested; only top-level columns may stand here")


def _subject_faults(policy: Policy, operators: Mapping[ColumnPath, Operator]) -> Iterator[Fault]:
    path = ColumnPath.parse(policy.subject)
    if path.repeated:
        yield Fault(("subject",), f"'{policy.subject}' can hold several values a row; a row is about one subject")
    if "randomization" in operators[path].contract.technique:
        yield Fault(
            ("subject",),
            f"'{policy.subject}' has operator {operators[path].name}: a perturbed subject is another one. Pseudonymize it",
        )
    model = policy.privacy.k_anonymity
    if isinstance(model, KAnonymity) and model.count == "subjects" and not operators[path].contract.injective:
        yield Fault(
            ("privacy", "k_anonymity"),
            f"counts subjects, but '{policy.subject}' has operator {operators[path].name}: written subjects can't be told apart. "
            "Pseudonymize it, or count rows",
            LostUniquenessError,
        )


def _privacy_faults(policy: Policy) -> Iterator[Fault]:
    quasi = [path for path, rule in policy.rules().items() if rule.classification is Classification.QUASI_IDENTIFIER]
    if isinstance(policy.privacy.k_anonymity, KAnonymity) and not quasi:
        yield Fault(
            ("privacy", "k_anonymity"), "asks for k but no column is a quasi_identifier; classify them, or say {none: reason}"
        )
