"""Residual risk by technique: what the Article 29 Working Party says remains. Called by contracts and `airlock operators`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["TECHNIQUES", "ResidualRisk", "residual_risk"]

Answer = Literal["yes", "may not", "no"]
"""Is it still a risk? The words of the opinion's table; `may not` is its own for what depends on the data."""


@dataclass(frozen=True, slots=True)
class ResidualRisk:
    """The three questions of Opinion 05/2014 (WP216), section 5.2 and table 6: is it still a risk?

    Attributes:
        singling_out: Telling one person's rows from the others.
        linkability: Linking two rows, here or in another dataset, that are about one person.
        inference: Telling with significant probability what a person's value is.
    """

    singling_out: Answer
    linkability: Answer
    inference: Answer

    def __str__(self) -> str:
        return f"singling out: {self.singling_out}, linkability: {self.linkability}, inference: {self.inference}"


TECHNIQUES = {
    "none": ResidualRisk("yes", "yes", "yes"),
    "suppression: masking": ResidualRisk("no", "no", "no"),
    "suppression: masking, partial": ResidualRisk("yes", "yes", "may not"),
    "suppression: local suppression": ResidualRisk("no", "no", "no"),
    "suppression: local suppression, partial": ResidualRisk("yes", "yes", "may not"),
    "pseudonymization": ResidualRisk("yes", "yes", "yes"),
    "cryptographic: deterministic encryption": ResidualRisk("yes", "yes", "may not"),
    "cryptographic: format-preserving encryption": ResidualRisk("yes", "yes", "may not"),
    "cryptographic: randomized encryption": ResidualRisk("no", "no", "no"),
    "generalization": ResidualRisk("no", "yes", "yes"),
    "generalization: rounding": ResidualRisk("no", "yes", "yes"),
    "generalization: top and bottom coding": ResidualRisk("no", "yes", "yes"),
    "generalization: rounding, top and bottom coding": ResidualRisk("no", "yes", "yes"),
    "generalization: local generalization": ResidualRisk("no", "yes", "yes"),
    "randomization: noise addition": ResidualRisk("yes", "may not", "may not"),
    "randomization: permutation": ResidualRisk("yes", "may not", "may not"),
}
"""ISO/IEC 20889:2018 techniques that operators have, with WP216's answers for a column that stands alone.

Pseudonyms are its row of that name, encryption that keeps equal values equal its row `hashing or tokenisation`, generalization its row `aggregation or k-anonymity` (its first answer
holds as far as classes are large: the gate measures that), noise and permutation its row `noise addition`. What is suppressed or has a
fresh random ciphertext a value says nothing; what a partial mask leaves readable, and text whose entities are gone, are substitution.
"""

_ORDER: tuple[Answer, ...] = ("no", "may not", "yes")


def residual_risk(technique: str) -> ResidualRisk:
    """The answers for a technique; of several joined by `; ` the worst.

    Raises:
        KeyError: There is no such technique.

    Example:
        >>> str(residual_risk("suppression: masking; randomization: noise addition"))
        'singling out: yes, linkability: may not, inference: may not'
    """
    found = [TECHNIQUES[one] for one in technique.split("; ")]
    return ResidualRisk(*(max(answers, key=_ORDER.index) for answers in zip(*map(_answers, found), strict=True)))


def _answers(risk: ResidualRisk) -> tuple[Answer, Answer, Answer]:
    return risk.singling_out, risk.linkability, risk.inference
