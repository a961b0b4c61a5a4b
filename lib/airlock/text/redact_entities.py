"""Redact entities, and the row's own values, from free text; `operators` names this module, plans and executors load it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar

import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from airlock.errors import ContractError, MissingCapabilityError, OperatorTypeError
from airlock.keys import SubKeys
from airlock.operators import STRICT, Contract, RowOperator
from airlock.text import analyzer
from airlock.text.redacting import Redaction
from airlock.types import Classification

if TYPE_CHECKING:
    from airlock.operators._base import RowKernel

__all__ = ["ROWS_PER_SECOND", "RedactEntities"]

ROWS_PER_SECOND = 300
"""Distinct texts a second on one core, for time estimates: measured on 1,000 tickets of 230 characters, seven entities asked
for, a third of the texts holding one, the second search of those included. Loading presidio takes one to six seconds more."""

_TEXT = (pa.string(), pa.large_string(), pa.string_view())
_CONFIG = ConfigDict(**STRICT, serialize_by_alias=True)
_Name = Annotated[str, Field(min_length=1)]


@dataclass(kw_only=True, config=_CONFIG)
class RedactEntities(RowOperator):
    """Replace every entity that presidio's recognizers find, and the row's own values, in free text.

    Each distinct text is searched once. A value of the row counts whatever its case, accents, width or white space, a phone
    number whatever its separators and country code, from four characters on and at word boundaries (`known.occurrences`).

    Guarantee:
        A second search of the output, by the same recognizers, score and known values, finds nothing but the placeholders:
        what a replacement brings forth is replaced too. A text whose search did not complete is rejected, never passed.
        What no recognizer knows and no known value names stays in the text.

    Args:
        entities: What to look for, such as `EMAIL_ADDRESS`; for another than can be found here, the error lists those that can.
        known_values: Paths of this row's columns whose values are removed too.
        min_score: Lowest score of a finding, from 0 to 1. PHONE_NUMBER without a context word scores 0.4.
        with: What replaces each finding; without it `<EMAIL_ADDRESS>` and so on, `<KNOWN_VALUE>` for a known value.

    Example:
        >>> operator = RedactEntities(entities=("EMAIL_ADDRESS",), known_values=("name",))
        >>> field = pa.field("notes", pa.string())
        >>> redact = operator.kernel(field, SubKeys({}, {}))
        >>> rows = [{"value": "ANA LÓPEZ: write to al@example.org", "known": ["Ana López"]}, {"value": None, "known": []}]
        >>> redact(pa.array(rows, pa.struct({"value": pa.string(), "known": pa.list_(pa.string())}))).to_pylist()
        ['<KNOWN_VALUE>: write to <EMAIL_ADDRESS>', None]
    """

    name: ClassVar[str] = "redact_entities"
    example: ClassVar[str] = (
        "notes: {type: string, class: sensitive, redact_entities: {entities: [EMAIL_ADDRESS, PHONE_NUMBER], known_values: [email]}}"
    )
    distributions: ClassVar[tuple[str, ...]] = ("phonenumbers", "presidio-analyzer", "regex", "spacy", "tldextract")

    entities: tuple[_Name, ...] = Field(min_length=1)
    known_values: tuple[_Name, ...] = ()
    min_score: float = Field(default=0.4, ge=0, le=1)
    with_: str | None = Field(default=None, alias="with")

    @property
    def contract(self) -> Contract:
        """Local suppression within a value (ISO/IEC 20889:2018); only for sensitive text, for not all of it goes."""
        return Contract(technique="suppression: local suppression, partial", classes=frozenset({Classification.SENSITIVE}))

    @property
    def known(self) -> tuple[str, ...]:
        """Paths of the columns whose values are removed."""
        return self.known_values

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Every text that stands for what was redacted; `known.occurrences` is to look past them."""
        return self._redaction().placeholders

    @classmethod
    def arguments(cls) -> list[str]:
        """The names of the arguments, as policies write them."""
        return [name.rstrip("_") for name in super().arguments()]

    def result_field(self, field: pa.Field) -> pa.Field:
        """The field as it is.

        Raises:
            OperatorTypeError: It does not hold text.
            MissingCapabilityError: An entity can't be found by what is installed.
            ContractError: A placeholder would itself be taken for an entity.
        """
        if field.type not in _TEXT:
            raise OperatorTypeError(
                f"'redact_entities' takes text (string, large_string, string_view), but column '{field.name}' is {field.type}"
            )
        self.check_entities()
        return field

    def check_entities(self) -> None:
        """Refuse what this installation can't do, before a row is read.

        Raises:
            MissingCapabilityError: presidio is not installed, or an entity has no recognizer (names and places need a model).
            ContractError: A placeholder would itself be taken for an entity.
        """
        _check(self._redaction())

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Compile: rows of `value` and `known` to redacted text. Rejects `entity-search-incomplete`."""
        del field, keys
        return self._redaction()

    def _redaction(self) -> Redaction:
        return Redaction(entities=tuple(dict.fromkeys(self.entities)), min_score=self.min_score, constant=self.with_)


@cache
def _check(redaction: Redaction) -> None:
    can = analyzer.supported_entities()
    missing = sorted(set(redaction.entities) - can)
    if missing:
        raise MissingCapabilityError(
            f"nothing installed can find {', '.join(missing)}; what can be found: {', '.join(sorted(can))}. "
            "Take it out of `entities` and name it under `gate.not_proven` with the reason",
            missing=missing,
        )
    found = analyzer.find(redaction.placeholders, entities=redaction.entities, min_score=redaction.min_score)
    if any(findings is None or findings for findings in found):
        raise ContractError(
            f"what 'redact_entities' puts in would itself be found as an entity at min_score {redaction.min_score}. "
            "Choose another `with`, or a higher `min_score`"
        )
