"""The pieces of the crash tests: clients that keep books, and a killer with a seed.

Books are kept by the payload, `<number> <filling>`: the number says which message it is. A client
records what it was told and never repeats a call, so that every message is one of: accepted (201 was
read), maybe (the answer was lost on the way, so it may exist or not), refused."""
import base64
import collections
import random
import threading
import time

from .check import check, scaled
from .rest import Broken


def payload_of(number, size):
    head = b"%d " % number
    return head + b"." * max(0, size - len(head))


def number_of(payload):
    return int(payload.split(b" ", 1)[0])


def size_of(number):
    """Mostly small, some of several chunks."""
    return (20, 300, 1024, 1301, 4000, 20000)[number % 6]


class Senders:
    """Threads that send numbered messages from one node to another until all numbers are used."""

    def __init__(self, sender, receiver, first, count, threads, pause=0.0):
        self.sender, self.receiver, self.pause = sender, receiver, pause
        self.numbers = collections.deque(range(first, first + count))
        self.accepted, self.maybe, self.refused = {}, set(), collections.Counter()
        self._lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def _run(self):
        while True:
            with self._lock:
                if not self.numbers:
                    return
                number = self.numbers.popleft()
            self._send(number)
            time.sleep(self.pause)

    def _send(self, number):
        try:
            a = self.sender.post(self.receiver, payload_of(number, size_of(number)), b"crash", timeout=30)
        except Broken as e:
            with self._lock:
                if e.sent:
                    self.maybe.add(number)
                else:
                    self.numbers.append(number)  # nothing went out: the daemon is away
            time.sleep(0.02)
            return
        with self._lock:
            if a.status == 201:
                self.accepted[number] = a.json()["id"]
                return
            self.refused[a.status] += 1
            if a.status in (429, 503, 507):
                self.numbers.append(number)
        time.sleep(0.05)

    def running(self):
        return any(t.is_alive() for t in self.threads)

    def join(self, seconds):
        end = time.monotonic() + scaled(seconds)
        for t in self.threads:
            t.join(max(0.0, end - time.monotonic()))
        check(not self.running(), f"the clients did not end within {scaled(seconds):g} s")


class Takers:
    """Threads that pop from a node. A pop whose answer was lost may have taken one message."""

    def __init__(self, node, threads, timeout=1):
        self.node, self.timeout = node, timeout
        self.taken, self.lost_answers, self.empty = collections.Counter(), 0, 0
        self.last = time.monotonic()
        self._stop, self._lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                a = self.node.call("GET", f"/messages?topic=Y3Jhc2g%3D&timeout={self.timeout}", timeout=30)
            except Broken as e:
                with self._lock:
                    self.lost_answers += 1 if e.sent else 0
                time.sleep(0.02)
                continue
            with self._lock:
                if a.status == 200:
                    payload = base64.b64decode(a.json()["payload"])
                    number = number_of(payload)
                    check(payload == payload_of(number, size_of(number)), f"payload of {number} is damaged")
                    self.taken[number] += 1
                    self.last = time.monotonic()
                else:
                    self.empty += 1
            if a.status not in (200, 204):
                time.sleep(0.05)

    def wait(self, wanted, seconds, quiet=0.0):
        """Until all of `wanted` were taken and nothing came for `quiet` seconds, or the time is over."""
        end = time.monotonic() + scaled(seconds)
        while time.monotonic() < end:
            with self._lock:
                complete = all(n in self.taken for n in wanted)
                silent = time.monotonic() - self.last
            if complete and silent >= quiet:
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        self._stop.set()
        for t in self.threads:
            t.join(40)


class Killer:
    """Kills and restarts nodes at random moments, in its own thread, until stopped."""

    def __init__(self, nodes, seed, between, down):
        self.nodes, self.between, self.down = nodes, between, down
        self.random, self.kills = random.Random(seed), collections.Counter()
        self.error, self._stop = None, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self._stop.wait(self.random.uniform(*self.between)):
                node = self.random.choice(self.nodes)
                node.kill9()
                self.kills[node.name] += 1
                time.sleep(self.random.uniform(*self.down))
                node.start()
        except Exception as e:  # reported by stop()
            self.error = e

    def stop(self):
        self._stop.set()
        self.thread.join(60)
        if self.error is not None:
            raise self.error
        for n in self.nodes:
            n.check_running()


def compare(senders, takers, allowance=0):
    """Exactly once for what was accepted, at most once for what may have been. allowance: messages
    that may be missing, one for each pop whose answer was lost. Returns how many are missing."""
    twice = sorted(n for n, c in takers.taken.items() if c > 1)
    unknown = sorted(set(takers.taken) - set(senders.accepted) - senders.maybe)
    missing = sorted(set(senders.accepted) - set(takers.taken))
    check(not twice, f"delivered more than once: {twice[:20]} ({len(twice)})")
    check(not unknown, f"delivered, but never sent: {unknown[:20]} ({len(unknown)})")
    check(len(missing) <= allowance,
          f"accepted and not delivered: {missing[:20]} ({len(missing)}, {allowance} may be missing)")
    return len(missing)
