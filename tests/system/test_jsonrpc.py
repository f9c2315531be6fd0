"""JSON-RPC, as in docs/protocol/api.md, "JSON-RPC": rows that a reference node answers alike run on
any program, what is ours on ours."""
import base64
import concurrent.futures
import json
import threading
import time

from lib import check, check_equal, limit, needs_ours, wait_for
from lib.node import decoded, pattern
from lib.rest import Broken
from lib.rpc import Error, Rpc, RpcWs, result
from lib.ws import BINARY, Closed
from test_access import bearer, token_of

PARSE = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'
INVALID = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid request"}}'
NO_METHOD = '"error":{"code":-32601,"message":"Method not found"}}'


def b64(data):
    return base64.b64encode(data).decode()


def message(to, payload, topic=None):
    m = {"dst": {"ip": to.ip}, "payload": b64(payload)}
    return m if topic is None else dict(m, topic=b64(topic))


def test_envelope(net):  # rows 27 to 30
    rpc = Rpc(net.node("a"))
    info = rpc.call("getInfo")
    check_equal(list(info), ["nodeSubnet", "nodeIp", "nodePubkey", "nodeStartTime"], "keys of getInfo")
    text = json.dumps(info, separators=(",", ":"))
    for identifier in ("1", '"a"', "null", "0", "9007199254740993"):
        for params in ("", ',"params":[]', ',"params":{}', ',"params":[1,2,3]', ',"params":null'):
            check_equal(rpc.text(f'{{"jsonrpc":"2.0","id":{identifier},"method":"getInfo"{params}}}'),
                        f'{{"jsonrpc":"2.0","id":{identifier},"result":{text}}}', "getInfo, byte for byte")
    for none in ('{"jsonrpc":"2.0","method":"getInfo"}', '{"jsonrpc":"2.0","id":1.5,"method":"getInfo"}',
                 '{"jsonrpc":"2.0","id":-1,"method":"getInfo"}', '{"jsonrpc":"2.0","id":[],"method":"getInfo"}',
                 '[{"jsonrpc":"2.0","method":"getInfo"}]'):
        check_equal(rpc.text(none), "null", f"answer to {none}")
    for body, status, want in (
            ("{", 200, PARSE), ("", 400, PARSE), ("  \n", 400, PARSE), ("null", 400, PARSE), ("x", 400, PARSE),
            ("[]", 200, INVALID), ("[1]", 200, f"[{INVALID}]"), ("{}", 200, PARSE), ("[{}]", 200, f"[{INVALID}]"),
            ('{"id":3}', 200, INVALID.replace("null", "3")),
            ('{"jsonrpc":"1.0","id":"x","method":"getInfo"}', 200, INVALID.replace("null", '"x"')),
            ('{"jsonrpc":"2.0","id":1,"method":"getTopics"} x', 200, PARSE),
            ('[{"jsonrpc":"2.0","id":1,"method":"getTopics"},', 200, PARSE),
            ('\n {"jsonrpc":"2.0","id":1,"method":"getTopics"}\n', 200, '{"jsonrpc":"2.0","id":1,"result":[]}'),
            ('{"jsonrpc":"2.0","id":1,"method":"getTopicz"}', 200, '{"jsonrpc":"2.0","id":1,' + NO_METHOD)):
        check_equal(rpc.text(body, status), want, f"answer to {body!r}")
    check_equal(rpc.text('[{"jsonrpc":"2.0","id":1,"method":"getTopics"},{"jsonrpc":"2.0","id":"b","method":"nope"},'
                         '5,{"jsonrpc":"2.0","method":"getTopics"}]'),
                '[{"jsonrpc":"2.0","id":1,"result":[]},{"jsonrpc":"2.0","id":"b",' + NO_METHOD + f',{INVALID}]', "a batch")


def test_http(net):  # rows 31, 33
    a = net.node("a")
    rpc = Rpc(a)
    body = {"jsonrpc": "2.0", "id": 1, "method": "getTopics"}
    for path in ("/", "/rpc", "/any/thing?x=1", "/api/v1/admin"):
        check_equal(rpc.raw(body, path=path).text, '{"jsonrpc":"2.0","id":1,"result":[]}', f"path {path}")
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        r = rpc.raw(None, method=method)
        check_equal((r.status, r.text, r.headers["content-type"]),
                    (405, "Used HTTP Method is not allowed. POST is required\n", "text/plain"), method)
    for good in ("application/json", "application/json-rpc", "application/json;charset=utf-8",
                 "Application/JSON; Charset=UTF-8", "application/json-rpc; charset=utf-8"):
        check_equal(rpc.raw(body, content_type=good).status, 200, good)
    for bad in ("text/plain", "application/json;charset=latin1", "application/json;  charset=utf-8", "application/jsonx",
                None):
        r = rpc.raw(body, content_type=bad)
        check_equal((r.status, r.text, r.headers["content-type"]),
                    (415, "Supplied content type is not allowed. Content-Type: application/json is required\n",
                     "text/plain"), f"content type {bad}")
    most = 90 << 20 if net.ours else 10485760
    r = rpc.raw(None, method="POST", headers={"Content-Type": "application/json", "Content-Length": str(most + 1)})
    check_equal((r.status, r.text, r.headers["content-type"]),
                (413, '{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"Request is too big",'
                 f'"data":"Exceeded max limit of {most}"}}}}', "application/json; charset=utf-8"), "too long a body")


def test_node_methods(net):
    a, b = net.pair()
    rpc = Rpc(a)
    check_equal(rpc.call("getInfo"), a.get("/admin"), "getInfo")
    check_equal(rpc.call("getPublicKeyFromIp", b.ip), b.public_key, "the other's key")
    check_equal(rpc.call("getPublicKeyFromIp", ip=b.ip), b.public_key, "the same, by name")
    for text, code in (("zz", -32007), ("400::1", -32008)):
        check_equal(rpc.code("getPublicKeyFromIp", text), code, f"key of {text}")
    check_equal([p["type"] for p in rpc.call("getPeers")], ["inbound"], "getPeers")
    check_equal(rpc.call("addPeer", "tcp://127.0.0.1:1"), True, "addPeer")
    check_equal(rpc.code("addPeer", endpoint="tcp://127.0.0.1:1"), -32010, "addPeer again")
    check_equal(rpc.code("addPeer", "foo"), -32009, "addPeer, no endpoint")
    check_equal(rpc.call("deletePeer", "tcp://127.0.0.1:1"), True, "deletePeer")
    check_equal(rpc.code("deletePeer", "tcp://127.0.0.1:1"), -32011, "deletePeer again")
    check_equal(rpc.code("deletePeer", "foo"), -32012, "deletePeer, no endpoint")
    for method, path in (("getSelectedRoutes", "/admin/routes/selected"), ("getFallbackRoutes", "/admin/routes/fallback")):
        check_equal([r["subnet"] for r in rpc.call(method)], [r["subnet"] for r in a.get(path)], method)
    a.send("400::77", b"x")  # is looked for
    wait_for("a query", lambda: "400::/64" in [q["subnet"] for q in rpc.call("getQueriedSubnets")])
    check_equal(list(rpc.call("getPacketStatistics")), ["bySource", "byDestination"], "getPacketStatistics")
    for method in ("getPublicKeyFromIp", "addPeer", "deletePeer", "getMessageInfo", "addTopic", "setDefaultTopicAction",
                   "pushMessage"):
        check_equal(rpc.code(method), -32602, f"{method} without parameters")
        check_equal(rpc.code(method, 5), -32602, f"{method} with a number")


def test_message_methods(net):
    a, b = net.pair()
    at_a, at_b = Rpc(a), Rpc(b)
    sent = at_a.call("pushMessage", message(b, b"hello", b"test"))
    check_equal((list(sent), len(sent["id"])), (["id"], 16), "pushMessage")
    a.wait_status(sent["id"], "received")
    info = at_a.call("getMessageInfo", sent["id"])
    check_equal(info, a.get(f"/messages/status/{sent['id']}"), "getMessageInfo")
    want = {"id": sent["id"], "srcIp": a.ip, "srcPk": a.public_key, "dstIp": b.ip, "dstPk": b.public_key,
            "topic": b64(b"test"), "payload": b64(b"hello")}
    check_equal(list(at_b.call("popMessage", True).items()), list(want.items()), "popMessage, peek")
    check_equal(at_b.call("popMessage", False, 0, b64(b"other")), None, "another topic")
    check_equal(at_b.call("popMessage", peek=False, timeout=5, topic=b64(b"test")), want, "popMessage")
    check_equal(at_b.call("popMessage"), None, "nothing is left")
    check_equal(at_b.code("popMessage", None, None, "@"), -32013, "no base64")
    for bad in (["x"], [False, -1], [False, 1.5], [False, 0, 5]):
        check_equal(at_b.code("popMessage", *bad), -32602, f"popMessage {bad}")
    check_equal(at_a.code("pushMessage", message(b, b"", b"t" * 256)), -32015, "a topic of 256 bytes")
    for bad in ({}, {"dst": {"ip": b.ip}}, {"dst": {"ip": "zz"}, "payload": ""}, {"dst": {"ip": b.ip}, "payload": "AB=="}):
        check_equal(at_a.code("pushMessage", bad), -32602, f"pushMessage {bad}")
    for bad in ("00", "zz11223344556677"):
        check_equal(at_b.code("pushMessageReply", bad, message(a, b"x")), -32018, f"reply to {bad}")
    check_equal(at_a.code("getMessageInfo", "00"), -32020, "status of 00")
    check_equal(at_a.code("getMessageInfo", "0" * 16), -32019, "status of an unknown id")

    def answer():
        m = decoded(at_b.call("popMessage", False, 10, timeout=20))
        check_equal(at_b.call("pushMessageReply", m["id"], message(a, b"re: " + m["payload"])), True, "pushMessageReply")

    t = threading.Thread(target=answer)
    t.start()
    m = at_a.call("pushMessage", message=message(b, b"ask"), replyTimeout=15, timeout=30)
    t.join()
    check_equal(decoded(m)["payload"], b"re: ask", "the reply")
    check_equal(list(at_a.call("pushMessage", message(b, b"nobody"), 1)), ["id"], "no reply in time")


def test_topic_methods(net):
    rpc = Rpc(net.node("a"))
    t = b64(b"test")
    check_equal(rpc.call("getDefaultTopicAction"), True, "the default")
    check_equal(rpc.call("setDefaultTopicAction", False), True, "setDefaultTopicAction")
    check_equal(rpc.call("getDefaultTopicAction"), False, "the default, changed")
    check_equal(rpc.code("getTopicSources", t), -32030, "sources of an unknown topic")
    check_equal(rpc.call("addTopic", t), True, "addTopic")
    check_equal(rpc.call("getTopics"), [t], "getTopics")
    check_equal(rpc.call("getTopicSources", t), [], "no sources")
    check_equal(rpc.call("addTopicSource", t, "10.1.2.3/24"), True, "addTopicSource")
    check_equal(rpc.call("getTopicSources", t), ["10.1.2.3/24"], "one source")
    check_equal(rpc.call("removeTopicSource", topic=t, subnet="10.1.2.0/24"), True, "removeTopicSource")
    check_equal(rpc.call("getTopicSources", t), [], "no sources again")
    check_equal(rpc.call("getTopicForwardSocket", t), None, "no socket")
    check_equal(rpc.call("setTopicForwardSocket", t, "/tmp/x"), True, "setTopicForwardSocket")
    check_equal(rpc.call("setTopicForwardSocket", topic=t, socketPath="/tmp/y"), True, "the same, by name")
    check_equal(rpc.call("getTopicForwardSocket", t), "/tmp/y", "the socket")
    check_equal(rpc.call("removeTopicForwardSocket", t), True, "removeTopicForwardSocket")
    if net.ours:
        check_equal(rpc.code("setTopicForwardSocket", b64(b"none"), "/tmp/x"), -32030, "a socket without a rule")
    for method, more in (("addTopic", []), ("removeTopic", []), ("getTopicSources", []), ("addTopicSource", ["::1"]),
                         ("removeTopicSource", ["::1"]), ("getTopicForwardSocket", []),
                         ("setTopicForwardSocket", ["/x"]), ("removeTopicForwardSocket", [])):
        check_equal(rpc.code(method, "@", *more), -32021, f"{method}, no base64")
    for method in ("addTopicSource", "removeTopicSource"):
        check_equal(rpc.code(method, t, "1.2.3.4/33"), -32023, f"{method}, no subnet")
    for _ in range(2):
        check_equal(rpc.call("removeTopic", t), True, "removeTopic")
    check_equal(rpc.call("addTopic", ""), True, "the empty topic")
    check_equal(rpc.call("removeTopic", ""), True, "the empty topic removed")


def test_batch_in_order(net):
    """Each call of a batch sees what those before it did, also what had to become durable first."""
    rpc = Rpc(net.node("a"))
    answers = rpc.batch([("addTopic", [b64(b"a")]), ("getTopics", []), ("removeTopic", [b64(b"a")]), ("getTopics", []),
                         ("popMessage", [False, 1]), ("getDefaultTopicAction", [])])
    check_equal([x["result"] for x in answers], [True, [b64(b"a")], True, [], None, True], "results in order")


@needs_ours
def test_long_batches(net):
    rpc = Rpc(net.node("a"))
    answers = rpc.batch([("getTopics", [])] * 1000)
    check_equal(len(answers), 1000, "the longest batch")
    r = json.loads(rpc.text([{"jsonrpc": "2.0", "id": 1, "method": "getTopics"}] * 1001))
    check_equal((r["id"], r["error"]["code"]), (None, -32010), "one call more")


@needs_ours
@limit(120)
def test_many_waiting(net):  # row 34
    """102 calls that wait; others are answered meanwhile."""
    b, pops = net.node("b", start=False), 102
    b.extra += ["--metrics-api-address", f"127.0.0.1:{b.api_port}"]
    b.start()
    with concurrent.futures.ThreadPoolExecutor(pops) as pool:
        waiting = [pool.submit(lambda: Rpc(b).raw({"jsonrpc": "2.0", "id": 1, "method": "popMessage", "params": [False, 6]},
                                                  timeout=60)) for _ in range(pops)]
        wait_for("all are there", lambda: in_call(b) >= pops)
        check_equal(Rpc(b).call("getTopics"), [], "a call beside those that wait")
        check_equal([w.result().text for w in waiting], ['{"jsonrpc":"2.0","id":1,"result":null}'] * pops, "answers")


def in_call(node):
    """How many bodies of JSON-RPC wait."""
    for line in node.api.call("GET", "/metrics").text.splitlines():
        if line.startswith("mycelium_api_rpc_open "):
            return int(line.split()[1])
    return 0


@needs_ours
def test_gone_while_waiting(net):
    """A client that goes away while it waits gets no message."""
    a, b = net.pair()
    try:
        Rpc(b).call("popMessage", False, 30, timeout=1)
    except Broken:
        pass
    a.wait_status(a.send(b, b"x"), "received")
    time.sleep(0.3)
    check_equal(decoded(Rpc(b).call("popMessage"))["payload"], b"x", "the message")


@needs_ours
def test_host_and_origin(net):
    a = net.node("a")
    rpc, body = Rpc(a), {"jsonrpc": "2.0", "id": 1, "method": "popMessage"}
    for port, path in ((a.jsonrpc_port, "/"), (a.api_port, "/rpc")):
        rpc = Rpc(a, path, port)
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                        {"User-Agent": "Mozilla/5.0"}, {"Referer": "http://evil.example/"}, {"Origin": "null"}):
            check_equal(rpc.raw(body, headers=headers).status, 403, f"{headers} on {path}")
        check_equal(rpc.raw(body, headers={"Host": f"localhost:{port}"}).status, 200, "localhost")
        check_equal(rpc.raw(body, headers={"X-Forwarded-For": "1.2.3.4"}).status, 401, "through a proxy")


@needs_ours
def test_on_the_api(net):
    """The same as /rpc of the HTTP API, also without a listener of its own."""
    a = net.node("a", start=False)
    a.jsonrpc_addr = "off"
    a.start()
    rpc = Rpc(a, "/rpc", a.api_port)
    check_equal(rpc.call("getInfo"), a.get("/admin"), "getInfo")
    check_equal(rpc.raw(None, method="GET").status, 405, "GET")
    check_equal(rpc.text("x", 400), PARSE, "no JSON")
    try:
        Rpc(a).call("getInfo")
        check(False, "the listener is off")
    except Broken:
        pass


@needs_ours
def test_bus_methods(net):
    a, b = net.pair()
    at_a, at_b = Rpc(a), Rpc(b)
    sent = at_a.call("bus.send", dst={"ip": b.ip}, topicText="t", payload=b64(b"1"), wait="received", waitMs=15000,
                     idempotencyKey="k1")
    check_equal(sent["state"], "received", "bus.send that waits")
    again = at_a.call("bus.send", {"dst": {"ip": b.ip}, "topicText": "t", "payload": b64(b"1"), "idempotencyKey": "k1"})
    check_equal((again["id"], again["seq"]), (sent["id"], sent["seq"]), "the same key again")
    check_equal(at_a.code("bus.send", dst={"ip": b.ip}, payload=b64(b"2"), idempotencyKey="k1"), 409, "other content")
    entry = at_a.call("bus.outbox", ref=sent["id"])
    rest = a.api.call("GET", f"/bus/v1/outbox/{sent['id']}").json()
    check_equal(entry, rest, "bus.outbox with ref")
    check_equal(at_a.call("bus.outbox", state="received", limit=10)["entries"], [rest], "bus.outbox, a list")
    check_equal(at_a.call("bus.outbox", dst="400::1")["entries"], [], "bus.outbox, another destination")
    got = at_b.call("bus.fetch", topic=b64(b"t"), max=10, leaseMs=60000)["messages"]
    check_equal([base64.b64decode(m["payload"]) for m in got], [b"1"], "bus.fetch")
    tokens = [m["token"] for m in got]
    check_equal(at_b.call("bus.renew", tokens=tokens, leaseMs=60000), {"done": 1, "unknown": []}, "bus.renew")
    check_equal(at_b.call("bus.nack", tokens=tokens), {"done": 1, "unknown": []}, "bus.nack")
    got = at_b.call("bus.fetch", waitMs=5000)["messages"]
    check_equal(got[0]["redelivered"], 1, "offered again")
    check_equal(at_b.call("bus.ack", tokens=[got[0]["token"]]), {"done": 1, "unknown": []}, "bus.ack")
    check_equal(at_b.call("bus.fetch")["messages"], [], "nothing is left")
    far = at_a.call("bus.send", dst={"ip": "400::77"}, payload="", ttlMs=60000)
    check_equal(at_a.call("bus.retry", ref=far["id"])["state"], "pending", "bus.retry")
    check_equal(at_a.call("bus.cancel", ref=f"~{far['seq']}")["state"], "cancelled", "bus.cancel")
    try:
        at_a.call("bus.cancel", ref=sent["id"])
        check(False, "what was read can be cancelled")
    except Error as e:
        check_equal((e.code, e.message, e.data["code"]), (409, "Already final", "already-final"), "cancel of a final one")
    for method, params, word in (("bus.send", {"dst": {"ip": "::1"}, "payload": ""}, "bad-destination"),
                                 ("bus.send", {"dst": {"ip": b.ip}, "payload": "", "nope": 1}, "bad-request"),
                                 ("bus.ack", {"tokens": ["x"]}, "bad-token"), ("bus.fetch", {"max": 0}, "bad-request"),
                                 ("bus.outbox", {"limit": 0}, "bad-request"), ("bus.outbox", {"limit": []}, "bad-request"),
                                 ("bus.cancel", {"ref": "x"}, "bad-request"), ("bus.cancel", {}, "bad-request")):
        try:
            at_a.call(method, params)
            check(False, f"{method} {params}: no error")
        except Error as e:
            check_equal((e.code, e.data["code"]), (-32602, word), f"{method} {params}")
    check_equal(at_a.code("bus.outbox", ref="0" * 16), 404, "an entry that is not there")
    many = at_a.call("bus.send", dsts=[{"ip": b.ip}, {"ip": "400::78"}], payload=b64(b"many"))
    check_equal(len(many["results"]), 2, "several destinations")
    dead = at_b.call("bus.fetch", waitMs=10000)["messages"][0]["token"]
    check_equal(at_b.call("bus.term", tokens=[dead]), {"done": 1, "unknown": []}, "bus.term")


@limit(120)
def test_large(net):
    """Payloads beyond 64 KiB in both directions; the largest that a reference node takes."""
    a, b = net.pair()
    at_a, at_b = Rpc(a), Rpc(b)
    for size in (65535, 65536, 65537, 100000, 7_864_203 if net.ours else 7_860_000):
        payload = pattern(size)
        at_a.call("pushMessage", {"dst": {"pk": b.public_key}, "payload": b64(payload)}, timeout=60)
        m = at_b.call("popMessage", False, 60, timeout=90)
        check(decoded(m)["payload"] == payload, f"{size} bytes came as they were")


@needs_ours
@limit(120)
def test_large_in_odd_places(net):
    a, b = net.pair()
    at_a, at_b = Rpc(a), Rpc(b)
    big = pattern(300_000)
    # by name; in a batch, beside small ones; with a bus method; the id behind the payload
    at_a.call("pushMessage", message=message(b, big))
    answers = at_a.batch([("pushMessage", [message(b, b"small")]), ("getTopics", []), ("pushMessage", [message(b, big, b"t")])])
    check_equal([list(x) for x in answers], [["jsonrpc", "id", "result"]] * 3, "a batch with a large message")
    at_a.call("bus.send", dst={"ip": b.ip}, payload=b64(big))
    text = '{"params":[{"payload":"%s","dst":{"ip":"%s"}}],"method":"pushMessage","jsonrpc":"2.0","id":1}' % (b64(big), b.ip)
    result(json.loads(at_a.text(text)))
    got = []
    while len(got) < 5:
        m = at_b.call("popMessage", False, 30, timeout=40)
        got.append(decoded(m)["payload"])
    check_equal(sorted(len(p) for p in got), [5] + [300_000] * 4, "all arrived")
    check(all(p in (b"small", big) for p in got), "as they were")
    # what is wrong with it is told with the id of its call
    for payload in (b64(big)[:-4] + "A_-=", b64(big)[:-1]):
        check_equal(at_a.code("pushMessage", {"dst": {"ip": b.ip}, "payload": payload}), -32602, "no base64")
    check_equal(at_a.code("nope", {"payload": b64(big)}), -32601, "a large payload for nobody")
    check_equal(at_a.code("pushMessage", {"dst": {"ip": "zz"}, "payload": b64(big)}), -32602, "no destination")
    check_equal(at_a.text('{"payload":"' + b64(big) + '"'), PARSE, "not whole")
    wait_for("no file is left", lambda: not [f for f in (a.state_dir / "spool").iterdir()
                                             if f.is_file() and f.stat().st_size == 300_000], 15)


@needs_ours
@limit(120)
def test_large_answers(net):
    """A batch is put together in memory: what would be too long stays where it is, and is told."""
    a, b = net.pair()
    at_a, at_b = Rpc(a), Rpc(b)
    big = pattern(4_000_000)
    for _ in range(3):
        at_a.call("pushMessage", message(b, big), timeout=60)
    wait_for("all are there", lambda: len(b.api.call("GET", "/bus/v1/inbox?state=ready").json()["entries"]) == 3, 60)
    answers = at_b.batch([("popMessage", [])] * 3, timeout=60)
    check(decoded(answers[0]["result"])["payload"] == big, "the first")
    check_equal([x.get("error", {}).get("code") for x in answers], [None, -32008, -32008], "the others")
    for _ in range(2):
        check(decoded(at_b.call("popMessage", timeout=60))["payload"] == big, "by a call of its own")
    check_equal(at_b.call("popMessage"), None, "that was all")


@needs_ours
def test_scopes(net):
    """A token is good for the methods of its scopes."""
    a = net.node("a", start=False)
    reader = token_of(a, "read")
    a.start()
    rpc = Rpc(a)

    def codes(headers):
        calls = [("getInfo", []), ("addPeer", ["tcp://127.0.0.1:1"]), ("popMessage", []), ("bus.fetch", {}),
                 ("pushMessage", [message(a, b"x")]), ("bus.outbox", {}), ("bus.cancel", {"ref": "0" * 16})]
        body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        return [x.get("error", {}).get("code") for x in json.loads(rpc.text(body, headers=headers))]

    check_equal(codes(bearer(reader)), [None, 403, 403, 403, 403, None, 403], "with a token to read")
    check_equal(codes({})[:6], [None] * 6, "a program of this machine")
    check_equal(rpc.raw({"jsonrpc": "2.0", "id": 1, "method": "getInfo"}, headers={"Via": "x"}).status, 401, "no token")


def test_websocket(net):
    """One message for each body, by text or binary; nothing for notifications; whatever path and sub-protocol."""
    a = net.node("a")
    for port, path in ((a.jsonrpc_port, "/"), (a.jsonrpc_port, "/any?x=1"), (a.api_port, "/rpc")):
        if port == a.api_port and not net.ours:
            continue
        ws = RpcWs(a, path, port)
        check_equal((ws.status, ws.headers["sec-websocket-accept"]), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), path)
        topics = '{"jsonrpc":"2.0","id":1,"method":"getTopics"}'
        for opcode in (1, BINARY):
            check_equal(ws.text(topics, opcode), '{"jsonrpc":"2.0","id":1,"result":[]}', f"opcode {opcode}")
        for none in ('{"jsonrpc":"2.0","method":"getTopics"}', '[{"jsonrpc":"2.0","method":"getTopics"}]',
                     '{"jsonrpc":"2.0","id":1.5,"method":"getTopics"}'):
            ws.send(none)
        for body in ("{", "x", "", "null"):
            check_equal(ws.text(body), PARSE, f"{body!r}")
        check_equal(ws.text("[]"), INVALID, "an empty batch")
        check_equal(ws.text("[1]"), f"[{INVALID}]", "a batch of nothing")
        check_equal(ws.call("getInfo"), Rpc(a).call("getInfo"), "getInfo")
        ws.close()


@needs_ours
@limit(90)
def test_websocket_calls_at_a_time(net):
    """A call that waits holds up nothing on its connection; answers carry the ids."""
    a, b = net.pair()
    ws = RpcWs(b)
    for i in range(70):  # more than may be under way: the others are read when there is room
        ws.send({"jsonrpc": "2.0", "id": i, "method": "popMessage", "params": [False, 20]})
    other = RpcWs(b)
    check_equal(other.call("getTopics"), [], "another connection")
    for i in range(70):
        a.send(b, b"%d" % i)
    got = {}
    for _ in range(70):
        answer = json.loads(ws.raw()[1])
        got[answer["id"]] = decoded(answer["result"])["payload"]
    check_equal(sorted(got), list(range(70)), "ids")
    check_equal(sorted(got.values()), sorted(b"%d" % i for i in range(70)), "each message once")
    ws.send({"jsonrpc": "2.0", "id": "late", "method": "popMessage", "params": [False, 30]})
    check_equal(ws.call("getTopics"), [], "beside one that waits")


@needs_ours
@limit(90)
def test_websocket_large_and_gone(net):
    a, b = net.pair()
    big = pattern(3_000_000)
    Rpc(a).call("pushMessage", message(b, big), timeout=60)
    ws = RpcWs(b)
    check(decoded(ws.call("popMessage", False, 30))["payload"] == big, "a large message")
    for _ in range(2):
        Rpc(a).call("pushMessage", message(b, pattern(8_000_000)), timeout=60)
        wait_for("it is there", lambda: b.call("HEAD", "/messages").status == 200, 30)
        try:
            ws.call("popMessage")
            check(False, "an answer above 10 MiB")
        except Error as e:
            check_equal(e.code, -32008, "too long an answer")
        check(len(decoded(Rpc(b).call("popMessage", timeout=60))["payload"]) == 8_000_000, "it is still there")
    ws.send({"jsonrpc": "2.0", "id": 1, "method": "popMessage", "params": [False, 30]})
    check_equal(ws.call("getTopics"), [], "it was read")
    ws.close()
    time.sleep(0.3)
    a.wait_status(a.send(b, b"x"), "received")
    check_equal(decoded(Rpc(b).call("popMessage", False, 10))["payload"], b"x", "who went away takes nothing")
    ws = RpcWs(b)
    ws.send(b" " * (576 * 1024 + 1))
    try:
        ws.raw()
        check(False, "too long a message")
    except Closed as e:
        check_equal(e.code, 1009, "the close code")


@needs_ours
def test_websocket_shutdown(net):
    a = net.node("a")
    idle, waiting = RpcWs(a), RpcWs(a)
    waiting.send({"jsonrpc": "2.0", "id": 1, "method": "popMessage", "params": [False, 30]})
    check_equal(idle.call("getTopics"), [], "both are read")
    check_equal(waiting.call("getTopics"), [], "both are read")
    a.stop()
    try:
        idle.raw()
        check(False, "a frame behind the end")
    except Closed as e:
        check_equal(e.code, 1001, "the close code")


def test_proxies(net):
    rpc = Rpc(net.node("a"))
    check_equal(rpc.call("getProxies"), [], "none is known")
    check_equal(rpc.code("connectProxy"), -32032, "none is known")
    check_equal(rpc.code("connectProxy", None), -32032, "none is known")
    check_equal(rpc.code("connectProxy", "400::1"), -32602, "no socket address")
    for method in ("stopProxyProbe", "disconnectProxy"):
        check_equal(rpc.call(method), True, method)


@needs_ours
def test_websocket_origin(net):  # row 35
    a = net.node("a")
    for port, path in ((a.jsonrpc_port, "/"), (a.api_port, "/rpc")):
        for header in ("origin: http://evil.example", "sec-fetch-site: cross-site", "user-agent: Mozilla/5.0"):
            check_equal(RpcWs(a, path, port, [header]).status, 403, f"{header} on {path}")
        check_equal(RpcWs(a, path, port, host="evil.example").status, 403, "another host")
        check_equal(RpcWs(a, path, port, ["origin: http://127.0.0.1"]).status, 101, "its own origin")
