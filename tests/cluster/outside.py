"""A host beyond the cluster: a network namespace on the machine that is its node. For `packets`; needs root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network

NAME = LINK = "airlock-packets"
ROUTER, ADDRESS = "198.18.130.1", "198.18.130.2"
"""Of 198.18.0.0/15, the range for tests of networks, which the local cluster is in."""
COMMAND = ("ip", "netns", "exec", NAME)


def missing(node: str) -> str | None:
    """Why there can be none beyond a cluster whose node has this address."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return "a network namespace needs root and program 'ip' (iproute2)"
    if ip_address(node) not in ip_network("198.18.0.0/15"):
        return f"the cluster is on {node}, not on addresses of 198.18.0.0/15"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
            tried.bind((node, 0))
    except OSError:
        return f"{node} is no address of this machine"
    return None


@contextmanager
def host(programs: Sequence[Sequence[str]], addresses: Sequence[str]) -> Iterator[None]:
    """The host, on which programs run. The node has a route to each of its addresses for as long."""
    others = [one for one in addresses if one != ADDRESS]
    try:
        for words in (
            f"netns add {NAME}",
            f"link add {LINK} type veth peer name eth0 netns {NAME}",
            f"address add {ROUTER}/30 dev {LINK}",
            f"link set {LINK} up",
            f"-n {NAME} address add {ADDRESS}/30 dev eth0",
            f"-n {NAME} link set lo up",
            f"-n {NAME} link set eth0 up",
            f"-n {NAME} route add default via {ROUTER}",
            *(f"-n {NAME} address add {one}/32 dev eth0" for one in others),
            *(f"route add {one}/32 dev {LINK}" for one in others),
        ):
            subprocess.run(["ip", *words.split()], check=True)
        with ExitStack() as stack:
            for program in programs:
                running = stack.enter_context(subprocess.Popen([*COMMAND, *program]))
                stack.callback(running.kill)
            yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)
