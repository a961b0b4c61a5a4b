"""A door refused: data would disclose a person."""

from __future__ import annotations

from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "DisclosureError",
    "FewRowsError",
    "FrequencyError",
    "KnownValueError",
    "LeakedNameError",
    "NearlyUniqueError",
    "NotProvenError",
    "RareValueError",
    "RejectedRowsError",
    "ResidualEntityError",
    "ShapeError",
    "SmallGroupError",
    "TooManyValuesError",
]


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
