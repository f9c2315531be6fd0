"""Commands that follow: message subscribe with lines and with a command, outbox watch; both over restarts of the node."""
import contextlib
import json
import queue
import signal
import subprocess
import threading

from lib import check, check_equal, limit, needs_ours, scaled, wait_for
from lib.net import connected
from test_commands import asked, entries, refused, send

LINE_MAX_S = 40.0  # until something that is under way arrives, restarts included
NOWHERE = "437:5106:5530:1589::1"


class Following:
    """A command that runs on: its lines as they come."""

    def __init__(self, node, *args):
        argv = [str(node.binary), *map(str, args), "--api-addr", f"127.0.0.1:{node.api_port}"]
        self.errors = node.folder / "errors"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                            env={"PATH": "/usr/bin:/bin", "HOME": str(node.folder)}, cwd=node.folder)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self):
        try:
            return self.lines.get(timeout=scaled(LINE_MAX_S))
        except queue.Empty:
            raise AssertionError(f"no line came; standard error: {self.errors.read_text()}") from None

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.status()

    def status(self):
        return self.process.wait(scaled(LINE_MAX_S))


@contextlib.contextmanager
def following(node, *args):
    f = Following(node, *args)
    try:
        yield f
    finally:
        f.process.kill()
        f.process.wait()


def payloads(f, count):
    return [f.next()["payload"] for _ in range(count)]


@needs_ours
@limit(120)
def test_lines(net):
    a, b = net.pair()
    connected(a, b)
    ids = [send(a, b.ip, str(i), "-t", "a/b") for i in range(40)]
    send(a, b.ip, "other", "-t", "x")
    with following(b, "message", "subscribe", "--pattern", "a/+") as f:
        got = [f.next() for _ in range(40)]
        check_equal(sorted(m["id"] for m in got), sorted(ids), "each once")
        check_equal({m["topic"] for m in got}, {"a/b"}, "topics")
        wait_for("all are acknowledged", lambda: [e["topic"] for e in entries(b, "inbox")] == ["eA=="])
        a.wait_status(ids[0], "read")
        # It comes back after the node did, and goes on.
        b.restart("kill9")
        connected(a, b)
        send(a, b.ip, "after", "-t", "a/c")
        check_equal(payloads(f, 1), ["after"], "after a restart of the node")
        check("connection lost" in f.errors.read_text(), "the break is told")
        check_equal(f.end(), 0, "exit status after SIGTERM")
    with following(b, "message", "subscribe", "-t", "x", "--count", "1") as f:
        check_equal(payloads(f, 1), ["other"], "what had waited")
        check_equal(f.status(), 0, "exit status after --count")
    check_equal(entries(b, "inbox"), [], "everything is acknowledged")


@needs_ours
@limit(120)
def test_large_ones(net):
    """What is not part of the stream."""
    a, b = net.pair()
    connected(a, b)
    path = a.folder / "large"
    path.write_bytes(b"0123456789" * 30_000)
    asked(a, "message", "send", b.ip, "--msg-path", path, "-t", "large")
    with following(b, "message", "subscribe", "--count", "1") as f:
        check_equal(f.next()["payload"], path.read_text(), "on a line")
        check_equal(f.status(), 0, "exit status")
    asked(a, "message", "send", b.ip, "--msg-path", path, "-t", "large")
    with following(b, "message", "subscribe", "--count", "1", "--exec", "cat >got") as f:
        check_equal(f.status(), 0, "exit status")
    check_equal((b.folder / "got").read_bytes(), path.read_bytes(), "to a command")
    check_equal(entries(b, "inbox"), [], "acknowledged")


@needs_ours
@limit(120)
def test_exec(net):
    a, b = net.pair()
    connected(a, b)
    ident = send(a, b.ip, "the payload", "-t", "job")
    # Fails the first time; the second time it says what it was told.
    script = ('test "$MYCELIUM_REDELIVERED" -gt 0 || exit 7; '
              'printf \'{"id":"%s","src":"%s","topic":"%s","payload":"%s","reply":"%s","len":"%s"}\\n\' "$MYCELIUM_ID" '
              '"$MYCELIUM_SRC_PK" "$MYCELIUM_TOPIC" "$(cat)" "$MYCELIUM_REPLY" "$MYCELIUM_LEN"')
    with following(b, "message", "subscribe", "-t", "job", "--exec", script, "--consumer", "worker") as f:
        check_equal(f.next(), {"id": ident, "src": a.public_key, "topic": "job", "payload": "the payload", "reply": "false",
                               "len": "11"}, "what the command was told")
        a.wait_status(ident, "read")
        check("ended with 7" in f.errors.read_text(), "the failure is told")
        # One client of a name.
        with following(b, "message", "subscribe", "-t", "job", "--consumer", "worker") as second:
            check_equal(f.status(), 1, "exit status of the first")
            check("taken over" in f.errors.read_text(), "and why")
            check_equal(second.end(signal.SIGINT), 0, "exit status after SIGINT")
    send(a, b.ip, "kept", "-t", "bad")
    with following(b, "message", "subscribe", "-t", "bad", "--exec", "/no/such/program") as f:
        check_equal(f.status(), 1, "a command that cannot be run")
    wait_for("the message is there again", lambda: [e["state"] for e in entries(b, "inbox")] == ["ready"])


@needs_ours
def test_tap(net):
    a, b = net.pair()
    connected(a, b)
    with following(b, "message", "subscribe", "--tap") as f:
        def tapped():
            send(a, b.ip, "seen", "-t", "t")
            return not f.lines.empty()
        wait_for("a copy comes", tapped, LINE_MAX_S, 0.2)
        check_equal(f.next()["payload"], "seen", "the copy")
        check_equal(f.end(), 0, "exit status")
    check({e["state"] for e in entries(b, "inbox")} == {"ready"}, "nothing was taken")


@needs_ours
def test_refusals(net):
    a = net.node("a")
    check("only one of" in refused(a, "message", "subscribe", "-t", "a", "--prefix", "b"), "two filters")
    check("--tap" in refused(a, "message", "subscribe", "--tap", "--exec", "true"), "tap and exec")
    check("422" in refused(a, "message", "subscribe", "--pattern", "a/#/b"), "no pattern")
    a.stop()
    check("no connection" in refused(a, "message", "subscribe"), "no node")
    check("no connection" in refused(a, "outbox", "watch"), "no node for outbox watch")


@needs_ours
@limit(120)
def test_outbox_watch(net):
    a = net.node("a")
    with following(a, "outbox", "watch") as f:
        def changed():
            send(a, NOWHERE, "x")
            return not f.lines.empty()
        wait_for("a change comes", changed, LINE_MAX_S, 0.2)
        first = f.next()
        check_equal(first["state"], "pending", "the first change")
        asked(a, "outbox", "cancel", f"~{first['seq']}")
        while (change := f.next())["state"] != "cancelled":
            check_equal(change["state"], "pending", f"{change}")
        check_equal(change["id"], first["id"], "the one that was cancelled")
        a.restart()
        with_state = {}
        ident = send(a, NOWHERE, "after")
        while ident not in with_state:
            change = f.next()
            with_state[change["id"]] = change["state"]
        check_equal(with_state[ident], "pending", "after a restart")
        check_equal(f.end(), 0, "exit status")
