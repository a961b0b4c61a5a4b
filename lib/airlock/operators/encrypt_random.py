"""Operator `encrypt_random`: encryption that hides even which values are equal; whoever holds the run's key can go back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.crypto.aes import BLOCK, keystream
from airlock.keys import KeyRequest, SubKeys
from airlock.operators._base import STRICT, Contract
from airlock.operators._domains import require_domain
from airlock.operators._sealed import Form, PadTo, Prefix, SealedOperator, sealed_field
from airlock.policy.model import KeyDomain

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["EncryptRandom"]

_STREAM_KEY_BYTES = 32


@dataclass(kw_only=True, config=STRICT)
class EncryptRandom(SealedOperator):
    """Replace each value by an AES-256-SIV ciphertext under a random nonce of its own (RFC 5297, section 3), as text.

    The key is the run's: derived from the key domain's root and the run id, it opens the ciphertexts of one run and no other.
    Nothing joins on them, and two runs over the same rows write different files.

    Guarantee: without the key a ciphertext says nothing about its value but, to a multiple of `pad_to` bytes, how long it is; not even
    which values are equal, unless two of n nonces are (probability below n^2 / 2^129), and then that alone. A changed ciphertext does
    not open, but for one try in 2^128. Whoever holds the root and knows the run id can read everything.

    Source: RFC 5297; padding ISO/IEC 7816-4; nonces AES-256-CTR (SP 800-38A, section 6.5) under a key of the system's random source.

    Args:
        domain: Key domain, one of the policy's `keys.domains`; its canonical steps don't apply, for nothing joins.
        form: `base64url` without padding (RFC 4648, section 5), or `hex`.
        prefix: Before each ciphertext: by it the gate tells ciphertexts from values.
        pad_to: Bytes to a multiple of which each value is padded, itself a multiple of 16; null leaves lengths as they are.

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator = EncryptRandom(domain="customer")
        >>> keys = SubKeys({operator.requests()[0]: bytes(64)}, {})
        >>> field = pa.field("name", pa.string())
        >>> one, other = operator.kernel(field, keys)(pa.array(["ann", "ann"])).to_pylist()
        >>> one == other, len(one) == len(other) == len("enc_") + 64
        (False, True)
        >>> operator.reverse(field, keys)(pa.array([one, other])).to_pylist()
        ['ann', 'ann']
    """

    name = "encrypt_random"
    example = "iban: {type: string, class: direct_identifier, reversible: allowed, encrypt_random: {domain: account}}"
    shorthand = "domain"

    domain: Annotated[str, Field(min_length=1)]
    form: Form = "base64url"
    prefix: Prefix = "enc_"
    pad_to: PadTo | None = 16

    @property
    def contract(self) -> Contract:
        """Not deterministic, injective, keyed, reversible."""
        technique = "cryptographic: randomized encryption"
        return Contract(technique=technique, deterministic=False, injective=True, reversible=True, authentic=True, keyed=True)

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's, of this run."""
        return (KeyRequest("encrypt_random", "aes-siv", self.domain, per_run=True),)

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """This declaration as it is.

        Raises:
            ValueError: The policy has no such domain.
        """
        require_domain(self.domain, domains)
        return self

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text."""
        return sealed_field(self.name, field, ())

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Text (bytes as they are), sealed under fresh nonces and encoded."""
        self.result_field(field)
        sealed = self.sealed(keys)

        def encrypted(values: pa.Array) -> pa.Array:
            # A stream under a key that the system's random source gives for this batch alone: drawing each nonce costs ten times as much.
            nonces = keystream(os.urandom(_STREAM_KEY_BYTES), BLOCK * len(values))
            return sealed.seal(values, nonces=np.frombuffer(nonces, np.uint8).reshape(-1, BLOCK))

        return encrypted

    def reverse(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """From ciphertexts back to values of the raw `field`'s type; `not-authentic` where one does not open."""
        self.result_field(field)
        sealed = self.sealed(keys)
        return lambda texts: sealed.open(texts, field.type, nonces=True)
