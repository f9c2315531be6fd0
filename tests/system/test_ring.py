"""A ring of ten daemons, messages both ways every 100 ms, and a link or a node on their way fails: how
long until messages arrive again, and that none is lost or arrives twice. One line for each event."""
from lib import Skip, check, limit, needs_ours, scaled, spaces
from lib.mesh import Mesh, node_killed, outages, reset_cut, ring, silent_cut

NODES = 10
REPAIR_MAX_S = 5.0
ROUNDS, ROUNDS_LONG = 2, 10


def repair(net, event, cables=False):
    mesh = Mesh(net, [None] * NODES, ring(NODES), cables)
    rounds = list(outages(mesh, event, ROUNDS_LONG if net.long else ROUNDS, 60))
    for o in rounds:
        o.check_whole()
    late = [o.text for o in rounds if o.worst > scaled(REPAIR_MAX_S)]
    check(not late, f"later than {scaled(REPAIR_MAX_S):g} s: {late}")


@limit(240)
@needs_ours
def test_silent_link(net):
    """The transport still acknowledges, nothing else comes."""
    repair(net, silent_cut)


@limit(240)
@needs_ours
def test_silent_cable(net):
    """Between network namespaces, so that not even acknowledgements come."""
    if spaces.why_not():
        raise Skip(spaces.why_not())
    repair(net, silent_cut, cables=True)


@limit(240)
@needs_ours
def test_link_reset(net):
    repair(net, reset_cut)


@limit(240)
@needs_ours
def test_node_killed(net):
    repair(net, node_killed)
