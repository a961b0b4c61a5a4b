"""`add_noise`: numbers, dates and timestamps with bounded noise that is derived, never drawn."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.draws import BoundedNoise, Distribution, pair_words, uniforms
from airlock.operators._base import STRICT, Contract, reject
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._numbers import EXACT, Finite
from airlock.operators._per_subject import PerSubject
from airlock.operators._steps import Steps

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel

__all__ = ["AddNoise"]

_WIDEST = 38
"""Digits of the decimals that are taken."""

Positive = Annotated[Finite, Field(gt=0)]
Counts = NDArray[np.int64]


@dataclass(kw_only=True, config=STRICT)
class AddNoise(PerSubject):
    """Add bounded Laplace, Gaussian or uniform noise; of the same type.

    Guarantee:
        The noise is a keyed function (AES-CMAC, AES) of the column's path, the subject's canonical text, the value and all
        arguments. So runs are byte-equal; one value of one subject has one noise in all releases of a recipient and epoch, and no
        number of them averages it away; another value has unrelated noise, so the difference of two releases does not cancel
        it; and with other arguments all noise is drawn anew, so that two scales can't be solved for the value. That a value did
        not change is visible. What is written is a whole number of steps of 10^-`decimals` (dates: days, timestamps: seconds) and
        differs from the value, rounded to a step, by at most `bound`: no digit beyond the noise goes through (Mironov 2012).
        With `within`, values beyond an end count as that end, and what noise takes beyond is reflected. NaN stays NaN. What the type
        can't hold, infinity, and numbers from 2^62 steps on (of floating types 2^53) are rejected as `out-of-range`, values without
        a subject as `no-subject`. This is no differential privacy: the bound makes sure values can be excluded, and a column's
        copy under another name, or another recipient, has other noise of which a mean can be taken. So has a value that drifts from
        release to release: round such a column before it is published, or more coarsely than it drifts.

    Source: ISO/IEC 20889:2018, randomization (noise addition); Mironov, On significance of the least significant bits for
        differential privacy, CCS 2012.

    Args:
        domain: Key domain of the subject.
        subject: Path of the column that says whose value it is; it may be dropped.
        distribution: `laplace`, `gaussian` or `uniform`.
        scale: Laplace's b, the Gaussian standard deviation, or the uniform's largest noise.
        bound: The largest noise, either way; 4 times the scale, for uniform the scale.
        decimals: Decimal places that are written; 0 for integers, dates and timestamps.
        within: Lowest and highest number that is written.
        unit: For dates `days`, for timestamps `seconds`: what scale and bound are in.
        no_subject: `reject` rows without a subject, or (null) write null.

    Example:
        >>> from airlock.keys import SubKeys
        >>> rule = {"domain": "patient", "subject": "id", "distribution": "laplace", "scale": 2, "within": [0, 120]}
        >>> noise = AddNoise.from_dict(rule)
        >>> kernel = noise.kernel(pa.field("age", pa.int16()), SubKeys({noise.requests()[0]: bytes(32)}, {}))
        >>> rows = pa.array([{"value": age, "id": person} for age, person in ((40, 1), (40, 1), (41, 1), (40, 2), (0, 3))])
        >>> kernel(rows).to_pylist()
        [44, 44, 42, 43, 1]
    """

    name: ClassVar[str] = "add_noise"
    example: ClassVar[str] = (
        "salary: {type: int32, class: sensitive, add_noise: {domain: customer, subject: customer_id, distribution: laplace, scale: 500}}"
    )
    purpose: ClassVar[str] = "add-noise"

    distribution: Distribution
    scale: Positive
    bound: Positive | None = None
    decimals: Annotated[int, Field(ge=0, le=15)] = 0
    within: tuple[Finite, Finite] | None = None
    unit: Literal["days", "seconds"] | None = None

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if self.unit is not None and (self.decimals or self.within is not None):
            raise ValueError("with a unit neither decimals nor within may stand")
        if not 1 <= self._most < EXACT:
            raise ValueError("bound must be at least one step of 10^-decimals, and below 2^53 of them")
        if self.within is not None:
            self._require_ends(*self.within)
        if self._unchanged > 1 / 2:
            raise ValueError("the noise would round to nothing for most values: take a larger scale, or more decimals")
        return self

    def _require_ends(self, low: Decimal, high: Decimal) -> None:
        for end in (low, high):
            if self._steps(end).denominator != 1 or abs(self._steps(end)) >= EXACT:
                raise ValueError("within must have whole steps of 10^-decimals, below 2^53 of them")
        if self._steps(high) - self._steps(low) < self._most:
            raise ValueError("within must be at least as wide as bound")

    @property
    def contract(self) -> Contract:
        """Some values keep their number by chance: where the noise is less than half a step, or reflection brings them back."""
        return Contract(
            technique="randomization: noise addition",
            keyed=True,
            same_form=True,
            chance=self._unchanged if self.within is None else self._unchanged + 2 * self._noise.probability(1.5, 2.5),
            classes=INDIRECT,
        )

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: integers, decimals, floating numbers, dates and timestamps."""
        fault = self._type_fault(field.type)
        if fault is not None:
            raise wrong_type(self.name, field, fault)
        return self.own_field(field)

    def _type_fault(self, kind: pa.DataType) -> str | None:
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            needed = "seconds" if pa.types.is_timestamp(kind) else "days"
            return None if self.unit == needed else f"it needs unit: {needed}"
        return self._number_fault(kind)

    def _number_fault(self, kind: pa.DataType) -> str | None:
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not number or pa.types.is_float16(kind):
            return "it takes numbers but half floats, dates and timestamps"
        if self.unit is not None:
            return f"numbers have no unit: {self.unit}"
        if pa.types.is_decimal(kind) and (kind.precision > _WIDEST or kind.scale < 0):
            return f"decimals of more than {_WIDEST} digits or with a negative scale are not supported"
        held = 15 if pa.types.is_floating(kind) else getattr(kind, "scale", 0)
        if self.decimals > held:
            return f"it has {held} decimals, not {self.decimals}"
        ends = [int(self._steps(end)) for end in self.within or ()]
        if ends and Steps(kind, self.decimals).outside(np.array(ends)).any():
            return "within names a number that it can't hold"
        return None

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """A tag of each row's subject, a uniform of tag and value, a quantile, one addition in whole steps."""
        subjects = self.subjects(self.subkey(keys, "subject"))
        key = self.subkey(keys, "value", field.name, *self._circumstances())
        steps = Steps(field.type, self.decimals)
        confine = self._confine()

        def add(rows: pa.StructArray) -> pa.Array:
            tags, missing = subjects(rows)
            counts, null, outside, apart = steps.count(rows.field("value"))
            reject("out-of-range", outside | (steps.outside(counts) & ~null))
            noise = self._noise.draw(uniforms(pair_words(key, tags, counts)))
            made = confine(counts, np.rint(noise).astype(np.int64))
            reject("out-of-range", steps.outside(made) & ~null)
            return steps.values(made, null | missing, apart)

        return add

    def _circumstances(self) -> tuple[object, ...]:
        """All that decides over the noise beside column, subject and value, whatever way it is written."""
        ends = [str(self._steps(end)) for end in self.within or ()]
        return self.distribution, str(self._steps(self.scale)), self._most, self.decimals, self.unit, ends

    def _confine(self) -> Callable[[Counts, Counts], Counts]:
        if self.within is None:
            return lambda counts, noise: counts + noise
        low, high = (int(self._steps(end)) for end in self.within)

        def reflect(counts: Counts, noise: Counts) -> Counts:
            made = np.clip(counts, low, high) + noise
            made = np.where(made < low, 2 * low - made, made)
            return np.where(made > high, 2 * high - made, made)

        return reflect

    def _steps(self, number: Decimal) -> Fraction:
        return Fraction(number) * 10**self.decimals

    @property
    def _most(self) -> int:
        """The largest noise in whole steps."""
        times = 1 if self.distribution == "uniform" else 4
        return int(self._steps(self.scale * times if self.bound is None else self.bound))

    @property
    def _noise(self) -> BoundedNoise:
        """In steps."""
        return BoundedNoise(self.distribution, float(self._steps(self.scale)), float(self._most))

    @property
    def _unchanged(self) -> float:
        return self._noise.probability(-0.5, 0.5)
