"""The commands for outbox, inbox and topic rules: what they show, what they change, what they refuse."""
import json

from lib import check, check_equal, needs_ours, wait_for
from lib.net import connected
from test_config import run


def asked(node, *args):
    """Standard output of a command that must not fail."""
    r = run(node, *args, "--api-addr", f"127.0.0.1:{node.api_port}")
    check_equal((r.returncode, r.stderr), (0, ""), f"{args}: {r.stdout}")
    return r.stdout


def refused(node, *args):
    """The one line that it says."""
    r = run(node, *args, "--api-addr", f"127.0.0.1:{node.api_port}")
    check_equal((r.returncode, r.stdout), (1, ""), f"{args}")
    check(r.stderr.startswith("Error: ") and r.stderr.count("\n") == 1, f"{args}: {r.stderr!r}")
    return r.stderr


def entries(node, queue, *more):
    return json.loads(asked(node, queue, "list", "--json", *more))


def send(node, dst, text, *more):
    return json.loads(asked(node, "message", "send", dst, text, *more))["id"]


@needs_ours
def test_outbox(net):
    a = net.node("a")
    nowhere = "437:5106:5530:1589::1"
    ids = [send(a, nowhere, str(i), "-t", "some topic") for i in range(3)]
    check_equal([e["id"] for e in entries(a, "outbox")], ids[::-1], "newest first")
    table = asked(a, "outbox", "list")
    check("some topic" in table and nowhere in table and "pending" in table, table)
    check_equal(json.loads(asked(a, "outbox", "show", ids[0]))["state"], "pending", "show by id")
    asked(a, "outbox", "retry", ids[1])
    asked(a, "outbox", "cancel", "~2")
    asked(a, "outbox", "cancel", "~2")  # again: no harm
    check_equal([e["id"] for e in entries(a, "outbox", "--state", "cancelled")], [ids[1]], "cancelled ones")
    check("409" in refused(a, "outbox", "retry", "~2"), "retry of a cancelled one")
    check("404" in refused(a, "outbox", "show", "~99"), "show of none")
    check("no such state" in refused(a, "outbox", "list", "--state", "lost"), "an unknown state")


@needs_ours
def test_outbox_pages(net):
    """More than one answer of the node holds."""
    a = net.node("a")
    for _ in range(3):
        body = {"dsts": [{"ip": f"437:5106:5530:{i:x}::1"} for i in range(1, 801)], "payload": "eA=="}
        check_equal(a.api.call("POST", "/bus/v1/messages", body).status, 201, "POST to many")
    seqs = [e["seq"] for e in entries(a, "outbox")]
    check_equal(seqs, list(range(2400, 0, -1)), "all of them, once each")


@needs_ours
def test_inbox(net):
    a, b = net.pair()
    for text in ("one", "two"):
        send(a, b.ip, text, "-t", "in")
    wait_for("both are there", lambda: len(entries(b, "inbox", "--state", "ready")) == 2)
    first, second = sorted(e["seq"] for e in entries(b, "inbox"))
    check(a.ip in asked(b, "inbox", "list"), "the sender is shown")
    asked(b, "inbox", "drop", first)
    check_equal(json.loads(asked(b, "inbox", "show", second))["seq"], second, "show")
    fetched = b.api.call("POST", "/bus/v1/messages/fetch", {"topic": "aW4="}).json()["messages"]
    b.api.call("POST", "/bus/v1/messages/term", {"tokens": [fetched[0]["token"]]})
    check_equal([e["state"] for e in entries(b, "inbox")], ["dead"], "after term")
    asked(b, "inbox", "requeue", second)
    check_equal([e["state"] for e in entries(b, "inbox")], ["ready"], "after requeue")
    check("404" in refused(b, "inbox", "drop", first), "drop of none")


@needs_ours
def test_topics(net):
    a = net.node("a")
    check_equal(asked(a, "topics", "list"), "Topics without a rule: accepted from everybody\n", "no rules")
    asked(a, "topics", "default", "reject")
    asked(a, "topics", "add", "a/b")
    asked(a, "topics", "allow", "base64:AP8=", a.public_key)
    asked(a, "topics", "allow", "a/b", "10.1.2.3/24")
    asked(a, "topics", "forward", "a/b", "/tmp/some.sock")
    rules = json.loads(asked(a, "topics", "list", "--json"))
    check_equal(rules["accept"], False, "default")
    check_equal(sorted((r["topic"], r["sources"], r["forward"]) for r in rules["rules"]),
                [("AP8=", [a.public_key], None), ("YS9i", ["10.1.2.3/24"], "/tmp/some.sock")], "rules")
    table = asked(a, "topics", "list")
    check("| a/b " in table and "| base64:AP8= " in table, table)
    asked(a, "topics", "deny", "a/b", "10.1.2.0/24")
    asked(a, "topics", "forward", "a/b")
    check("| a/b         | nobody" in asked(a, "topics", "list"), "nobody is left")
    asked(a, "topics", "remove", "a/b")
    asked(a, "topics", "remove", "base64:AP8=")
    check_equal(json.loads(asked(a, "topics", "list", "--json"))["rules"], [], "no rules any more")
    for bad in (("default", "maybe"), ("add", "base64:x"), ("add", "x" * 256), ("allow", "t", "10.1.2.3/99"),
                ("forward", "t", "/tmp/x")):
        refused(a, "topics", *bad)


@needs_ours
def test_refused_topic_over_the_wire(net):
    """What the commands set holds."""
    a, b = net.pair()
    connected(a, b)
    asked(b, "topics", "allow", "only", b.public_key)
    ident = send(a, b.ip, "x", "-t", "only")
    wait_for("it is refused", lambda: entries(a, "outbox", "--state", "aborted"))
    check_equal(json.loads(asked(a, "outbox", "show", ident))["reason"], "refused", "reason")


@needs_ours
def test_health(net):
    a = net.node("a")
    check_equal(asked(a, "health"), "ok\n", "health of a node alone")
    check("no live peer" in refused(a, "health", "--live-peer"), "without a peer")
    b = net.node("b", peers=[a.endpoint()])
    b.wait_peers(1)
    check_equal(asked(b, "health", "--live-peer"), "ok\n", "with a peer")
    b.stop()
    check("no connection" in refused(b, "health"), "without a node")


@needs_ours
def test_message_status(net):
    a, b = net.pair()
    connected(a, b)
    ident = send(a, b.ip, "x")
    wait_for("it is received", lambda: json.loads(asked(a, "message", "status", ident))["state"] == "received")
    check("404" in refused(a, "message", "status", "0011223344556677"), "an id of nothing")
    check("400" in refused(a, "message", "status", "zz"), "no id")
