"""The root of the tree of exceptions, and who acts on one."""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["Actor", "AirlockError", "all_errors"]

Actor = Literal["policy owner", "data owner", "platform team", "privacy team", "nobody: run again"]


class AirlockError(Exception):
    """Something unexpected: the root of every error that Airlock raises on purpose.

    Attributes:
        facts: What a machine may want to know: names, counts, limits. Never a cell value.

    Example:
        >>> AirlockError("no such run", run="r1").facts
        {'run': 'r1'}
    """

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[int] = 1
    actor: ClassVar[Actor] = "platform team"
    remedy: ClassVar[str] = "Run again with --debug inside the zone and report what it shows."

    def __init__(self, message: str, /, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


def all_errors(root: type[AirlockError] = AirlockError) -> dict[str, type[AirlockError]]:
    """Map each stable error code to its class, the whole tree below `root`."""
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= all_errors(child)
    return found
