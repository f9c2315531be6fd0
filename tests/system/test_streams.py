"""Large messages through the API: up and down in pieces, with little memory, and no file left behind
by who does not come to an end. Messages go to the node itself: what is measured is the API."""
import base64
import hashlib
import http.client
import os
import socket
import subprocess
import threading
import time

from lib import Skip, check, check_equal, limit, needs_ours, wait_for

RAW = "application/octet-stream"
MIB = 1 << 20
BLOCK = os.urandom(MIB)  # incompressible, and made once


def blocks(count):
    """count MiB, each block told apart by its first bytes."""
    for i in range(count):
        yield i.to_bytes(8, "big") + BLOCK[8:]


def digest(count):
    h = hashlib.sha256()
    for b in blocks(count):
        h.update(b)
    return h.hexdigest()


def push_target(node, destination=None):
    return f"/bus/v1/messages?dst={(destination or node).ip}&topicText=stream&ttlMs=600000"


def push(node, count, chunked=False, timeout=300):
    """count MiB as one message: its entry."""
    c = http.client.HTTPConnection("127.0.0.1", node.api_port, timeout=timeout)
    headers = {"content-type": RAW}
    if not chunked:
        headers["content-length"] = str(count * MIB)
    c.request("POST", push_target(node), blocks(count), headers, encode_chunked=chunked)
    a = c.getresponse()
    text = a.read()
    c.close()
    check_equal(a.status, 201, f"POST of {count} MiB ({text[:200]!r})")


def only_seq(node):
    entries = node.api.call("GET", "/bus/v1/inbox").json()["entries"]
    check_equal(len(entries), 1, "messages in the inbox")
    return entries[0]["seq"]


def read_payload(node, seq, count, pause=0.0):
    """Reads it, in time a pause for each MiB."""
    c = http.client.HTTPConnection("127.0.0.1", node.api_port, timeout=300)
    c.request("GET", f"/bus/v1/inbox/{seq}/payload")
    a = c.getresponse()
    check_equal(a.status, 200, "GET payload")
    h = hashlib.sha256()
    while True:
        piece = a.read(MIB)
        if not piece:
            break
        h.update(piece)
        time.sleep(pause)
    c.close()
    check_equal(h.hexdigest(), digest(count), "payload")


def files(node):
    return os.listdir(node.state_dir / "spool")


def drop_all(node):
    for e in node.api.call("GET", "/bus/v1/inbox").json()["entries"]:
        check_equal(node.api.call("DELETE", f"/bus/v1/inbox/{e['seq']}").status, 204, "DELETE")
    wait_for("no files", lambda: not files(node))


@needs_ours
@limit(600)
def test_streams_memory(net):
    """Up and down with a few MiB of memory, whatever the length."""
    a = net.node("a")
    push(a, 1)
    drop_all(a)
    before = a.rss_peak_kib()
    for count in (256, 1023) if net.long else (256,):
        began = time.monotonic()
        push(a, count)
        up = time.monotonic()
        read_payload(a, only_seq(a), count)
        down = time.monotonic()
        print(f"# {count} MiB: up {count / (up - began):.0f} MiB/s, down {count / (down - up):.0f} MiB/s, "
              f"peak {a.rss_peak_kib()} KiB, {before} KiB before")
        net.check_memory(before, a, 16 * 1024, f"{count} MiB up and down")
        drop_all(a)
    push(a, 16, chunked=True)
    drop_all(a)


@needs_ours
@limit(120)
def test_streams_compatible_surface(net):
    """JSON with base64, as every client of /api/v1 does it."""
    a = net.node("a")
    data = b"".join(blocks(20)) + b"tail"
    before = a.rss_peak_kib()
    text = base64.b64encode(data).decode()
    sent = a.post(a, data, topic=b"t", timeout=60)
    check_equal(sent.status, 201, "POST /messages")
    identifier = sent.json()["id"]
    check_equal(a.get(f"/messages/status/{identifier}")["msgLen"], len(data), "msgLen")
    peek = a.call("GET", "/messages?peek=true", timeout=60)
    r = a.call("GET", "/messages", timeout=60)
    check_equal(peek.body, r.body, "peek and pop")
    want = (f'{{"id":"{identifier}","srcIp":"{a.ip}","srcPk":"{a.public_key}","dstIp":"{a.ip}",'
            f'"dstPk":"{a.public_key}","topic":"dA==","payload":"{text}"}}')
    check(r.text == want, "the answer is not byte for byte what a small one is")
    check_equal(r.headers["content-length"], str(len(want)), "content-length")
    check_equal(a.api.call("GET", "/api/v1/messages").status, 204, "second pop")
    wait_for("no files", lambda: not files(a))
    net.check_memory(before, a, 16 * 1024, "20 MiB as JSON")


@needs_ours
def test_streams_ranges(net):
    a = net.node("a")
    push(a, 3)
    seq = only_seq(a)
    whole = b"".join(blocks(3))
    path = f"/bus/v1/inbox/{seq}/payload"
    for field, part in (("bytes=0-0", whole[:1]), ("bytes=65535-65536", whole[65535:65537]),
                        ("bytes=1000000-", whole[1000000:]), ("bytes=-70000", whole[-70000:]),
                        (f"bytes=100-{10 * MIB}", whole[100:])):
        r = a.api.call("GET", path, headers={"Range": field})
        check_equal(r.status, 206, field)
        check(r.body == part, f"{field}: other bytes")
        first = len(whole) - len(part) if field.startswith("bytes=-") else int(field[6:].split("-")[0])
        check_equal(r.headers["content-range"], f"bytes {first}-{first + len(part) - 1}/{len(whole)}", field)
    r = a.api.call("GET", path, headers={"Range": f"bytes={3 * MIB}-"})
    check_equal((r.status, r.headers["content-range"]), (416, f"bytes */{3 * MIB}"), "behind the end")
    r = a.api.call("HEAD", path)
    check_equal((r.status, r.headers["content-length"]), (200, str(3 * MIB)), "HEAD")
    m = a.api.call("POST", "/bus/v1/messages/fetch", b"{}").json()["messages"][0]
    check_equal((m["payloadHref"], m["len"], "payload" in m), (path, 3 * MIB, False), "fetch")


@needs_ours
@limit(120)
def test_streams_read_outlives_message(net):
    """Who has begun to read reads to the end, although the message is gone meanwhile."""
    a = net.node("a")
    push(a, 24)
    seq = only_seq(a)
    c = http.client.HTTPConnection("127.0.0.1", a.api_port, timeout=60)
    c.request("GET", f"/bus/v1/inbox/{seq}/payload")
    r = c.getresponse()
    h = hashlib.sha256(r.read(1000))
    check_equal(a.api.call("DELETE", f"/bus/v1/inbox/{seq}").status, 204, "DELETE")
    check_equal(a.api.call("GET", f"/bus/v1/inbox/{seq}/payload").status, 404, "a second reader")
    while True:
        piece = r.read(MIB)
        if not piece:
            break
        h.update(piece)
    c.close()
    check_equal(h.hexdigest(), digest(24), "payload")
    wait_for("no files", lambda: not files(a))


@needs_ours
@limit(180)
def test_streams_slow_clients(net):
    """A slow reader and a slow writer hold up nobody."""
    a = net.node("a")
    push(a, 32)
    seq = only_seq(a)
    reader = threading.Thread(target=read_payload, args=(a, seq, 32, 0.1))
    writer = socket.create_connection(("127.0.0.1", a.api_port))
    writer.sendall(f"POST {push_target(a)} HTTP/1.1\r\ncontent-type: {RAW}\r\ncontent-length: {MIB}\r\n\r\n"
                   .encode())
    stopped = threading.Event()

    def trickle():
        at = 0
        while not stopped.wait(0.05):
            writer.sendall(BLOCK[at:at + 100])
            at += 100
    trickler = threading.Thread(target=trickle)
    reader.start()
    trickler.start()
    worst = 0.0
    for i in range(30):
        began = time.monotonic()
        identifier = a.send(a, b"small")
        check_equal(a.take(5, topic=b"")["payload"], b"small", "small message")
        worst = max(worst, time.monotonic() - began)
        check_equal(a.status(identifier), "read", "state")
        time.sleep(0.05)
    print(f"# slowest of 30 small messages beside a slow reader and a slow writer: {worst * 1000:.0f} ms")
    check(worst < 1.0, f"a small message took {worst:.2f} s")
    stopped.set()
    trickler.join()
    writer.close()
    reader.join()
    wait_for("only the file that was read", lambda: len(files(a)) == 1)


@needs_ours
@limit(120)
def test_streams_broken_off(net):
    """Who goes away in the middle, or is killed with the node, leaves no file and no message."""
    a = net.node("a")

    def half(how):
        s = socket.create_connection(("127.0.0.1", a.api_port))
        s.sendall((f"POST {push_target(a)} HTTP/1.1\r\ncontent-type: {RAW}\r\n"
                   f"content-length: {8 * MIB}\r\n\r\n").encode() + BLOCK * 4)
        wait_for(f"a file ({how})", lambda: len(files(a)) == 1)
        return s
    half("closed").close()
    wait_for("no file", lambda: not files(a))
    s = half("killed")
    a.restart("kill9")
    check_equal(files(a), [], "files after the restart")
    s.close()
    s = half("stopped")
    a.restart("stop")
    check_equal(files(a), [], "files after the stop and a start")
    s.close()
    check_equal(a.api.call("GET", "/bus/v1/inbox").json()["entries"], [], "inbox")
    push(a, 2)
    a.restart("kill9")
    read_payload(a, only_seq(a), 2)


@needs_ours
@limit(120)
def test_streams_limits(net):
    a = net.node("a")

    def head(target, *fields):
        s = socket.create_connection(("127.0.0.1", a.api_port))
        s.settimeout(20)
        s.sendall((f"POST {target} HTTP/1.1\r\n" + "\r\n".join(fields) + "\r\n\r\n").encode())
        line = s.makefile("rb").readline().decode()
        s.close()
        return int(line.split()[1])
    long = f"content-length: {(1 << 30) + 1}"
    expects = "expect: 100-continue"
    raw, json = f"content-type: {RAW}", "content-type: application/json"
    fits = f"content-length: {1 << 30}"
    for want, args in ((413, (push_target(a), raw, long)), (413, (push_target(a), raw, long, expects)),
                       (100, (push_target(a), raw, fits, expects)),
                       (422, ("/bus/v1/messages?dst=zz", raw, fits, expects)),
                       (415, (push_target(a), "content-type: text/plain", fits, expects)),
                       (400, ("/api/v1/messages/reply/zz", json, "content-length: 1000000", expects)),
                       (413, ("/api/v1/messages", json, f"content-length: {90 * MIB + 1}", expects)),
                       (100, ("/api/v1/messages", json, f"content-length: {90 * MIB}", expects)),
                       (403, (push_target(a), "host: evil.example", raw, fits, expects))):
        check_equal(head(*args), want, f"{args}")
    wait_for("no file", lambda: not files(a))
    began = [socket.create_connection(("127.0.0.1", a.api_port)) for _ in range(32)]
    for s in began:
        s.sendall((f"POST {push_target(a)} HTTP/1.1\r\n{raw}\r\n{fits}\r\n\r\n").encode() + b"x")
    wait_for("the limit", lambda: head(push_target(a), raw, fits) == 503)
    check_equal(a.post(a, b"small").status, 201, "a small message beside 32 large ones")
    for s in began:
        s.close()
    wait_for("room again", lambda: head(push_target(a), raw, fits, expects) == 100)


@needs_ours
@limit(120)
def test_streams_disk_full(net):
    """On a small file system: 507 or 503, nothing left behind, and afterwards it goes on."""
    folder = net.folder / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(folder)],
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise Skip("no file system can be mounted here")
    try:
        a = net.node("a", start=False)
        a.state_dir = folder / "state"
        a.start()
        r = a.api.call("POST", push_target(a), b"".join(blocks(64)), content_type=RAW, timeout=60)
        check_equal((r.status, r.json()["code"]), (507, "store-full"), "POST of 64 MiB")
        check("retry-after" in r.headers, "retry-after")
        wait_for("no file", lambda: not files(a))
        check_equal(a.post(a, b"small").status, 201, "a small message")
        a.stop()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
