"""A TCP relay between two nodes: delay, limited rate, cut, and the loss of chosen packets.

It reads whole packets of the node protocol, so that what it leaves out does not put the stream out
of step. Packets wait in a bounded queue per direction; a full queue stops the reading side."""
import collections
import socket
import threading
import time

from .ports import free_port

QUEUE_MAX_BYTES = 8 << 20


def packet_size(data):
    """Length of the packet at the start of data, 0 while that cannot be told yet."""
    if len(data) < 8:
        return 0
    if data[1] == 0:
        return 40 + int.from_bytes(data[5:7], "big")
    return 8 + int.from_bytes(data[6:8], "big")


class Relay:
    """Listens on a loopback port; `endpoint()` is what a node dials instead of the target.

    keep(direction, packet): false drops that packet; direction is ">" towards the target, "<" back."""

    def __init__(self, target_port, delay=0.0, bytes_per_s=0, keep=None):
        self.target_port, self.delay, self.bytes_per_s, self.keep = target_port, delay, bytes_per_s, keep
        self.passed = collections.Counter()   # packets by direction
        self.dropped = collections.Counter()
        self.bytes = collections.Counter()
        self._sockets, self._lock = set(), threading.Lock()
        self._silent, self._listener = False, None
        self.port = free_port()
        self._listen()

    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    # ---- what a test does to the link

    def cut(self):
        """Both sides see the connection end; new ones are refused until mend()."""
        _end(self._listener)
        self._listener = None
        self._end_all()

    def mend(self):
        self._silent = False
        if self._listener is None:
            self._listen()

    def silence(self):
        """The connections stay, and nothing passes any more: everything is swallowed."""
        self._silent = True

    def close(self):
        if self._listener is not None:
            _end(self._listener)
        self._end_all()

    # ---- the inside

    def _end_all(self):
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for s in sockets:
            _end(s)

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                _end(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._sockets |= {near, far}
            for direction, source, sink in ((">", near, far), ("<", far, near)):
                sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Pump(self, direction, source, sink).start()


class _Pump:
    """One direction of one connection: a reader and a writer with a queue between them."""

    def __init__(self, relay, direction, source, sink):
        self.relay, self.direction, self.source, self.sink = relay, direction, source, sink
        self.queue, self.queued_bytes, self.ended = collections.deque(), 0, False
        self.changed = threading.Condition()

    def start(self):
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def _read(self):
        pending = b""
        while True:
            try:
                data = self.source.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            pending += data
            size = packet_size(pending)
            while size and len(pending) >= size:
                self._pass(pending[:size])
                pending = pending[size:]
                size = packet_size(pending)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _pass(self, packet):
        r = self.relay
        if r._silent or (r.keep is not None and not r.keep(self.direction, packet)):
            r.dropped[self.direction] += 1
            return
        r.passed[self.direction] += 1
        r.bytes[self.direction] += len(packet)
        with self.changed:
            while self.queued_bytes > QUEUE_MAX_BYTES:
                self.changed.wait()
            self.queue.append((time.monotonic() + r.delay, packet))
            self.queued_bytes += len(packet)
            self.changed.notify_all()

    def _write(self):
        while True:
            with self.changed:
                while not self.queue and not self.ended:
                    self.changed.wait()
                if not self.queue:
                    break
                due, packet = self.queue.popleft()
                self.queued_bytes -= len(packet)
                self.changed.notify_all()
            pause = due - time.monotonic()
            if self.relay.bytes_per_s:
                pause = max(pause, len(packet) / self.relay.bytes_per_s)
            if pause > 0:
                time.sleep(pause)
            try:
                self.sink.sendall(packet)
            except OSError:
                break
        _end(self.sink)
        _end(self.source)


def _end(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()
