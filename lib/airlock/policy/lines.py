"""A rule as the one line that stands for it under columns: what errors show to paste. Called by `plan.match`."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from airlock.policy.inline import without_content
from airlock.policy.model import RULE_KEYS, ColumnRule

__all__ = ["rule_line"]


def rule_line(path: str, rule: ColumnRule) -> str:
    """The rule in YAML's flow style, on one line, its keys in the order of policies.

    Example:
        >>> rule = ColumnRule.model_validate({"type": "int64", "class": "sensitive", "generalize_number": {"width": 10}})
        >>> rule_line("a.b", rule)
        'a.b: {type: int64, class: sensitive, generalize_number: {width: 10}}'
    """
    kinds = list(rule.type)
    made: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0], "class": rule.classification.value}
    made |= {name: value for name in RULE_KEYS[2:] if (value := getattr(rule, name))}
    made[rule.operator.name] = (
        {} if rule.operator.arguments is None else without_content(rule.operator.name, rule.operator.arguments)
    )
    writer = YAML(typ="rt")
    writer.default_flow_style, writer.width = True, 1 << 20
    out = io.StringIO()
    writer.dump({path: made}, out)
    return out.getvalue().strip()[1:-1]
