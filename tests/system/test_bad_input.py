"""Malformed packets from a peer: dropped, and the next ordinary message arrives.

Runs against our own daemon only, never against a node of somebody else."""
import json
import os
import struct

from lib import check, check_equal, limit, needs_ours, needs_wire, wait_for
from lib.binary import VECTORS
from lib.node import pattern


def still_works(node, peer, payload=b"after it"):
    """The daemon lives, a message from the same peer and one of its own go through."""
    node.check_running()
    identifier = peer.send_message(payload)
    m = node.take(5)
    check(m is not None, "the next ordinary message did not arrive")
    check_equal((m["id"], m["payload"], m["srcIp"]), (identifier.hex(), payload, peer.ip), "the next message")
    check(node.take() is None, "something else is in the inbox")


@needs_ours
@needs_wire
def test_vector_rows(net):
    """Each row of `bad_input` of the vectors, alone and with its id pending."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    rows = json.loads((VECTORS / "messages.json").read_text())["bad_input"]["rows"]
    for row in rows:
        plain = bytes.fromhex(row["plain"])
        peer.send(plain)
        still_works(node, peer)
        if len(plain) >= 12:
            peer.send(wire.init_packet(plain[4:12], 1000))
            peer.send(plain)
            still_works(node, peer)
            peer.send(wire.message_packet(plain[4:12], wire.ABORT))
    print(f"# {len(rows)} rows")


@needs_ours
@needs_wire
def test_huge_lengths_get_no_answer(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    before = node.rss_peak_kib()
    for i, length in enumerate((1 << 62, (1 << 64) - 1, 10 << 30, 1 << 40)):
        peer.forget()
        peer.send(wire.init_packet(struct.pack(">Q", 1000 + i), length))
        answers = [p for p in peer.collect(0.3) if wire.flags_of(p)]
        check_equal(answers, [], f"answers to an announced length of {length}")
    still_works(node, peer)
    net.check_memory(before, node, 16384, "announced lengths")


@needs_ours
@needs_wire
def test_message_bodies_cut_at_every_length(net):
    """Every message packet, cut at every length of its fixed part, for an id that is pending."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = os.urandom(8)
    whole = [wire.init_packet(identifier, 500, b"topic"), wire.chunk_packet(identifier, 0, 0, b"x" * 8),
             wire.done_packet(identifier, 1, b"")]
    whole += [wire.message_packet(identifier, f | wire.ACK, b"\0" * 40) for f in (wire.INIT, wire.CHUNK, wire.DONE)]
    for packet in whole:
        peer.send(wire.init_packet(identifier, 500))
        for cut in range(len(packet)):
            peer.send(packet[:cut])
        node.check_running()
    still_works(node, peer)


@needs_ours
@needs_wire
def test_answers_that_nobody_asked_for(net):
    """ACKs and READ for unknown ids, chunks and DONE without INIT, ABORT: silence."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    peer.forget()
    identifier = os.urandom(8)
    for flags in (wire.INIT, wire.CHUNK, wire.DONE, wire.READ):
        peer.send(wire.message_packet(identifier, flags | wire.ACK, b"\0" * 40))
    for flags in (wire.READ, wire.ABORT, 0x0200, 0x00FF, 0):
        peer.send(wire.message_packet(identifier, flags))
    peer.send(wire.chunk_packet(identifier, 0, 0, b"abc"))
    peer.send(wire.done_packet(identifier, 1, b"abc"))
    check_equal([p.hex() for p in peer.collect(0.5) if wire.flags_of(p)], [], "answers")
    still_works(node, peer)


@needs_ours
@needs_wire
def test_tampered_packets(net):
    """A wrong tag, a body too short to be sealed, a foreign source: dropped."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    sealed = bytearray(peer.sealer.seal(node.identity, wire.init_packet(os.urandom(8), 5)))
    sealed[45] ^= 1
    peer.write(bytes(sealed))
    for n in range(0, 33):
        peer.write(wire.data(peer.identity.address, node.identity.address, bytes(n)))
    peer.write(wire.data(bytes(16), node.identity.address, bytes(60)))
    peer.write(wire.data(bytes.fromhex("20010db8000000000000000000000001"), node.identity.address, bytes(60)))
    peer.write(wire.data(node.identity.address, node.identity.address, bytes(60)))
    peer.write(wire.data(peer.identity.address, bytes(16), bytes(60)))
    still_works(node, peer)


# What section "What bad input gets" of docs/protocol/packets.md lists. `close`: the connection must
# end; `stay`: the connection stays and is in step; `any`: either, but the daemon lives on.
def control_rows():
    from lib import wire
    router_id = bytes(range(40))
    prefix = bytes.fromhex("0504030201000000")
    good_hello = wire.hello()
    u = struct.Struct(">BBBBHHH")

    def tlv(kind, body):
        return wire.tlv(kind, body)

    def cut_tlv(kind, length):
        """A TLV of the right outer form with a body of only `length` bytes, AE 9."""
        return wire.control(bytes((kind, length)) + bytes((9,)) * length)

    return [
        ("outer version 2", "close", bytes((2,)) + good_hello[1:]),
        ("outer version 0", "close", bytes((0,)) + good_hello[1:]),
        ("outer type 2", "close", bytes((1, 2)) + good_hello[2:]),
        ("outer reserved not 0", "stay", bytes((1, 1, 0xAB, 0xCD)) + good_hello[4:]),
        ("data reserved not 0", "stay", bytes((1, 0, 0, 0, 0xFF, 0, 4, 2)) + bytes(36)),
        ("Babel magic 43", "any", good_hello[:4] + b"\x2b" + good_hello[5:]),
        ("Babel version 2", "any", good_hello[:5] + b"\x02" + good_hello[6:]),
        ("unknown TLV type", "stay", tlv(77, b"abcdef")),
        ("TLV type 255 with 255 bytes", "stay", tlv(255, bytes(255))),
        ("PadN with a body", "stay", tlv(1, bytes(4))),
        ("Pad1 as the only TLV", "any", wire.control(b"\0")),
        ("body length 0", "any", wire.control(b"")),
        ("body length 0 with a packet after it", "any", wire.control(b"") + good_hello),
        ("Hello with a body of 5", "any", wire.control(bytes((4, 5)) + bytes(5))),
        ("Hello with a body of 0", "any", wire.control(bytes((4, 0)))),
        ("Hello whose length runs past the body", "any", wire.control(bytes((4, 200)) + bytes(6))),
        ("two TLVs in one body", "any", wire.control(good_hello[8:] + good_hello[8:])),
        ("Hello with a sub-TLV", "any", tlv(4, struct.pack(">HHH", 0x8000, 0, 2000) + b"\x80\x02ab")),
        ("IHU with 2 trailing bytes", "any", tlv(5, bytes((0, 0, 0, 10, 23, 112)) + b"ab")),
        ("IHU with AE 9", "stay", tlv(5, bytes((9, 0, 0, 10, 23, 112)) + bytes(4))),
        ("Update with AE 9", "stay", tlv(8, u.pack(9, 0, 64, 0, 30000, 0, 0) + prefix + router_id)),
        ("RouteRequest with AE 9", "stay", tlv(9, bytes((0, 9, 64)) + prefix)),
        ("SeqNoRequest with AE 9", "stay", tlv(10, bytes((9, 64, 0, 1, 64, 0)) + router_id + prefix)),
        ("IHU of 3 bytes, AE 9", "any", cut_tlv(5, 3)),
        ("Update of 5 bytes, AE 9", "any", cut_tlv(8, 5)),
        ("RouteRequest of 2 bytes, AE 9", "any", cut_tlv(9, 2)),
        ("SeqNoRequest of 20 bytes, AE 9", "any", cut_tlv(10, 20)),
        ("Update with prefix length 200", "any", tlv(8, u.pack(2, 0, 200, 0, 30000, 0, 0) + bytes(25) + router_id)),
        ("Update of AE 1 with prefix length 33", "any", tlv(8, u.pack(1, 0, 33, 0, 30000, 0, 0) + bytes(5) + router_id)),
        ("Update of AE 3 with prefix length 63", "any", tlv(8, u.pack(3, 0, 63, 0, 30000, 0, 0) + prefix + router_id)),
        ("Update of AE 0 with prefix length 8", "any", tlv(8, u.pack(0, 0, 8, 0, 30000, 0, 0) + router_id)),
        ("SeqNoRequest of AE 0 with prefix length 8", "any", tlv(10, bytes((0, 8, 0, 1, 64, 0)) + router_id)),
        ("SeqNoRequest with hop count 0", "stay", tlv(10, bytes((2, 64, 0, 1, 0, 0)) + router_id + prefix)),
        ("Update of AE 0, length 0", "stay", tlv(8, u.pack(0, 0, 0, 0, 30000, 0, 0) + router_id)),
        ("Update for IPv4", "stay", tlv(8, u.pack(1, 0, 24, 0, 30000, 0, 0) + bytes((10, 1, 2)) + router_id)),
        ("SeqNoRequest for IPv4", "stay", tlv(10, bytes((1, 24, 0, 1, 64, 0)) + router_id + bytes((10, 1, 2)))),
        ("Update outside 400::/7", "stay", tlv(8, u.pack(2, 0, 64, 0, 30000, 0, 0) + bytes.fromhex("20010db800000000") + router_id)),
        ("Update shorter than /64", "stay", tlv(8, u.pack(2, 0, 32, 0, 30000, 0, 0) + prefix[:4] + router_id)),
        ("Update whose router id does not fit the prefix", "stay", tlv(8, u.pack(2, 0, 64, 0, 30000, 0, 0) + prefix + router_id)),
        ("Update with interval 0", "stay", tlv(8, u.pack(2, 0, 64, 0, 0, 0, 0) + prefix + router_id)),
        ("RouteRequest of AE 0 with prefix length 64", "stay", tlv(9, bytes((0, 0, 64)))),
        ("RouteRequest for IPv4", "stay", tlv(9, bytes((0, 1, 24)) + bytes((10, 1, 2)))),
        ("RouteRequest for IPv4 /0", "stay", tlv(9, bytes((0, 1, 0)))),
        ("RouteRequest with bits behind the prefix", "stay", tlv(9, bytes((0, 2, 63)) + bytes.fromhex("0504030201000001"))),
        ("RouteRequest /66 with bits behind the prefix", "stay", tlv(9, bytes((0, 2, 65)) + prefix + b"\x7f")),
        ("RouteRequest outside 400::/7", "stay", tlv(9, bytes((0, 2, 64)) + bytes.fromhex("20010db800000000"))),
        ("RouteRequest with generation 255", "stay", wire.route_request(prefix, 255)),
        ("Update with metric 65534", "stay", tlv(8, u.pack(2, 0, 64, 0, 30000, 0, 65534) + prefix + router_id)),
        ("data packet with hop limit 0", "stay", wire.data(bytes(16), bytes(16), bytes(40), 0)),
        ("data packet with hop limit 1", "stay", wire.data(bytes(16), bytes(16), bytes(40), 1)),
        ("control body of 65535 bytes announced", "any", bytes((1, 1, 0, 0, 42, 3, 255, 255)) + b"\4\6" + bytes(200)),
        ("nothing but zeros", "close", bytes(64)),
        ("an HTTP request", "close", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ]


@limit(180)
@needs_ours
@needs_wire
def test_control_rows(net):
    """Each row of the list by a fresh connection; a steady peer sees that the daemon goes on."""
    node = net.node("node")
    steady = net.raw_peer(node)
    rows = control_rows()
    closed = []
    key = net.next_key()
    for what, rule, packet in rows:
        peer = net.raw_peer(node, key=key, announce=False)
        check(peer.answers_hello(), f"{what}: the fresh connection gets no IHU")
        try:
            peer.write(packet)
            alive = peer.answers_hello(0.5)
        except OSError:
            alive = False
        if rule == "stay":
            check(alive, f"{what}: the connection is closed or out of step")
        if rule == "close":
            wait_for(f"{what}: the connection is closed", peer.closed.is_set, 5)
        if not alive:
            closed.append(what)
        peer.close()
        check(steady.answers_hello(), f"{what}: another connection gets no IHU afterwards")
        still_works(node, steady, what.encode())
    print(f"# {len(rows)} rows; the connection was given up for: {'; '.join(closed)}")


@needs_ours
@needs_wire
def test_end_in_the_middle_of_a_packet(net):
    from lib import wire
    node = net.node("node")
    steady = net.raw_peer(node)
    packet = wire.update(steady.identity)
    for cut in range(1, len(packet), 7):
        peer = net.raw_peer(node, key="k24", announce=False)
        peer.write(packet[:cut])
        peer.close()
    still_works(node, steady)
    wait_for("the cut connections are gone", lambda: len(node.alive_peers()) == 1, 15)


@needs_ours
@needs_wire
def test_packets_in_pieces(net):
    """One Hello in pieces of 4, 1 and 11 bytes: one IHU after the last; two in one write: two."""
    import time
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    check(peer.answers_hello(), "no IHU")
    time.sleep(0.2)
    peer.forget()
    packet = wire.hello(7)
    for part in (packet[:4], packet[4:5], packet[5:]):
        check(peer.control.empty(), "an answer before the packet was whole")
        peer.write(part)
        time.sleep(0.05)
    peer.expect_control(wire.IHU, 2)
    peer.write(wire.hello(8) + wire.hello(9))
    peer.expect_control(wire.IHU, 2)
    peer.expect_control(wire.IHU, 2)
    sealed = b"".join(peer.sealer.seal(node.identity, p) for p in wire.message_packets(b"piecewis", pattern(2000)))
    for i in range(0, len(sealed), 97):
        peer.write(sealed[i:i + 97])
    m = node.take(5)
    check(m is not None and m["payload"] == pattern(2000), "a message written in pieces of 97 bytes")


@needs_ours
@needs_wire
def test_foreign_node_cannot_touch_a_message(net):
    """ACKs, READ, chunks and ABORT count only from the node that the message is with."""
    from lib import wire
    node = net.node("node")
    owner, stranger = net.raw_peer(node), net.raw_peer(node)
    identifier = os.urandom(8)
    payload = pattern(2000)
    packets = wire.message_packets(identifier, payload)
    owner.send(packets[0])
    owner.expect(wire.INIT | wire.ACK, identifier)
    owner.send(packets[1])
    stranger.send(wire.message_packet(identifier, wire.ABORT))
    stranger.send(wire.chunk_packet(identifier, 1, 1000, b"?" * 1000))
    for p in packets[2:]:
        owner.send(p)
    owner.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(5)["payload"] == payload, True, "the payload is the owner's")
    sent = node.send(owner.ip, b"for the owner")
    owner.expect(wire.INIT)
    for flags in (wire.INIT | wire.ACK, wire.DONE | wire.ACK, wire.READ):
        stranger.send(wire.message_packet(bytes.fromhex(sent), flags, b"\0" * 40))
    stranger.collect(0.3)
    check_equal(node.status(sent) in ("received", "read"), False, "a stranger ended the message")
