"""Sending under /bus/v1: keys that make repeats safe, priorities, cancel, retry, lists; over
restarts. A message to an absent node leaves when the node comes."""
import threading
import time

from lib import check, check_equal, limit, needs_ours, scaled, wait_for
from lib.rest import Broken


def call(node, method, path, body=None, status=200, **options):
    a = node.api.call(method, "/bus/v1" + path, body, **options)
    check_equal(a.status, status, f"{method} /bus/v1{path} ({a.text[:200]})")
    return a


def push(node, destination, payload, status=201, key=None, **fields):
    query = f"?dst={destination.ip}" + "".join(f"&{k}={v}" for k, v in fields.items())
    return call(node, "POST", "/messages" + query, payload, status, content_type="application/octet-stream",
                headers={"Idempotency-Key": key} if key else None)


def entry(node, seq):
    return call(node, "GET", f"/outbox/~{seq}").json()


def absent(net):
    """A node that exists and does not run."""
    return net.node("absent", start=False)


@needs_ours
def test_outbox_store_and_forward(net):
    a = net.node("a")
    b = net.node("b", peers=[a.endpoint()], start=False)
    sent = [push(a, b, b"%d" % i, priority=i % 4, ttlMs=600000).json() for i in range(8)]
    check_equal([s["state"] for s in sent], ["pending"] * 8, "states")
    check_equal(entry(a, sent[0]["seq"])["route"], False, "route")
    a.restart("kill9")
    time.sleep(3)
    b.start()
    b.wait_route(a)
    began = time.monotonic()
    got = [b.take(5)["payload"] for _ in sent]
    took = time.monotonic() - began
    check(took < 1, f"all were there {took:.2f} s after the route")
    check_equal(sorted(got), [b"%d" % i for i in range(8)], "payloads")
    for s in sent:
        wait_for("read", lambda: entry(a, s["seq"])["state"] == "read")


@needs_ours
def test_outbox_keys(net):
    a, b = net.pair()
    first = push(a, b, b"once", key="order/1")
    check_equal(first.headers["location"], f"/bus/v1/outbox/~{first.json()['seq']}", "location")
    check("idempotent-replayed" not in first.headers, "the first one is marked as repeated")
    for how in (None, "stop", "kill9"):
        if how:
            a.restart(how)
        again = push(a, b, b"once", 200, key="order/1")
        check_equal(again.headers.get("idempotent-replayed"), "true", "mark")
        check_equal(again.json()["id"], first.json()["id"], "id")
        other = push(a, b, b"twice", 409, key="order/1")
        check_equal(other.json()["code"], "key-reused", "code")
        check_equal(other.headers["content-type"], "application/problem+json", "type")
    check_equal(b.take(5)["payload"], b"once", "payload")
    check_equal(b.take(1), None, "second delivery")


@needs_ours
def test_outbox_keys_at_once(net):
    """Many clients with one key, and a kill: one message comes of it."""
    a, b = net.pair()
    ids, statuses, lock = set(), set(), threading.Lock()

    def client():
        for _ in range(200):
            try:
                r = a.api.call("POST", f"/bus/v1/messages?dst={b.ip}", b"one",
                               {"Idempotency-Key": "same"}, content_type="application/octet-stream")
            except Broken:
                time.sleep(0.05)
                continue
            with lock:
                statuses.add(r.status)
                ids.add(r.json().get("id"))
            return

    for round_ in range(2):
        threads = [threading.Thread(target=client) for _ in range(16)]
        for t in threads:
            t.start()
        if round_:
            a.restart("kill9")
        for t in threads:
            t.join()
    check(statuses <= {200, 201}, f"statuses {statuses}")
    check_equal(len(ids), 1, "ids")
    check_equal(b.take(5)["payload"], b"one", "payload")
    check_equal(b.take(1), None, "second delivery")


@needs_ours
def test_outbox_cancel_retry_list(net):
    a = net.node("a")
    b = absent(net)
    sent = [push(a, b, b"x", topicText="t", ttlMs=600000).json() for _ in range(5)]
    seqs = [s["seq"] for s in sent]
    check_equal(call(a, "POST", f"/outbox/{sent[0]['id']}/retry").json()["state"], "pending", "retry")
    gone = call(a, "DELETE", f"/outbox/{sent[1]['id']}").json()
    check_equal((gone["state"], gone["reason"]), ("cancelled", "cancelled"), "cancelled")
    short = push(a, b, b"y", ttlMs=1000).json()["seq"]
    wait_for("the deadline", lambda: entry(a, short)["state"] == "aborted")
    check_equal(entry(a, short)["reason"], "deadline", "reason")
    for how in (None, "kill9"):
        if how:
            a.restart(how)
        check_equal(call(a, "DELETE", f"/outbox/~{seqs[1]}").json()["state"], "cancelled", "again")
        check_equal(call(a, "POST", f"/outbox/~{short}/retry", status=409).json()["code"], "already-final", "retry")
        page = call(a, "GET", "/outbox?limit=4").json()
        rest = call(a, "GET", f"/outbox?limit=4&before={page['nextBefore']}").json()
        check_equal([e["seq"] for e in page["entries"] + rest["entries"]],
                    sorted(seqs + [short], reverse=True), "list")
        check("nextBefore" not in rest, "a further page")
        pending = call(a, "GET", f"/outbox?state=pending&dst={b.ip}").json()["entries"]
        check_equal(sorted(e["seq"] for e in pending), [s for s in seqs if s != seqs[1]], "pending")
    check_equal(call(a, "GET", "/outbox/~999999", status=404).json()["code"], "not-found", "unknown")


@needs_ours
def test_outbox_wait(net):
    """A send and an entry that are answered when something happened: received, read, replied; or not in time."""
    a, b = net.pair()
    raw = {"content_type": "application/octet-stream"}

    def send(wait, ms, status):
        return call(a, "POST", f"/messages?dst={b.ip}&wait={wait}&waitMs={ms}", b"x", status, **raw).json()

    check_equal(send("received", 10000, 200)["state"], "received", "state")
    began = time.monotonic()
    kept = send("read", 700, 202)
    check(0.6 < time.monotonic() - began < scaled(5), "the wait")
    check_equal(kept["state"], "received", "state after the wait")
    seen = []

    def watch():
        r = call(a, "GET", f"/outbox/~{kept['seq']}?index=2&wait=30s", timeout=scaled(60))
        seen.append((r.json()["state"], r.headers["x-mycelium-index"]))

    t = threading.Thread(target=watch)
    t.start()
    time.sleep(0.5)
    check_equal(seen, [], "an answer before anything happened")
    check(b.take(5) and b.take(5), "two messages")
    t.join()
    check_equal(seen, [("read", "3")], "what the waiting client saw")
    answers = []
    t = threading.Thread(target=lambda: answers.append(send("reply", 20000, 200)))
    t.start()
    asked = b.take(10)
    b.api.call("POST", "/bus/v1/messages", {"dst": {"ip": a.ip}, "payload": "eWVz", "replyTo": asked["id"]})
    t.join()
    check_equal(answers[0]["reply"]["payload"], "eWVz", "reply")
    b.kill9()
    gone = call(a, "POST", f"/messages?dst={b.ip}&wait=received&waitMs=20000&ttlMs=1500", b"x", 202, **raw).json()
    check_equal(gone["state"], "aborted", "what ended otherwise is told at once")


@needs_ours
def test_outbox_many(net):
    """One push to several nodes, this one included: all or none, over a kill of the sender, with a key."""
    a, b = net.pair()
    c = net.node("c", peers=[a.endpoint()])
    away = absent(net)
    a.wait_route(c)
    body = {"dsts": [{"ip": n.ip} for n in (b, away, a, c)], "topicText": "news", "payload": "b25l", "ttlMs": 600000}
    first = call(a, "POST", "/messages", body, 201, headers={"Idempotency-Key": "all"}).json()["results"]
    check_equal([e["seq"] for e in first], [first[0]["seq"] + i for i in range(4)], "numbers")
    for n in (b, a, c):
        check_equal(n.take(10)["payload"], b"one", f"payload at {n.name}")
    a.restart("kill9")
    again = call(a, "POST", "/messages", body, 200, headers={"Idempotency-Key": "all"})
    check_equal(again.headers["idempotent-replayed"], "true", "mark")
    check_equal([e["id"] for e in again.json()["results"]], [e["id"] for e in first], "ids")
    check_equal(again.json()["results"][1]["state"], "pending", "the one that is away")
    other = dict(body, dsts=body["dsts"][:3])
    check_equal(call(a, "POST", "/messages", other, 409, headers={"Idempotency-Key": "all"}).json()["code"],
                "key-reused", "code")
    bad = dict(body, dsts=[{"ip": b.ip}, {"ip": "20::1"}])
    check("dsts[1]" in call(a, "POST", "/messages", bad, 422).json()["detail"], "the destination is not named")
    away.peers = [a.endpoint()]
    away.start()
    check_equal(away.take(30)["payload"], b"one", "payload at the one that was away")
    for n in (b, a, c, away):
        check_equal(n.take(1), None, f"another message at {n.name}")


@needs_ours
def test_outbox_ordered(net):
    """Ordered messages of two topics, both ends killed on their way: each topic comes whole and in its order."""
    a, b = net.pair()
    for i in range(40):
        for topic in ("left", "right"):
            push(a, b, b"%d" % i, topicText=topic, ordered="true", priority=i % 4, ttlMs=600000)
        if i in (10, 25):
            a.restart("kill9")
        if i in (18, 33):
            b.restart("kill9")
    b.kill9()
    for i in range(40, 400):  # many of them under way at one time when it is back
        for topic in ("left", "right"):
            push(a, b, b"%d" % i, topicText=topic, ordered="true", ttlMs=600000)
    b.start()
    for _ in range(4):
        b.restart("kill9")
    a.restart("kill9")
    for topic in ("left", "right"):
        got = []
        while len(got) < 400:
            m = b.take(60, topic=topic.encode())
            check(m, f"{topic} ends after {len(got)}")
            got.append(int(m["payload"]))
        check_equal(got, list(range(400)), topic)
    check_equal(b.take(1), None, "another message")
    push(a, b, b"x", 422, ordered="true", durable="false")


@needs_ours
def test_outbox_in_memory(net):
    """Kept in memory only: delivered like others, also after the other end was killed; gone with the process."""
    a, b = net.pair()
    first = push(a, b, b"one", durable="false").json()
    wait_for("the message", lambda: entry(a, first["seq"])["state"] == "received")
    b.restart("kill9")
    check_equal(b.take(10)["payload"], b"one", "payload")
    wait_for("READ", lambda: entry(a, first["seq"])["state"] == "read")
    own = push(a, a, b"own", durable="false").json()
    wait_for("its way", lambda: entry(a, own["seq"])["state"] == "received")
    a.restart("kill9")
    check_equal(a.take(5)["payload"], b"own", "to itself, after a kill")
    call(a, "GET", f"/outbox/~{first['seq']}", status=404)
    b.kill9()
    kept, lost = push(a, b, b"kept").json(), push(a, b, b"lost", durable="false").json()
    check_equal([e["durable"] for e in (entry(a, kept["seq"]), entry(a, lost["seq"]))], [True, False], "durable")
    check(lost["seq"] > first["seq"], "a number of the process before")
    page = call(a, "GET", f"/outbox?dst={b.ip}&state=pending").json()
    check_equal([e["seq"] for e in page["entries"]], [lost["seq"]], "first page")
    rest = call(a, "GET", f"/outbox?dst={b.ip}&state=pending&before={page['nextBefore']}").json()
    check_equal([e["seq"] for e in rest["entries"]], [kept["seq"]], "those on disk")
    a.kill9()
    a.start()
    b.start()
    check_equal(b.take(20)["payload"], b"kept", "payload")
    check_equal(b.take(2), None, "another message")


@needs_ours
@limit(120)
def test_outbox_start_with_many(net):
    """A node with thousands of waiting messages is up at once, and works through them."""
    a = net.node("a")
    b = net.node("b", peers=[a.endpoint()], start=False)
    for i in range(3000):
        push(a, b, b"%d" % i, ttlMs=600000)
    a.kill9()
    began = time.monotonic()
    a.start()
    took = time.monotonic() - began
    check(took < 2, f"start with 3000 messages: {took:.2f} s")
    b.start()
    got = {b.take(10)["payload"] for _ in range(3000)}
    check_equal(len(got), 3000, "messages")
