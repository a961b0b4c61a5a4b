"""Column programs: a policy's operators compiled over a column's whole tree. `compile` types them, `engines.task` runs them.

Nested leaves are rebuilt in place: kernels see flat values, offsets and validity stay. Values hidden under null parents are not
carried over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.keys import SubKeys
from airlock.operators import Operator, RejectedValuesError, RowOperator
from airlock.plan.tree import RuleNode, nested_kind
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath

__all__ = ["ColumnProgram", "Inputs", "compile_column", "output_type"]

Inputs = Callable[[ColumnPath, RowOperator], Mapping[str, pa.Array]]
"""Gives what a row operator's kernel looks at beside its own column: arrays as long as the leaf's flat values, by name."""


def _nothing(path: ColumnPath, operator: RowOperator) -> Mapping[str, pa.Array]:
    del path, operator
    return {}


def output_type(node: RuleNode, source: pa.DataType, operators: Mapping[ColumnPath, Operator]) -> pa.DataType | None:
    """What comes out of a column of type `source`; None where nothing does.

    Raises:
        OperatorTypeError: An operator does not take its leaf's type.
    """
    if node.rule is not None:
        made = operators[node.path].result_field(pa.field(str(node.path), source))
        return None if made is None else made.type
    kind = nested_kind(source)
    if kind == "list":
        inner = output_type(node.children[ELEMENT], source.value_type, operators)
        return None if inner is None else pa.list_(inner)
    if kind == "map":
        key = output_type(node.children[KEY], source.key_type, operators)
        item = output_type(node.children[VALUE], source.item_type, operators)
        return None if key is None or item is None else pa.map_(key, item)
    typed = [(str(name), output_type(child, source.field(str(name)).type, operators)) for name, child in _present(node, source)]
    kept = [pa.field(name, inner) for name, inner in typed if inner is not None]
    return pa.struct(kept) if kept else None


def _present(node: RuleNode, source: pa.StructType) -> list[tuple[str, RuleNode]]:
    names = {source.field(i).name for i in range(source.num_fields)}
    return [(str(step), child) for step, child in node.children.items() if str(step) in names]


class ColumnProgram(ABC):
    """A function from a column's array to its transformed array, compiled for one type."""

    @abstractmethod
    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        """Transform. Raises RejectedValuesError with a mask as long as `array`."""


def compile_column(
    node: RuleNode, source: pa.DataType, operators: Mapping[ColumnPath, Operator], keys: SubKeys
) -> ColumnProgram | None:
    """Compile one column; None where nothing of it is written."""
    target = output_type(node, source, operators)
    if target is None:
        return None
    if node.rule is not None:
        operator = operators[node.path]
        return _compiled(node.path, operator, operator.kernel(pa.field(str(node.path), source), keys), target)
    kind = nested_kind(source)
    if kind == "list":
        return _List(_inner(node.children[ELEMENT], source.value_type, operators, keys), target)
    if kind == "map":
        key = _inner(node.children[KEY], source.key_type, operators, keys)
        return _Map(key, _inner(node.children[VALUE], source.item_type, operators, keys), target)
    children = [
        (name, made)
        for name, child in _present(node, source)
        if (made := compile_column(child, source.field(name).type, operators, keys)) is not None
    ]
    return _Struct(tuple(children), target)


def _inner(node: RuleNode, source: pa.DataType, operators: Mapping[ColumnPath, Operator], keys: SubKeys) -> ColumnProgram:
    made = compile_column(node, source, operators, keys)
    assert made is not None  # output_type() is None for a list or map whose inside is dropped
    return made


@dataclass(frozen=True, slots=True)
class _Leaf(ColumnProgram):
    operator: Operator
    kernel: Callable[[pa.Array], pa.Array]
    target: pa.DataType

    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        del inputs
        if not isinstance(array, pa.DictionaryArray):
            return self.kernel(array)
        # Where chance takes part, equal values must come out different; hidden nulls become values; and a dictionary longer than its
        # batch costs more than it saves.
        once = self.operator.contract.deterministic and getattr(self.operator, "presence", "keep") == "keep"
        if not once or len(array.dictionary) > len(array):
            return self.kernel(array.dictionary_decode())
        try:
            values = self.kernel(array.dictionary)
        except RejectedValuesError:
            # The rejected value may be one that no row uses.
            return self._used(array)
        return _recoded(array.indices, values)

    def _used(self, array: pa.DictionaryArray) -> pa.Array:
        used = np.zeros(len(array.dictionary), bool)
        used[array.indices.drop_null().to_numpy()] = True
        indices = pa.array(np.cumsum(used) - 1, pa.int32()).take(array.indices)
        try:
            return _recoded(indices, self.kernel(array.dictionary.filter(pa.array(used))))
        except RejectedValuesError as error:
            raise RejectedValuesError(error.code, pc.fill_null(error.mask.take(indices), fill_value=False)) from None


def _compiled(
    path: ColumnPath, operator: Operator, kernel: Callable[[pa.Array], pa.Array], target: pa.DataType
) -> ColumnProgram:
    if not isinstance(operator, RowOperator):
        return _Leaf(operator, kernel, target)
    if operator.inputs or operator.known:
        return _Row(path, operator, kernel)
    return _Leaf(operator, _alone(kernel), target)


def _alone(kernel: Callable[[pa.StructArray], pa.Array]) -> Callable[[pa.Array], pa.Array]:
    """The kernel of a row operator that looks at nothing else: over distinct values as any other's."""
    return lambda values: kernel(pa.StructArray.from_arrays([values], ["value"]))


@dataclass(frozen=True, slots=True)
class _Row(ColumnProgram):
    path: ColumnPath
    operator: RowOperator
    kernel: Callable[[pa.StructArray], pa.Array]

    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        rows = {"value": array} | dict(inputs(self.path, self.operator))
        return self.kernel(pa.StructArray.from_arrays(list(rows.values()), list(rows)))


@dataclass(frozen=True, slots=True)
class _Struct(ColumnProgram):
    children: tuple[tuple[str, ColumnProgram], ...]
    target: pa.StructType

    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        # field() ignores the parent's validity and offset; flatten() applies both.
        names = [array.type.field(i).name for i in range(array.type.num_fields)]
        columns = dict(zip(names, array.flatten(), strict=True))
        made = [plain(program.transform(columns[name], inputs)) for name, program in self.children]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(made, fields=list(self.target), mask=mask)


@dataclass(frozen=True, slots=True)
class _List(ColumnProgram):
    inner: ColumnProgram
    target: pa.ListType

    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        values, offsets = _flat(array)
        try:
            made = plain(self.inner.transform(values, inputs))
        except RejectedValuesError as error:
            raise RejectedValuesError(error.code, _parents_mask(error.mask, array)) from None
        return pa.ListArray.from_arrays(offsets, made, type=self.target, mask=_mask(array))


@dataclass(frozen=True, slots=True)
class _Map(ColumnProgram):
    key: ColumnProgram
    item: ColumnProgram
    target: pa.MapType

    def transform(self, array: pa.Array, inputs: Inputs = _nothing) -> pa.Array:
        entries = array.cast(pa.list_(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])))
        pairs, offsets = _flat(entries)
        keys, items = pairs.flatten()
        try:
            made = plain(self.key.transform(keys, inputs)), plain(self.item.transform(items, inputs))
        except RejectedValuesError as error:
            raise RejectedValuesError(error.code, _parents_mask(error.mask, entries)) from None
        return pa.MapArray.from_arrays(offsets, *made, type=self.target, mask=_mask(array))


def plain(array: pa.Array) -> pa.Array:
    """The array without dictionary encoding."""
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def _mask(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None


def _flat(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The values of all lists, and each list's offset into them: as they are, or null lists' values left out."""
    if array.null_count == 0 and pa.types.is_list(array.type) and len(array):
        offsets = array.offsets
        # Arrow would subtract a Python integer in 64 bits, and cast the answer back.
        places = np.asarray(offsets)
        return array.flatten(), offsets if places[0] == 0 else pa.array(places - places[0])
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return pc.list_flatten(array), pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())


def _recoded(indices: pa.Array, values: pa.Array) -> pa.DictionaryArray:
    """A dictionary column; where a dictionary's value is null, so is the index."""
    if values.null_count:
        valid = values.is_valid()
        places = np.cumsum(valid.to_numpy(zero_copy_only=False)) - 1
        indices = pc.if_else(valid, pa.array(places, pa.int32()), pa.scalar(None, pa.int32())).take(indices)
        values = values.drop_null()
    return pa.DictionaryArray.from_arrays(indices, values)


def _parents_mask(mask: pa.BooleanArray, lists: pa.Array) -> pa.BooleanArray:
    rejected = np.zeros(len(lists), dtype=bool)
    rejected[pc.list_parent_indices(lists).filter(mask).to_numpy()] = True
    return pa.array(rejected)
