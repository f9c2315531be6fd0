"""The REST surface, row by row as in docs/protocol/api.md, "Calls". Where our daemon differs
on purpose from a reference node, `by(net, ours, reference)` holds both answers."""
import base64
import http.client
import json
import pathlib
import re
import socket
import threading
import time

from lib import Skip, check, check_equal, limit, needs_ours, wait_for
from lib.node import message_body
from lib.ports import free_port
from lib.rpc import Rpc

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


def by(net, ours, reference):
    return ours if net.ours else reference


def expect(node, method, path, status, text=None, body=None, **options):
    """One call; text: the beginning of a text body, "" for an empty one."""
    a = node.call(method, path, body, **options)
    what = f"{method} {path}" + (f" {body!r}" if body is not None else "")
    statuses = status if isinstance(status, tuple) else (status,)
    check(a.status in statuses, f"{what}: got {a.status} {a.text[:200]!r}, expected {status}")
    if text == "":
        check_equal(a.body, b"", f"body of {what}")
    elif text is not None:
        check(a.text.startswith(text), f"{what}: text {a.text[:200]!r}, expected {text!r}")
        check_equal(a.headers.get("content-type"), TEXT, f"content type of {what}")
        check(not a.text.endswith("\n"), f"{what}: the text ends with a newline")
    return a


def test_admin(net):  # row 1
    a = net.node("a")
    before = int(time.time())
    r = expect(a, "GET", "/admin", 200)
    check_equal(r.headers["content-type"], JSON, "content type")
    want = json.dumps({"nodeSubnet": a.identity.subnet, "nodeIp": a.ip, "nodePubkey": a.public_key,
                       "nodeStartTime": r.json()["nodeStartTime"]}, separators=(",", ":"))
    check_equal(r.text, want, "GET /admin, byte for byte")
    check(abs(r.json()["nodeStartTime"] - before) <= 20, "start time")
    check_equal(r.headers.get("content-length"), str(len(r.body)), "content-length")
    check("server" not in r.headers, "a server header")


def test_peers_add(net):  # rows 2 to 8
    a = net.node("a")
    expect(a, "POST", "/admin/peers", 204, "", {"endpoint": "tcp://127.0.0.1:1"})
    expect(a, "POST", "/admin/peers", 409, "A peer identified by that endpoint already exists",
           {"endpoint": "tcp://127.0.0.1:1"})
    for endpoint, text in (
            ("127.0.0.1:9651", "missing leading protocol identifier"),
            ("foo://1.2.3.4:5", "protocol for endpoint is not supported"),
            ("://1.2.3.4:5", "protocol for endpoint is not supported"),
            ("tcp://1.2.3.4", "failed to parse address: invalid socket address syntax"),
            ("tcp://1.2.3.4:65536", "failed to parse address: invalid socket address syntax"),
            ("tcp://::1:80", "failed to parse address: invalid socket address syntax"),
            ("vsock://2", "vsock address must be in CID:PORT format"),
            ("vsock://x:1", "failed to parse vsock address component: invalid digit found in string"),
            ("vsock://2:", "failed to parse vsock address component: cannot parse integer from empty string"),
            ("vsock://2:4294967296",
             "failed to parse vsock address component: number too large to fit in target type")):
        expect(a, "POST", "/admin/peers", 400, text, {"endpoint": endpoint})
    for body in ({}, {"endpoint": 5}):
        expect(a, "POST", "/admin/peers", 422,
               "Failed to deserialize the JSON body into the target type: ", body)
    for body in (b'{"endpoint":', b"x", b"", b'{"endpoint":"tcp://127.0.0.1:2"} x'):
        expect(a, "POST", "/admin/peers", 400, "Failed to parse the request body as JSON: ", body)
    for content_type in ("text/plain", None):
        expect(a, "POST", "/admin/peers", 415, "Expected request with `Content-Type: application/json`",
               {"endpoint": "tcp://127.0.0.1:3"}, content_type=content_type)
    expect(a, "POST", "/admin/peers", 204, "", {"endpoint": "tcp://127.0.0.1:4"},
           content_type="application/vnd.x+json; charset=latin1")
    expect(a, "POST", "/admin/peers", by(net, 422, 204), None, ["tcp://127.0.0.1:77"])


def test_host_name_as_endpoint(net):  # row 3
    a = net.node("a")
    r = a.call("POST", "/admin/peers", {"endpoint": f"tcp://localhost:{a.tcp_port}"})
    if net.ours and r.status == 400:
        raise Skip("host names in endpoints are not served")
    check_equal(r.status, by(net, 204, 400), "a host name")


def test_peers_list(net):
    a = net.node("a")
    expect(a, "POST", "/admin/peers", 204, "", {"endpoint": "TCP://127.0.0.1:1"})
    expect(a, "POST", "/admin/peers", 204, "", {"endpoint": "vsock://2:9651"})
    b = net.node("b", peers=[a.endpoint()])
    b.wait_peers(1)
    peers = {p["endpoint"]["proto"] + ("" if p["type"] != "inbound" else " in"): p for p in a.get("/admin/peers")}
    check_equal(sorted(peers), ["tcp", "tcp in", "vsock"], "the three peers")
    for p in peers.values():
        check_equal(list(p), ["endpoint", "type", "connectionState", "txBytes", "rxBytes", "discovered",
                              "lastConnected"], "keys of a peer")
    check_equal(peers["tcp"]["endpoint"], {"proto": "tcp", "addr": {"socket": "127.0.0.1:1"}}, "a TCP endpoint")
    check_equal(peers["vsock"]["endpoint"], {"proto": "vsock", "addr": {"vsock": {"cid": 2, "port": 9651}}},
                "a vsock endpoint")
    check_equal((peers["tcp"]["type"], peers["tcp"]["lastConnected"]), ("static", None), "a peer never connected")
    live = peers["tcp in"]
    check_equal((live["type"], live["connectionState"]), ("inbound", "alive"), "an inbound peer")
    check(live["endpoint"]["addr"]["socket"].startswith("[::ffff:127.0.0.1]:"), "an inbound IPv4 peer is mapped")
    check(live["rxBytes"] >= 68 and live["txBytes"] >= 68, "both announced themselves")


def test_peers_delete(net):  # row 9
    a = net.node("a")
    expect(a, "POST", "/admin/peers", 204, "", {"endpoint": "tcp://127.0.0.1:1"})
    path = "/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1"
    expect(a, "DELETE", path, 204, "")
    expect(a, "DELETE", path, 404, "A peer identified by that endpoint does not exist")
    expect(a, "DELETE", "/admin/peers/tcp://127.0.0.1:1", 404, "")
    expect(a, "DELETE", "/admin/peers/foo", 400, "missing leading protocol identifier")
    expect(a, "DELETE", "/admin/peers/%ff", 400, "Invalid URL: Invalid UTF-8 in `endpoint`")


def test_pubkey(net):  # row 10
    a, b = net.pair()
    prefix = b.identity.subnet.removesuffix("::/64")
    for ip in (b.ip, prefix + "::1"):
        check_equal(expect(a, "GET", f"/pubkey/{ip}", 200).json(), {"publicKey": b.public_key}, f"key of {ip}")
    expect(a, "GET", "/pubkey/400::1", 404, "")
    expect(a, "GET", "/pubkey/zz", 400, "Invalid URL: Cannot parse `ip` with value `zz`: invalid IP address syntax")
    if net.ours:
        expect(a, "GET", "/pubkey/1.2.3.4", 404)
        check_equal(expect(a, "GET", f"/pubkey/{a.ip}", 200).json(), {"publicKey": a.public_key}, "the own key")
    else:
        expect(a, "GET", f"/pubkey/{a.ip}", 404, "")


def test_send_and_take(net):  # rows 11, 12, 14
    a, b = net.pair()
    r = expect(a, "POST", "/messages", 201, None, {"dst": {"ip": b.ip}, "topic": "dGVzdA==", "payload": "aGVsbG8="})
    check_equal((list(r.json()), len(r.json()["id"])), (["id"], 16), "answer of POST /messages")
    first = r.json()["id"]
    a.wait_status(first, "received")
    r = expect(a, "POST", "/messages", 201, None,
               {"dst": {"pk": b.public_key.upper()}, "topic": None, "payload": "Mg==", "unknown": 1})
    second = r.json()["id"]
    a.wait_status(second, "received")
    third = a.send(b, b"3")
    a.wait_status(third, "received")

    def get(query):
        return b.call("GET", "/messages" + query)

    want = json.dumps({"id": first, "srcIp": a.ip, "srcPk": a.public_key, "dstIp": b.ip, "dstPk": b.public_key,
                       "topic": "dGVzdA==", "payload": "aGVsbG8="}, separators=(",", ":"))
    check_equal(get("?peek=true").text, want, "peek, byte for byte")
    check_equal(get("?topic=dGVzdA%3D%3D").text, want, "by topic, byte for byte")
    check_equal(get("?topic=dGVzdA%3D%3D").status, 204, "by topic again")
    m = get("?topic=").json()
    check_equal((m["id"], "topic" in m), (second, False), "the first without topic")
    check_equal(get("?foo=1").json()["id"], third, "an unknown key in the query")
    r = get("")
    check_equal((r.status, r.body, "content-type" in r.headers), (204, b"", False), "an empty inbox")


def test_bad_queries(net):  # row 13
    a = net.node("a")
    for query in ("peek=1", "peek=", "timeout=-1", "timeout=1.5", "timeout=0&timeout=0", "timeout=x",
                  "timeout=18446744073709551616"):
        expect(a, "GET", "/messages?" + query, 400, "Failed to deserialize query string")
    for query in ("topic=abc", "topic=a+b", "topic=QR%3D%3D", "topic=%ff"):
        expect(a, "GET", "/messages?" + query, 400)
    expect(a, "GET", "/messages?timeout=%2B0&peek=false", 204, "")
    expect(a, "POST", "/messages?reply_timeout=x", 400, None, message_body("400::1", b"", None))


def test_bad_messages(net):  # rows 15, 21
    a, b = net.pair()
    for payload in ("AB==", "AA", "A_-=", "A", "AA==\n", " AA==", None, 5):
        expect(a, "POST", "/messages", 422, "Failed to deserialize the JSON body into the target type: ",
               {"dst": {"ip": b.ip}, "payload": payload})
    for dst in ({"ip": "zz"}, {"pk": "00"}, {"pk": "zz" * 32}, {"host": "a"}, {}, 5, {"ip": "[400::1]"}):
        expect(a, "POST", "/messages", (400, 422), None, {"dst": dst, "payload": ""})
    expect(a, "POST", "/messages", 422, None, {"payload": ""})
    expect(a, "POST", "/messages", 422, None, {"dst": {"ip": b.ip}})
    expect(a, "POST", "/messages", (400, 422), None, {"dst": {"ip": b.ip, "pk": b.public_key}, "payload": ""})
    expect(a, "POST", "/messages", (400, 422), None, b'{"dst":{"ip":"400::1"},"payload":"","payload":""}')
    expect(a, "POST", "/messages", 400, None, b"{")
    expect(a, "POST", "/messages", 415, None, message_body(b, b"", None), content_type="text/plain")
    expect(a, "POST", "/messages", 400, None, message_body(b, b"", b"t" * 256))
    expect(a, "POST", "/messages", 201, None, message_body(b, b"", b"t" * 255))
    for ip in ("::1.2.3.4", "::ffff:1.2.3.4", "1.2.3.4", "200::1", "::1"):
        expect(a, "POST", "/messages", by(net, 400, 201), None, message_body(ip, b"", None))
    r = expect(a, "POST", "/messages", 201, None, message_body("0400:0:0:0:1:0:0:1", b"", None))
    check_equal(a.get(f"/messages/status/{r.json()['id']}")["dst"], "400::1:0:0:1", "how an address is shown")


def test_status(net):  # rows 17, 18
    a, b = net.pair()
    identifier = a.send(b, b"x")
    a.wait_status(identifier, "received")
    a.get(f"/messages/status/{identifier.upper()}")
    expect(a, "GET", "/messages/status/0000000000000000", 404, "")
    for bad in ("00", "zz00000000000000", "00000000000000000"):
        expect(a, "GET", f"/messages/status/{bad}", 400)
    expect(a, "GET", "/messages/status/00", 400,
           "Invalid URL: Cannot parse `id` with value `00`: Message ID is 16 characters long")
    b.take(peek=True)
    time.sleep(0.3)
    if net.ours:
        check_equal(a.status(identifier), "received", "after a peek")
    check(b.take() is not None, "the message")
    a.wait_read(identifier, b)


def test_reply_calls(net):  # rows 19, 20
    a, b = net.pair()
    r = expect(a, "POST", "/messages?reply_timeout=2", 408, None, message_body(b, b"q", None))
    check(1.9 <= r.seconds <= 3.5, f"answered after {r.seconds:.2f} s")
    identifier = r.json()["id"]
    check_equal(b.take(5)["id"], identifier, "the id of the 408")
    expect(b, "POST", "/messages/reply/0011223344556677", 204, "", message_body(a, b"unasked", b"ignored"))
    m = a.take(10)
    check_equal((m["id"], m["payload"], m["topic"]), ("0011223344556677", b"unasked", b""), "the unasked reply")
    for bad in ("00", "zz11223344556677"):
        expect(b, "POST", f"/messages/reply/{bad}", 400, None, message_body(a, b"", None))
    expect(b, "POST", "/messages/reply/0011223344556677", 422, None, {"dst": {"ip": a.ip}})


def topics_served(node):
    if node.call("GET", "/messages/topics").status == 404:
        raise Skip("the topic calls are not served")


def test_topics(net):  # row 22
    a = net.node("a")
    topics_served(a)
    check_equal(a.get("/messages/topics/default"), {"accept": True}, "the default")
    expect(a, "PUT", "/messages/topics/default", 204, "", {"accept": False})
    check_equal(a.get("/messages/topics/default"), {"accept": False}, "the default, changed")
    expect(a, "POST", "/messages/topics", 201, "", [116, 101, 115, 116])
    expect(a, "POST", "/messages/topics", 201, "", [116, 101, 115, 116])
    check_equal(a.get("/messages/topics"), ["dGVzdA=="], "the list")
    expect(a, "POST", "/messages/topics", 422, None, [256])
    expect(a, "POST", "/messages/topics", by(net, 201, 422), None, "dGVzdA==")
    expect(a, "DELETE", "/messages/topics/dGVzdA==", 204, "")
    expect(a, "DELETE", "/messages/topics/dGVzdA==", 204, "")
    expect(a, "DELETE", "/messages/topics/a", 400)
    check_equal(a.get("/messages/topics"), [], "the list, empty")


def test_topic_sources(net):  # row 23
    a = net.node("a")
    topics_served(a)
    path = "/messages/topics/dGVzdA==/sources"
    expect(a, "GET", path, 404)
    for subnet in ("10.1.2.3/24", "503:5478:df06:d79a::5/64", "::1"):
        expect(a, "POST", path, 201, "", {"subnet": subnet})
    expect(a, "POST", path, 400, None, {"subnet": "1.2.3.4/33"})
    expect(a, "DELETE", path + "/10.1.2.0%2F24", 204, "")
    check_equal(sorted(a.get(path)), ["503:5478:df06:d79a::5/64", "::1/128"], "what is left")


def test_topic_rules_at_work(net):
    a, b = net.pair()
    topics_served(b)
    expect(b, "PUT", "/messages/topics/default", 204, "", {"accept": False})
    refused = a.send(b, b"refused", b"other")
    expect(b, "POST", "/messages/topics/b2s=/sources", 201, "", {"subnet": a.identity.subnet})
    a.send(b, b"taken", b"ok")
    check_equal(b.take(10)["payload"], b"taken", "by the allowed topic")
    time.sleep(0.3)
    check(b.take() is None, "a message of a refused topic arrived")
    check(a.status(refused) in ("pending", "aborted"), "status of the refused one")


def test_head(net):  # row 24
    a, b = net.pair()
    a.wait_status(a.send(b, b"x"), "received")
    r = b.call("HEAD", "/messages")
    check_equal((r.status, r.body), (200, b""), "HEAD /messages with a message there")
    check_equal(b.call("GET", "/messages").status, by(net, 200, 204), "GET after HEAD")
    if net.ours:
        check_equal(b.call("HEAD", "/messages").status, 204, "HEAD /messages, empty")
    check_equal(b.call("HEAD", "/admin").status, 200, "HEAD /admin")


@needs_ours
def test_long_poll_delays_nothing(net):  # row 25
    a = net.node("a")
    waiters = [threading.Thread(target=lambda: a.call("GET", "/messages?timeout=3", timeout=10)) for _ in range(4)]
    for w in waiters:
        w.start()
    time.sleep(0.5)
    slowest = 0.0
    for path in ("/admin", "/admin/peers", "/admin/routes/selected", "/messages?topic=eA%3D%3D",
                 "/messages/status/0000000000000000") * 4:
        slowest = max(slowest, a.call("GET", path).seconds)
    check(slowest < 0.5, f"a call took {slowest * 1000:.0f} ms while others waited")
    started = time.monotonic()
    for w in waiters:
        w.join()
    check(1.0 < time.monotonic() - started < 4.5, "the waiting calls ended at their own time")
    print(f"# slowest of 20 calls beside 4 waiting ones: {slowest * 1000:.1f} ms")


@limit(90)
@needs_ours
def test_many_long_polls(net):
    """200 waiting calls, each for its own topic; each gets its message at once."""
    a, b = net.pair()
    count, answers = 200, {}

    def wait(i):
        topic = base64.b64encode(b"w%d" % i).decode().replace("=", "%3D")
        answers[i] = b.call("GET", f"/messages?timeout=30&topic={topic}", timeout=45)

    waiters = [threading.Thread(target=wait, args=(i,)) for i in range(count)]
    for w in waiters:
        w.start()
    time.sleep(1.0)
    check(b.call("GET", "/admin").seconds < 0.5, "another call is slow")
    started = time.monotonic()
    for i in range(count):
        a.send(b, b"p%d" % i, b"w%d" % i)
    for w in waiters:
        w.join()
    for i in range(count):
        check_equal(answers[i].status, 200, f"answer to waiting call {i}")
        check_equal(base64.b64decode(answers[i].json()["payload"]), b"p%d" % i, f"payload of waiting call {i}")
    print(f"# {count} waiting calls served {time.monotonic() - started:.2f} s after the first send")


@needs_ours
def test_abandoned_long_poll_takes_nothing(net):
    """The client closes while it waits; the message that comes later is for the next one."""
    a, b = net.pair()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", b.api_port)) as s:
            s.sendall(b"GET /api/v1/messages?timeout=20 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.01)
    time.sleep(0.3)
    a.send(b, b"for the living")
    m = b.take(5)
    check(m is not None, "an abandoned call took the message")


def test_methods_and_paths(net):  # row 26
    a = net.node("a")
    for method, path, status, allow in (
            ("OPTIONS", "/admin/peers", 405, "GET,HEAD,POST"), ("POST", "/admin", 405, "GET,HEAD"),
            ("DELETE", "/messages", 405, "GET,HEAD,POST"), ("PUT", "/admin/routes/selected", 405, "GET,HEAD"),
            ("GET", "/messages/reply/0011223344556677", 405, "POST")):
        r = expect(a, method, path, status, "")
        check_equal(r.headers.get("allow"), allow, f"allow of {method} {path}")
    for path in ("/admin/", "/", "", "/unknown", "/messages/", "/admin/peers/"):
        expect(a, "GET", path, 404, "")
    check_equal(a.api.call("GET", "/").status, 404, "GET /")


def test_routes(net):
    a, b = net.pair()
    routes = expect(a, "GET", "/admin/routes/selected", 200).json()
    route = next(r for r in routes if r["subnet"] == b.identity.subnet)
    check_equal(list(route), ["subnet", "nextHop", "metric", "seqno"], "keys of a route")
    check_equal((route["metric"], type(route["seqno"])), (0, int), "a route to a neighbour")
    check(route["nextHop"].startswith("TCP ") and " <-> " in route["nextHop"], f"next hop {route['nextHop']!r}")
    check_equal(expect(a, "GET", "/admin/routes/fallback", 200).json(), [], "fallback routes")
    a.send("400::1", b"")
    queried = wait_for("a query", lambda: a.get("/admin/routes/queried"), 5)
    check_equal((queried[0]["subnet"], list(queried[0])), ("400::/64", ["subnet", "expiration"]), "the query")
    check(0 <= int(queried[0]["expiration"]) <= 15, "seconds left, as text")


def test_proxies(net):
    a = net.node("a")
    check_equal(expect(a, "GET", "/admin/proxy", 200).json(), [], "none is known")
    expect(a, "POST", "/admin/proxy", 404, "", {})
    expect(a, "POST", "/admin/proxy", 404, "", {"remote": None})
    expect(a, "POST", "/admin/proxy", 422, None, {"remote": "400::1"})
    expect(a, "POST", "/admin/proxy", 422, None, {"remote": 5})
    expect(a, "POST", "/admin/proxy", 415, None, {}, content_type="text/plain")
    if net.ours:
        expect(a, "POST", "/admin/proxy", 404, "", {"remote": "[400::1]:1080"})
        expect(a, "POST", "/admin/proxy", 422, None, {"remote": "host.example:1080"})
        expect(a, "HEAD", "/admin/proxy/probe", 204)
        expect(a, "GET", "/admin/proxy/probe", 204, "")
    expect(a, "DELETE", "/admin/proxy/probe", 204, "")
    expect(a, "DELETE", "/admin/proxy", 204, "")


def test_packet_statistics(net):
    a, b = net.pair()
    a.send(b.ip, b"counted")
    check(b.take(10) is not None, "nothing arrived")
    stats = expect(a, "GET", "/admin/stats/packets", 200).json()
    check_equal(list(stats), ["bySource", "byDestination"], "keys")
    sent = next(s for s in stats["byDestination"] if s["ip"] == b.ip)
    check_equal(list(sent), ["ip", "packetCount", "byteCount"], "keys of an entry")
    check(sent["packetCount"] >= 3 and sent["byteCount"] >= 3 * 44, f"INIT, CHUNK and DONE were counted: {sent}")


def raw_request(node, lines, body=b""):
    """Status of a request given as header lines, and whether the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", node.api_port), timeout=10) as s:
        s.sendall("".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body)
        r = http.client.HTTPResponse(s)
        r.begin()
        r.read()
        return r.status


@needs_ours
def test_host_and_origin(net):  # row 50
    a, b = net.pair()
    a.wait_status(a.send(b, b"bait"), "received")
    port = b.api_port

    def get(path="/api/v1/messages", host="localhost", **headers):
        lines = [f"GET {path} HTTP/1.1"] + ([f"Host: {host}"] if host is not None else [])
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
        return raw_request(b, lines + ["Connection: close"])

    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", f"evil.example:{port}",
                 "128.0.0.1", "[::2]", "localhost@evil.example", ""):
        check_equal(get(host=host), 403, f"Host {host!r}")
    for origin in ("http://evil.example", "null", "http://localhost:1", f"https://localhost:{port}",
                   f"http://localhost.evil.example:{port}"):
        check_equal(get(host=f"localhost:{port}", Origin=origin), 403, f"Origin {origin!r}")
    check_equal(get(Sec_Fetch_Site="cross-site"), 403, "Sec-Fetch-Site: cross-site")
    check_equal(get(Sec_Fetch_Site="same-site"), 403, "Sec-Fetch-Site: same-site")
    check_equal(get(Referer="http://evil.example/x"), 403, "a foreign Referer")
    check_equal(get(User_Agent="Mozilla/5.0"), 403, "a browser without Origin")
    check_equal(get("/api/v1/admin", User_Agent="Mozilla/5.0"), 403, "a browser without Origin at /admin")
    for host in (f"localhost:{port}", "127.0.0.1", f"127.0.0.1:{port}", "127.1.2.3", f"[::1]:{port}", "[::1]",
                 "LocalHost", "a.localhost", None):
        check_equal(get("/api/v1/admin", host=host), 200, f"Host {host!r}")
    check_equal(get("/api/v1/admin", host=f"localhost:{port}", Origin=f"http://localhost:{port}"), 200, "own Origin")
    check_equal(get("/api/v1/admin", Sec_Fetch_Site="none"), 200, "Sec-Fetch-Site: none")
    check_equal(get("/api/v1/admin", User_Agent="curl/7.88.1"), 200, "a program")
    check_equal(b.take()["payload"], b"bait", "nothing was taken by a refused request")


@needs_ours
def test_answers_carry_the_safety_headers(net):
    a = net.node("a")
    for path in ("/admin", "/messages", "/unknown", "/messages?peek=1"):
        h = a.call("GET", path).headers
        check_equal((h.get("x-content-type-options"), h.get("cross-origin-resource-policy"), h.get("cache-control")),
                    ("nosniff", "same-origin", "no-store"), f"headers of GET {path}")
        check("access-control-allow-origin" not in h, "a CORS header")


@needs_ours
def test_broken_http(net):
    a = net.node("a")
    for data in (b"garbage\r\n\r\n", b"GET\r\n\r\n", b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n",
                 b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                 b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n"):
        with socket.create_connection(("127.0.0.1", a.api_port), timeout=10) as s:
            try:
                s.sendall(data)
                s.settimeout(3)
                answer = s.recv(4096)
            except (ConnectionError, TimeoutError):
                answer = b""
            check(not answer.startswith(b"HTTP/1.1 2"), f"{data[:40]!r} got {answer[:40]!r}")
        a.check_running()
    check_equal(a.call("GET", "/admin").status, 200, "an ordinary call after it")


@needs_ours
def test_request_in_pieces_and_pipelined(net):
    a = net.node("a")
    one = b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", a.api_port), timeout=10) as s:
        for i in range(0, len(one), 5):
            s.sendall(one[i:i + 5])
            time.sleep(0.002)
        r = http.client.HTTPResponse(s)
        r.begin()
        check_equal((r.status, len(r.read()) > 100), (200, True), "a request in pieces")
    body = json.dumps({"endpoint": "x"}).encode()
    with socket.create_connection(("127.0.0.1", a.api_port), timeout=10) as s:
        s.sendall(b"POST /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body))
        time.sleep(0.2)
        for i in range(0, len(body), 3):
            s.sendall(body[i:i + 3])
            time.sleep(0.01)
        r = http.client.HTTPResponse(s)
        r.begin()
        check_equal((r.status, r.read()), (400, b"missing leading protocol identifier"), "a body in pieces")


def metrics_of(node, port):
    """name{labels} -> value, and the set of families."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/metrics")
    a = c.getresponse()
    text = a.read().decode()
    check_equal((a.status, a.getheader("content-type")), (200, TEXT), f"GET /metrics of {node.name}")
    values, families = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.add(line.split()[2])
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    return values, families


@needs_ours
def test_metrics(net):
    port = free_port()
    a = net.node("a", extra=["--metrics-api-address", f"127.0.0.1:{port}"])
    b = net.node("b", peers=[a.endpoint()])
    for i in range(20):
        a.send(b, b"message %d" % i)
    for i in range(20):
        check(b.take(10) is not None, f"message {i} did not come")
    wait_for("20 are read", lambda: metrics_of(a, port)[0]['mycelium_bus_sent_total{result="read"}'] == 20)
    values, families = metrics_of(a, port)
    check_equal(values["mycelium_bus_accepted_total"], 20, "accepted")
    check_equal(values["mycelium_api_rpc_requests_total"], 0, "requests of JSON-RPC")
    Rpc(a).call("getTopics")
    check_equal(metrics_of(a, port)[0]["mycelium_api_rpc_requests_total"], 1, "requests of JSON-RPC")
    expect(a, "POST", "/messages/topics/Zg==/sources", 201, "", {"subnet": "400::/7"})
    expect(a, "PUT", "/messages/topics/Zg==/forward", 204, "", {"socketPath": str(net.folder / "nobody")})
    a.send(a, b"x", b"f")
    wait_for("nobody took it", lambda: metrics_of(a, port)[0]['mycelium_forward_returned_total{reason="connect"}'] == 1)
    check_equal(values["mycelium_bus_delivery_seconds_count"], 20, "deliveries")
    check(values["mycelium_store_commit_seconds_count"] > 0, "no commit was counted")
    check(values['mycelium_router_packets_routed{verdict="local"}'] > 0, "no packet was counted")
    check_equal(values["mycelium_peer_manager_peers_up"], 1, "peers that are up")
    check(1 << 20 < values["process_resident_memory_bytes"] < 1 << 30, "resident memory")
    check(0 <= time.time() - values["process_start_time_seconds"] < 120, "start of the process")
    dashboard = (pathlib.Path(__file__).parents[2] / "packaging" / "grafana.json").read_text()
    json.loads(dashboard)
    for name in set(re.findall(r"(?:mycelium|process)_[a-z_]+", dashboard)):
        check(name in families or name.removesuffix("_bucket") in families,
              f"the dashboard shows {name}, which is not there")
