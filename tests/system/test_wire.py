"""The message protocol seen by a scripted peer: what the daemon answers, sends, repeats and keeps."""
import os
import time

from lib import check, check_equal, long_only, needs_ours, needs_wire
from lib.node import pattern

LENGTHS = (0, 1, 249, 250, 1300, 1301, 1400, 1549, 2600, 2601, 2849, 4000)


@needs_wire
def test_message_from_a_peer(net):
    """All packets at once: one answer to each, READ when it is taken."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload = pattern(1400)
    identifier = peer.send_message(payload, b"topic")
    answer = peer.expect(wire.INIT | wire.ACK, identifier)
    check_equal(wire.body_of(answer), bytes(6) + (1400).to_bytes(2, "big") + b"\x05", "body of the INIT ACK")
    acked = [wire.body_of(peer.expect(wire.CHUNK | wire.ACK, identifier)) for _ in range(2)]
    check_equal(sorted(a.hex() for a in acked),
                [(i.to_bytes(8, "big") + (700 * i).to_bytes(8, "big") + (700).to_bytes(8, "big")).hex()
                 for i in range(2)], "bodies of the CHUNK ACKs")
    check_equal(len(wire.body_of(peer.expect(wire.DONE | wire.ACK, identifier))), 40, "body of the DONE ACK")
    m = node.take(5)
    check_equal((m["id"], m["payload"] == payload, m["topic"], m["srcIp"]),
                (identifier.hex(), True, b"topic", peer.ip), "the message")
    check_equal(wire.body_of(peer.expect(wire.READ, identifier)), b"", "body of READ")


@needs_wire
def test_every_length_evenly_cut(net):
    node = net.node("node")
    peer = net.raw_peer(node)
    for length in LENGTHS:
        identifier = peer.send_message(pattern(length))
        m = node.take(5)
        check(m is not None, f"length {length} did not arrive")
        check_equal((m["id"], m["payload"] == pattern(length)), (identifier.hex(), True), f"length {length}")


@needs_ours
@needs_wire
def test_every_length_cut_at_1300(net):
    """Also with a short last chunk."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    for length in LENGTHS:
        identifier = peer.send_message(pattern(length), split=wire.plain_split)
        peer.expect(wire.DONE | wire.ACK, identifier)
        check_equal(node.take(5)["payload"] == pattern(length), True, f"length {length}")


def serve(peer, identifier, length, seconds=5.0):
    """Plays a plain receiver for one message; returns the payload."""
    from lib import wire
    init = peer.expect(wire.INIT, identifier, seconds)
    check_equal(int.from_bytes(wire.body_of(init)[:8], "big"), length, "announced length")
    peer.send(wire.message_packet(identifier, wire.INIT | wire.ACK, wire.body_of(init)[:9]))
    parts, end = {}, time.monotonic() + seconds
    while time.monotonic() < end:
        for p in peer.collect(0.02):
            if wire.identifier_of(p) != identifier:
                continue
            flags, body = wire.flags_of(p), wire.body_of(p)
            if flags == wire.CHUNK:
                parts[int.from_bytes(body[:8], "big")] = body[24:]
                peer.send(wire.message_packet(identifier, wire.CHUNK | wire.ACK, body[:24]))
            if flags == wire.DONE and sum(map(len, parts.values())) == length:
                payload = b"".join(parts[i] for i in sorted(parts))
                check_equal(body[8:40], wire.blake3(payload), "checksum of DONE")
                check_equal(int.from_bytes(body[:8], "big"), len(parts), "chunk count of DONE")
                peer.send(wire.message_packet(identifier, wire.DONE | wire.ACK, body[:40]))
                return payload
    check(False, f"no whole message: {len(parts)} chunks")


@needs_wire
def test_message_to_a_peer(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    for length in (0, 1, 1300, 1301, 1549, 4000):
        identifier = bytes.fromhex(node.send(peer.ip, pattern(length), b"t"))
        check_equal(serve(peer, identifier, length) == pattern(length), True, f"length {length}")
        node.wait_status(identifier.hex(), "received")
        peer.send(wire.message_packet(identifier, wire.READ))
        node.wait_status(identifier.hex(), "read")


@needs_ours
@needs_wire
def test_chunks_are_cut_evenly(net):
    """No chunk below 250 bytes for a length above 1300."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    for length in (1301, 1400, 1549, 2601, 4000):
        identifier = bytes.fromhex(node.send(peer.ip, pattern(length)))
        init = peer.expect(wire.INIT, identifier)
        peer.send(wire.message_packet(identifier, wire.INIT | wire.ACK, wire.body_of(init)[:9]))
        sizes = {}
        for p in peer.collect(0.3):
            if wire.flags_of(p) == wire.CHUNK and wire.identifier_of(p) == identifier:
                sizes[int.from_bytes(wire.body_of(p)[:8], "big")] = len(wire.body_of(p)) - 24
        check_equal([sizes[i] for i in sorted(sizes)], [n for _, n in wire.even_split(length)],
                    f"chunk sizes of length {length}")
        peer.send(wire.message_packet(identifier, wire.DONE | wire.ACK, bytes(40)))
        node.wait_status(identifier.hex(), "received")


@needs_wire
def test_done_ack_ends_a_transfer_early(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = bytes.fromhex(node.send(peer.ip, pattern(300)))
    init = peer.expect(wire.INIT, identifier)
    peer.send(wire.message_packet(identifier, wire.INIT | wire.ACK, wire.body_of(init)[:9]))
    peer.send(wire.message_packet(identifier, wire.DONE | wire.ACK, bytes(40)))
    node.wait_status(identifier.hex(), "received")


@needs_ours
@needs_wire
def test_repeats_of_a_complete_message(net):
    """Before and after it was taken: INIT and DONE are answered, nothing is delivered again."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload, identifier = pattern(100), os.urandom(8)
    for taken in (False, True):
        time.sleep(0.1)  # repeats of one id are answered at most every 50 ms
        peer.forget()
        peer.send_message(payload, identifier=identifier)
        peer.expect(wire.DONE | wire.ACK, identifier)
        time.sleep(0.1)
        peer.forget()
        peer.send(wire.init_packet(identifier, len(payload)))
        peer.expect(wire.INIT | wire.ACK, identifier)
        peer.expect(wire.DONE | wire.ACK, identifier)
        time.sleep(0.1)
        peer.send(wire.done_packet(identifier, 1, payload))
        peer.expect(wire.DONE | wire.ACK, identifier)
        if not taken:
            check_equal(node.take(2)["payload"], payload, "the message")
    check(node.take(1) is None, "the message was delivered twice")


@needs_ours
@needs_wire
def test_dedupe_survives_a_crash(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload, identifier = pattern(250), os.urandom(8)
    peer.send_message(payload, identifier=identifier)
    peer.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(2)["payload"], payload, "the message")
    node.restart("kill9")
    again = net.raw_peer(node, key=peer.identity.name)
    again.send_message(payload, identifier=identifier)
    again.expect(wire.DONE | wire.ACK, identifier)
    check(node.take(1) is None, "the message was delivered again after a crash")


@needs_ours
@needs_wire
def test_transfer_goes_on_after_a_crash(net):
    """A plain sender never repeats an INIT or a chunk that was acknowledged: both are on the disk."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload, identifier = pattern(2600), os.urandom(8)
    init, first, second, done = wire.message_packets(identifier, payload)
    peer.send(init)
    peer.expect(wire.INIT | wire.ACK, identifier)
    peer.send(first)
    peer.expect(wire.CHUNK | wire.ACK, identifier)
    node.restart("kill9")
    again = net.raw_peer(node, key=peer.identity.name)
    again.send(second)
    again.expect(wire.CHUNK | wire.ACK, identifier)
    again.send(done)
    again.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(2)["payload"] == payload, True, "the message")


@needs_ours
@needs_wire
def test_second_init_keeps_the_chunks(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload, identifier = pattern(2600), os.urandom(8)
    init, first, second, done = wire.message_packets(identifier, payload)
    peer.send(init)
    peer.send(first)
    peer.expect(wire.CHUNK | wire.ACK, identifier)
    time.sleep(0.1)
    peer.forget()
    peer.send(init)
    peer.expect(wire.INIT | wire.ACK, identifier)
    peer.send(second)
    peer.send(done)
    peer.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(2)["payload"] == payload, True, "the message")


@needs_ours
@needs_wire
def test_wrong_done_is_silent(net):
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    payload, identifier = pattern(100), os.urandom(8)
    init, chunk, done = wire.message_packets(identifier, payload)
    peer.send(init)
    peer.send(chunk)
    peer.expect(wire.CHUNK | wire.ACK, identifier)
    for bad in (wire.done_packet(identifier, 1, b"other"), wire.done_packet(identifier, 2, payload)):
        peer.forget()
        peer.send(bad)
        check_equal([p for p in peer.collect(0.3) if wire.flags_of(p) & wire.DONE], [], "answers to a wrong DONE")
    peer.send(done)
    peer.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(2)["payload"], payload, "the message")


@needs_ours
@needs_wire
def test_lost_done_ack_is_repaired(net):
    """The peer keeps silent to DONE: it is repeated with growing gaps; READ ends it in any state."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = bytes.fromhex(node.send(peer.ip, pattern(300)))
    init = peer.expect(wire.INIT, identifier)
    peer.send(wire.message_packet(identifier, wire.INIT | wire.ACK, wire.body_of(init)[:9]))
    chunk = peer.expect(wire.CHUNK, identifier)
    peer.send(wire.message_packet(identifier, wire.CHUNK | wire.ACK, wire.body_of(chunk)[:24]))
    for _ in range(2):
        peer.expect(wire.DONE, identifier)
    peer.forget()
    peer.expect(wire.CHUNK, identifier, 10)  # the probe: chunk 0 again
    peer.send(wire.message_packet(identifier, wire.READ))
    node.wait_status(identifier.hex(), "read")


@needs_ours
@needs_wire
def test_init_is_not_hammered(net):
    """A silent peer gets few INITs, with growing gaps."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    for i in range(20):
        node.send(peer.ip, b"m%d" % i)
    packets = [wire.flags_of(p) for p in peer.collect(3.0)]
    inits = packets.count(wire.INIT)
    check(20 <= inits <= 160, f"{inits} INITs for 20 messages in 3 s")
    print(f"# {inits} INIT and {len(packets)} packets in all for 20 messages to a silent peer in 3 s")


@long_only
@needs_ours
@needs_wire
def test_deadline_ends_in_one_abort(net):
    """300 s after it was accepted, a message to a silent peer is given up with a single ABORT."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    started = time.monotonic()
    identifier = node.send(peer.ip, b"nobody answers")
    packets = peer.collect(285)
    check_equal(node.status(identifier), "pending", "status before the deadline")
    inits = sum(wire.flags_of(p) == wire.INIT for p in packets)
    peer.expect(wire.ABORT, bytes.fromhex(identifier), 25)
    check(295 <= time.monotonic() - started <= 305, f"given up after {time.monotonic() - started:.1f} s")
    node.wait_status(identifier, "aborted")
    check_equal([p for p in peer.collect(5) if wire.flags_of(p)], [], "packets after the ABORT")
    print(f"# {inits} INIT in 285 s")
