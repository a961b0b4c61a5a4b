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
    "RunRefusedError",
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
    remedy = "Add the entity to redact_entities, lower its min_score, or drop the column; a waiver of the gate names column, entity and expiry."


class RunRefusedError(DisclosureError):
    """The outer door refused the run: nothing of it is published, nor ever will be."""

    code = "run-refused"
    actor: ClassVar[Actor] = "policy owner"
    remedy = (
        "'airlock runs show RUN' says what the gate found. Mend policy or data, then start a new run: this one stays refused."
    )


class ShapeError(DisclosureError):
    """A value does not have the shape that its rule declares."""

    code = "shape"
    remedy = "The operator did not do what its rule says, or the outer door's copy of the policy is another: compare both, then report a bug."


class SmallGroupError(DisclosureError):
    """An equivalence class is smaller than k."""

    code = "small-group"
    remedy = "Widen the quasi-identifiers that the message names (generalize, interval, drop), or lower k with whoever answers for it."


class FrequencyError(DisclosureError):
    """A deterministic pseudonym's frequencies would invert it."""

    code = "frequency"
    remedy = "Drop or generalise the column; where frequencies may be known, say accept_frequency: REASON in its rule."


class RareValueError(DisclosureError):
    """Values stay that too few rows of the dataset share, or more different ones than the rule lets stay."""

    code = "rare-value"
    remedy = "Raise min_count of keep_top and run again; if it happens again, the inner door did not count right: report that."


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
    remedy = "Name the column under known_values of the text's redact_entities, or drop the text."


class RejectedRowsError(DisclosureError):
    """More rows were rejected than `gate.max_rejects` allows."""

    code = "rejected-rows"
    actor: ClassVar[Actor] = "data owner"
    remedy = "'airlock runs show ID' inside the zone lists column and error code; mend the source or raise max_rejects."


class NotProvenError(DisclosureError):
    """An entity can be neither found nor is it accepted under `gate.not_proven`."""

    code = "not-proven"
    remedy = "Say under gate.not_proven why each is acceptable, or drop the free text."


class NearlyUniqueError(DisclosureError):
    """A kept column is nearly unique: it identifies by itself."""

    code = "nearly-unique"
    remedy = "Pseudonymize, generalise or drop the column; a measure that must stay needs a waiver of NEARLY_UNIQUE."


class LeakedNameError(DisclosureError):
    """A dropped column's name or a partition value stands in a path or footer."""

    code = "leaked-name"
