"""The kill campaign: two nodes send to each other, each is killed again and again, books are kept.
MYCELIUM_TEST_SEED repeats a choice of messages and kills (not their moments)."""
from lib import Skip, campaign, check_equal, limit, needs_ours
from lib.net import connected


def left_over(node):
    """What is neither delivered nor given up, by list and state."""
    lists = [("outbox", s) for s in ("pending", "sending", "aborted", "unknown")]
    lists += [("inbox", s) for s in ("receiving", "ready", "leased", "dead")]
    out = {}
    for name, state in lists:
        entries = node.api.call("GET", f"/bus/v1/{name}?state={state}").json()["entries"]
        if entries:
            out[f"{name} {state}"] = entries[:3]
    return out


@limit(720)  # ten times that with --long
@needs_ours
def test_kills(net):
    """Accepted: delivered. Delivered: never again. 10,000 kills and 1,000,000 messages with --long."""
    if net.sanitized:
        raise Skip("a sanitizer's starts take too long for so many")
    count, kills = (1_000_000, 10_000) if net.long else (6000, 60)
    a, b = net.node("a", start=False), net.node("b", start=False)
    r = campaign.run(a, b, campaign.seed_of(), count, kills)
    campaign.check_books(r)
    for n in (a, b):
        n.start()
    connected(a, b)
    check_equal((left_over(a), left_over(b)), ({}, {}), "what is left in the two stores")
    print(f"# at most once: {r['lostPops']} of {r['cutPops']} pops that a kill cut off had taken a message; "
          f"{r['unmarked']} repeats came before their first offer was stored")
