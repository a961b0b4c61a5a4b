"""Operators whose randomness is a PRF of the row's subject: how they name it and what they make of it. Called by `shift_date` and
`add_noise`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.crypto.aes import Uint8s
from airlock.crypto.cmac import Cmac
from airlock.crypto.columns import nulls
from airlock.crypto.kdf import derived_key
from airlock.errors import OperatorTypeError
from airlock.keys import KeyRequest
from airlock.operators._base import STRICT, RowOperator, reject
from airlock.operators._canonical import canonical_text, why_not
from airlock.operators._domains import DomainOperator
from airlock.operators._fields import plain_field, wrong_type
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from airlock.keys import SubKeys

__all__ = ["Bools", "PerSubject", "Subjects", "int64_ticks", "moments_like"]

Bools = NDArray[np.bool_]


class Subjects(NamedTuple):
    """A batch's subjects: a pseudo-random tag each, and which values are to be null for want of one."""

    tags: Uint8s
    missing: Bools


@dataclass(kw_only=True, config=STRICT)
class PerSubject(DomainOperator, RowOperator):
    """What a value becomes depends on whose it is, by a keyed function of the subject's canonical text.

    Attributes:
        domain: Key domain of the subject, one of the policy's `keys.domains`.
        subject: Path of the column that says whose value it is.
        no_subject: What becomes of a value whose subject is null: `reject` the row, or null.
        canonical: The domain's canonical steps; `resolve` fills them in.
    """

    purpose: ClassVar[str]

    domain: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)]
    no_subject: Literal["reject"] | None = "reject"
    canonical: tuple[Canonical, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The subject's column."""
        return (self.subject,)

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: the domain's, for this purpose."""
        return (KeyRequest(self.purpose, "aes-cmac", self.domain),)

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """The subject needs a canonical text.

        Raises:
            OperatorTypeError: Values of its type have none.
        """
        problem = why_not(types[self.subject], self.canonical)
        if problem:
            raise OperatorTypeError(
                f"'{self.name}' can't tell subjects by '{self.subject}' of type {types[self.subject]}: {problem}",
                operator=self.name,
                column=self.subject,
            )

    def own_field(self, field: pa.Field) -> pa.Field:
        """The column's field, which is not the subject's.

        Raises:
            OperatorTypeError: It is.
        """
        if field.name == self.subject:
            raise wrong_type(self.name, field, "a subject's own column can't be perturbed by itself")
        return plain_field(field)

    def subkey(self, keys: SubKeys, use: str, *parts: object) -> bytes:
        """A key for one use under these circumstances: under others, everything is drawn anew."""
        return derived_key(keys[self.requests()[0]], f"airlock/{self.purpose}/{use}", json.dumps(parts, default=str))

    def subjects(self, key: bytes) -> Callable[[pa.StructArray], Subjects]:
        """A function from rows to their subjects. It raises RejectedValuesError, `no-subject` or `not-canonical`."""
        mac = Cmac(key)

        def found(rows: pa.StructArray) -> Subjects:
            subject = rows.field(self.subject)
            missing = nulls(subject)
            if self.no_subject == "reject" and missing.any():
                reject("no-subject", missing & ~nulls(rows.field("value")))
            return Subjects(mac.tags(canonical_text(subject, self.canonical)), missing)

        return found


def int64_ticks(values: pa.Array) -> NDArray[np.int64]:
    """Dates and timestamps as integers; zero where null."""
    return np.asarray(pc.fill_null(values.view(pa.int32() if values.type == pa.date32() else pa.int64()), 0)).astype(np.int64)


def moments_like(ticks: NDArray[np.int64], kind: pa.DataType, null: Bools) -> pa.Array:
    """Integers as dates or timestamps of a type."""
    width = pa.int32() if kind == pa.date32() else pa.int64()
    return pa.array(ticks.astype(width.to_pandas_dtype()), width, mask=null).view(kind)
