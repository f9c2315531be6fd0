"""Topic rules of our daemon, with a reference node as sender."""
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
