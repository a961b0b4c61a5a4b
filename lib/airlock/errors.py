"""Every exception of Airlock, one tree.

The class says the exit code, a stable error code, who acts and what they do; the message says what happened, found against
expected, and never quotes a cell value. `airlock explain CODE` prints what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "AirlockError", "BoundaryError", "ChangedTypeError", "ConfigError", "ContractError", "DigestMismatchError",
    "DisclosureError", "DriftError", "ExposedIdentifierError", "FrequencyError", "IntegrityError", "JoinDomainError",
    "KeyAccessError", "KeyEpochError", "KeyFileError", "KeyProviderError", "KnownValueError", "LeakedNameError",
    "LeaseHeldError", "LossyJoinError", "LostUniquenessError", "MissingCapabilityError", "MissingColumnError",
    "NearlyUniqueError", "NoEffectError", "NotFoundError", "NotProvenError", "OperatorTypeError", "OutputTypeError",
    "PackError", "PermitError", "PointerMovedError", "PolicyError", "PolicyFileError", "Problem", "RejectedRowsError",
    "ResidualEntityError", "ReversibleError", "RevokedError", "RollbackError", "RowAccountingError", "RunBoundError",
    "SchemaMismatchError", "ShapeError", "ShardsMissingError", "SignatureError", "SmallDomainError", "SmallGroupError",
    "SourceChangedError", "StorageUnavailableError", "TaskFailedError", "TransientError", "UnchangedValuesError",
    "UnclassifiedColumnError", "UnknownPolicyError", "UnreadableSourceError", "ZonesOverlapError", "all_errors",
]  # fmt: skip

Actor = Literal["policy owner", "data owner", "platform team", "privacy team", "nobody: run again"]


class AirlockError(Exception):
    """Something unexpected: the root of every error that Airlock raises on purpose.

    Attributes:
        facts: What a machine may want to know: names, counts, limits. Never a cell value.

    Example:
        >>> AirlockError("no such run", run="r1").facts
        {'run': 'r1'}
    """

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[int] = 1
    actor: ClassVar[Actor] = "platform team"
    remedy: ClassVar[str] = "Run again with --debug inside the zone and report what it shows."

    def __init__(self, message: str, /, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


def all_errors(root: type[AirlockError] = AirlockError) -> dict[str, type[AirlockError]]:
    """Map each stable error code to its class, the whole tree below `root`."""
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= all_errors(child)
    return found


# --- the policy or the command is wrong: nothing was read -------------------------------------------------------------


class PolicyError(AirlockError):
    """The policy, the configuration or the command can't be carried out as written."""

    code = "policy-invalid"
    exit_code = 2
    actor: ClassVar[Actor] = "policy owner"
    remedy = "Mend the named lines; 'airlock plan POLICY' checks them without reading a row."


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a policy file: where (`file:line:column`, 1-based; 0 where unknown) and what, with the next step.

    Attributes:
        code: Of the error that explains it ('airlock explain CODE'); empty where the message says all.
    """

    file: str
    line: int
    column: int
    message: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f" [{self.code}]" if self.code else "")


class PolicyFileError(PolicyError):
    """A policy file has faults; all of them are named at once."""

    code = "policy-file"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        head = f"{count} problem{'s' if count > 1 else ''} in the policy:"
        codes = sorted({problem.code for problem in self.problems if problem.code})
        super().__init__("\n".join([head, *map(str, self.problems)]), problems=count, codes=codes)


class OperatorTypeError(PolicyError):
    """An operator was given a column of a type that it does not take."""

    code = "operator-type"
    remedy = "Choose an operator for this type ('airlock operators' lists them), or correct `type`."


class ContractError(PolicyError):
    """An operator's contract does not allow this use: a struct under a mask, say."""

    code = "operator-contract"


class LossyJoinError(ContractError):
    """A join key has an operator under which different keys may become one, or one may become several: rows would join wrongly, or not."""

    code = "join-lossy"
    remedy = "Pseudonymize the column in the key domain of the one that it references, or take `references` out."


class JoinDomainError(ContractError):
    """Two columns that are to join would not: another key domain, canonical form, operator, recipient or epoch."""

    code = "join-domain"
    remedy = "Give both columns the same operator, arguments and key domain, and both policies the same recipient and epoch."


class SmallDomainError(ContractError):
    """Format-preserving encryption of values of which there are fewer than a million: a table of all of them can be made."""

    code = "fpe-domain-small"
    remedy = "Take a longer min_length or a larger alphabet (radix^min_length >= 1,000,000, NIST SP 800-38G Rev. 1), or pseudonymize."


class ReversibleError(ContractError):
    """What would be published can be turned back: by whoever holds the key, or, without a key, by anybody."""

    code = "reversible"
    remedy = "Say `reversible: allowed` in the rule if the recipient may hold what can be turned back, or take a keyed one-way operator."


class LostUniquenessError(ContractError):
    """A column that is declared unique has an operator under which different values may become one."""

    code = "uniqueness-lost"
    remedy = "Take an injective operator ('airlock operators list'), such as pseudonymize, or take `unique: true` out."


class ExposedIdentifierError(ContractError):
    """A direct identifier has an operator that keeps something of it: generalized, it may still identify."""

    code = "identifier-exposed"
    remedy = "Drop, redact, pseudonymize, encrypt or replace it by a surrogate; or, if it is none, correct its class."


class OutputTypeError(ContractError):
    """The column would be written with another type than the rule's `output` promises its readers."""

    code = "output-type"
    remedy = "Correct `output`, or take an operator or form that writes this type."


class PackError(ContractError):
    """The policy does not meet the pack that it names: a regulation's list of what must be removed, and how."""

    code = "pack"
    remedy = "Mend the named columns as the message says, or say under `pack` what the source does not have and which codes may stay."


class NoEffectError(ContractError):
    """A rule changed none of the sampled values: it is the wrong rule, or its arguments are wrong."""

    code = "no-effect"
    remedy = "Correct the rule's arguments; if the values are right as they are, say accept_no_effect: REASON in it."


class ConfigError(PolicyError):
    """airlock.yaml, a flag or an AIRLOCK_* variable is missing or wrong."""

    code = "config-invalid"
    actor: ClassVar[Actor] = "platform team"
    remedy = "'airlock config' prints every setting with its origin; 'airlock doctor' checks them."


class MissingCapabilityError(PolicyError):
    """The policy asks for something that nothing installed can do."""

    code = "capability-missing"
    actor: ClassVar[Actor] = "platform team"
    remedy = "Install the named extra, or take the request out of the policy."


class NotFoundError(PolicyError):
    """A named thing does not exist: a dataset, a release, a run, a file."""

    code = "not-found"
    remedy = "Check the name, and the folder that you are in."


# --- drift: the source is not what the policy describes ---------------------------------------------------------------


class DriftError(AirlockError):
    """The source is not what the policy describes. Nothing was written."""

    code = "drift"
    exit_code = 3
    actor: ClassVar[Actor] = "policy owner"
    remedy = "Decide about each named column and add the lines shown; 'airlock draft --update POLICY' appends them."


class UnclassifiedColumnError(DriftError):
    """A column, nested field or map of the source has no rule."""

    code = "unclassified-column"


class MissingColumnError(DriftError):
    """A rule names a column that the source does not have."""

    code = "missing-column"


class ChangedTypeError(DriftError):
    """A column has another type than its rule says."""

    code = "changed-type"


class UnreadableSourceError(DriftError):
    """A source file can't be read in the format that the policy names."""

    code = "unreadable-source"
    actor: ClassVar[Actor] = "data owner"
    remedy = "Mend or remove the named files at the source; 'airlock runs show ID' lists them."


# --- the gate refused: data would disclose a person -------------------------------------------------------------------


class DisclosureError(AirlockError):
    """The gate refused: the staged files would disclose something. Nothing was published."""

    code = "disclosure"
    exit_code = 3
    actor: ClassVar[Actor] = "privacy team"
    remedy = "Change the named rule and run again; the refused run is never published."


class ResidualEntityError(DisclosureError):
    """An entity that must be absent was found in a column."""

    code = "residual-entity"


class ShapeError(DisclosureError):
    """A value does not have the shape that its rule declares."""

    code = "shape"


class SmallGroupError(DisclosureError):
    """An equivalence class is smaller than k."""

    code = "small-group"


class FrequencyError(DisclosureError):
    """A deterministic pseudonym's frequencies would invert it."""

    code = "frequency"


class RareValueError(DisclosureError):
    """Values stay that too few rows of the dataset share, or more different ones than the rule lets stay."""

    code = "rare-value"


class TooManyValuesError(DisclosureError):
    """A column has more different values than can be counted exactly over the dataset."""

    code = "too-many-values"
    remedy = (
        "Generalise the column by row (truncate, generalize_date, ...) or drop it: few values can't stand out among so many."
    )


class FewRowsError(DisclosureError):
    """A column's values would be permuted among too few rows."""

    code = "few-rows"
    remedy = "Join small files at the source, lower min_rows of permute, or drop the column."


class KnownValueError(DisclosureError):
    """A direct identifier of a row stands in a text cell written for that row."""

    code = "known-value"


class RejectedRowsError(DisclosureError):
    """More rows were rejected than `gate.max_rejects` allows."""

    code = "rejected-rows"
    actor: ClassVar[Actor] = "data owner"
    remedy = "'airlock runs show ID' inside the zone lists column and error code; mend the source or raise max_rejects."


class NotProvenError(DisclosureError):
    """An entity can be neither found nor is it accepted under `gate.not_proven`."""

    code = "not-proven"


class NearlyUniqueError(DisclosureError):
    """A kept column is nearly unique: it identifies by itself."""

    code = "nearly-unique"


class LeakedNameError(DisclosureError):
    """A dropped column's name or a partition value stands in a path or footer."""

    code = "leaked-name"


# --- a boundary between the two sides does not hold -------------------------------------------------------------------


class BoundaryError(AirlockError):
    """Something reaches, or could reach, both sides."""

    code = "boundary"
    exit_code = 3
    actor: ClassVar[Actor] = "platform team"
    remedy = "Separate what the message names; no switch turns this check off."


class ZonesOverlapError(BoundaryError):
    """Two zones share a location, an identity or a key."""

    code = "zones-overlap"


class PermitError(BoundaryError):
    """Keys were asked for without a valid permit, or a permit ran out before a commit."""

    code = "permit"


class KeyFileError(BoundaryError):
    """A key file is missing, malformed or readable by others."""

    code = "key-file"
    remedy = "Name the right file under keys, for this user alone (chmod 600); where there is none yet, 'airlock keys init' makes it."


class KeyEpochError(KeyFileError):
    """The root of this epoch is not there: it was never made, or it was destroyed."""

    code = "key-epoch"
    remedy = "Set keys.epoch of the policy to one that 'airlock keys show' lists; what was destroyed does not come back."


class KeyProviderError(BoundaryError):
    """The key service answered, but not with keys that can be used: refused, not there, or malformed."""

    code = "key-provider"
    remedy = (
        "Correct what the message names under keys in airlock.yaml, or in the key service; 'airlock doctor' tries it again."
    )


class KeyAccessError(KeyProviderError):
    """The key service does not let this identity in, or not to this key."""

    code = "key-access"
    remedy = "Check the identity and its policy in the key service: the inner door may read and decrypt, and nobody else."


# --- something is not what was signed or counted ----------------------------------------------------------------------


class IntegrityError(AirlockError):
    """Bytes, counts or signatures do not add up. Nothing was published."""

    code = "integrity"
    exit_code = 3
    actor: ClassVar[Actor] = "platform team"
    remedy = "Treat it as tampering until explained; run again from the source."


class UnchangedValuesError(IntegrityError):
    """Keyed values came out as they went in, more often than by chance: an operator did not do its work."""

    code = "unchanged"
    remedy = "Report it with the version ('airlock --version'); nothing was staged. Until it is mended, drop the column."


class DigestMismatchError(IntegrityError):
    """A file's digest is not the one that the manifest names."""

    code = "digest-mismatch"


class SignatureError(IntegrityError):
    """A signature is missing, wrong, or by a key that is not trusted for this role."""

    code = "signature"
    remedy = "Check which public keys are trusted (--trust, AIRLOCK_TRUST). If they are the right ones, treat it as tampering."


class UnknownPolicyError(IntegrityError):
    """The staged release was made under a policy that the outer door does not hold."""

    code = "unknown-policy"
    remedy = "Approve the policy: add it to the outer door's own --policies folder."


class RollbackError(IntegrityError):
    """An older release or a lower sequence was offered than one already seen."""

    code = "rollback"


class RevokedError(IntegrityError):
    """The current release was withdrawn by the outer door."""

    code = "revoked"
    remedy = "Do not read it, and delete copies; the next release may be read. 'airlock runs list' shows why it was revoked."


class RunBoundError(IntegrityError):
    """A run id is bound to another plan, or was refused or revoked."""

    code = "run-bound"
    remedy = "Use a new run id (leave --run out)."


class RowAccountingError(IntegrityError):
    """Rows in are not rows out + suppressed + rejected."""

    code = "row-accounting"


class SchemaMismatchError(IntegrityError):
    """A staged file's schema is not the one that the policy declares."""

    code = "schema-mismatch"


class TaskFailedError(AirlockError):
    """Some splits could not be processed; up to 20 files are named."""

    code = "task-failed"
    remedy = "'airlock runs show ID' inside the zone lists file, split, column and error code."


# --- worth another try ------------------------------------------------------------------------------------------------


class TransientError(AirlockError):
    """Temporary: the same command may succeed later. The only errors worth a retry."""

    code = "temporary"
    exit_code = 75
    actor: ClassVar[Actor] = "nobody: run again"
    remedy = "Run the same command again."


class LeaseHeldError(TransientError):
    """Another run of the same dataset holds the lease."""

    code = "lease-held"


class PointerMovedError(TransientError):
    """Another release was published since this one began."""

    code = "pointer-moved"


class ShardsMissingError(TransientError):
    """Some shards of a release have left no verdict yet."""

    code = "shards-missing"
    remedy = "Run the named shards ('airlock release POLICY --run ID --shard I/N'), then --finish again."


class SourceChangedError(TransientError):
    """A source file changed while it was read."""

    code = "source-changed"


class StorageUnavailableError(TransientError):
    """A store did not answer, or has no space left."""

    code = "storage-unavailable"
