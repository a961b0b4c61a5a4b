"""Public and private manifest of a run. The inner door makes both; the outer door makes the released one from its own files.

Neither holds a cell value or a key byte. The private one stays on the raw side: digests of raw files are guess oracles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from airlock.evidence._strict import STRICT, Count, Digest, Name, Path, Record, Time
from airlock.evidence.canonical import canonical_json
from airlock.evidence.schema import SchemaField
from airlock.types import Isolation, Separation

__all__ = [
    "VOLATILE",
    "ColumnFacts",
    "Counts",
    "InputFile",
    "KnownValues",
    "PrivateManifest",
    "PublicManifest",
    "SplitAccount",
    "SplitTotals",
    "StagedFile",
]

VOLATILE = ("created_at", "fence", "outputs.path", "preflight", "private_sha256", "run")
"""Fields that differ when the same run is done again; everything else is byte-equal."""

T = TypeVar("T")


def _sorted_by(key: Callable[[T], Any]) -> AfterValidator:
    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        keys = [key(item) for item in items]
        if len(set(keys)) != len(keys):
            raise ValueError("names one thing twice")
        return tuple(sorted(items, key=key))

    return AfterValidator(check)


@dataclass(frozen=True, config=STRICT)
class StagedFile(Record):
    """One written file.

    Attributes:
        path: Relative to the run's data folder.
    """

    path: Path
    sha256: Digest
    bytes: Count
    rows: Count


@dataclass(frozen=True, config=STRICT)
class Counts(Record):
    """Row accounting. It closes when every row that came in went out, was suppressed, or was rejected.

    Example:
        >>> (Counts(3, 2, 1, 0) + Counts(1, 0, 0, 1)).closed
        True
    """

    rows_in: Count
    rows_out: Count
    suppressed: Count
    rejected: Count

    @property
    def closed(self) -> bool:
        """Whether it adds up."""
        return self.rows_in == self.rows_out + self.suppressed + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            self.suppressed + other.suppressed,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, config=STRICT)
class SplitTotals(Record):
    """A split's counts under its keyed name: the outer door closes the accounting per split."""

    name: Name
    counts: Counts


@dataclass(frozen=True, config=STRICT)
class ColumnFacts(Record):
    """What happened to a column: the operator, and the id of the key it used."""

    operator: str
    key_id: str | None


@dataclass(frozen=True, config=STRICT)
class KnownValues(Record):
    """The inner door's word on direct identifiers in text cells.

    Attributes:
        checked: Whether it looked through every row that it wrote.
        found: In how many cells one was left, by the column written; without columns where none was.
    """

    checked: bool
    found: dict[str, Count]


Outputs = Annotated[tuple[StagedFile, ...], _sorted_by(lambda file: file.path)]
Splits = Annotated[tuple[SplitTotals, ...], _sorted_by(lambda split: split.name)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PublicManifest(Record):
    """What a run wrote, under which policy, by which code. Canonical JSON; `from_bytes` takes nothing else.

    Attributes:
        fence: Of the lease under which it was written.
        code: Versions by name: airlock, pyarrow, python, ...
        columns: By path as the policy writes it.
        splits: Of a staged manifest, for the gate to add up. A released one has none: what became of one file's rows stays inside.
        inputs_commitment: Keyed (HMAC-SHA-256) over the inputs: says whether two runs read the same, and nothing else.
        private_sha256: Digest of the private manifest.
        preflight: Preflight's signed verdict that was in force when the run was staged (`preflighted`): what `isolation: proven` stands on.
        volatile: Fields that differ when the same run is done again, dotted into the outputs.
    """

    what: ClassVar[str] = "manifest"

    version: Literal[1] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
    recipient: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
    run: Name
    fence: Annotated[int, Field(ge=1)]
    owner: str
    purpose: str
    plan_digest: Digest
    policy_sha256: Digest
    code: dict[str, str]
    image_digest: str | None
    outputs: Outputs
    schema: tuple[SchemaField, ...]
    columns: dict[str, ColumnFacts]
    totals: Counts
    splits: Splits
    known_values: KnownValues
    inputs_commitment: Digest
    private_sha256: Digest
    isolation: Isolation
    separation: Separation
    created_at: Time
    preflight: Annotated[str, Field(max_length=65_536)] | None = None
    volatile: tuple[str, ...] = VOLATILE

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; off a cluster there is no verdict to speak of."""
        made = super().to_dict()
        if self.preflight is None:
            del made["preflight"]
        return made

    def stable_bytes(self) -> bytes:
        """Canonical JSON without the volatile fields: equal for equal inputs, policy, keys and code."""
        data = self.to_dict()
        for name in self.volatile:
            field, _, inner = name.partition(".")
            if not inner:
                data.pop(field, None)
            else:
                data[field] = [{key: value for key, value in item.items() if key != inner} for item in data[field]]
        return canonical_json(data)


@dataclass(frozen=True, config=STRICT)
class InputFile(Record):
    """One raw file that was read: its digest, or where it was not hashed whole, the store's version of it."""

    path: Path
    bytes: Count
    version: str
    sha256: Digest | None = None


@dataclass(frozen=True, config=STRICT)
class SplitAccount(Record):
    """A split's counts with what it read: for the raw side only."""

    name: Name
    inputs: tuple[Path, ...]
    counts: Counts


Inputs = Annotated[tuple[InputFile, ...], _sorted_by(lambda file: file.path)]
Accounts = Annotated[tuple[SplitAccount, ...], _sorted_by(lambda split: split.name)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PrivateManifest(Record):
    """What a run read. Stays in zone `private`; the public manifest names its digest.

    Attributes:
        fence: Of the lease under which the run ended: says which of two runs is the later one.
    """

    what: ClassVar[str] = "private manifest"

    version: Literal[1] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
    run: Name
    fence: Annotated[int, Field(ge=1)]
    inputs: Inputs
    splits: Accounts
