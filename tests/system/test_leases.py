"""Messages on lease: fetch, ack, nack, renew, term; kill -9 in between; takers that compete or take
over from each other; dead letters; the inbox as operators see it."""
import base64
import collections
import os
import random
import socket
import threading
import time

from lib import check, check_equal, limit, needs_ours, wait_for
from lib.rest import Api, Broken


def bus(node, method, path, body=None, status=200, api=None, **options):
    a = (api or node.api).call(method, "/bus/v1" + path, body, **options)
    check_equal(a.status, status, f"{method} /bus/v1{path} ({a.text[:200]})")
    return a.json() if a.body and a.headers.get("content-type") == "application/json" else a


def fetch(node, api=None, **fields):
    """The messages, with their payload as bytes; [] for a 204."""
    a = (api or node.api).call("POST", "/bus/v1/messages/fetch", fields,
                               timeout=15 + fields.get("waitMs", 0) / 1000)
    check(a.status in (200, 204), f"fetch: {a.status} {a.text[:200]}")
    if a.status == 204:
        check_equal(a.body, b"", "body of a 204")
        return []
    return [dict(m, payload=base64.b64decode(m["payload"])) for m in a.json()["messages"]]


def settle(node, call, tokens, api=None, **fields):
    a = bus(node, "POST", f"/messages/{call}", {"tokens": tokens, **fields}, api=api)
    check_equal(a["done"] + len(a["unknown"]), len(tokens), f"{call}: done and unknown")
    return a["done"]


def entries(node, query=""):
    return bus(node, "GET", "/inbox" + query)["entries"]


@needs_ours
def test_lease_and_settle(net):
    a, b = net.pair()
    ids = []
    for i in range(6):  # one after the other: the order of the inbox is that of their completion
        ids.append(a.send(b, b"%d" % i, b"t/%d" % (i % 2)))
        a.wait_status(ids[-1], "received")
    got = fetch(b, max=4)
    check_equal([m["payload"] for m in got], [b"0", b"1", b"2", b"3"], "in the order of seq")
    check_equal({m["redelivered"] for m in got}, {0}, "redelivered")
    check_equal([m["id"] for m in got], ids[:4], "ids")
    # Pop and peek see what is not on lease.
    check_equal(b.take(peek=True)["payload"], b"4", "peek")
    check_equal([m["payload"] for m in fetch(b, max=9, topic="dC8x")], [b"5"], "by topic")
    check_equal(b.take()["payload"], b"4", "pop")
    check_equal(b.take(), None, "pop of what is on lease")
    check_equal(a.status(ids[0]), "received", "status before the ack")
    check_equal(settle(b, "ack", [got[0]["token"], got[1]["token"]]), 2, "ack")
    check_equal(settle(b, "ack", [got[0]["token"]]), 0, "ack again")
    a.wait_read(ids[0], b)
    # Given back: at once, later, never.
    check_equal(settle(b, "nack", [got[2]["token"]]), 1, "nack")
    check_equal(settle(b, "nack", [got[3]["token"]], delayMs=1500), 1, "nack with delay")
    again = fetch(b, max=9)
    check_equal([(m["payload"], m["redelivered"]) for m in again], [(b"2", 1)], "after the nack")
    check_equal(fetch(b, waitMs=200), [], "the delayed one")
    late = fetch(b, waitMs=5000)
    check_equal([(m["payload"], m["redelivered"]) for m in late], [(b"3", 1)], "after its delay")
    check_equal(settle(b, "ack", [got[2]["token"]]), 1, "ack with the older token")
    check_equal(settle(b, "term", [late[0]["token"]]), 1, "term")
    states = collections.Counter(e["state"] for e in entries(b))
    check_equal(states, {"dead": 1, "leased": 1}, "states")


@needs_ours
def test_end_of_lease(net):
    a = net.node("a")
    a.send(a, b"x")
    first = fetch(a, leaseMs=1000)[0]
    started = time.monotonic()
    second = fetch(a, waitMs=5000, leaseMs=1000)[0]
    check(0.8 < time.monotonic() - started < 3, "the second lease begins when the first one ends")
    check_equal((second["seq"], second["redelivered"]), (first["seq"], 1), "the same message")
    check_equal(settle(a, "renew", [first["token"]]), 0, "renew of a lease that is over")
    check_equal(settle(a, "renew", [second["token"]], leaseMs=60000), 1, "renew")
    check_equal(fetch(a, waitMs=1500), [], "while it is renewed")
    check_equal(settle(a, "ack", [second["token"]]), 1, "ack")
    check_equal(entries(a), [], "inbox")


@needs_ours
def test_restart_ends_leases(net):
    a = net.node("a")
    for i in range(3):
        a.send(a, b"%d" % i)
    got = fetch(a, max=3, leaseMs=3600000)
    settle(a, "ack", [got[0]["token"]])
    time.sleep(0.3)  # that they are on lease is stored by now
    a.restart("kill9")
    again = fetch(a, max=9)
    check_equal([(m["payload"], m["redelivered"]) for m in again], [(b"1", 1), (b"2", 1)], "after kill -9")
    # The tokens of the life before: what was done is done.
    check_equal(settle(a, "renew", [got[1]["token"]]), 0, "renew")
    check_equal(settle(a, "ack", [m["token"] for m in got]), 2, "ack")
    a.restart()
    check_equal(entries(a), [], "inbox")


@needs_ours
def test_dead_letters(net):
    a = net.node("a")
    a.send(a, b"poison")
    a.send(a, b"good")
    for i in range(6):
        m = fetch(a)[0]
        check_equal((m["payload"], m["redelivered"]), (b"poison", i), "offered")
        settle(a, "nack", [m["token"]])
    check_equal(fetch(a)[0]["payload"], b"good", "the next one is not blocked")
    dead = entries(a, "?state=dead")
    check_equal([e["seq"] for e in dead], [m["seq"]], "dead letters")
    seq = m["seq"]
    time.sleep(0.3)  # nobody waits for it to be stored
    a.restart("kill9")
    check_equal([e["seq"] for e in entries(a, "?state=dead")], [seq], "dead letters after kill -9")
    check_equal(bus(a, "GET", f"/inbox/{seq}/payload").body, b"poison", "its payload")
    part = bus(a, "GET", f"/inbox/{seq}/payload", status=206, headers={"Range": "bytes=1-3"})
    check_equal((part.body, part.headers["content-range"]), (b"ois", "bytes 1-3/6"), "a range of it")
    bus(a, "POST", f"/inbox/{seq}/requeue", b"", status=204)
    a.restart("kill9")
    m = fetch(a)[0]
    check_equal((m["payload"], m["redelivered"]), (b"poison", 6), "requeued")
    bus(a, "DELETE", f"/inbox/{seq}", status=204)
    problem = bus(a, "DELETE", f"/inbox/{seq}", status=404)
    check_equal(problem.json()["code"], "not-found", "code of a second delete")
    check_equal(problem.headers["content-type"], "application/problem+json", "content type")


@needs_ours
def test_consumer_is_taken_over(net):
    a = net.node("a")
    for i in range(4):
        a.send(a, b"%d" % i)
    old, new = Api("127.0.0.1", a.api_port), Api("127.0.0.1", a.api_port)
    check_equal(len(fetch(a, old, max=2, consumer="billing", leaseMs=3600000)), 2, "first connection")
    more = fetch(a, old, max=1, consumer="billing", leaseMs=3600000)
    check_equal(more[0]["payload"], b"2", "the same connection goes on")
    check_equal([e.get("consumer") for e in entries(a)], ["billing"] * 3 + [None], "who has them")
    got = fetch(a, new, max=9, consumer="billing")
    check_equal([(m["payload"], m["redelivered"]) for m in got],
                [(b"0", 1), (b"1", 1), (b"2", 1), (b"3", 0)], "another connection with this name")
    # A fetch that still waits there is answered when it is taken over.
    settle(a, "ack", [m["token"] for m in got], new)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(fetch(a, old, consumer="billing", waitMs=10000)))
    waiting.start()
    time.sleep(0.3)
    fetch(a, new, consumer="billing")
    waiting.join(5)
    check_equal(answers, [[]], "the fetch of the old connection")


@needs_ours
def test_client_leaves_while_it_waits(net):
    a = net.node("a")
    body = b'{"waitMs":60000}'
    head = (b"POST /bus/v1/messages/fetch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", a.api_port), timeout=10) as s:
            s.sendall(head + body)
            time.sleep(0.01)
    a.send(a, b"x")
    m = fetch(a, waitMs=2000)
    check_equal([(x["payload"], x["redelivered"]) for x in m], [(b"x", 0)], "nobody has it on lease")


@needs_ours
def test_inbox_pages(net):
    a = net.node("a")
    for i in range(25):
        a.send(a, b"%d" % i, b"even" if i % 2 == 0 else b"odd")
    seen, after = [], 0
    while after is not None:
        page = bus(a, "GET", f"/inbox?limit=7&after={after}")
        check(len(page["entries"]) <= 7, "length of a page")
        seen += [e["seq"] for e in page["entries"]]
        after = page.get("nextAfter")
    check_equal((len(seen), seen), (25, sorted(seen)), "all entries, in order")
    check_equal(len(entries(a, "?topic=b2Rk")), 12, "by topic")
    check_equal(len(entries(a, "?prefix=ZQ%3D%3D")), 13, "by prefix")
    one = bus(a, "GET", f"/inbox/{seen[0]}")
    check_equal((one["state"], one["len"], base64.b64decode(one["topic"])), ("ready", 1, b"even"), "one entry")


@needs_ours
def test_patterns(net):
    a = net.node("a")
    for topic in (b"plant/1/temp", b"plant/2/temp", b"plant/2/hum", b"plant", b"/plant", None):
        a.send(a, topic or b"none", topic)
    for pattern, count in (("plant/+/temp", 2), ("plant/%23", 4), ("+/+", 1), ("+", 2), ("%23", 6), ("/+", 1)):
        pattern = pattern.replace("+", "%2B")
        check_equal(len(entries(a, f"?pattern={pattern}")), count, f"entries of {pattern}")
    for bad in ("a%2B", "%23/a", "", "a/%23/b"):
        problem = bus(a, "GET", f"/inbox?pattern={bad}", status=422)
        check_equal(problem.json()["code"], "bad-pattern", f"code of {bad}")
    got = fetch(a, pattern="plant/+/temp", max=9)
    check_equal([base64.b64decode(m["topic"]) for m in got], [b"plant/1/temp", b"plant/2/temp"], "fetched, by seq")
    settle(a, "ack", [m["token"] for m in got])
    # Those who wait for a message are served in the order in which they came.
    answers = {}
    def wait(n, **filter_):
        answers[n] = fetch(a, Api("127.0.0.1", a.api_port), waitMs=10000, **filter_)
    waiting = []
    for n, filter_ in enumerate(({"pattern": "door/+"}, {"pattern": "#"}, {"pattern": "door/#"})):
        if n == 1:
            settle(a, "ack", [m["token"] for m in fetch(a, max=9)])
        waiting.append(threading.Thread(target=wait, args=(n,), kwargs=filter_))
        waiting[-1].start()
        time.sleep(0.3)
    for n in range(3):
        a.send(a, b"%d" % n, b"door/front")
        waiting[n].join(5)
        check_equal([m["payload"] for m in answers[n]], [b"%d" % n], f"client {n}")


class Taker(threading.Thread):
    """Fetches and settles at random until nothing is left. What it knows for sure it writes down."""

    def __init__(self, node, seed, nacks, books, pause=0.0):
        super().__init__(daemon=True)
        self.node, self.random, self.nacks, self.books = node, random.Random(seed), nacks, books
        self.pause = pause
        self.stopped = False
        self.error = None
        self.api = Api("127.0.0.1", node.api_port)

    def run(self):
        while not self.stopped:
            try:
                self.turn()
                time.sleep(self.pause)
            except Broken:
                self.api.close()
                time.sleep(0.02)
            except Exception as e:
                self.error = e
                return

    def turn(self):
        for m in fetch(self.node, self.api, max=self.random.randint(1, 10), waitMs=200, leaseMs=2000):
            number = int(m["payload"])
            with self.books.lock:
                if number in self.books.acked:
                    self.books.again.append(number)
                self.books.offered[number] += 1
                if m["redelivered"] > 0:
                    self.books.marked += 1
            chance = self.random.random()
            if chance < self.nacks:
                settle(self.node, "nack", [m["token"]], self.api, delayMs=self.random.choice((0, 0, 100)))
            elif chance < 1.05 * self.nacks:
                continue  # forgets it: its lease ends
            else:
                with self.books.lock:
                    self.books.asked.add(number)
                settle(self.node, "ack", [m["token"]], self.api)
                with self.books.lock:
                    self.books.acked.add(number)


class Books:
    def __init__(self):
        self.lock = threading.Lock()
        self.offered, self.marked = collections.Counter(), 0
        self.asked, self.acked, self.again = set(), set(), []


def stop_takers(takers):
    for t in takers:
        t.stopped = True
    for t in takers:
        t.join(20)
    check_equal([t.error for t in takers if t.error], [], "errors of the takers")


DEAD = "?state=dead&limit=1000"


def dead_numbers(node):
    return {int(bus(node, "GET", f"/inbox/{e['seq']}/payload").body) for e in entries(node, DEAD)}


def seed_of():
    seed = int(os.environ.get("MYCELIUM_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"# seed {seed}")
    return seed


@limit(150)
@needs_ours
def test_four_takers_share_a_thousand(net):
    """Random nacks: each message is acked once, none twice, and what came again was marked."""
    seed, count = seed_of(), 1000
    a, b = net.pair()
    clients = [threading.Thread(target=lambda k=k: [a.send(b, b"%d" % i) for i in range(k, count, 4)])
               for k in range(4)]
    books = Books()
    takers = [Taker(b, seed + i, 0.2, books) for i in range(4)]
    for t in clients + takers:
        t.start()
    for t in clients:
        t.join(60)
    # One that failed six times by chance is a dead letter.
    wait_for("all are acked or dead", lambda: len(books.acked) + len(entries(b, DEAD)) == count, 60, step=0.1)
    stop_takers(takers)
    check_equal(books.again, [], "acked messages that came again")
    check_equal(books.acked | dead_numbers(b), set(range(count)), "acked messages")
    offers = sum(books.offered.values())
    check_equal(offers - count, books.marked, "repeats and marks")
    check_equal([e for e in entries(b) if e["state"] != "dead"], [], "inbox")
    check(len(books.acked) > count * 0.98, "nearly all are acked")
    print(f"# {offers} offers of {count} messages")


@limit(150)
@needs_ours
def test_takers_over_kills(net):
    """kill -9 of the receiver at random: what was acked is never seen again, what was not is not lost."""
    seed, count = seed_of(), 400
    a, b = net.pair()
    identifiers = [a.send(b, b"%d" % i) for i in range(count)]
    wait_for("all have arrived", lambda: all(a.status(i) == "received" for i in identifiers[::20] + identifiers[-1:]), 30)
    books, rng = Books(), random.Random(seed)
    takers = [Taker(b, seed + i, 0.2, books, pause=0.2) for i in range(4)]
    for t in takers:
        t.start()
    kills, end = 0, time.monotonic() + 60
    while len(books.acked) < count * 0.9 and time.monotonic() < end:
        time.sleep(rng.uniform(0.05, 0.6))
        b.restart("kill9", rng.uniform(0, 0.1))
        kills += 1
    b.wait_ready()

    def settled():
        """Acked, or asked for (the answer was lost), or a dead letter."""
        return all(e["state"] == "dead" for e in entries(b, "?limit=1000"))

    wait_for("nothing is left but dead letters", settled, 60, step=0.3)
    stop_takers(takers)
    dead = dead_numbers(b)
    check_equal(books.again, [], "acked messages that came again")
    check_equal(dead & books.acked, set(), "acked messages that are dead letters")
    lost = set(range(count)) - books.asked - dead
    check_equal(lost, set(), "messages that were lost")
    print(f"# {kills} kills, {len(books.acked)} acks answered, {len(books.asked - books.acked)} not, "
          f"{len(dead)} dead, {books.marked} marked repeats")
