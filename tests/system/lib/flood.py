"""A peer that floods its node with one kind of packet: a process of its own, so that several of them
are as fast as the node lets them.

    python3 -m lib.flood PORT KIND SECONDS SEED TARGET_KEY NODE_KEY

It connects, makes its packets, says `ready`, waits for a line, sends for the time given and reads
what comes back, then prints the bytes sent and got and whether the link was closed. TARGET_KEY: a node
that the others talk to, NODE_KEY: the flooded one."""
import os
import random
import socket
import struct
import sys
import threading
import time

from . import wire
from .blake3 import blake3
from .identity import identities

UPDATES = 3000   # subnets with a true key, by process
BUFFER = 8000    # packets made beforehand, then sent over and over

KINDS = ("hello", "updates", "forged", "changing", "retracting", "route requests", "own requests",
         "seqno requests", "wildcards", "data to nobody", "data to the node", "data to another")


def new_key():
    """Key and address. Any 32 bytes are a key."""
    key = os.urandom(32)
    digest = blake3(key)
    return key, bytes((0x04 | digest[0].bit_count() & 1,)) + digest[1:16]


def update(key, address, metric, seqno=0, interval=30000):
    return wire.tlv(wire.UPDATE, struct.pack(">BBBBHHH", 2, 0, 64, 0, interval, seqno, metric)
                    + address[:8] + key + bytes(8))


def seqno_request(router_id, prefix, seqno):
    return wire.tlv(wire.SEQNO_REQUEST, struct.pack(">BBHBB", 2, 64, seqno, 64, 0) + router_id + prefix)


def router_id_of(link, prefix):
    """As the node knows it: asked for."""
    link.sendall(wire.route_request(prefix))
    pending, end = b"", time.monotonic() + 10
    while time.monotonic() < end:
        packets, pending = wire.split_packets(pending + link.recv(65536))
        for p in packets:
            if p[1] == 1 and p[8] == wire.UPDATE and p[20:28] == prefix:
                return p[28:68]
    raise SystemExit("the node does not know the target")


def packets_of(kind, link, rnd, target):
    def anywhere():
        return bytes((4 + rnd.getrandbits(1),)) + rnd.randbytes(7)

    def in_overlay():
        return anywhere() + rnd.randbytes(8)

    if kind == "hello":
        return [wire.hello(i & 0xFFFF) for i in range(BUFFER)]
    if kind == "updates":
        return [update(*new_key(), 100) for _ in range(UPDATES)]
    if kind == "forged":
        return [update(rnd.randbytes(32), anywhere(), 100) for _ in range(BUFFER)]
    if kind == "changing":
        keys = [new_key() for _ in range(UPDATES // 10)]
        return [update(*k, 60000 - 200 * i) for i in range(100) for k in keys]
    if kind == "retracting":
        keys = [new_key() for _ in range(UPDATES // 10)]
        return [update(*k, m) for i in range(20) for m in (100, 65535) for k in keys]
    if kind == "route requests":
        return [wire.route_request(anywhere(), i % 16) for i in range(BUFFER)]
    if kind == "own requests":
        return [wire.route_request(target.address[:8])] * BUFFER
    if kind == "seqno requests":
        prefix = target.address[:8]
        rid = router_id_of(link, prefix)
        return [seqno_request(rid, prefix, rnd.getrandbits(16)) for _ in range(BUFFER)]
    if kind == "wildcards":
        return [wire.tlv(wire.ROUTE_REQUEST, bytes((0, 0, 0)))] * BUFFER
    if kind == "data to nobody":
        return [wire.data(in_overlay(), in_overlay(), rnd.randbytes(100), 1 + i % 3) for i in range(BUFFER)]
    if kind == "data to the node":
        to = identities()[rnd.node_key].address
        keys = [new_key() for _ in range(UPDATES)]
        link.sendall(b"".join(update(*k, 100) for k in keys))  # sources that it has a key for
        return [wire.data(keys[i % UPDATES][1], to, rnd.randbytes(60)) for i in range(BUFFER)]
    if kind == "data to another":
        return [wire.data(in_overlay(), target.address, rnd.randbytes(1000)) for i in range(BUFFER)]
    raise SystemExit(f"unknown kind {kind}")


def drain(link, got):
    try:
        while part := link.recv(1 << 20):
            got[0] += len(part)
    except OSError:
        pass


def main():
    port, kind, seconds, seed, target, node_key = sys.argv[1:7]
    rnd = random.Random(seed)
    rnd.node_key = node_key
    link = socket.create_connection(("127.0.0.1", int(port)), timeout=20)
    own_key, own_address = new_key()
    link.sendall(update(own_key, own_address, 0) + wire.hello())
    whole = b"".join(packets_of(kind, link, rnd, identities()[target]))
    got = [0]
    threading.Thread(target=drain, args=(link, got), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    sent, closed, end = 0, False, time.monotonic() + float(seconds)
    view = memoryview(whole)
    link.settimeout(1.0)
    at = 0
    while time.monotonic() < end:
        try:
            n = link.send(view[at:at + (1 << 16)])
        except TimeoutError:
            continue
        except OSError:
            closed = True
            break
        sent += n
        at = (at + n) % len(whole)
    print(sent, got[0], int(closed), flush=True)
    link.close()


if __name__ == "__main__":
    main()
