"""Streams: /bus/v1/ws and the event streams. Credit, takers that take over, kill -9 in between,
slow readers beside fast ones, frames that are none."""
import base64
import os
import resource
import selectors
import struct
import threading
import time

from lib import check, check_equal, limit, needs_ours, scaled, wait_for
from lib.ws import BINARY, TEXT, Closed, Sse, Ws, dial, frame


def b64(text):
    return base64.b64encode(text).decode()


def send_self(node, payload, topic=b"t", **fields):
    a = node.api.call("POST", "/bus/v1/messages", {"dst": {"ip": str(node.ip)}, "topic": b64(topic),
                                                   "payload": b64(payload), **fields})
    check_equal(a.status, 201, f"send ({a.text[:200]})")
    return a.json()


def inbox(node, state):
    a = node.api.call("GET", f"/bus/v1/inbox?state={state}")
    return [e["seq"] for e in a.json()["entries"]]


@needs_ours
def test_credit(net):
    a, b = net.pair()
    for binary in (False, True):
        w = Ws(b, binary=binary)
        check_equal(w.welcome["limits"]["maxFrame"], 1 << 20, "maxFrame")
        for i in range(5):
            a.wait_status(a.send(b, b"%d" % i, b"t"), "received")
        w.ask("sub", sub="s", topic=b64(b"t"), credit=2)
        first = w.messages(2)
        check(w.quiet(), "more than the credit")
        check_equal([m["payload"] for m in first], [b"0", b"1"], "payloads")
        check_equal({m["redelivered"] for m in first}, {0}, "redelivered")
        check_equal(w.ack(first[0]), 1, "ack")
        check_equal(w.next("msg")["payload"], b"2", "after the ack")
        check(w.quiet(), "more than the credit")
        check_equal(w.ask("credit", sub="s", credit=4), {"op": "ok", "ref": str(w.refs)}, "credit")
        rest = w.messages(2)
        check_equal([m["payload"] for m in rest], [b"3", b"4"], "with more credit")
        check_equal(w.ask("ack", tokens=[first[0]["token"]])["unknown"], [first[0]["token"]], "twice")
        w.ask("unsub", sub="s")
        wait_for("leases go back", lambda: len(inbox(b, "ready")) == 4)
        w.say("ping", ref="p")
        check(abs(w.next("pong")["time"] / 1000 - time.time()) < 60, "time")
        w.close()
        while b.take():
            pass


@needs_ours
def test_gone_client(net):
    """A client that breaks off gives back at once; under a name, to the next of that name."""
    node = net.node("a")
    for i in range(4):
        send_self(node, b"%d" % i)
    w = Ws(node)
    w.ask("sub", sub="s", all=True, credit=2)
    w.messages(2)
    other = Ws(node)
    other.ask("sub", sub="s", all=True, credit=2)
    check_equal([m["payload"] for m in other.messages(2)], [b"2", b"3"], "the others")
    check_equal(other.ask("credit", sub="s", credit=4)["op"], "ok", "credit")
    check(other.quiet(), "what is on lease")
    w.close()
    got = other.messages(2)
    check_equal([(m["payload"], m["redelivered"]) for m in got], [(b"0", 1), (b"1", 1)], "given back")
    other.close()
    first = Ws(node, consumer="billing")
    first.ask("sub", sub="s", all=True, credit=3)
    had = first.messages(3)
    second = Ws(node, consumer="billing")
    first.expect_close(4002, bye="taken-over")
    check_equal(second.welcome["resumed"], 3, "resumed")
    check_equal(second.welcome["consumer"], "billing", "consumer")
    second.ask("sub", sub="s", all=True)
    again = second.messages(4)
    check_equal([m["seq"] for m in again], sorted(m["seq"] for m in again), "order")
    check(all(m["redelivered"] >= 1 for m in again if m["seq"] in [h["seq"] for h in had]), "redelivered")
    check_equal(second.ack(*again), 4, "ack")
    check_equal(inbox(node, "ready") + inbox(node, "leased"), [], "all settled")


@needs_ours
@limit(120)
def test_kill_and_resume(net):
    """kill -9 of the node while it delivers: with acknowledgements, nothing is missing."""
    node = net.node("a")
    total, acked, seen, stop = 300, set(), set(), threading.Event()
    answered = []

    def sender():
        for i in range(total):
            while not stop.is_set():
                try:
                    a = node.api.call("POST", "/bus/v1/messages", {
                        "dst": {"ip": str(node.ip)}, "topic": b64(b"t"), "payload": b64(b"%d" % i)},
                        headers={"idempotency-key": f"k{i}"})
                    check(a.status in (200, 201), f"{a.status} {a.text}")
                    answered.append(i)
                    break
                except Exception as e:  # the node is gone at this moment
                    if isinstance(e, AssertionError):
                        raise
                    time.sleep(0.02)

    t = threading.Thread(target=sender, daemon=True)
    t.start()
    kills = 0
    end = time.monotonic() + scaled(90)
    while len(acked) < total and time.monotonic() < end:
        try:
            w = Ws(node, consumer="c", binary=kills % 2 == 1)
            w.ask("sub", sub="s", topic=b64(b"t"), credit=16)
            while len(acked) < total:
                m = w.next("msg")
                seen.add(int(m["payload"]))
                if kills < 5 and len(seen) >= (kills + 1) * 40:
                    kills += 1  # what is on lease was seen, and not acknowledged
                    node.restart("kill9")
                    break
                check_equal(w.ack(m), 1, "ack")  # once it is durable
                acked.add(int(m["payload"]))
        except (Closed, OSError):
            pass
        finally:
            w.close()
    stop.set()
    t.join()
    check_equal(kills, 5, "kills")
    check_equal(len(answered), total, "sent")
    check_equal(acked, set(range(total)), "acknowledged")
    check_equal(inbox(node, "ready") + inbox(node, "leased"), [], "left")


@needs_ours
def test_send_and_watch(net):
    a, b = net.pair()
    for binary in (False, True):
        w, r = Ws(a, binary=binary), Ws(b, binary=binary)
        r.ask("sub", sub="in", topic=b64(b"q"))
        key = f"key-{binary}"
        sent = w.ask("send", payload=b"hello", dst={"ip": str(b.ip)}, topic=b64(b"q"), watch=True,
                     idempotencyKey=key)
        m = r.next("msg")
        check_equal((m["payload"], m["id"], m["reply"]), (b"hello", sent["id"], False), "message")
        states = []
        while "received" not in states:
            s = w.next("status")
            check_equal((s["id"], s["seq"]), (sent["id"], sent["seq"]), "status of")
            states.append(s["state"])
        again = w.ask("send", payload=b"hello", dst={"ip": str(b.ip)}, topic=b64(b"q"),
                      idempotencyKey=key)
        check_equal((again["id"], again["replayed"]), (sent["id"], True), "the same key")
        check_equal(w.ask("send", answer="err", payload=b"other", dst={"ip": str(b.ip)},
                          topic=b64(b"q"), idempotencyKey=key)["code"], "key-reused", "other content")
        w.ask("sub", sub="replies", all=True)
        r.ask("reply", payload=b"back", to={"id": m["id"], "dst": m["srcIp"]})
        r.ack(m)
        events = {}
        while not {"msg", "read"} <= events.keys():
            o = w.next("msg", "status")
            events[o["op"] if o["op"] == "msg" else o["state"]] = o
        check_equal((events["msg"]["payload"], events["msg"]["reply"]), (b"back", True), "reply")
        check_equal(events["msg"]["id"], sent["id"], "id of the reply")
        w.ack(events["msg"])
        w.close(), r.close()
    w = Ws(a)
    check_equal(w.ask("send", answer="err", payload=b"", dst={"ip": "::1"})["code"], "bad-destination", "dst")
    check_equal(w.ask("cancel", answer="err", id="0011223344556677")["code"], "not-found", "cancel")
    nowhere = w.ask("send", payload=b"x", dst={"ip": "400::1"})
    check_equal(w.ask("cancel", seq=nowhere["seq"])["state"], "cancelled", "cancel")
    check_equal(w.ask("cancel", id=nowhere["id"])["state"], "cancelled", "again")
    done = w.ask("send", payload=b"x", dst={"ip": str(b.ip)})
    a.wait_status(done["id"], "received")
    check_equal(w.ask("cancel", answer="err", seq=done["seq"])["code"], "already-final", "too late")


@needs_ours
def test_bad_frames(net):
    """Each bad frame has its code; a bad request has an answer, and the connection stays."""
    node = net.node("a")
    n = struct.pack

    def closes(code, data, binary=False):
        w = Ws(node, binary=binary)
        w.socket.sendall(data)
        w.expect_close(code)

    closes(1007, frame(TEXT, b"{"))
    closes(1007, frame(TEXT, b'{"op":1,"op":2}'))
    closes(1002, frame(TEXT, b"[]"))
    closes(1002, frame(TEXT, b"5"))
    closes(1003, frame(BINARY, b"{}"))
    closes(1009, frame(TEXT, b" " * (1 << 20) + b"{}"))
    closes(1003, frame(TEXT, b"{}"), binary=True)
    for data, code in [(b"", 1002), (b"\0\0\0", 1002), (n(">I", 1) + b"{}", 1002), (n(">I", 3) + b"{}", 1002),
                       (n(">I", 65537) + b" " * 65537, 1002), (n(">I", 2) + b"{}x", 1002),
                       (n(">I", 2) + b"[]", 1002), (n(">I", 2) + b"{]", 1007), (n(">I", 2) + b"\xff\xff", 1007),
                       (n(">I", 9) + b'{"len":2}x', 1002), (n(">I", 10) + b'{"len":-1}x', 1002),
                       (n(">I", 11) + b'{"len":"1"}x', 1002), (n(">I", 11) + b'{"len":0.5}', 1002)]:
        closes(code, frame(BINARY, data), binary=True)
    w = Ws(node)
    for text in (b"{}", b'{"op":5}', b'{"op":""}', b'{"op":"no such op"}', b'{"op":"sub"}',
                 b'{"op":"sub","sub":"s"}', b'{"op":"sub","sub":"s","all":true,"topic":""}',
                 b'{"op":"sub","sub":"s","pattern":"a+"}', b'{"op":"sub","sub":"s","all":true,"credit":1025}',
                 b'{"op":"sub","sub":"s","all":true,"mode":"x"}', b'{"op":"unsub","sub":"s"}',
                 b'{"op":"credit","sub":"s"}', b'{"op":"ack"}', b'{"op":"ack","tokens":[]}',
                 b'{"op":"ack","tokens":["x"]}', b'{"op":"send"}', b'{"op":"reply"}', b'{"op":"watch"}',
                 b'{"op":"watch","ids":["x"]}', b'{"op":"hello","consumer":"a b"}', b'{"op":"cancel"}',
                 b'{"op":"cancel","id":"x"}', b'{"op":"ping","ref":5}', b'{"op":"ping","ref":"' + b"x" * 65 + b'"}'):
        w.socket.sendall(frame(TEXT, text))
        check_equal(w.next()["op"], "err", f"answer to {text!r}")
    w.ask("ping", answer="pong")
    w.ask("sub", sub="s", all=True)
    check_equal(w.ask("sub", answer="err", sub="s", all=True)["code"], "bad-request", "the same name")
    check_equal(w.ask("hello", answer="err", consumer="late")["code"], "bad-request", "hello behind sub")


@needs_ours
def test_handshake(net):
    node = net.node("a")

    def status(*headers, method="GET"):
        s = dial(node)
        s.sendall("\r\n".join([f"{method} /bus/v1/ws HTTP/1.1", *headers, "", ""]).encode())
        got = s.recv(4096)
        s.close()
        return int(got.split()[1]), got

    good = ["connection: keep-alive, Upgrade", "upgrade: websocket", "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]
    check_equal(status(*good)[0], 101, "without a sub-protocol")
    check(b"sec-websocket-protocol" not in status(*good)[1], "none asked, none said")
    for i, line in enumerate(good):
        check_equal(status(*good[:i], *good[i + 1:])[0], 400 if "key" in line else 426, f"without {line}")
    check_equal(status(*good, "sec-websocket-protocol: x, cloudevents.json")[0], 400, "unknown ones")
    check(b"mycelium.bus.v1.bin\r" in status(*good, "sec-websocket-protocol: x, mycelium.bus.v1.bin")[1], "known one")
    check_equal(status(*good, method="HEAD")[0], 405, "HEAD")
    check_equal(status(*good, method="POST")[0], 405, "POST")
    check_equal(status(*good, "origin: http://evil.example", "host: localhost")[0], 403, "origin")
    check_equal(status(*good, "host: evil.example")[0], 403, "host")


@needs_ours
def test_shutdown(net):
    node = net.node("a")
    send_self(node, b"1")
    w = Ws(node)
    w.ask("sub", sub="s", all=True)
    w.messages(1)
    e = Sse(node, "/bus/v1/events")
    node.stop()
    w.expect_close(1001, bye="shutdown")
    check_equal(e.next()[0], "bye", "event")
    node.start()
    check_equal(len(inbox(node, "ready")), 1, "still there")


@needs_ours
@limit(180)
def test_stalled(net):
    """A subscriber that reads nothing: others are not delayed, nothing grows, 4001 after 30 s, and what
    it had on lease goes to others."""
    node = net.node("a")
    w = Ws(node, buffer=1 << 18)
    w.ask("sub", sub="s", topic=b64(b"big"), credit=1000, creditBytes=64 << 20,
          leaseMs=3600000)
    payload = os.urandom(60000)
    for i in range(300):
        send_self(node, b"%03d" % i + payload, topic=b"big", durable=False)
    leased = lambda: len(node.api.call("GET", "/bus/v1/inbox?state=leased&limit=1000").json()["entries"])
    wait_for("some are on lease", lambda: leased() > 0)
    had = leased()
    check(had < 150, f"{had} messages were read for a socket that takes nothing")
    other = Ws(node)
    other.ask("sub", sub="s", topic=b64(b"quick"))
    for i in range(20):
        send_self(node, b"%d" % i, topic=b"quick")
        check_equal(other.ack(other.next("msg")), 1, "beside it")
    wait_for("its leases go back", lambda: leased() == 0, seconds=60)
    got = w.expect_close(4001)
    check_equal(len([m for m in got if m["op"] == "msg"]), had, "what was under way")
    check_equal(len(node.api.call("GET", "/bus/v1/inbox?limit=1000").json()["entries"]), 300, "all there")


@needs_ours
@limit(120)
def test_tap(net):
    """A tap takes nothing; one that does not read loses the oldest and hears how many."""
    node = net.node("a")
    w, slow = Ws(node), Ws(node, buffer=4096)
    w.ask("sub", sub="t", pattern="a/+", mode="tap")
    slow.ask("sub", sub="t", all=True, mode="tap")
    payload = bytes(50000)
    total = 600
    got = []
    for i in range(total):
        send_self(node, b"%05d" % i + payload, topic=b"a/b" if i % 2 else b"c", durable=False)
        if i % 2:
            got.append(int(w.next("msg")["payload"][:5]))
    check_equal(got, list(range(1, total, 2)), "copies, in order")
    check(w.quiet(), "no others")
    at, gaps = 0, 0
    while at < total:
        o = slow.next("msg", "gap")
        if o["op"] == "gap":
            at += o["dropped"]
            gaps += 1
        else:
            check_equal(int(o["payload"][:5]), at, "number behind the gaps")
            check("token" not in o, "a tap has no token")
            at += 1
    check(gaps > 0, "it was never behind")
    check_equal(len(node.api.call("GET", "/bus/v1/inbox?state=ready&limit=1000").json()["entries"]), total, "all ready")


@needs_ours
@limit(240)
def test_thousand(net):
    """1,000 taps on one topic, one of them stalled: every other one gets every message."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    node = net.node("a")
    count, messages = 1000, 30
    stalled = Ws(node, buffer=4096)
    stalled.ask("sub", sub="s", topic=b64(b"news"), mode="tap")
    many = [Ws(node, binary=True) for _ in range(count - 1)]
    for w in many:
        w.ask("sub", sub="s", topic=b64(b"news"), mode="tap")
    began = time.monotonic()
    payload = os.urandom(2000)
    done = threading.Event()

    def send():
        for i in range(messages):
            send_self(node, bytes([i]) + payload, topic=b"news", durable=False)
        done.set()

    t = threading.Thread(target=send)
    t.start()
    for i in range(messages):  # round by round: nobody is left behind
        for w in many:
            check_equal(w.next("msg")["payload"][0], i, "number")
    took = time.monotonic() - began
    t.join()
    print(f"# {count - 1} taps, {messages} messages of 2 kB each: {took:.1f} s, "
          f"{(count - 1) * messages / took:.0f} frames/s")
    check(all(w.quiet(0.001) for w in many[::100]), "nothing else")
    for w in many:
        w.close()
    node.check_running()


@needs_ours
@limit(240)
def test_thousand_take(net):
    """1,000 takers of one topic, one of them stalled: what it does not have on lease is taken by the others while it
    stands, and what it has after it is gone; each message settled once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    node = net.node("a")
    count, messages = 1000, 3000
    stalled = Ws(node, buffer=4096)
    stalled.ask("sub", sub="s", topic=b64(b"work"), credit=1000, leaseMs=3600000)
    payload = os.urandom(2000)
    first = 300  # before the others are there: more than its socket takes
    for i in range(first):
        send_self(node, struct.pack(">I", i) + payload * 25, topic=b"work", durable=False)
    takers = Takers([Ws(node, binary=True) for _ in range(count - 1)])
    for w in takers.all:
        w.ask("sub", sub="s", topic=b64(b"work"), credit=2)

    def send():
        for i in range(first, messages):
            send_self(node, struct.pack(">I", i) + payload, topic=b"work", durable=False)

    t = threading.Thread(target=send, daemon=True)
    began = time.monotonic()
    t.start()

    def left():
        states = node.api.call("GET", "/bus/v1/stats").json()["inbox"]["byState"]
        return states["ready"], states["leased"]

    takers.work_until(lambda: not t.is_alive() and left()[0] == 0 and left()[1] == messages - len(takers.settled))
    t.join()
    took, had = time.monotonic() - began, left()[1]
    print(f"# {count - 1} takers, {len(takers.settled)} messages of 2 kB: {took:.1f} s; the stalled one had {had}")
    check(had < first, f"{had} messages were read for a socket that takes nothing")
    stalled.close()
    takers.work_until(lambda: len(takers.settled) == messages)
    check_equal(sorted(takers.settled), list(range(messages)), "each once")
    check(len(takers.busy) > 100, f"only {len(takers.busy)} of them had something to do")
    check_equal(left(), (0, 0), "nothing is left")


class Takers:
    """Many clients that acknowledge what they get. settled: numbers, after the node said that it is done."""

    def __init__(self, clients):
        self.all, self.settled, self.busy, self.under_way = clients, [], set(), {}
        self.selector = selectors.DefaultSelector()
        for w in clients:
            self.selector.register(w.socket, selectors.EVENT_READ, w)

    def work_until(self, done, seconds=180):
        end, look = time.monotonic() + scaled(seconds), 0
        while True:
            for key, _ in self.selector.select(0.05):
                self.read(key.data)
            if time.monotonic() >= look:  # not after each frame: it is a call
                if done():
                    return
                look = time.monotonic() + 0.1
            check(time.monotonic() < end, f"{len(self.settled)} messages in {scaled(seconds):g} s")

    def read(self, w):
        w._more()
        while w.buffer or w.events:
            o = w.next("msg", "ok")
            if o["op"] == "msg":
                self.busy.add(w)
                w.refs += 1
                self.under_way[w, str(w.refs)] = struct.unpack(">I", o["payload"][:4])[0]
                w.say("ack", ref=str(w.refs), tokens=[o["token"]])
            else:
                check_equal(o["done"], 1, "settled")
                self.settled.append(self.under_way.pop((w, o["ref"])))


@needs_ours
def test_events(net):
    node = net.node("a")
    for i in range(5):
        send_self(node, b"%d" % i)
    e = Sse(node, "/bus/v1/events?consumer=c&ack=last-event-id&credit=5&topic=dA%3D%3D")
    got = [e.next() for _ in range(5)]
    check_equal({g[0] for g in got}, {"msg"}, "events")
    check_equal([base64.b64decode(g[2]["payload"]) for g in got], [b"0", b"1", b"2", b"3", b"4"], "payloads")
    check(all(g[1].endswith(f".{g[2]['seq']}") for g in got), "ids")
    e.close()
    # Cut behind event 3 of 5: 4 and 5 come again, 1 to 3 are settled.
    e = Sse(node, "/bus/v1/events?consumer=c&ack=last-event-id", last_id=got[2][1])
    again = [e.next() for _ in range(2)]
    check_equal([g[2]["seq"] for g in again], [g[2]["seq"] for g in got[3:]], "the rest")
    check_equal([g[2]["redelivered"] for g in again], [1, 1], "redelivered")
    check(e.quiet(), "settled ones come again")
    wait_for("three are gone", lambda: len(inbox(node, "leased")) == 2)
    # An id of another process settles nothing.
    f = Sse(node, "/bus/v1/events?consumer=c&ack=last-event-id", last_id="0" * 16 + ".99999")
    check_equal(e.next()[0], "bye", "taken over")
    check_equal(len([f.next() for _ in range(2)]), 2, "again")
    # Settled by POST, which gives credit.
    send_self(node, b"5")
    g = Sse(node, "/bus/v1/events?consumer=c&credit=2")
    two = [g.next() for _ in range(2)]
    check(g.quiet(), "more than the credit")
    a = node.api.call("POST", "/bus/v1/messages/ack", {"tokens": [m[2]["token"] for m in two]})
    check_equal(a.json()["done"], 2, "ack")
    check_equal(base64.b64decode(g.next()[2]["payload"]), b"5", "after the ack")
    for path, status in [("?credit=x", 400), ("?credit=1025", 422), ("?ack=no", 400), ("?ack=last-event-id", 400),
                         ("?topic=%21", 422), ("?pattern=a%2B", 422), ("?consumer=a&consumer=b", 400)]:
        check_equal(Sse(node, "/bus/v1/events" + path).status, status, path)
    t = Sse(node, "/bus/v1/events?mode=tap&pattern=x")
    send_self(node, b"6", topic=b"x")
    event = t.next()
    check_equal((event[0], "token" in event[2]), ("msg", False), "tap")


@needs_ours
def test_outbox_events(net):
    a, b = net.pair()
    e = Sse(a, "/bus/v1/outbox/events")
    sent = [a.send(b, b"%d" % i, b"t") for i in range(3)]
    states = {s: [] for s in sent}
    ids = []
    while any("received" not in v for v in states.values()):
        kind, event_id, data = e.next()
        check_equal(kind, "status", "event")
        ids.append((event_id, data["index"]))
        states[data["id"]].append(data["state"])
    check_equal([i for _, i in ids], list(range(ids[0][1], ids[0][1] + len(ids))), "no holes")
    check(all(v[0] == "pending" and v[-1] == "received" for v in states.values()), f"{states}")
    e.close()
    # From the middle, without a loss and without a repeat.
    e = Sse(a, "/bus/v1/outbox/events", last_id=ids[3][0])
    check_equal([e.next()[1] for _ in ids[4:]], [i for i, _ in ids[4:]], "resumed")
    b.take()
    check_equal(e.next()[2]["state"], "read", "read")
    e.close()
    # Of another process: what lives, then what changes.
    waiting = a.api.call("POST", "/bus/v1/messages", {"dst": {"ip": "400::99"}, "payload": ""}).json()["id"]
    a.restart("kill9")
    e = Sse(a, "/bus/v1/outbox/events", last_id=ids[3][0])
    check_equal(e.next()[0], "reset", "reset")
    kind, _, data = e.next()
    check_equal((kind, data["id"], data["state"]), ("status", waiting, "pending"), "what lives")
    a.api.call("DELETE", f"/bus/v1/outbox/{waiting}")
    check_equal(e.next()[2]["state"], "cancelled", "change")


@needs_ours
def test_requests_wait(net):
    """More than 64 requests at once: all are answered, in whatever order."""
    node = net.node("a")
    w = Ws(node)
    total = 1000
    data = b"".join(w.encode({"op": "send", "ref": str(i), "dst": {"ip": str(node.ip)}, "durable": i % 10 > 0},
                             b"%d" % i) for i in range(total))
    threading.Thread(target=w.socket.sendall, args=(data,)).start()
    got = set()
    while len(got) < total:
        o = w.next()
        check_equal(o["op"], "ok", f"{o}")
        got.add(int(o["ref"]))
    w.ask("sub", sub="s", all=True, credit=1000)
    messages = w.messages(total)
    check_equal({int(m["payload"]) for m in messages}, set(range(total)), "payloads")
    check_equal(w.ack(*messages), total, "ack")
