"""Operator `encrypt`: deterministic encryption, so that equal values stay equal and whoever holds the key can go back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.keys import KeyRequest, SubKeys
from airlock.operators._base import STRICT, Contract
from airlock.operators._domains import DomainOperator
from airlock.operators._sealed import Form, PadTo, Prefix, SealedOperator, sealed_field
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["Encrypt"]


@dataclass(kw_only=True, config=STRICT)
class Encrypt(SealedOperator, DomainOperator):
    """Replace each value by its AES-256-SIV ciphertext (RFC 5297) under the key domain's key, as text.

    Columns of one domain, recipient and epoch get equal ciphertexts for equal canonical texts, so they join; a ciphertext is bound to
    its domain and padding and opens under no other. What comes back is the canonical text. Bytes are sealed as they are (`pseudonymize` takes their hexadecimal text).

    Guarantee: without the key a ciphertext says nothing about its value beyond which rows share it and, to a multiple of `pad_to`
    bytes, how long it is, as long as AES is a pseudo-random permutation; a changed one does not open, but for one try in 2^128.
    Frequencies stay visible: a policy must accept them (`accept_frequency`) where they could invert the ciphertexts. Whoever holds
    the key can read everything.

    Source: RFC 5297; padding ISO/IEC 7816-4.

    Args:
        domain: Key domain, one of the policy's `keys.domains`.
        form: `base64url` without padding (RFC 4648, section 5), or `hex`.
        prefix: Before each ciphertext: by it the gate tells ciphertexts from values.
        pad_to: Bytes to a multiple of which each value is padded, itself a multiple of 16; null leaves lengths as they are.
        canonical: The domain's canonical steps; `resolve` fills them in.

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator = Encrypt(domain="customer")
        >>> keys = SubKeys({operator.requests()[0]: bytes(64)}, {})
        >>> field = pa.field("id", pa.int64())
        >>> sealed = operator.kernel(field, keys)(pa.array([42, None]))
        >>> sealed.to_pylist()
        ['enc_f_AwNkMZEks7Ug7q1YSH0241sWNS8j3MFibt_zDUQKc', None]
        >>> operator.reverse(field, keys)(sealed).to_pylist()
        [42, None]
    """

    name = "encrypt"
    example = "email: {type: string, class: direct_identifier, reversible: allowed, encrypt: {domain: email}}"
    shorthand = "domain"

    domain: Annotated[str, Field(min_length=1)]
    form: Form = "base64url"
    prefix: Prefix = "enc_"
    pad_to: PadTo | None = 16
    canonical: tuple[Canonical, ...] = ()

    @property
    def contract(self) -> Contract:
        """Deterministic, injective, keyed, reversible."""
        return Contract(
            technique="cryptographic: deterministic encryption", injective=True, reversible=True, authentic=True, keyed=True
        )

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's."""
        return (KeyRequest("encrypt", "aes-siv", self.domain),)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text."""
        return sealed_field(self.name, field, self.canonical)

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Canonical text (bytes as they are), sealed and encoded."""
        self.result_field(field)
        sealed = self.sealed(keys)
        return lambda values: sealed.seal(values, self.canonical)

    def reverse(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """From ciphertexts back to values of the raw `field`'s type; `not-authentic` where one does not open."""
        self.result_field(field)
        sealed = self.sealed(keys)
        return lambda texts: sealed.open(texts, field.type)
