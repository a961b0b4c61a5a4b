"""Does every value have the shape that its rule declares? One columnar function a shape; called by the shapes check.

Closed lists and constants stand here; tokens and masks, numbers, periods and addresses in their own modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.addresses import address_offenders
from airlock.gate.buffers import is_text
from airlock.gate.ciphertexts import ciphertext_offenders
from airlock.gate.hosts import host_offenders
from airlock.gate.masks import group_offenders, mask_offenders
from airlock.gate.numbers import between_offenders, multiple_offenders
from airlock.gate.periods import period_offenders
from airlock.gate.perturbed import perturbed_offenders
from airlock.gate.preserved import preserved_offenders
from airlock.gate.surrogates import pool_offenders
from airlock.gate.tokens import token_offenders
from airlock.policy.coarse import GEOHASH
from airlock.policy.formats import (
    Absent,
    AllNull,
    AnyOf,
    Between,
    Ciphertext,
    Constant,
    FewValues,
    Free,
    FromPool,
    Geohash,
    Host,
    HostBits,
    IntegerToken,
    MaskedGroups,
    MaskedText,
    MaxLength,
    MultipleOf,
    OneOf,
    PeriodStart,
    Perturbed,
    Preserved,
    Shape,
    Token,
    Unshaped,
)

__all__ = ["offenders", "violations"]


def violations(array: pa.Array, shape: Shape) -> int:
    """How many non-null values do not have the shape. A value of a type that the shape can't judge is a violation.

    Example:
        >>> from airlock.policy.formats import MaxLength
        >>> violations(pa.array(["941", "94110", None]), MaxLength(length=3))
        1
    """
    plain = array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array
    return int(offenders(plain.drop_null(), shape).sum())


def offenders(values: pa.Array, shape: Shape) -> np.ndarray:
    """Boolean array, as long as `values` (which has no nulls): true where a value does not have the shape."""
    if pa.types.is_dictionary(values.type):
        if values.dictionary.null_count:
            return offenders(values.dictionary_decode().drop_null(), shape)
        return offenders(values.dictionary, shape)[np.asarray(values.indices)]
    if pa.types.is_string_view(values.type):  # Arrow has next to no functions over it
        values = values.cast(pa.large_string())
    if pa.types.is_null(values.type) or len(values) == 0:
        return np.zeros(len(values), bool)
    judge: Callable[[pa.Array, Any], np.ndarray] = _JUDGES.get(type(shape), _every)
    try:
        return judge(values, shape)
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid):
        return _every(values, shape)


def _every(values: pa.Array, shape: Shape) -> np.ndarray:
    del shape
    return np.ones(len(values), bool)


def _none(values: pa.Array, shape: Shape) -> np.ndarray:
    del shape
    return np.zeros(len(values), bool)


def _none_of(values: pa.Array, shape: AnyOf) -> np.ndarray:
    return np.logical_and.reduce([offenders(values, one) for one in shape.shapes])


def _listed(values: pa.Array, shape: OneOf) -> np.ndarray:
    return _not_in(values, shape.values)


def _constant(values: pa.Array, shape: Constant) -> np.ndarray:
    return _not_in(values, (shape.text,))


def _not_in(values: pa.Array, texts: tuple[str, ...]) -> np.ndarray:
    if is_text(values.type):
        return ~np.asarray(pc.is_in(values, value_set=pa.array(texts, values.type)))
    return ~np.asarray(pc.is_in(values.cast(pa.string()), value_set=pa.array(texts, pa.string())))


def _geohash(values: pa.Array, shape: Geohash) -> np.ndarray:
    return token_offenders(values, Token(alphabet=GEOHASH, length=shape.length))


def _too_long(values: pa.Array, shape: MaxLength) -> np.ndarray:
    length = pc.utf8_length if is_text(values.type) else pc.binary_length
    return np.asarray(pc.greater(length(values), shape.length))


def _out_of_range(values: pa.Array, shape: IntegerToken) -> np.ndarray:
    if not pa.types.is_integer(values.type):
        return _every(values, shape)
    low, high = (pa.scalar(bound, pa.int64()) for bound in (shape.low, shape.high))
    return np.asarray(pc.or_(pc.less(values, low), pc.greater(values, high)))


_JUDGES: dict[type[Shape], Callable[[pa.Array, Any], np.ndarray]] = {
    Absent: _every,
    AllNull: _every,
    AnyOf: _none_of,
    Ciphertext: ciphertext_offenders,
    FromPool: pool_offenders,
    IntegerToken: _out_of_range,
    Host: host_offenders,
    Between: between_offenders,
    Constant: _constant,
    FewValues: _none,  # counted over the dataset
    Free: _none,
    Geohash: _geohash,
    HostBits: address_offenders,
    MaskedGroups: group_offenders,
    MaskedText: mask_offenders,
    MaxLength: _too_long,
    MultipleOf: multiple_offenders,
    OneOf: _listed,
    PeriodStart: period_offenders,
    Perturbed: perturbed_offenders,
    Preserved: preserved_offenders,
    Token: token_offenders,
    Unshaped: _none,
}
