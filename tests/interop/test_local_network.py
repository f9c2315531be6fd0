"""Local discovery with a reference node, whoever started first."""
from lib import check_equal, limit, reference
from lib.net import connected
from test_discovery import room, started


def found(net, first, second):
    nodes = room(net, "a", "b")
    for n, binary in zip(nodes, (first, second)):
        n.use(binary or net.binary)
    a, b = nodes
    started(a)
    started(b)
    connected(a, b, 90)
    a.send(b, b"to b")
    check_equal(b.take(20)["payload"], b"to b", "payload")
    b.send(a, b"to a")
    check_equal(a.take(20)["payload"], b"to a", "payload")


@limit(180)
def test_reference_second(net):
    found(net, None, reference())


@limit(180)
def test_reference_first(net):
    found(net, reference(), None)
