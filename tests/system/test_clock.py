"""Wall clocks that jump, while a node runs and while it does not: remembered ids are not forgotten early, and
deadlines neither come early nor move away."""
import os
import struct
import time

from lib import Skip, check, check_equal, limit, needs_ours, needs_wire
from lib.node import pattern
from lib.programs import preloaded

HOUR = 3600
SWEEP_S = 11  # the node removes what has expired every 10 s


class Clock:
    """The wall clock of one node."""

    def __init__(self, net, name):
        if net.sanitized:
            raise Skip("a sanitizer wants to be loaded first")
        self.file = net.folder / f"{name}.clock"
        self.jump_to(0)

    def jump_to(self, seconds):
        """So far from the true time, now."""
        if not self.file.exists():
            self.file.write_bytes(bytes(8))
        with open(self.file, "r+b") as f:
            f.write(struct.pack("=q", seconds * 1000))

    def node(self, net, name, library, **options):
        n = net.node(name, start=False, **options)
        n.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self.file)}
        return n.start()


def deliver(node, peer, payload, identifier):
    from lib import wire
    peer.send_message(payload, identifier=identifier)
    peer.expect(wire.DONE | wire.ACK, identifier)
    check_equal(node.take(5)["payload"], payload, "the message")


def check_known(node, peer, payload, identifier, when):
    """A repeat is acknowledged at once and not delivered."""
    from lib import wire
    peer.forget()
    peer.send(wire.init_packet(identifier, len(payload)))
    peer.expect(wire.INIT | wire.ACK, identifier)
    peer.expect(wire.DONE | wire.ACK, identifier)
    check(node.take(0) is None, f"delivered again {when}")


@limit(180)
@needs_ours
@needs_wire
def test_remembered_ids(net):
    with preloaded("clock.c") as library:
        clock = Clock(net, "node")
        node = clock.node(net, "node", library)
        shift = 0
        for jump, when in ((HOUR, "after a jump forward"), (-2 * HOUR, "after a jump back")):
            for running in (False, True):
                peer = net.raw_peer(node, key="k20")
                payload, identifier = pattern(250), os.urandom(8)
                deliver(node, peer, payload, identifier)
                peer.close()
                if not running:
                    node.kill9()
                shift += jump
                clock.jump_to(shift)
                if running:
                    time.sleep(SWEEP_S)
                    node.kill9()
                node.start()
                again = net.raw_peer(node, key="k20")
                check_known(node, again, payload, identifier,
                            f"{when} {'and the sweep' if running else 'and a restart'}")
                again.close()
        admin = node.get("/admin")
        check(admin is not None, "an ordinary call")


@limit(60)
@needs_ours
@needs_wire
def test_half_a_message(net):
    """A plain sender goes on where it was."""
    from lib import wire
    with preloaded("clock.c") as library:
        clock = Clock(net, "node")
        node = clock.node(net, "node", library)
        peer = net.raw_peer(node)
        payload, identifier = pattern(2600), os.urandom(8)
        init, first, second, done = wire.message_packets(identifier, payload)
        peer.send(init)
        peer.send(first)
        peer.expect(wire.CHUNK | wire.ACK, identifier)
        node.kill9()
        clock.jump_to(HOUR)
        node.start()
        again = net.raw_peer(node, key=peer.identity.name)
        again.send(second)
        again.expect(wire.CHUNK | wire.ACK, identifier)
        again.send(done)
        again.expect(wire.DONE | wire.ACK, identifier)
        check_equal(node.take(5)["payload"] == payload, True, "the message")


@limit(120)
@needs_ours
@needs_wire
def test_deadlines(net):
    """Of a message that nobody takes: by the time that passes, not by the clock, as long as the node runs; over
    a restart never longer than it was given."""
    ttl_s = 4
    with preloaded("clock.c") as library:
        clock = Clock(net, "node")
        node = clock.node(net, "node", library)
        peer = net.raw_peer(node)  # acknowledges nothing
        for jump, restart in ((HOUR, False), (-HOUR, False), (-2 * HOUR, True)):
            a = node.api.call("POST", "/bus/v1/messages",
                              {"dst": {"ip": peer.ip}, "payload": "eA==", "ttlMs": ttl_s * 1000})
            identifier, started = a.json()["id"], time.monotonic()
            clock.jump_to(jump)
            if restart:
                node.restart("kill9")
            time.sleep(ttl_s / 2)
            if time.monotonic() - started < ttl_s - 0.5:
                check_equal(node.status(identifier), "pending", f"status half way, jump {jump}")
            node.wait_status(identifier, "aborted", ttl_s + 4)
            took = time.monotonic() - started
            check(ttl_s - 0.1 <= took, f"given up {took:.1f} s after it was accepted, jump {jump}")
