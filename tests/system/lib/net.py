"""All that one test runs: its daemons, relays and raw peers, and the folder they live in."""
import pathlib

from .binary import is_ours, under_test
from .check import check
from .node import Node
from .relay import Relay

FIRST_KEY = 5  # k05 to k24 are ordinary node keys


class Net:
    def __init__(self, folder, long_run=False, sanitized=False):
        self.folder = pathlib.Path(folder)
        self.long, self.sanitized = long_run, sanitized
        self.binary = under_test()
        self.ours = is_ours(self.binary)
        self.nodes, self.relays, self.raw_peers = [], [], []
        self._next_key = FIRST_KEY

    def next_key(self):
        name = f"k{self._next_key:02d}"
        self._next_key += 1
        return name

    def node(self, name, peers=(), binary=None, key=None, extra=(), space=None, start=True):
        """A daemon under test (or of the binary that is given), with its own key, started."""
        n = Node(name, self.folder, binary or self.binary, key or self.next_key(), peers, extra, space)
        self.nodes.append(n)
        return n.start() if start else n

    def pair(self, first=None, second=None):
        """Two daemons, connected: the second dials the first."""
        a = self.node("a", binary=first)
        b = self.node("b", peers=[a.endpoint()], binary=second)
        connected(a, b)
        return a, b

    def relay(self, target_port, **options):
        r = Relay(target_port, **options)
        self.relays.append(r)
        return r

    def check_memory(self, before_kib, node, limit_kib, what):
        """The peak of the daemon's memory grew by less than the limit; sanitizers keep what was freed."""
        grown = node.rss_peak_kib() - before_kib
        check(self.sanitized or grown < limit_kib, f"memory grew by {grown} KiB for {what}")
        return grown

    def raw_peer(self, node, key=None, **options):
        """A scripted peer, connected to the node and known to it by its announcement."""
        from .raw_peer import RawPeer  # needs python3-cryptography
        p = RawPeer(node, key or self.next_key(), **options)
        self.raw_peers.append(p)
        return p

    def close(self):
        for p in self.raw_peers:
            p.close()
        for r in self.relays:
            r.close()
        for n in self.nodes:
            n.kill9()


def connected(a, b, seconds=15.0):
    """Both know the way to the other."""
    a.wait_route(b, seconds)
    b.wait_route(a, seconds)
