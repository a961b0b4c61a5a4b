"""`ordered` among a policy's rules: the other column's operator is filled in, and what can't be ordered is refused."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pytest

from airlock.errors import PolicyFileError
from airlock.plan.bind import bind_policy
from airlock.plan.compile import Plan, compile_plan
from airlock.policy.path import ColumnPath
from airlock.testing import Trial

MONTH = "type: date32, class: sensitive, generalize_date: month"
SHIFT = "{shift_date: {domain: person, subject: id}}"
CREATED = f"created: {{type: date32, class: sensitive, {SHIFT[1:-1]}}}"
SCHEMA = pa.schema([("id", pa.int64()), ("created", pa.date32()), ("paid", pa.date32()), ("closed", pa.date32())])


def after(name: str, other: str, do: str = SHIFT) -> str:
    return f"{name}: {{type: date32, class: sensitive, ordered: {{after: {other}, do: {do}}}}}"


def messages(path) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        bind_policy(path)
    return [problem.message for problem in caught.value.problems]


def test_a_chain_is_filled_in_whatever_the_order_of_the_rules(policy_file):
    noise = "{add_noise: {domain: person, subject: id, distribution: laplace, scale: 9, unit: days}}"
    bound = bind_policy(policy_file(after("closed", "paid", noise), after("paid", "created", noise), CREATED))
    closed, paid = (bound.operators[ColumnPath.parse(name)] for name in ("closed", "paid"))
    assert closed.other == paid
    assert paid.other == bound.operators[ColumnPath.parse("created")]
    assert set(closed.inputs) == {"paid", "created", "id"}
    assert {request.purpose for request in closed.requests()} == {"shift-date", "add-noise"}


def test_the_order_of_raw_dates_is_that_of_written_ones(policy_file):
    days = [dt.date(2024, 1, 1) + dt.timedelta(number % 11) for number in range(200)]
    noise = "{add_noise: {domain: person, subject: id, distribution: laplace, scale: 9, unit: days}}"
    bound = bind_policy(policy_file(CREATED, after("paid", "created", noise)))
    raw = {"created": pa.array(days[::-1], pa.date32()), "paid": pa.array(days, pa.date32()), "id": pa.array(range(200))}
    made = {}
    for name in ("created", "paid"):
        operator = bound.operators[ColumnPath.parse(name)]
        made[name] = Trial.of(operator, pa.field(name, pa.date32()), raw[name], raw).run().to_pylist()
    kept = [new <= later for new, later in zip(made["created"], made["paid"], strict=True)]
    order = [new <= later for new, later in zip(raw["created"].to_pylist(), raw["paid"].to_pylist(), strict=True)]
    assert 0 < sum(order) < 200
    assert all(is_so for is_so, was_so in zip(kept, order, strict=True) if was_so)


def test_the_plan_has_it_on_executors_too(policy_file):
    bound = bind_policy(policy_file(CREATED, after("paid", "created"), after("closed", "paid")))
    plan = compile_plan(bound, [SCHEMA], [])
    travelled = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert travelled.operators == plan.operators
    assert travelled.operators[ColumnPath.parse("closed")].other.other is not None


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([after("paid", "created")], "follows 'created', which has no rule of its own"),
        ([after("paid", "paid")], "or follows this column itself"),
        ([after("paid", "closed"), after("closed", "paid")], "or follows this column itself"),
        ([f"created: {{{MONTH}}}", after("paid", "created")], "write different forms"),
        (
            [f"created: {{{MONTH}}}", after("paid", "created", "{generalize_date: year}")],
            "'generalize_date' there and 'generalize_date' here write different forms",
        ),
        (
            ["created: {type: date64, class: sensitive, generalize_date: month}", after("paid", "created", "{generalize_date: month}")],
            r"it is date64\[ms\], this column date32",
        ),
        (["created: {type: date32, class: sensitive, drop: {}}", after("paid", "created")], "write different types"),
        (
            [CREATED, after("paid", "created").replace("do:", "other: {generalize_date: {to: year}}, do:")],
            "`other` belongs to the rule of 'created'",
        ),
    ],
)  # fmt: skip
def test_what_has_no_order_is_refused(policy_file, rules, message):
    import re

    assert any(re.search(message, said) for said in messages(policy_file(*rules)))


def test_a_perturbed_subject_is_refused(policy_file):
    noise = (
        "id: {type: int64, class: quasi_identifier, add_noise: {domain: person, subject: key, distribution: laplace, scale: 9}}"
    )
    key = "key: {type: int64, class: direct_identifier, drop: {}}"
    assert any("a perturbed subject is another one" in said for said in messages(policy_file(noise, key)))


def test_perturbed_columns_are_no_join_keys_and_no_folders(policy_file):
    rule = CREATED.replace("class: sensitive", "class: sensitive, references: others.created")
    assert any("keys don't join" in said for said in messages(policy_file(rule)))
    for key in ("partition_by", "statistics"):
        path = policy_file(CREATED, after("paid", "created"), sink=f"{{path: people, {key}: [created, paid]}}")
        assert sum("only kept or generalized columns" in said for said in messages(path)) == 2


def test_a_subject_without_a_canonical_text_is_refused(policy_file):
    rules = [CREATED.replace("subject: id", "subject: when"), "when: {type: date32, class: sensitive, drop: {}}"]
    assert any("can't tell subjects by 'when' of type date32" in said for said in messages(policy_file(*rules)))
