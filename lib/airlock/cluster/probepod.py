"""What runs inside a probe's pod: a sink that tells its token to whoever comes, or a source that tries everybody from its first moment.

The standard library alone, so that the first packet leaves early and a policy that holds only after a while is seen. What was found goes into
the container's termination message, which the pod's status carries: nothing is printed, no log is needed. Called by the command line.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import NamedTuple

__all__ = [
    "REFUSED",
    "TIMEOUT",
    "UNREACHABLE",
    "WORD",
    "Target",
    "command",
    "parse_ports",
    "parse_targets",
    "run_sink",
    "run_source",
]

TIMEOUT, REFUSED, UNREACHABLE = "t", "r", "u"
"""How an attempt ends that does not get through: nothing came back; a reset, or an ICMP message; there is no route, or no such family."""

TERMINATION = Path("/dev/termination-log")
"""Where the kubelet reads a container's message."""

_MESSAGE_BYTES = 4096
"""What the kubelet keeps of a termination message (kubernetes.io, "Determine the Reason for Pod Failure")."""
WORD = 16
"""Letters of a token or a nonce."""
DNS_PORT = 53
"""Where name servers are asked."""

_ATTEMPT_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_RESOLVERS = Path("/etc/resolv.conf")
_NAMESERVER = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)


class Target(NamedTuple):
    """What a source tries: a list in its arguments.

    Attributes:
        number: By which the prober knows it.
        protocol: TCP or UDP; `DNS`: asks `address` by UDP for `name`; `NAME`: asks the pod's own resolvers for it.
        nonce: What a sink writes down when it arrives, whether its answer comes back or not.
    """

    number: int
    protocol: str
    address: str = ""
    port: int = 0
    nonce: str = ""
    name: str = ""


def command(arguments: Sequence[str]) -> int:
    """`airlock isolation probe-pod sink|source`: what a probe's pod is started with, by the prober and nobody else.

    Args:
        arguments: After `probe-pod`.

    Returns:
        The exit code; 2 where the arguments are not those of a probe.
    """
    kind, given = "".join(arguments[:1]), dict(zip(arguments[1::2], arguments[2::2], strict=False))
    try:
        seconds = float(given["--seconds"])
        if kind == "sink":
            run_sink(
                parse_ports(given["--ports"]), given["--token"], seconds, os.environ.get("AIRLOCK_POD_IP", ""), TERMINATION
            )
        else:
            run_source(parse_targets(given["--targets"]), seconds, TERMINATION)
    except (KeyError, ValueError, TypeError) as error:
        sys.stderr.write(
            f"airlock isolation probe-pod: {error} is missing or wrong. 'airlock isolation probe' makes such pods\n"
        )
        return 2
    return 0


# --- the sink -----------------------------------------------------------------------------------------------------------


def run_sink(ports: Sequence[tuple[str, int]], token: str, seconds: float, own: str, report: Path) -> None:
    """Answer everybody with a token, and write down what they bring.

    Args:
        ports: Protocol (TCP, UDP) and number of each that it listens on.
        token: 16 letters.
        seconds: How long; SIGTERM ends it earlier. What was seen is written down every second, for a pod that is deleted can't any more.
        own: The pod's own address: by it the sink tries itself, so that a dead one does not pass for a closed one.
        report: Where the message goes.
    """
    over = Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    sink = _Sink(ports, token)
    with closing(sink):
        began, until = time.time(), time.monotonic() + seconds
        Thread(target=sink.try_itself, args=(own, over), daemon=True).start()
        told = 0.0
        while not over.is_set() and time.monotonic() < until:
            sink.serve(0.2)
            if time.monotonic() > told + 1:
                told = time.monotonic()
                sink.tell(report, began)
        sink.finish()
        sink.tell(report, began)


class _Sink:
    def __init__(self, ports: Sequence[tuple[str, int]], token: str) -> None:
        self._token, self._seen, self._alive, self._lost = token.encode(), dict[str, None](), list[str](), 0
        self._lock, self._talks = Lock(), list[Thread]()
        self._ports, self._selector = ports, selectors.DefaultSelector()
        for protocol, port in ports:
            for opened in _bound(protocol, port):
                opened.settimeout(0)
                self._selector.register(opened, selectors.EVENT_READ, self._accept if protocol == "TCP" else self._answer)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def serve(self, seconds: float) -> bool:
        """Whether anybody came."""
        came = self._selector.select(seconds)
        for key, _ in came:
            with suppress(OSError):
                key.data(key.fileobj)
        return bool(came)

    def finish(self) -> None:
        """Take down what has arrived by now, and no more than an attempt's time long."""
        until = time.monotonic() + _ATTEMPT_SECONDS
        while self.serve(0) and time.monotonic() < until:
            pass
        for one in self._talks:
            one.join(max(0.0, until - time.monotonic()))

    def _accept(self, listening: socket.socket) -> None:
        taken, _ = listening.accept()
        talk = Thread(target=self._talk, args=(taken,), daemon=True)
        talk.start()
        self._talks = [*(one for one in self._talks if one.is_alive()), talk]

    def _talk(self, taken: socket.socket) -> None:
        with suppress(OSError), closing(taken):
            taken.settimeout(_ATTEMPT_SECONDS)
            taken.sendall(self._token)
            self._note(taken.recv(WORD))

    def _answer(self, opened: socket.socket) -> None:
        brought, sender = opened.recvfrom(WORD)
        self._note(brought)
        opened.sendto(self._token, sender)

    def _note(self, brought: bytes) -> None:
        word = brought.decode("ascii", "replace")
        if len(word) == WORD and word.isalnum():
            with self._lock:
                self._seen[word] = None

    def try_itself(self, own: str, over: Event) -> None:
        """Each port until it answers: one that does so later than others is no dead one."""
        left = list(self._ports)
        while left and not over.is_set():
            left = [
                (protocol, port) for protocol, port in left if not self._answers(Target(0, protocol, own, port, "self" * 4))
            ]
            over.wait(_PAUSE_SECONDS)

    def _answers(self, itself: Target) -> bool:
        if _attempt(itself) != self._token.decode():
            return False
        with self._lock:
            self._alive.append(f"{itself.protocol}{itself.port}")
        return True

    def tell(self, report: Path, began: float) -> None:
        with self._lock:
            seen = [word for word in self._seen if word != "self" * 4]
            message = {"kind": "sink", "from": began, "to": time.time(), "alive": sorted(self._alive), "seen": seen, "lost": 0}
        while len(text := json.dumps(message, separators=(",", ":"))) > _MESSAGE_BYTES:
            message["seen"], message["lost"] = message["seen"][:-1], message["lost"] + 1  # type: ignore[index, operator]
        report.write_text(text)


def _bound(protocol: str, port: int) -> Iterator[socket.socket]:
    """A socket for each family that there is; both of one socket would leave a cluster without IPv6 without any."""
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    for family, every in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - to be reached is what it is for
        with suppress(OSError):
            opened = socket.socket(family, kind)
            try:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                opened.bind((every, port))
                if protocol == "TCP":
                    opened.listen(128)
            except OSError:
                opened.close()
                raise
            yield opened


# --- the source ---------------------------------------------------------------------------------------------------------


def run_source(targets: Sequence[Target], seconds: float, report: Path) -> None:
    """Try every target from now on, again and again until it answers or the time is over; and once at least.

    Args:
        targets: All are tried at once.
        seconds: How long: a policy that comes late lets the first packets through, one that goes early the last.
        report: Where the message goes.
    """
    began, source = time.time(), _Source(time.monotonic() + seconds)
    threads = [Thread(target=source.pursue, args=(one,), daemon=True) for one in targets]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ends: dict[str, list[int]] = {}
    for number, outcome in source.missed.items():
        if number not in source.found:
            ends.setdefault(outcome, []).append(number)
    message = {"kind": "source", "from": began, "to": time.time(), "got": source.found, "not": ends}
    report.write_text(json.dumps(message, separators=(",", ":")))


class _Source:
    """What came of targets, by number.

    Attributes:
        found: After how many milliseconds one was reached, and what it said.
        missed: How the last attempt ended that did not get through.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self.found: dict[int, tuple[int, str]] = {}
        self.missed: dict[int, str] = {}

    def pursue(self, target: Target) -> None:
        """Reached is reached, though what it says may come at a later attempt where it is slow."""
        start = now = time.monotonic()
        while not self._attempted(target, start) and now < self._until:
            time.sleep(max(0.0, min(_PAUSE_SECONDS - (time.monotonic() - now), self._until - time.monotonic())))
            now = time.monotonic()

    def _attempted(self, target: Target, start: float) -> bool:
        """Whether it answered."""
        outcome = _attempt(target)
        if len(outcome) == 1:
            self.missed[target.number] = outcome
            return False
        first, _ = self.found.get(target.number, (int(1000 * (time.monotonic() - start)), ""))
        self.found[target.number] = first, outcome
        return outcome != ""


def _attempt(target: Target) -> str:
    """What came back (empty where a server says nothing), or one letter."""
    try:
        match target.protocol:
            case "TCP":
                found = _tcp(target)
            case "UDP":
                found = _udp(target.address, target.port, target.nonce.encode())
            case "DNS":
                found = _answered(target.address, target.name)
            case _:
                found = _named(target.name)
    except TimeoutError:
        found = TIMEOUT
    except ConnectionError:
        found = REFUSED
    except OSError:
        found = UNREACHABLE
    return found


def _tcp(target: Target) -> str:
    with socket.create_connection((target.address, target.port), _ATTEMPT_SECONDS) as made:
        # Connected: that is what matters. Whether it is the sink that was meant, its token says.
        with suppress(OSError):
            made.settimeout(_ATTEMPT_SECONDS)
            made.sendall(target.nonce.encode())
            return made.recv(WORD).decode("ascii", "replace")
        return ""


def _udp(address: str, port: int, sent: bytes) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.settimeout(_ATTEMPT_SECONDS)
        opened.connect((address, port))
        opened.send(sent)
        return opened.recv(512)[:WORD].decode("ascii", "replace")


def _answered(server: str, name: str) -> str:
    """Whether a server answers a question at all (RFC 1035, 4.1): that it was asked is the channel, whatever it says."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.strip(".").split("."))
    question = struct.pack(">6H", 0x4A4C, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    _udp(server, DNS_PORT, question)
    return "answered"


def _named(name: str) -> str:
    with suppress(OSError):
        for server in _NAMESERVER.findall(_RESOLVERS.read_text()):
            with suppress(OSError):
                return _answered(server, name)
    return TIMEOUT


def parse_targets(text: str) -> list[Target]:
    """From a pod's arguments: a JSON list of lists.

    Example:
        >>> parse_targets('[[1,"TCP","10.0.0.5",7070,"abcdefgh01234567"]]')[0].port
        7070
    """
    return [Target(*one) for one in json.loads(text)]


def parse_ports(text: str) -> list[tuple[str, int]]:
    """From a pod's arguments.

    Example:
        >>> parse_ports("TCP:7070,UDP:53")
        [('TCP', 7070), ('UDP', 53)]
    """
    return [(protocol, int(number)) for protocol, _, number in (one.partition(":") for one in text.split(","))]
