"""Two daemons under tests/load/campaign.c, which kills and starts them: thousands of kills, books kept."""
import json
import os
import subprocess

from .check import check
from .programs import program


def seed_of():
    seed = int(os.environ.get("MYCELIUM_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"# seed {seed}", flush=True)
    return seed


def run(a, b, seed, count, kills, *options):
    """The report, as a dictionary. Both daemons are down before and after it; each dials the other."""
    a.peers, b.peers = [b.endpoint()], [a.endpoint()]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MYCELIUM_")}
    environment.update(NO_COLOR="1", HOME=str(a.folder))
    with program("campaign") as path:
        command = [str(path), "--seed", str(seed), "--count", str(count), "--kills", str(kills),
                   *map(str, options)]
        for n in (a, b):
            command += ["--", str(n.api_port), n.ip, str(n.log_file), *n.command()]
        # Its lines of progress go to the output of the test.
        p = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    check(p.returncode in (0, 1), f"the campaign ended with {p.returncode}\n{a.log_tail(15)}\n{b.log_tail(15)}")
    r = json.loads(p.stdout)
    print(f"# {r['kills']} kills (a {r['killsOfA']}, b {r['killsOfB']}, {r['early']} of them during the start) "
          f"in {r['seconds']:.0f} s; {r['accepted']} accepted, {r['maybe']} answers lost, {r['replayed']} repeats "
          f"by key; {r['delivered']} delivered; lost {r['lost']}, twice {r['twice']}", flush=True)
    return r


def check_books(r):
    for fault, text in (("lost", "accepted and never delivered"), ("twice", "delivered twice"),
                        ("foreign", "delivered, but never sent"), ("damaged", "delivered otherwise than sent"),
                        ("lostAcks", "gone from the inbox without an acknowledgement")):
        check(r[fault] == 0, f"{r[fault]} messages were {text}: {r}")
    check(r["lostPops"] <= r["cutPops"], f"more pops lost their message than were cut off: {r}")
    check(r["good"] and r["complete"], f"the campaign is not complete: {r}")
