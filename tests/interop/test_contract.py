"""The same requests to our daemon and to a reference node, REST and JSON-RPC: the status, the headers that clients look at,
and the shape of the JSON have to be the same. Where ours differs on purpose (docs/protocol/api.md), both answers stand
here. What each answer says is tested row by row in tests/system (test_api.py, test_jsonrpc.py)."""
import base64
import json

from lib import check, check_equal, limit, reference
from lib.rpc import Rpc

HEADERS = ("content-type", "allow")


def b64(data):
    return base64.b64encode(data).decode()


class World:
    """Two nodes of one program, the second dialled the first."""

    def __init__(self, net, name, binary):
        self.a = net.node(name + "a", binary=binary)
        self.b = net.node(name + "b", peers=[self.a.endpoint()], binary=binary)
        self.a.wait_route(self.b)
        self.b.wait_route(self.a)
        self.rpc_a, self.rpc_b = Rpc(self.a), Rpc(self.b)
        self.kept = {}

    def message(self, topic=None, payload=b"x", **more):
        m = {"dst": {"ip": self.b.ip}, "payload": b64(payload), **more}
        return m if topic is None else dict(m, topic=b64(topic))

    def rest(self, method, path, body=None, on="a", **options):
        return getattr(self, on).call(method, path, body, **options)

    def send(self, name, topic=None):
        r = self.rest("POST", "/messages", self.message(topic))
        self.kept[name] = r.json()["id"]
        self.a.wait_status(self.kept[name], "received")
        return r

    def rpc(self, method, *params, on="a", **named):
        request = {"jsonrpc": "2.0", "id": 7, "method": method}
        if params or named:
            request["params"] = list(params) or named
        return getattr(self, "rpc_" + on).raw(request, timeout=20)


def rest_steps():
    """(row, step, what ours answers instead)"""
    peer = {"endpoint": "tcp://127.0.0.1:1"}
    encoded = "/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1"

    def call(*args, **options):
        return lambda w: w.rest(*args, **options)

    yield 1, call("GET", "/admin"), None
    for _ in range(2):
        yield 2, call("POST", "/admin/peers", peer), None
    for endpoint in ("127.0.0.1:9651", "foo://1.2.3.4:5", "vsock://2", "vsock://x:1"):
        yield 3, call("POST", "/admin/peers", {"endpoint": endpoint}), None
    for body in ({}, {"endpoint": 5}):
        yield 4, call("POST", "/admin/peers", body), None
    for body in (b'{"endpoint":', b"x", b"", b'{"endpoint":"tcp://127.0.0.1:2"} x'):
        yield 5, call("POST", "/admin/peers", body), None
    for content_type in ("text/plain", None):
        yield 6, call("POST", "/admin/peers", peer, content_type=content_type), None
    yield 7, call("POST", "/admin/peers", {"endpoint": "tcp://127.0.0.1:4"},
                  content_type="application/vnd.x+json; charset=latin1"), None
    yield 8, call("POST", "/admin/peers", ["tcp://127.0.0.1:77"]), 422
    yield 2, call("GET", "/admin/peers"), None
    for path in (encoded, encoded, "/admin/peers/tcp://127.0.0.1:1", "/admin/peers/foo", "/admin/peers/%ff"):
        yield 9, call("DELETE", path), None
    yield 10, lambda w: w.rest("GET", f"/pubkey/{w.b.ip}"), None
    for ip in ("400::1", "zz"):
        yield 10, call("GET", f"/pubkey/{ip}"), None
    yield 11, lambda w: w.send("first", b"test"), None
    yield 11, lambda w: w.rest("POST", "/messages", {"dst": {"pk": w.b.public_key.upper()}, "topic": None, "payload": ""}), None
    yield 12, call("GET", "/messages?peek=true&timeout=5", on="b"), None
    for query in ("topic=dGVzdA%3D%3D", "topic=dGVzdA%3D%3D", "topic=&timeout=5", "foo=1"):
        yield 12, call("GET", "/messages?" + query, on="b"), None
    for query in ("peek=1", "peek=", "timeout=-1", "timeout=1.5", "timeout=0&timeout=0", "topic=abc", "topic=a+b"):
        yield 13, call("GET", "/messages?" + query), None
    for payload in ("AB==", "AA", "A_-=", "A", None, 5):
        yield 15, lambda w, p=payload: w.rest("POST", "/messages", dict(w.message(), payload=p)), None
    for topic in (b"t" * 256, b"t" * 255):
        yield 15, lambda w, t=topic: w.rest("POST", "/messages", w.message(t)), None
    yield 17, lambda w: w.rest("GET", f"/messages/status/{w.kept['first']}"), None
    for identifier in ("0000000000000000", "00", "zz00000000000000"):
        yield 18, call("GET", f"/messages/status/{identifier}"), None
    yield 18, lambda w: w.rest("GET", f"/messages/status/{w.kept['first'].upper()}"), None
    yield 19, lambda w: w.rest("POST", "/messages?reply_timeout=1", w.message()), None
    yield 20, lambda w: w.rest("POST", "/messages/reply/0011223344556677", w.message(), on="a"), None
    for ip in ("::1.2.3.4", "::ffff:1.2.3.4"):
        yield 21, call("POST", "/messages", {"dst": {"ip": ip}, "payload": ""}), 400
    yield 21, call("POST", "/messages", {"dst": {"ip": "0400:0:0:0:1:0:0:1"}, "payload": ""}), None
    yield 22, call("GET", "/messages/topics/default"), None
    yield 22, call("PUT", "/messages/topics/default", {"accept": True}), None
    yield 22, call("POST", "/messages/topics", [116, 101, 115, 116]), None
    yield 22, call("POST", "/messages/topics", [256]), None
    yield 22, call("POST", "/messages/topics", "dGVzdA=="), 201
    yield 22, call("GET", "/messages/topics"), None
    for path in ("/messages/topics/dGVzdA==/sources", "/messages/topics/bm9uZQ==/sources",
                 "/messages/topics/dGVzdA==/forward", "/messages/topics/bm9uZQ==/forward"):
        yield 22, call("GET", path), None
    yield 22, call("PUT", "/messages/topics/dGVzdA==/forward", {"socketPath": "/tmp/x"}), None
    yield 22, call("PUT", "/messages/topics/bm9uZQ==/forward", {"socketPath": "/tmp/x"}), 404
    yield 22, call("GET", "/messages/topics/dGVzdA==/forward"), None
    yield 22, call("DELETE", "/messages/topics/dGVzdA==/forward"), None
    for subnet in ("10.1.2.3/24", "503:5478:df06:d79a::5/64", "::1", "1.2.3.4/33"):
        yield 23, call("POST", "/messages/topics/dGVzdA==/sources", {"subnet": subnet}), None
    yield 23, call("DELETE", "/messages/topics/dGVzdA==/sources/10.1.2.0%2F24"), None
    yield 23, call("GET", "/messages/topics/dGVzdA==/sources"), None
    for path in ("/messages/topics/dGVzdA==", "/messages/topics/a"):
        yield 22, call("DELETE", path), None
    yield 26, call("OPTIONS", "/admin/peers"), None
    yield 26, call("POST", "/admin"), None
    for path in ("/admin/", "/", "/nothing"):
        yield 26, call("GET", path), None
    for path in ("/admin/routes/selected", "/admin/routes/fallback", "/admin/stats/packets"):
        yield 26, call("GET", path), None


def rpc_steps():
    def raw(body, **options):
        return lambda w: w.rpc_a.raw(body, **options)

    def call(method, *params, **options):
        return lambda w: w.rpc(method, *params, **options)

    for identifier in ("1", '"a"', "null"):
        for params in (',"params":[]', ',"params":{}', ',"params":[1,2,3]', ""):
            yield 27, raw(f'{{"jsonrpc":"2.0","id":{identifier},"method":"getInfo"{params}}}'), None
    for body in ('{"jsonrpc":"2.0","method":"getInfo"}', '{"jsonrpc":"2.0","id":1.5,"method":"getInfo"}'):
        yield 28, raw(body), None
    for body in ("{", "", "[]", "[1]", "null", "{}", '{"id":3}'):
        yield 29, raw(body), None
    yield 30, raw('[{"jsonrpc":"2.0","id":1,"method":"getTopics"},{"jsonrpc":"2.0","id":2,"method":"nope"},5,'
                  '{"jsonrpc":"2.0","method":"getTopics"}]'), None
    yield 31, raw(None, method="GET"), None
    for content_type in ("text/plain", "application/json;charset=latin1", "application/json-rpc"):
        yield 31, raw('{"jsonrpc":"2.0","id":1,"method":"getTopics"}', content_type=content_type), None
    for method, *params in (
            ("getPublicKeyFromIp", "zz"), ("getPublicKeyFromIp", "400::1"), ("getPublicKeyFromIp",),
            ("addPeer", "foo"), ("addPeer", "tcp://127.0.0.1:5"), ("addPeer", "tcp://127.0.0.1:5"), ("getPeers",),
            ("deletePeer", "foo"), ("deletePeer", "tcp://127.0.0.1:5"), ("deletePeer", "tcp://127.0.0.1:5"),
            ("getSelectedRoutes",), ("getFallbackRoutes",), ("getPacketStatistics",), ("popMessage", None, None, "@"),
            ("popMessage", "x"), ("popMessage", False, 0, b64(b"nobody")), ("pushMessage",), ("pushMessage", {}),
            ("pushMessage", {"dst": {"ip": "400::1"}, "topic": b64(b"t" * 256), "payload": ""}),
            ("pushMessage", {"dst": {"ip": "400::1"}, "payload": "AB=="}),
            ("pushMessageReply", "00", {"dst": {"ip": "400::1"}, "payload": ""}), ("getMessageInfo", "00"),
            ("getMessageInfo", "f" * 16), ("getDefaultTopicAction",), ("setDefaultTopicAction", True),
            ("setDefaultTopicAction", 5), ("getTopicSources", b64(b"rpc")), ("addTopic", "@"), ("addTopic", b64(b"rpc")),
            ("getTopics",), ("addTopicSource", b64(b"rpc"), "foo"), ("addTopicSource", b64(b"rpc"), "10.1.2.3/24"),
            ("getTopicSources", b64(b"rpc")), ("getTopicSources", "@"), ("removeTopicSource", b64(b"rpc"), "x"),
            ("removeTopicSource", b64(b"rpc"), "10.1.2.0/24"), ("getTopicForwardSocket", b64(b"rpc")),
            ("setTopicForwardSocket", b64(b"rpc"), "/tmp/x"), ("getTopicForwardSocket", b64(b"rpc")),
            ("removeTopicForwardSocket", b64(b"rpc")), ("removeTopic", b64(b"rpc")), ("removeTopic", "@")):
        yield 32, call(method, *params), None
    yield 32, lambda w: w.rpc("pushMessage", w.message(b"rpc")), None
    yield 32, lambda w: w.rpc("popMessage", False, 10, b64(b"rpc"), on="b"), None
    yield 32, lambda w: w.rpc("pushMessage", w.message(), 1), None
    yield 32, lambda w: w.rpc("getPublicKeyFromIp", w.b.ip), None


def shape(value):
    """The keys in their order and the kinds of the values; of a list the kinds that are in it."""
    if isinstance(value, dict):
        if set(value) == {"code", "message"} or set(value) == {"code", "message", "data"}:
            return ["error", value["code"]]  # the words may be others
        return [[k, shape(v)] for k, v in value.items()]
    if isinstance(value, list):
        return sorted({json.dumps(shape(v)) for v in value})
    if isinstance(value, bool) or value is None:
        return value
    return "number" if isinstance(value, (int, float)) else "text"


def summary(answer):
    """What has to be the same."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("application/json"):
        body = shape(answer.json())
    else:
        body = answer.text.split(": ")[0]  # what follows says why, in words of its own
    return [answer.status, {h: answer.headers.get(h) for h in HEADERS if h in answer.headers}, body]


def compare(ours, theirs, steps):
    seen = 0
    for row, step, other in steps:
        mine, wanted = step(ours), step(theirs)
        what = f"row {row}, step {seen}"
        if other is None:
            check_equal(summary(mine), summary(wanted), f"{what}: ours ({mine.text[:200]}), theirs ({wanted.text[:200]})")
        else:
            check_equal(mine.status, other, f"{what}: ours, which differs on purpose")
            check(wanted.status != other, f"{what}: the reference answers {other}, too: it is no difference")
        seen += 1
    return seen


@limit(180)
def test_rest(net):
    check(compare(World(net, "our", None), World(net, "their", reference()), rest_steps()) > 80, "too few steps")


@limit(180)
def test_jsonrpc(net):
    check(compare(World(net, "our", None), World(net, "their", reference()), rpc_steps()) > 60, "too few steps")
