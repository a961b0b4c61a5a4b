"""Which operators there are: one line each, by import path, so that nothing heavy loads before a policy names it.

Third parties add theirs by the entry point group `airlock.operators` (name -> class).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from airlock.errors import MissingCapabilityError

if TYPE_CHECKING:
    from airlock.operators._base import Operator

__all__ = ["operator_class", "operator_names"]

_BUILT_IN = {
    "add_noise": "airlock.operators.add_noise:AddNoise",
    "age": "airlock.operators.age:Age",
    "clamp": "airlock.operators.clamp:Clamp",
    "drop": "airlock.operators.drop:Drop",
    "encrypt": "airlock.operators.encrypt:Encrypt",
    "encrypt_random": "airlock.operators.encrypt_random:EncryptRandom",
    "first_match": "airlock.operators.first_match:FirstMatch",
    "fpe": "airlock.operators.fpe:Fpe",
    "generalize_date": "airlock.operators.generalize_date:GeneralizeDate",
    "generalize_number": "airlock.operators.generalize_number:GeneralizeNumber",
    "hierarchy": "airlock.operators.hierarchy:Hierarchy",
    "hmac": "airlock.operators.hmac:Hmac",
    "geo_grid": "airlock.operators.geo_grid:GeoGrid",
    "geohash": "airlock.operators.geohash:Geohash",
    "interval": "airlock.operators.interval:Interval",
    "ip_truncate": "airlock.operators.ip_truncate:IpTruncate",
    "keep": "airlock.operators.keep:Keep",
    "keep_top": "airlock.operators.keep_top:KeepTop",
    "mask": "airlock.operators.mask:Mask",
    "null": "airlock.operators.null:Null",
    "ordered": "airlock.operators.ordered:Ordered",
    "permute": "airlock.operators.permute:Permute",
    "pseudonymize": "airlock.operators.pseudonymize:Pseudonymize",
    "redact": "airlock.operators.redact:Redact",
    "redact_entities": "airlock.text.redact_entities:RedactEntities",
    "shift_date": "airlock.operators.shift_date:ShiftDate",
    "surrogate": "airlock.operators.surrogate:Surrogate",
    "replace": "airlock.operators.replace:Replace",
    "round": "airlock.operators.round:Round",
    "truncate": "airlock.operators.truncate:Truncate",
    "url": "airlock.operators.url:Url",
    "when": "airlock.operators.when:When",
    "zip3": "airlock.operators.zip3:Zip3",
}


@cache
def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="airlock.operators") if point.name not in _BUILT_IN}


def operator_names() -> list[str]:
    """Every operator's name, sorted.

    Example:
        >>> "pseudonymize" in operator_names()
        True
    """
    return sorted({*_BUILT_IN, *_third_party()})


@cache
def operator_class(name: str) -> type[Operator]:
    """The operator's declaration class.

    Raises:
        KeyError: No operator has this name.
        MissingCapabilityError: It is a third party's, and can't be loaded.
    """
    if name not in _BUILT_IN:
        return _loaded(_third_party()[name])
    module, _, attribute = _BUILT_IN[name].partition(":")
    found: type[Operator] = getattr(import_module(module), attribute)
    return found


def _loaded(point: EntryPoint) -> type[Operator]:
    why = "that is no operator's class"
    try:
        found: type[Operator] = point.load()
    except Exception as error:  # noqa: BLE001 - the module is another's, and may do anything while it loads
        why = type(error).__name__
    else:
        if isinstance(found, type) and hasattr(found, "kernel"):
            named = getattr(found, "name", None)
            if named == point.name:
                return found
            why = f"its class has {'no `name`' if named is None else f'the `name` {named!r}'}"
    package = "an unnamed distribution" if point.dist is None else f"distribution '{point.dist.name}'"
    raise MissingCapabilityError(
        f"operator '{point.name}' can't be loaded: entry point '{point.value}' of {package} ({why}). Install that again, or remove it"
    )
