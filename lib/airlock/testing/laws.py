"""The laws that every operator keeps: `check_laws` runs them all over one declaration and one column.

A broken law raises AssertionError; no message quotes a value. Needs no test framework.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import ContractError, OperatorTypeError
from airlock.keys import KeyRequest, SubKeys
from airlock.keys.derive import key_bytes
from airlock.operators import Operator, RejectedValuesError, RowOperator
from airlock.passes import DatasetPass, Pass, RowGroupPass
from airlock.plan.passes import Informed
from airlock.policy.path import ColumnPath
from airlock.testing._arrays import MANY, plainly, require, same_values, taken
from airlock.testing._chance_law import chance_is_fresh
from airlock.testing._pass_laws import flat_leaf, passes_hold

__all__ = ["LAWS", "NESTED", "Trial", "check_laws", "require", "same_values", "unsafe_subkeys"]

_MOST_CUTS = 16
"""Places at which `check_laws` cuts an array; hypothesis chooses more of them in Airlock's own suite."""

_DIGESTS = {32: "sha256", 64: "sha512"}

_OFTEN = 1_000
"""Rows in which a trial's values stand, for passes that let frequent ones stay."""

Beside = Mapping[str, "pa.Array | Sequence[Any]"]
"""What a RowOperator's kernel looks at, by name."""

NESTED = pa.struct([pa.field("inner", pa.list_(pa.int64()))])
"""A subtree for operators that may cover one."""


def unsafe_subkeys(requests: Iterable[KeyRequest], *, salt: str = "") -> SubKeys:
    """Keys that anybody can compute, for tests alone: SHA-256 of `purpose|algorithm|domain`; SHA-512 where a key has 64 bytes.

    Example:
        >>> unsafe_subkeys([KeyRequest("pseudonymize", "aes-cmac", "customer")])[
        ...     KeyRequest("pseudonymize", "aes-cmac", "customer")
        ... ].hex()[:8]
        '986d04ed'
    """
    named = {request: f"{request.purpose}|{request.algorithm}|{request.domain}{salt}" for request in requests}
    return SubKeys(
        {request: hashlib.new(_DIGESTS[key_bytes(request)], text.encode()).digest() for request, text in named.items()},
        {request: f"unsafe:{text}" for request, text in named.items()},
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """One declaration over one column.

    Attributes:
        operator: The declaration, key domains filled in.
        field: The raw column's field.
        values: What the kernel takes: the column's values, or for a RowOperator a struct of `value`, its inputs, and `known`.
        salt: Makes other keys.
        dataset: For a dataset-wide pass, the values from which it concludes; by default the trial's own, each a thousand times.
    """

    operator: Operator
    field: pa.Field
    values: pa.Array
    salt: str = ""
    dataset: pa.Array | None = None

    @classmethod
    def of(cls, operator: Operator, column: pa.Field, values: pa.Array, beside: Beside | None = None) -> Trial:
        """Put values and what the kernel looks at beside them together as the operator's kind of kernel takes them.

        Args:
            operator: The declaration.
            column: The raw column's field.
            values: Its values.
            beside: For a RowOperator, by name: `known` lists, and each of its inputs; what is not there is empty, or null.
        """
        if isinstance(operator, RowOperator):
            given = dict(beside or {})
            if operator.known:
                given.setdefault("known", [[]] * len(values))
                given["known"] = pa.array(given["known"], pa.list_(pa.string()))
            rows = {"value": values} | {
                name: given[name]
                if isinstance(given.get(name), pa.Array)
                else pa.array(given.get(name) or [None] * len(values))
                for name in (*operator.inputs, *(["known"] if operator.known else []))
            }
            values = pa.StructArray.from_arrays(list(rows.values()), list(rows))
        return cls(operator, column, values)

    @property
    def column(self) -> pa.Array:
        """The column's own values."""
        return self.values.field("value") if isinstance(self.operator, RowOperator) else self.values

    @property
    def hides_nulls(self) -> bool:
        """Whether null becomes a value too."""
        return getattr(self.operator, "presence", "keep") == "hide"

    @property
    def keys(self) -> SubKeys:
        """What the operator asks for."""
        return unsafe_subkeys(self.operator.requests(), salt=self.salt)

    @property
    def over(self) -> Pass | None:
        """What the operator needs more than one row for."""
        return self.operator.pass_over(ColumnPath((self.field.name,)))

    def run(self, values: pa.Array | None = None) -> pa.Array:
        """Compile anew and transform, a dataset-wide pass having concluded; `values` in place of the trial's own."""
        operator, over = self.operator, self.over
        if isinstance(over, DatasetPass):
            seen = self.dataset if self.dataset is not None else pa.concat_arrays([self.values] * _OFTEN)
            operator = Informed(declared=operator, over=over, concluded=over.conclude(over.summarize([flat_leaf(seen)])))
        return operator.kernel(self.field, self.keys)(self.values if values is None else values)

    def written(self, place: str = "trial/0") -> pa.Array:
        """What is written: the transformed values after a pass over row groups, repeated until there are rows enough for it."""
        made, over = self.run(), self.over
        if not isinstance(over, RowGroupPass) or len(made) == 0:
            return made
        rows = pa.chunked_array([made] * -(-over.min_rows // len(made)))
        return over.carry_out(pa.table({self.field.name: rows}), place, self.keys).column(0).combine_chunks()

    def reversed(self, made: pa.Array) -> pa.Array:
        """The way back from what was made of the trial's values."""
        return self.operator.reverse(self.field, self.keys)(self.among(made))

    def among(self, column: pa.Array) -> pa.Array:
        """What a kernel takes, with other values in the column: for a RowOperator beside the trial's own inputs."""
        if not isinstance(self.operator, RowOperator):
            return column
        rows = {field.name: self.values.field(field.name) for field in self.values.type} | {"value": column}
        return pa.StructArray.from_arrays(list(rows.values()), list(rows))

    def settled(self, made: pa.Array) -> pa.Array:
        """What two runs must agree in: all that was made; where chance takes part, what it is turned back to, or else its nulls."""
        contract = self.operator.contract
        if contract.deterministic or self.over is not None:
            return made
        return self.reversed(made) if contract.reversible and not contract.partly else made.is_null()

    def accepted(self) -> Trial:
        """This trial without the values that the kernel rejects."""
        try:
            self.run()
        except RejectedValuesError as rejected:
            require(len(rejected.mask) == len(self.values), "rejections", "the mask must be as long as the input")
            require(rejected.mask.null_count == 0, "rejections", "the mask must have no nulls")
            require(rejected.mask.true_count > 0, "rejections", "the mask must reject something")
            kept = np.flatnonzero(~rejected.mask.to_numpy(zero_copy_only=False))
            # Values may be rejected for one reason after another.
            return replace(self, values=taken(self.values, pa.array(kept))).accepted()
        return self


def check_laws(operator: Operator, column: pa.Field, values: pa.Array, *, beside: Beside | None = None) -> None:
    """Check every law for one declaration over one column.

    Args:
        operator: The declaration, key domains filled in.
        column: The raw column's field.
        values: Examples, some of them null or unusual; rejected ones are taken out after their mask was checked.
        beside: For a RowOperator, what it looks at, by name (`Trial.of`); by default nothing.

    Raises:
        AssertionError: A law does not hold; the message names it.

    Example:
        >>> from airlock.operators.truncate import Truncate
        >>> check_laws(Truncate(length=2), pa.field("zip", pa.string()), pa.array(["10115", None, ""]))
    """
    require(
        isinstance(getattr(operator, "name", None), str), "declarations_travel", "a class needs a `name`: its entry point's"
    )
    trial = Trial.of(operator, column, values, beside).accepted()
    for law in LAWS.values():
        law(trial)


def _digest(values: pa.Array) -> str:
    """Of every byte of every buffer."""
    total = hashlib.sha256()
    for buffer in values.buffers():
        total.update(b"" if buffer is None else buffer)
    return total.hexdigest()


def rows_stand_alone(trial: Trial) -> None:
    """Length and order are kept: rows in another order give the same values in that order."""
    made = trial.run()
    require(len(made) == len(trial.values), "rows_stand_alone", "the output must be as long as the input")
    backwards = pa.array(np.arange(len(made))[::-1])
    turned = trial.settled(trial.run(taken(trial.values, backwards)))
    require(same_values(turned, taken(trial.settled(made), backwards)), "rows_stand_alone", "order must be kept")


def nulls_stay_null(trial: Trial) -> None:
    """Null stays null; with `presence: hide` nothing is null."""
    made = trial.run()
    if trial.hides_nulls:
        require(made.null_count == 0, "nulls_stay_null", "presence: hide must leave no null")
        return
    null = pc.is_null(trial.column)
    require(pc.all(pc.is_null(made).filter(null)).as_py() is not False, "nulls_stay_null", "a null became a value")


def chunks_join(trial: Trial, cut: int | None = None) -> None:
    """The kernel over two parts gives what it gives over the whole, wherever the cut is."""
    made = trial.settled(trial.run())
    size = len(trial.values)
    cuts = [cut] if cut is not None else sorted(set(np.linspace(0, size, _MOST_CUTS, dtype=int).tolist()))
    for at in cuts:
        parts = [trial.settled(trial.run(trial.values.slice(*window))) for window in ((0, at), (at,))]
        require(same_values(pa.concat_arrays(parts), made), "chunks_join", f"a cut at {at} of {size} changes the output")


def slices_agree(trial: Trial) -> None:
    """A slice of a longer array gives what the same values give alone: offsets and validity bits are respected."""
    made = trial.settled(trial.run())
    padded = pa.concat_arrays([trial.values.slice(0, 3), trial.values, trial.values])
    window = padded.slice(min(3, len(trial.values)), len(trial.values))
    require(same_values(trial.settled(trial.run(window)), made), "slices_agree", "a sliced array gives other values")


def empty_and_null_columns(trial: Trial) -> None:
    """No rows give no rows, and only nulls give only nulls, of the right type."""
    want = _type_after(trial)
    require(
        same_values(trial.run(trial.values.slice(0, 0)), pa.nulls(0, want)), "empty_and_null_columns", "no rows in, no rows out"
    )
    column = pa.nulls(5, trial.field.type)
    made = trial.run(_beside_nulls(trial, column))
    require(made.type == want and len(made) == len(column), "empty_and_null_columns", "type or length differ over nulls")
    require(made.null_count == (0 if trial.hides_nulls else 5), "empty_and_null_columns", "only nulls must give only nulls")


def _beside_nulls(trial: Trial, column: pa.Array) -> pa.Array:
    """What the kernel takes over a column of nulls, its inputs null too and of the trial's types."""
    if not pa.types.is_struct(trial.values.type):
        return column
    fields = [trial.values.type.field(i) for i in range(trial.values.type.num_fields)]
    inputs = [pa.nulls(len(column), field.type) for field in fields[1:]]
    return pa.StructArray.from_arrays([column, *inputs], [field.name for field in fields])


def dictionaries_agree(trial: Trial) -> None:
    """The kernel once per distinct value, taken by index, gives what it gives over every value; where chance takes part, the
    column's program gives equal values different outputs, coded in a dictionary or not.
    """
    nested = pa.types.is_nested(trial.values.type)
    if not trial.operator.contract.deterministic:
        chance_is_fresh(trial)
        return
    if nested:
        return
    encoded = plainly(trial.values).dictionary_encode()
    dictionary = pa.concat_arrays([encoded.dictionary.cast(trial.field.type), pa.nulls(1, trial.field.type)])
    index = pc.fill_null(encoded.indices, len(dictionary) - 1)
    require(same_values(taken(trial.run(dictionary), index), trial.run()), "dictionaries_agree", "values by dictionary differ")


def inputs_stay(trial: Trial) -> None:
    """No byte of the input changes."""
    before = _digest(trial.values)
    trial.run()
    require(_digest(trial.values) == before, "inputs_stay", "the kernel wrote into its input")


def type_is_declared(trial: Trial) -> None:
    """The output is valid Arrow data of the type that `result_field` says, under the same name."""
    made = trial.run()
    made.validate(full=True)
    require(made.type == _type_after(trial), "type_is_declared", f"declared {_type_after(trial)}, made {made.type}")
    after = trial.operator.result_field(trial.field)
    require(after is None or after.name == trial.field.name, "type_is_declared", "the column must keep its name")
    require(after is None or after.nullable or made.null_count == 0, "type_is_declared", "nulls in a column declared without")


def declarations_travel(trial: Trial) -> None:
    """A declaration survives dict, JSON and pickle, can't be changed, and holds no key byte."""
    operator = trial.operator
    kind = type(operator)
    texts = json.loads(json.dumps(operator.to_dict()))
    require(kind.from_dict(texts) == operator, "declarations_travel", "from_dict(to_dict()) must be equal")
    pickled = pickle.dumps(operator)
    require(pickle.loads(pickled) == operator, "declarations_travel", "pickle must give an equal one")  # noqa: S301
    require(hash(operator) == hash(kind.from_dict(texts)), "declarations_travel", "equal declarations must hash alike")
    keys = unsafe_subkeys(operator.requests(), salt=trial.salt)
    operator.kernel(trial.field, keys)
    held = pickle.dumps(operator) + repr(operator).encode()
    for request in keys:
        require(keys[request] not in held, "declarations_travel", "a declaration must hold no key byte")
        require(keys[request].hex().encode() not in held, "declarations_travel", "a declaration must hold no key byte")


def keys_decide(trial: Trial) -> None:
    """Equal keys give equal outputs; under other keys every value differs, or, where some may agree by chance, not all of many do.
    Without keys, keys change nothing. Of what sends some values past its keyed operator (`partly`) nothing follows: its own operators
    are judged.
    """
    keyed = trial.operator.contract.keyed
    require(keyed == bool(trial.operator.requests()), "keys_decide", "an operator asks for subkeys if and only if it is keyed")
    # Under other keys other values may be rejected.
    under_another = replace(trial, salt="another").accepted()
    trial, other = replace(trial, values=under_another.values), under_another.written()
    made = trial.written()
    if not keyed:
        require(same_values(other, made), "keys_decide", "an operator without keys must not depend on them")
        return
    contract = trial.operator.contract
    equal = pc.equal(plainly(other), plainly(made)).drop_null()
    if contract.injective and not contract.partly:
        require(pc.any(equal).as_py() is not True, "keys_decide", "another key must give other values")
    elif not contract.partly and len(pc.unique(plainly(trial.column).drop_null())) >= MANY:
        require(pc.all(equal).as_py() is not True, "keys_decide", "another key must give other values")


def contract_holds(trial: Trial) -> None:
    """The contract's flags are true: deterministic, injective (over the distinct values at hand), subtree."""
    contract = trial.operator.contract
    made = trial.run()
    if contract.deterministic:
        require(same_values(trial.run(), made), "contract_holds", "a deterministic operator must repeat itself")
    elif trial.over is None:  # a pass moves values by the key, and its kernel makes none
        again = pc.any(pc.equal(plainly(trial.run()), plainly(made))).as_py()
        require(contract.partly or again is not True, "contract_holds", "chance takes part: no value may be made twice")
    # Canonical steps make values one on purpose: only without them different texts must stay different.
    if contract.injective and not getattr(trial.operator, "canonical", ()):
        distinct, images = (len(pc.unique(plainly(column).drop_null())) for column in (trial.column, made))
        require(images >= distinct, "contract_holds", "different values must stay different")
    try:
        trial.operator.result_field(pa.field("subtree", NESTED))
        nests = True
    except OperatorTypeError:
        nests = False
    require(nests == contract.subtree, "contract_holds", "a struct is taken if and only if the contract says subtree")


def ways_back_hold(trial: Trial) -> None:
    """What a reversible operator made turns back to the values, under its own key alone."""
    contract = trial.operator.contract
    if not (contract.reversible and contract.keyed) or contract.partly:
        return
    made = trial.run()
    try:
        back = trial.reversed(made)
    except ContractError:
        own = type(trial.operator).reverse is not Operator.reverse
        require(own, "ways_back_hold", "what is reversible has a way back, or says itself why not")
        return
    nulls = same_values(back.is_null(), trial.column.is_null())
    require(nulls, "ways_back_hold", "null must come back where it was, and nowhere else")
    if back.type == trial.field.type:
        again = trial.settled(trial.run(trial.among(back)))
        require(same_values(again, trial.settled(made)), "ways_back_hold", "what came back must give the same again")
        if not getattr(trial.operator, "canonical", ()):
            equal = pc.all(pc.equal(plainly(back), plainly(trial.column))).as_py()
            require(equal is not False, "ways_back_hold", "the values must come back")
    if len(pc.unique(plainly(made).drop_null())) >= MANY:
        require(not _opens(replace(trial, salt="another"), made, back), "ways_back_hold", "another key must not turn it back")


def _opens(trial: Trial, made: pa.Array, back: pa.Array) -> bool:
    try:
        return same_values(trial.reversed(made), back)
    except RejectedValuesError:
        return False


def _type_after(trial: Trial) -> pa.DataType:
    after = trial.operator.result_field(trial.field)
    return pa.null() if after is None else after.type


LAWS: dict[str, Callable[[Trial], None]] = {
    law.__name__: law
    for law in (
        rows_stand_alone, nulls_stay_null, chunks_join, slices_agree, empty_and_null_columns, dictionaries_agree, inputs_stay,
        type_is_declared, declarations_travel, keys_decide, contract_holds, ways_back_hold, passes_hold,
    )
}  # fmt: skip
"""Every law by name."""
