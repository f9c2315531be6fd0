#!/usr/bin/env python3
"""Latency of one small message between two idle nodes on loopback: from the first byte of the POST to
the first byte of the answer to a GET that already waits. Beside it what two fdatasync cost on the disk
of the state directory: an accepted message is on the sender's disk before it leaves, and on the
receiver's before it is shown."""
import argparse
import json
import select
import socket
import sys
import time

from common import bench_net, fdatasync_seconds, ms, programs, quantiles, table

PAYLOAD = "bWVhc3VyZWQ="  # "measured"


def connect(node):
    s = socket.create_connection(("127.0.0.1", node.api_port), timeout=30)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_answer(s):
    """(status, body) of one answer with Content-Length, or 204."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(s)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += receive(s)
    return int(head.split()[1]), body


def receive(s):
    data = s.recv(65536)
    if not data:
        sys.exit("the connection was closed")
    return data


def measure(a, b, samples):
    """Seconds from sent to taken, and from sent to accepted, for each sample."""
    body = json.dumps({"dst": {"ip": b.ip}, "payload": PAYLOAD}).encode()
    post = (b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body
    get = b"GET /api/v1/messages?timeout=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    taken, accepted = [], []
    with connect(a) as sender, connect(b) as taker:
        for i in range(-5, samples):  # the first five only warm up
            taker.sendall(get)
            time.sleep(0.02)
            started = time.perf_counter()
            sender.sendall(post)
            times = {}
            while len(times) < 2:
                for s in select.select([x for x in (sender, taker) if x not in times], [], [], 30)[0]:
                    times[s] = time.perf_counter() - started
            check(read_answer(sender)[0] == 201, "not accepted")
            status, answer = read_answer(taker)
            check(status == 200 and json.loads(answer)["payload"] == PAYLOAD, "not delivered")
            if i >= 0:
                taken.append(times[taker])
                accepted.append(times[sender])
    return taken, accepted


def check(condition, text):
    if not condition:
        sys.exit(f"incomplete: {text}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--samples", type=int, default=200)
    samples = p.parse_args().samples
    rows = []
    for name, program in programs():
        with bench_net() as net:
            a, b = net.pair(program, program)
            before = fdatasync_seconds(a.folder)
            taken, accepted = measure(a, b, samples)
            syncs = before + fdatasync_seconds(b.folder)
            rows.append((f"{name}: sent to taken", samples, *map(ms, quantiles(taken))))
            rows.append((f"{name}: sent to accepted", samples, *map(ms, quantiles(accepted))))
            rows.append((f"{name}: two fdatasync of 4 KiB", len(syncs), *(ms(2 * q) for q in quantiles(syncs))))
    table(("milliseconds", "n", "median", "95 %", "99 %", "max"), rows)


if __name__ == "__main__":
    main()
