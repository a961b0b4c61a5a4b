"""What `encrypt` and `encrypt_random` share: from a column's values to text that AES-SIV sealed, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from airlock.crypto import Siv
from airlock.crypto.aes import Uint8s
from airlock.crypto.blocks import unpadded
from airlock.crypto.columns import ByteColumn, runs, scattered
from airlock.crypto.encode_bytes import TextSink, decode_bytes
from airlock.operators._base import Operator, reject
from airlock.operators._canonical import canonical_text
from airlock.operators._domains import keyed_field
from airlock.policy.arrow import is_binary
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from airlock.keys import SubKeys

__all__ = ["Form", "PadTo", "Prefix", "Sealed", "SealedOperator", "sealed_field"]

Form = Literal["base64url", "hex"]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,32}$")]
PadTo = Annotated[int, Field(ge=16, le=4096, multiple_of=16)]

_VERSION = b"airlock/v1"


def sealed_field(operator: str, field: pa.Field, steps: Sequence[Canonical]) -> pa.Field:
    """Text, for bytes and for whatever has a canonical text.

    Raises:
        OperatorTypeError: The column has neither, or canonical steps stand for bytes.
    """
    if is_binary(field.type) and not steps:
        return pa.field(field.name, pa.string(), nullable=field.nullable)
    return keyed_field(operator, field, steps)


class Sealed:
    """One key and form: seals values and opens them.

    Args:
        key: 64 bytes.
        domain: The key domain, to which every ciphertext is bound, as to `pad_to`.
        form: `base64url` or `hex`.
        prefix: Before each ciphertext.
        pad_to: Lengths are padded up to multiples of it; None leaves them as they are.
    """

    def __init__(self, key: bytes, domain: str, *, form: str, prefix: str, pad_to: int | None) -> None:
        # Bound to the padding too: what was sealed whole can't be passed off as padded, nor the other way round.
        self._siv, self._associated = Siv(key), [_VERSION, domain.encode(), str(pad_to or 0).encode()]
        self._form, self._prefix, self._pad_to = form, prefix, pad_to

    def seal(self, values: pa.Array, steps: Sequence[Canonical] = (), nonces: Uint8s | None = None) -> pa.Array:
        """Ciphertexts as text; null stays null."""
        plain = values if is_binary(values.type) else canonical_text(values, steps)
        sink = partial(TextSink, form=self._form, prefix=self._prefix)
        return self._siv.seal(plain, self._associated, nonces=nonces, pad_to=self._pad_to, sink=sink)

    def open(self, texts: pa.Array, data_type: pa.DataType, *, nonces: bool = False) -> pa.Array:
        """Plaintexts in the type that they had, or as text where they don't convert back to it.

        Raises:
            RejectedValuesError: `not-authentic` for values that this key, domain and form did not make.
        """
        sealed, wrong = decode_bytes(texts, self._form, prefix=self._prefix)
        opened, failed = self._siv.open(sealed, self._associated, nonces=nonces)
        column, valid = ByteColumn.of(opened), np.flatnonzero(np.asarray(opened.is_valid()))
        if self._pad_to:
            lengths, unmarked = unpadded(column)
            failed |= unmarked & np.asarray(opened.is_valid())
            offsets, data = column.compact()
            shown = lengths[valid]
            opened = scattered(runs(data, offsets[valid], shown), shown, valid, len(opened))
        reject("not-authentic", wrong | failed)
        return _as(opened, data_type)


class SealedOperator(Operator):
    """An operator that seals values: its declaration has fields `domain`, `form`, `prefix` and `pad_to`."""

    domain: str
    form: Form
    prefix: Prefix
    pad_to: PadTo | None

    def sealed(self, keys: SubKeys) -> Sealed:
        """What its arguments and its subkey make."""
        key = keys[self.requests()[0]]
        return Sealed(key, self.domain, form=self.form, prefix=self.prefix, pad_to=self.pad_to)


def _as(opened: pa.Array, data_type: pa.DataType) -> pa.Array:
    if is_binary(data_type):
        return opened.cast(data_type)
    text = opened.cast(pa.large_string())
    try:
        return text.cast(data_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return text.cast(pa.string())
