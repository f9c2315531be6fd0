#!/usr/bin/env python3
"""A large message over a path that loses packets, beside one TCP connection over the same path: bytes per
second, and what small messages take with the large one beside them and without. The path: two network
namespaces, a TUN device in each, and tests/load/lossy_path.c between them (delay each way, loss each way, a
rate, a queue of one round trip). Needs root and /dev/net/tun."""
import argparse
import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from common import bench_net, ms, program, quantiles, table, under_test
from lib.spaces import Space, why_not
from latency import check, read_answer

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
ADDRESSES = ("10.78.0.1", "10.78.0.2")
MB = 1000000
RAW = "application/octet-stream"
BLOCK = os.urandom(MB)


def tun(space, own, other):
    with space:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"path", IFF_TUN | IFF_NO_PI))
    space.ip(f"addr add {own} peer {other} dev path", "link set path mtu 1500 txqueuelen 1000 up")
    return fd


@contextlib.contextmanager
def lossy_path(spaces, args, seed):
    fds = [tun(s, ADDRESSES[i], ADDRESSES[1 - i]) for i, s in enumerate(spaces)]
    with program("lossy_path") as path:
        p = subprocess.Popen([str(path), *map(str, fds), "--loss", str(args.loss), "--delay-us",
                              str(args.rtt * 500), "--rate", str(args.rate), "--queue",
                              str(args.rate * args.rtt // 1000), "--seed", str(seed)],
                             pass_fds=fds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for fd in fds:
        os.close(fd)
    try:
        yield
    finally:
        counts = json.loads(p.communicate(timeout=30)[0])
        print(f"# path: {counts}", flush=True)


def one_connection(spaces, size):
    """Seconds for so many bytes over one TCP connection, until the other end has said that it has all."""
    with spaces[1]:
        listener = socket.create_server((ADDRESSES[1], 0))

    def receive():
        s, _ = listener.accept()
        with s:
            left = size
            while left > 0:
                n = len(s.recv(1 << 20))
                if n == 0:
                    return
                left -= n
            s.sendall(b"!")

    threading.Thread(target=receive, daemon=True).start()
    with spaces[0]:
        s = socket.socket()
    with s:
        s.settimeout(600)
        s.connect(listener.getsockname())
        started = time.monotonic()
        for _ in range(size // MB):
            s.sendall(BLOCK)
        check(s.recv(1) == b"!", "the connection ended early")
        return time.monotonic() - started


class Caller:
    """A connection to the API of a node in its namespace."""

    def __init__(self, node):
        with node.space:
            self.s = socket.socket()
        self.s.settimeout(600)
        self.s.connect(("127.0.0.1", node.api_port))

    def call(self, method, path, content=b"", kind="application/json", more=()):
        self.s.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
                       f"Content-Length: {len(content) + sum(map(len, more))}\r\n\r\n".encode() + content)
        for block in more:
            self.s.sendall(block)
        return read_answer(self.s)


def small_times(a, b, count):
    sender, taker, times = Caller(a), Caller(b), []
    for _ in range(count):
        started = time.monotonic()
        status, _ = sender.call("POST", f"/bus/v1/messages?dst={b.ip}&topicText=small", b"x" * 1000, RAW)
        check(status == 201, f"POST of a small message: {status}")
        status, _ = taker.call("GET", "/api/v1/messages?topic=c21hbGw%3D&timeout=60")
        check(status == 200, f"GET of a small message: {status}")
        times.append(time.monotonic() - started)
        time.sleep(0.05)
    return times


def large(a, b, size):
    """(seconds, times of small messages meanwhile) of one large message."""
    smalls, sent = [], Caller(a)
    status, _ = sent.call("POST", f"/bus/v1/messages?dst={b.ip}&topicText=large&ttlMs=3600000", kind=RAW,
                          more=[BLOCK] * (size // MB))
    check(status == 201, f"POST of the large message: {status}")
    started, look = time.monotonic(), Caller(b)
    while True:
        status, body = look.call("GET", "/bus/v1/inbox?state=ready")
        if status == 200 and json.loads(body)["entries"]:
            return time.monotonic() - started, smalls
        smalls += small_times(a, b, 1)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--loss", type=int, default=10000, help="packets of a million")
    p.add_argument("--rtt", type=int, default=100, help="milliseconds")
    p.add_argument("--rate", type=int, default=10 * MB, help="bytes per second")
    p.add_argument("--size", type=int, default=100, help="MB of the large message")
    p.add_argument("--smalls", type=int, default=60)
    p.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big") | 1)
    args = p.parse_args()
    if why_not():
        print(f"skip path {why_not()}")
        return
    if not under_test().is_file():
        sys.exit(f"the daemon under test is missing: {under_test()}")
    kind = open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii").read().strip()
    print(f"# seed {args.seed}; {args.loss / 10000:g} % loss each way, {args.rtt} ms, {args.rate / MB:g} MB/s; "
          f"congestion control of TCP: {kind}", flush=True)
    spaces = Space(), Space()
    try:
        with bench_net() as net, lossy_path(spaces, args, args.seed):
            tcp = one_connection(spaces, args.size * MB)
            b = net.node("b", space=spaces[1])
            a = net.node("a", space=spaces[0], peers=[f"tcp://{ADDRESSES[1]}:{b.tcp_port}"])
            a.wait_peers(1)
            small_times(a, b, 3)
            alone = small_times(a, b, args.smalls)
            took, beside = large(a, b, args.size * MB)
            a.check_running()
            b.check_running()
    finally:
        for s in spaces:
            s.close()
    table((f"{args.size} MB", "seconds", "MB/s", "of TCP"),
          [("one TCP connection", f"{tcp:.1f}", f"{args.size / tcp:.2f}", "1.00"),
           ("one message", f"{took:.1f}", f"{args.size / took:.2f}", f"{tcp / took:.2f}")])
    table(("small messages, ms", "n", "median", "95 %", "99 %", "max"),
          [("alone", len(alone), *map(ms, quantiles(alone))),
           ("beside the large one", len(beside), *map(ms, quantiles(beside)))])


if __name__ == "__main__":
    main()
