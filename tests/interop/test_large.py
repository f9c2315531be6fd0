"""Large messages between our daemon and a reference node, in both directions."""
import http.client
import os
import time

from lib import check, check_equal, limit, reference, wait_for

MB = 1000000


def push(a, b, payload):
    c = http.client.HTTPConnection("127.0.0.1", a.api_port, timeout=120)
    c.request("POST", f"/bus/v1/messages?dst={b.ip}&topicText=large&ttlMs=3600000", payload,
              {"content-type": "application/octet-stream"})
    r = c.getresponse()
    text = r.read()
    c.close()
    check_equal(r.status, 201, f"POST of {len(payload)} bytes ({text[:200]!r})")


@limit(300)
def test_large_to_reference(net):
    a, b = net.pair(None, reference())
    for n in (MB, 1301 * 1000 + 7, 60 * MB):
        payload = os.urandom(n)
        began = time.monotonic()
        push(a, b, payload)
        m = b.take(120)
        check(m is not None, f"{n} bytes: nothing arrived")
        check(m["payload"] == payload, f"{n} bytes: other bytes")
        print(f"# ours to the reference, {n} bytes: {time.monotonic() - began:.1f} s")
        wait_for("no file", lambda: not os.listdir(a.state_dir / "spool"))
        a.wait_read(m["id"], b)


@limit(120)
def test_large_from_reference(net):
    a, b = net.pair(None, reference())
    for n in (70000, 1500000):  # its API takes no more than 1.57 MB
        payload = os.urandom(n)
        began = time.monotonic()
        identifier = b.send(a, payload)
        m = a.take(60)
        check(m is not None, f"{n} bytes: nothing arrived")
        check(m["payload"] == payload, f"{n} bytes: other bytes")
        print(f"# the reference to ours, {n} bytes: {time.monotonic() - began:.1f} s")
        b.wait_read(identifier, a)
