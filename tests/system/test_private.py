"""Private networks: nodes with the name and the key of a network find each other, everybody else stays outside and harms nobody."""
import os
import socket
import subprocess

from lib import check, check_equal, needs_ours, wait_for
from lib.net import connected
from test_config import run

KEY = bytes(range(32))


def member(net, name, key=KEY, network="lab", peers=(), start=True):
    n = net.node(name, peers=peers, start=False)
    path = n.folder / "network.key"
    path.write_bytes(key)
    path.chmod(0o600)
    n.extra += ["--network-name", network, "--network-key-file", str(path)]
    return n.start() if start else n


def peers_of(node):
    return node.api.call("GET", "/api/v1/admin/peers").json()


def up(node):
    return [p for p in peers_of(node) if p["connectionState"] == "alive"]


def failed(node):
    text = node.api.call("GET", "/metrics").text
    return int(next(line for line in text.splitlines() if line.startswith("mycelium_link_handshakes_failed_total")).split()[1])


@needs_ours
def test_messages(net):
    """Over IPv4 and IPv6, by tcp and tls; the link comes back after a restart of either end."""
    a = member(net, "a")
    b = member(net, "b", peers=[a.endpoint()])
    c = member(net, "c", peers=[a.endpoint("::1").replace("tcp://", "tls://")])
    for n in (b, c):
        connected(a, n)
    check_equal({p["endpoint"]["proto"] for p in peers_of(a)}, {"tls"}, "at the one that was dialled")
    check_equal([p["endpoint"]["proto"] for p in peers_of(b) + peers_of(c)], ["tcp", "tls"], "at those that dialled")
    check("TLS" in b.log_tail(40), "no word of the upgrade")
    for size in (0, 1, 1400, 65536, 1_000_000):
        payload = os.urandom(size)
        b.send(c, payload)
        check_equal(c.take(30)["payload"], payload, f"{size} bytes")
    a.restart("kill9")
    b.send(c, b"after")
    check_equal(c.take(60)["payload"], b"after", "after a kill of the one between")
    c.restart("kill9")
    c.send(b, b"again")
    check_equal(b.take(60)["payload"], b"again", "after a kill of an end")


@needs_ours
def test_strangers(net):
    """Another key, another name, no TLS, and many who say nothing: refused, told in the log, and members go on."""
    a = member(net, "a", start=False)
    a.extra += ["--metrics-api-address", f"127.0.0.1:{a.api_port}"]
    a.start()
    b = member(net, "b", peers=[a.endpoint()])
    connected(a, b)
    silent = []
    for _ in range(400):
        s = socket.create_connection(("127.0.0.1", a.tcp_port), timeout=10)
        silent.append(s)
    silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
    silent[1].sendall(b"\x16\x03\x01\x40\x00" + os.urandom(3000))
    other_key = member(net, "key", key=KEY[::-1], peers=[a.endpoint()])
    other_name = member(net, "name", network="lab2", peers=[a.endpoint()])
    plain = net.node("plain", peers=[a.endpoint()])
    for n, why in ((other_key, "another network key"), (other_name, "in another network")):
        wait_for(f"the reason at {n.name}", lambda n=n, why=why: why in n.log_file.read_text())
    wait_for("refusals", lambda: failed(a) >= 4)
    late = member(net, "late", peers=[a.endpoint()])
    connected(a, late)
    late.send(b, b"in")
    check_equal(b.take(30)["payload"], b"in", "over a node with strangers at its door")
    check_equal(len(up(a)), 2, "links of a")
    for n in (other_key, other_name, plain):
        check_equal(up(n), [], f"links of {n.name}")
    for s in silent:
        s.close()


@needs_ours
def test_options(net):
    """Half of it, or what cannot be used, is refused at the start; by its second name the program is private or not at all."""
    n = net.node("a", start=False)
    key = n.folder / "network.key"
    key.write_bytes(KEY)
    for args, text in ((["--network-name", "lab"], "need each other"), (["--network-key-file", str(key)], "need each other"),
                       (["--network-name", "x", "--network-key-file", str(key)],
                        "network name must be between 2 and 64 characters"),
                       (["--network-name", "x" * 65, "--network-key-file", str(key)],
                        "network name must be between 2 and 64 characters")):
        r = run(n, *args, "--no-tun")
        check_equal(r.returncode, 1, f"{args}")
        check(r.stderr.startswith("Error: ") and text in r.stderr and r.stderr.count("\n") == 1, r.stderr)
    key.write_bytes(KEY[:31])
    r = run(n, *n.command()[1:], "--network-name", "lab", "--network-key-file", str(key))
    check_equal(r.returncode, 1, "status with a short key")
    check("shorter than 32 bytes" in r.stdout + r.stderr, r.stdout + r.stderr)
    private = n.folder / "mycelium-private"
    private.symlink_to(n.binary.resolve())
    r = subprocess.run([str(private), "--no-tun"], capture_output=True, text=True, timeout=20, check=False)
    check_equal(r.returncode, 1, "status without a network")
    check("--network-name" in r.stderr, r.stderr)
    check_equal(subprocess.run([str(private), "--version"], capture_output=True, timeout=20, check=False).returncode, 0,
                "the version by that name")
