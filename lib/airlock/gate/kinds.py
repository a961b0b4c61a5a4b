"""A column's values by kind: what operators put there themselves would make the raw rest look shared. Called by the uniqueness check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.shapes import offenders
from airlock.policy.choices import constants_of, prefixes_of
from airlock.policy.formats import (
    Between,
    Ciphertext,
    Constant,
    FewValues,
    FromPool,
    Host,
    IntegerToken,
    MaskedText,
    MultipleOf,
    OneOf,
    Perturbed,
    Shape,
    Token,
    shape_parts,
)
from airlock.policy.mail_domains import OTHER_DOMAIN

__all__ = ["kinds"]

_REST, _LISTED, _AROUND = "", "listed", "around tokens"


def kinds(values: pa.Array, shape: Shape) -> dict[str, pa.Array]:
    """What the values (no nulls) say of their rows: of tokens what stands around them, texts of lists, and the rest.

    Example:
        >>> from airlock.policy.formats import AnyOf
        >>> shape = AnyOf(shapes=(Constant(text="gone"), OneOf(values=("a", "b")), Token(alphabet="01", length=2)))
        >>> {kind: found.to_pylist() for kind, found in kinds(pa.array(["gone", "a", "01", "x"]), shape).items()}
        {'listed': ['a'], '': ['x']}
    """
    if values.type == pa.string_view():  # over which Arrow has no filter
        values = values.cast(pa.large_string())
    if isinstance(shape, Token):  # whatever is none is the shapes check's
        return {_AROUND: _around(values, shape)}
    parts = shape_parts(shape)
    rest, found = values, {}
    tokens = [part for part in parts if isinstance(part, Ciphertext | Token)]
    telling = len(prefixes_of(tokens)) > 1
    around = []
    for token in tokens:
        mine, rest = _split(rest, token)
        around += [_around(mine, token)] if telling or _shows(token) else []
    if around:
        found[_AROUND] = pa.concat_arrays(around)
    if len(parts) > 1:
        mine, rest = _listed(rest, parts)
        found |= {_LISTED: mine} if len(mine) else {}
    for part in _own(parts):
        rest = _split(rest, part)[1]
    return {**found, _REST: rest}


def _listed(values: pa.Array, parts: Sequence[Shape]) -> tuple[pa.Array, pa.Array]:
    lists = [part.values for part in parts if isinstance(part, OneOf)]
    constants = constants_of(parts)
    texts = {text for each in lists for text in each} | (constants if len(constants) > 1 else set())
    return _split(values, OneOf(values=tuple(sorted(texts)))) if texts else (values.slice(0, 0), values)


def _own(parts: Sequence[Shape]) -> Iterator[Shape]:
    """What operators write whatever the value: closed shapes beside open ones, and the ends of ranges."""
    for part in parts:
        if isinstance(part, Constant | FromPool | IntegerToken) or (isinstance(part, MaskedText) and part.closed):
            if len(parts) > 1:
                yield part
        elif isinstance(part, Between | MultipleOf):
            yield from _ends(part.low, part.high)
        elif isinstance(part, Perturbed) and part.within is not None:
            yield from _ends(*part.within)
        elif isinstance(part, FewValues) and part.other is not None:
            yield Constant(text=str(part.other))
        elif isinstance(part, Host) and part.otherwise is not None:
            yield Constant(text=part.otherwise)


def _ends(*ends: Decimal | None) -> Iterator[Shape]:
    yield from (Between(low=end, high=end) for end in ends if end is not None)


def _split(values: pa.Array, shape: Shape) -> tuple[pa.Array, pa.Array]:
    """The values of a shape, and the others."""
    off = offenders(values, shape)
    if not off.any():
        return values, values.slice(0, 0)
    if off.all():
        return values.slice(0, 0), values
    return values.filter(pa.array(~off)), values.filter(pa.array(off))


def _shows(token: Ciphertext | Token) -> bool:
    return isinstance(token, Token) and (token.domains is not None or token.first + token.last > 0)


def _around(values: pa.Array, shape: Ciphertext | Token) -> pa.Array:
    """The prefix and characters around tokens that stay readable; of mail addresses the domains, but the one for all others."""
    plain = (values.dictionary_decode() if pa.types.is_dictionary(values.type) else values).cast(pa.string())
    if isinstance(shape, Ciphertext):
        return pc.utf8_slice_codeunits(plain, 0, len(shape.prefix))
    before = shape.first + len(shape.prefix)
    after = pc.utf8_slice_codeunits(plain, before + shape.length)
    if shape.domains is None:
        return pc.binary_join_element_wise(pc.utf8_slice_codeunits(plain, 0, before), after, "")
    domains = pc.utf8_slice_codeunits(after, 1)
    return domains.filter(pc.not_equal(domains, OTHER_DOMAIN))
