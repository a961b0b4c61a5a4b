"""A network of a test's own, whose packets nftables drops at a word. Nothing outside of it is touched."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Namespace", "entered"]

_NET = 0x40000000
"""CLONE_NEWNET, sched.h."""


class Namespace:
    """The namespace that this thread is in, and whatever it starts."""

    def swallow(self, endpoint: str) -> None:
        """Drop every packet to and from a port, in silence."""
        port = endpoint.rpartition(":")[2]
        for direction in ("dport", "sport"):
            _nft("add", "rule", "inet", "airlock", "line", "tcp", direction, port, "drop")

    def heal(self) -> None:
        """Let everything pass again."""
        _nft("flush", "chain", "inet", "airlock", "line")


@contextmanager
def entered(name: str) -> Iterator[Namespace]:
    """Make a namespace with a loopback, and put this thread into it. Threads that there are already stay where they are."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        there = os.open(Path("/run/netns") / name, os.O_RDONLY)
        _go(there)
        os.close(there)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        _nft("add", "table", "inet", "airlock")
        _nft("add", "chain", "inet", "airlock", "line", "{ type filter hook input priority 0; }")
        yield Namespace()
    finally:
        _go(home)
        os.close(home)
        subprocess.run(["ip", "netns", "del", name], check=True)


def _go(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _NET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _nft(*words: str) -> None:
    subprocess.run(["nft", " ".join(words)], check=True)
