"""Bytes between pods, counted by the kernel of the node that this machine is: a table of our own beside the network plugin's."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_TABLE = "airlock_traffic"
_RULES = f"""
table ip {_TABLE} {{
  set pairs {{ type ipv4_addr . ipv4_addr; size 65535; flags dynamic; counter; }}
  chain forward {{ type filter hook forward priority -300; policy accept; add @pairs {{ ip saddr . ip daddr counter }}; }}
}}
"""


class Traffic:
    """What went from which address to which, in bytes of IP packets."""

    def pairs(self) -> Counter[tuple[str, str]]:
        """So far."""
        made = subprocess.run(["nft", "-j", "list", "set", "ip", _TABLE, "pairs"], check=True, capture_output=True, text=True)
        found: Counter[tuple[str, str]] = Counter()
        for part in json.loads(made.stdout)["nftables"]:
            for element in part.get("set", {}).get("elem", ()):
                source, target = element["elem"]["val"]["concat"]
                found[source, target] += element["elem"]["counter"]["bytes"]
        return found


@contextmanager
def counted() -> Iterator[Traffic]:
    """Count until the block ends."""
    subprocess.run(["nft", "-f", "-"], input=_RULES, check=True, text=True)
    try:
        yield Traffic()
    finally:
        subprocess.run(["nft", "delete", "table", "ip", _TABLE], check=True)
