"""A message every so often from one node to another, with the times of each: sent, arrived."""
import base64
import threading
import time

from .check import check, retry_until
from .rest import Broken

EVERY_S = 0.1
TOPIC = b"stream"
_PATH = "/messages?timeout=1&topic=" + base64.b64encode(TOPIC).decode()


class Stream:
    """Sends and takes in threads of its own from the moment it is made until end()."""

    def __init__(self, sender, receiver, every=EVERY_S):
        self.sender, self.receiver, self.every = sender, receiver, every
        self.sent, self.arrived, self.twice = {}, {}, []  # number -> time; numbers
        self.error = None
        self._ended, self._stopped = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=f, args=(g,), daemon=True)
                         for f, g in ((self._guard, self._send), (self._guard, self._take))]
        for t in self._threads:
            t.start()

    @property
    def name(self):
        return f"{self.sender.name} to {self.receiver.name}"

    def _guard(self, work):
        try:
            work()
        except Exception as e:  # reported by check_whole()
            self.error = e

    def _send(self):
        number, due = 0, time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            self.sender.send(self.receiver, b"%d %s" % (number, self.name.encode()), TOPIC, timeout=30)
            self.sent[number] = now
            number += 1
            due = max(due + self.every, time.monotonic() - 1.0)
            self._ended.wait(max(0.0, due - time.monotonic()))

    def _take(self):
        while not self._stopped.is_set():
            try:
                a = self.receiver.call("GET", _PATH, timeout=30)
            except Broken:
                if self._stopped.is_set():
                    return
                raise
            if a.status != 200:
                continue
            now = time.monotonic()
            number, _, name = base64.b64decode(a.json()["payload"]).partition(b" ")
            check(name == self.name.encode(), f"{self.name}: {name!r} arrived")
            if int(number) in self.arrived:
                self.twice.append(int(number))
            self.arrived.setdefault(int(number), now)

    # ---- questions

    def first_after(self, moment):
        """Seconds from the moment to the first arrival of a message that was sent after it, or None."""
        times = [t for n, t in list(self.arrived.items()) if self.sent.get(n, 0.0) >= moment]
        return min(times) - moment if times else None

    def caught_up_after(self, moment):
        """Seconds from the moment until all was there that had been sent when traffic came back."""
        first = self.first_after(moment)
        if first is None:
            return None
        times = [self.arrived.get(n) for n, t in list(self.sent.items()) if t <= moment + first]
        return None if None in times else max(0.0, max(times) - moment)

    def wait_first_after(self, moment, seconds):
        """As first_after, waited for; None if it did not come within `seconds` of the moment."""
        def there():
            return self.error or self.first_after(moment) is not None
        retry_until(there, max(0.1, moment + seconds - time.monotonic()), step=0.01)
        return self.first_after(moment)

    # ---- the end

    def end(self, seconds):
        """No more is sent; waits until all is there, at most `seconds`, and a little more for what may
        come twice. Returns how many are missing."""
        self._ended.set()
        self._threads[0].join(40)
        retry_until(lambda: self.error or len(self.arrived) == len(self.sent), seconds, step=0.05)
        time.sleep(0.3)
        self._stopped.set()
        self._threads[1].join(10)
        return len(self.sent) - len(self.arrived)

    def check_working(self):
        check(self.error is None, f"{self.name}: {type(self.error).__name__}: {self.error}")

    def check_whole(self):
        """After end()."""
        self.check_working()
        check(not self.twice, f"{self.name}: delivered more than once: {self.twice[:20]}")
        missing = sorted(set(self.sent) - set(self.arrived))
        check(not missing, f"{self.name}: not delivered: {missing[:20]} ({len(missing)} of {len(self.sent)})")
