"""A TCP relay between two nodes: delay, limited rate, cut, reset, silence, and the loss of chosen packets.

It reads whole packets of the node protocol, so that what it leaves out does not put the stream out
of step. One thread serves all connections of a relay. Packets wait in a bounded queue per direction; a
full queue stops the reading side."""
import collections
import contextlib
import selectors
import socket
import struct
import threading
import time

from .ports import free_port

QUEUE_MAX_BYTES = 8 << 20
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s


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
        self.carried = collections.Counter()  # data packets by destination, 16 bytes
        self.port = free_port()
        self._links, self._listener = set(), None
        self._silent, self._closed = False, False
        self._orders = collections.deque()    # (function, done), for the thread
        self._selector = selectors.DefaultSelector()
        self._wake, woken = socket.socketpair()
        woken.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ, lambda: woken.recv(4096))
        self._listen()
        threading.Thread(target=self._run, daemon=True).start()

    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    # ---- what a test does to the link; each has happened when it returns

    def cut(self):
        """Both sides see the connection end; new ones are refused until mend()."""
        self._order(lambda: self._break_off(reset=False))

    def reset(self):
        """As cut(), but both sides see a reset, and what was on its way is lost."""
        self._order(lambda: self._break_off(reset=True))

    def silence(self):
        """The connections stay, and nothing passes any more: everything is swallowed. New ones come up
        at the dialling side and lead nowhere."""
        def apply():
            self._silent = True
            self._watch_listener()
        self._order(apply)

    def mend(self):
        def apply():
            self._silent = False
            if self._listener is None:
                self._listen()
            else:
                self._watch_listener()
        self._order(apply)

    def close(self):
        def apply():
            self._break_off(reset=False)
            self._closed = True
        self._order(apply)

    def _order(self, function):
        if self._closed:
            return
        done = threading.Event()
        self._orders.append((function, done))
        with contextlib.suppress(OSError):  # it may have seen the order by itself, and have been closed by it
            self._wake.send(b"w")
        done.wait(10)

    # ---- the thread

    def _run(self):
        while not self._closed:
            due = min((way.due() for link in self._links for way in link.ways), default=None)
            wait = None if due is None or due == _NEVER else max(0.0, due - time.monotonic())
            for key, _ in self._selector.select(wait):
                key.data()
            for link in list(self._links):
                link.step()
            while self._orders:
                function, done = self._orders.popleft()
                function()
                done.set()
        self._selector.close()

    def _break_off(self, reset):
        if self._listener is not None:
            self._unwatch(self._listener)
            self._listener.close()
            self._listener = None
        for link in list(self._links):
            link.end(reset)

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        self._listener.setblocking(False)
        self._watch_listener()

    def _watch_listener(self):
        if self._listener is not None:
            self.watch(self._listener, 0 if self._silent else selectors.EVENT_READ, self._accept)

    def _accept(self):
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
        except OSError:
            near.close()
            return
        self._links.add(_Link(self, near, far))

    def watch(self, s, events, function):
        """events: 0 takes the socket out."""
        known = self._selector.get_map().get(s)
        if not events:
            if known is not None:
                self._selector.unregister(s)
        elif known is None:
            self._selector.register(s, events, function)
        elif known.events != events:
            self._selector.modify(s, events, function)

    def _unwatch(self, s):
        self.watch(s, 0, None)

    def forget(self, link):
        for s in link.sockets:
            self._unwatch(s)
        self._links.discard(link)

    def admit(self, direction, packet):
        """Whether the packet goes on; counts it either way."""
        if self._silent or (self.keep is not None and not self.keep(direction, packet)):
            self.dropped[direction] += 1
            return False
        self.passed[direction] += 1
        self.bytes[direction] += len(packet)
        if packet[1] == 0:
            self.carried[packet[24:40]] += 1
        return True


_NEVER = float("inf")


class _Link:
    """One connection through the relay: two sockets, two ways."""

    def __init__(self, relay, near, far):
        self.relay, self.sockets = relay, (near, far)
        for s in self.sockets:
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ways = (_Way(relay, ">", near, far), _Way(relay, "<", far, near))
        self._watch()

    def step(self):
        """After each wait: what is due leaves, and a connection whose one side ended ends when all left."""
        now = time.monotonic()
        for way in self.ways:
            way.write(now)
        if any(way.broken or (way.ended and way.empty()) for way in self.ways):
            self.end(False)
        else:
            self._watch()

    def end(self, reset):
        self.relay.forget(self)
        for s in self.sockets:
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            else:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
            s.close()

    def _watch(self):
        forth, back = self.ways
        for s, out, into in ((self.sockets[0], forth, back), (self.sockets[1], back, forth)):
            events = selectors.EVENT_READ if out.readable() else 0
            events |= selectors.EVENT_WRITE if into.sending else 0
            self.relay.watch(s, events, out.read)


class _Way:
    """One direction of one connection: what was read and waits, and the packet that is being written."""

    def __init__(self, relay, direction, source, sink):
        self.relay, self.direction, self.source, self.sink = relay, direction, source, sink
        self.pending, self.queue, self.queued_bytes = b"", collections.deque(), 0
        self.sending, self.free_at = b"", 0.0
        self.ended, self.broken = False, False

    def readable(self):
        return not self.ended and self.queued_bytes <= QUEUE_MAX_BYTES

    def empty(self):
        return not self.queue and not self.sending

    def due(self):
        """When write() has something to do without the sink's word."""
        return _NEVER if self.sending or not self.queue else max(self.queue[0][0], self.free_at)

    def read(self):
        if not self.readable():
            return
        try:
            data = self.source.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.ended = not data
        self.pending += data
        size = packet_size(self.pending)
        while size and len(self.pending) >= size:
            packet, self.pending = self.pending[:size], self.pending[size:]
            if self.relay.admit(self.direction, packet):
                self.queue.append((time.monotonic() + self.relay.delay, packet))
                self.queued_bytes += len(packet)
            size = packet_size(self.pending)

    def write(self, now):
        while not self.broken:
            if not self.sending:
                if self.due() > now:
                    return
                _, self.sending = self.queue.popleft()
                self.queued_bytes -= len(self.sending)
                if self.relay.bytes_per_s:
                    self.free_at = now + len(self.sending) / self.relay.bytes_per_s
            try:
                self.sending = self.sending[self.sink.send(self.sending):]
            except BlockingIOError:
                return
            except OSError:
                self.broken = True
