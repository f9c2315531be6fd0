"""Sizes and counts at their limits: what passes, what is refused and with which words."""
import os
import resource
import socket
import threading

from lib import check, check_equal, limit, needs_ours, wait_for

MESSAGE_MAX = 65536
CONNECTIONS = 2000


def test_largest_message_passes(net):
    a, b = net.pair()
    payload = os.urandom(MESSAGE_MAX)
    identifier = a.send(b, payload, b"t" * 255)
    m = b.take(20)
    check(m is not None, "did not arrive")
    check_equal((m["payload"] == payload, m["topic"]), (True, b"t" * 255), "payload and topic")
    a.wait_read(identifier, b)


@needs_ours
def test_beyond_memory_passes(net):
    """Above 64 KiB a message is in a file; nobody who sends or takes it sees a difference."""
    a, b = net.pair()
    for size in (MESSAGE_MAX + 1, 200_000, 1_000_000):
        payload = os.urandom(size)
        identifier = a.send(b, payload, b"large")
        m = b.take(20)
        check(m is not None, f"{size} bytes did not arrive")
        check_equal((m["payload"] == payload, m["topic"]), (True, b"large"), "payload and topic")
        a.wait_read(identifier, b)
    b.reply(identifier, a, payload)
    check_equal(a.take(20)["payload"] == payload, True, "a reply")


@needs_ours
def test_body_of_many_megabytes(net):
    """Announced or sent, far above the limit: refused, and not kept in memory."""
    a = net.node("a")
    before = a.rss_peak_kib()
    head = (b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n")
    answers = []
    for size in (1 << 40, 256 << 20):
        with socket.create_connection(("127.0.0.1", a.api_port), timeout=10) as s:
            try:
                s.sendall(head % size)
                for _ in range(64):
                    s.sendall(bytes(1 << 20))
            except OSError:
                pass
            try:
                answers.append(s.recv(64)[:12])
            except OSError:
                answers.append(b"")  # closed with unread bytes
    check(all(x in (b"", b"HTTP/1.1 413", b"HTTP/1.0 413") for x in answers), f"answers {answers}")
    net.check_memory(before, a, 32768, "bodies that are too large")
    check_equal(a.call("GET", "/admin").status, 200, "an ordinary call after it")


@limit(120)
@needs_ours
def test_two_thousand_connections(net):
    """All open at once, each served twice; one more call still works; all memory is given back."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    a = net.node("a")
    request = b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    before, sockets = a.rss_peak_kib(), []
    for i in range(CONNECTIONS):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", a.api_port), timeout=20))
        except OSError as e:
            check(False, f"connection {i}: {e}")
    for turn in range(2):
        for s in sockets:
            s.sendall(request)
        bad = [i for i, s in enumerate(sockets) if not s.recv(4096).startswith(b"HTTP/1.1 200")]
        check_equal(bad, [], f"connections without a good answer in turn {turn}")
    check_equal(a.call("GET", "/admin").status, 200, "one more call")
    grown = net.check_memory(before, a, 200 << 10, f"{CONNECTIONS} connections")
    for s in sockets:
        s.close()
    fd_folder = f"/proc/{a.process.pid}/fd"
    wait_for("the descriptors are closed", lambda: len(os.listdir(fd_folder)) < 200, 20, step=0.2)
    print(f"# {CONNECTIONS} connections, {grown} KiB more memory at the peak")


@limit(120)
@needs_ours
def test_more_connections_than_allowed(net):
    """Above the limit: 503 or closed, and those that are open go on."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    a = net.node("a")
    request = b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    first = socket.create_connection(("127.0.0.1", a.api_port), timeout=20)
    others = []
    for _ in range(2300):
        try:
            others.append(socket.create_connection(("127.0.0.1", a.api_port), timeout=5))
        except OSError:
            break
    refused = 0
    for s in others:
        try:
            s.settimeout(5)
            s.sendall(request)
            refused += not s.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            refused += 1
    first.sendall(request)
    check(first.recv(4096).startswith(b"HTTP/1.1 200"), "the first connection goes on")
    for s in others:
        s.close()
    wait_for("a new connection is served", lambda: _served(a, request), 20, step=0.2)
    print(f"# {refused} of 2300 more connections were refused")


def _served(node, request):
    try:
        with socket.create_connection(("127.0.0.1", node.api_port), timeout=5) as s:
            s.sendall(request)
            return s.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@limit(90)
def test_many_senders_and_sizes(net):
    """16 clients, sizes 0 to 20000, both directions at once: everything arrives once, unharmed."""
    a, b = net.pair()
    sizes = [0, 1, 100, 1300, 2600, 5000, 20000] if net.ours else [0, 1, 100, 1300, 2600, 5100, 20000]
    sent, errors = {}, []

    def client(i):
        sender, receiver = ((a, b), (b, a))[i % 2]
        try:
            for k in range(10):
                payload = os.urandom(sizes[(i + k) % len(sizes)])
                sent[sender.send(receiver, payload, b"s%d" % i)] = payload
        except Exception as e:
            errors.append(e)

    clients = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    check_equal(errors, [], "errors of the clients")
    got = {}
    for node in (a, b):
        while len([i for i in got if got[i][0] is node]) < len(sent) // 2:
            m = node.take(20)
            check(m is not None, f"{len(got)} of {len(sent)} arrived")
            check(m["id"] not in got, "a message arrived twice")
            got[m["id"]] = (node, m["payload"])
    check_equal({i: p for i, (_, p) in got.items()} == sent, True, "all payloads are the same")
