"""An operator's contract does not allow what the policy uses it for."""

from __future__ import annotations

from airlock.errors._policy import PolicyError

__all__ = [
    "ContractError",
    "ExposedIdentifierError",
    "JoinDomainError",
    "LossyJoinError",
    "LostUniquenessError",
    "NoEffectError",
    "OutputTypeError",
    "PackError",
    "ReversibleError",
    "SmallDomainError",
]


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
