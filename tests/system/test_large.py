"""Large messages between two daemons: with little memory at both, and over the death of either in the
middle, which repeats little."""
import hashlib
import http.client
import os
import re
import signal
import time

from lib import check, check_equal, limit, needs_ours, wait_for

MIB = 1 << 20
CHUNK = 1300
WINDOW_MAX = 8192  # chunks under way to one node
RAW = "application/octet-stream"
BLOCK = os.urandom(MIB)  # incompressible, and made once
MEMORY_KIB = 64 * 1024   # what a node may grow by: pieces, queues of links, records of chunks


def blocks(count):
    """count MiB, each block told apart by its first bytes."""
    for i in range(count):
        yield i.to_bytes(8, "big") + BLOCK[8:]


def push(a, b, count):
    c = http.client.HTTPConnection("127.0.0.1", a.api_port, timeout=300)
    c.request("POST", f"/bus/v1/messages?dst={b.ip}&topicText=large&ttlMs=3600000", blocks(count),
              {"content-type": RAW, "content-length": str(count * MIB)})
    r = c.getresponse()
    text = r.read()
    c.close()
    check_equal(r.status, 201, f"POST of {count} MiB ({text[:200]!r})")


def arrived(b):
    entries = b.api.call("GET", "/bus/v1/inbox?state=ready").json()["entries"]
    return entries[0]["seq"] if entries else None


def check_payload(b, seq, count):
    c = http.client.HTTPConnection("127.0.0.1", b.api_port, timeout=300)
    c.request("GET", f"/bus/v1/inbox/{seq}/payload")
    r = c.getresponse()
    check_equal(r.status, 200, "GET payload")
    have, want = hashlib.sha256(), hashlib.sha256()
    for block in blocks(count):
        want.update(block)
        have.update(r.read(MIB))
    c.close()
    check_equal(have.hexdigest(), want.hexdigest(), "payload")


def chunks_of(length):
    return -(-length // CHUNK)


def chunks_sent(node):
    """Since its start: from the log, on SIGUSR1."""
    seen = node.log_file.read_text().count("bus packets")
    node.process.send_signal(signal.SIGUSR1)
    wait_for("the log line", lambda: node.log_file.read_text().count("bus packets") > seen)
    line = [l for l in node.log_file.read_text().splitlines() if "bus packets" in l][-1]
    return int(re.search(r"\bchunk=(\d+)", line).group(1))


def files(node):
    return [f for f in (node.state_dir / "spool").iterdir()]


def coming(node):
    """Bytes of the file that a message is arriving in."""
    return max((f.stat().st_size for f in files(node)), default=0)


def gone_everywhere(a, b, seq):
    check_equal(b.api.call("DELETE", f"/bus/v1/inbox/{seq}").status, 204, "DELETE")
    wait_for("no files", lambda: not files(a) and not files(b))


@needs_ours
@limit(900)
def test_large_memory(net):
    """Beside it a small one is not held up."""
    a, b = net.pair()
    a.send(b, b"warm")
    check(b.take(10) is not None, "the first message did not arrive")
    before = a.rss_peak_kib(), b.rss_peak_kib()
    for count in (64, 1023) if net.long else (64,):
        began = time.monotonic()
        push(a, b, count)
        up = time.monotonic()
        worst = 0.0
        while arrived(b) is None:
            start = time.monotonic()
            a.send(b, b"small", b"small")
            check(b.take(30, topic=b"small") is not None, "a small message did not arrive")
            worst = max(worst, time.monotonic() - start)
            check(start - began < 600, f"{count} MiB did not arrive")
        took = time.monotonic() - up
        sent = chunks_sent(a)
        grown = a.rss_peak_kib() - before[0], b.rss_peak_kib() - before[1]
        print(f"# {count} MiB: up in {up - began:.1f} s, there {took:.1f} s later ({count / took:.0f} MiB/s); "
              f"{sent} chunks for {chunks_of(count * MIB)}; memory grew by {grown[0]} and {grown[1]} KiB; "
              f"slowest small message {worst * 1000:.0f} ms")
        net.check_memory(before[0], a, MEMORY_KIB, f"sending {count} MiB")
        net.check_memory(before[1], b, MEMORY_KIB, f"receiving {count} MiB")
        seq = arrived(b)
        check_payload(b, seq, count)
        gone_everywhere(a, b, seq)


def begin(net, count):
    """A pair of nodes, the second has about a third of a message of count MiB."""
    a, b = net.pair()
    a.send(b, b"warm")
    check(b.take(10) is not None, "the first message did not arrive")
    push(a, b, count)
    wait_for("a third of it", lambda: coming(b) > count * MIB // 3, seconds=120, step=0.002)
    check(arrived(b) is None, "it was there already")
    return a, b


def check_end(a, b, count, twice, what):
    """Twice is what was acknowledged since the last row, one in a hundred with what else is lost on a
    busy machine, and what was on its way: a window, which the sender reports nowhere, but which has
    a limit. Nothing new leaves into a silence."""
    chunks = chunks_of(count * MIB)
    print(f"# {count} MiB, {what}: {twice} of {chunks} chunks twice")
    at_most = chunks // 100 + WINDOW_MAX
    check(0 <= twice <= at_most, f"{twice} chunks were sent twice, {at_most} at most")
    seq = arrived(b)
    check_payload(b, seq, count)
    gone_everywhere(a, b, seq)


@needs_ours
@limit(600)
def test_large_sender_killed(net):
    """What the receiver's file has is not sent again."""
    count = 512 if net.long else 96
    a, b = begin(net, count)
    a.kill9()
    wait_for("the file to rest", lambda: coming(b) == (time.sleep(0.2), coming(b))[1])
    there = coming(b)
    a.start()
    wait_for("the message", lambda: arrived(b), seconds=120, step=0.05)
    twice = chunks_sent(a) - chunks_of(count * MIB - there)
    check_end(a, b, count, twice, f"a killed, {there / MIB:.1f} MiB there")


def receiver_killed(net, count, pause):
    a, b = begin(net, count)
    there = coming(b)
    before = chunks_sent(a)
    b.restart("kill9", pause)
    began = time.monotonic()
    wait_for("the message", lambda: arrived(b), seconds=120, step=0.05)
    took = time.monotonic() - began
    check_end(a, b, count, chunks_sent(a) - chunks_of(count * MIB),
              f"b killed for {pause} s at {there / MIB:.1f} MiB ({before} sent), there {took:.1f} s later")


@needs_ours
@limit(600)
def test_large_receiver_killed(net):
    """It is back before the sender notices."""
    receiver_killed(net, 512 if net.long else 96, 0.0)


@needs_ours
@limit(600)
def test_large_receiver_gone(net):
    """The sender notices."""
    receiver_killed(net, 512 if net.long else 96, 1.5)
