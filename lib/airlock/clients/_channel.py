"""What may carry a root: TLS, or plain HTTP that does not leave the machine; no log and no error's cause. Called by the sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

from airlock.errors import AirlockError, ConfigError

__all__ = ["hush", "require_private_channel", "told"]


def require_private_channel(url: str, setting: str) -> None:
    """Refuse what would carry a root or a login over a network in the clear.

    Raises:
        ConfigError: It is not https, nor http to this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ConfigError(f"{setting} is not a URL; expected https://host:port. Set it in airlock.yaml") from None
    if (parts.scheme == "https" and host) or (parts.scheme == "http" and _is_loopback(host)):
        return
    raise ConfigError(
        f"{setting} is '{parts.scheme}://{host}', expected https: a root or a login would cross the network in the clear. Give the "
        "service a certificate (http is for this machine's loopback alone)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def hush(*packages: str) -> None:
    """Drop what the packages' loggers say below a warning, whatever level anybody sets: they log requests and answers whole.

    A filter outlives logging.config.dictConfig, as a level would not; it holds for the loggers that there are by now.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in packages:
            logging.getLogger(name).addFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@contextmanager
def told(translated: Callable[[Exception], Exception]) -> Iterator[None]:
    """A service's failures as Airlock's; causes are cut off, they quote requests."""
    try:
        yield
    except AirlockError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the service's package raises, translated or told by class alone
        found = translated(error)
    else:
        return
    raise found
