"""Every exception of Airlock, one tree.

The class says the exit code, a stable error code, who acts and what they do; the message says what happened, found against
expected, and never quotes a cell value. `airlock explain CODE` prints what stands here.
"""

from airlock.errors._base import AirlockError, all_errors
from airlock.errors._boundary import (
    AdmissionError,
    BoundaryError,
    IsolationDriftError,
    IsolationUnprovenError,
    KeyAccessError,
    KeyEpochError,
    KeyFileError,
    KeyProviderError,
    PermitError,
    ZonesOverlapError,
)
from airlock.errors._contract import (
    ContractError,
    ExposedIdentifierError,
    JoinDomainError,
    LossyJoinError,
    LostUniquenessError,
    NoEffectError,
    OutputTypeError,
    PackError,
    ReversibleError,
    SmallDomainError,
)
from airlock.errors._disclosure import (
    DisclosureError,
    FewRowsError,
    FrequencyError,
    KnownValueError,
    LeakedNameError,
    NearlyUniqueError,
    NotProvenError,
    RareValueError,
    RejectedRowsError,
    ResidualEntityError,
    RunRefusedError,
    ShapeError,
    SmallGroupError,
    TooManyValuesError,
)
from airlock.errors._drift import (
    ChangedTypeError,
    DriftError,
    MissingColumnError,
    UnclassifiedColumnError,
    UnreadableSourceError,
)
from airlock.errors._integrity import (
    DigestMismatchError,
    IntegrityError,
    RevokedError,
    RollbackError,
    RowAccountingError,
    RunBoundError,
    SchemaMismatchError,
    SignatureError,
    TaskFailedError,
    UnchangedValuesError,
    UnknownPolicyError,
)
from airlock.errors._policy import (
    ConfigError,
    MissingCapabilityError,
    NotFoundError,
    OperatorTypeError,
    PolicyError,
    PolicyFileError,
    Problem,
    WeakStoreError,
)
from airlock.errors._transient import (
    IsolationUnwatchedError,
    LeaseHeldError,
    NotReleasedError,
    PointerMovedError,
    RunDeadlineError,
    ShardsMissingError,
    SourceChangedError,
    StorageUnavailableError,
    TransientError,
)

for _kind in (Problem, *all_errors().values()):
    # They are told by this name, wherever they stand.
    _kind.__module__ = __name__

__all__ = [
    "AdmissionError", "AirlockError", "BoundaryError", "ChangedTypeError", "ConfigError", "ContractError", "DigestMismatchError",
    "DisclosureError", "DriftError", "ExposedIdentifierError", "FewRowsError", "FrequencyError", "IntegrityError", "IsolationDriftError",
    "IsolationUnprovenError", "IsolationUnwatchedError",
    "JoinDomainError", "KeyAccessError", "KeyEpochError", "KeyFileError", "KeyProviderError", "KnownValueError",
    "LeakedNameError", "LeaseHeldError", "LossyJoinError", "LostUniquenessError", "MissingCapabilityError",
    "MissingColumnError", "NearlyUniqueError", "NoEffectError", "NotFoundError", "NotProvenError", "NotReleasedError", "OperatorTypeError",
    "OutputTypeError", "PackError", "PermitError", "PointerMovedError", "PolicyError", "PolicyFileError", "Problem",
    "RareValueError", "RejectedRowsError", "ResidualEntityError", "ReversibleError", "RevokedError", "RollbackError",
    "RowAccountingError", "RunBoundError", "RunDeadlineError", "RunRefusedError", "SchemaMismatchError", "ShapeError",
    "ShardsMissingError", "SignatureError",
    "SmallDomainError", "SmallGroupError", "SourceChangedError", "StorageUnavailableError", "TaskFailedError",
    "TooManyValuesError", "TransientError", "UnchangedValuesError", "UnclassifiedColumnError", "UnknownPolicyError",
    "UnreadableSourceError", "WeakStoreError", "ZonesOverlapError", "all_errors",
]  # fmt: skip
