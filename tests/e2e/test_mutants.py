"""What must not get out does not: each operator's kernel replaced by the identity, and policies that keep too much, are refused
by the outer door, which sees only the written files and its own copy of the policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.demo.generate import generate
from airlock.demo.project import write_project
from airlock.doors.anonymize import anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import (
    AirlockError,
    DigestMismatchError,
    DisclosureError,
    DriftError,
    IntegrityError,
    KnownValueError,
    LeakedNameError,
    NearlyUniqueError,
    PolicyFileError,
    RareValueError,
    RejectedRowsError,
    ResidualEntityError,
    ShapeError,
    SmallGroupError,
    UnchangedValuesError,
    UnknownPolicyError,
)
from airlock.operators import Operator, RowOperator, operator_class, operator_names
from airlock.passes import Permutation, TopValues
from airlock.policy.formats import ON_DIRECT_IDENTIFIERS
from airlock.policy.load import load_policy
from airlock.settings import Settings, load_settings

ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
COUNT = 240


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here, where an operator can be replaced, and not in a pool's processes."""

    def inline(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int) -> Iterator[TaskResult]:
        del workers
        frame = open_frame(sealed, binding)
        return (run_task(frame, index) for index in indexes)

    monkeypatch.setattr("airlock.doors._engine.run_local", inline)


def settings_in(folder: Path) -> Settings:
    more = create_keys(folder / "keys").settings(folder) + "policies: policies\nworkers: 1\n"
    (folder / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
    return load_settings(file=folder / "airlock.yaml", environment={})


def assert_nothing_published(folder: Path, error: AirlockError, raw: Sequence[Any]) -> None:
    assert error.exit_code == 3
    published = [path for path in (folder / "sanitized").rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert published == []
    said = f"{error} {error!r} {error.facts}"
    assert [value for value in raw if isinstance(value, str) and len(value) > 5 and value in said] == []


# --- each operator, replaced by the identity --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A column, its rule, and what the gate says to raw values in it; of what keeps its form, what the inner door itself says.

    `beside` are other columns, with their rules.
    """

    rule: str
    values: pa.Array
    refusal: type[AirlockError]
    rejected: int = 0
    nestings: tuple[str, ...] = ("flat", "in a struct", "in a list")
    inner: bool = False
    beside: Mapping[str, tuple[str, pa.Array]] = field(default_factory=dict)


_MAILS = [f"person{number}@example.org" for number in range(COUNT)]
_DAYS = pa.array([19_000 + number % 150 for number in range(COUNT)], pa.int32()).view(pa.date32())

CASES = {
    "add_noise": Case(
        "type: int64, class: sensitive, add_noise: {domain: person, subject: person, distribution: laplace, scale: 5, within: [0, 120]}",
        pa.array([number % 120 for number in range(COUNT)]),
        UnchangedValuesError,
        inner=True,
    ),
    "drop": Case("type: string, class: direct_identifier, drop: {}", pa.array(_MAILS), LeakedNameError),
    "fpe": Case(
        "type: string, class: direct_identifier, reversible: allowed, fpe: {domain: other}",
        pa.array([f"{1_000_000 + 37 * number}" for number in range(COUNT)]),
        UnchangedValuesError,
        inner=True,
    ),
    "encrypt": Case(
        "type: string, class: direct_identifier, reversible: allowed, encrypt: {domain: other}",
        pa.array([f"K{number:05}" for number in range(COUNT)]),
        ShapeError,
    ),
    "encrypt_random": Case(
        "type: string, class: direct_identifier, reversible: allowed, encrypt_random: {domain: other}",
        pa.array([f"K{number:05}" for number in range(COUNT)]),
        ShapeError,
    ),
    "generalize_date": Case(
        "type: date32, class: sensitive, generalize_date: {to: month}",
        pa.array([number * 13 for number in range(COUNT)], pa.int32()).view(pa.date32()),
        ShapeError,
    ),
    "generalize_number": Case(
        "type: int64, class: sensitive, generalize_number: {width: 10}", pa.array(range(1_000, 1_000 + COUNT)), ShapeError
    ),
    "hmac": Case(
        "type: string, class: direct_identifier, hmac: {domain: other}",
        pa.array([f"K{number:05}" for number in range(COUNT)]),
        ShapeError,
    ),
    "ip_truncate": Case(
        "type: string, class: sensitive, ip_truncate: {v4: 24, v6: 48}", pa.array([f"10.1.{n // 9}.{n % 250 + 1}" for n in range(COUNT)]), ShapeError
    ),
    "keep": Case(
        "type: string, class: insensitive, keep: {reason: closed list, values: [home, work]}",
        pa.array(["home", "work"] * (COUNT // 2 - 1) + ["home", "4 Elm Street"]),
        ShapeError,
        rejected=1,
    ),
    "mask": Case(
        "type: string, class: direct_identifier, mask: {keep_last: 2}", pa.array([f"AB-{number:06}" for number in range(COUNT)]), ShapeError
    ),
    "null": Case('type: string, class: direct_identifier, "null": {}', pa.array([f"A{number}" for number in range(COUNT)]), ShapeError),
    "ordered": Case(
        "type: date32, class: sensitive, ordered: {after: began, do: {shift_date: {domain: person, subject: person}}}",
        _DAYS,
        UnchangedValuesError,
        inner=True,
        beside={"began": ("type: date32, class: sensitive, shift_date: {domain: person, subject: person, days: 20}", _DAYS)},
    ),
    "keep_top": Case(
        "type: string, class: sensitive, keep_top: {n: 2, min_count: 20}",
        pa.array((["cook", "nurse", "pilot"] * 75 + [f"mayor of {number}" for number in range(COUNT)])[:COUNT]),
        RareValueError,
    ),
    "permute": Case(
        "type: int64, class: sensitive, permute: totals stay right",
        pa.array([n // 3 for n in range(COUNT)]),
        UnchangedValuesError,
        nestings=("flat",),
        inner=True,
    ),
    "pseudonymize": Case(
        "type: string, class: direct_identifier, pseudonymize: {domain: other, form: hex}",
        pa.array([f"K{number:05}" for number in range(COUNT)]),
        ShapeError,
    ),
    "redact": Case(
        'type: string, class: direct_identifier, redact: {with: "[gone]"}', pa.array([f"Street {number}" for number in range(COUNT)]), ShapeError
    ),
    "redact_entities": Case(
        "type: string, class: sensitive, redact_entities: {entities: [EMAIL_ADDRESS]}",
        pa.array([f"please write to {mail}" if number == 7 else "all well" for number, mail in enumerate(_MAILS)]),
        ResidualEntityError,
    ),
    "shift_date": Case(
        "type: date32, class: sensitive, shift_date: {domain: person, subject: person, days: 20}", _DAYS, UnchangedValuesError, inner=True
    ),
    "surrogate": Case(
        "type: string, class: direct_identifier, surrogate: {kind: username, domain: other}",
        pa.array([f"user{number:05}" for number in range(COUNT)]),
        ShapeError,
    ),
    "truncate": Case(
        "type: string, class: sensitive, truncate: {length: 3}", pa.array([f"{10_000 + number}" for number in range(COUNT)]), ShapeError
    ),
    "when": Case(
        "type: string, class: direct_identifier, when: {column: person, in: [1, 2], then: {mask: {keep_last: 2}}, otherwise: {redact: {}}}",
        pa.array([f"Street {number}" for number in range(COUNT)]),
        ShapeError,
    ),
    "first_match": Case(
        "type: string, class: sensitive, first_match: {cases: [{column: person, in: [7], then: {truncate: 2}}], otherwise: {redact: {}}}",
        pa.array([f"Street {number}" for number in range(COUNT)]),
        ShapeError,
    ),
    "hierarchy": Case(
        "type: string, class: sensitive, hierarchy: {file: ages.csv, level: 1}", pa.array([f"{n % 60} years" for n in range(COUNT)]), ShapeError
    ),
    "url": Case(
        "type: string, class: sensitive, url: registered_domain", pa.array([f"https://u{n}.example.org/plate?is=B-XY-{n}" for n in range(COUNT)]), ShapeError
    ),
    "age": Case(
        "type: int64, class: sensitive, age: {at: 2026-11-22, parse: epoch_s}",
        pa.array([number % 2 * 20_000 for number in range(COUNT)]),
        ShapeError,
    ),
    "clamp": Case("type: int64, class: sensitive, clamp: {top: 90}", pa.array([n % 60 + 40 for n in range(COUNT)]), ShapeError),
    "geo_grid": Case(
        'type: double, class: sensitive, geo_grid: {cell: "0.5"}', pa.array([52 + number / COUNT for number in range(COUNT)]), ShapeError
    ),
    "geohash": Case(
        "type: double, class: sensitive, geohash: {length: 4, longitude: longitude}",
        pa.array([52 + number / COUNT for number in range(COUNT)]),
        ShapeError,
        beside={"longitude": ("type: double, class: sensitive, drop: {}", pa.array([13.4] * COUNT))},
    ),
    "interval": Case("type: int16, class: sensitive, interval: [18, 65]", pa.array([n % 99 for n in range(COUNT)], pa.int16()), ShapeError),
    "replace": Case(
        "type: string, class: sensitive, replace: {map: {home: private, work: business}, otherwise: other}", pa.array(["home", "work"] * (COUNT // 2)), ShapeError
    ),
    "round": Case("type: int64, class: sensitive, round: {to: 100}", pa.array(range(1_000, 1_000 + COUNT)), ShapeError),
    "zip3": Case("type: string, class: sensitive, zip3: {}", pa.array([f"{94_000 + number}" for number in range(COUNT)]), ShapeError),
}  # fmt: skip

POLICY = """\
apiVersion: airlock/v1
dataset: things
owner: things@example.org
purpose: a test of the outer door
source: {{path: things, format: parquet}}
sink: {{path: things}}
subject: person
keys: {{recipient: nobody, epoch: 1, domains: {{person: {{}}, other: {{}}}}}}
columns:
  person: {{type: int64, class: direct_identifier, pseudonymize: {{domain: person, form: hex}}}}
  {column}
gate:
  not_proven: {{PERSON: "a test", LOCATION: "a test"}}
  max_rejects: {rejects}
privacy:
  k_anonymity: {{none: "a test"}}
"""

NESTINGS = {
    "flat": ("x", lambda values: values),
    "in a struct": ("x.y", lambda values: pa.StructArray.from_arrays([values], ["y"])),
    "in a list": (
        "x[].y",
        lambda values: pa.ListArray.from_arrays(pa.array(range(len(values) + 1), pa.int32()), pa.StructArray.from_arrays([values], ["y"])),
    ),
}  # fmt: skip


def things(folder: Path, case: Case, nesting: str) -> tuple[Path, Settings]:
    path, wrap = NESTINGS[nesting]
    column = f'"{path}": {{{case.rule}}}'
    if "drop" in case.rule and path == "x[].y":
        column += '\n  "x[].z": {type: int64, class: insensitive, keep: "a number"}'
        base = wrap

        def wrap(values: pa.Array) -> pa.Array:
            lists = base(values)
            parts = [values, pa.array([1] * len(values))]
            return pa.ListArray.from_arrays(lists.offsets, pa.StructArray.from_arrays(parts, ["y", "z"]))

    (folder / "raw" / "things").mkdir(parents=True)
    more = {name: values for name, (_, values) in case.beside.items()}
    column += "".join(f"\n  {name}: {{{rule}}}" for name, (rule, _) in case.beside.items())
    table = pa.table({"person": pa.array(range(COUNT)), "x": wrap(case.values), **more})
    pq.write_table(table, folder / "raw" / "things" / "part.parquet")
    policy = folder / "policies" / "things.yaml"
    policy.parent.mkdir()
    (policy.parent / "ages.csv").write_text(
        "".join(f"{age} years;{age // 20 * 20} and more;any\n" for age in range(60)), encoding="utf-8"
    )
    policy.write_text(POLICY.format(column=column, rejects=case.rejected), encoding="utf-8")
    return policy, settings_in(folder)


def replace_by_identity(monkeypatch: pytest.MonkeyPatch, kind: type[Operator], *, inner: bool = False) -> None:
    def identity(self: Operator, field: pa.Field, keys: object) -> Any:
        del keys
        after = self.result_field(field)
        # Where the operator changes the type, the raw value in that type.
        same = (
            (lambda values: values) if after is None or after.type == field.type else (lambda values: values.cast(after.type))
        )
        return (lambda rows: same(rows.field("value"))) if issubclass(kind, RowOperator) else same

    monkeypatch.setattr(kind, "kernel", identity)
    # Of operators with a pass it is the pass that does the work.
    monkeypatch.setattr(TopValues, "carry_out", lambda self, columns, concluded, keys: list(columns))
    monkeypatch.setattr(Permutation, "carry_out", lambda self, group, place, keys: group)
    # The inner door sees this by itself (test_plan, test_anonymize); here the outer one is asked, which does not rely on it.
    monkeypatch.setattr("airlock.doors.anonymize.demand_effect", lambda *_: None)
    if not inner:
        monkeypatch.setattr("airlock.engines.changed.ChangeCounter.demand", lambda _: None)
    if kind.name == "drop":
        # Its identity is a column that is written after all; plans know the operator that is not read by its name.
        monkeypatch.setattr(kind, "result_field", lambda self, field: field)
        monkeypatch.setattr(kind, "name", "dropped")
        monkeypatch.setattr("airlock.plan.contracts.ON_DIRECT_IDENTIFIERS", (*ON_DIRECT_IDENTIFIERS, "dropped"))


def test_every_operator_has_a_case():
    assert set(CASES) == set(operator_names())


PLACES = [(name, nesting) for name, case in CASES.items() for nesting in case.nestings]


@pytest.mark.parametrize(("name", "nesting"), PLACES)
def test_each_operator_passes_as_it_is(tmp_path, name, nesting):
    policy, settings = things(tmp_path, CASES[name], nesting)
    staged = anonymize(policy, settings, engine="local")
    assert staged.rejected == CASES[name].rejected
    made = release(policy, settings)
    assert (made.state, made.rows) == ("released", COUNT - CASES[name].rejected)


@pytest.mark.parametrize(("name", "nesting"), PLACES)
def test_each_operator_replaced_by_the_identity_is_refused(tmp_path, monkeypatch, name, nesting):
    policy, settings = things(tmp_path, CASES[name], nesting)
    replace_by_identity(monkeypatch, operator_class(name), inner=CASES[name].inner)
    if CASES[name].inner:
        with pytest.raises(CASES[name].refusal) as caught:
            anonymize(policy, settings, engine="local")
        assert not list((tmp_path / "staging").rglob("manifest*"))
        assert_nothing_published(tmp_path, caught.value, CASES[name].values.to_pylist())
        return
    staged = anonymize(policy, settings, engine="local")
    assert staged.rejected == 0
    with pytest.raises(CASES[name].refusal) as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, CASES[name].values.to_pylist())


def test_one_value_in_many_rows_is_enough(tmp_path, monkeypatch):
    """The gate looks at every row: a kernel that fails on the last one alone is refused."""
    policy, settings = things(tmp_path, CASES["mask"], "flat")
    kind = operator_class("mask")
    proper = kind.kernel

    def nearly(self: Operator, field: pa.Field, keys: Any) -> Any:
        kernel = proper(self, field, keys)
        return lambda values: pa.concat_arrays([kernel(values.slice(0, len(values) - 1)), values.slice(len(values) - 1)])

    monkeypatch.setattr(kind, "kernel", nearly)
    anonymize(policy, settings, engine="local")
    with pytest.raises(ShapeError, match=r"'x'.* 1 ") as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, CASES["mask"].values.to_pylist())


def test_a_rows_own_name_left_in_its_text_is_refused(tmp_path, monkeypatch):
    """No pattern finds a name: the inner door's own word, that known values are gone, is what the gate demands."""
    (tmp_path / "raw" / "things").mkdir(parents=True)
    texts = [f"Marigold{number} rang twice" if number == 7 else "all well" for number in range(COUNT)]
    table = pa.table({"person": range(COUNT), "name": [f"Marigold{number}" for number in range(COUNT)], "x": texts})
    pq.write_table(table, tmp_path / "raw" / "things" / "part.parquet")
    rule = "x: {type: string, class: sensitive, redact_entities: {entities: [EMAIL_ADDRESS], known_values: [name]}}"
    column = f"{rule}\n  name: {{type: string, class: direct_identifier, drop: {{}}}}"
    (tmp_path / "policies").mkdir()
    policy = tmp_path / "policies" / "things.yaml"
    policy.write_text(POLICY.format(column=column, rejects=0), encoding="utf-8")
    settings = settings_in(tmp_path)
    replace_by_identity(monkeypatch, operator_class("redact_entities"))
    anonymize(policy, settings, engine="local")
    with pytest.raises(KnownValueError) as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, texts)


# --- policies that keep too much --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo-raw")
    generate(folder, rows=500)
    return folder


def demo(folder: Path, raw: Path, name: str, *edits: tuple[str, str]) -> tuple[Path, Settings]:
    """The demo's project on shared raw data, one policy edited by patterns."""
    write_project(folder)
    policy = folder / "policies" / f"{name}.yaml"
    text = policy.read_text(encoding="utf-8")
    for pattern, new in edits:
        text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert count == 1, pattern
    policy.write_text(text, encoding="utf-8")
    (folder / "raw").symlink_to(raw)
    return policy, settings_in(folder)


def kept(column: str, classification: str = "sensitive") -> tuple[str, str]:
    return rf"^  ({re.escape(column)}: +{{type: [^,]+), class.*$", rf'  \1, class: {classification}, keep: "by mistake"}}'


_MISTAKES = {
    "e-mails": ("customers", kept("email"), ResidualEntityError),
    "phones in a list": ("customers", kept("phones[].number"), ResidualEntityError),
    "addresses of a network": ("customers", kept("signup_ip"), ResidualEntityError),
    "cards": ("orders", kept("card"), ResidualEntityError),
    "unique ids": ("orders", kept("order_id"), DisclosureError),
    "streets": ("customers", kept("address.street"), DisclosureError),
    "birthdays": ("customers", (r"generalize_date: \{to: decade\}", 'keep: "by mistake"'), NearlyUniqueError),
    "whole zips": ("customers", (r"truncate: \{length: 3\}", 'keep: "by mistake"'), SmallGroupError),
    "free text": (
        "tickets",
        (r"^  body:[^\n]*\n(?:    .*\n)+", '  body: {type: string, class: sensitive, keep: "by mistake"}\n'),
        DisclosureError,
    ),
    "a writer's own name in free text": (
        "tickets",
        (r"(  body:[^\n]*\n(?:    .*\n)+?) +known_values: .*\n", r"\1"),
        KnownValueError,
    ),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_policy_that_keeps_what_it_must_not_is_refused(tmp_path, demo_raw, mistake):
    name, edit, refusal = _MISTAKES[mistake]
    policy, settings = demo(tmp_path, demo_raw, name, edit)
    anonymize(policy, settings, engine="local")
    with pytest.raises(refusal) as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, ["555-01", "@example", "4111"])
    verdicts = list((tmp_path / "staging").rglob("verdict*"))
    assert len(verdicts) == 1
    with pytest.raises(IntegrityError, match="refused before"):
        release(policy, settings, run_id=verdicts[0].parent.name)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        ((r"^  card: +.*$", '  card: {type: string, class: direct_identifier, keep: "by mistake"}'), PolicyFileError, "may not stand on a direct_identifier"),
        ((r"mask: \{keep_last: 4\}", "mask: {keep_last: 5}"), PolicyFileError, "at most 4 may show"),
        ((r"^  card: +.*\n", ""), DriftError, "card"),
        ((r"^  ip: +.*\n", "  ip: {type: int64, class: direct_identifier, drop: {}}\n"), DriftError, "ip"),
        ((r"^  ip: +(.*)\n", r"  ip: \1\n  imei: {type: string, class: direct_identifier, drop: {}}\n"), DriftError, "imei"),
    ],
    ids=["identifier kept", "mask shows five", "column without a rule", "changed type", "rule without a column"],
)  # fmt: skip
def test_a_policy_that_does_not_fit_stages_nothing(tmp_path, demo_raw, edit, error, message):
    policy, settings = demo(tmp_path, demo_raw, "orders", edit)
    with pytest.raises(error, match=message) as caught:
        anonymize(policy, settings, engine="local")
    assert caught.value.exit_code == (3 if error is DriftError else 2)
    assert not list((tmp_path / "staging").rglob("*.parquet")) if (tmp_path / "staging").exists() else True


# --- what was staged is not what is offered ---------------------------------------------------------------------------------


def test_a_run_under_a_policy_that_is_not_approved_is_refused(tmp_path, demo_raw):
    policy, settings = demo(tmp_path, demo_raw, "orders")
    anonymize(policy, settings, engine="local")
    own = tmp_path / "approved"
    own.mkdir()
    copy = own / "orders.yaml"
    copy.write_text(policy.read_text(encoding="utf-8").replace("width: 50", "width: 100"), encoding="utf-8")
    assert load_policy(copy).digest != load_policy(policy).digest
    outer = load_settings(file=tmp_path / "airlock.yaml", environment={}, flags={"policies": str(own)})
    with pytest.raises(UnknownPolicyError, match="not among the 1 policies approved here") as caught:
        release(copy, outer)
    assert_nothing_published(tmp_path, caught.value, [])
    assert _released(policy, settings).state == "released"


def test_a_staged_byte_that_changed_is_refused(tmp_path, demo_raw):
    policy, settings = demo(tmp_path, demo_raw, "orders")
    anonymize(policy, settings, engine="local")
    victim = min((tmp_path / "staging").rglob("*.parquet"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.unlink()
    victim.write_bytes(data)
    with pytest.raises(DigestMismatchError, match="is not the one that was signed") as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, [])


def test_a_manifest_that_changed_is_refused(tmp_path, demo_raw):
    policy, settings = demo(tmp_path, demo_raw, "orders")
    anonymize(policy, settings, engine="local")
    (manifest,) = (tmp_path / "staging").rglob("manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    facts["purpose"] = "another"
    manifest.unlink()
    manifest.write_text(json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
    with pytest.raises(IntegrityError) as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, [])


def test_rejected_rows_beyond_the_limit_are_refused(tmp_path):
    case = CASES["keep"]
    policy, settings = things(tmp_path, Case(case.rule, case.values, RejectedRowsError), "flat")
    assert anonymize(policy, settings, engine="local").rejected == 1
    with pytest.raises(RejectedRowsError) as caught:
        release(policy, settings)
    assert_nothing_published(tmp_path, caught.value, case.values.to_pylist())


def _released(policy: Path, settings: Settings) -> Release:
    return release(policy, settings)
