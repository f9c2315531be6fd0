"""Topic rules: the file, what it refuses, SIGHUP; messages of others and to oneself under them."""
import signal
import subprocess
import threading
import time

from lib import check, check_equal, needs_ours, wait_for
from lib.rest import Api

RULES = """default = "Reject"
old = ["400::/7"]
[ok]
subnets = ["%s"]
["by.key"]
subnets = ["%s"]
[nobody]
"""


def topic_file(net, name, text):
    path = net.folder / f"{name}.toml"
    path.write_text(text)
    return path


def under_rules(net):
    """a, and b with rules that let a in."""
    a = net.node("a")
    path = topic_file(net, "rules", RULES % (a.identity.subnet, a.public_key))
    b = net.node("b", [a.endpoint()], extra=["--topic-config", str(path)])
    b.wait_route(a)
    a.wait_route(b)
    return a, b, path


def taken(node, count):
    got = set()
    while len(got) < count:
        m = node.take(10)
        check(m is not None, f"only {sorted(got)} arrived")
        got.add(m["payload"])
    return got


@needs_ours
def test_file_rules(net):
    a, b, _ = under_rules(net)
    refused = [a.send(b, b"no", topic) for topic in (b"other", b"nobody", None, b"ok2")]
    for topic in (b"ok", b"by.key", b"old"):
        a.send(b, topic, topic)
    check_equal(taken(b, 3), {b"ok", b"by.key", b"old"}, "what the rules let in")
    time.sleep(0.5)
    check(b.take() is None, "a refused message arrived")
    check({a.status(i) for i in refused} <= {"pending", "aborted"}, "status of the refused ones")


@needs_ours
def test_reply_passes(net):
    a, b, _ = under_rules(net)
    question = b.send(a, b"question", b"any")
    check_equal(a.take(10)["payload"], b"question", "the question")
    a.reply(question, b, b"answer")
    a.reply("0011223344556677", b, b"to nothing")
    check_equal(b.take(10)["payload"], b"answer", "the answer to what was asked")
    time.sleep(0.5)
    check(b.take() is None, "a reply to nothing arrived")


@needs_ours
def test_to_oneself(net):
    _, b, path = under_rules(net)
    r = b.post(b, b"self", b"other")
    check_equal((r.status, "topic rules" in r.text), (403, True), "a refused message to oneself")
    r = b.api.call("POST", "/bus/v1/messages", {"dst": {"ip": b.ip}, "topicText": "other", "payload": ""})
    check_equal((r.status, r.json()["code"]), (403, "forbidden"), "the same under /bus/v1")
    b.send(b, b"self", b"old")
    check_equal(b.take(5)["payload"], b"self", "an allowed one")


@needs_ours
def test_hangup_reads_again(net):
    a, b, path = under_rules(net)
    early = a.send(b, b"early", b"other")
    a.wait_status(early, ["aborted"], 10)  # a node of this program is told
    path.write_text('default = "accept"\n')
    b.process.send_signal(signal.SIGHUP)
    wait_for("the refusal in the log", lambda: "the topic rules stay" in b.log_file.read_text())
    check(f"{path}:1: " in b.log_file.read_text(), f"path and line in the log:\n{b.log_tail()}")
    a.wait_status(a.send(b, b"early", b"other"), ["aborted"], 10)  # the old rules hold
    path.write_text("[nobody]\n")
    b.process.send_signal(signal.SIGHUP)
    wait_for("the new rules", lambda: b.log_file.read_text().count("topic rules read") == 2)
    late = a.send(b, b"late", b"other")
    m = b.take(10)
    check(m is not None and m["payload"] == b"late", "a message under the new rules did not come")
    check_equal(m["id"], late, "id")


@needs_ours
def test_start_is_refused(net):
    a = net.node("a", start=False)
    for text, where in (('a = ["400::/7"]\ndefault = "accept"\n', ":2: "), ("[a]\nsubnets = [\"x\"]", ":2: "),
                        ("[a\n", ":1:3: "), ("[a]\nforward_socket = 1979-05-27", ":2:18: "), (None, ": No such file")):
        path = net.folder / "bad.toml"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        r = subprocess.run(a.command() + ["--topic-config", str(path)], cwd=a.folder, timeout=20,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check_equal(r.returncode, 1, f"exit status with {text!r}")
        check(f"{path}{where}" in r.stdout, f"{path}{where} is not in:\n{r.stdout}")


@needs_ours
def test_rules_by_call(net):
    """Rules of the API by key, for the empty topic, and what SIGHUP leaves of them."""
    a, b, path = under_rules(net)
    base = "/messages/topics"
    check_equal(b.call("POST", f"{base}//sources", {"subnet": a.public_key.upper()}).status, 201, "by key, no topic")
    check_equal(b.get(f"{base}//sources"), [a.public_key], "sources of the empty topic")
    a.send(b, b"without topic")
    check_equal(b.take(10)["payload"], b"without topic", "by the rule for no topic")
    check_equal(b.call("DELETE", f"{base}/").status, 204, "removed")
    check("" not in b.get(base), "the empty topic is still there")
    refused = a.send(b, b"refused")
    time.sleep(0.5)
    check(b.take() is None, "a message without topic arrived")
    check(a.status(refused) in ("pending", "aborted"), "status of the refused one")
    check_equal(b.call("PUT", f"{base}/default", {"accept": True}).status, 204, "the default")
    before = len(b.get(base))
    check_equal(b.call("POST", base, "dG1w").status, 201, "one more rule")
    b.process.send_signal(signal.SIGHUP)
    wait_for("the file again", lambda: b.get(f"{base}/default") == {"accept": False})
    check_equal(len(b.get(base)), before + 1, "rules after SIGHUP: what the file does not name stays")


@needs_ours
def test_rules_are_kept(net):
    """What a call answered is there after kill -9; what the file says wins."""
    a = net.node("a")
    base = "/messages/topics"
    check_equal(a.call("PUT", f"{base}/default", {"accept": False}).status, 204, "the default")
    for i in range(20):
        check_equal(a.call("POST", f"{base}/a2V5/sources", {"subnet": f"400::{i:x}"}).status, 201, "a source")
    check_equal(a.call("POST", base, [103, 111, 110, 101]).status, 201, "a rule")
    check_equal(a.call("DELETE", f"{base}/Z29uZQ==").status, 204, "gone again")
    check_equal(a.call("DELETE", f"{base}/a2V5/sources/400::7%2F128").status, 204, "a source less")
    check_equal(a.call("POST", base, "ZmlsZQ==").status, 201, "a rule that the file will have, too")
    a.restart("kill9")
    check_equal(sorted(a.get(base)), ["ZmlsZQ==", "a2V5"], "rules after kill -9")
    check_equal(a.get(f"{base}/a2V5/sources"), [f"400::{i:x}/128".replace("::0/", "::/") for i in range(20) if i != 7],
                "sources")
    check_equal(a.get(f"{base}/default"), {"accept": False}, "the default after kill -9")
    a.stop()
    path = topic_file(net, "later", 'default = "Accept"\nfile = ["500::/8"]\n')
    a.extra = ["--topic-config", str(path)]
    a.start()
    check_equal(a.get(f"{base}/ZmlsZQ==/sources"), ["500::/8"], "the rule of the file")
    check_equal(len(a.get(f"{base}/a2V5/sources")), 19, "the other one")
    check_equal(a.get(f"{base}/default"), {"accept": True}, "the default of the file")
    # Many at once: one after the other, none lost.
    clients = [Api("127.0.0.1", a.api_port) for _ in range(8)]
    def add(n):
        for i in range(10):
            r = clients[n].call("POST", f"/api/v1{base}/bWFueQ==/sources", {"subnet": f"401::{n}:{i}"})
            check_equal(r.status, 201, "one of many")
    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    check_equal(len(a.get(f"{base}/bWFueQ==/sources")), 80, "all of them")


@needs_ours
def test_limits_of_the_file(net):
    a = net.node("a")
    path = topic_file(net, "limits", '[last]\nsubnets = ["400::/7"]\nmax_msgs = 2\ndiscard = "old"\n')
    b = net.node("b", [a.endpoint()], extra=["--topic-config", str(path)])
    for i in range(5):
        ident = a.send(b, b"%d" % i, b"last")
        a.wait_status(ident, "received")
    got = [b.take(10, b"last")["payload"] for _ in range(2)]
    check_equal(got, [b"3", b"4"], "the last two")
    check_equal(b.take(0, b"last"), None, "nothing else is there")
