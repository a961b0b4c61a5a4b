"""Operator `surrogate`: a realistic value that is nobody's in place of each, equal for equal values of one key domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.aes import Uint64s
from airlock.crypto.cmac import Cmac
from airlock.crypto.columns import nulls
from airlock.crypto.draws import draw_words, up_to
from airlock.errors import OperatorTypeError
from airlock.keys import KeyRequest, SubKeys
from airlock.operators._base import STRICT, Contract, RowOperator
from airlock.operators._canonical import canonical_text, why_not
from airlock.operators._domains import DomainOperator
from airlock.operators._fields import TEXT, wrong_type
from airlock.policy.model import Canonical, KeyDomain
from airlock.policy.pools import GENDERED, LOCALES, Form, Kind, Part, form, installed, parts, possible

if TYPE_CHECKING:
    from airlock.operators._base import Kernel, RowKernel

__all__ = ["GenderOf", "RowSurrogate", "Surrogate"]

_GENDERS = ("any", "female", "male")
_Path = Annotated[str, Field(min_length=1)]


@dataclass(kw_only=True, config=STRICT)
class GenderOf:
    """Which of a column's values, as text, ask for a female first name and which for a male one; others get either."""

    column: _Path
    female: tuple[str, ...] = ()
    male: tuple[str, ...] = ()


@dataclass(kw_only=True, config=STRICT)
class Surrogate(DomainOperator):
    """Replace each value by a realistic one of the same kind: AES-CMAC (SP 800-38B) of its canonical text chooses from word lists.

    Columns of one domain, recipient and epoch get equal surrogates for equal canonical texts, in every table; for another
    recipient they are others. A surrogate has parts (first name, last name, place, house number); each is chosen by its own digest of
    the tag, so columns that are made `of` the same columns show one person, or one place: city, state and post code fit together, an
    e-mail address fits the name.

    Guarantee: without the key a surrogate says nothing about its value beyond which rows share it, as long as AES is a
    pseudo-random function; every text of a list of N is as likely as any other, to within 2^-64. Different values can share a
    surrogate, the sooner the fewer there are (`plan` says how many), so it can't be joined on. E-mail domains are those
    of RFC 2606, phone numbers those kept for fiction, or of an area that does not exist. Names, companies and streets are common
    ones: that somebody real is called so is chance. A value becomes itself once in N times, by the same chance.

    Frequencies stay visible, those of values that share a surrogate added up: a kind of fewer than 10,000 (`first_name`, `city`)
    shows few that repeat, whatever the column holds, so a policy must accept them (`accept_frequency`), as for pseudonyms.

    Source: ISO/IEC 20889:2018, pseudonymization; word lists of Faker; places in `policy/pools/places.txt`.

    Args:
        kind: `address` (one line), `city`, `company`, `country`, `email`, `first_name`, `full_name`, `job`, `last_name`, `phone`,
            `postcode`, `state`, `street` (with house number) or `username`.
        domain: Key domain, one of the policy's `keys.domains`.
        locale: Whose lists: `de_DE`, `en_GB`, `en_US`, `es_ES`, `fr_FR`, `it_IT`, `ja_JP`, `nl_NL`, `pl_PL`, `pt_BR` or `sv_SE`.
        gender: Of first names: `female`, `male`, `any`; or by another column, as in `{column: sex, female: [F], male: [M]}`.
        of: Columns, in this order, in place of the value itself: all columns made of the same ones show one record. Null stays null.
        canonical: The domain's canonical steps; `resolve` fills them in.

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator = Surrogate(kind="full_name", domain="person")
        >>> keys = SubKeys({request: bytes(32) for request in operator.requests()}, {})
        >>> made = operator.kernel(pa.field("name", pa.string()), keys)(pa.array(["Ada Lovelace", None, "Ada Lovelace"]))
        >>> made[0].as_py() == made[2].as_py() != "Ada Lovelace", made[1].as_py()
        (True, None)
    """

    name: ClassVar[str] = "surrogate"
    example: ClassVar[str] = (
        "name: {type: string, class: direct_identifier, surrogate: {kind: full_name, domain: person, locale: de_DE}}"
    )
    distributions: ClassVar[tuple[str, ...]] = ("faker",)

    kind: Kind
    domain: Annotated[str, Field(min_length=1)]
    locale: str = "en_US"
    gender: str | GenderOf = "any"
    of: tuple[_Path, ...] = ()
    canonical: tuple[Canonical, ...] = ()

    @field_validator("locale")
    @classmethod
    def _known(cls, locale: str) -> str:
        if locale not in LOCALES:
            raise ValueError(f"there are surrogates for {', '.join(LOCALES)}")
        return locale

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if isinstance(self.gender, str) and self.gender not in _GENDERS:
            raise ValueError("gender is female, male or any, or {column: ..., female: [...], male: [...]}")
        if self.gender != "any" and self.kind not in GENDERED:
            raise ValueError(f"a {self.kind} has no gender; {', '.join(GENDERED)} have")
        return self

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Build from a policy's arguments: one that looks at other columns where they name some."""
        looks = bool(arguments.get("of")) or isinstance(arguments.get("gender"), Mapping)
        kind: Any = RowSurrogate if looks else Surrogate
        made: Any = super(Surrogate, kind).from_dict(arguments)
        return made

    @property
    def contract(self) -> Contract:
        """Deterministic and keyed, neither injective nor reversible."""
        chance = 1 / self.images if installed() else 1.0
        return Contract(technique="pseudonymization", keyed=True, same_form=True, chance=chance)

    @property
    def images(self) -> int:
        """How many different surrogates there are. Raises MissingCapabilityError without the word lists."""
        return possible(self._form())

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's."""
        return (KeyRequest("surrogate", "aes-cmac", self.domain),)

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """With the domain's canonical steps filled in.

        Raises:
            ValueError: The policy has no such domain, or this declaration says other steps than the domain does.
            MissingCapabilityError: The word lists are not installed.
        """
        self._form()
        return super().resolve(domains)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text."""
        problem = why_not(field.type, self.canonical)
        if problem:
            raise wrong_type(self.name, field, problem)
        return pa.field(field.name, pa.string(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys) -> Kernel | RowKernel:
        """Canonical text, its CMAC, its places in the pools, their texts joined."""
        self.result_field(field)
        words, of = self._words(keys), self._form()
        return lambda values: _made(of, words(canonical_text(values, self.canonical)), nulls(values))

    def _form(self, gender: str | None = None) -> Form:
        own = self.gender if isinstance(self.gender, str) else "any"
        return form(self.kind, self.locale, gender or own)

    def _words(self, keys: SubKeys) -> Callable[[pa.Array], Uint64s]:
        """Half of each value's tag, as a number."""
        mac = Cmac(keys[self.requests()[0]])
        return lambda text: draw_words(mac.tags(text))


@dataclass(kw_only=True, config=STRICT)
class RowSurrogate(Surrogate, RowOperator):
    """A surrogate made of other columns, or of the gender that another column says: what `Surrogate` is with `of`, or `gender: {...}`.

    Guarantee: as for Surrogate.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it is made of, and the gender's column."""
        gender = (self.gender.column,) if isinstance(self.gender, GenderOf) else ()
        return tuple(dict.fromkeys((*self.of, *gender)))

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Columns with a canonical text; for the gender text or integers."""
        for path in self.of:
            problem = why_not(types[path], self.canonical)
            if problem:
                raise OperatorTypeError(
                    f"'{self.name}' can't be made of '{path}', which is {types[path]}: {problem}", column=path
                )
        if isinstance(self.gender, GenderOf):
            column, kind = self.gender.column, types[self.gender.column]
            if kind not in TEXT and not pa.types.is_integer(kind):
                message = f"'{self.name}' can't tell a gender from '{column}', which is {kind}; it takes text or integers"
                raise OperatorTypeError(message, column=column)

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """As for one column, over the row's tuple; first names of each gender apart."""
        self.result_field(field)
        words = self._words(keys)

        def surrogates(rows: pa.StructArray) -> pa.Array:
            columns = {rows.type.field(at).name: column for at, column in enumerate(rows.flatten())}
            value = columns["value"]
            texts = [canonical_text(columns[path], self.canonical) for path in self.of]
            tags = words(_tuples(texts) if texts else canonical_text(value, self.canonical))
            return self._by_gender(columns, tags, nulls(value))

        return surrogates

    def _by_gender(self, columns: Mapping[str, pa.Array], tags: Uint64s, missing: NDArray[np.bool_]) -> pa.Array:
        made = _made(self._form(), tags, missing)
        if not isinstance(self.gender, GenderOf):
            return made
        says = columns[self.gender.column].cast(pa.string())
        for gender, values in (("female", self.gender.female), ("male", self.gender.male)):
            chosen = pc.is_in(says, value_set=pa.array(values, pa.string()))
            rows = np.asarray(chosen)
            made = pc.replace_with_mask(made, chosen, _made(self._form(gender), tags[rows], missing[rows]))
        return made


def _tuples(texts: Sequence[pa.Array]) -> pa.Array:
    """The columns' texts as one run of bytes a row: for each a byte 1, its length in eight bytes, itself; nine zeros for null."""
    pieces: list[pa.Array] = []
    for text in texts:
        heads = np.zeros((len(text), 9), np.uint8)
        heads[:, 0] = ~nulls(text)
        whole = pc.fill_null(text, "").cast(pa.large_binary())
        heads[:, 1:] = np.asarray(pc.binary_length(whole)).astype("<u8").view(np.uint8).reshape(-1, 8)
        pieces += [_fixed(heads), whole]
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))


def _fixed(rows: NDArray[np.uint8]) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    return pa.Array.from_buffers(pa.large_binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows)])


# --- from a tag to a text ---------------------------------------------------------------------------------------------


@cache
def _salt(role: str) -> np.uint64:
    return np.uint64(int.from_bytes(sha256(role.encode()).digest()[:8], "little"))


def _places(tags: Uint64s, part: Part) -> NDArray[np.int64]:
    """Where in the part's pool each tag points. The role's salt and splitmix64 (Steele, Lea, Flood 2014) make the roles' choices
    independent.
    """
    mixed = tags ^ _salt(part.role)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    return up_to(mixed, len(part.texts))


def _made(of: Form, tags: Uint64s, missing: NDArray[np.bool_]) -> pa.Array:
    mask = missing if missing.any() else None
    pieces = [
        pa.scalar(part, pa.string()) if isinstance(part, str) else part.texts.take(pa.array(_places(tags, part), mask=mask))
        for part in parts(of)
    ]
    return pieces[0] if len(pieces) == 1 else pc.binary_join_element_wise(*pieces, pa.scalar("", pa.string()))
