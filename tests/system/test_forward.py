"""Forward sockets: what a socket answers becomes the reply; what goes wrong ends in the inbox; a crash loses nothing."""
import base64
import signal
import socket
import threading
import time

from lib import check, check_equal, needs_ours, wait_for


class Server(threading.Thread):
    """A Unix server; each connection goes to `serve(connection, payload)`, which sends what it wants."""

    def __init__(self, folder, serve, size=1, read_all=False, backlog=64, accept=True):
        super().__init__(daemon=True)
        self.path = str(folder / f"s{id(self) % 100000}.sock")
        self.serve, self.size, self.read_all = serve, size, read_all
        self.seen, self.lock = [], threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(backlog)
        if accept:
            self.start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        with c:
            payload = b""
            while self.read_all or len(payload) < self.size:
                piece = c.recv(65536)
                if not piece:
                    break
                payload += piece
            with self.lock:
                self.seen.append(payload)
            try:
                self.serve(c, payload)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def answer(c, payload):
    c.sendall(b"re: " + payload)


def forward(node, topic, path, **more):
    name = base64.b64encode(topic).decode().replace("/", "%2F")
    base = "/messages/topics"
    check_equal(node.call("POST", f"{base}/{name}/sources", {"subnet": "400::/7"}).status, 201, "a source")
    check_equal(node.call("PUT", f"{base}/{name}/forward", {"socketPath": path, **more}).status, 204, "the socket")
    check_equal(node.get(f"{base}/{name}/forward"), path, "the socket that was set")


def pair(net):
    a = net.node("a")
    b = net.node("b", [a.endpoint()])
    b.wait_route(a)
    a.wait_route(b)
    return a, b


def send_wait(a, b, payload, topic, seconds=20):
    """The reply of b, or None."""
    r = a.call("POST", f"/messages?reply_timeout={seconds}",
               {"dst": {"ip": b.ip}, "topic": base64.b64encode(topic).decode(),
                "payload": base64.b64encode(payload).decode()}, timeout=seconds + 10)
    check(r.status in (200, 408), f"status {r.status}: {r.text}")
    return base64.b64decode(r.json()["payload"]) if r.status == 200 else None


@needs_ours
def test_answers(net):
    a, b = pair(net)
    s = Server(net.folder, answer)
    forward(b, b"ask", s.path)
    check_equal(send_wait(a, b, b"one", b"ask"), b"re: one", "the reply")
    check_equal(send_wait(b, b, b"self", b"ask"), b"re: self", "the reply to oneself")
    got = [None] * 40
    def one(n):
        got[n] = send_wait(a, b, b"%d" % n, b"ask")
    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(got))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    check_equal(got, [b"re: %d" % n for n in range(len(got))], "forty at once")
    check(b.take() is None, "a forwarded message is in the inbox, too")
    # Without a waiting client the reply is in the inbox of the sender, which sees its message as read.
    i = a.send(b, b"two", b"ask")
    m = a.take(10)
    check_equal((m["id"], m["payload"], m["topic"]), (i, b"re: two", b""), "the reply")
    a.wait_status(i, ["read"], 10)


@needs_ours
def test_late_reply(net):
    a, b = pair(net)
    s = Server(net.folder, lambda c, p: (time.sleep(8), answer(c, p)))
    forward(b, b"slow", s.path)
    check_equal(send_wait(a, b, b"x", b"slow"), b"re: x", "a reply after 8 s")


@needs_ours
def test_what_goes_wrong(net):
    """Each way a socket can fail: the message is in the inbox once, and not tried again."""
    a, b = pair(net)
    silent = Server(net.folder, lambda c, p: time.sleep(60))
    broken = Server(net.folder, lambda c, p: None)
    long = Server(net.folder, lambda c, p: c.sendall(b"x" * 70000))
    full = Server(net.folder, answer)
    full.close()
    for topic, path, more in ((b"nobody", str(net.folder / "none.sock"), {}), (b"empty", broken.path, {}),
                              (b"long", long.path, {}), (b"silent", silent.path, {"replyTimeoutMs": 1000}),
                              (b"refused", full.path, {})):
        forward(b, topic, path, **more)
        i = a.send(b, topic, topic)
        m = b.take(10)
        check(m is not None, f"{topic}: not in the inbox")
        check_equal((m["id"], m["payload"]), (i, topic), f"{topic}: the message")
        time.sleep(0.3)
        check(b.take() is None, f"{topic}: it came twice")
    check_equal((len(silent.seen), len(broken.seen), len(long.seen)), (1, 1, 1), "connections")
    b.process.send_signal(signal.SIGUSR1)
    wait_for("the counters", lambda: "connect=2" in b.log_file.read_text())
    line = [x for x in b.log_file.read_text().splitlines() if "forwarding" in x][-1]
    for counter in ("open=0", "taken=5", "replied=0", "connect=2", "timeout=1", "empty=1", "too_long=1"):
        check(f" {counter}" in line, f"{counter} in {line}")


@needs_ours
def test_full_queue(net):
    """A server that does not accept: connections wait for their turn."""
    a = net.node("a")
    s = Server(net.folder, answer, backlog=0, accept=False)
    forward(a, b"t", s.path)
    for i in range(8):
        a.send(a, b"%d" % i, b"t")
    time.sleep(1)
    s.start()
    check_equal(sorted(a.take(10)["payload"] for _ in range(8)), [b"re: %d" % i for i in range(8)], "replies")


@needs_ours
def test_half_close(net):
    a, b = pair(net)
    until_end = Server(net.folder, answer, read_all=True)
    forward(b, b"open", until_end.path, replyTimeoutMs=1000)
    check_equal(send_wait(a, b, b"x" * 5000, b"open", 3), None, "a server that reads to the end, without half close")
    check_equal(b.take(5)["payload"], b"x" * 5000, "the message in the inbox")
    forward(b, b"half", until_end.path, halfClose=True)
    check_equal(send_wait(a, b, b"x" * 60000, b"half"), b"re: " + b"x" * 60000, "with half close")


@needs_ours
def test_rules(net):
    """The calls; messages that wait when a socket is set, or removed; what restarts keep."""
    a = net.node("a")
    base = "/messages/topics"
    check_equal(a.get(f"{base}/eA==/forward"), None, "an unknown topic")
    r = a.call("PUT", f"{base}/eA==/forward", {"socketPath": "/x"})
    check_equal((r.status, "no rule" in r.text), (404, True), "PUT for an unknown topic")
    check_equal(a.call("DELETE", f"{base}/eA==/forward").status, 204, "DELETE for an unknown topic")
    for body, status in (({}, 422), ({"socketPath": 5}, 422), ({"socketPath": ""}, 400), ({"socketPath": "/" * 108}, 400),
                         ({"socketPath": "/x", "replyTimeoutMs": 1}, 422), ({"socketPath": "/x", "halfClose": 1}, 422)):
        check_equal(a.call("PUT", f"{base}/eA==/forward", body).status, status, f"PUT {body}")
    check_equal(a.call("GET", f"{base}/Q/forward").status, 400, "no base64")
    # What waits goes to the socket, but not what a client has had.
    for i in range(3):
        a.send(a, b"%d" % i, b"x")
    lease = a.api.call("POST", "/bus/v1/messages/fetch", {"topic": "eA=="}).json()["messages"][0]
    a.api.call("POST", "/bus/v1/messages/nack", {"tokens": [lease["token"]]})
    s = Server(net.folder, answer)
    check_equal(a.call("POST", f"{base}/eA==/sources", {"subnet": "400::/7"}).status, 201, "the rule")
    check_equal(a.call("PUT", f"{base}/eA==/forward", {"socket_path": s.path}).status, 204, "the other spelling")
    wait_for("two that waited", lambda: sorted(s.seen) == [b"1", b"2"])
    m = a.take(5)
    payloads = sorted(x["payload"] for x in (m, a.take(5), a.take(5)))
    check_equal(payloads, [b"0", b"re: 1", b"re: 2"], "the one that a client had, and replies")
    a.restart("kill9")
    check_equal(a.get(f"{base}/eA==/forward"), s.path, "after kill -9")
    check_equal(send_wait(a, a, b"again", b"x"), b"re: again", "after kill -9")
    # Those that wait for a place go to clients when the socket is removed.
    gate = threading.Event()
    stuck = Server(net.folder, lambda c, p: gate.wait(30))
    check_equal(a.call("PUT", f"{base}/eA==/forward", {"socketPath": stuck.path}).status, 204, "a stuck one")
    for i in range(20):
        a.send(a, b"w%d" % i, b"x")
    wait_for("as many as may be open", lambda: len(stuck.seen) == 16)
    time.sleep(0.3)
    check_equal(sorted(stuck.seen), sorted(b"w%d" % i for i in range(16)), "the first ones")
    check(a.take() is None, "what waits for a socket is not for clients")
    check_equal(a.call("DELETE", f"{base}/eA==/forward").status, 204, "removed")
    check_equal([a.take(5)["payload"] for _ in range(4)], [b"w%d" % i for i in range(16, 20)], "the others, in order")
    gate.set()
    check_equal(sorted(a.take(10)["payload"] for _ in range(16)), sorted(b"w%d" % i for i in range(16)), "given back")


@needs_ours
def test_file(net):
    s = Server(net.folder, answer, read_all=True)
    path = net.folder / "rules.toml"
    path.write_text(f'[t]\nsubnets = ["400::/7"]\nforward_socket = "{s.path}"\nforward_half_close = true\n'
                    'forward_reply_timeout = 5\n')
    a = net.node("a", extra=["--topic-config", str(path)])
    check_equal(send_wait(a, a, b"x", b"t"), b"re: x", "by the file")
    path.write_text('[t]\nsubnets = ["400::/7"]\n')
    a.process.send_signal(signal.SIGHUP)
    wait_for("the file again", lambda: a.get("/messages/topics/dA==/forward") is None)
    a.send(a, b"y", b"t")
    check_equal(a.take(5)["payload"], b"y", "without a socket")


@needs_ours
def test_crash_while_forwarding(net):
    """kill -9 with a connection open: the message is there for clients, marked; the sender was told that it arrived."""
    a, b = pair(net)
    s = Server(net.folder, lambda c, p: time.sleep(60))
    forward(b, b"t", s.path)
    i = a.send(b, b"x", b"t")
    a.wait_status(i, ["received"], 10)
    wait_for("the connection", lambda: s.seen == [b"x"])
    time.sleep(0.4)  # a lease is noted after 0.1 s
    b.restart("kill9")
    m = b.api.call("POST", "/bus/v1/messages/fetch", {"waitMs": 5000}).json()["messages"][0]
    check_equal((m["id"], m["redelivered"]), (i, 1), "the message")
    check_equal(len(s.seen), 1, "connections")
    # Many, killed at any moment: each is answered or in the inbox.
    quick = Server(net.folder, answer)
    forward(b, b"q", quick.path)
    ids = []
    for n in range(60):
        ids.append(a.send(b, b"%d" % n, b"q"))
        if n % 20 == 10:
            b.restart("kill9")
            b.wait_route(a)
    for one in ids:
        a.wait_status(one, ["received", "read"], 30)
    left = set(range(60))
    end = time.time() + 30
    while left and time.time() < end:
        m = a.take(1)
        if m is not None:
            left.discard(int(m["payload"][4:]))
            continue
        m = b.take()
        if m is not None and m["topic"] == b"q":
            left.discard(int(m["payload"]))
    check_equal(left, set(), "neither answered nor in the inbox")
