"""What a sender does that was killed in the middle of a transfer to a plain node, by what that node has: nothing,
a part, all of it unread, all of it and taken. And what it does when the last acknowledgement is lost."""
import os
import time

from lib import check, check_equal, limit, needs_ours, needs_wire
from lib.node import pattern

LENGTH = 2600  # two chunks


def send(node, peer, policy="at-least-once", ttl_ms=60000):
    import base64
    a = node.api.call("POST", "/bus/v1/messages", {
        "dst": {"ip": peer.ip}, "payload": base64.b64encode(pattern(LENGTH)).decode(), "policy": policy, "ttlMs": ttl_ms})
    check_equal(a.status, 201, f"send ({a.text})")
    return bytes.fromhex(a.json()["id"])


def acknowledge(peer, packet):
    """As a plain node: the same type with ACK, the fixed part of the body."""
    from lib import wire
    flags = wire.flags_of(packet)
    size = {wire.INIT: 9, wire.CHUNK: 24, wire.DONE: 40}[flags]
    peer.send(wire.message_packet(wire.identifier_of(packet), flags | wire.ACK, wire.body_of(packet)[:size]))


def begin(net, policy="at-least-once", acked_chunks=2):
    """A transfer whose INIT and so many chunks are acknowledged. -> node, peer, id"""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = send(node, peer, policy)
    acknowledge(peer, peer.expect(wire.INIT, identifier))
    for _ in range(acked_chunks):
        acknowledge(peer, peer.expect(wire.CHUNK, identifier))
    return node, peer, identifier


def restart(net, node, peer):
    node.restart("kill9")
    return net.raw_peer(node, key=peer.identity.name)


def receive_all(peer, identifier):
    """From INIT on, as a node that has nothing of it. Returns the payload."""
    from lib import wire
    acknowledge(peer, peer.expect(wire.INIT, identifier))
    parts = {}
    while True:
        for p in peer.collect(0.05):
            if wire.identifier_of(p) != identifier:
                continue
            if wire.flags_of(p) == wire.CHUNK:
                parts[wire.body_of(p)[:8]] = wire.body_of(p)[24:]
                acknowledge(peer, p)
            if wire.flags_of(p) == wire.DONE:
                acknowledge(peer, p)
                return b"".join(parts[i] for i in sorted(parts))


@needs_ours
@needs_wire
def test_receiver_never_saw_it(net):
    """INIT was on its way only: it comes again, and all that follows."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = send(node, peer)
    peer.expect(wire.INIT, identifier)
    again = restart(net, node, peer)
    check_equal(receive_all(again, identifier) == pattern(LENGTH), True, "the payload")
    node.wait_status(identifier.hex(), "received")


@needs_ours
@needs_wire
def test_receiver_has_a_part(net):
    """A repeated INIT makes a plain node throw its part away: every chunk is sent again, not the missing one."""
    node, peer, identifier = begin(net, acked_chunks=1)
    again = restart(net, node, peer)
    check_equal(receive_all(again, identifier) == pattern(LENGTH), True, "the payload")
    node.wait_status(identifier.hex(), "received")


@limit(90)
@needs_ours
@needs_wire
def test_receiver_has_it_unread(net):
    """It is silent to INIT. The sender asks seldom, gives up nothing, and READ ends it."""
    from lib import wire
    node, peer, identifier = begin(net)
    peer.expect(wire.DONE, identifier)  # its acknowledgement gets lost
    again = restart(net, node, peer)
    again.expect(wire.INIT, identifier)
    times, end = [time.monotonic()], time.monotonic() + 10
    while time.monotonic() < end:
        times += [time.monotonic() for p in again.collect(0.05) if wire.flags_of(p) == wire.INIT]
    check(2 <= len(times) <= 12, f"{len(times) - 1} more INITs in 10 s")
    check_equal(node.status(identifier.hex()) in ("pending", "sending"), True, "still alive")
    again.send(wire.message_packet(identifier, wire.READ))
    node.wait_status(identifier.hex(), "read")
    again.forget()
    check_equal([p for p in again.collect(3) if wire.identifier_of(p) == identifier], [], "packets after READ")


@needs_ours
@needs_wire
def test_receiver_has_it_taken(net):
    """At least once: the plain node takes INIT for a new message, and gets all of it a second time."""
    from lib import wire
    node, peer, identifier = begin(net)
    peer.expect(wire.DONE, identifier)  # acknowledged and read: both get lost
    again = restart(net, node, peer)
    check_equal(receive_all(again, identifier) == pattern(LENGTH), True, "the payload")
    node.wait_status(identifier.hex(), "received")


@limit(90)
@needs_ours
@needs_wire
def test_at_most_once_does_not_begin_again(net):
    """After DONE was sent once, a restart sends chunk 0 to ask, and nothing that could complete a second copy, even
    where INIT is taken for a new message; silence until the deadline is `unknown`."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = send(node, peer, "at-most-once", ttl_ms=12000)
    acknowledge(peer, peer.expect(wire.INIT, identifier))
    for _ in range(2):
        acknowledge(peer, peer.expect(wire.CHUNK, identifier))
    peer.expect(wire.DONE, identifier)
    again = restart(net, node, peer)
    seen, end = [], time.monotonic() + 13
    while time.monotonic() < end:
        for p in again.collect(0.05):
            if wire.identifier_of(p) == identifier:
                seen.append((wire.flags_of(p), wire.body_of(p)[:8]))
                if seen[-1][0] == wire.INIT:  # the node does not know yet what it talks to
                    acknowledge(again, p)
    chunks = [int.from_bytes(body, "big") for flags, body in seen if flags == wire.CHUNK]
    check(chunks and set(chunks) == {0}, f"chunks {chunks}")
    check_equal(seen[0][0], wire.CHUNK, "the first packet")
    state = node.api.call("GET", f"/bus/v1/outbox/{identifier.hex()}").json()
    check_equal(state["state"], "unknown", f"in the end: {state}")


@limit(60)
@needs_ours
@needs_wire
def test_lost_done_ack_step_by_step(net):
    """DONE three times with growing gaps, chunk 0, and after two seconds of silence INIT."""
    from lib import wire
    node, _, identifier = begin(net, acked_chunks=0)
    peer = net.raw_peers[-1]
    for _ in range(2):
        acknowledge(peer, peer.expect(wire.CHUNK, identifier))
    steps, end = [], time.monotonic() + 25
    while time.monotonic() < end and (not steps or steps[-1][1] != wire.INIT):
        for p in peer.collect(0.01):
            if wire.identifier_of(p) == identifier:
                steps.append((time.monotonic(), wire.flags_of(p), wire.body_of(p)[:8]))
    flags = [f for _, f, _ in steps]
    first_probe = flags.index(wire.CHUNK)
    dones = [t for t, f, _ in steps[:first_probe] if f == wire.DONE]
    check_equal(flags[:first_probe], [wire.DONE] * first_probe, "before the probe")
    check(3 <= len(dones) <= 4, f"{len(dones)} DONE before the probe")
    gaps = [b - a for a, b in zip(dones, dones[1:])]
    check(all(b > a for a, b in zip(gaps, gaps[1:])), f"gaps {gaps}")
    probes = [s for s in steps if s[1] == wire.CHUNK]
    check_equal({s[2] for s in probes}, {bytes(8)}, "index of the probes")
    check_equal(flags[-1], wire.INIT, "after silence")
    quiet = steps[-1][0] - probes[-1][0]
    check(quiet >= 1.9, f"INIT {quiet:.2f} s after the last probe")
    acknowledge(peer, wire.message_packet(identifier, wire.DONE, bytes(40)))
    node.wait_status(identifier.hex(), "received")
    print(f"# {len(dones)} DONE with gaps of {', '.join(f'{g:.2f}' for g in gaps)} s, {len(probes)} probes, INIT "
          f"after {quiet:.1f} s")


@needs_ours
@needs_wire
def test_deadline_is_told_once(net):
    """Silence until the deadline: `aborted`, and one ABORT of 84 bytes."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = send(node, peer, ttl_ms=3000)
    peer.expect(wire.INIT, identifier)
    check_equal(node.status(identifier.hex()), "pending", "before the deadline")
    abort = peer.expect(wire.ABORT, identifier, 6)
    check_equal(len(abort) + 40 + 28, 84, "bytes of the packet: headers, the sealed part and its seal")
    node.wait_status(identifier.hex(), "aborted")
    check_equal([p for p in peer.collect(3) if wire.flags_of(p)], [], "packets after the ABORT")


@needs_ours
@needs_wire
def test_replies_share_an_id(net):
    """Two replies to one message are two messages; each of them is delivered once."""
    from lib import wire
    node = net.node("node")
    peer = net.raw_peer(node)
    identifier = os.urandom(8)
    for payload in (b"first", b"second", b"first"):
        time.sleep(0.1)
        peer.forget()
        peer.send_message(payload, identifier=identifier, flags=wire.INIT | wire.REPLY)
        peer.expect(wire.DONE | wire.ACK, identifier)
    check_equal([node.take(2)["payload"] for _ in range(2)], [b"first", b"second"], "deliveries")
    check(node.take(1) is None, "a reply came twice")
