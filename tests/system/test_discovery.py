"""Local discovery: nodes on one local network, without a peer by name. In network namespaces of their own."""
import os
import socket
import struct
import time

from lib import Skip, check, check_equal, limit, needs_ours, scaled, spaces, wait_for
from lib.net import connected

PORT = 9650


def room(net, *names):
    """Nodes that look for peers, each in a namespace; all on one local network."""
    if spaces.why_not():
        raise Skip(spaces.why_not())
    hub = spaces.Space()
    hub.ip("link add lan type bridge", "link set lan up")
    nodes = []
    for i, name in enumerate(names):
        space = spaces.Space()
        hub.ip(f"link add h{i} type veth peer name eth0 netns {space.path}", f"link set h{i} master lan up")
        space.ip("link set eth0 up")
        n = net.node(name, start=False, space=space)
        n.discovers = True
        nodes.append(n)
    return nodes


def wait_for_address(node):
    """Duplicate address detection is over."""
    end = time.monotonic() + scaled(15)
    while time.monotonic() < end:
        with node.space:
            try:
                text = open("/proc/thread-self/net/if_inet6", encoding="ascii").read()
            except OSError:
                text = ""
        if any(line.split()[5] == "eth0" and line.split()[4] == "80" for line in text.splitlines()):
            return
        time.sleep(0.05)
    raise Skip("interfaces get no link-local address here")


def started(*nodes):
    for n in nodes:
        wait_for_address(n)
        n.start()


def peers(node):
    return [(p["endpoint"]["proto"], p["type"], p["connectionState"])
            for p in node.api.call("GET", "/api/v1/admin/peers").json()]


def announce(node, beacon, source_port=PORT, group="ff02::cafe"):
    """Somebody else on the local network says this, out of the space of the node."""
    with node.space:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", source_port))
            s.sendto(beacon, (group, PORT, 0, socket.if_nametoindex("eth0")))


def beacon(port, router_id=None):
    return b"mycelium" + struct.pack(">H", port) + (router_id or os.urandom(40))


@limit(120)
@needs_ours
def test_found(net):
    """They find each other, once, exchange messages, and find each other again after a kill."""
    a, b, alone = room(net, "a", "b", "alone")
    alone.extra += ["--peer-discovery-interface", "eth7"]
    started(a, b, alone)
    connected(a, b, 30)
    a.send(b, b"found")
    check_equal(b.take(20)["payload"], b"found", "payload")
    links = [p for n in (a, b) for p in peers(n) if p[2] == "alive"]
    check_equal(sorted(p[1] for p in links), ["inbound", "linkLocalDiscovery"], "one link, with its two ends")
    check_equal(peers(alone), [], "peers of one that looks elsewhere")
    b.kill9()
    b.start()
    connected(a, b, 30)
    b.send(a, b"again")
    check_equal(a.take(20)["payload"], b"again", "payload after a kill")


@limit(120)
@needs_ours
def test_forged(net):
    """Beacons for nobody, by the thousand: bounded in number, forgotten, and the others are still found. What is no
    beacon counts as such."""
    a, stranger, b = room(net, "a", "stranger", "b")
    a.extra += ["--metrics-api-address", f"127.0.0.1:{a.api_port}"]
    started(a)
    wait_for_address(stranger)
    whole = beacon(1)
    for bad in (whole[:-1], whole + b"\0", b"", b"x" + whole[1:], beacon(0)):
        announce(stranger, bad)
    wait_for("five that are none", lambda: metric(a, "ignored") >= 5)
    before = a.rss_peak_kib()
    for i in range(3000):
        announce(stranger, beacon(1 + i))
    check(len(peers(a)) <= 256, f"{len(peers(a))} peers")
    check(metric(a, "heard") + metric(a, "ignored") >= 100, "beacons that came")
    net.check_memory(before, a, 4096, "forged beacons")
    started(b)
    connected(a, b, 60)
    wait_for("three failures each", lambda: all(p[2] == "alive" for p in peers(a)), scaled(60))


def metric(node, result):
    text = node.api.call("GET", "/metrics").text
    return int(next(line for line in text.splitlines() if f'beacons_total{{result="{result}"}}' in line).split()[1])


@limit(120)
@needs_ours
def test_private(net):
    """In a private network what is found is dialled with TLS; who is not of it stays outside."""
    a, b, other = room(net, "a", "b", "other")
    for n in (a, b):
        path = n.folder / "network.key"
        path.write_bytes(bytes(32))
        path.chmod(0o600)
        n.extra += ["--network-name", "lab", "--network-key-file", str(path)]
    started(a, b, other)
    connected(a, b, 30)
    check("tls" in [p[0] for p in peers(a) if p[2] == "alive"], f"{peers(a)}")
    check(all(p[2] != "alive" for p in peers(other)), f"{peers(other)}")
