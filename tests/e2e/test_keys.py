"""The commands about keys, as a user types them: epochs come and go, destruction leaves a record, tokens are reversed on record."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import re
import signal
import stat
import warnings
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest
from pydantic.dataclasses import dataclass

from airlock.cli import main
from airlock.doors import destroy
from airlock.doors.destroy import destroy_epoch, verify_destroyed
from airlock.doors.keys import create_one_key
from airlock.errors import IntegrityError, KeyEpochError, SignatureError
from airlock.evidence.keyacts import Destroyed, Reidentified
from airlock.evidence.trust import Trust
from airlock.keys import FileKeyRing, create_root_file
from airlock.keys.signing import create_signing_key
from airlock.operators import STRICT, Contract, Operator, RejectedValuesError, _registry
from airlock.operators.encrypt import Encrypt
from airlock.operators.fpe import Fpe
from airlock.operators.pseudonymize import Pseudonymize
from airlock.policy.arrow import parse_type


@pytest.fixture
def airlock(capsys, monkeypatch):
    """Run one command: (exit code, stdout, stderr)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


@pytest.fixture
def made(project, monkeypatch):
    made = project()
    monkeypatch.chdir(made.root)
    return made


def root_texts(made):
    return json.loads((made.root / "keys" / "root.json").read_text())["epochs"]


# --- epochs -----------------------------------------------------------------------------------------------------------


def test_epochs_are_shown_rotated_and_destroyed(made, airlock):
    before = root_texts(made)
    code, out, _ = airlock("keys", "show", "--format", "json")
    shown = json.loads(out)
    assert (code, shown["provider"], [one["epoch"] for one in shown["epochs"]]) == (0, "file", [1])
    assert any(key.startswith("email/tests/1:") for key in shown["key_ids"]["people"])

    code, out, err = airlock("keys", "rotate")
    assert code == 0
    assert "people.yaml: set keys.epoch to 2" in err
    assert "nothing joins with releases of older epochs, on: email, person" in err
    assert json.loads(out)["results"][0]["epoch"] == 2
    assert root_texts(made)["1"] == before["1"] != root_texts(made)["2"]

    code, out, _ = airlock("keys", "destroy", "--epoch", 1, "--reason", "the recipient left", "--yes")
    record = json.loads(out)["results"][0]
    assert (code, record["root_fingerprint"]) == (0, shown["epochs"][0]["fingerprint"])
    assert "1" not in root_texts(made)
    code, out, _ = airlock("keys", "show")
    assert (code, "none: there is no root for epoch 1" in out) == (0, True)
    code, out, _ = airlock("keys", "verify-destroyed", record["file"], "--trust", made.root / "trust" / "stage.pub")
    assert (code, json.loads(out)["results"][0]["reason"]) == (0, "the recipient left")
    assert stat.S_IMODE(Path("keys/root.json").stat().st_mode) == 0o600


def test_no_byte_of_a_root_is_ever_printed(made, airlock):
    said = []
    for command in (
        ("show",),
        ("rotate",),
        ("show", "--format", "json"),
        ("destroy", "--epoch", 1, "--reason", "r", "--yes"),
        ("show",),
    ):
        roots = [base64.b64decode(text) for text in root_texts(made).values()]
        said.append("".join(map(str, airlock("keys", *command))))
        said += [path.read_text() for path in made.root.glob("keys/destroyed/*")]
        payloads = [base64.b64decode(json.loads(path.read_text())["payload"]) for path in made.root.glob("keys/destroyed/*")]
        everything = "".join(said) + b"".join(payloads).decode()
        for root in roots:
            assert base64.b64encode(root).decode() not in everything
            assert root.hex() not in everything


@pytest.mark.parametrize("verb", ["anonymize", "preview", "run", "doctor"])
def test_every_door_refuses_a_destroyed_epoch(made, airlock, verb):
    airlock("keys", "rotate")
    airlock("keys", "destroy", "--epoch", 1, "--reason", "r", "--yes")
    code, out, err = airlock(verb, *(["--format", "json"] if verb == "doctor" else [made.policy()]))
    said = {"doctor": "but not those of people.yaml (epoch 1)", "run": '"code": "key-epoch"'}.get(verb, "destroyed at 20")
    assert (code, said in out + err) == (2 if verb == "doctor" else 3, True)
    assert not list(made.root.glob("staging/people/*/manifest.json"))


def test_a_plan_needs_no_epoch(made, airlock):
    airlock("keys", "rotate")
    airlock("keys", "destroy", "--epoch", 1, "--reason", "r", "--yes")
    assert airlock("plan", made.policy())[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--epoch", 1, "--reason", "r"), 2, "Add --yes"),
        (("--epoch", 1, "--reason", " ", "--yes"), 2, "--reason must be one printable line"),
        (("--epoch", 1, "--reason", "a\nb", "--yes"), 2, "--reason must be one printable line"),
        (("--epoch", 9, "--reason", "r", "--yes"), 3, "has no root for epoch 9"),
    ],
)
def test_a_destruction_that_is_not_carried_out(made, airlock, arguments, code, said):
    before = root_texts(made)
    found, _, err = airlock("keys", "destroy", *arguments)
    assert (found, said in err) == (code, True)
    assert root_texts(made) == before
    assert not list(made.root.glob("keys/destroyed/*"))


def test_a_record_that_was_changed_or_only_begun(made, monkeypatch):
    settings = made.settings()
    monkeypatch.setattr(destroy._Destruction, "_require_gone", lambda _: (_ for _ in ()).throw(IntegrityError("still there")))
    with pytest.raises(IntegrityError, match="still there"):
        destroy_epoch(settings, 1, reason="r", yes=True)
    [begun] = made.root.glob("keys/destroyed/begun-epoch-1-*.json")
    with pytest.raises(IntegrityError, match="was begun, not that it ended"):
        verify_destroyed(begun, settings)
    monkeypatch.undo()
    done = destroy_epoch(settings, 1, reason="another", yes=True)
    assert (done.record.state, done.record.reason) == ("destroyed", "r")  # the record that was begun
    assert not begun.exists()
    done.file.write_bytes(done.file.read_bytes().replace(b'"payload":"ey', b'"payload":"fy'))
    with pytest.raises(SignatureError):
        verify_destroyed(done.file, settings)


def test_a_record_is_of_the_root_that_is_destroyed_now(made):
    """Another root of the same number, beside the same records: it has a record of its own, the first keeps its."""
    settings, file = made.settings(), made.root / "keys" / "root.json"
    first = FileKeyRing(file).fingerprint(1, _permit())
    ended = destroy_epoch(settings, 1, reason="first", yes=True)
    file.unlink()
    create_root_file(file)
    second = FileKeyRing(file).fingerprint(1, _permit())
    done = destroy_epoch(settings, 1, reason="second", yes=True)
    assert (ended.record.root_fingerprint, done.record.root_fingerprint, done.record.reason) == (first, second, "second")
    assert [verify_destroyed(one.file, settings).root_fingerprint for one in (ended, done)] == [first, second]


def test_a_record_that_another_root_left_begun_is_not_ended(made, monkeypatch):
    settings, file = made.settings(), made.root / "keys" / "root.json"
    with monkeypatch.context() as broken:
        broken.setattr(destroy.RootRing, "remove", lambda *_: (_ for _ in ()).throw(IntegrityError("broken off")))
        with pytest.raises(IntegrityError, match="broken off"):
            destroy_epoch(settings, 1, reason="first", yes=True)
    file.rename(made.root / "keys" / "elsewhere.json")
    alive = FileKeyRing(made.root / "keys" / "elsewhere.json").fingerprint(1, _permit())
    create_root_file(file)
    done = destroy_epoch(settings, 1, reason="second", yes=True)
    assert (done.record.reason, done.record.root_fingerprint != alive) == ("second", True)
    # And once more, when nothing is left to look at.
    assert destroy_epoch(settings, 1, reason="third", yes=True).record == done.record
    assert not list(made.root.glob(f"keys/destroyed/destroyed-*{alive}*"))


def test_a_fresh_file_without_the_epoch_ends_no_record(made, monkeypatch):
    settings, file = made.settings(), made.root / "keys" / "root.json"
    with monkeypatch.context() as broken:
        broken.setattr(destroy.RootRing, "remove", lambda *_: (_ for _ in ()).throw(IntegrityError("broken off")))
        with pytest.raises(IntegrityError, match="broken off"):
            destroy_epoch(settings, 1, reason="first", yes=True)
    file.rename(made.root / "keys" / "elsewhere.json")
    create_root_file(file, [2])
    with pytest.raises(KeyEpochError, match="has no root for epoch 1"):
        destroy_epoch(settings, 1, reason="second", yes=True)


def test_a_copy_of_the_root_elsewhere_needs_another_folder_for_its_record(made):
    file, copy = made.root / "keys" / "root.json", made.root / "keys" / "copy.json"
    copy.touch(0o600)
    copy.write_bytes(file.read_bytes())
    destroy_epoch(made.settings(), 1, reason="r", yes=True)
    named = {"keys__root": str(copy)}
    with pytest.raises(IntegrityError, match=r"name another folder as keys\.records; nothing was destroyed"):
        destroy_epoch(made.settings(**named), 1, reason="r", yes=True)
    assert "1" in json.loads(copy.read_text())["epochs"]
    done = destroy_epoch(made.settings(**named, keys__records=str(made.root / "copies")), 1, reason="r", yes=True)
    assert str(copy) in done.record.place


def test_a_record_is_the_stage_keys(made):
    done = destroy_epoch(made.settings(), 1, reason="r", yes=True)
    with pytest.raises(SignatureError, match="by a trusted key"):
        Destroyed.parse(done.file.read_bytes(), Trust.load(made.root / "trust" / "release.pub"))


def test_killed_anywhere_a_destruction_can_be_ended(made):
    """Each step but the last dies once, in a child; the next call ends with a record of the root that there was."""
    settings, step = made.settings(), 0
    while True:
        ring = FileKeyRing(made.root / "keys" / "root.json")
        epoch = ring.add() if step else 1
        check, secret = ring.fingerprint(epoch, _permit()), root_texts(made)[str(epoch)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            _die_before(step)
            destroy_epoch(settings, epoch, reason="r", yes=True)
            os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        done = destroy_epoch(settings, epoch, reason="r", yes=True)
        assert verify_destroyed(done.file, settings).root_fingerprint == check
        for file in (made.root / "keys").rglob("*"):
            assert file.is_dir() or secret not in file.read_text()
        assert not [file for file in (made.root / "keys").rglob("*") if file.name.startswith((".", "begun"))]
        if not died:
            break
        step += 1
    assert step > 12


def _permit():
    import time

    from airlock.keys import Permit

    return Permit("0" * 64, time.time() + 60)


def _die_before(step):
    left = [step]

    def counted(call):
        def wrapped(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return wrapped

    os.fsync, os.link = counted(os.fsync), counted(os.link)
    Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)


# --- reidentify -------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, config=STRICT)
class Backwards(Operator):
    """A reversible operator for tests: text backwards behind a mark. Nothing secret about it."""

    name = "unsafe_backwards"
    mark: str = "r-"

    @property
    def contract(self):
        return Contract(technique="cryptographic: deterministic encryption", reversible=True, injective=True, keyed=True)

    def requests(self):
        from airlock.keys import KeyRequest

        return (KeyRequest("encrypt", "none", "email"),)

    def result_field(self, field):
        return field

    def kernel(self, field, keys):
        return lambda values: pc.binary_join_element_wise(self.mark, pc.utf8_reverse(values), "")

    def reverse(self, field, keys):
        def back(tokens):
            wrong = pc.invert(pc.starts_with(tokens, self.mark))
            if pc.any(wrong).as_py():
                raise RejectedValuesError("not-authentic", wrong)
            return pc.utf8_reverse(pc.utf8_slice_codeunits(tokens, len(self.mark)))

        return back


@pytest.fixture
def reversible(made, monkeypatch):
    """A project whose e-mails are written reversibly, and a file with tokens of it."""
    monkeypatch.setitem(_registry._BUILT_IN, "unsafe_backwards", f"{__name__}:Backwards")
    made.write_policy(
        change=lambda text: text.replace(
            "direct_identifier, pseudonymize: {domain: email, form: hex}",
            'sensitive, reversible: allowed, unshaped: "tests", unsafe_backwards: {mark: "r-"}',
        )
    )
    create_one_key(made.root / "third", "reidentify", trust=made.root / "trust")
    made.configure(reidentify="{signing: third/reidentify-signing.pem}")
    mails = [f"ann{number}@example.org" for number in range(5)]
    pq.write_table(pa.table({"email": [f"r-{mail[::-1]}" for mail in mails] * 2}), made.root / "part.parquet")
    return made


def ask(made, airlock, *more, data="part.parquet", column="email", reason="recall 2026-11"):
    return airlock("reidentify", data, "--column", column, "--policy", made.policy(), "--reason", reason, *more)


def records(made):
    return sorted(made.root.glob("private/people/reidentify/*.json"))


def encrypting(operator):
    """A change of the policy: its e-mails are encrypted."""
    return lambda text: text.replace("pseudonymize: {domain: email", f"reversible: allowed, {operator}: {{domain: email")


def test_tokens_are_reversed_on_record(reversible, airlock):
    code, out, err = ask(reversible, airlock, "-o", "found.csv")
    assert (code, out) == (0, "")
    assert "5 tokens reversed, on record in zone private: people/reidentify/" in err
    found = pc_csv.read_csv("found.csv").to_pydict()
    assert sorted(found["value"]) == [f"ann{number}@example.org" for number in range(5)]
    assert found["token"] == sorted(f"r-{value[::-1]}" for value in found["value"])
    assert stat.S_IMODE(Path("found.csv").stat().st_mode) == 0o600

    [file] = records(reversible)
    record = Reidentified.parse(file.read_bytes(), Trust.load(reversible.root / "trust" / "reidentify.pub"))
    assert (record.column, record.tokens, record.reason, record.operator) == ("email", 5, "recall 2026-11", "unsafe_backwards")
    assert record.tokens_sha256 == hashlib.sha256("\n".join(found["token"]).encode()).hexdigest()
    assert record.key_ids[0].startswith("email/tests/1:")
    assert record.user.startswith(f"{os.getuid()} (")
    assert not [
        text
        for text in (*found["value"], *found["token"])
        if text in base64.b64decode(json.loads(file.read_text())["payload"]).decode()
    ]


def test_some_tokens_to_stdout(reversible, airlock):
    (reversible.root / "tokens.txt").write_text("r-gro.elpmaxe@1nna\n\nr-unknown\n")
    code, out, err = ask(reversible, airlock, "--values", "tokens.txt", "--to-stdout")
    assert code == 0
    assert out.splitlines() == ['"token","value"', '"r-gro.elpmaxe@1nna","ann1@example.org"']
    assert "1 of the wanted tokens are not in the data" in err


def test_a_release_is_verified_and_read_under_its_own_policy(reversible, airlock):
    """Who asks brings the policy, and could write `reversible: allowed` into another."""
    reversible.write_policy(change=encrypting("encrypt"))
    assert airlock("anonymize", reversible.policy())[0] == 0
    assert airlock("release", reversible.policy())[0] == 0
    assert ask(reversible, airlock, "-o", "found.csv", data="sanitized/people")[0] == 0
    own = reversible.policy().read_text()
    reversible.policy().write_text(own.replace("purpose: tests", "purpose: mine"))
    code, _, err = ask(reversible, airlock, "-o", "other.csv", data="sanitized/people")
    assert (code, "'sanitized/people' was released under" in err, "nothing was reversed" in err) == (2, True, True)
    reversible.policy().write_text(own)
    part = next(reversible.root.glob("sanitized/people/data/*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert ask(reversible, airlock, "-o", "other.csv", data="sanitized/people")[0] == 3
    assert len(records(reversible)) == 1


def test_of_a_file_the_policy_must_be_approved(reversible, airlock):
    own = reversible.root / "mine.yaml"
    own.write_text(reversible.policy().read_text().replace("owner: data@example.org", "owner: me@example.org"))
    code, _, err = airlock(
        "reidentify", "part.parquet", "--column", "email", "--policy", own, "--reason", "r", "-o", "found.csv"
    )
    assert (code, "not among the 1 approved here" in err, "nothing was reversed" in err) == (3, True, True)
    assert not records(reversible)


@pytest.mark.parametrize("operator", ["encrypt", "encrypt_random"])
def test_what_was_encrypted_comes_back(reversible, airlock, operator):
    """Of a release the run is known, and so is the key of a run; a file alone does not say whose it is."""
    reversible.write_policy(change=encrypting(operator))
    assert airlock("anonymize", reversible.policy())[0] == 0
    assert airlock("release", reversible.policy())[0] == 0
    code, _, err = ask(reversible, airlock, "-o", "found.csv", data="sanitized/people")
    assert (code, err.startswith("60 tokens reversed")) == (0, True)
    mails = pq.read_table("raw/people").column("email").to_pylist()
    found = pc_csv.read_csv("found.csv").column("value").to_pylist()
    assert sorted(map(str.lower, found)) == sorted(map(str.lower, mails))  # of `encrypt` the domain's canonical form comes back
    part = next(reversible.root.glob("sanitized/people/data/*/*.parquet"))
    code, _, err = ask(reversible, airlock, "-o", "part.csv", data=part)
    assert (code, "name the run that wrote" in err) == ((2, True) if operator == "encrypt_random" else (0, False))
    assert ask(reversible, airlock, "-o", "named.csv", "--run", part.parent.name, data=part)[0] == 0


TWEAKED = "note: {type: string, class: sensitive, reversible: allowed, fpe: {domain: note, length: 10, tweak_column: city}}"


def record_of(made):
    [file] = records(made)
    return Reidentified.parse(file.read_bytes(), Trust.load(made.root / "trust" / "reidentify.pub"))


def test_what_fpe_wrote_comes_back_beside_its_tweaks(reversible, airlock):
    """One number in two cities is two tokens; one token may stand in two cities. FF1 does not authenticate, and the record says so."""
    reversible.write_policy(
        change=lambda text: re.sub("note: .*", TWEAKED, text).replace("    person:", "    note: {}\n    person:")
    )
    operator, ring = Fpe(domain="note", length=10, tweak_column="city"), FileKeyRing(reversible.root / "keys" / "root.json")
    keys = ring.subkeys(operator.requests(), recipient="tests", epoch=1, permit=_permit())
    raw, cities = pa.array(["0123456789", "0123456789", "9876543210"]), pa.array(["Lima", "Oslo", "Lima"])
    kernel = operator.kernel(pa.field("note", pa.string()), keys)
    tokens = kernel(pa.StructArray.from_arrays([raw, cities], ["value", "city"]))
    pq.write_table(pa.table({"city": [*cities.to_pylist()] * 2, "note": [*tokens.to_pylist()] * 2}), "part.parquet")
    code, _, err = ask(reversible, airlock, "-o", "found.csv", column="note")
    assert (code, "3 tokens reversed" in err, "does not authenticate" in err) == (0, True, True)
    texts = pc_csv.ConvertOptions(column_types=dict.fromkeys(("token", "value"), pa.string()))
    found = pc_csv.read_csv("found.csv", convert_options=texts)
    assert found.column_names == ["token", "value", "city"]
    expected = zip(tokens.to_pylist(), raw.to_pylist(), cities.to_pylist(), strict=True)
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == sorted(expected)
    assert (record_of(reversible).tokens, record_of(reversible).authenticated) == (3, False)


def test_fpe_without_a_tweak_comes_back(reversible, airlock):
    reversible.write_policy(
        change=lambda text: re.sub("note: .*", TWEAKED.replace(", tweak_column: city", ""), text).replace(
            "    person:", "    note: {}\n    person:"
        )
    )
    raw = pa.array(["0123456789", "9876543210"])
    tokens = written(reversible, Fpe(domain="note", length=10), pa.StructArray.from_arrays([raw], ["value"]))
    pq.write_table(pa.table({"note": tokens}), "part.parquet")
    assert ask(reversible, airlock, "-o", "found.csv", column="note")[0] == 0
    assert found_values() == dict(zip(tokens.to_pylist(), raw.to_pylist(), strict=True))


@pytest.mark.parametrize("form", ["int64", "int32"])
def test_tokens_that_are_integers_come_back_and_others_are_told_where_they_can_be(reversible, airlock, form):
    rule = f"note: {{type: string, class: sensitive, reversible: allowed, pseudonymize: {{domain: note, form: {form}}}}}"
    reversible.write_policy(
        change=lambda text: re.sub("note: .*", rule, text).replace(
            "    person:", "    note: {canonical: [decimal]}\n    person:"
        )
    )
    operator = Pseudonymize.from_dict({"domain": "note", "form": form, "canonical": ["decimal"]})
    tokens = written(reversible, operator, pa.array(["0042", "-7", "0"]))
    pq.write_table(pa.table({"note": tokens}), "part.parquet")
    assert ask(reversible, airlock, "-o", "found.csv", column="note")[0] == 0
    assert found_values() == dict(zip(map(str, tokens.to_pylist()), ["42", "-7", "0"], strict=True))
    assert record_of(reversible).authenticated is False
    pq.write_table(pa.table({"note": pa.array([42], tokens.type)}), "part.parquet")
    code, _, err = ask(reversible, airlock, "-o", "other.csv", column="note")
    assert (code, "1 of 1 tokens were not made by key" in err) == (3, True)


def written(made, operator, raw):
    ring = FileKeyRing(made.root / "keys" / "root.json")
    keys = ring.subkeys(operator.requests(), recipient="tests", epoch=1, permit=_permit())
    kind = pa.string() if isinstance(raw, pa.StructArray) else raw.type
    return operator.kernel(pa.field("note", kind), keys)(raw)


def found_values():
    texts = pc_csv.ConvertOptions(column_types=dict.fromkeys(("token", "value"), pa.string()))
    found = pc_csv.read_csv("found.csv", convert_options=texts)
    return dict(zip(found["token"].to_pylist(), found["value"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("city", "columns", "code", "said"),
    [
        ("keep: {reason: r, values: [Lima, Oslo, Quito, Paris]}", ["note"], 2, "what the way back looks at must be in it"),
        ("mask: {}", ["note", "city"], 2, "but the policy changes those by 'mask'"),
    ],
)
def test_a_tweak_that_is_not_there_reverses_nothing(reversible, airlock, *, city, columns, code, said):
    def change(text):
        text = re.sub("city: .*", f"city: {{type: string, class: insensitive, {city}}}", re.sub("note: .*", TWEAKED, text))
        return text.replace("    person:", "    note: {}\n    person:")

    reversible.write_policy(change=change)
    pq.write_table(pa.table({name: ["0123456789"] for name in columns}), "part.parquet")
    found, _, err = ask(reversible, airlock, "-o", "found.csv", column="note")
    assert (found, said in err) == (code, True)
    assert not records(reversible)


def test_conditional_encryption_comes_back_where_there_was_any(reversible, airlock):
    rule = (
        "reversible: allowed, unshaped: tests, accept_frequency: tests, when: {column: city, in: [Lima], then: {encrypt: {domain: email}}, "
        "otherwise: {redact: {with: gone}}}"
    )
    reversible.write_policy(change=lambda text: text.replace("pseudonymize: {domain: email, form: hex}", rule))
    for verb in ("anonymize", "release"):
        code, _, err = airlock(verb, reversible.policy())
        assert code == 0, err
    code, _, err = ask(reversible, airlock, "-o", "found.csv", data="sanitized/people")
    assert code == 0, err
    raw = pq.read_table("raw/people", columns=["email", "city"]).to_pylist()
    found = pc_csv.read_csv("found.csv", convert_options=pc_csv.ConvertOptions(strings_can_be_null=True)).to_pylist()
    opened = [row["value"] for row in found if row["city"] == "Lima"]
    assert sorted(opened) == sorted(row["email"].lower() for row in raw if row["city"] == "Lima")
    assert {row["value"] for row in found if row["city"] != "Lima"} == {None}
    assert record_of(reversible).authenticated


def test_conditions_over_what_no_key_opens_reverse_nothing(reversible, airlock):
    rule = "when: {column: city, in: [Lima], then: {keep: {reason: r}}, otherwise: {redact: {with: gone}}}"
    reversible.write_policy(
        change=lambda text: re.sub(
            "note: .*", f"note: {{type: string, class: sensitive, reversible: allowed, unshaped: t, {rule}}}", text
        )
    )
    pq.write_table(pa.table({"note": ["gone"], "city": ["Lima"]}), "part.parquet")
    code, _, err = ask(reversible, airlock, "-o", "found.csv", column="note")
    assert (code, "was written by 'when', which can't be reversed, by any key" in err) == (2, True)
    assert not records(reversible)


def test_a_csv_file_and_a_limit(reversible, airlock):
    table = pq.read_table("part.parquet")
    pc_csv.write_csv(table.append_column("n", pa.array(range(len(table)))), "part.csv")
    assert ask(reversible, airlock, "-o", "found.csv", data="part.csv")[0] == 0
    code, _, err = ask(reversible, airlock, "-o", "other.csv", "--limit", 4)
    assert (code, "more than 4 different tokens" in err) == (2, True)
    code, _, err = ask(reversible, airlock, "-o", "other.csv", "--limit", 10_001)
    assert (code, "--limit must be from 1 to 10,000 (setting reidentify.max_values)" in err) == (2, True)
    assert len(records(reversible)) == 1


def test_what_cant_be_recorded_is_not_reversed(reversible, airlock, monkeypatch):
    def refuse(*_):
        raise AssertionError("reversed without a record")

    monkeypatch.setattr(Backwards, "reverse", lambda *_: refuse)
    (reversible.root / "private" / "people").mkdir(parents=True)
    (reversible.root / "private" / "people" / "reidentify").write_text("in the way")
    code, _, err = ask(reversible, airlock, "-o", "found.csv")
    assert (code, "can't be written to zone private; nothing was reversed" in err) == (75, True)
    assert "reversed without" not in err
    assert not Path("found.csv").exists()


def test_the_record_stands_even_if_reversing_fails(reversible, airlock):
    pq.write_table(pa.table({"email": ["r-good", "CANARY"]}), "part.parquet")
    code, out, err = ask(reversible, airlock, "-o", "found.csv")
    assert (code, "1 of 2 tokens were not made by key email/tests/1:" in err) == (3, True)
    assert "CANARY" not in out + err
    assert not Path("found.csv").exists()
    assert len(records(reversible)) == 1


@pytest.mark.parametrize(
    ("column", "code", "said"),
    [
        ("phone", 2, "was written by 'mask', which can't be reversed, by any key"),
        ("id", 2, "was written by 'pseudonymize', which can't be reversed"),
        ("nowhere", 2, "has no rule for column 'nowhere'"),
    ],
)
def test_columns_that_have_no_way_back(reversible, airlock, column, code, said):
    found, _, err = ask(reversible, airlock, "-o", "found.csv", column=column)
    assert (found, said in err) == (code, True)
    assert records(reversible) == []


@pytest.mark.parametrize("role", ["stage", "release", None])
def test_a_doors_key_signs_no_reversal(reversible, airlock, role):
    if role is None:
        create_signing_key(reversible.root / "third" / "new.pem", reversible.root / "new.pub", "reidentify")
        key = "third/new.pem"
    else:
        # A copy: the very file is refused before that, as one key with two purposes.
        key = f"third/{role}.pem"
        (reversible.root / key).write_bytes((reversible.root / "keys" / f"{role}.pem").read_bytes())
        (reversible.root / key).chmod(0o600)
    reversible.config.write_text(reversible.config.read_text().replace("third/reidentify-signing.pem", key))
    code, _, err = ask(reversible, airlock, "-o", "found.csv")
    assert (code, f"trusted as {role or 'nothing'}, expected role 'reidentify'" in err) == (3, True)
    assert records(reversible) == []


def test_one_key_file_has_one_purpose(reversible, airlock):
    reversible.config.write_text(reversible.config.read_text().replace("third/reidentify-signing.pem", "keys/stage.pem"))
    code, _, err = airlock("anonymize", reversible.policy())
    assert (code, "'keys.stage_signing' and 'reidentify.signing' are one file" in err) == (3, True)


@pytest.mark.parametrize("more", [(), ("-o", "found.csv", "--to-stdout"), ("-o", "part.parquet"), ("-o", "no/such/folder.csv")])
def test_where_it_goes_is_said_first(reversible, airlock, more):
    code, out, _ = ask(reversible, airlock, *more)
    assert (code, out, records(reversible)) == (2, "", [])


def test_who_may_not_is_told_so_by_the_policy(reversible, airlock, monkeypatch):
    """Bound before the rule of the policy was made stricter: the door looks itself."""
    from airlock.doors import reidentify
    from airlock.plan.bind import bind_policy

    bound = bind_policy(reversible.policy())
    columns = {name: rule.model_copy(update={"reversible": None}) for name, rule in bound.policy.columns.items()}
    strict = type(bound)(bound.policy.model_copy(update={"columns": columns}), bound.operators, bound.file)
    monkeypatch.setattr(reidentify, "bind_policy", lambda _: strict)
    code, _, err = ask(reversible, airlock, "-o", "found.csv")
    assert (code, "does not say `reversible: allowed` for column 'email'" in err) == (2, True)


def test_records_are_no_runs(reversible, airlock):
    ask(reversible, airlock, "-o", "found.csv")
    code, out, _ = airlock("runs", "list", "--format", "json")
    assert code == 0
    assert "reidentify" not in out
    assert airlock("runs", "prune")[0] == 0
    assert len(records(reversible)) == 1


def test_no_run_takes_the_records_place(reversible, airlock):
    """It would be pruned with them."""
    ask(reversible, airlock, "-o", "found.csv")
    code, _, err = airlock("anonymize", reversible.policy(), "--run", "reidentify")
    assert (code, "is not a run id" in err) == (2, True)
    assert len(records(reversible)) == 1


@pytest.mark.parametrize(
    ("kind", "raw", "shown"),
    [
        ("string_view", ["Ann", "Bob"], ["Ann", "Bob"]),
        ("binary", [b"\xff\x00", b"Bob"], ["ff00", "426f62"]),
        ("fixed_size_binary[4]", [b"\xff\x00\x01\x02", b"Bob!"], ["ff000102", "426f6221"]),
        ("int64", [7, -8], ["7", "-8"]),
        ("date32", [dt.date(2001, 2, 3), dt.date(1999, 1, 1)], ["2001-02-03", "1999-01-01"]),
        ("decimal128(9, 0)", [Decimal(7), Decimal(-8)], ["7", "-8"]),
    ],
)
def test_values_of_every_type_come_back_as_text(reversible, airlock, kind, raw, shown):
    rule = f'note: {{type: "{kind}", class: sensitive, reversible: allowed, encrypt: note}}'
    reversible.write_policy(
        change=lambda text: re.sub("note: .*", rule, text).replace("    person:", "    note: {}\n    person:")
    )
    values = pa.array(raw, parse_type(kind))
    pq.write_table(pa.table({"note": written(reversible, Encrypt(domain="note"), values)}), "part.parquet")
    assert ask(reversible, airlock, "-o", "found.csv", column="note")[0] == 0
    assert sorted(found_values().values()) == sorted(shown)
