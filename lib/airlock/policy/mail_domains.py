"""Mail domains that `keep_domain` leaves readable: the package's list, or the policy's own. The operator keeps them, the gate expects
no others: what may stand in the output follows from the policy alone.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["OTHER_DOMAIN", "common_mail_domains", "kept_mail_domains"]

_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_MOST = 1_000

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


def kept_mail_domains(choice: object) -> tuple[str, ...]:
    """The domains that a policy's `keep_domain` leaves readable, sorted.

    Args:
        choice: `common`, or a list of domains, as the policy has it.

    Raises:
        ValueError: It is neither.

    Example:
        >>> kept_mail_domains(["uni.example", "example.org"])
        ('example.org', 'uni.example')
    """
    if choice == "common":
        return tuple(sorted(common_mail_domains()))
    if not isinstance(choice, list | tuple) or not 0 < len(choice) <= _MOST:
        raise ValueError("keep_domain is 'common', or a list of mail domains that many people share, such as [example.org]")
    wrong = [at for at, domain in enumerate(choice, start=1) if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain)]
    if wrong:
        raise ValueError(f"entry {wrong[0]} of keep_domain is not a mail domain in lower-case ASCII, such as example.org")
    if OTHER_DOMAIN in choice or len(set(choice)) < len(choice):
        raise ValueError(f"keep_domain names a domain twice, or '{OTHER_DOMAIN}', which stands for all others")
    return tuple(sorted(choice))
