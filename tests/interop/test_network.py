"""Our daemon and reference nodes as neighbours in lines and rings; each one's commands at the other."""
import json
import subprocess
import time

from lib import Skip, check, check_equal, limit, reference, wait_for


def line(net, binaries):
    nodes = []
    for i, binary in enumerate(binaries):
        peers = [nodes[-1].endpoint()] if nodes else []
        nodes.append(net.node("abcd"[i], peers=peers, binary=binary))
    for n in nodes[1:-1]:
        n.wait_peers(2)
    return nodes


def exchange(first, second, seconds=20):
    for sender, receiver in ((first, second), (second, first)):
        payload = f"{sender.name} to {receiver.name} ".encode() * 250  # several chunks
        identifier = sender.send(receiver, payload)
        m = receiver.take(seconds)
        check(m is not None, f"{sender.name} to {receiver.name}: nothing arrived ({sender.status(identifier)})")
        check_equal((m["id"], m["payload"] == payload), (identifier, True), "what arrived")
        sender.wait_read(identifier, receiver, 20)


def test_line_with_the_reference_between(net):
    a, _, c = line(net, [None, reference(), None])
    exchange(a, c)


def test_line_with_ours_between(net):
    a, _, c = line(net, [reference(), None, reference()])
    exchange(a, c)


def test_line_of_four(net):
    a, b, c, d = line(net, [None, reference(), None, reference()])
    exchange(a, d)
    exchange(b, d)
    exchange(c, a)


def test_message_waits_for_the_way(net):
    """The reference is not there yet when the message is accepted."""
    a = net.node("a")
    identifier = a.send(net_ip(net), b"early")
    b = net.node("b", peers=[a.endpoint()], binary=reference())
    m = b.take(30)
    check(m is not None, f"did not arrive: {a.status(identifier)}")
    check_equal(m["payload"], b"early", "payload")


def net_ip(net):
    """The address of the node that will be made next."""
    from lib.identity import identities
    return identities()[f"k{net._next_key:02d}"].ip


@limit(180)
def test_ring_with_a_reference_in_it(net):
    """a, b, c are ours, r is the reference, in a ring; the link a-b is cut, so that the way from a to
    b leads through r; then it comes back."""
    if not net.ours:
        raise Skip("the binary under test is not our daemon")
    b = net.node("b")
    relay = net.relay(b.tcp_port)
    a = net.node("a", peers=[relay.endpoint()])
    c = net.node("c", peers=[b.endpoint()])
    r = net.node("r", peers=[a.endpoint(), c.endpoint()], binary=reference())
    for n in (a, b, c, r):
        n.wait_peers(2)
    for pair in ((a, b), (a, c), (b, r)):
        exchange(*pair)
    time.sleep(5)  # in the first 4 s of its life a node gives no newer seqno
    relay.cut()
    wait_for("the cut is seen", lambda: len(a.alive_peers()) == 1 and len(b.alive_peers()) == 1, 15)
    exchange(a, b, 60)
    exchange(c, a, 60)
    relay.mend()
    wait_for("the link is back", lambda: len(a.alive_peers()) == 2 and len(b.alive_peers()) == 2, 30)
    exchange(a, b)


@limit(120)
def test_reference_dials_again(net):
    """Our daemon is restarted: the reference connects again by itself, and the other way round."""
    a = net.node("a")
    r = net.node("r", peers=[a.endpoint()], binary=reference())
    b = net.node("b", peers=[r.endpoint()])
    r.wait_peers(2)
    a.restart("kill9")
    a.wait_peers(1, 20)
    exchange(a, r, 20)
    r.restart("kill9")
    b.wait_peers(1, 40)
    exchange(b, r, 20)


def run_command(binary, node, *words):
    out = subprocess.run([str(binary), "--silent", "-k", str(node.key_file), "--api-addr",
                          f"127.0.0.1:{node.api_port}", *words], capture_output=True, timeout=30, check=False)
    check_equal(out.returncode, 0, f"status of {' '.join(words)} ({out.stderr[:300]!r})")
    return out.stdout.decode()


def test_commands_of_each_at_the_other(net):
    a, b = net.pair(None, reference())
    for binary, node, other in ((reference(), a, b), (net.binary, b, a)):
        peers = json.loads(run_command(binary, node, "peers", "list", "--json"))
        check_equal([p["connectionState"] for p in peers], ["alive"], "peers list --json")
        check("Alive" in run_command(binary, node, "peers", "list"), "peers list")
        check(other.identity.subnet in run_command(binary, node, "routes", "selected"), "routes selected")
        sent = json.loads(run_command(binary, node, "message", "send", "-t", "a.topic", other.ip, "some words"))
        m = other.take(10)
        check_equal((m["id"], m["payload"], m["topic"]), (sent["id"], b"some words", b"a.topic"), "message send")
        other.send(node, b"back", b"a.topic")
        got = json.loads(run_command(binary, node, "message", "receive", "--timeout", "10", "-t", "a.topic"))
        check_equal((got["payload"], got["topic"], got["srcIp"]), ("back", "a.topic", other.ip), "message receive")
        run_command(binary, node, "peers", "add", "tcp://127.0.0.1:1")
        check_equal(len(node.get("/admin/peers")), 2, "peers add")
        run_command(binary, node, "peers", "remove", "tcp://127.0.0.1:1")
        check_equal(len(node.get("/admin/peers")), 1, "peers remove")
