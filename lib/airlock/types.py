"""Enums and names that every layer shares."""

from __future__ import annotations

import hashlib
import re
import uuid
from enum import StrEnum
from typing import NewType

__all__ = [
    "Classification",
    "DatasetName",
    "Fate",
    "Isolation",
    "RunId",
    "RunState",
    "Separation",
    "Sha256",
    "Zone",
    "fate_of",
    "label_of",
    "run_id_of",
]

DatasetName = NewType("DatasetName", str)
RunId = NewType("RunId", str)
Sha256 = NewType("Sha256", str)
"""Lower-case hex SHA-256, 64 characters."""


_LAUNCHES = uuid.UUID("6b6fe9a4-7b3c-5f0e-9d0a-2f4f1f0f3c11")
"""The name space of runs that are named by what launched them."""


def run_id_of(dataset: str, launch: str) -> RunId:
    """The run id of a launch: a UUIDv5 (RFC 9562, section 5.5), so that a retry is the same run.

    Args:
        dataset: The policy's dataset; one launch may be of several.
        launch: What is the same for every retry and for nothing else: a Job's name, an Airflow data interval.

    Example:
        >>> run_id_of("customers", "nightly-29384720")
        '90db3774-fa75-5632-975d-ac34ded371d9'
    """
    return RunId(str(uuid.uuid5(_LAUNCHES, f"{dataset}\n{launch}")))


_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,52}[a-z0-9])?")
"""What is fit for a label and, with a word before it, for a pod's name (RFC 1123, 63 characters)."""


def label_of(name: str) -> str:
    """A run's id or a dataset's name as a label's value, or as a part of a pod's name: itself, or where it is not fit its digest.

    Example:
        >>> label_of("90db3774-fa75-5632-975d-ac34ded371d9"), label_of("Nightly_1")
        ('90db3774-fa75-5632-975d-ac34ded371d9', 'f3148000df9f32a6becc')
    """
    return name if _LABEL.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:20]


class Fate(StrEnum):
    """What a scheduler does with a command that ended."""

    SUCCEED = "succeed"
    SKIP = "skip"
    FAIL = "fail"
    RETRY = "retry"


_FATES = {0: Fate.SUCCEED, 2: Fate.FAIL, 3: Fate.FAIL, 99: Fate.SKIP}
"""2 and 3 come again however often one tries; 99 is a launcher's own, no door's."""


def fate_of(exit_code: int) -> Fate:
    """What a scheduler does with an exit code: what is not known to be for good (1, 75, a signal's) is worth a retry.

    Example:
        >>> [fate_of(code).value for code in (0, 1, 2, 3, 75, 99, 137)]
        ['succeed', 'retry', 'fail', 'fail', 'retry', 'skip', 'retry']
    """
    return _FATES.get(exit_code, Fate.RETRY)


class Classification(StrEnum):
    """What a column says about a person (the field's four words)."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    INSENSITIVE = "insensitive"


class Zone(StrEnum):
    """The four places. The inner door sees raw, private and staging; the outer door staging and sanitized."""

    RAW = "raw"
    PRIVATE = "private"
    STAGING = "staging"
    SANITIZED = "sanitized"


class RunState(StrEnum):
    """Where a run stands."""

    OPEN = "open"
    STAGED = "staged"
    RELEASED = "released"
    REFUSED = "refused"
    REVOKED = "revoked"


class Separation(StrEnum):
    """Whether the two doors ran apart: two identities, or one process tree on one machine."""

    NONE = "none"
    IDENTITIES = "identities"


class Isolation(StrEnum):
    """What is known of the network around a run."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    NONE = "none"
