"""Ports that nothing listens on, chosen at run time.

They lie below the system's ephemeral range, so that no outgoing connection can take the port of a
daemon while the daemon is down between a kill and a restart."""
import random
import socket

FIRST, LAST = 20000, 32000
_chosen = set()
_random = random.Random()  # from the system: several runs on one machine must not meet


def free_port():
    for _ in range(500):
        port = _random.randint(FIRST, LAST)
        if port in _chosen:
            continue
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("::", port))
            except OSError:
                continue
        _chosen.add(port)
        return port
    raise OSError("no free port found")
