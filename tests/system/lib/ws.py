"""WebSocket and event-stream clients of the tests' own: blocking sockets, every byte theirs.

`Ws` speaks the frames of /bus/v1/ws; `sub`, `ack` and others wait for their answer and keep what
comes meanwhile. `Sse` reads /bus/v1/events. docs/protocol/streams.md."""
import base64
import collections
import json
import os
import socket
import struct
import time

from .check import check, check_equal, scaled

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The connection is at its end. code: of the close frame; None: without one."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed: {code} {reason}")
        self.code, self.reason = code, reason


def frame(opcode, payload, fin=True, mask=b"\x12\x34\x56\x78"):
    n = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if n < 126:
        head += bytes([0x80 | n])
    elif n < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", n)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", n)
    key = mask * (n // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(payload, key))


def dial(node, buffer=None, port=None):
    with node.space:
        s = socket.socket()
        if buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        s.settimeout(scaled(20))
        s.connect(("127.0.0.1", port or node.api_port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_head(s):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        c = s.recv(1)
        check(c, f"the connection ended inside the head: {head!r}")
        head += c
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(l.split(": ", 1) for l in lines[1:] if l)


class Ws:
    def __init__(self, node, consumer=None, binary=False, headers=(), buffer=None, path="/bus/v1/ws"):
        self.socket = dial(node, buffer)
        self.binary, self.buffer = binary, b""
        self.events = collections.deque()  # frames that came while an answer was waited for
        self.refs = 0
        protocol = "mycelium.bus.v1.bin" if binary else "mycelium.bus.v1.json"
        lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{node.api_port}", "connection: Upgrade",
                 "upgrade: websocket", "sec-websocket-version: 13",
                 "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", f"sec-websocket-protocol: {protocol}",
                 *headers]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.status, self.headers = read_head(self.socket)
        if self.status != 101:
            return
        check_equal(self.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "accept")
        check_equal(self.headers["sec-websocket-protocol"], protocol, "sub-protocol")
        self.welcome = self.wait("welcome")
        if consumer:
            self.welcome = self.ask("hello", consumer=consumer, client="test/1", answer="welcome")

    # ---- bytes

    def close(self):
        self.socket.close()

    def _more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed(None)
        self.buffer += data

    def _take(self, n):
        while len(self.buffer) < n:
            self._more()
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def raw(self):
        """The next frame: opcode, payload. A ping is answered, a close raises Closed."""
        while True:
            first, n = self._take(2)
            check_equal(n & 0x80, 0, "mask of the server")
            if n == 126:
                n = struct.unpack(">H", self._take(2))[0]
            elif n == 127:
                n = struct.unpack(">Q", self._take(8))[0]
            payload = self._take(n)
            opcode = first & 0x0f
            if opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                raise Closed(code, payload[2:].decode())
            if opcode != PING:
                return opcode, payload
            self.socket.sendall(frame(PONG, payload))

    # ---- frames

    def encode(self, o, payload=None):
        if not self.binary:
            if payload is not None:
                o = dict(o, payload=base64.b64encode(payload).decode())
            return frame(TEXT, json.dumps(o).encode())
        if payload is not None:
            o = dict(o, len=len(payload))
        text = json.dumps(o).encode()
        return frame(BINARY, struct.pack(">I", len(text)) + text + (payload or b""))

    def say(self, op, payload=None, **fields):
        self.socket.sendall(self.encode({"op": op, **fields}, payload))

    def frame(self):
        """The next one, whatever it is; payloads as bytes."""
        opcode, data = self.raw()
        check_equal(opcode, BINARY if self.binary else TEXT, "opcode")
        if self.binary:
            n = struct.unpack(">I", data[:4])[0]
            o = json.loads(data[4:4 + n])
            if o["op"] == "msg" and "payloadHref" not in o:
                o["payload"] = data[4 + n:]
                check_equal(o["len"], len(o["payload"]), "len")
            return o
        o = json.loads(data)
        if "payload" in o:
            o["payload"] = base64.b64decode(o["payload"])
        return o

    def next(self, *ops):
        """The next event of these kinds; others before it are an error."""
        o = self.events.popleft() if self.events else self.frame()
        check(not ops or o["op"] in ops, f"{o['op']} instead of {ops}: {o}")
        return o

    def wait(self, op):
        while True:
            o = self.frame()
            if o["op"] == op:
                return o
            self.events.append(o)

    def quiet(self, seconds=0.3):
        """Nothing comes for so long."""
        if self.events:
            return False
        self.socket.settimeout(seconds)
        try:
            while True:
                self.events.append(self.frame())
                return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(scaled(20))

    def ask(self, op, answer="ok", payload=None, **fields):
        self.refs += 1
        ref = str(self.refs)
        self.say(op, payload, ref=ref, **fields)
        while True:
            o = self.frame()
            if o.get("ref") == ref:
                check_equal(o["op"], answer, f"answer to {op}: {o}")
                return o
            self.events.append(o)

    def messages(self, n):
        return [self.next("msg") for _ in range(n)]

    def ack(self, *messages):
        return self.ask("ack", tokens=[m["token"] for m in messages])["done"]

    def expect_close(self, code, bye=None):
        """Reads on to the end; the frames that came before."""
        got = []
        try:
            while True:
                got.append(self.next())
        except Closed as e:
            check_equal(e.code, code, f"close code ({e.reason}; {got[-3:]})")
        if bye:
            check_equal((got[-1]["op"], got[-1]["code"]), ("bye", bye), "last frame")
        self.close()
        return got


class Sse:
    """One event stream. next(): (event, id, data)."""

    def __init__(self, node, path, last_id=None, headers=()):
        self.socket = dial(node)
        self.buffer = b""
        lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{node.api_port}", *headers]
        if last_id:
            lines.append(f"last-event-id: {last_id}")
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.status, self.headers = read_head(self.socket)
        if self.status == 200:
            check_equal(self.headers["content-type"], "text/event-stream", "content type")

    def close(self):
        self.socket.close()

    def next(self, seconds=20):
        end = time.monotonic() + scaled(seconds)
        while True:
            while b"\n\n" not in self.buffer:
                self.socket.settimeout(max(end - time.monotonic(), 0.001))
                data = self.socket.recv(1 << 16)
                if not data:
                    raise Closed(None)
                self.buffer += data
            block, self.buffer = self.buffer.split(b"\n\n", 1)
            fields = dict(l.split(b": ", 1) for l in block.split(b"\n") if not l.startswith(b":"))
            if b"event" in fields:
                return (fields[b"event"].decode(), fields.get(b"id", b"").decode(),
                        json.loads(fields[b"data"]))

    def quiet(self, seconds=0.3):
        try:
            self.next(seconds)
            return False
        except TimeoutError:
            return True
