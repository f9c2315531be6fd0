"""The message commands: options that only this program has, files of any length, leases, states that are waited for."""
import hashlib
import json
import os

from lib import check, check_equal, limit, long_only, needs_ours, wait_for
from lib.net import connected
from test_commands import asked, entries, refused, send
from test_config import run

MIB = 1 << 20
RSS_MAX_KIB = 48 * 1024  # of a command, whatever the payload
NOWHERE = "437:5106:5530:1589::1"


def ran(node, *args):
    return run(node, *args, "--api-addr", f"127.0.0.1:{node.api_port}")


def status_of(node, *args):
    r = ran(node, *args)
    return r.returncode, r.stdout, r.stderr


def peak_kib(node, *args):
    """The command's peak of resident memory; it must not fail."""
    argv = [str(node.binary), *map(str, args), "--api-addr", f"127.0.0.1:{node.api_port}"]
    pid = os.posix_spawn(argv[0], argv, {"HOME": str(node.folder)},
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, str(node.folder / "out"),
                                        os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
    _, status, usage = os.wait4(pid, 0)
    check_equal(os.waitstatus_to_exitcode(status), 0, f"{args}")
    return usage.ru_maxrss


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(MIB):
            h.update(piece)
    return h.hexdigest()


@needs_ours
def test_options_of_send(net):
    a = net.node("a")
    out = json.loads(asked(a, "message", "send", NOWHERE, "x", "-t", "s/t", "--ttl", "2h", "--priority", "3",
                           "--ordered", "--policy", "at-least-once", "--idempotency-key", "k1"))
    entry = json.loads(asked(a, "outbox", "show", f"~{out['seq']}"))
    check_equal((entry["id"], entry["priority"], entry["ordered"], entry["policy"]),
                (out["id"], 3, True, "at-least-once"), "the entry")
    check_equal(entry["deadlineMs"] - entry["createdMs"], 2 * 3600 * 1000, "its life")
    again = json.loads(asked(a, "message", "send", NOWHERE, "x", "-t", "s/t", "--ttl", "2h", "--priority", "3",
                             "--ordered", "--idempotency-key", "k1"))
    check_equal(again["id"], out["id"], "the same key again")
    check("409" in refused(a, "message", "send", NOWHERE, "other", "--idempotency-key", "k1"), "key of another message")
    check_equal(len(entries(a, "outbox")), 1, "one message in all")
    for bad in (("--ttl", "10ms"), ("--priority", "4"), ("--policy", "never"), ("--until", "gone")):
        check_equal(ran(a, "message", "send", NOWHERE, "x", *bad).returncode, 2, f"{bad}")
    check("--until" in refused(a, "message", "send", NOWHERE, "x", "--ordered", "--wait"), "--wait and ours")
    asked(a, "message", "send", NOWHERE, "", "--ttl", "1m")
    check_equal(entries(a, "outbox")[0]["len"], 0, "an empty message")


@needs_ours
def test_until(net):
    a, b = net.pair()
    connected(a, b)
    code, out, err = status_of(a, "message", "send", b.ip, "x", "--until", "received", "--timeout", "30")
    check_equal((code, err), (0, ""), "received")
    ident = json.loads(out)["id"]
    code, _, err = status_of(a, "message", "send", b.ip, "y", "--until", "read", "--timeout", "1")
    check_equal(code, 4, err)
    check("not read: it is received" in err and err.count("\n") == 1, err)
    b.take(5)
    states = [json.loads(line)["state"] for line in asked(a, "message", "status", ident, "--watch").splitlines()]
    check_equal(states[-1], "read", f"{states}")
    code, _, err = status_of(a, "message", "send", NOWHERE, "z", "--ttl", "1s", "--until", "received")
    check_equal(code, 4, err)
    check("aborted" in err, err)
    check("404" in refused(a, "message", "status", "0011223344556677", "--watch"), "watch of nothing")


def through(net, length):
    """A file from node to node by the commands, and what both of them needed."""
    a, b = net.pair()
    connected(a, b)
    source, target = a.folder / "source", b.folder / "target"
    with open("/dev/urandom", "rb") as random, open(source, "wb") as f:
        block = random.read(MIB)
        for i in range(length // MIB):
            f.write(i.to_bytes(8, "big") + block[8:])
        f.write(block[:length % MIB])
    up = peak_kib(a, "message", "send", b.ip, "--msg-path", source, "-t", "file")
    check_equal(sorted(json.loads((a.folder / "out").read_text())), ["id"], "answer as ever")
    wait_for("it is there", lambda: entries(b, "inbox", "--state", "ready"), 60 + length / MIB)
    down = peak_kib(b, "message", "receive", "--ack", "--timeout", "30", "--msg-path", target, "-t", "file")
    check_equal(digest(target), digest(source), "the payload")
    check_equal(entries(b, "inbox"), [], "acknowledged")
    # The call that every node has takes as little.
    asked(a, "message", "send", b.ip, "--msg-path", source, "-t", "file")
    wait_for("it is there", lambda: entries(b, "inbox", "--state", "ready"), 60 + length / MIB)
    target.unlink()
    down = max(down, peak_kib(b, "message", "receive", "--timeout", "30", "--msg-path", target, "-t", "file"))
    check_equal(digest(target), digest(source), "the payload that was popped")
    shown = json.loads((b.folder / "out").read_text())
    check_equal((shown["topic"], "payload" in shown), ("file", False), "what it printed")
    check(net.sanitized or (up < RSS_MAX_KIB and down < RSS_MAX_KIB), f"peak of send {up} KiB, of receive {down} KiB")
    return up, down


@needs_ours
@limit(180)
def test_large_file(net):
    """More than the commands ever held in memory, and not a whole number of pieces."""
    through(net, 70 * MIB + 12345)


@needs_ours
@long_only
@limit(120)
def test_longest_file(net):
    """What the bus takes at most."""
    up, down = through(net, 1024 * MIB)
    print(f"# 1 GiB: peak of send {up} KiB, of receive {down} KiB")


@needs_ours
def test_receive_on_lease(net):
    a, b = net.pair()
    connected(a, b)
    check_equal(status_of(b, "message", "receive", "--ack", "--timeout", "0", "--fail-empty"), (3, "", ""), "nothing there")
    check_equal(status_of(b, "message", "receive", "--timeout", "0", "--fail-empty"), (3, "", ""), "nothing to pop")
    check_equal(status_of(b, "message", "receive", "--ack", "--timeout", "0"), (0, "", ""), "nothing, as ever")
    ident = send(a, b.ip, "small", "-t", "t")
    out = json.loads(asked(b, "message", "receive", "--ack", "--timeout", "30", "-t", "t"))
    check_equal((out["id"], out["topic"], out["payload"]), (ident, "t", "small"), "the message")
    a.wait_status(ident, "read")
    # What cannot be written out is not lost.
    send(a, b.ip, "kept")
    wait_for("it is there", lambda: entries(b, "inbox", "--state", "ready"))
    r = ran(b, "message", "receive", "--ack", "--timeout", "30", "--msg-path", "/dev/full")
    check_equal((r.returncode, r.stdout), (1, ""), r.stderr)
    out = ran(b, "message", "receive", "--ack", "--timeout", "30", "--raw")
    check_equal((out.returncode, out.stdout), (0, "kept\n"), out.stderr)
    # Above what comes inline.
    path = a.folder / "middle"
    path.write_bytes(b"m" * 200_000)
    asked(a, "message", "send", b.ip, "--msg-path", path)
    out = json.loads(asked(b, "message", "receive", "--ack", "--timeout", "30"))
    check_equal(len(out["payload"]), 200_000, "length of a middle one")
    check("no such" not in refused(b, "message", "receive", "--ack", "--timeout", "0", "--msg-path", "/no/where/x"), "bad path")
