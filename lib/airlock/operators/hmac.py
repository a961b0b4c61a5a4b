"""Operator `hmac`: HMAC-SHA-256 tokens, for those who must match what another system computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import nulls, validity
from airlock.crypto.encode_bytes import encode_bytes
from airlock.crypto.hmac import hmac_sha256
from airlock.keys import KeyRequest, SubKeys
from airlock.operators._base import STRICT, Contract
from airlock.operators._canonical import canonical_text
from airlock.operators._domains import ABSENT, DomainOperator, keyed_field
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["Hmac"]


@dataclass(kw_only=True, config=STRICT)
class Hmac(DomainOperator):
    """Replace each value by HMAC-SHA-256 (RFC 2104) of its canonical text's UTF-8 under the key domain's key.

    Bit for bit Python's `hmac.digest(key, text, "sha256")`. It costs ten times what `pseudonymize` does, which gives the same
    guarantee: take it only where tokens must be computed elsewhere, too.

    Guarantee: without the key a token says nothing about its value beyond which rows share it, as long as SHA-256's compression is a
    pseudo-random function. With n distinct values two share a token with probability below n^2 / 2^257 (256 bits) or n^2 / 2^129
    (128). Frequencies stay visible: a policy must accept them (`accept_frequency`) where they could invert the tokens. Whoever holds
    the key can test guesses.

    Source: RFC 2104, FIPS 198-1.

    Args:
        domain: Key domain, one of the policy's `keys.domains`.
        form: `hex`, or `base64url` without padding (RFC 4648, section 5).
        prefix: Before each token, such as `cus_`.
        bits: Of the tag that are kept: 256, or the first 128.
        presence: `keep`: null stays null. `hide`: null gets a token too, one that no text has.
        canonical: The domain's canonical steps; `resolve` fills them in.

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator = Hmac(domain="customer", bits=128)
        >>> keys = SubKeys({operator.requests()[0]: bytes(32)}, {})
        >>> operator.kernel(pa.field("id", pa.int64()), keys)(pa.array([42, None])).to_pylist()
        ['96ce0a5a8208370ab4abd635460c4c9a', None]
    """

    name = "hmac"
    example = "email: {type: string, class: direct_identifier, hmac: {domain: email, prefix: m_}}"
    shorthand = "domain"

    domain: Annotated[str, Field(min_length=1)]
    form: Literal["hex", "base64url"] = "hex"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{0,32}$")] = ""
    bits: Literal[256, 128] = 256
    presence: Literal["keep", "hide"] = "keep"
    canonical: tuple[Canonical, ...] = ()

    @property
    def contract(self) -> Contract:
        """Deterministic, injective up to the collision bound, keyed, not reversible."""
        return Contract(technique="pseudonymization", injective=True, keyed=True)

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's."""
        return (KeyRequest("hmac", "hmac-sha-256", self.domain),)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text."""
        return keyed_field(self.name, field, self.canonical)

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Canonical text, its tag, its encoding; the tag once per distinct value."""
        self.result_field(field)
        key = keys[self.requests()[0]]
        absent = hmac_sha256(key, ABSENT)[0]

        def tokens(values: pa.Array) -> pa.Array:
            text = canonical_text(values, self.canonical)
            tags = hmac_sha256(key, text)
            if self.presence == "hide":
                tags[nulls(text)] = absent
            width = self.bits // 8
            kept = np.ascontiguousarray(tags[:, :width])
            valid = None if self.presence == "hide" else validity(text)
            made = pa.Array.from_buffers(pa.binary(width), len(text), [valid, pa.py_buffer(kept)])
            return encode_bytes(made, self.form, prefix=self.prefix)

        return tokens
