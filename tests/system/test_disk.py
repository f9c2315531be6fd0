"""Disks that are full, fail, or come back with other bytes: refused in clear words, nothing acknowledged,
nothing lost, no crash, and work goes on when the disk does."""
import ctypes
import os
import pathlib
import struct
import subprocess

from lib import Skip, check, check_equal, limit, needs_ours, needs_wire, wait_for
from lib.node import pattern
from lib.programs import preloaded

CLONE_NEWNS = 0x00020000
DISK_MIB = 96
FREE_MIN_MIB = 32  # less free space, and nothing new is stored (docs/protocol/durability.md, "Schema")


def small_disk(folder):
    """A file system of its own on the folder, seen by this test and its daemons only: it is gone with them."""
    if os.geteuid() != 0:
        raise Skip("only root can mount")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip("no mount namespaces here")
    folder.mkdir(parents=True)
    for command in (["mount", "--make-rprivate", "/"],
                    ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(folder)]):
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            raise Skip("cannot mount here")


def free_bytes(folder):
    s = os.statvfs(folder)
    return s.f_bavail * s.f_frsize


def fill(folder, leave):
    """Puts a file there so that no more than `leave` bytes stay free; returns its path."""
    ballast = folder / "ballast"
    with open(ballast, "wb") as f:
        while (left := free_bytes(folder) - leave) > 0:
            try:
                f.write(bytes(min(left, 1 << 20)))
                f.flush()
            except OSError:
                break
    return ballast


def silent(peer, payload, identifier):
    """The node acknowledges nothing of the message."""
    from lib import wire
    peer.forget()
    peer.send_message(payload, identifier=identifier)
    answers = [wire.flags_of(p) for p in peer.collect(0.5) if wire.flags_of(p) & wire.ACK]
    check_equal(answers, [], "acknowledgements on a full disk")


@limit(90)
@needs_ours
@needs_wire
def test_full_disk(net):
    from lib import wire
    node = net.node("node", start=False)
    small_disk(node.state_dir)
    node.start()
    peer = net.raw_peer(node)
    kept = peer.send_message(b"was here before")
    peer.expect(wire.DONE | wire.ACK, kept)
    accepted = node.send(peer.ip, b"accepted before")
    for leave in (16 << 20, 0):
        ballast = fill(node.state_dir, leave)
        wait_for("a message is refused", lambda: node.post(peer, b"x").status != 201, 10)
        a = node.api.call("POST", "/bus/v1/messages", {"dst": {"ip": peer.ip}, "payload": "eA=="})
        check_equal((a.status, a.json()["code"]), (507, "store-full"), f"answer with {leave} bytes left")
        identifier = os.urandom(8)
        silent(peer, b"not stored", identifier)
        check_equal(node.call("GET", "/admin").status, 200, "an ordinary call")
        check_equal(node.take(peek=True)["payload"], b"was here before", "peek")
        ballast.unlink()
        wait_for("messages are accepted again", lambda: node.post(node, b"to itself").status == 201, 10)
        check_equal(node.take(5, peek=True)["id"], kept.hex(), "the first one")
        peer.forget()
        peer.send_message(b"not stored", identifier=identifier)
        peer.expect(wire.DONE | wire.ACK, identifier)
    # What removes rows goes on with little room: a full store can be emptied.
    ballast = fill(node.state_dir, 16 << 20)
    check_equal(node.take(5)["id"], kept.hex(), "pop with little room")
    ballast.unlink()
    node.restart("kill9")
    check_equal(node.status(accepted), "pending", "what was accepted before")
    taken = []
    while (m := node.take()) is not None:
        taken.append(m["payload"])
    check_equal(taken.count(b"not stored"), 2, "messages that were refused at first")
    check_equal(set(taken), {b"not stored", b"to itself"}, "the rest of the inbox")


@limit(120)
@needs_ours
@needs_wire
def test_failing_disk(net):
    """Every answer of a client is the truth: 201 is there after kill -9, anything else may be repeated."""
    from lib import wire
    if net.sanitized:
        raise Skip("a sanitizer wants to be loaded first")
    control = net.folder / "disk"
    control.write_bytes(bytes(4))

    def fault(number):
        with open(control, "r+b") as f:
            f.write(struct.pack("=i", number))

    with preloaded("disk.c") as library:
        node = net.node("node", start=False)
        node.environment = {"LD_PRELOAD": str(library), "DISK_FILE": str(control)}
        node.start()
        peer = net.raw_peer(node)
        accepted = []
        for number, statuses in ((1, (503,)), (2, (507,)), (3, (503,))):
            accepted.append(node.send(peer.ip, b"before %d" % number))
            fault(number)
            for _ in range(3):
                a = node.post(peer, b"while")
                check(a.status in statuses, f"fault {number}: {a.status} {a.text}")
            identifier = os.urandom(8)
            silent(peer, pattern(300), identifier)
            check_equal(node.call("GET", "/admin").status, 200, "an ordinary call")
            fault(0)
            wait_for("the store works again", lambda: node.post(peer, b"probe").status == 201, 10)
            peer.forget()
            peer.send_message(pattern(300), identifier=identifier)
            peer.expect(wire.DONE | wire.ACK, identifier)
            check_equal(node.take(5)["id"], identifier.hex(), "the message that was not stored at first")
            check(node.take() is None, "it came twice")
            accepted.append(node.send(peer.ip, b"after %d" % number))
        node.restart("kill9")
        check_equal([node.status(i) for i in accepted], ["pending"] * len(accepted), "what was accepted")


def damaged_files(node):
    return sorted(p for p in node.state_dir.iterdir() if "damaged" in p.name)


@limit(60)
@needs_ours
def test_damaged_database(net):
    """Not started, kept aside as it was, named in the log; an operator decides."""
    node = net.node("node")
    for i in range(300):
        node.send("400::1", b"%d " % i + bytes(1000))
    node.stop()
    database = node.state_dir / "bus.db"
    content = bytearray(database.read_bytes())
    check(len(content) > 40000, f"{len(content)} bytes of database")
    for at in range(8192, len(content), 4096):
        content[at:at + 64] = os.urandom(64)
    database.write_bytes(content)
    for again in (False, True):
        node.start(wait=False)
        check_equal(node.process.wait(15), 1, "exit status with a damaged database")
        kept = [p for p in damaged_files(node) if not p.name.endswith(("-wal", "-shm"))]
        check_equal(len(kept), 1, "files that are kept aside")
        check_equal(kept[0].read_bytes() == bytes(content), True, "the file is as it was")
        check(kept[0].name in node.log_tail(8), f"the log names the file:\n{node.log_tail(8)}")
        check(not database.exists() or database.stat().st_size == 0, "nothing took its place")
    elsewhere = pathlib.Path(net.folder) / "elsewhere"
    elsewhere.mkdir()
    for p in damaged_files(node):
        p.rename(elsewhere / p.name)
    node.start()
    check_equal(node.api.call("GET", "/bus/v1/outbox").json()["entries"], [], "a new store")


@limit(60)
@needs_ours
def test_torn_log(net):
    """What a crash left behind the last commit is no damage."""
    node = net.node("node")
    ids = [node.send("400::1", b"%d" % i) for i in range(20)]
    node.kill9()
    log = node.state_dir / "bus.db-wal"
    with open(log, "ab") as f:
        f.write(os.urandom(5000))
    node.start()
    check_equal({node.status(i) for i in ids}, {"pending"}, "states")
