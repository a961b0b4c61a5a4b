"""Worth another try."""

from __future__ import annotations

from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "IsolationUnwatchedError",
    "LeaseHeldError",
    "NotReleasedError",
    "PointerMovedError",
    "RunDeadlineError",
    "ShardsMissingError",
    "SourceChangedError",
    "StorageUnavailableError",
    "TransientError",
]


class TransientError(AirlockError):
    """Temporary: the same command may succeed later. The only errors worth a retry."""

    code = "temporary"
    exit_code = 75
    actor: ClassVar[Actor] = "nobody: run again"
    remedy = "Run the same command again."


class IsolationUnwatchedError(TransientError):
    """Preflight's verdict ran out during the run and no new one came: whoever watches the zone is gone, or can't see it."""

    code = "isolation-unwatched"
    remedy = "Look at the preflight pod, then start it and the same command again: finished splits are kept."


class LeaseHeldError(TransientError):
    """Another run of the same dataset holds the lease."""

    code = "lease-held"


class NotReleasedError(TransientError):
    """Zone `sanitized` does not know the run: the outer door has not come to it yet, or refused it."""

    code = "not-released"
    remedy = "Ask again later. Who may read zone staging sees by 'airlock runs show RUN' whether it waits or was refused."


class PointerMovedError(TransientError):
    """Another release was published since this one began."""

    code = "pointer-moved"


class RunDeadlineError(TransientError):
    """The run took longer than setting `run_seconds` says: executors that can't reach their driver hang without an error."""

    code = "run-deadline"
    remedy = "Look whether the executors started, then run the same command again: finished splits are kept."


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
