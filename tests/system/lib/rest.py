"""A small HTTP client: one persistent connection per thread, no repeats of its own.

A repeat could take a message twice or send it twice, so an exchange that breaks off is an error
(`Broken`) and the caller decides."""
import contextlib
import dataclasses
import http.client
import json
import socket
import threading
import time

IDLE_MAX_S = 30.0  # an older idle connection may be about to be closed by the daemon: a new one


class Broken(Exception):
    """No whole answer came: refused, reset, closed or timed out. `sent`: the request went out."""

    def __init__(self, text, sent):
        super().__init__(text)
        self.sent = sent


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    seconds: float

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class _Connection(http.client.HTTPConnection):
    def __init__(self, space, *args, **options):
        super().__init__(*args, **options)
        self.space = space

    def connect(self):
        with self.space:
            super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Api:
    """The REST listener of one daemon. space: the network namespace that it lives in."""

    def __init__(self, host, port, space=None):
        self.host, self.port, self.space = host, port, space or contextlib.nullcontext()
        self._local = threading.local()
        self._generation = 0

    def forget_connections(self):
        """After the daemon ended: every thread opens a new connection for its next call."""
        self._generation += 1

    def _connection(self, timeout):
        c = getattr(self._local, "connection", None)
        stale = c is None or self._local.generation != self._generation \
            or time.monotonic() - self._local.used > IDLE_MAX_S
        if stale:
            self.close()
            c = _Connection(self.space, self.host, self.port, timeout=timeout)
            self._local.connection, self._local.generation = c, self._generation
        c.timeout = timeout
        if c.sock is not None:
            c.sock.settimeout(timeout)
        return c

    def close(self):
        c = getattr(self._local, "connection", None)
        if c is not None:
            c.close()
        self._local.connection = None

    def call(self, method, path, body=None, headers=None, timeout=15.0, content_type="application/json"):
        """One exchange. body: bytes as they are, anything else as JSON. headers: added; a value of
        None leaves out what would be sent by itself (Host)."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        c = self._connection(timeout)
        started, sent = time.monotonic(), False
        try:
            skip_host = any(k.lower() == "host" for k in headers)
            c.putrequest(method, path, skip_host=skip_host, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    c.putheader(name, value)
            if body is not None:
                if content_type is not None:
                    c.putheader("Content-Type", content_type)
                c.putheader("Content-Length", str(len(body)))
            c.endheaders(body)
            sent = True
            r = c.getresponse()
            data = r.read()
        except (OSError, http.client.HTTPException) as e:
            self.close()
            raise Broken(f"{method} {path}: {type(e).__name__}: {e}", sent) from None
        self._local.used = time.monotonic()
        # A refusal may come before the body was read, and then ends the connection.
        if r.will_close or (r.status >= 400 and body is not None):
            self.close()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, data,
                      time.monotonic() - started)
