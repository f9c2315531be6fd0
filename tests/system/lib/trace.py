"""What a daemon wrote, synced, sent and received, in one order, as preload/trace.c wrote it down; and whether
what left had been synced before."""
import bisect
import struct

from . import wire

NAME, WRITE, BEGIN, END, SEND, SENT, RECEIVED = "NWBESsR"
HEAD = struct.Struct("=BQI")


class Trace:
    """log: the bytes of the record. Positions are indexes of records; later means larger."""

    def __init__(self, log):
        self.names, self.writes, self.syncs = {}, [], []  # writes: (position, file, bytes); syncs: (begin, end, file)
        self.sent, self.received = {}, {}  # by inode of the socket: [(position, bytes)]
        self._begun, self._pending = {}, {}
        at = position = 0
        while at + HEAD.size <= len(log):
            kind, inode, length = HEAD.unpack_from(log, at)
            at += HEAD.size
            self._record(position, chr(kind), inode, log[at:at + length])
            at += length
            position += 1

    def _record(self, position, kind, inode, data):
        if kind == NAME:
            self.names[inode] = data.decode()
        elif kind == WRITE:
            self.writes.append((position, self.names[inode], data))
        elif kind == BEGIN:
            self._begun[data] = position, self.names[inode]
        elif kind == END:
            begin, name = self._begun.pop(data)
            self.syncs.append((begin, position, name))
        elif kind == SEND:
            self._pending[inode] = (position, data)
        elif kind == SENT:
            begun, intended = self._pending.pop(inode)
            count = struct.unpack("=q", data)[0]
            if count > 0:
                self.sent.setdefault(inode, []).append((begun, intended[:count]))
        elif kind == RECEIVED:
            self.received.setdefault(inode, []).append((position, data))

    def sockets(self, port):
        """Inodes of the sockets with that port at our end."""
        return [i for i, name in self.names.items() if name.startswith(f"socket {port} ")]

    def durable_at(self, marker):
        """Position from which on the first write of the log that holds the marker is on disk; None: never."""
        for position, name, data in self.writes:
            if name.endswith("-wal") and marker in data:
                ends = [end for begin, end, synced in self.syncs if synced == name and begin > position]
                return min(ends, default=None)
        return None

    def commit_between(self, first, last):
        """Was something written to the log and synced, all of it between the two positions?"""
        return any(name.endswith("-wal") and synced == name and first < position < begin < end < last
                   for position, name, _ in self.writes for begin, end, synced in self.syncs)

    def packets(self, port, direction):
        """(position, packet) of the links that we accepted. A packet is where its first byte left, or where
        its last one came."""
        out = []
        for inode in self.sockets(port):
            stream, starts = b"", []
            pieces = (self.sent if direction == SEND else self.received).get(inode, [])
            for position, data in pieces:
                starts.append((len(stream), position))
                stream += data
            packets, _ = wire.split_packets(stream)
            offset = 0
            for p in packets:
                edge = offset if direction == SEND else offset + len(p) - 1
                out.append((starts[bisect.bisect_right(starts, (edge, float("inf"))) - 1][1], p))
                offset += len(p)
        return sorted(out)

    def messages(self, port, direction, sealer, public_key):
        """(position, flags, id, plaintext) of the message packets between the sealer's node and public_key."""
        out = []
        for position, p in self.packets(port, direction):
            if p[1] != 0:
                continue
            plain = sealer.open(p, public_key)
            if wire.flags_of(plain):
                out.append((position, wire.flags_of(plain), wire.identifier_of(plain), plain))
        return out

    def answers(self, port):
        """(position of the request, position of the answer, request, answer) of HTTP calls, one at a time on
        each connection."""
        out = []
        for inode in self.sockets(port):
            pieces = [(p, "<", d) for p, d in self.received.get(inode, [])]
            pieces += [(p, ">", d) for p, d in self.sent.get(inode, [])]
            call = None
            for position, direction, data in sorted(pieces):
                if direction == "<" and (call is None or call[3]):
                    call = [position, None, data, b""]
                    out.append(call)
                elif direction == "<":
                    call[2] += data
                else:
                    call[1] = position if not call[3] else call[1]
                    call[3] += data
        return sorted(tuple(c) for c in out if c[3])
