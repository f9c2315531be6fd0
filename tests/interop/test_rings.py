"""Networks of our daemons and reference nodes in every arrangement: all pairs talk, links break and come
back; and how long each kind of ring needs to bring traffic back."""
import statistics

from lib import Skip, check, limit, long_only, reference
from lib.mesh import Mesh, line, node_killed, outages, reset_cut, ring, silent_cut, star

PAIRS_MAX_S = 30.0
REPAIR_MAX_S = 60.0   # with reference nodes on the way
OUTAGE_MAX_S = 90.0
RING = 10
ROUNDS = 2


def need_ours(net):
    if not net.ours:
        raise Skip("the binary under test is not our daemon")


def alternating(count, ours_first):
    return [None if (i % 2 == 0) == ours_first else reference() for i in range(count)]


def all_pairs(net, binaries, edges):
    need_ours(net)
    mesh = Mesh(net, binaries, edges)
    mesh.exchange_all(PAIRS_MAX_S, "first")
    mesh.exchange_all(PAIRS_MAX_S, "again")


def test_line_with_ours_at_the_ends(net):
    all_pairs(net, alternating(5, True), line(5))


def test_line_with_the_reference_at_the_ends(net):
    all_pairs(net, alternating(5, False), line(5))


def test_star_of_references_around_ours(net):
    all_pairs(net, [None] + [reference()] * 5, star(6))


def test_star_of_ours_around_a_reference(net):
    all_pairs(net, [reference()] + [None] * 5, star(6))


@limit(300)
def test_mixed_ring_with_a_cut_and_a_repair(net):
    need_ours(net)
    mesh = Mesh(net, alternating(6, True), ring(6))
    mesh.exchange_all(PAIRS_MAX_S, "whole")
    mesh.settle()
    for k in (1, 4):  # ours dialled by a reference, then the other way round
        mesh.links[k].cut()
        mesh.exchange_all(REPAIR_MAX_S, f"link {k} cut")
        mesh.links[k].mend()
        mesh.wait_connected()
        mesh.exchange_all(REPAIR_MAX_S, f"link {k} back")


# ---- the same events in a ring of reference nodes and in a mixed one

def measured(net, event, prefix, binaries):
    """The worst direction of each round, infinite where traffic did not come back."""
    print(f"# {prefix} ring", flush=True)
    mesh = Mesh(net, binaries, ring(RING), prefix=prefix)
    figures = []
    for o in outages(mesh, event, ROUNDS, OUTAGE_MAX_S):
        figures.append(o.worst)
        for s in o.streams:
            s.check_working()
            # A reference forgets what was taken: a repeat whose acknowledgement was lost comes in again.
            check(not s.twice or not s.receiver.ours, f"{s.name}: delivered more than once: {s.twice[:20]}")
        if o.worst == float("inf"):
            break  # the next round would begin with a network that does not carry
    mesh.kill()
    return statistics.median(figures)


def compare(net, event):
    """A mixed ring is no slower than one of references alone, where that one recovers at all."""
    need_ours(net)
    theirs = measured(net, event, "reference", [reference()] * RING)
    mixed = measured(net, event, "mixed", alternating(RING, True))
    check(mixed <= theirs or theirs == float("inf"),
          f"{event.__name__}: a mixed ring took {mixed:.2f} s, a ring of references {theirs:.2f} s")


@limit(600)
@long_only
def test_ring_silent_cut(net):
    compare(net, silent_cut)


@limit(600)
@long_only
def test_ring_reset(net):
    compare(net, reset_cut)


@limit(600)
@long_only
def test_ring_node_killed(net):
    compare(net, node_killed)
