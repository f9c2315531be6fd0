#!/usr/bin/env python3
"""The HTTP API of one node under wrk: GET /api/v1/admin, and POST of 1 KiB messages to a node that is not there (so
that what is measured is the API and the store), with 64 connections; as fast as it goes, and at about half of
that rate for the latency. 200 long polls are open meanwhile at ours; a reference node answers nothing while one
waits, so it has none. CPU time is by request, of all threads of the node. Rounds alternate, the median counts."""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

from common import bench_net, programs, table
from throughput import cpu_seconds

ABSENT = "400::1:2:3"
SIZE = 1024
LUA = """
local body, pause = %s, %d
if body then
    wrk.method, wrk.body = "POST", body
    wrk.headers["Content-Type"] = "application/json"
end
function delay() return pause > 0 and math.random(0, 2 * pause) or 0 end
"""


class Load:
    """One run of wrk: answers per second, milliseconds at 50 and 99 %, microseconds of CPU by answer."""

    def __init__(self, node, path, body, connections, seconds, pause_ms):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(LUA % (f"'{body}'" if body else "nil", pause_ms))
            script.flush()
            before = cpu_seconds(node)
            # Without a script a constant request goes out again and again, which costs the client less.
            plain = not body and not pause_ms
            out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s",
                                  *([] if plain else ["-s", script.name]), f"http://127.0.0.1:{node.api_port}{path}"],
                                 capture_output=True, text=True, check=True).stdout
            used = cpu_seconds(node) - before
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        if refused or "Socket errors" in out:
            sys.exit(f"incomplete: {out}")
        answers = int(re.search(r"(\d+) requests in", out)[1])
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
        self.p50, self.p99 = (_ms(re.search(rf"^\s*{p}%\s+(\S+)$", out, re.M)[1]) for p in (50, 99))
        self.cpu_us = 1e6 * used / answers


def _ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def wait_for_messages(node, count):
    """Long polls for a topic that nobody sends to."""
    sockets = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", node.api_port), timeout=30)
        s.sendall(b"GET /api/v1/messages?timeout=600&topic=bm9uZQ%3D%3D HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sockets.append(s)
    return sockets


def round_of(path, name, polls, connections, seconds):
    """{(what, load): Load} of one fresh node."""
    out = {}
    body = f'{{"dst":{{"ip":"{ABSENT}"}},"payload":"{"A" * (SIZE * 4 // 3 // 4 * 4)}"}}'
    with bench_net() as net:
        node = net.node("node", binary=path)
        waiting = wait_for_messages(node, 0 if name == "reference" else polls)
        for what, url, b in (("GET", "/api/v1/admin", None), ("POST", "/api/v1/messages", body)):
            full = out[what, "full"] = Load(node, url, b, connections, seconds, 0)
            pause = max(1, round(1000 * connections / (full.rate / 2) - full.p50))
            out[what, "half"] = Load(node, url, b, connections, seconds, pause)
        for s in waiting:
            s.setblocking(False)
            try:
                sys.exit(f"incomplete: a long poll was answered with {s.recv(100)}")
            except BlockingIOError:
                s.close()
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--connections", type=int, default=64)
    p.add_argument("--polls", type=int, default=200)
    p.add_argument("--program", action="append", default=[], metavar="NAME=PATH", help="one more of ours, to compare with")
    a = p.parse_args()
    if not shutil.which("wrk"):
        print("skip http wrk is not installed")
        return
    measured = programs() + [(n, pathlib.Path(b)) for n, _, b in (x.partition("=") for x in a.program)]
    rounds = {name: [] for name, _ in measured}
    for _ in range(a.rounds):
        for name, path in measured:
            rounds[name].append(round_of(path, name, a.polls, a.connections, a.seconds))
    rows = []
    for key in rounds[measured[0][0]][0]:
        for name, of_name in rounds.items():
            def median(field):
                return statistics.median(getattr(r[key], field) for r in of_name)
            against = statistics.median(r[key].rate / first[key].rate for r, first in zip(of_name, rounds[measured[0][0]]))
            rows.append((f"{' '.join(key)}: {name}", f"{median('rate'):.0f}", f"{against:.2f}", f"{median('p50'):.2f}",
                         f"{median('p99'):.2f}", f"{median('cpu_us'):.1f}"))
    table((f"{a.connections} connections", "per second", "to ours", "p50 ms", "p99 ms", "CPU us"), rows)
    print(f"{os.cpu_count()} processors, shared with the client")


if __name__ == "__main__":
    main()
