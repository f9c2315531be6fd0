"""Messages between our daemon and a reference node, in both directions."""
import os
import threading
import time

from lib import Skip, check, check_equal, limit, reference

LENGTHS = (0, 1, 250, 1300, 1301, 1400, 1549, 2601, 4000, 65536)


def pair(net):
    """Our daemon listens, the reference dials."""
    return net.pair(None, reference())


def sendable(sender, receiver, length):
    """With our daemon on one side, every length; else those whose last chunk of 1300 is not short."""
    return sender.ours or receiver.ours or length <= 1300 or length % 1300 == 0 or length % 1300 >= 250


def exchange(sender, receiver, payload, topic=None, seconds=15):
    identifier = sender.send(receiver, payload, topic)
    m = receiver.take(seconds)
    check(m is not None, f"{sender.name} to {receiver.name}, {len(payload)} bytes: nothing arrived "
                         f"({sender.status(identifier)})")
    check_equal((m["id"], m["payload"] == payload, m["topic"], m["srcIp"], m["dstIp"]),
                (identifier, True, topic or b"", sender.ip, receiver.ip),
                f"{sender.name} to {receiver.name}, {len(payload)} bytes")
    sender.wait_read(identifier, receiver)
    check(receiver.take() is None, f"{len(payload)} bytes arrived twice")


def matrix(net, sender, receiver):
    lengths = [n for n in LENGTHS if sendable(sender, receiver, n)]
    for n in lengths:
        exchange(sender, receiver, os.urandom(n))
    print(f"# {sender.name} to {receiver.name}: {', '.join(map(str, lengths))}")


@limit(120)
def test_lengths_to_the_reference(net):
    a, b = pair(net)
    matrix(net, a, b)


@limit(120)
def test_lengths_from_the_reference(net):
    a, b = pair(net)
    matrix(net, b, a)


@limit(120)
def test_every_kind_of_last_chunk_from_the_reference(net):
    """Around each multiple of 1300, up to 4000."""
    a, b = pair(net)
    lengths = [n + d for n in (1300, 2600, 3900) for d in (-1, 0, 1, 50, 249, 250, 251)]
    sent = {}
    for n in lengths:
        if sendable(b, a, n):
            sent[b.send(a, bytes(n))] = n
    got = {}
    while len(got) < len(sent):
        m = a.take(15)
        check(m is not None, f"{len(got)} of {len(sent)} arrived")
        got[m["id"]] = len(m["payload"])
    check_equal(got, sent, "lengths by id")


def test_replies_both_ways(net):
    a, b = pair(net)
    for asker, answerer in ((a, b), (b, a)):
        identifier = asker.send(answerer, b"question")
        m = answerer.take(10)
        answerer.reply(m["id"], m["srcIp"], b"answer " * 300)
        r = asker.take(10)
        check(r is not None, f"no reply from {answerer.name} to {asker.name}")
        check_equal((r["id"], r["payload"]), (identifier, b"answer " * 300), "the reply")


def test_waiting_for_a_reply_both_ways(net):
    a, b = pair(net)
    for asker, answerer in ((a, b), (b, a)):
        def answer(node=answerer):
            m = node.take(10)
            node.reply(m["id"], m["srcIp"], b"pong")

        answering = threading.Thread(target=answer)
        answering.start()
        r = asker.post(answerer, b"ping", query="?reply_timeout=10", timeout=20)
        answering.join()
        check_equal((r.status, r.json().get("payload")), (200, "cG9uZw=="), f"{asker.name} waits for a reply")


def test_topics(net):
    a, b = pair(net)
    for sender, receiver in ((a, b), (b, a)):
        ids = {}
        for topic in (b"red", b"blue", b"", bytes(range(200, 255)), b"t" * 255):
            ids[topic] = sender.send(receiver, b"for " + topic[:20], topic)
            sender.wait_status(ids[topic], "received")
        for topic in (b"blue", b"t" * 255, b"", bytes(range(200, 255)), b"red"):
            m = receiver.take(topic=topic)
            check_equal(m and m["id"], ids[topic], f"by topic {topic[:20]!r} at {receiver.name}")
        check_equal(receiver.call("GET", "/messages?topic=eA%3D%3D").status, 204, "an unknown topic")


def test_destination_by_key_and_other_address(net):
    a, b = pair(net)
    for sender, receiver in ((a, b), (b, a)):
        body = {"dst": {"pk": receiver.public_key}, "payload": "a2V5"}
        check_equal(sender.call("POST", "/messages", body).status, 201, "POST by key")
        check_equal(receiver.take(10)["payload"], b"key", f"by key, {sender.name} to {receiver.name}")
        other = receiver.identity.subnet.removesuffix("::/64") + "::1"
        identifier = sender.send(other, b"other")
        m = receiver.take(10)
        check_equal((m["id"], m["dstIp"]), (identifier, other), "to another address of the subnet")
        sender.wait_read(identifier, receiver)


@limit(120)
def test_many_at_once_both_ways(net):
    """300 messages each way, sent by 6 clients while the others take: everything arrives once."""
    a, b = pair(net)
    sent, got, errors = {}, {}, []

    def send(sender, receiver, k):
        try:
            for i in range(100):
                size = (20, 1024, 3000)[i % 3]
                sent[sender.send(receiver, b"%d " % k + os.urandom(size))] = True
        except Exception as e:
            errors.append(e)

    clients = [threading.Thread(target=send, args=(*((a, b), (b, a))[k % 2], k)) for k in range(6)]
    for c in clients:
        c.start()
    end = time.monotonic() + 90
    while (any(c.is_alive() for c in clients) or len(got) < len(sent)) and time.monotonic() < end:
        for node in (a, b):
            m = node.take()
            if m is None:
                time.sleep(0.005)
                continue
            check(m["id"] not in got, "a message arrived twice")
            got[m["id"]] = True
    check_equal(errors, [], "errors of the clients")
    check_equal((len(sent), len(got)), (600, 600), "sent and arrived")


@limit(120)
def test_reference_restarts(net):
    """Sent while the reference is away: arrives when it is back, also if it was restarted between."""
    if not net.ours:
        raise Skip("the binary under test is not our daemon")
    a, b = pair(net)
    exchange(a, b, b"before")
    b.kill9()
    sent = {a.send(b, b"away %d" % i) for i in range(5)}
    b.start()
    got = set()
    while len(got) < 5:
        m = b.take(40)
        check(m is not None, f"{len(got)} of 5 arrived")
        got.add(m["id"])
    check_equal(got, sent, "what arrived")
    exchange(b, a, b"after")


@limit(120)
def test_ours_restarts(net):
    """Our daemon is killed while the reference sends to it, and again with unread messages."""
    if not net.ours:
        raise Skip("the binary under test is not our daemon")
    a, b = pair(net)
    sent = set()
    for i in range(30):
        sent.add(b.send(a, b"m%d" % i + bytes(100 * i)))
        if i in (10, 20):
            a.restart("kill9")
    a.wait_peers(1, 20)
    for identifier in sent:
        b.wait_status(identifier, "received", 60)
    a.restart("kill9")
    got = [a.take(5) for _ in range(30)]
    check(all(got), f"{sum(m is not None for m in got)} of 30 arrived")
    check_equal({m["id"] for m in got}, sent, "what arrived")
    check(a.take(2) is None, "something arrived twice")


@limit(120)
def test_reference_restarts_in_the_middle_of_a_transfer(net):
    """It forgets the chunks that it acknowledged; our daemon begins anew."""
    if not net.ours:
        raise Skip("the binary under test is not our daemon")
    b = net.node("b", binary=reference())
    relay = net.relay(b.tcp_port, bytes_per_s=30_000)  # 64 KiB take about 2.4 s
    a = net.node("a", peers=[relay.endpoint()])
    a.wait_route(b)
    payload = os.urandom(65536)
    identifier = a.send(b, payload)
    time.sleep(1.0)
    b.restart("kill9")
    m = b.take(60)
    check(m is not None and m["payload"] == payload, f"not arrived: {a.status(identifier)}")
    a.wait_status(identifier, "read", 20)
