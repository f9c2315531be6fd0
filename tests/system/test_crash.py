"""kill -9 at random moments. What a client was told holds: accepted (201) arrives exactly once,
received stays received. A failure prints the seed; MYCELIUM_TEST_SEED repeats it."""
import os
import time

from lib import check, check_equal, limit, needs_ours, wait_for
from lib.crash import Killer, Senders, Takers, compare


def seed_of():
    seed = int(os.environ.get("MYCELIUM_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"# seed {seed}")
    return seed


def wait_all_received(sender, senders, seconds):
    """Until the sender reports every accepted message as received."""
    waiting = set(senders.accepted.values())

    def done():
        for identifier in list(waiting):
            if sender.status(identifier) in ("received", "read"):
                waiting.discard(identifier)
        return not waiting

    try:
        wait_for("every accepted message is received", done, seconds, step=0.2)
    except AssertionError:
        states = [sender.status(i) for i in list(waiting)[:5]]
        raise AssertionError(f"{len(waiting)} accepted messages are not received, states {states}") from None


def send_under_kills(net, victims):
    """Messages from a to b while the victims are killed; the inbox is emptied after it, at the end of
    which the receiver was killed once more."""
    seed = seed_of()
    count, threads, pause = (1000, 16, 0.6) if net.long else (200, 8, 0.1)
    a, b = net.pair()
    nodes = {"a": a, "b": b}
    senders = Senders(a, b, 0, count, threads, pause)
    killer = Killer([nodes[v] for v in victims], seed, between=(0.05, 0.8), down=(0.0, 0.3))
    senders.join(300 if net.long else 60)
    killer.stop()
    wait_all_received(a, senders, 90)
    # What the sender calls received is on the disk of the receiver.
    b.restart("kill9")
    takers = Takers(b, 4)
    complete = takers.wait(senders.accepted, 60, quiet=2.0)
    takers.stop()
    compare(senders, takers)
    check(complete, "not all messages were taken in time")
    check_equal(takers.lost_answers, 0, "pops whose answer was lost, without kills")
    kills = ", ".join(f"{killer.kills[n]} of {n}" for n in sorted(nodes))
    maybe_arrived = len(senders.maybe & set(takers.taken))
    print(f"# {len(senders.accepted)} accepted, {len(takers.taken) - maybe_arrived} of them delivered once; "
          f"{len(senders.maybe)} answers lost, {maybe_arrived} of these delivered; kills: {kills}")
    for identifier in list(senders.accepted.values())[:20]:
        a.wait_status(identifier, "read", 20)


@limit(240)
@needs_ours
def test_kill_the_sender(net):
    send_under_kills(net, "a")


@limit(240)
@needs_ours
def test_kill_the_receiver(net):
    send_under_kills(net, "b")


@limit(240)
@needs_ours
def test_kill_either(net):
    send_under_kills(net, "ab")


@limit(240)
@needs_ours
def test_kill_the_receiver_while_taking(net):
    """Pops are at most once: each lost answer may cost one message, no message comes twice."""
    seed = seed_of()
    count = 1000 if net.long else 200
    a, b = net.pair()
    senders = Senders(a, b, 0, count, 8, 0.2 if net.long else 0.02)
    takers = Takers(b, 4)
    killer = Killer([b], seed, between=(0.1, 0.8), down=(0.0, 0.2))
    senders.join(120)
    time.sleep(1.0)
    killer.stop()
    wait_all_received(a, senders, 90)
    takers.wait(senders.accepted, 15, quiet=2.0)
    takers.stop()
    missing = compare(senders, takers, allowance=takers.lost_answers)
    print(f"# {len(senders.accepted)} accepted, {len(takers.taken)} taken, {missing} lost with "
          f"{takers.lost_answers} pops whose answer was lost, {killer.kills['b']} kills")


@limit(120)
@needs_ours
def test_kill_in_the_middle_of_a_large_transfer(net):
    """64 KiB over a slow link; each side is killed once while chunks are under way."""
    a = net.node("a")
    relay = net.relay(a.tcp_port, bytes_per_s=40_000)  # 64 KiB take about 1.8 s
    b = net.node("b", peers=[relay.endpoint()])
    a.wait_route(b)
    b.wait_route(a)
    payload = os.urandom(65536)
    identifier = b.send(a, payload)
    time.sleep(0.8)
    a.restart("kill9")
    time.sleep(1.0)
    b.restart("kill9")
    m = a.take(60)
    check(m is not None and m["payload"] == payload, "the message did not arrive whole")
    b.wait_status(identifier, "read", 20)
    check(a.take(1) is None, "the message arrived twice")


@limit(240)
@needs_ours
def test_backlog_while_the_receiver_is_away(net):
    """Thousands wait on disk over a kill of the sender; its memory stays small; all arrive once."""
    count = 20000 if net.long else 2000
    a, b = net.pair()
    b.kill9()
    senders = Senders(a, b, 0, count, 16)
    senders.join(120)
    check_equal((len(senders.accepted), len(senders.maybe)), (count, 0), "accepted and doubtful")
    a.kill9()
    started = time.monotonic()
    a.start()
    ready = time.monotonic() - started
    before = a.rss_peak_kib()
    b.start()
    takers = Takers(b, 8)
    complete = takers.wait(senders.accepted, 120, quiet=1.0)
    seconds = time.monotonic() - started
    takers.stop()
    compare(senders, takers)
    check(complete, "not all messages were taken in time")
    net.check_memory(before, a, 128 << 10, f"{count} waiting messages")
    print(f"# {count} messages: ready {ready:.2f} s after the kill, all taken after {seconds:.1f} s, "
          f"sender's peak {a.rss_peak_kib() >> 10} MiB")
