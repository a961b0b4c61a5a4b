"""Attacks on both doors: careless policies, tampering in staging with and without the stage key, messages and permission bits."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.anonymize import StagedRelease, anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import (
    AirlockError,
    ChangedTypeError,
    DisclosureError,
    DriftError,
    IntegrityError,
    PolicyError,
    UnreadableSourceError,
)
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.dsse import sign
from airlock.evidence.manifest import PublicManifest, StagedFile
from airlock.evidence.statement import staged_statement
from airlock.keys.signing import load_signer
from airlock.settings import Settings, load_settings

ROWS = 240
NAMES = [f"Marigold Underhill{number:03}" for number in range(ROWS)]
MAILS = [f"marigold{number:03}@example.org" for number in range(ROWS)]
ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
POLICY = """\
apiVersion: airlock/v1
dataset: things
owner: things@example.org
purpose: a test of both doors
source: {{path: things, format: {format}}}
sink: {{path: things{sink}}}
subject: person
keys: {{recipient: nobody, epoch: 1, domains: {{person: {{}}}}}}
columns:
  person: {{type: int64, class: direct_identifier, pseudonymize: {{domain: person, form: hex}}}}
{columns}
gate:
  not_proven: {{PERSON: "a test", LOCATION: "a test"}}
{gate}
privacy:
  k_anonymity: {{none: "a test"}}
"""


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool's processes take longer to start than these tests."""

    def inline(sealed: bytes, binding: FrameBinding, indexes: Sequence[int], *, workers: int) -> Iterator[TaskResult]:
        del workers
        frame = open_frame(sealed, binding)
        return (run_task(frame, index) for index in indexes)

    monkeypatch.setattr("airlock.doors._engine.run_local", inline)


@dataclass(frozen=True)
class Project:
    """Zones, keys and one policy in a folder."""

    root: Path
    policy: Path
    settings: Settings

    def anonymize(self) -> StagedRelease:
        return anonymize(self.policy, self.settings, engine="local")

    def release(self) -> Release:
        return release(self.policy, self.settings)

    def staged(self) -> Path:
        (manifest,) = (self.root / "staging").rglob("manifest.json")
        return manifest.parent

    def forge(self, edit: Callable[[PublicManifest], PublicManifest]) -> None:
        """What somebody with the stage-signing key can do: any manifest, signed anew."""
        folder = self.staged()
        manifest = edit(PublicManifest.from_bytes((folder / "manifest.json").read_bytes()))
        signer = load_signer(Path(self.settings.require("keys.stage_signing")))
        envelope = sign(json.loads(staged_statement(manifest, at=datetime.now(UTC))), signer=signer)
        for name, data in (("manifest.json", manifest.to_bytes()), ("manifest.intoto.json", envelope)):
            (folder / name).unlink()
            (folder / name).write_bytes(data)

    def forge_file(self, edit: Callable[[pa.Table], pa.Table], **options: Any) -> None:
        """Another staged file, and a manifest for it."""
        (file,) = (self.staged() / "data").glob("*.parquet")
        table = edit(pq.ParquetFile(file).read())
        file.unlink()
        pq.write_table(table, file, **options)
        data = file.read_bytes()
        self.forge(lambda old: replace(old, outputs=(StagedFile(file.name, sha256_hex(data), len(data), table.num_rows),)))


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    def make(
        columns: Mapping[str, Any],
        *rules: str,
        gate: str = "",
        sink: str = "",
        data: bytes | None = None,
        form: str = "parquet",
    ) -> Project:
        source = tmp_path / "raw" / "things"
        source.mkdir(parents=True)
        if data is None:
            pq.write_table(pa.table({"person": range(ROWS), **columns}), source / "part.parquet")
        else:
            (source / f"part.{form}").write_bytes(data)
        policy = tmp_path / "policies" / "things.yaml"
        policy.parent.mkdir()
        text = "\n".join(f"  {rule}" for rule in rules)
        policy.write_text(
            POLICY.format(columns=text, gate=f"  {gate}" if gate else "", sink=sink, format=form), encoding="utf-8"
        )
        more = create_keys(tmp_path / "keys").settings(tmp_path) + "policies: policies\nworkers: 1\n"
        (tmp_path / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
        return Project(tmp_path, policy, load_settings(file=tmp_path / "airlock.yaml", environment={}))

    return make


def published(root: Path) -> list[Path]:
    return [path for path in (root / "sanitized").rglob("*") if path.is_file() and not path.name.startswith((".", "lease"))]


def assert_refused(
    made: Project, *kinds: type[AirlockError], secrets: tuple[str, ...] = ("Marigold", "marigold")
) -> AirlockError:
    with pytest.raises(kinds or (DisclosureError, IntegrityError, PolicyError)) as caught:
        made.release()
    assert published(made.root) == []
    assert_says_nothing(caught.value, *secrets)
    for report in (made.root / "reports").rglob("*.json"):
        text = report.read_bytes()
        payload = base64.b64decode(json.loads(text).get("payload", ""))
        assert [secret for secret in secrets if secret.encode() in text + payload] == []
    return caught.value


def assert_says_nothing(error: BaseException, *secrets: str) -> None:
    said = f"{error} {error!r} {getattr(error, 'facts', '')}"
    assert [secret for secret in secrets if secret in said] == []


# --- careless policies ------------------------------------------------------------------------------------------------------


PAIRED = [mail for mail in MAILS[: ROWS // 2] for _ in range(2)]
CARDS = [f"4{number:014}" for number in range(ROWS)]


def _luhn(digits: str) -> str:
    total = sum(sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(reversed(digits), 1))
    total = sum(int(d) if at % 2 == 0 else sum(divmod(2 * int(d), 10)) for at, d in enumerate(reversed(digits), 1))
    return digits + str(-total % 10)


DOMAINS = [f"marigold{n}.example" for n in range(ROWS)]
NUMBERS = [int(_luhn(digits)) for digits in CARDS]
DROPPED = "\n  name: {type: string, class: direct_identifier, drop: {}}"
COPIED = f"{{cases: [{{column: x, in: [{NAMES[0]}], then: {{redact: {{with: {NAMES[0]}}}}}}}], otherwise: {{redact: {{with: {NAMES[1]}}}}}}}"

CARELESS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "synthetic lowers the floor": (
        {"x": PAIRED}, "x: {type: string, class: sensitive, keep: oops}", {"gate": "synthetic: {x: EMAIL_ADDRESS}"},
    ),
    "a long truncate": ({"x": NAMES}, "x: {type: string, class: sensitive, accept_no_effect: r, truncate: {length: 100}}", {}),
    "a mask of nothing much": (
        {"x": NAMES}, "x: {type: string, class: sensitive, mask: {classes: [letters]}}", {},
    ),
    "a mask of two letters": (
        {"x": NAMES}, "x: {type: string, class: sensitive, mask: {keep_first: 15, keep_last: 3}}", {},
    ),
    "partitions of one row": (
        {"x": NAMES}, "x: {type: string, class: insensitive, keep: oops}", {"sink": ", partition_by: [x]"},
    ),
    "names as bytes": ({"x": pa.array([n.encode() for n in NAMES])}, "x: {type: binary, class: insensitive, keep: oops}", {}),
    "ids as decimals": (
        {"x": pa.array(range(7_000_000, 7_000_000 + ROWS), pa.int64()).cast(pa.decimal128(19, 0))},
        'x: {type: "decimal128(19, 0)", class: insensitive, keep: oops}', {},
    ),
    "ids as floats": ({"x": [float(n) for n in range(7_000_000, 7_000_000 + ROWS)]}, "x: {type: float64, class: insensitive, keep: oops}", {}),
    "ids as floats, some missing": (
        {"x": [float(n) if n % 3 else float("nan") for n in range(7_000_000, 7_000_000 + ROWS)]},
        "x: {type: float64, class: insensitive, keep: oops}", {},
    ),
    "ids with decimal places": (
        {"x": pa.array(range(7_000_000, 7_000_000 + ROWS), pa.int64()).cast(pa.decimal128(21, 2))},
        'x: {type: "decimal128(21, 2)", class: insensitive, keep: oops}', {},
    ),
    "even ids rounded to even ones": (
        {"x": range(7_000_000, 7_000_000 + 2 * ROWS, 2)}, "x: {type: int64, class: sensitive, accept_no_effect: r, generalize_number: {width: 2}}", {},
    ),
    "cards as text of floats": ({"x": [f"{n}.0" for n in NUMBERS[: ROWS // 2] for _ in range(2)]}, "x: {type: string, class: sensitive, keep: oops}", {}),
    "cards rounded to even ones": (
        {"x": NUMBERS}, "x: {type: int64, class: sensitive, accept_no_effect: r, generalize_number: {width: 2}}", {},
    ),
    "cards rounded to tens": (
        {"x": NUMBERS}, "x: {type: int64, class: sensitive, accept_no_effect: r, generalize_number: {width: 10}}", {},
    ),
    "cards of pairs rounded to tens": (
        {"x": [n for n in NUMBERS[: ROWS // 2] for _ in range(2)]}, "x: {type: int64, class: sensitive, accept_no_effect: r, generalize_number: {width: 10}}", {},
    ),
    "phone numbers rounded to tens": (
        {"x": range(2_125_550_000, 2_125_550_000 + 10 * ROWS, 10)}, "x: {type: int64, class: sensitive, accept_no_effect: r, generalize_number: {width: 10}}", {},
    ),
    "birthdays to the day": (
        {"x": pa.array([datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=37 * n) for n in range(ROWS)], pa.timestamp("us"))},
        'x: {type: "timestamp[us]", class: sensitive, accept_no_effect: r, generalize_date: {to: day}}', {},
    ),
    "mails in a closed list": (
        {"x": PAIRED}, f"x: {{type: string, class: sensitive, keep: {{reason: oops, values: [{', '.join(MAILS)}]}}}}", {},
    ),
    "names in a closed list": (
        {"x": NAMES}, f"x: {{type: string, class: sensitive, keep: {{reason: oops, values: [{', '.join(NAMES)}]}}}}", {},
    ),
    "everyone's own domain": (
        {"x": [f"ann@{domain}" for domain in DOMAINS]},
        f"x: {{type: string, class: direct_identifier, pseudonymize: {{domain: person, keep_domain: [{', '.join(DOMAINS)}]}}}}", {},
    ),
    "addresses of pairs": (
        {"x": [f"81.2.{n // 250}.{n % 250}" for n in range(ROWS)]}, "x: {type: string, class: sensitive, ip_truncate: {v4: 31, v6: 127}}", {},
    ),
    "mails percent-encoded in a query": (
        {"x": [f"/login?mail={m.replace('@', '%40')}" for m in PAIRED]}, "x: {type: string, class: sensitive, keep: oops}", {},
    ),
    "mails whose @ is masked": (
        {"x": PAIRED}, "x: {type: string, class: sensitive, mask: {pattern: '([^@]+)(@)(.+)', groups: [2]}}", {},
    ),
    "names whose space is masked": (
        {"x": [n for n in NAMES[: ROWS // 2] for _ in range(2)], "name": [n for n in NAMES[: ROWS // 2] for _ in range(2)]},
        f"x: {{type: string, class: sensitive, mask: {{pattern: '([a-zA-Z]+)( )(.+)', groups: [2], char: x}}}}{DROPPED}", {},
    ),
    "phone numbers as domains": (
        {"x": [f"https://212-555-{n // 2:04}.com/x" for n in range(ROWS)]}, "x: {type: string, class: sensitive, url: registered_domain}", {},
    ),
    "one's own domain": (
        {"x": [f"https://{m.split('@')[0]}.com/x" for m in PAIRED], "name": [m.split("@")[0] for m in PAIRED]},
        f"x: {{type: string, class: sensitive, url: registered_domain}}{DROPPED}", {},
    ),
    "a text for each case": (
        {"x": [n for n in NAMES[:2] for _ in range(ROWS // 2)], "name": [n for n in NAMES[:2] for _ in range(ROWS // 2)]},
        f"x: {{type: string, class: sensitive, accept_no_effect: r, first_match: {COPIED}}}{DROPPED}", {},
    ),
    "mails in map keys": (
        {"x": pa.array([[(m, 1)] for m in PAIRED], pa.map_(pa.string(), pa.int64()))},
        '"x{key}": {type: string, class: sensitive, keep: oops}\n  "x{value}": {type: int64, class: insensitive, keep: oops}', {},
    ),
    "mails in lists of lists": (
        {"x": [[[m]] for m in PAIRED]}, '"x[][]": {type: string, class: sensitive, keep: oops}', {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CARELESS)
def test_a_careless_policy_is_refused(project, name):
    columns, rule, more = CARELESS[name]
    made = project(columns, rule, **more)
    made.anonymize()
    assert_refused(made)


TEXT_RULE = "notes: {type: string, class: sensitive, redact_entities: {entities: [EMAIL_ADDRESS]}}"
IDS = [7_000_000_000 + 7919 * number for number in range(ROWS)]

KNOWN: dict[str, tuple[pa.Array, str, Sequence[object]]] = {
    "names as bytes": (pa.array([name.encode() for name in NAMES]), "type: binary", NAMES),
    "numbers in a dropped struct": (pa.array([{"number": number} for number in IDS]), "type: struct", IDS),
    "whole decimals": (pa.array(IDS).cast(pa.decimal128(21, 2)), 'type: "decimal128(21, 2)"', IDS),
    "large floats": (pa.array([float(number * 10**5) for number in IDS]), "type: float64", [number * 10**5 for number in IDS]),
    "fixed lists, some null": (
        pa.array([None, *([name] for name in NAMES[1:])], pa.list_(pa.string(), 1)),
        "type: list",
        NAMES,
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_rows_identifiers_are_found_in_its_text_whatever_their_type(project, name):
    values, kind, texts = KNOWN[name]
    columns = {"x": values, "notes": [f"file of {text} closed" for text in texts]}
    made = project(columns, f"x: {{{kind}, class: direct_identifier, drop: {{}}}}", TEXT_RULE)
    made.anonymize()
    error = assert_refused(made, DisclosureError, secrets=("Marigold", "70000"))
    assert f"{ROWS - values.null_count} cells of 'notes'" in str(error)


@pytest.mark.parametrize(("kind", "wrap"), [("struct", lambda name: {"first": name}), ("list", lambda name: [name])])
def test_identifiers_that_json_lines_do_not_show_must_be_named(project, kind, wrap):
    rows = [{"person": at, "x": wrap(name), "notes": f"met {name}"} for at, name in enumerate(NAMES)]
    data = "\n".join(map(json.dumps, rows)).encode()
    made = project({}, f"x: {{type: {kind}, class: direct_identifier, drop: {{}}}}", TEXT_RULE, data=data, form="jsonl")
    with pytest.raises(PolicyError, match="can't be looked for in 'notes'") as caught:
        made.anonymize()
    assert_says_nothing(caught.value, "Marigold")
    leaf = "x.first" if kind == "struct" else "x[]"
    assert f"`{leaf}: {{type: string, class: direct_identifier, drop: {{}}}}`" in str(caught.value)
    policy = made.policy.read_text().replace(f"x: {{type: {kind}", f'"{leaf}": {{type: string')
    made.policy.write_text(policy)
    made.anonymize()
    assert f"{ROWS} cells of 'notes'" in str(assert_refused(made, DisclosureError))


EXCLUDED: dict[str, tuple[Sequence[object], str, bytes]] = {
    "another case": ([f"Ann{n}@example.org" for n in range(ROWS)], "trim, casefold", b"ann7@example.org\n"),
    "no leading zeros": ([f"{n:010}" for n in range(ROWS)], "decimal", b"7\n"),
    "leading zeros": (range(ROWS), "", b"0000000007\n"),
    "composed letters": ([f"Zoe\u0308{n}" for n in range(ROWS)], "nfc", "Zo\u00eb7\n".encode()),
    "a table's export": ([f"ann{n}" for n in range(ROWS)], "", b'\xef\xbb\xbf"ann7";;\r\n'),
    "rows of no canonical form": (["x", *(str(n) for n in range(1, ROWS))], "decimal", b"007\n"),
}


def _without(made: Project, persons: Sequence[object], canonical: str, listed: bytes) -> None:
    """Put persons in the source and a list of those to exclude beside it."""
    pq.write_table(pa.table({"person": pa.array(persons)}), made.root / "raw" / "things" / "part.parquet")
    (made.root / "raw" / "gone.txt").write_bytes(listed)
    text = made.policy.read_text().replace("{path: things, format", "{path: things, exclude: gone.txt, format")
    kind = "int64" if isinstance(persons, range) else "string"
    text = text.replace("{person: {}}", f"{{person: {{canonical: [{canonical}]}}}}").replace("int64", kind)
    made.policy.write_text(text.replace("gate:\n", "gate:\n  max_rejects: 1\n"))


@pytest.mark.parametrize("name", EXCLUDED)
def test_an_excluded_subject_is_left_out_however_its_id_is_spelled(project, name):
    persons, canonical, listed = EXCLUDED[name]
    made = project({})
    _without(made, persons, canonical, listed + b"99999\n")
    staged = made.anonymize()
    assert (staged.suppressed, staged.excluded_ids, staged.excluded_found) == (1, 2, 1)
    assert made.release().rows == ROWS - 1 - staged.rejected


@pytest.mark.parametrize(
    ("listed", "canonical"), [(b'7\n\n"Marigold\n', ""), (b'7\n\n"8","Marigold"\n', ""), (b"7\n\nMarigold\n", "decimal")]
)
def test_a_line_that_is_no_subject_id_is_told_by_its_number(project, listed, canonical):
    made = project({})
    _without(made, [str(n) for n in range(ROWS)], canonical, listed)
    with pytest.raises(UnreadableSourceError, match=r"line 3 of source\.exclude 'gone\.txt'") as caught:
        made.anonymize()
    assert_says_nothing(caught.value, "Marigold")


def test_no_message_holds_what_stands_in_a_folders_name_or_for_a_time_zone(project):
    made = project(
        {}, "mail: {type: string, class: direct_identifier, drop: {}}", "at: {type: int64, class: sensitive, drop: {}}"
    )
    folder = made.root / "raw" / "things" / "mail=marigold@example.org"
    folder.mkdir()
    (made.root / "raw" / "things" / "part.parquet").unlink()
    zoned = pa.array([0], pa.timestamp("us", "marigold@example.org"))
    pq.write_table(pa.table({"person": [1], "at": zoned, "later": zoned}), folder / "part.parquet")
    with pytest.raises(DriftError, match=r"'at' is timestamp\[us, tz=\?\]; the policy says int64") as caught:
        made.anonymize()
    assert '  later: {type: "timestamp[us, tz=?]", class: direct_identifier, drop: {}}' in str(caught.value).splitlines()
    assert_says_nothing(caught.value, "marigold")
    (folder / "part.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableSourceError, match=r"'things/mail=aaaaaaaa@aaaaaaa\.aaa/part\.parquet'") as unreadable:
        made.anonymize()
    assert_says_nothing(unreadable.value, "marigold")


def test_a_failed_tasks_message_tells_folders_by_their_shape(project):
    made = project(
        {},
        "mail: {type: string, class: direct_identifier, drop: {}}",
        "at: {type: [int64, int8], class: sensitive, keep: oops}",
    )
    folder = made.root / "raw" / "things" / "mail=marigold@example.org"
    folder.mkdir()
    (made.root / "raw" / "things" / "part.parquet").unlink()
    pq.write_table(pa.table({"person": [1], "at": pa.array([1000])}), folder / "part.parquet")
    with pytest.raises(ChangedTypeError, match=r"'things/mail=aaaaaaaa@aaaaaaa\.aaa/part\.parquet'") as caught:
        made.anonymize()
    assert_says_nothing(caught.value, "marigold")


CONTRACTS = {
    "kept": "keep: oops",
    "kept, listed": "keep: {reason: oops, values: [Marigold Underhill000]}",
    "cut": "truncate: {length: 1}",
    "half masked": "mask: {keep_last: 5}",
    "masked in part": "mask: {classes: [digits, letters]}",
}


@pytest.mark.parametrize("operator", CONTRACTS.values(), ids=CONTRACTS)
def test_an_inner_door_without_contracts_lets_no_direct_identifier_through(project, monkeypatch, operator):
    """The outer door reads its own copy of the policy and takes no operator's word."""
    monkeypatch.setattr("airlock.plan.bind.contract_problems", lambda *_: ())
    pairs = [name for name in NAMES[: ROWS // 2] for _ in range(2)]
    gate = "max_rejects: 1000"
    made = project({"x": pairs}, f"x: {{type: string, class: direct_identifier, {operator}}}", gate=gate)
    made.anonymize()
    assert "'x' is a direct identifier" in str(assert_refused(made, DisclosureError))
    assert (
        json.loads(base64.b64decode(json.loads(next((made.root / "staging").rglob("verdict.json")).read_bytes())["payload"]))[
            "predicate"
        ]["state"]
        == "refused"
    )


# --- tampering with the stage key -------------------------------------------------------------------------------------------

PLAIN = (
    {"x": ["home", "work"] * (ROWS // 2)},
    "x: {type: string, class: insensitive, keep: {reason: listed, values: [home, work]}}",
)
SECRET = "Marigold Underhill"

MANIFESTS: dict[str, Callable[[PublicManifest], PublicManifest]] = {
    "owner": lambda old: replace(old, owner=SECRET),
    "purpose": lambda old: replace(old, purpose=SECRET),
    "code": lambda old: replace(old, code={**old.code, "airlock": SECRET}),
    "code name": lambda old: replace(old, code={**old.code, SECRET: "1"}),
    "image digest": lambda old: replace(old, image_digest=SECRET),
    "operator": lambda old: replace(old, columns={n: replace(f, operator=SECRET) for n, f in old.columns.items()}),
    "key id": lambda old: replace(old, columns={n: replace(f, key_id=SECRET) for n, f in old.columns.items()}),
    "column": lambda old: replace(old, columns={**old.columns, SECRET: next(iter(old.columns.values()))}),
    "volatile": lambda old: replace(old, volatile=(*old.volatile, SECRET)),
    "split name": lambda old: replace(old, splits=tuple(replace(s, name="Marigold.Underhill") for s in old.splits)),
}


def test_a_signed_manifest_says_only_what_the_outer_door_knows(project):
    made = project(*PLAIN)
    made.anonymize()
    proper = PublicManifest.from_bytes((made.staged() / "manifest.json").read_bytes())
    for edit in MANIFESTS.values():
        made.forge(lambda _, edit=edit: edit(proper))
        assert_refused(made, IntegrityError)
        (made.staged() / "verdict.json").unlink()
    made.forge(lambda _: proper)
    assert made.release().rows == ROWS


def test_null_over_a_subtree_publishes_no_name_inside(project):
    """The names of a struct's fields may be data: what is written there follows from the policy alone."""
    wide = pa.array([{name: 1} for name in NAMES[:3]] * (ROWS // 3))
    made = project({"x": wide}, 'x: {type: struct, class: direct_identifier, "null": {}}')
    made.anonymize()
    (file,) = (made.staged() / "data").glob("*.parquet")
    proper = pq.read_table(file)
    assert proper.schema.field("x").type == pa.string()
    for data_type in (wide.type, pa.list_(pa.string()), pa.null(), pa.int32()):
        made.forge_file(lambda _, kind=data_type: proper.set_column(1, "x", pa.nulls(ROWS, kind)))
        assert_refused(made, IntegrityError)
        (made.staged() / "verdict.json").unlink()
    made.forge_file(lambda _: proper)
    assert made.release().rows == ROWS
    assert not [path for path in published(made.root) if b"Marigold" in path.read_bytes()]


def _named_items(table: pa.Table) -> pa.Table:
    named = table["x"].cast(pa.list_(pa.field(SECRET, pa.string())))
    return table.set_column(table.schema.get_field_index("x"), "x", named)


def test_the_names_of_list_items_are_the_outer_doors(project):
    made = project(
        {"x": [["home"]] * ROWS}, '"x[]": {type: string, class: insensitive, keep: {reason: listed, values: [home, work]}}'
    )
    made.anonymize()
    made.forge_file(_named_items, use_compliant_nested_type=False)
    try:
        made.release()
    except (DisclosureError, IntegrityError):
        return
    for file in published(made.root):
        assert b"Marigold" not in file.read_bytes()
        if file.suffix == ".parquet":
            assert "Marigold" not in str(pq.ParquetFile(file).schema_arrow)
            assert b"Marigold" not in base64.b64decode(pq.read_metadata(file).metadata[b"ARROW:schema"])


def test_a_staged_file_has_a_name_of_the_doors_own_making(project):
    made = project(*PLAIN)
    made.anonymize()
    (file,) = (made.staged() / "data").glob("*.parquet")
    proper = (made.staged() / "manifest.json").read_bytes()
    for path in ("../../raw/x.parquet", "/etc/passwd", "a//b.parquet", "./x.parquet"):
        with pytest.raises(IntegrityError):
            PublicManifest.from_bytes(proper.replace(file.name.encode(), path.encode()))
    file.rename(file.with_name("Marigold Underhill.parquet"))
    made.forge(lambda old: replace(old, outputs=(replace(old.outputs[0], path="Marigold Underhill.parquet"),)))
    assert_refused(made, IntegrityError)


TAMPERED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "one more column": lambda table: table.append_column("name", pa.array(NAMES)),
    "a column twice": lambda table: table.append_column("x", pa.array(NAMES)),
    "a column in place of another": lambda table: table.rename_columns(["person", "name"]),
    "columns in another order": lambda table: table.select(["x", "person"]),
    "raw values": lambda table: table.set_column(1, "x", pa.array(NAMES)),
    "another type": lambda table: table.set_column(1, "x", pa.array(NAMES, pa.large_string())),
    "fewer rows": lambda table: table.slice(1),
    "no rows": lambda table: table.slice(0, 0),
}


def test_a_signed_file_is_checked_all_the_same(project):
    made = project(*PLAIN)
    made.anonymize()
    (file,) = (made.staged() / "data").glob("*.parquet")
    proper = pq.read_table(file)
    for edit in TAMPERED.values():
        made.forge_file(lambda _, edit=edit: edit(proper))
        assert_refused(made)
        (made.staged() / "verdict.json").unlink()
    made.forge_file(lambda _: proper)
    assert made.release().rows == ROWS


def test_what_hides_beside_the_values_is_left_behind(project):
    """Foreign metadata, statistics, entries of dictionaries that no row uses."""
    made = project(*PLAIN)
    made.anonymize()

    def hide(table: pa.Table) -> pa.Table:
        codes = pa.array([0, 1] * (ROWS // 2), pa.int32())
        words = pa.DictionaryArray.from_arrays(codes, pa.array(["home", "work", *NAMES]))
        fields = [table.schema.field(0), pa.field("x", words.type, metadata={"was": NAMES[0]})]
        return pa.table([table["person"], words], schema=pa.schema(fields, metadata={"names": ",".join(NAMES)}))

    made.forge_file(hide, write_page_index=True, row_group_size=7)
    assert made.release().rows == ROWS
    for file in published(made.root):
        data = file.read_bytes()
        assert b"Marigold" not in data
        if file.suffix == ".parquet":
            read = pq.ParquetFile(file)
            assert set(read.metadata.metadata) == {b"ARROW:schema"}
            assert b"Marigold" not in base64.b64decode(read.metadata.metadata[b"ARROW:schema"])
            assert not read.metadata.row_group(0).column(1).is_stats_set
            assert set(pq.read_table(file, read_dictionary=["x"])["x"].combine_chunks().dictionary.to_pylist()) <= {
                "home",
                "work",
            }


# --- tampering without a key ------------------------------------------------------------------------------------------------


def _swap_for_link(made: Project) -> None:
    (file,) = (made.staged() / "data").glob("*.parquet")
    file.unlink()
    file.symlink_to(made.root / "raw" / "things" / "part.parquet")


def _swap_for_raw(made: Project) -> None:
    (file,) = (made.staged() / "data").glob("*.parquet")
    file.unlink()
    os.link(made.root / "raw" / "things" / "part.parquet", file)


def _manifest_link(made: Project) -> None:
    file = made.staged() / "manifest.json"
    file.rename(made.root / "elsewhere.json")
    file.symlink_to(made.root / "elsewhere.json")


@pytest.mark.parametrize("tamper", [_swap_for_link, _swap_for_raw, _manifest_link])
def test_links_in_staging_are_not_followed_out_of_it(project, tamper):
    made = project({"x": NAMES}, "x: {type: string, class: direct_identifier, drop: {}}")
    made.anonymize()
    tamper(made)
    assert_refused(made, AirlockError)


def test_files_that_nobody_signed_stay_where_they_are(project):
    made = project(*PLAIN)
    made.anonymize()
    pq.write_table(pa.table({"x": NAMES}), made.staged() / "data" / "more.parquet")
    (made.staged() / "notes.json").write_text(json.dumps(NAMES))
    assert made.release().rows == ROWS
    assert not [path for path in published(made.root) if b"Marigold" in path.read_bytes()]


def test_a_refused_run_without_its_verdict_is_refused_again(project):
    made = project({"x": PAIRED}, "x: {type: string, class: sensitive, keep: oops}")
    made.anonymize()
    assert_refused(made)
    (verdict,) = (made.root / "staging").rglob("verdict.json")
    verdict.unlink()
    assert_refused(made)


def test_a_run_that_was_superseded_is_not_released_again(project, tmp_path):
    made = project(*PLAIN)
    made.anonymize()
    old = made.staged()
    (tmp_path / "copy").mkdir()
    kept = tmp_path / "copy" / old.name
    _copy(old, kept)
    first = made.release()
    (made.root / "raw" / "things" / "more.parquet").write_bytes((made.root / "raw" / "things" / "part.parquet").read_bytes())
    made.anonymize()
    second = made.release()
    assert second.sequence == first.sequence + 1
    _remove(old)
    _copy(kept, old)
    again = release(made.policy, made.settings, run_id=old.name)
    assert again.state == "superseded"
    assert json.loads((made.root / "sanitized" / "things" / "current.json").read_bytes()) is not None


def _copy(source: Path, target: Path) -> None:
    for file in [path for path in source.rglob("*") if path.is_file()]:
        goal = target / file.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes(file.read_bytes())


def _remove(folder: Path) -> None:
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        file.unlink()


# --- messages, logs and permission bits -------------------------------------------------------------------------------------


def test_a_partition_value_is_not_in_the_file_systems_words(project):
    long = [NAMES[0] + "x" * 300] * ROWS
    made = project({"x": long}, "x: {type: string, class: insensitive, keep: oops}", sink=", partition_by: [x]")
    made.anonymize()
    assert_refused(made)


BROKEN = {
    "csv": b'person,x\n1,Marigold Underhill\nMarigold Underhill,2\n3,"Marigold\n',
    "jsonl": b'{"person": 1, "x": "Marigold"}\n{"person": "Marigold", "x": {"Marigold": 1}}\n{"person": Marigold\n',
    "parquet": b"PAR1 Marigold Underhill PAR1",
}


def test_the_first_row_of_a_csv_file_without_header_is_not_quoted(project):
    data = b"7,Marigold Underhill\n8,Rosemary\n"
    made = project({}, "x: {type: string, class: direct_identifier, drop: {}}", data=data, form="csv")
    with pytest.raises(DriftError, match="not shown") as caught:
        made.anonymize()
    assert_says_nothing(caught.value, "Marigold")


@pytest.mark.parametrize("form", BROKEN)
def test_broken_sources_are_not_quoted(project, capfd, form):
    made = project({}, "x: {type: string, class: direct_identifier, drop: {}}", data=BROKEN[form], form=form)
    try:
        staged = made.anonymize()
    except AirlockError as error:
        assert_says_nothing(error, "Marigold")
    else:
        assert staged.rejected
        with pytest.raises(DisclosureError) as caught:
            made.release()
        assert_says_nothing(caught.value, "Marigold")
    out, err = capfd.readouterr()
    assert "Marigold" not in out + err
    for zone in ("private", "staging"):
        files = [path for path in (made.root / zone).rglob("*") if path.is_file()]
        assert [path for path in files if b"Marigold" in path.read_bytes()] == []


def test_others_on_the_machine_see_neither_private_nor_staged_files(project):
    made = project({"x": PAIRED}, "x: {type: string, class: sensitive, keep: oops}")
    before = os.umask(0o022)
    try:
        made.anonymize()
    finally:
        os.umask(before)
    for zone in ("private", "staging"):
        assert stat.S_IMODE((made.root / zone).stat().st_mode) & 0o077 == 0, zone
