"""Topic rules of our daemon, with a reference node as sender."""
import base64
import socket
import threading
import time

from lib import check, check_equal, reference


def test_topic_rules(net):
    ours, theirs = net.pair(None, reference())
    check_equal(ours.call("PUT", "/messages/topics/default", {"accept": False}).status, 204, "the default")
    r = ours.call("POST", "/messages/topics/b2s=/sources", {"subnet": theirs.identity.subnet})
    check_equal(r.status, 201, "a rule for `ok`")
    refused = theirs.send(ours, b"refused", b"other")
    theirs.send(ours, b"taken", b"ok")
    m = ours.take(15)
    check(m is not None, "a message on the allowed topic did not arrive")
    check_equal((m["payload"], m["topic"]), (b"taken", b"ok"), "what arrived")
    time.sleep(1)
    check(ours.take() is None, "a message on a refused topic arrived")
    check_equal(theirs.status(refused), "pending", "status of the refused one")
    # The sender asks on: it gets in as soon as the rules let it.
    check_equal(ours.call("PUT", "/messages/topics/default", {"accept": True}).status, 204, "the default")
    m = ours.take(15)
    check(m is not None and m["id"] == refused, "what was refused did not come later")


def test_reply_of_a_reference_node(net):
    ours, theirs = net.pair(None, reference())
    check_equal(ours.call("PUT", "/messages/topics/default", {"accept": False}).status, 204, "the default")
    question = ours.send(theirs, b"question", b"q")
    check_equal(theirs.take(15)["payload"], b"question", "the question")
    theirs.reply(question, ours, b"answer")
    m = ours.take(15)
    check(m is not None and m["payload"] == b"answer", "the answer to what was asked did not arrive")


def test_forwarding(net):
    """A message of the reference goes to a socket of ours; the answer is the reply that it waits for."""
    ours, theirs = net.pair(None, reference())
    path = str(net.folder / "app.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()

    def serve():
        for _ in range(2):
            c, _address = listener.accept()
            with c:
                c.sendall(b"re: " + c.recv(65536))

    threading.Thread(target=serve, daemon=True).start()
    check_equal(ours.call("POST", "/messages/topics/YXBw/sources", {"subnet": "400::/7"}).status, 201, "the rule")
    check_equal(ours.call("PUT", "/messages/topics/YXBw/forward", {"socketPath": path}).status, 204, "the socket")
    r = theirs.call("POST", "/messages?reply_timeout=20",
                    {"dst": {"ip": ours.ip}, "topic": "YXBw", "payload": base64.b64encode(b"asked").decode()}, timeout=30)
    check_equal(r.status, 200, "the reply in time")
    check_equal(base64.b64decode(r.json()["payload"]), b"re: asked", "the reply")
    sent = theirs.send(ours, b"told", b"app")
    m = theirs.take(15)
    check(m is not None and m["id"] == sent and m["payload"] == b"re: told", "the reply in the inbox")
    theirs.wait_status(sent, ["read"], 15)
    check(ours.take() is None, "what was forwarded is in the inbox, too")
