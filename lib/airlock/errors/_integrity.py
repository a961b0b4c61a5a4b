"""Something is not what was signed or counted, or could not be carried out."""

from __future__ import annotations

from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "DigestMismatchError",
    "IntegrityError",
    "RevokedError",
    "RollbackError",
    "RowAccountingError",
    "RunBoundError",
    "SchemaMismatchError",
    "SignatureError",
    "TaskFailedError",
    "UnchangedValuesError",
    "UnknownPolicyError",
]


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
