"""Two daemons and their messages: sent, taken, answered, filtered, kept over a restart."""
import threading
import time

from lib import check, check_equal, needs_ours, retry_until


def test_exchange(net):
    a, b = net.pair()
    identifier = a.send(b, b"hello", b"a.topic")
    m = b.take(10)
    check(m is not None, "the message did not arrive")
    check_equal(list(m), ["id", "srcIp", "srcPk", "dstIp", "dstPk", "topic", "payload"], "keys of a message")
    check_equal((m["id"], m["srcIp"], m["srcPk"], m["dstIp"], m["dstPk"], m["topic"], m["payload"]),
                (identifier, a.ip, a.public_key, b.ip, b.public_key, b"a.topic", b"hello"), "the message")
    check(b.take() is None, "a taken message was still there")
    b.send(a, b"and back")
    check_equal(a.take(10)["payload"], b"and back", "the message the other way")


def test_status_received_then_read(net):
    a, b = net.pair()
    identifier = a.send(b, b"x" * 700)
    a.wait_status(identifier, "received")
    answer = a.get(f"/messages/status/{identifier}")
    check_equal(sorted(answer), ["created", "deadline", "dst", "msgLen", "state"], "keys of a status")
    check_equal((answer["dst"], answer["msgLen"], answer["deadline"] - answer["created"]), (b.ip, 700, 300),
                "destination, length and life")
    check(b.take(5) is not None, "the message did not arrive")
    a.wait_read(identifier, b)


def test_reply(net):
    a, b = net.pair()
    identifier = a.send(b, b"question")
    m = b.take(10)
    b.reply(m["id"], m["srcIp"], b"answer")
    r = a.take(10)
    check_equal((r["id"], r["payload"], r["topic"], r["srcIp"]), (identifier, b"answer", b"", b.ip), "the reply")


def test_reply_timeout_answered(net):
    a, b = net.pair()

    def answer():
        m = b.take(10)
        b.reply(m["id"], m["srcIp"], b"pong " + m["payload"])

    answering = threading.Thread(target=answer)
    answering.start()
    r = a.post(b, b"ping", b"t", query="?reply_timeout=10", timeout=20)
    answering.join()
    check_equal(r.status, 200, "status of a send that waits for the reply")
    check_equal(r.json()["payload"], "cG9uZyBwaW5n", "payload of the reply")
    check("topic" not in r.json(), "a reply has no topic")
    check(a.take() is None, "the reply was also put into the inbox")


def test_reply_timeout_passes(net):
    a, b = net.pair()
    r = a.post(b, b"ping", query="?reply_timeout=1", timeout=20)
    check_equal(r.status, 408, "status without a reply")
    check(0.9 <= r.seconds <= 3, f"waited {r.seconds:.2f} s for one second")
    check_equal(list(r.json()), ["id"], "keys of the 408")
    m = b.take(10)
    b.reply(m["id"], m["srcIp"], b"late")
    check_equal(a.take(10)["payload"], b"late", "a late reply in the inbox")


def test_topic_filter(net):
    a, b = net.pair()
    for payload, topic in ((b"1", b"red"), (b"2", None), (b"3", b"blue"), (b"4", b"red")):
        identifier = a.send(b, payload, topic)
        a.wait_status(identifier, "received")  # so that the order of arrival is known
    check_equal(b.take(topic=b"blue")["payload"], b"3", "the first with this topic")
    check(b.take(topic=b"blu") is None, "a topic matches only as a whole")
    check_equal(b.take(topic=b"")["payload"], b"2", "an empty filter: the first without topic")
    check_equal([b.take(topic=b"red")["payload"] for _ in range(2)], [b"1", b"4"], "oldest first")
    check(b.take() is None, "nothing is left")


def test_long_poll_with_topic(net):
    a, b = net.pair()
    got = []
    waiter = threading.Thread(target=lambda: got.append(b.call("GET", "/messages?timeout=10&topic=cmVk", timeout=20)))
    waiter.start()
    time.sleep(0.3)
    if net.ours:
        a.send(b, b"other", b"blue")
    a.send(b, b"mine", b"red")
    waiter.join()
    check_equal((got[0].status, got[0].json()["payload"]), (200, "bWluZQ=="), "answer to the waiting call")
    check(got[0].seconds < 5, f"the waiting call took {got[0].seconds:.1f} s")


def test_peek_leaves_the_message(net):
    a, b = net.pair()
    identifier = a.send(b, b"look", b"t")
    a.wait_status(identifier, "received")
    check_equal([b.take(peek=True)["payload"] for _ in range(2)], [b"look"] * 2, "peeked twice")
    check_equal(b.take(5, topic=b"t", peek=True)["id"], identifier, "peeked by topic")
    if net.ours:  # on purpose: a peek is not reported as read
        time.sleep(0.3)
        check_equal(a.status(identifier), "received", "status after a peek")
    check_equal(b.take()["payload"], b"look", "taken")
    check(b.take(peek=True) is None, "nothing to peek at")
    a.wait_read(identifier, b)


@needs_ours
def test_message_to_oneself(net):
    a = net.node("a")
    identifier = a.send(a, b"note", b"self")
    m = a.take(5)
    check_equal((m["id"], m["srcIp"], m["dstIp"], m["payload"], m["topic"]),
                (identifier, a.ip, a.ip, b"note", b"self"), "the message to oneself")
    a.wait_status(identifier, "read")
    other = a.ip.rsplit(":", 4)[0] + ":0:0:0:1"  # any address of the own /64
    a.send(other, b"note 2")
    m = a.take(5)
    check_equal(m["payload"], b"note 2", "to another address of the own subnet")


@needs_ours
def test_inbox_survives_restarts(net):
    a, b = net.pair()
    sent = [a.send(b, b"keep %d" % i, b"t") for i in range(5)]
    for identifier in sent:
        a.wait_status(identifier, "received")
    b.restart("stop")
    check_equal(b.take()["payload"][:4], b"keep", "one after an orderly restart")
    b.restart("kill9")
    left = [b.take() for _ in range(4)]
    check(all(left), "messages are missing after kill -9")
    check(b.take() is None, "a message that was taken before came back")


@needs_ours
def test_outbox_survives_restarts(net):
    """Accepted while the receiver is away; the sender is restarted twice before the receiver comes."""
    a, b = net.pair()
    b.stop()
    sent = {a.send(b, b"later %d" % i): b"later %d" % i for i in range(5)}
    a.restart("kill9")
    for identifier in sent:
        check_equal(a.status(identifier), "pending", "status after the restart")
    a.restart("stop")
    b.start()
    got = {}
    while len(got) < len(sent):
        m = b.take(25)
        check(m is not None, f"only {len(got)} of {len(sent)} arrived")
        got[m["id"]] = m["payload"]
    check_equal(got, sent, "what arrived")
    for identifier in sent:
        a.wait_status(identifier, "read")


@needs_ours
def test_status_survives_restart(net):
    a, b = net.pair()
    identifier = a.send(b, b"x")
    check(b.take(10) is not None, "did not arrive")
    a.wait_status(identifier, "read")
    a.restart("kill9")
    check_equal(a.status(identifier), "read", "status after the restart of the sender")


@needs_ours
def test_second_node_on_one_state_is_refused(net):
    a = net.node("a")
    twin = net.node("twin", start=False)
    twin.key_file.write_bytes(a.identity.private_key)
    twin.state_dir = a.state_dir
    twin.start(wait=False)
    check(retry_until(lambda: not twin.running(), 10), "a second daemon runs on the same state directory")
    check_equal(twin.process.returncode, 1, "exit status of the second daemon")
    twin.process = None
    check_equal(a.call("GET", "/admin").status, 200, "the first goes on")


@needs_ours
def test_state_of_another_key_is_refused(net):
    a = net.node("a")
    a.stop()
    other = net.node("other", start=False)
    other.state_dir = a.state_dir
    other.start(wait=False)
    check(retry_until(lambda: not other.running(), 10), "the daemon runs on the state of another key")
    check_equal(other.process.returncode, 1, "exit status")
    log, other.process = other.log_tail(), None
    check(a.ip in log and other.ip in log, f"the message does not name both addresses:\n{log}")
