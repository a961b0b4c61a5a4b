"""From a column's values to the text that pseudonyms are made from: the canonical form of a key domain.

Two columns join if and only if their values have equal canonical texts, whatever their types: int 42 and text "42" do, and under
`decimal` text "0042" does too. Called by the operators that work in a key domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.columns import ByteColumn, empty_nulls, is_ascii, is_byte_type, malformed_utf8, nulls, text_array, validity
from airlock.crypto.encode import hex_text
from airlock.operators._base import reject
from airlock.operators._fields import TEXT
from airlock.operators._numbers import EXACT
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["canonical_text", "why_not"]

_UUID = (
    r"^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$",
    r"\1-\2-\3-\4-\5",
)

_NEVER = {
    "bytes": {Canonical.DECIMAL, Canonical.DIGITS, Canonical.DATE},
    "an integer": {Canonical.UUID, Canonical.DATE},
    "a date": {Canonical.UUID, Canonical.DECIMAL, Canonical.DIGITS},
    "text": set[Canonical](),
}
"""Steps that no value of this kind could pass."""


def _kind(data_type: pa.DataType) -> str | None:
    if data_type in TEXT:
        return "text"
    if pa.types.is_date(data_type):
        return "a date"
    if is_byte_type(data_type):
        return "bytes"
    if pa.types.is_decimal(data_type):
        return "an integer" if data_type.scale == 0 else None
    return "an integer" if pa.types.is_integer(data_type) or pa.types.is_floating(data_type) else None


def why_not(data_type: pa.DataType, steps: Iterable[Canonical]) -> str | None:
    """Why no canonical text can be made from this type by these steps; None where it can.

    Example:
        >>> why_not(pa.int64(), [Canonical.UUID])
        'the canonical step uuid does not fit an integer'
    """
    kind = _kind(data_type)
    if kind is None:
        return "only text, bytes, integers, decimals of scale 0, whole floats and dates have a canonical text"
    misfits = sorted(_NEVER[kind].intersection(steps))
    return f"the canonical step {' and '.join(misfits)} does not fit {kind}" if misfits else None


def canonical_text(values: pa.Array, steps: Iterable[Canonical]) -> pa.Array:
    """The canonical text of each value; null stays null.

    Args:
        values: Of a type for which `why_not` is None.
        steps: In the order in which they are taken.

    Returns:
        A large_string array.

    Raises:
        RejectedValuesError: `not-canonical` for values that a step can't bring to its form; `not-utf8` for broken text.

    Example:
        >>> canonical_text(pa.array(["0042", "-7"]), [Canonical.DECIMAL]).to_pylist()
        ['42', '-7']
    """
    text = _plain_text(values)
    for step in steps:
        text = _STEPS[step](text)
    return text


def _plain_text(values: pa.Array) -> pa.Array:
    if values.type in TEXT:
        return _well_formed(_from_zero(values.cast(pa.large_string())))
    if is_byte_type(values.type):
        return _hexadecimal(values)
    if pa.types.is_floating(values.type):
        values = _whole(values.cast(pa.float64()))
    if pa.types.is_date64(values.type):
        values = values.cast(pa.date32())
    return values.cast(pa.large_string())


def _from_zero(text: pa.Array) -> pa.Array:
    """A cast slice keeps its first offset; over such text the offsets that `ascii_lower` writes point past its bytes (Arrow 26)."""
    column = ByteColumn.of(text)
    return text_array(column.compact(), validity(text)) if column.offsets[0] else text


def _hexadecimal(values: pa.Array) -> pa.Array:
    """Two lower-case characters a byte; 16 bytes are so a UUID without hyphens, which step `uuid` takes."""
    offsets, data = ByteColumn.of(values).compact()
    text = text_array(ByteColumn(2 * offsets, hex_text(data)), validity(values))
    return empty_nulls(text)


def _well_formed(text: pa.Array) -> pa.Array:
    malformed = malformed_utf8(ByteColumn.of(text))
    if not malformed.any():
        return text
    reject("not-utf8", malformed & ~nulls(text))
    return empty_nulls(text)


def _whole(values: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), float(EXACT)))
    reject("not-canonical", pc.invert(whole))
    return values.cast(pa.int64())


def _decimal(text: pa.Array) -> pa.Array:
    """Shortest form: no leading zeros, no minus before zero."""
    negative = pc.starts_with(text, "-")
    digits = pc.if_else(negative, pc.utf8_slice_codeunits(text, 1), text) if pc.any(negative).as_py() else text
    reject("not-canonical", pc.invert(pc.ascii_is_decimal(digits)))
    short = pc.ascii_ltrim(digits, characters="0")
    zero = pc.equal(pc.binary_length(short), 0)
    short = pc.if_else(zero, pa.scalar("0", pa.large_string()), short)
    if digits is text:
        return short
    sign = pc.if_else(pc.and_not(negative, zero), pa.scalar("-", pa.large_string()), pa.scalar("", pa.large_string()))
    return pc.binary_join_element_wise(sign, short, pa.scalar("", pa.large_string()))


def _nfc(text: pa.Array) -> pa.Array:
    # Every ASCII text is in NFC already.
    return text if is_ascii(ByteColumn.of(text)) else pc.utf8_normalize(text, form="NFC")


def _casefold(text: pa.Array) -> pa.Array:
    """Full case folding (Unicode, section 3.13), which Arrow lacks: it works character by character, so the whole column is
    folded as one text and only the offsets are moved.
    """
    column = ByteColumn.of(text)
    if is_ascii(column):
        return pc.ascii_lower(text)
    offsets, data = column.compact()
    whole = data.tobytes().decode()
    starts = np.flatnonzero(data & 0xC0 != 0x80)  # noqa: PLR2004 - all but continuation bytes (RFC 3629, section 3)
    growth = np.zeros(len(data) + 1, np.int64)
    growth[starts + 1] = _growth(np.frombuffer(whole.encode("utf-32-le"), np.uint32))
    # How much longer, up to each byte, is the folded text? Inside a character the sum is of no account.
    folded = np.frombuffer(whole.casefold().encode(), np.uint8)
    return text_array(ByteColumn(offsets + np.cumsum(growth)[offsets], folded), validity(text))


def _growth(points: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Bytes that each code point gains or loses by folding; asked of Python once for each that occurs."""
    occurs = np.zeros(int(points.max()) + 1, bool)
    occurs[points] = True
    gains = np.zeros(len(occurs), np.int64)
    distinct = np.flatnonzero(occurs)
    gains[distinct] = [len(chr(point).casefold().encode()) - len(chr(point).encode()) for point in distinct.tolist()]
    return gains[points]


def _digits(text: pa.Array) -> pa.Array:
    """ASCII digits alone. A text that holds none is rejected: all such would share one pseudonym."""
    offsets, data = ByteColumn.of(text).compact()
    kept = data - np.uint8(ord("0")) < 10  # noqa: PLR2004 - the ten digits; what lies before them wraps around
    before = np.concatenate([[0], np.cumsum(kept)])
    made = text_array(ByteColumn(before[offsets], data[kept]), validity(text))
    reject("not-canonical", pc.and_(pc.equal(pc.binary_length(made), 0), pc.greater(pc.binary_length(text), 0)))
    return made


def _uuid(text: pa.Array) -> pa.Array:
    """Lower case with hyphens, from any form of RFC 9562 or with braces or without hyphens."""
    lower = pc.utf8_lower(text)
    reject("not-canonical", pc.invert(pc.match_substring_regex(lower, _UUID[0])))
    return pc.replace_substring_regex(lower, pattern=_UUID[0], replacement=_UUID[1])


def _date(text: pa.Array) -> pa.Array:
    """ISO 8601 calendar dates as they are. The parser takes 2026-02-30 for 2 March, so only what comes back unchanged passes."""
    parsed = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True).cast(pa.date32()).cast(pa.large_string())
    same = pc.fill_null(pc.equal(parsed, text), fill_value=False)
    reject("not-canonical", pc.and_not(pc.is_valid(text), same))
    return text


_STEPS: dict[Canonical, Callable[[pa.Array], pa.Array]] = {
    Canonical.DECIMAL: _decimal,
    Canonical.TRIM: pc.utf8_trim_whitespace,
    Canonical.NFC: _nfc,
    Canonical.CASEFOLD: _casefold,
    Canonical.LOWER: pc.utf8_lower,
    Canonical.UPPER: pc.utf8_upper,
    Canonical.DIGITS: _digits,
    Canonical.UUID: _uuid,
    Canonical.DATE: _date,
}
