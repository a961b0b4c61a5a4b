"""How results are printed: the option that commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["AsFormat", "Format"]


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


AsFormat = Annotated[Format, typer.Option("--format", help="text for people, json for machines")]
