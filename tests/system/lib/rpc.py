"""JSON-RPC over HTTP and WebSocket: calls of a daemon's own listener, or of /rpc on its API."""
import json

from .check import Failure, check_equal
from .rest import Api
from .ws import TEXT, Ws, dial, frame, read_head

TYPE = "application/json; charset=utf-8"


class Error(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code, self.message, self.data = error["code"], error["message"], error.get("data")


class Rpc:
    def __init__(self, node, path="/", port=None):
        self.api, self.path = Api("127.0.0.1", port or node.jsonrpc_port, node.space), path

    def raw(self, body, method="POST", path=None, **options):
        """Any body (bytes, text, or what is to be JSON). The answer as it came."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body, separators=(",", ":"))
        if isinstance(body, str):
            body = body.encode()
        return self.api.call(method, path or self.path, body, **options)

    def text(self, body, status=200, **options):
        a = self.raw(body, **options)
        check_equal(a.status, status, f"status of {str(body)[:100]} ({a.text[:200]})")
        check_equal(a.headers.get("content-type"), TYPE, "content type")
        return a.text

    def call(self, method, *params, timeout=15.0, **named):
        """The result, or Error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params or named:
            request["params"] = list(params) or named
        return result(json.loads(self.text(request, timeout=timeout)))

    def code(self, method, *params, **named):
        """The code of the error that it has to give."""
        try:
            got = self.call(method, *params, **named)
        except Error as e:
            return e.code
        raise Failure(f"{method} {params} {named}: no error but {str(got)[:200]}")

    def batch(self, calls, timeout=15.0):
        """[(method, params), ..]: the answers in their order."""
        requests = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        answers = json.loads(self.text(requests, timeout=timeout))
        check_equal([a["id"] for a in answers], list(range(len(calls))), "ids of a batch")
        return answers


def result(answer):
    check_equal((answer["jsonrpc"], answer["id"], len(answer)), ("2.0", 1, 3), f"an answer {str(answer)[:200]}")
    if "error" in answer:
        raise Error(answer["error"])
    return answer["result"]


class RpcWs(Ws):
    """The same over a WebSocket: one message for each body, one for each answer."""

    def __init__(self, node, path="/", port=None, headers=(), host=None):
        self.socket, self.buffer = dial(node, port=port or node.jsonrpc_port), b""
        lines = [f"GET {path} HTTP/1.1", f"host: {host or '127.0.0.1'}", "connection: Upgrade", "upgrade: websocket",
                 "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
                 "sec-websocket-protocol: any", *headers]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.status, self.headers = read_head(self.socket)

    def send(self, body, opcode=TEXT):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        self.socket.sendall(frame(opcode, body.encode() if isinstance(body, str) else body))

    def text(self, body, opcode=TEXT):
        self.send(body, opcode)
        got, data = self.raw()
        check_equal(got, TEXT, "opcode of the answer")
        return data.decode()

    def call(self, method, *params):
        return result(json.loads(self.text({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})))
