"""Networks of daemons in which every link can be broken, and how long traffic takes to come back."""
import threading
import time

from .check import check, scaled, wait_for
from .relay import Relay
from .spaces import Cables, Space
from .stream import Stream

CONNECT_MAX_S = 40.0
# In the first 4 s of its life a node gives no newer seqno (docs/protocol/routing.md, "Constants and timers").
SETTLE_S = 5.0
WAY_MAX_S = 30.0
WATCH_S = 0.5  # how long the relays are watched to see which way the messages take


def line(count):
    """The second dials the first, the third the second..."""
    return [(i + 1, i) for i in range(count - 1)]


def ring(count):
    return line(count) + [(0, count - 1)]


def star(count):
    """The first in the middle: it dials half of the others and is dialled by the rest."""
    return [(0, i) if i % 2 else (i, 0) for i in range(1, count)]


class Mesh:
    """binaries: one for each node, None for the daemon under test. edges: (dialler, listener) by number.
    cables: links as interfaces between namespaces instead of relays. keys: names of the nodes' keys, for a
    mesh that takes the place of another.

    `links[k]` belongs to `edges[k]`: a Relay or a Cable."""

    def __init__(self, net, binaries, edges, cables=False, prefix="n", keys=None):
        self.edges = edges
        self._late = set()  # (receiver, payload): may still arrive, at most once
        spaces = [Space() if cables else None for _ in binaries]
        keys = keys or [net.next_key() for _ in binaries]
        self.nodes = [net.node(f"{prefix}{i}", binary=b, space=s, key=k, start=False)
                      for i, (b, s, k) in enumerate(zip(binaries, spaces, keys))]
        hub = Cables() if cables else None
        self.links = []
        for dialler, listener in edges:
            target = self.nodes[listener]
            if cables:
                self.links.append(hub.link(spaces[dialler], spaces[listener]))
                endpoint = target.endpoint(self.links[-1].listener_address)
            else:
                self.links.append(net.relay(target.tcp_port))
                endpoint = self.links[-1].endpoint()
            self.nodes[dialler].peers.append(endpoint)
        for n in self.nodes:
            n.start(wait=False)
        for n in self.nodes:
            n.wait_ready()
        self.wait_connected()
        self.settled_at = time.monotonic() + SETTLE_S

    def wait_connected(self):
        for i, n in enumerate(self.nodes):
            n.wait_peers(sum(i in e for e in self.edges), CONNECT_MAX_S)

    def settle(self):
        time.sleep(max(0.0, self.settled_at - time.monotonic()))

    def kill(self):
        """All of it, to make room for the next."""
        for n in self.nodes:
            n.kill9()
        for link in self.links:
            if isinstance(link, Relay):
                link.close()

    # ---- the way that messages take

    def way(self, stream):
        """The numbers of the links that the stream uses, in order from its sender."""
        return wait_for(f"the messages from {stream.name} take one way", lambda: self._way(stream), WAY_MAX_S, 0.1)

    def _way(self, stream):
        """None if what was seen is no way from end to end: no message passed meanwhile, or it changed."""
        if isinstance(self.links[0], Relay):
            to = stream.receiver.identity.address
            before = [link.carried[to] for link in self.links]
            time.sleep(WATCH_S)
            used = {k for k, link in enumerate(self.links) if link.carried[to] - before[k] >= 2}
        else:
            used = set(range(len(self.links)))
        here, end, way = self.nodes.index(stream.sender), self.nodes.index(stream.receiver), []
        while here != end:
            found = [k for k in used - set(way) if here in self.edges[k] and self._leads(k, here, stream)]
            if len(found) != 1:
                return None
            way.append(found[0])
            here = sum(self.edges[found[0]]) - here
        return way

    def _leads(self, k, here, stream):
        """For cables the table of the node says it; the relays have counted."""
        link = self.links[k]
        if isinstance(link, Relay):
            return True
        subnet = stream.receiver.identity.subnet
        return any(r["subnet"] == subnet and link.owns(r["nextHop"])
                   for r in self.nodes[here].get("/admin/routes/selected"))

    # ---- every pair

    def exchange_all(self, seconds, text, needed=lambda sender, receiver: True):
        """Every node sends to every other one, all at once; everything arrives, and once at ours. (Another
        program forgets what was taken: a repeat whose acknowledgement was lost comes in again.)
        needed(sender, receiver): false for pairs whose message may be late; a line notes them."""
        errors, late = [], []

        def work(node):
            try:
                late.extend((n, node) for n in self._exchange(node, seconds, text))
            except Exception as e:
                errors.append(e)

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in self.nodes]
        for t in threads:
            t.start()
        for t in threads:
            t.join(scaled(seconds) + 30)
        if errors:
            raise errors[0]
        names = " ".join(sorted(f"{a.name}-{b.name}" for a, b in late))
        if late:
            print(f"# {text}: of {len(self.nodes) * (len(self.nodes) - 1)} not within {scaled(seconds):g} s: {names}",
                  flush=True)
        check(not any(needed(a, b) for a, b in late), f"{text}: nothing within {scaled(seconds):g} s: {names}")
        for n in self.nodes:
            check(not n.ours or n.take() is None, f"{n.name}: something arrived twice")

    def _exchange(self, node, seconds, text):
        others = [n for n in self.nodes if n is not node]
        for n in others:
            node.send(n, _pair_payload(node, n, text), timeout=30)
        wanted = {n.ip: _pair_payload(n, node, text) for n in others}
        end = time.monotonic() + scaled(seconds)
        while wanted and time.monotonic() < end:
            m = node.take(1)
            if m is None:
                continue
            if wanted.get(m["srcIp"]) == m["payload"]:
                del wanted[m["srcIp"]]
            elif (node, m["payload"]) in self._late:
                self._late.discard((node, m["payload"]))
            else:
                check(not node.ours, f"{node.name}: a second time, or not expected: {m}")
        self._late |= {(node, payload) for payload in wanted.values()}
        return [n for n in others if n.ip in wanted]


def _pair_payload(sender, receiver, text):
    return f"{sender.name} to {receiver.name} {text} ".encode() * 60  # more than one chunk


# ---- events on a ring

def silent_cut(mesh, way):
    """The link in the middle of the way swallows everything; its ends are not told."""
    link = mesh.links[way[len(way) // 2]]
    link.silence()
    return link.mend


def reset_cut(mesh, way):
    """Both ends of the link see a reset, and the dialler is refused from then on."""
    link = mesh.links[way[len(way) // 2]]
    link.reset()
    return link.mend


def node_killed(mesh, way):
    """kill -9 of the node at the near end of the link in the middle. Relays would go on listening for it:
    they end with it."""
    k = len(way) // 2
    number = (set(mesh.edges[way[k - 1]]) & set(mesh.edges[way[k]])).pop()
    links = [link for link, edge in zip(mesh.links, mesh.edges) if number in edge]
    mesh.nodes[number].kill9()
    for link in links:
        link.cut()

    def mend():
        for link in links:
            link.mend()
        mesh.nodes[number].start()
    return mend


class Outage:
    """What one event did to the traffic between two nodes, both ways; seconds from the event, None if
    nothing came within the time."""

    def __init__(self, mesh, first, second, event, wait_s):
        a, b = mesh.nodes[first], mesh.nodes[second]
        streams = [Stream(a, b), Stream(b, a)]
        for s in streams:
            wait_for(f"messages from {s.name} arrive", lambda s=s: s.error or len(s.arrived) >= 3, CONNECT_MAX_S)
            s.check_working()
        mesh.settle()
        way = mesh.way(streams[0])
        self.mend = event(mesh, way)
        moment = time.monotonic()
        self.resumed = [s.wait_first_after(moment, wait_s) for s in streams]
        self.lost = [s.end(20.0 if r is not None else 0.5) for s, r in zip(streams, self.resumed)]
        self.caught_up = [s.caught_up_after(moment) for s in streams]
        self.streams = streams
        self.twice = sum(len(s.twice) for s in streams)
        self.text = (f"{event.__name__.replace('_', ' ')}, {a.name} and {b.name}, "
                     f"{len(way)} links between: messages again after {_shown(self.resumed, wait_s)}, "
                     f"all caught up after {_shown(self.caught_up, wait_s)}, "
                     f"{sum(len(s.sent) for s in streams)} sent, {sum(self.lost)} not delivered, {self.twice} twice")

    def mended(self, mesh):
        """Brings back what broke, and waits until all links are there."""
        self.mend()
        mesh.wait_connected()
        mesh.settled_at = time.monotonic() + 1.0

    @property
    def worst(self):
        """Of the two directions; infinite if one did not come back."""
        return max(float("inf") if r is None else r for r in self.resumed)

    def check_whole(self):
        for s in self.streams:
            s.check_whole()


def _shown(figures, wait_s):
    return " and ".join(f"not within {wait_s:g} s" if f is None else f"{f:.2f} s" for f in figures)


def outage(mesh, event, first, wait_s):
    """Between this node and the third after it; noted in a line."""
    o = Outage(mesh, first, (first + 3) % len(mesh.nodes), event, wait_s)
    print("# " + o.text, flush=True)
    return o


def outages(mesh, event, rounds, wait_s, step=3):
    """Round k: between the nodes 3 k + 1 and 3 k + 4, each line noted; the link or node is brought back
    before the next round. Yields each Outage."""
    for k in range(rounds):
        o = outage(mesh, event, (step * k + 1) % len(mesh.nodes), wait_s)
        yield o
        if k + 1 < rounds:
            o.mended(mesh)
