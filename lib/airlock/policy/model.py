"""A policy as a value: pydantic models with unknown keys forbidden. `load.py` reads the YAML, `plan` binds operators to it.

An operator stays a name with raw arguments here (`OperatorSpec`); the registry above this layer knows what it means.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from airlock.policy.arrow import parse_type
from airlock.policy.path import ColumnPath
from airlock.types import Classification, Sha256

__all__ = [
    "HIPAA_KINDS", "K_MODEL", "NO_MODEL", "RULE_KEYS", "Canonical", "ColumnRule", "GatePolicy", "KAnonymity", "KeyDomain", "KeysPolicy", "NoPrivacyModel",
    "OperatorSpec", "Pack", "Policy", "PrivacyPolicy", "Retain", "Sink", "Source",
]  # fmt: skip

NAME = re.compile(r"[a-z0-9-]{1,63}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def _relative(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "." in parts or "://" in path:
        raise ValueError("must be a path relative to its zone, without '.', '..' or empty parts")
    return path


_OWN = {"data", "evidence", "history", "current.json"}
"""What a sink holds: a sink inside another must not look like a part of it."""


def _sink(path: str) -> str:
    wrong = [part for part in _relative(path).split("/") if part in _OWN or part.startswith((".", "_"))]
    if wrong:
        raise ValueError(
            f"has the part '{wrong[0]}': no part of a sink's path begins with '.' or '_' or is {', '.join(sorted(_OWN))}; these are Airlock's"
        )
    return path


SinkPath = Annotated[str, BeforeValidator(lambda value: _sink(value) if isinstance(value, str) else value)]
RelativePath = Annotated[str, BeforeValidator(lambda value: _relative(value) if isinstance(value, str) else value)]
Reason = Annotated[str, Field(min_length=1)]
Scalar = str | int | float | bool | date | Decimal


class Source(_Strict):
    """Where the raw rows are, relative to zone `raw`.

    `where` prunes hive partitions (column -> accepted values); `exclude` names a text file in zone `raw` with one subject id
    a line, whose rows are suppressed.
    """

    path: RelativePath
    format: Literal["parquet", "csv", "jsonl"] = "parquet"
    where: dict[str, list[Scalar]] = Field(default_factory=dict)
    exclude: RelativePath | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class Retain(_Strict):
    """How many superseded releases stay however old they are, and for how many days after they were superseded all do.

    With 0 and 0 a release goes as soon as the next one is there and the grace time of its readers has passed.
    """

    releases: int = Field(default=1, ge=0)
    days: int = Field(default=0, ge=0)


class Sink(_Strict):
    """Where the release goes, relative to zone `sanitized`. Both lists name kept or generalized columns only."""

    path: SinkPath
    partition_by: list[str] = Field(default_factory=list)
    statistics: list[str] = Field(default_factory=list)
    retain: Retain = Retain()


class Canonical(StrEnum):
    """One step from a value to the text that a pseudonym is made from."""

    DECIMAL = "decimal"
    TRIM = "trim"
    NFC = "nfc"
    CASEFOLD = "casefold"
    LOWER = "lower"
    UPPER = "upper"
    DIGITS = "digits"
    UUID = "uuid"
    DATE = "date"


class KeyDomain(_Strict):
    """Columns that share pseudonyms, and the canonical form their values are brought to first."""

    canonical: tuple[Annotated[Canonical, Field(strict=False)], ...] = Field(default=(), strict=False)


class KeysPolicy(_Strict):
    """Whose pseudonyms these are. Another recipient or epoch gets unlinkable ones."""

    recipient: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    epoch: int = Field(ge=1)
    domains: dict[str, KeyDomain] = Field(default_factory=dict)


class OperatorSpec(_Strict):
    """An operator as the policy names it: its arguments are not yet validated."""

    name: str
    arguments: Any = None

    def mapping(self, shorthand: str | None) -> dict[str, Any]:
        """The arguments as a mapping; a bare value becomes the `shorthand` argument. Raises ValueError where it can't."""
        if self.arguments is None:
            return {}
        if isinstance(self.arguments, dict):
            return self.arguments
        if shorthand is None:
            raise ValueError(f"'{self.name}' takes named arguments, as in '{self.name}: {{}}'")
        return {shorthand: self.arguments}


HIPAA_KINDS = {
    "names": "A", "geography": "B", "dates": "C", "phone": "D", "fax": "E", "email": "F", "ssn": "G", "medical_record": "H",
    "health_plan": "I", "account": "J", "license": "K", "vehicle": "L", "device": "M", "url": "N", "ip": "O", "biometric": "P",
    "photo": "Q", "other_unique": "R",
}  # fmt: skip
"""The kinds of identifiers of 45 CFR 164.514(b)(2)(i), and their letters."""

RULE_KEYS = (
    "type", "class", "identifier", "optional", "references", "unique", "output", "reversible", "unshaped", "accept_frequency", "accept_no_effect",
)  # fmt: skip
"""Keys of a column's rule that are not an operator."""


class ColumnRule(_Strict):
    """What happens to one column or leaf: its raw type, its classification and exactly one operator.

    Attributes:
        identifier: Which kind of identifier the pack's regulation calls it; `free_text`, which may hold any, or `none`.
        references: `DATASET.COLUMN` that this column must join with.
        unique: Different raw values must stay different.
        output: The Arrow type that readers rely on.
        reversible: `allowed` where an operator may stand whose output can be turned back.
        unshaped, accept_frequency, accept_no_effect: Why what is refused else is right here.
    """

    type: tuple[str, ...] = Field(strict=False)
    classification: Classification = Field(alias="class", strict=False)
    operator: OperatorSpec
    identifier: str | None = None
    optional: bool = False
    references: str | None = None
    unique: bool = False
    output: str | None = None
    reversible: Literal["allowed"] | None = None
    unshaped: str | None = Field(default=None, min_length=1)
    accept_frequency: str | None = Field(default=None, min_length=1)
    accept_no_effect: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _one_operator(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "operator" in data:
            return data
        named = [key for key in data if key not in RULE_KEYS]
        rule = {key: value for key, value in data.items() if key in RULE_KEYS}
        return rule | {"operator": {"name": named[0], "arguments": data[named[0]]} if len(named) == 1 else named}

    @field_validator("operator", mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        if isinstance(value, list):
            raise ValueError(f"needs exactly one operator, found {', '.join(map(str, value)) or 'none'}")  # noqa: TRY004 - pydantic collects ValueError
        return value

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("needs an Arrow type, or a list of them")
        for name in names:
            parse_type(name)
        return tuple(names)

    @field_validator("identifier")
    @classmethod
    def _known_kind(cls, value: str | None) -> str | None:
        if value is not None and value not in {*HIPAA_KINDS, "free_text", "none"}:
            raise ValueError(f"is one of {', '.join(HIPAA_KINDS)}, free_text, none")
        return value

    @field_validator("output")
    @classmethod
    def _a_leafs_type(cls, value: str | None) -> str | None:
        if value is not None and parse_type(value) is None:
            raise ValueError("needs the Arrow type of a leaf")
        return value


class GatePolicy(_Strict):
    """What the outer door checks beyond its floor. `not_proven` and `synthetic` say what is accepted, and why."""

    absent: list[str] = Field(default_factory=list)
    not_proven: dict[str, Reason] = Field(default_factory=dict)
    synthetic: dict[str, str | Annotated[tuple[str, ...], Field(strict=False)]] = Field(default_factory=dict)
    max_rejects: int = Field(default=0, ge=0)

    def accepted(self, column: str) -> frozenset[str]:
        """Entities that the proper values of a column may look like."""
        named = self.synthetic.get(column, ())
        return frozenset({named} if isinstance(named, str) else named)


class KAnonymity(_Strict):
    """Every equivalence class of the written quasi-identifiers has at least `k` rows, or subjects."""

    k: int = Field(ge=2)
    count: Literal["rows", "subjects"] = "rows"


class NoPrivacyModel(_Strict):
    """No privacy model, with the reason."""

    none: str = Field(min_length=1)


K_MODEL, NO_MODEL = "a k-anonymity model", "no privacy model"
"""Tags of a union's branches; pydantic puts them into the place of a fault, where they must look like no key."""


def _which_model(value: Any) -> str:
    named = value if isinstance(value, dict) else vars(value)
    return NO_MODEL if "none" in named else K_MODEL


class PrivacyPolicy(_Strict):
    """The privacy models a release must meet."""

    k_anonymity: Annotated[
        Annotated[KAnonymity, Tag(K_MODEL)] | Annotated[NoPrivacyModel, Tag(NO_MODEL)], Discriminator(_which_model)
    ]


class Pack(_Strict):
    """A regulation that the whole policy must meet (`packs` has its rules).

    Attributes:
        as_of: The day up to which ages are counted; without it the day of the check, so that the policy needs a look every year.
        absent: Kinds of identifiers that the source does not have, and how that is known.
        codes: Columns whose one-way codes stay (164.514(c)), and why nobody can turn them back.
    """

    name: Literal["hipaa-safe-harbor"]
    as_of: Annotated[date, Field(strict=False)] | None = None
    absent: dict[Literal[tuple(HIPAA_KINDS)], Reason] = Field(default_factory=dict)  # type: ignore[valid-type]
    codes: dict[str, Reason] = Field(default_factory=dict)


class Policy(_Strict):
    """One dataset's policy, resolved (`extends` already merged).

    Attributes:
        columns: By path as written, in the file's order.
    """

    api_version: Literal["airlock/v1"] = Field(alias="apiVersion")
    dataset: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    owner: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    source: Source
    sink: Sink
    subject: str
    order: Literal["shuffled"] | Annotated[dict[Literal["kept"], Reason], Field(min_length=1)] = "shuffled"
    unlisted_columns: Literal["refuse", "drop"] = "refuse"
    pack: Annotated[Pack | None, BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)] = None
    keys: KeysPolicy
    columns: dict[str, ColumnRule] = Field(min_length=1)
    gate: GatePolicy = GatePolicy()
    privacy: PrivacyPolicy

    @field_validator("order", mode="before")
    @classmethod
    def _known_order(cls, order: object) -> object:
        if order != "shuffled" and not (isinstance(order, dict) and list(order) == ["kept"]):
            raise ValueError('takes shuffled, or {kept: "why the order of the rows may stay"}')
        return order

    @field_validator("columns")
    @classmethod
    def _paths(cls, columns: dict[str, ColumnRule]) -> dict[str, ColumnRule]:
        seen: dict[ColumnPath, str] = {}
        for text in columns:
            try:
                path = ColumnPath.parse(text)
            except ValueError as error:
                raise ValueError(f"column '{text}': {error}") from None
            if path in seen:
                raise ValueError(f"'{seen[path]}' and '{text}' are one column, which has one rule")
            seen[path] = text
        return columns

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for what, names in (
            ("subject", [self.subject]),
            ("sink.partition_by", self.sink.partition_by),
            ("sink.statistics", self.sink.statistics),
            ("gate.synthetic", list(self.gate.synthetic)),
        ):
            for name in names:
                if name not in self.columns:
                    raise ValueError(f"{what} names '{name}', which has no rule under columns")
        return self

    def rules(self) -> dict[ColumnPath, ColumnRule]:
        """The columns' rules by parsed path."""
        return {ColumnPath.parse(text): rule for text, rule in self.columns.items()}

    def canonical(self) -> bytes:
        """Canonical JSON of the resolved model: sorted keys, no white space, UTF-8."""
        data = self.model_dump(mode="json", by_alias=True)
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> Sha256:
        """SHA-256 of the canonical JSON: the policy's identity."""
        return Sha256(hashlib.sha256(self.canonical()).hexdigest())
