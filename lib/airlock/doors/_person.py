"""Who does something by hand, and why: what signed records say of it. Called by `destroy` and `reidentify`."""

from __future__ import annotations

import os
import pwd

from airlock.errors import ConfigError

__all__ = ["reason_line", "user_line"]

_LONGEST = 500


def user_line() -> str:
    """Number and name of the user that this process runs as; SUDO_USER where that stands behind it."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = "no name"  # containers run as users that no passwd file knows
    behind = os.environ.get("SUDO_USER", "")
    return f"{number} ({name})" + (f", by sudo from {behind}" if behind.isprintable() and 0 < len(behind) <= 64 else "")  # noqa: PLR2004 - longer than any login name


def reason_line(reason: str) -> str:
    """The reason, which must be one printable line. Raises ConfigError."""
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST or not reason.isprintable():
        raise ConfigError(
            f"--reason must be one printable line of 1 to {_LONGEST} characters. It is kept for good, so name no data subject"
        )
    return reason
