"""Reverse tokens of one column, under a signed record that is written first. Called by `airlock reidentify`.

It has an identity of its own: its signing key is neither door's, and the policy must say `reversible: allowed` for the column.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from securesystemslib.signer import Signer

from airlock.doors._person import reason_line, user_line
from airlock.doors._runs import REIDENTIFICATIONS
from airlock.doors._tokens import Wanted, wanted_tokens
from airlock.doors._zones import open_private
from airlock.doors.permits import key_permit
from airlock.doors.policies import approved_policies
from airlock.doors.shelves import located
from airlock.doors.verify import verified_release
from airlock.errors import (
    ConfigError,
    ContractError,
    IntegrityError,
    NotFoundError,
    ReversibleError,
    SignatureError,
    StorageUnavailableError,
    UnknownPolicyError,
)
from airlock.evidence.canonical import time_text
from airlock.evidence.keyacts import Reidentified
from airlock.evidence.trust import Trust
from airlock.keys import SubKeys, open_key_ring
from airlock.keys.signing import load_signer
from airlock.operators import Operator, RejectedValuesError, RowOperator
from airlock.plan.bind import BoundPolicy, bind_policy
from airlock.policy.arrow import parse_type
from airlock.policy.model import Policy
from airlock.policy.path import ColumnPath
from airlock.settings import Settings
from airlock.storage import AlreadyExistsError
from airlock.types import Separation, Sha256, Zone

__all__ = ["Ask", "Reversed", "reidentify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        data: A Parquet or CSV file, or the folder of a release, which is verified first.
        column: Path of the column, as the policy writes it.
        limit: The most different tokens; more are refused, none is left out silently.
        run: The run that wrote the data, where every run has a key of its own; of a release's folder it is known.
        values: A text file with the tokens that are wanted, one a line; None: all of the column's.
    """

    data: Path
    column: str
    policy: Path
    reason: str
    limit: int = 1000
    values: Path | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Reversed:
    """What came out.

    Attributes:
        table: Columns `token`, `value`, and those that the operator looked at. Personal data.
        record: The signed record's path in zone private.
        absent: How many of the asked-for tokens the data does not have.
        authenticated: Whether tokens that this key did not make would have been told; else they came back as other values.
    """

    table: pa.Table
    record: str
    absent: int
    authenticated: bool


def reidentify(ask: Ask, settings: Settings) -> Reversed:
    """Reverse a column's different tokens.

    Args:
        ask: Which, and why.
        settings: Name zone private, trust, a key provider and `reidentify.signing`.

    Raises:
        ConfigError: The reason, the limit or a file can't be used, or it is not the policy of the release.
        ContractError: The policy does not allow it, or the operator has no way back.
        UnknownPolicyError: The policy for a file is not one that is approved here.
        SignatureError: The signing key is not trusted for role reidentify.
        IntegrityError: Tokens that this key did not make. Nothing is returned.
        StorageUnavailableError: The record can't be written: nothing was reversed.
    """
    reason = reason_line(ask.reason)
    _require_limit(ask.limit, settings)
    signer = _own_signer(settings)
    bound = bind_policy(ask.policy)
    column = _reversible(bound, ask.column)
    place = _place(ask.data, bound, settings)
    run = column.run(ask, place)
    rows, absent = wanted_tokens(column.wanted(ask, place))
    subkeys = column.subkeys(settings, run)
    kernel = column.way_back(subkeys)
    record = replace(column.record(rows["value"].combine_chunks(), subkeys, reason, settings), run=run)
    written = _write(record, signer, settings)
    try:
        values = kernel(rows)
    except RejectedValuesError as error:
        raise IntegrityError(
            f"{error.mask.true_count:,} of {len(rows):,} tokens were not made by key {', '.join(record.key_ids)}. Nothing was "
            "shown; use the policy that they were released under"
        ) from None
    named = rows.rename_columns(["token", *rows.column_names[1:]])
    return Reversed(named.add_column(1, "value", values), written, absent, record.authenticated)


@dataclass(frozen=True, slots=True)
class _Column:
    """The column that is asked for, under its policy."""

    policy: Policy
    path: ColumnPath
    operator: Operator
    looked_at: Mapping[str, pa.DataType]

    @property
    def raw(self) -> pa.Field:
        """What the operator read."""
        return pa.field(str(self.path), parse_type(self.policy.rules()[self.path].type[-1]))

    @property
    def written(self) -> pa.DataType:
        """The tokens' type."""
        made = self.operator.result_field(self.raw)
        assert made is not None  # a reversible operator writes something
        return made.type

    def wanted(self, ask: Ask, place: Path) -> Wanted:
        """What to read."""
        return Wanted(
            place=place, path=self.path, written=self.written, inputs=self.looked_at, values=ask.values, limit=ask.limit
        )

    def way_back(self, subkeys: SubKeys) -> Callable[[pa.Table], pa.Array]:
        """Compiled before anything is on record: what has no way back fails here."""
        kernel = self.operator.reverse(self.raw, subkeys)
        if not isinstance(self.operator, RowOperator):
            return lambda rows: kernel(rows["value"].combine_chunks())
        return lambda rows: kernel(
            pa.StructArray.from_arrays([column.combine_chunks() for column in rows.columns], rows.column_names)
        )

    def run(self, ask: Ask, place: Path) -> str | None:
        """The run whose key it was; None where the keys outlast runs. Raises ConfigError where nobody says which."""
        if not any(request.per_run for request in self.operator.requests()):
            return None
        found = ask.run or (place.name if place.is_dir() else None)
        if found is None:
            raise ConfigError(
                f"'{self.operator.name}' has a key for every run: name the run that wrote '{ask.data}' with --run"
            )
        return found

    def subkeys(self, settings: Settings, run: str | None) -> SubKeys:
        keys = self.policy.keys
        return open_key_ring(settings).subkeys(
            self.operator.requests(), recipient=keys.recipient, epoch=keys.epoch, permit=key_permit(settings), run=run
        )

    def record(self, tokens: pa.Array, subkeys: SubKeys, reason: str, settings: Settings) -> Reidentified:
        keys, doors = self.policy.keys, settings.only("keys.stage_signing", "keys.release_signing")
        return Reidentified(
            dataset=self.policy.dataset,
            column=str(self.path),
            operator=self.operator.name,
            recipient=keys.recipient,
            epoch=keys.epoch,
            policy_sha256=self.policy.digest,
            key_ids=tuple(sorted(subkeys.ids.values())),
            tokens=len(tokens),
            tokens_sha256=_digest(tokens),
            authenticated=self.operator.contract.authentic,
            user=user_line(),
            reason=reason,
            separation=Separation.NONE if doors else Separation.IDENTITIES,
            signed_at=time_text(datetime.now(UTC)),
        )


def _require_limit(limit: int, settings: Settings) -> None:
    cap = settings.number("reidentify.max_values")
    if not 1 <= limit <= cap:
        raise ConfigError(f"--limit must be from 1 to {cap:,} (setting reidentify.max_values), asked for {limit:,}")


def _own_signer(settings: Settings) -> Signer:
    """The signer, whose public half must be trusted as `reidentify`: neither door's key is."""
    signer = load_signer(Path(settings.require("reidentify.signing")))
    found = Trust.load(settings.path("trust")).get(signer.public_key.keyid)
    role = None if found is None else found.role
    if role != "reidentify":
        raise SignatureError(
            f"reidentify.signing is key {signer.public_key.keyid[:16]}, trusted as {role or 'nothing'}, expected role 'reidentify': "
            "who reverses tokens is neither door. Make a key with 'airlock keys init --reidentify'"
        )
    return signer


def _reversible(bound: BoundPolicy, column: str) -> _Column:
    try:
        path = ColumnPath.parse(column)
        rule, operator = bound.rules[path], bound.operators[path]
    except (ValueError, KeyError):
        raise NotFoundError(
            f"policy '{bound.policy.dataset}' has no rule for column '{column}'; it has {', '.join(map(str, bound.rules))}"
        ) from None
    if not operator.contract.reversible:
        raise ContractError(
            f"column '{column}' was written by '{operator.name}', which can't be reversed, by any key. Ask the data's owner, who has the source"
        )
    if rule.reversible != "allowed":
        raise ReversibleError(
            f"the policy does not say `reversible: allowed` for column '{column}'. Its owner decides; then release under that policy"
        )
    return _Column(bound.policy, path, operator, dict(_looked_at(bound, path, operator)))


def _looked_at(bound: BoundPolicy, path: ColumnPath, operator: Operator) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that the way back looks at, and their types: their values must be those that the kernel saw."""
    for text in operator.inputs if isinstance(operator, RowOperator) else ():
        beside = ColumnPath.parse(text)
        other = bound.operators[beside].name
        if other not in ("keep", "drop"):
            raise ContractError(
                f"column '{path}' was written by '{operator.name}', whose way back looks at raw values of '{text}', but the policy changes "
                f"those by '{other}'. Ask the data's owner; under a policy that keeps or drops '{text}', join its raw values to a file"
            )
        yield text, parse_type(bound.rules[beside].type[-1])


def _place(data: Path, bound: BoundPolicy, settings: Settings) -> Path:
    """The file, or the verified data folder of the release's current run; the policy is the release's, or approved here.

    Otherwise whoever asks could write the leave to do so.
    """
    place, digest = located(data, settings), bound.policy.digest
    if place.is_dir():
        verified, manifest = verified_release(data, settings)
        if manifest.policy_sha256 != digest:
            raise ConfigError(
                f"'{bound.file}' is policy {digest[:16]}, but '{data}' was released under {manifest.policy_sha256[:16]}. Name that one; "
                "nothing was reversed"
            )
        return verified
    folder = Path(settings.require("policies"))
    approved, _ = approved_policies(folder)
    if digest not in approved:
        raise UnknownPolicyError(
            f"'{bound.file}' is policy {digest[:16]}, which is not among the {len(approved)} approved here ({folder}). A file does "
            "not say what it was released under, so its policy must be one of those; nothing was reversed",
            policy=digest,
        )
    return place


# --- the record -------------------------------------------------------------------------------------------------------


def _digest(tokens: pa.Array) -> Sha256:
    texts = tokens.cast(pa.string()).cast(pa.binary())
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts), b"\n")
    return Sha256(hashlib.sha256(joined[0].as_buffer()).hexdigest())


def _write(record: Reidentified, signer: Signer, settings: Settings) -> str:
    """In zone private, create-only: a record is never replaced. What can't be recorded is not reversed."""
    when = record.signed_at.translate(str.maketrans("", "", "-:"))
    path = f"{record.dataset}/{REIDENTIFICATIONS}/{when}-{secrets.token_hex(8)}.json"
    try:
        open_private(settings.zone(Zone.PRIVATE)).create(path, record.to_envelope(signer))
    except (OSError, AlreadyExistsError, NotFoundError):
        raise StorageUnavailableError(
            f"the record '{path}' can't be written to zone private; nothing was reversed. Run again"
        ) from None
    return path
