"""Public mail domains that `keep_domain: common` leaves readable. The operator keeps them, the gate expects no others."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["OTHER_DOMAIN", "common_mail_domains"]

OTHER_DOMAIN = "other.invalid"
"""What every other domain becomes; RFC 2606 keeps `.invalid` free of real ones."""


@cache
def common_mail_domains() -> frozenset[str]:
    """The list that comes with the package (`mail_domains.txt`), lower case.

    Example:
        >>> "gmail.com" in common_mail_domains(), OTHER_DOMAIN in common_mail_domains()
        (True, False)
    """
    lines = files("airlock.policy").joinpath("mail_domains.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
