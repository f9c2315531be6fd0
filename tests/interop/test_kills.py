"""Our node is killed again and again beside a reference node, with messages both ways: what was acknowledged to a
client or to the other node is delivered. Towards the reference node one window stays, in which a repeat is
taken for a new message; what falls into it is counted."""
from lib import campaign, check, limit, reference


@limit(300)
def test_kills_beside_the_reference(net):
    count, kills = (20000, 1000) if net.long else (600, 30)
    a, b = net.node("a", start=False), net.node("b", binary=reference(), start=False)
    r = campaign.run(a, b, campaign.seed_of(), count, kills, "--victims", "a", "--plain", "b", "--window", 60)
    campaign.check_books(r)
    check(r["killsOfB"] == 0, "the reference node was killed")
    print(f"# {r['repeats']} of {r['delivered']} came twice at the reference node; {r['lostPops']} of {r['cutPops']} pops "
          "that a kill cut off had taken a message")
