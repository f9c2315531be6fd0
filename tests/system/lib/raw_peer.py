"""A peer that a test scripts packet by packet. By itself it only stays a good neighbour: it answers
each Hello with an IHU and requests for its own /64 with an Update."""
import os
import queue
import socket
import threading
import time

from . import wire
from .check import Failure, check, scaled, wait_for
from .identity import by_subnet, identities


class RawPeer:
    """Connects to the node and announces itself. `packets`: all data packets for us, opened."""

    def __init__(self, node, key, announce=True):
        self.node, self.identity = node, identities()[key]
        self.sealer = wire.Sealer(self.identity)
        self.data, self.control = queue.Queue(), queue.Queue()
        self.seqno, self.closed = 0, threading.Event()
        self._lock = threading.Lock()
        self.socket = socket.create_connection(("127.0.0.1", node.tcp_port), timeout=5)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._read, daemon=True).start()
        if announce:
            self.write(wire.update(self.identity))
            self.write(wire.hello())
            wait_for(f"{node.name} has a route to the raw peer", lambda: node.has_route(self))

    @property
    def name(self):
        return "raw peer " + self.identity.name

    @property
    def ip(self):
        return self.identity.ip

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    # ---- out

    def write(self, packet):
        with self._lock:
            self.socket.sendall(packet)

    def send(self, plain):
        """A sealed packet to the node: data header, message header, body, as given."""
        self.write(self.sealer.seal(self.node.identity, plain))

    def send_message(self, payload, topic=b"", identifier=None, split=wire.even_split, flags=wire.INIT):
        """All packets at once, without waiting for answers. Returns the id."""
        identifier = identifier or os.urandom(8)
        for p in wire.message_packets(identifier, payload, topic, flags, split):
            self.send(p)
        return identifier

    # ---- in

    def _read(self):
        pending = b""
        while True:
            try:
                got = self.socket.recv(65536)
            except OSError:
                got = b""
            if not got:
                break
            packets, pending = wire.split_packets(pending + got)
            for p in packets:
                try:
                    self._handle(p)
                except OSError:
                    break
        self.closed.set()

    def _handle(self, packet):
        if packet[1] == 0:
            source = by_subnet().get(packet[8:16])
            if source is not None and packet[24:32] == self.identity.address[:8]:
                self.data.put(self.sealer.open(packet, source.public_key))
            return
        kind, body = packet[8], packet[10:]
        self.control.put((kind, body))
        if kind == wire.HELLO:
            self.write(wire.ihu())
        elif kind == wire.ROUTE_REQUEST and (body[1] == 0 or body[3:11] == self.identity.address[:8]):
            self.write(wire.update(self.identity, self.seqno))
        elif kind == wire.SEQNO_REQUEST:
            self.seqno = int.from_bytes(body[2:4], "big")
            self.write(wire.update(self.identity, self.seqno))

    def expect(self, flags, identifier=None, seconds=5.0):
        """The next message packet with exactly these flags (and id); others before it are skipped."""
        end = time.monotonic() + scaled(seconds)
        while True:
            try:
                plain = self.data.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                raise Failure(f"no packet with flags {flags:04x} within {scaled(seconds):g} s") from None
            if wire.flags_of(plain) == flags and identifier in (None, wire.identifier_of(plain)):
                return plain

    def collect(self, seconds):
        """All opened packets that arrive in the time."""
        end, out = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            try:
                out.append(self.data.get(timeout=left))
            except queue.Empty:
                break
        return out

    def expect_control(self, kind, seconds=5.0):
        """Body of the next control packet of that kind."""
        end = time.monotonic() + scaled(seconds)
        while True:
            try:
                got, body = self.control.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                raise Failure(f"no TLV {kind} within {scaled(seconds):g} s") from None
            if got == kind:
                return body

    def forget(self):
        """Drops what has arrived so far."""
        for q in (self.data, self.control):
            while True:
                try:
                    q.get_nowait()
                except queue.Empty:
                    break

    def answers_hello(self, seconds=2.0):
        """True if a Hello gets its IHU: the connection lives and is in step."""
        while not self.control.empty():
            self.control.get()
        try:
            self.write(wire.hello())
            self.expect_control(wire.IHU, seconds)
        except (OSError, Failure):
            return False
        return True

    def check_open(self):
        check(not self.closed.is_set(), "the node closed the connection")
