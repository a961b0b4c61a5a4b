"""The source is not what the policy describes."""

from __future__ import annotations

from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "ChangedTypeError",
    "DriftError",
    "MissingColumnError",
    "UnclassifiedColumnError",
    "UnreadableSourceError",
]


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
