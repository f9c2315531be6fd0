"""Every command with the other program's node: the reference's commands with our daemon, ours with a reference daemon. Each
is compared with the reference's command and a reference daemon: the same exit status, the same shape of what it prints. What
only our commands have ends with one line that says so. Prints a table."""
import json
import re
import subprocess

from lib import check, check_equal, limit, reference
from lib.binary import under_test

NOBODY = "437:5106:5530:1589::1"


def run(binary, node, before, words):
    argv = [str(binary), *before, "--api-addr", f"127.0.0.1:{node.api_port}", *words]
    return subprocess.run(argv, env={"PATH": "/usr/bin:/bin", "HOME": str(node.folder), "NO_COLOR": "1"}, cwd=node.folder,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def json_shape(v):
    """Keys and kinds; of a list its first entry."""
    if isinstance(v, dict):
        return {k: json_shape(x) for k, x in v.items()}
    if isinstance(v, list):
        return [json_shape(v[0])] if v else []
    return type(v).__name__


def shape(out):
    """Of JSON its keys, of a table its heading, of anything else the number of lines. The reference's commands log to
    standard output."""
    text = re.sub(r"^\d{4}-\d\d-\d\dT.*\n", "", out.decode("utf-8", "replace"), flags=re.M)
    try:
        return "json", json_shape(json.loads(text))
    except ValueError:
        pass
    headings = re.findall(r"^\+-[-+]*\n(\|.*)\n", text, re.M)
    if text.startswith("+") and headings:
        return "table", re.sub(r" +", " ", headings[0])
    return "lines", text.count("\n")


def agree(a, b):
    """A list that is empty says nothing of its entries, and a metric may be a number or a word."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(agree(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return not a or not b or agree(a[0], b[0])
    return a == b or sorted((str(a), str(b))) == ["int", "str"]


class World:
    """Two nodes that know each other; the commands ask the second."""

    def __init__(self, net, name, binary):
        self.a = net.node(name + "a", binary=binary)
        self.b = net.node(name + "b", binary=binary, peers=[self.a.endpoint()])
        self.a.wait_route(self.b)
        self.b.wait_route(self.a)

    def prepare(self, words):
        if words[:2] == ("message", "receive") and "none" not in words:
            self.a.send(self.b, b"for receive", b"t")


def commands(world):
    peer = "tcp://127.0.0.1:1"
    key = world.a.public_key
    yield ("inspect", key)
    yield ("inspect", "--json", key)
    yield ("inspect", "zz")
    yield ("generate-keys",)
    yield ("generate-keys",)  # which keeps the one that is there
    yield ("peers", "list")
    yield ("peers", "list", "--json")
    yield ("peers", "add", peer)
    yield ("peers", "add", peer)
    yield ("peers", "add", "nonsense")
    yield ("peers", "remove", peer)
    yield ("peers", "remove", peer)
    yield ("peers", "add")
    for which in ("selected", "fallback", "queried"):
        yield ("routes", which)
        yield ("routes", which, "--json")
    yield ("stats", "packets")
    yield ("stats", "packets", "--json")
    yield ("message", "send", world.a.ip, "hello")
    yield ("message", "send", "-t", "topic", world.a.public_key, "hello")
    yield ("message", "send", "--wait", "--timeout", "1", world.a.ip, "no reply comes")
    yield ("message", "send", "--reply-to", "0011223344556677", world.a.ip, "a reply")
    yield ("message", "send", "::1", "not in the network")
    yield ("message", "receive", "--timeout", "20", "-t", "t")
    yield ("message", "receive", "--timeout", "20", "-t", "t", "--raw")
    yield ("message", "receive", "--timeout", "20", "-t", "t", "--msg-path", "payload")
    yield ("message", "receive", "--timeout", "1", "-t", "none")
    yield ("proxy", "list")
    yield ("proxy", "list", "--json")
    yield ("proxy", "connect")
    yield ("proxy", "disconnect")
    yield ("proxy", "probe", "start")
    yield ("proxy", "probe", "stop")


def outcome(binary, world, words):
    world.prepare(words)
    r = run(binary, world.b, (), words)
    return r.returncode, *shape(r.stdout)


@limit(300)
def test_commands_of_the_reference(net):
    pairs = [(reference(), World(net, "r", reference())), (reference(), World(net, "o", under_test())),
             (under_test(), World(net, "s", reference()))]
    rows, bad = [], []
    for steps in zip(*(commands(world) for _, world in pairs)):
        words = steps[0]
        expected, theirs, ours = (outcome(binary, world, w) for (binary, world), w in zip(pairs, steps))
        same = [x[:2] == expected[:2] and agree(x[2], expected[2]) for x in (theirs, ours)]
        rows.append((" ".join(words), expected[0], *("same" if s else "DIFFERS" for s in same)))
        if not all(same):
            bad.append(f"{' '.join(words)}:\n  reference with reference {expected}\n  reference with ours {theirs}\n"
                       f"  ours with reference {ours}")
    width = max(len(r[0]) for r in rows)
    for words, status, theirs, ours in rows:
        print(f"# {words:{width}}  exit {status}  reference's with our node: {theirs}  ours with its node: {ours}")
    check(not bad, "\n" + "\n".join(bad))


def ours_only():
    """Commands of ours, and what they end with at a node that has none of what they need."""
    yield ("outbox", "list"), 1
    yield ("outbox", "show", "0011223344556677"), 1
    yield ("outbox", "cancel", "~1"), 1
    yield ("outbox", "retry", "~1"), 1
    yield ("outbox", "watch"), 1
    yield ("inbox", "list"), 1
    yield ("inbox", "show", "1"), 1
    yield ("inbox", "drop", "1"), 1
    yield ("inbox", "requeue", "1"), 1
    yield ("message", "subscribe"), 1
    yield ("message", "receive", "--ack", "--timeout", "1"), 1
    yield ("message", "receive", "--fail-empty", "--timeout", "1", "-t", "none"), 3
    yield ("message", "send", "--ttl", "1m", NOBODY, "x"), 1
    yield ("message", "send", "--until", "received", NOBODY, "x"), 1
    yield ("message", "status", "0011223344556677"), 1
    yield ("message", "status", "--watch", "0011223344556677"), 1
    yield ("health",), 1
    yield ("topics", "list"), 0
    yield ("topics", "add", "a/b"), 0
    yield ("topics", "allow", "a/b", "400::/7"), 0
    yield ("topics", "deny", "a/b", "400::/7"), 0
    yield ("topics", "forward", "a/b", "/tmp/none.sock"), 0
    yield ("topics", "forward", "a/b"), 0
    yield ("topics", "remove", "a/b"), 0
    yield ("topics", "default", "accept"), 0
    yield ("top",), 0
    yield ("top", "--json"), 0


@limit(120)
def test_commands_of_ours(net):
    world = World(net, "r", reference())
    rows, bad = [], []
    for words, expected in ours_only():
        r = run(under_test(), world.b, (), words)
        lines = r.stderr.decode().count("\n")
        rows.append((" ".join(words), r.returncode, r.stderr.decode().strip()))
        told = b"another program" in r.stderr or words[:2] == ("message", "status")
        if r.returncode != expected or (expected == 1 and (lines != 1 or r.stdout or not told)) or (expected == 0 and lines):
            bad.append(f"{' '.join(words)}: {r}")
    for words, status, why in rows:
        print(f"# {words}: exit {status} {why}")
    check(not bad, "\n" + "\n".join(bad))


@limit(180)
def test_large_file(net):
    """Ours streams it where that is possible, and does what the reference's command does where it is not."""
    length = 1_400_000  # above what is streamed, below what a reference node takes
    for binary in (reference(), under_test()):
        sender = net.node(f"s{binary.parent.name[:8]}", binary=binary)
        receiver = net.node(f"t{binary.parent.name[:8]}", peers=[sender.endpoint()], binary=binary)
        sender.wait_route(receiver)
        receiver.wait_route(sender)
        path = sender.folder / "large"
        path.write_bytes(bytes(range(256)) * (length // 256) + b"end")
        r = run(under_test(), sender, (), ("message", "send", receiver.ip, "--msg-path", str(path)))
        check_equal((r.returncode, r.stderr, list(json.loads(r.stdout))), (0, b"", ["id"]), f"send by {binary}")
        r = run(under_test(), receiver, (), ("message", "receive", "--timeout", "60", "--msg-path", str(path) + ".got"))
        check_equal((r.returncode, r.stderr), (0, b""), f"receive by {binary}")
        check(path.with_suffix(".got").read_bytes() == path.read_bytes(), "the payload")
