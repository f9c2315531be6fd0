"""Every length from 0 to 4000 from a reference node to ours, and those that were once seen to arrive from ours."""
import base64
import concurrent.futures
import json

from lib import check, check_equal, limit, reference
from lib.binary import VECTORS
from lib.node import pattern

LONGEST = 4000
BATCH = 100  # a reference node sends to all unfinished messages at each acknowledgement of any of them


def send_all(sender, receiver, lengths):
    """length by id."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: sender.send(receiver, pattern(n)), lengths))
    return dict(zip(ids, lengths))


def take_all(node, sent):
    """Fetched in batches, acknowledged; each once and whole."""
    left = dict(sent)
    while left:
        a = node.api.call("POST", "/bus/v1/messages/fetch", {"max": 100, "waitMs": 20000}, timeout=40)
        check_equal(a.status, 200, f"{len(left)} have not arrived, lengths {sorted(left.values())[:20]}; fetch")
        messages = a.json()["messages"]
        for m in messages:
            check(m["id"] in left, f"{m['id']} ({m['len']} bytes) came twice")
            n = left.pop(m["id"])
            check(base64.b64decode(m["payload"]) == pattern(n), f"length {n} came otherwise than it was sent")
        a = node.api.call("POST", "/bus/v1/messages/ack", {"tokens": [m["token"] for m in messages]})
        check_equal(a.json()["done"], len(messages), "ack")


@limit(180)
def test_every_length_from_the_reference(net):
    a, b = net.pair(None, reference())
    sent = {}
    for first in range(0, LONGEST + 1, BATCH):
        sent = send_all(b, a, range(first, min(first + BATCH, LONGEST + 1)))
        take_all(a, sent)
    for identifier in sent:
        b.wait_status(identifier, "read")
    check(a.take() is None, "more arrived than was sent")


@limit(120)
def test_lengths_of_the_vectors_to_the_reference(net):
    rows = json.loads((VECTORS / "messages.json").read_text())["sizes_even_split_to_ref_receiver_captured"]
    a, b = net.pair(None, reference())
    lengths, sent = [], {}
    for n in (row["len"] for row in rows):
        answer = a.post(b, pattern(n))
        if answer.status == 413 and n > 65536:
            print(f"# {n}: longer than what our node takes")
            continue
        check_equal(answer.status, 201, f"POST of {n} bytes")
        lengths.append(n)
        sent[answer.json()["id"]] = n
    for _ in lengths:
        m = b.take(20)
        check(m is not None and m["id"] in sent, f"missing: {sent}")
        n = sent.pop(m["id"])
        check(m["payload"] == pattern(n), f"length {n} came otherwise than it was sent")
        a.wait_status(m["id"], "read")
    print(f"# {', '.join(map(str, sorted(lengths)))}")
