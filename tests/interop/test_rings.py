"""Networks of our daemons and reference nodes in every arrangement: all pairs talk, links break and come
back; and how long each kind of ring needs to bring traffic back."""
import statistics

from lib import Failure, Skip, check, limit, long_only, reference
from lib.mesh import Mesh, line, node_killed, outage, reset_cut, ring, silent_cut, star

PAIRS_MAX_S = 30.0
REPAIR_MAX_S = 60.0   # with reference nodes on the way
OUTAGE_MAX_S = 90.0
NEVER = float("inf")
RING = 10
ROUNDS = 5             # odd: the median is one of them


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

def attempt(mesh, event, first, fresh):
    """None: no messages pass in a ring that was repaired before."""
    try:
        return outage(mesh, event, first, OUTAGE_MAX_S)
    except Failure as why:
        check(not fresh, f"a new ring: {why}")
        print(f"# not measured: {why}", flush=True)
        return None


def healed(mesh, o):
    """What broke is brought back; false: the ring is not whole again."""
    try:
        o.mended(mesh)
        return o.worst != NEVER
    except Failure as why:
        print(f"# not whole again: {why}", flush=True)
        return False


def measured(net, event, prefix, binaries, keys):
    """The worst direction of each round, NEVER where traffic did not come back within OUTAGE_MAX_S. A ring
    that has not healed is no state to measure from: then the next round begins with a new one."""
    figures, rings, mesh = [], 0, None
    while len(figures) < ROUNDS:
        fresh = mesh is None
        if fresh:
            rings += 1
            mesh = Mesh(net, binaries, ring(RING), prefix=f"{prefix}{rings}-", keys=keys)
        o = attempt(mesh, event, (3 * len(figures) + 1) % RING, fresh)
        if o is not None:
            figures.append(o.worst)
            check_streams(o)
        if o is None or not healed(mesh, o):
            mesh.kill()
            mesh = None
    if mesh is not None:
        mesh.kill()
    return sorted(figures)


def check_streams(o):
    for s in o.streams:
        s.check_working()
        # A reference forgets what was taken: a repeat whose acknowledgement was lost comes in again.
        check(not s.twice or not s.receiver.ours, f"{s.name}: delivered more than once: {s.twice[:20]}")


def shown(figures):
    return " ".join("never" if f == NEVER else f"{f:.2f}" for f in figures)


def compare(net, event):
    """Of ROUNDS rounds: the median of a mixed ring is not above that of a ring of references, nor does it
    stay without traffic more often. All figures are printed."""
    need_ours(net)
    keys = [net.next_key() for _ in range(RING)]
    theirs = measured(net, event, "reference", [reference()] * RING, keys)
    mixed = measured(net, event, "mixed", alternating(RING, True), keys)
    print(f"# {event.__name__}, {ROUNDS} rounds, seconds: reference ring {shown(theirs)}; "
          f"mixed ring {shown(mixed)}", flush=True)
    check(statistics.median(mixed) <= statistics.median(theirs),
          f"median: mixed {statistics.median(mixed):.2f} s, references {statistics.median(theirs):.2f} s")
    check(mixed.count(NEVER) <= theirs.count(NEVER), "the mixed ring stays without traffic more often")


@limit(240)
@long_only
def test_ring_silent_cut(net):
    compare(net, silent_cut)


@limit(240)
@long_only
def test_ring_reset(net):
    compare(net, reset_cut)


@limit(240)
@long_only
def test_ring_node_killed(net):
    compare(net, node_killed)
