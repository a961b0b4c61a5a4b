"""What a policy itself writes into outputs: listed values, texts of redactions, prefixes, mail domains. No list of addresses passes for
a closed one. Called by `rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from airlock.errors import DisclosureError
from airlock.gate.chance import excessive, sample_numbers
from airlock.gate.entities import FLOOR, scan_text
from airlock.policy.formats import (
    Ciphertext,
    Constant,
    FewValues,
    Host,
    MaskedGroups,
    MaskedText,
    OneOf,
    Output,
    Shape,
    Token,
    shape_parts,
)
from airlock.policy.path import ColumnPath

__all__ = ["demand_plain_literals"]

_MOST_NAMED = 20


def demand_plain_literals(dataset: str, outputs: Mapping[ColumnPath, tuple[Output, ...]]) -> None:
    """Refuse a policy whose own texts hold what no release may hold; shapes made of them are not scanned in the data.

    Args:
        dataset: Its name.
        outputs: What each rule writes.

    Raises:
        DisclosureError: A text of a rule holds an entity of the floor; the message does not quote it.
    """
    found = dict.fromkeys((path, entity) for path, each in outputs.items() for entity in _held(each))
    if found:
        named = "; ".join(f"the rule of '{path}' itself holds {entity}" for path, entity in list(found)[:_MOST_NAMED])
        raise DisclosureError(
            f"policy '{dataset}' writes what no release may hold: {named}. Nothing was released. Take it out of the rule's list, text "
            "or prefix, approve the policy anew and run again",
            columns=len({path for path, _ in found}),
        )


def _held(outputs: tuple[Output, ...]) -> Iterator[str]:
    for output in outputs:
        literals = [str(text) for part in shape_parts(output.shape) for text in _literals(part)]
        if literals:
            # A number is joined to a token by '_', which would make a word of both.
            texts = pa.array([*literals, *(text.replace("_", " ") for text in literals)], pa.string())
            yield from scan_text(texts, FLOOR)
            yield from (entity for entity, sample in sample_numbers(texts, FLOOR).items() if excessive(sample, entity))


def _literals(shape: Shape) -> tuple[str, ...]:
    if isinstance(shape, OneOf):
        return shape.values
    if isinstance(shape, Constant):
        return (shape.text,)
    if isinstance(shape, FewValues | Host):
        other = shape.otherwise if isinstance(shape, Host) else shape.other
        return () if other is None else (str(other),)
    if isinstance(shape, MaskedGroups | MaskedText):
        return (shape.char,)
    if isinstance(shape, Ciphertext | Token):
        return (shape.prefix, *(getattr(shape, "domains", None) or ()))
    return ()
