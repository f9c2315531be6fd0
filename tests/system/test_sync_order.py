"""Durable before acknowledged, seen from below the daemon: its writes, syncs and packets in one order.
Nothing that promises something leaves before the sync that covers it has returned. The same check
against a disk that answers before it is done has to fail, or it would prove nothing."""
import base64
import collections
import json
import os
import threading

from lib import Skip, check, check_equal, limit, needs_ours, needs_wire, wait_for
from lib.net import connected
from lib.node import decoded
from lib.programs import preloaded

COUNT = 12  # messages of each kind


def marked():
    """A payload that nothing else resembles, of one or two chunks."""
    return os.urandom(40) * (5 + 60 * (os.urandom(1)[0] & 1))


class PlainReceiver(threading.Thread):
    """A peer that acknowledges everything as a node without our extension does."""

    def __init__(self, peer):
        super().__init__(daemon=True)
        self.peer, self.ended = peer, threading.Event()
        self.start()

    def run(self):
        from lib import wire
        bodies = {wire.INIT: 9, wire.CHUNK: 24, wire.DONE: 40}
        while not self.ended.is_set():
            for p in self.peer.collect(0.02):
                flags = wire.flags_of(p)
                if flags in bodies:
                    self.peer.send(wire.message_packet(wire.identifier_of(p), flags | wire.ACK,
                                                       wire.body_of(p)[:bodies[flags]]))


def send_some(node, peer):
    """From clients of the daemon to a plain node. id -> payload."""
    sent, lock = {}, threading.Lock()

    def client(number):
        for i in range(COUNT // 3):
            payload = marked()
            if i % 2:
                identifier = node.send(peer.ip, payload)
            else:
                a = node.api.call("POST", "/bus/v1/messages",
                                  {"dst": {"ip": peer.ip}, "payload": base64.b64encode(payload).decode()},
                                  headers={"Idempotency-Key": f"{number}-{i}"})
                check_equal(a.status, 201, "POST /bus/v1/messages")
                identifier = a.json()["id"]
            with lock:
                sent[bytes.fromhex(identifier)] = payload

    receiver = PlainReceiver(peer)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for identifier in sent:
        node.wait_status(identifier.hex(), "received")
    receiver.ended.set()
    receiver.join()
    return sent


def ready(node):
    return node.api.call("GET", "/bus/v1/inbox?state=ready").json()["entries"]


def receive_some(node, peer):
    """From a plain node: half of it is popped, half acknowledged, one after the other."""
    from lib import wire
    sent = {}
    for i in range(COUNT):
        payload, topic = marked(), b"topic-" + os.urandom(12)
        sent[peer.send_message(payload, topic)] = (payload, topic)
        if i % 3 == 0:
            peer.expect(wire.DONE | wire.ACK)  # else they come together
    wait_for("all are in the inbox", lambda: len(ready(node)) == COUNT)
    for i in range(COUNT):
        if i % 2:
            check(node.take(5) is not None, "a message is missing")
            continue
        a = node.api.call("POST", "/bus/v1/messages/fetch", {"waitMs": 5000}).json()["messages"][0]
        a = node.api.call("POST", "/bus/v1/messages/ack", {"tokens": [a["token"]]})
        check_equal((a.status, a.json()["done"]), (200, 1), "ack")
    for _ in range(COUNT):
        peer.expect(wire.READ)
    return sent


def receive_from_ours(node, other):
    sent = {}
    for _ in range(COUNT):
        payload = marked()
        sent[bytes.fromhex(other.send(node, payload))] = payload
    for identifier in sent:
        other.wait_status(identifier.hex(), "received")
    while node.take() is not None:
        pass
    return sent


class Order:
    """What left too early, by kind, and how many were looked at."""

    def __init__(self, trace):
        self.trace, self.looked, self.early = trace, collections.Counter(), collections.defaultdict(list)

    def after(self, kind, position, durable_at, what):
        self.looked[kind] += 1
        if durable_at is None or position < durable_at:
            self.early[kind].append(f"{what} at {position}, durable at {durable_at}")

    def commit(self, kind, first, last, what):
        self.looked[kind] += 1
        if not self.trace.commit_between(first, last):
            self.early[kind].append(f"{what} at {last}, asked at {first}, no commit between")


def firsts(messages):
    """(flags, id) -> position of the first such packet."""
    out = {}
    for position, flags, identifier, _ in messages:
        out.setdefault((flags, identifier), position)
    return out


def check_answers(order, node, sent):
    """What clients were told. Returns id -> request, of what they took."""
    from lib import wire
    taken, received = {}, set()
    sums = {i: wire.blake3(p) for i, p in sent.items()}
    acks = {}
    for position, flags, identifier, _ in order.trace.messages(
            node.tcp_port, "R", wire.Sealer(node.identity), order.peer.public_key):
        acks.setdefault((flags, identifier), position)
    for asked, position, request, answer in order.trace.answers(node.api_port):
        status, body = int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]
        document = json.loads(body) if body[:1] == b"{" else {}
        identifier = bytes.fromhex(document.get("id", ""))
        if status == 201:
            order.after("201", position, order.trace.durable_at(sums[identifier]), identifier.hex())
            order.after("201", position, order.trace.durable_at(sent[identifier][:40]), identifier.hex())
        elif status == 200 and "payload" in document:
            order.commit("pop", asked, position, identifier.hex())
            taken[decoded(document)["payload"]] = asked
        elif status == 200 and "done" in document:
            order.commit("ack", asked, position, "ack")
        elif document.get("state") == "received":
            path = request.split(b" ")[1].decode()
            identifier = bytes.fromhex(path.rpartition("/")[2])
            if identifier not in received:
                received.add(identifier)
                order.commit("received", acks[wire.DONE | wire.ACK, identifier], position, identifier.hex())
    return taken


def check_packets(order, node, peer, other, sent, got, got_ours, taken):
    from lib import wire
    t = order.trace
    sealer = wire.Sealer(node.identity)
    out = firsts(t.messages(node.tcp_port, "S", sealer, peer.identity.public_key))
    for identifier, payload in sent.items():
        order.after("INIT", out[wire.INIT, identifier], t.durable_at(wire.blake3(payload)), identifier.hex())
    for identifier, (payload, topic) in got.items():
        order.after("INIT ACK", out[wire.INIT | wire.ACK, identifier], t.durable_at(topic), identifier.hex())
        order.after("CHUNK ACK", out[wire.CHUNK | wire.ACK, identifier], t.durable_at(payload[:40]), identifier.hex())
        order.after("DONE ACK", out[wire.DONE | wire.ACK, identifier], t.durable_at(wire.blake3(payload)),
                    identifier.hex())
        if payload in taken:
            order.commit("READ", taken[payload], out[wire.READ, identifier], identifier.hex())
    out = firsts(t.messages(node.tcp_port, "S", sealer, other.identity.public_key))
    for identifier, payload in got_ours.items():
        order.after("DONE ACK to ours", out[wire.DONE | wire.ACK, identifier], t.durable_at(wire.blake3(payload)),
                    identifier.hex())


def run(net, late_ms):
    from lib.trace import Trace
    if net.sanitized:
        raise Skip("a sanitizer wants to be loaded first")
    node = net.node("node", start=False)
    log = node.folder / "trace"
    with preloaded("trace.c") as library:
        node.environment = {"LD_PRELOAD": str(library), "TRACE_LOG": str(log), "TRACE_LATE_MS": str(late_ms)}
        node.start()
        other = net.node("other", peers=[node.endpoint()])
        peer = net.raw_peer(node)
        connected(node, other)
        sent = send_some(node, peer)
        got = receive_some(node, peer)
        got_ours = receive_from_ours(node, other)
        node.stop()
    order = Order(Trace(log.read_bytes()))
    order.peer = peer.identity
    taken = check_answers(order, node, sent)
    check_packets(order, node, peer, other, sent, got, got_ours, taken)
    return order


KINDS = ("201", "INIT", "INIT ACK", "CHUNK ACK", "DONE ACK", "DONE ACK to ours", "pop", "ack", "READ", "received")


@limit(120)
@needs_ours
@needs_wire
def test_nothing_leaves_before_its_sync(net):
    order = run(net, 0)
    check_equal(dict(order.early), {}, "what left before the sync that covers it")
    for kind in KINDS:
        check(order.looked[kind] >= COUNT // 2, f"only {order.looked[kind]} of {kind} were seen")
    print("# each after its sync: " + ", ".join(f"{order.looked[k]} {k}" for k in KINDS)
          + f"; {len(order.trace.syncs)} syncs")


@limit(120)
@needs_ours
@needs_wire
def test_a_disk_that_lies_is_noticed(net):
    """Every kind of answer is early when the sync returns at once and happens 300 ms later."""
    order = run(net, 300)
    missing = [k for k in KINDS if not order.early[k]]
    check_equal(missing, [], "what was not found to leave early")
