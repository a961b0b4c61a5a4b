"""Strict reading and writing of evidence dataclasses: exact keys, exact types, canonical bytes. For the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from airlock.errors import IntegrityError
from airlock.evidence.canonical import canonical_json, parse_canonical, parse_time

__all__ = ["STRICT", "Count", "Digest", "Name", "Path", "Record", "Time"]

STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
"""What every evidence dataclass is made with (and frozen): no unknown key, no silent conversion."""


def _time(text: str) -> str:
    parse_time(text)
    return text


def _path(text: str) -> str:
    if "\0" in text or any(part in {"", ".", ".."} for part in text.split("/")):
        raise ValueError("must be a relative path without '.', '..' or empty parts")
    return text


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Path = Annotated[str, AfterValidator(_path)]
Time = Annotated[str, AfterValidator(_time)]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter_of(record: type[Any]) -> TypeAdapter[Any]:
    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]


class Record:
    """A frozen pydantic dataclass that is evidence. `what` names it in errors."""

    what: ClassVar[str] = "evidence"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; `from_dict` reads them back."""
        made: dict[str, Any] = _adapter_of(type(self)).dump_python(self, mode="json")
        return made

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read strictly.

        Raises:
            IntegrityError: A key is missing or unknown, or a value is not of its kind.
        """
        try:
            text = canonical_json(data)
        except (TypeError, ValueError):
            raise IntegrityError(f"the {cls.what} holds a value that evidence can't hold. Make it anew") from None
        try:
            made: Self = _adapter_of(cls).validate_json(text)
        except ValidationError as error:
            # pydantic quotes the input: only where and which kind of fault goes on.
            faults = sorted({".".join(str(part) for part in fault["loc"]) + f" ({fault['type']})" for fault in error.errors()})
            raise IntegrityError(
                f"the {cls.what} is not one: {', '.join(faults[:5])}. Nothing was taken from it; find out who changed it",
                faults=len(faults),
            ) from None
        return made

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read canonical JSON strictly: only the very bytes that `to_bytes` writes are accepted.

        Raises:
            IntegrityError: They are others.
        """
        try:
            value = parse_canonical(data)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise IntegrityError(f"the {cls.what} is not a canonical JSON object. Find out who changed it, and make it anew")
        made = cls.from_dict(value)
        if made.to_bytes() != data:
            raise IntegrityError(f"the {cls.what} is not in canonical form. Find out who changed it, and make it anew")
        return made
