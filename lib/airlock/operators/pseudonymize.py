"""Operator `pseudonymize`: a keyed token for each value, equal for equal values of one key domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.aes import Uint8s
from airlock.crypto.cmac import Cmac
from airlock.crypto.columns import nulls
from airlock.crypto.encode import encode_base32, encode_hex, encode_uuid
from airlock.keys import KeyRequest, SubKeys
from airlock.operators._base import STRICT, Contract
from airlock.operators._canonical import canonical_text
from airlock.operators._domains import ABSENT, DomainOperator, keyed_field
from airlock.operators._fields import TEXT
from airlock.operators._integers import INTEGER_FORMS, integer_tokens, integers_of, why_no_integer
from airlock.policy.mail_domains import OTHER_DOMAIN, kept_mail_domains
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["Pseudonymize"]

_ENCODERS = {"hex": encode_hex, "base32": encode_base32, "uuid": encode_uuid}


def _choice(value: object) -> object:
    """`keep_domain` as declared, its list sorted."""
    return value if value in (None, "common") else kept_mail_domains(value)


_RECEIVED_AT = pa.scalar("@", pa.string())


@dataclass(kw_only=True, config=STRICT)
class Pseudonymize(DomainOperator):
    """Replace each value by a token: AES-CMAC (SP 800-38B) of its canonical text under the key domain's key.

    Columns of one domain, recipient and epoch get equal tokens for equal canonical texts, whatever their types, so they join;
    under another domain, recipient or epoch the tokens are unlinkable. The integer forms encrypt whole numbers instead (FF1, SP
    800-38G, radix 2), each into an integer of its own range.

    Guarantee: without the key a token says nothing about its value beyond which rows share it, as long as AES is a
    pseudo-random function. With n distinct values two share a token with probability below n^2 / 2^129 (128 bits),
    n^2 / 2^97 (96) or n^2 / 2^123 (uuid, which gives six bits to version and variant); of the integer forms no two do. Frequencies
    stay visible: a policy must accept them (`accept_frequency`) where they could invert the tokens. Whoever holds the key can test
    guesses, and turn the integer forms back: a rule with one says `reversible: allowed`.

    Args:
        domain: Key domain, one of the policy's `keys.domains`.
        form: `hex` (32 characters), `base32` (26), `uuid` (version 8); `int64` (2^62 to 2^63 - 1, from numbers below 2^61 either way)
            or `int32` (2^30 to 2^31 - 1, below 2^29), from integers, or from digits under the canonical step `decimal`; other numbers
            are rejected (`out-of-range`). The two join with each other no more than with texts.
        prefix: Before each token, such as `cus_`.
        bits: Of the tag that are kept: 128, or 96 (24 hex or 20 base32 characters).
        keep_domain: For mail addresses, `token@domain` where a listed domain stays and any other becomes `other.invalid`: `common`
            for well-known public providers, or the policy's own list, such as `[example.org, uni.example]`, of domains that many
            people share. The token is still made from the whole address.
        presence: `keep`: null stays null. `hide`: null gets a token too, one that no text has.
        keep_first: Characters of the text as it came that stay readable before the token, for texts longer than both ends.
        keep_last: And after it.
        normalize: Steps, named as canonical ones, that this column's values take before the domain's.
        canonical: The domain's canonical steps; `resolve` fills them in.

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator = Pseudonymize(domain="customer", prefix="cus_", bits=96, canonical=(Canonical.DECIMAL,))
        >>> keys = SubKeys({operator.requests()[0]: bytes(32)}, {})
        >>> token = lambda array: operator.kernel(pa.field("id", array.type), keys)(array).to_pylist()
        >>> token(pa.array([42, None]))
        ['cus_c24a99fbe83e9008eaa557e0', None]
        >>> token(pa.array(["0042"])) == token(pa.array([42]))
        True
    """

    name = "pseudonymize"
    example = "email: {type: string, class: direct_identifier, pseudonymize: {domain: email, form: hex}}"
    shorthand = "domain"

    domain: Annotated[str, Field(min_length=1)]
    form: Literal["hex", "base32", "uuid", "int64", "int32"] = "hex"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{0,32}$")] = ""
    bits: Literal[128, 96] = 128
    keep_domain: Annotated[Literal["common"] | tuple[str, ...] | None, BeforeValidator(_choice)] = None
    presence: Literal["keep", "hide"] = "keep"
    keep_first: Annotated[int, Field(ge=0, le=32)] = 0
    keep_last: Annotated[int, Field(ge=0, le=32)] = 0
    normalize: tuple[Canonical, ...] = ()
    canonical: tuple[Canonical, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.form in INTEGER_FORMS and (self.prefix or self.keep_domain or self.shown or self.bits != 128):  # noqa: PLR2004 - the default
            raise ValueError(f"form {self.form} is a number: leave out prefix, bits, keep_domain, keep_first and keep_last")
        if self.keep_domain and self.shown:
            raise ValueError("keep_domain shows what keep_first and keep_last would add to; leave one of them out")
        if self.form == "uuid" and self.bits != 128:  # noqa: PLR2004 - a UUID's own length
            raise ValueError("form uuid has 128 bits; leave `bits` out, or take form hex or base32")
        return self

    @property
    def shown(self) -> int:
        """How many characters at the ends stay readable."""
        return self.keep_first + self.keep_last

    @property
    def contract(self) -> Contract:
        """Deterministic, injective up to the collision bound, keyed; the integer forms, which are encrypted, are reversible, too."""
        integer = self.form in INTEGER_FORMS
        technique = "cryptographic: format-preserving encryption" if integer else "pseudonymization"
        return Contract(technique=technique, injective=True, reversible=integer, keyed=True)

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's."""
        return (KeyRequest("pseudonymize", "aes-ff1" if self.form in INTEGER_FORMS else "aes-cmac", self.domain),)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text, or the form's integer type."""
        made = keyed_field(self.name, field, self._steps, self._why_not(field.type))
        return made.with_type(INTEGER_FORMS.get(self.form, made.type))

    def _why_not(self, data_type: pa.DataType) -> str | None:
        """Why this declaration does not take a type that has a canonical text."""
        if self.keep_domain and data_type not in TEXT:
            return "keep_domain needs text"
        if self.shown and data_type not in TEXT:
            return "keep_first and keep_last need text"
        return why_no_integer(data_type, self._steps) if self.form in INTEGER_FORMS else None

    @property
    def _steps(self) -> tuple[Canonical, ...]:
        return (*self.normalize, *self.canonical)

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Canonical text, its CMAC, its encoding: three columnar steps; of the integer forms, FF1 over numbers."""
        self.result_field(field)
        key = keys[self.requests()[0]]
        if self.form in INTEGER_FORMS:
            return integer_tokens(key, form=self.form, steps=self._steps, hide=self.presence == "hide")
        mac = Cmac(key)
        absent = mac.tags(ABSENT)[0]

        def tokens(values: pa.Array) -> pa.Array:
            text = canonical_text(values, self._steps)
            tags = mac.tags(text)
            if self.presence == "keep":
                encoded = self._encode(tags, text)
            else:
                tags[nulls(text)] = absent
                encoded = self._encode(tags, None)
            if self.keep_domain is not None:
                encoded = _with_domain(encoded, text, kept_mail_domains(self.keep_domain))
            return _between(encoded, values, self.keep_first, self.keep_last) if self.shown else encoded

        return tokens

    def reverse(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """Of the integer forms: from tokens back to numbers (`_integers.integers_of`)."""
        if self.form not in INTEGER_FORMS:
            return super().reverse(field, keys)
        self.result_field(field)
        return integers_of(keys[self.requests()[0]], form=self.form, raw=field.type)

    def _encode(self, tags: Uint8s, nulls_of: pa.Array | None) -> pa.Array:
        return _ENCODERS[self.form](tags[:, : self.bits // 8], prefix=self.prefix, nulls_of=nulls_of)


def _with_domain(tokens: pa.Array, addresses: pa.Array, listed: Sequence[str]) -> pa.Array:
    """`token@domain`, where the domain is what follows the last '@' if it is a listed one."""
    parts = pc.split_pattern(pc.fill_null(addresses, ""), pattern="@", max_splits=1, reverse=True)
    last = np.asarray(parts.offsets)[1:] - 1
    domains = pc.utf8_lower(parts.values.take(pa.array(last))).cast(pa.string())
    known = pc.is_in(domains, value_set=pa.array(listed, pa.string()))
    kept = pc.and_(pc.equal(pc.list_value_length(parts), 2), known)
    return pc.binary_join_element_wise(tokens, pc.if_else(kept, domains, OTHER_DOMAIN), _RECEIVED_AT)


def _between(tokens: pa.Array, texts: pa.Array, first: int, last: int) -> pa.Array:
    """Each token between the ends of its text; alone where the text has no more than those."""
    plain = pc.fill_null(texts.cast(pa.string()), "")
    short = pc.less_equal(pc.utf8_length(plain), first + last)
    plain = pc.if_else(short, "", plain)
    ends = pc.utf8_slice_codeunits(plain, -last) if last else pa.scalar("", pa.string())
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(plain, 0, first), tokens, ends, "")
