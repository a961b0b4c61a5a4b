"""Reverse tokens of one column, under a signed record that is written first. Called by `airlock reidentify`.

It has an identity of its own: its signing key is neither door's, and the policy must say `reversible: allowed` for the column.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
from securesystemslib.signer import Signer

from airlock.doors._person import reason_line, user_line
from airlock.doors._zones import open_private
from airlock.doors.permits import local_permit
from airlock.doors.verify import located, verified_data
from airlock.engines.rows import leaf_values
from airlock.errors import (
    ConfigError,
    ContractError,
    IntegrityError,
    NotFoundError,
    ReversibleError,
    SignatureError,
    StorageUnavailableError,
)
from airlock.evidence.canonical import time_text
from airlock.evidence.keyacts import Reidentified
from airlock.evidence.trust import Trust
from airlock.keys import SubKeys, open_key_ring
from airlock.keys.signing import load_signer
from airlock.operators import Operator, RejectedValuesError
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
        table: Columns `token` and `value`. Personal data.
        record: The signed record's path in zone private.
        absent: How many of the asked-for tokens the data does not have.
    """

    table: pa.Table
    record: str
    absent: int


def reidentify(ask: Ask, settings: Settings) -> Reversed:
    """Reverse a column's different tokens.

    Args:
        ask: Which, and why.
        settings: Name zone private, trust, a key provider and `reidentify.signing`.

    Raises:
        ConfigError: The reason, the limit or a file can't be used.
        ContractError: The policy does not allow it, or the operator has no way back.
        SignatureError: The signing key is not trusted for role reidentify.
        IntegrityError: Tokens that this key did not make. Nothing is returned.
        StorageUnavailableError: The record can't be written: nothing was reversed.
    """
    reason = reason_line(ask.reason)
    _require_limit(ask.limit, settings)
    signer = _own_signer(settings)
    column = _reversible(bind_policy(ask.policy), ask.column)
    place = _place(ask.data, settings)
    run = column.run(ask, place)
    tokens, absent = _wanted(ask, column, place)
    subkeys = column.subkeys(settings, run)
    kernel = column.operator.reverse(column.raw, subkeys)
    record = replace(column.record(tokens, subkeys, reason, settings), run=run)
    written = _write(record, signer, settings)
    try:
        values = kernel(tokens)
    except RejectedValuesError as error:
        raise IntegrityError(
            f"{error.mask.true_count:,} of {len(tokens):,} tokens were not made by key {', '.join(record.key_ids)}. Nothing was "
            "shown; use the policy that they were released under"
        ) from None
    return Reversed(pa.table({"token": tokens, "value": values}), written, absent)


@dataclass(frozen=True, slots=True)
class _Column:
    """The column that is asked for, under its policy."""

    policy: Policy
    path: ColumnPath
    operator: Operator

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
            self.operator.requests(), recipient=keys.recipient, epoch=keys.epoch, permit=local_permit(settings), run=run
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
    return _Column(bound.policy, path, operator)


# --- tokens -----------------------------------------------------------------------------------------------------------


def _wanted(ask: Ask, column: _Column, place: Path) -> tuple[pa.Array, int]:
    """The different tokens to reverse, sorted; and how many were asked for that the data does not have."""
    path, written = column.path, column.written
    chosen = None if ask.values is None else _as(_lines(ask.values), written, str(ask.values))
    tokens, most = pa.array([], written), ask.limit
    for batch in _batches(place, path):
        found = _as(leaf_values(batch, path)[0], written, f"column '{path}'").drop_null()
        if chosen is not None:
            found = found.filter(pc.is_in(found, value_set=chosen))
        tokens = pc.unique(pa.concat_arrays([tokens, found]))
        if len(tokens) > most:
            raise ConfigError(
                f"column '{path}' has more than {most:,} different tokens. Choose some with --values FILE, or raise --limit; "
                "nothing was reversed"
            )
    if not len(tokens):
        raise NotFoundError(f"'{ask.data}' has none of the tokens in column '{path}'. Check file, column and --values")
    absent = 0 if chosen is None else len(chosen) - len(tokens)
    return tokens.take(pc.sort_indices(tokens)), absent


def _lines(file: Path) -> pa.Array:
    try:
        lines = pa.array(file.read_text(encoding="utf-8").splitlines(), pa.string())
    except (OSError, UnicodeDecodeError):
        raise NotFoundError(f"--values '{file}' can't be read as UTF-8 text. Give a file with one token a line") from None
    return pc.unique(lines.filter(pc.not_equal(lines, "")))


def _as(values: pa.Array, data_type: pa.DataType, where: str) -> pa.Array:
    try:
        return values.cast(data_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # The cause would quote a token.
        raise ConfigError(
            f"{where} does not hold tokens of type {data_type}. Check that data and policy belong together"
        ) from None


def _place(data: Path, settings: Settings) -> Path:
    """The file, or the verified data folder of the release's current run."""
    place = located(data, settings)
    return verified_data(data, settings) if place.is_dir() else place


def _batches(place: Path, path: ColumnPath) -> Iterator[pa.RecordBatch]:
    for file in sorted(place.rglob("*.parquet")) if place.is_dir() else [place]:
        try:
            yield from _of_file(file, path)
        except (OSError, pa.ArrowInvalid, pa.ArrowKeyError):
            raise NotFoundError(
                f"'{file}' can't be read as Parquet or CSV with column '{path.column}'. Check the file"
            ) from None


def _of_file(file: Path, path: ColumnPath) -> Iterator[pa.RecordBatch]:
    if file.suffix == ".csv":
        options = pc_csv.ConvertOptions(include_columns=[path.column], column_types={path.column: pa.string()})
        yield from pc_csv.read_csv(file, convert_options=options).to_batches()
        return
    with pq.ParquetFile(file) as opened:
        if path.column not in opened.schema_arrow.names:
            raise pa.ArrowKeyError(path.column)
        yield from opened.iter_batches(columns=[path.column])


# --- the record -------------------------------------------------------------------------------------------------------


def _digest(tokens: pa.Array) -> Sha256:
    plain = pa.types.is_binary(tokens.type) or pa.types.is_fixed_size_binary(tokens.type)
    texts = (tokens if plain else tokens.cast(pa.string())).cast(pa.binary())
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts), b"\n")
    return Sha256(hashlib.sha256(joined[0].as_buffer()).hexdigest())


def _write(record: Reidentified, signer: Signer, settings: Settings) -> str:
    """In zone private, create-only: a record is never replaced. What can't be recorded is not reversed."""
    when = record.signed_at.translate(str.maketrans("", "", "-:"))
    path = f"{record.dataset}/reidentify/{when}-{secrets.token_hex(8)}.json"
    try:
        open_private(settings.zone(Zone.PRIVATE)).create(path, record.to_envelope(signer))
    except (OSError, AlreadyExistsError, NotFoundError):
        raise StorageUnavailableError(
            f"the record '{path}' can't be written to zone private; nothing was reversed. Run again"
        ) from None
    return path
