"""A private network with nodes of both kinds. MYCELIUM_REFERENCE_PRIVATE names the reference's program for such networks."""
import os
import pathlib

from lib import Skip, check_equal, limit, wait_for
from lib.net import connected
from test_private import member, up


def private_reference():
    path = pathlib.Path(os.environ.get("MYCELIUM_REFERENCE_PRIVATE", "")).resolve()
    if not path.is_file():
        raise Skip("MYCELIUM_REFERENCE_PRIVATE names no program")
    return path


def theirs(net, name, peers=(), **options):
    n = member(net, name, peers=peers, start=False, **options)
    n.use(private_reference())
    return n.start()


def exchange(a, b):
    connected(a, b, 30)
    for size in (100, 1400, 65536, 1_000_000):
        for sender, receiver in ((a, b), (b, a)):
            payload = os.urandom(size)
            sender.send(receiver, payload)
            check_equal(receiver.take(30)["payload"] == payload, True, f"{size} bytes from {sender.name}")


def roles(net, listening, dialling, scheme):
    """Over both families; ours is killed and comes back."""
    a = listening(net, "a")
    b = dialling(net, "b", peers=[a.endpoint().replace("tcp", scheme)])
    exchange(a, b)
    (a if a.ours else b).restart("kill9")
    exchange(a, b)
    c = dialling(net, "c", peers=[a.endpoint("::1")])
    exchange(a, c)


@limit(180)
def test_dialled(net):
    private_reference()
    roles(net, member, theirs, "tcp")


@limit(180)
def test_dialling(net):
    roles(net, theirs, member, "tls")


@limit(120)
def test_strangers(net):
    """Another key and another name, in both directions: told, and nobody is let in."""
    a = theirs(net, "a")
    for name, options, why in (("key", {"key": bytes(32)}, "another network key"), ("name", {"network": "lab2"}, "in another network")):
        n = member(net, name, peers=[a.endpoint()], **options)
        wait_for("the reason", lambda n=n, why=why: why in n.log_file.read_text())
        check_equal(up(n), [], "links")
    b = member(net, "b")
    for name, options, why in (("key2", {"key": bytes(32)}, "another network key"), ("name2", {"network": "lab2"}, "in another network")):
        before = len(b.log_file.read_text())
        theirs(net, name, peers=[b.endpoint()], **options)
        wait_for("the reason at ours", lambda why=why, before=before: why in b.log_file.read_text()[before:])
    check_equal(up(b), [], "links of ours")
