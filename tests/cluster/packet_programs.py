"""The two programs that run in each pod of `packets`, as texts: one answers on every port, the other tries what it reads from its stdin."""

from __future__ import annotations

LISTEN = """
import json, socket, sys, threading
me, ports, address = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
def tcp(listening, said):
    while True:
        taken = listening.accept()[0]
        try:
            taken.sendall(said)
        except OSError:
            pass
        taken.close()
def udp(listening, said):
    while True:
        asked, who = listening.recvfrom(100)
        try:
            listening.sendto(asked + b" " + said, who)
        except OSError:
            pass
for protocol, port in ports:
    said = f"{me} {protocol} {port}".encode()
    if protocol == "TCP":
        made = socket.create_server((address, port), backlog=128)
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
    threading.Thread(target=tcp if protocol == "TCP" else udp, args=(made, said)).start()
"""
"""Arguments: what it says of itself, its ports, and the address that it listens on. A datagram comes back in front of what is said, so that no old answer passes for a new."""

ASK = """
import errno, json, os, selectors, socket, sys, time
def begun(address, protocol, port):
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
    made.setblocking(False)
    if sys.argv[1]:
        made.bind((sys.argv[1], 0))
    failed = made.connect_ex((address, port))
    return made, "" if failed in (0, errno.EINPROGRESS) else errno.errorcode[failed]
def said_by(made, nonce, silent):
    try:
        if silent:
            failed = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return errno.errorcode[failed] if failed else "connected"
        text = made.recv(200).decode()
    except OSError as error:
        return errno.errorcode[error.errno]
    if not nonce:
        return text or "closed"
    return text.removeprefix(nonce + " ") if text.startswith(nonce + " ") else "another's answer"
def ask(seconds, targets):
    found, waiting, nonces = ["silent"] * len(targets), selectors.DefaultSelector(), {}
    for place, (address, protocol, port, silent) in enumerate(targets):
        made, failed = begun(address, protocol, port)
        if failed:
            found[place] = failed
            made.close()
            continue
        if protocol == "UDP":
            nonces[place] = os.urandom(8).hex()
        waiting.register(made, selectors.EVENT_WRITE if silent else selectors.EVENT_READ, place)
    until, again = time.monotonic() + seconds, 0
    def end(key, said):
        found[key.data] = said
        waiting.unregister(key.fileobj)
        key.fileobj.close()
    while waiting.get_map() and time.monotonic() < until:
        if time.monotonic() >= again:
            again = time.monotonic() + 0.3
            for key in [key for key in waiting.get_map().values() if key.data in nonces]:
                try:
                    key.fileobj.send(nonces[key.data].encode())
                except OSError as error:
                    end(key, errno.errorcode[error.errno])
        for key, _ in waiting.select(0.05):
            end(key, said_by(key.fileobj, nonces.get(key.data), targets[key.data][3]))
    for key in list(waiting.get_map().values()):
        end(key, "silent")
    return found
for line in sys.stdin:
    print(json.dumps(ask(*json.loads(line))), flush=True)
"""
"""Argument: the address that it asks from, '' for any. Reads lines of JSON: seconds, and [address, protocol, port, whether a connection alone is enough] of each target; all are tried at once.
Says of each what it answered, or the error, or 'silent'."""
