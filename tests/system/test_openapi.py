"""Every operation of docs/openapi.yaml against what is served: requests that fit the description and requests
that do not, from a seed. No status, type, field that is not described; nothing that breaks."""
import base64
import collections
import os
import pathlib
import re
import time
import urllib.parse

from lib import Failure, Skip, check, check_equal, limit, needs_ours, scaled
from lib.rest import Broken

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES, EXAMPLES_LONG = 20, 300  # for each parameter, and five times for a body
SECONDS, SECONDS_LONG = 25, 600    # of all: then the rest of the examples is left out
PART = 20                          # of them between two looks at the time
KEPT = 12                          # of each kind of what the node has named
RULED = "dA=="                     # a topic with a rule
ABSENT = "400::1:2:3"              # a node of nobody
# What a request that fits may be refused for all the same: its meaning, which no schema says.
REFUSED_FOR_MEANING = {"not-found", "already-final", "key-reused", "bad-destination", "too-many", "range", "store-full",
                       "bad-topic", "bad-pattern", "bad-token", "forbidden"}
STATUSES_OF_MEANING = {400, 403, 404, 408, 409, 422, 429}  # of those that are told as text


def statuses_of_codes():
    """The table in docs/protocol/api.md, "Problems"."""
    section = (ROOT / "docs" / "protocol" / "api.md").read_text().split("### Problems")[1].split("\n###")[0]
    out = collections.defaultdict(list)
    for codes, statuses in re.findall(r"^\| ([a-z0-9, -]+) \| (.*) \|$", section, re.M)[1:]:
        codes = codes.split(", ")
        statuses = [int(s) for s in re.findall(r"\b[45]\d\d\b", statuses)]
        one_each = len(codes) > 1 and len(statuses) == len(codes)
        for i, code in enumerate(codes):
            out[code] += [statuses[i]] if one_each else statuses
    return out


class Exerciser:
    """One daemon, what it has named so far, and what came of the requests."""

    def __init__(self, node):
        self.node, self.codes = node, statuses_of_codes()
        self.memory = {"ip": [node.ip, ABSENT], "pk": [node.public_key], "topic": ["YS9i", RULED], "source": ["400::/7", "::1/128"],
                       "endpoint": ["tcp://127.0.0.1:1", "quic://[::1]:2", "vsock://2:3"], "id": [], "ref": [], "seq": [], "token": []}
        self.counts, self.succeeded = collections.Counter(), set()
        self.faults, self.fault = [], None  # told at the end; the last one seen

    def send(self, to, payload=b"x", topic="YS9i"):
        a = self.node.api.call("POST", "/bus/v1/messages",
                               {"dst": {"ip": to}, "payload": base64.b64encode(payload).decode(), "topic": topic})
        check_equal(a.status, 201, f"a message to {to} ({a.text[:200]})")
        self.learn(a)

    def prepare(self):
        """Something of everything to ask for: living and ended, ready, on lease and dead; and rules that refuse nothing
        of it."""
        self.node.call("PUT", "/messages/topics/default", {"accept": True})
        for topic in self.node.get("/messages/topics"):
            self.node.call("DELETE", f"/messages/topics/{urllib.parse.quote(topic, safe='')}")
        self.node.call("POST", f"/messages/topics/{RULED}/sources", {"subnet": "400::/7"})
        self.node.call("POST", "/admin/peers", {"endpoint": "tcp://127.0.0.1:1"})
        for i in range(4):
            self.send(self.node.ip, b"payload %d" % i)
        self.send(ABSENT)
        a = self.node.api.call("POST", "/bus/v1/messages/fetch", {"max": 2})
        check_equal(a.status, 200, "messages on lease")
        self.learn(a)
        listed = self.node.api.call("GET", "/bus/v1/inbox?limit=1000").json()["entries"]
        self.memory["seq"] = [e["seq"] for e in listed][-KEPT:]

    def learn(self, a):
        """The newest of each kind; few enough that they are met again."""
        if "json" not in a.headers.get("content-type", "") or a.status >= 300:
            return
        value = a.json()
        if not isinstance(value, dict):
            return
        for m in [value, *value.get("messages", []), *value.get("entries", [])]:
            if "token" in m:
                self.memory["token"].append(m["token"])
            elif isinstance(m.get("id"), str) and "srcIp" not in m:
                self.memory["id"].append(m["id"])
                self.memory["ref"] += [m["id"]] + ([f"~{m['seq']}"] if "seq" in m else [])
        for kept in self.memory.values():
            del kept[:-KEPT]

    def call(self, operation, request):
        if operation.streams():
            return self.call_stream(request)
        return self.node.api.call(request.method, request.path, request.body, headers=request.headers,
                                  content_type=request.content_type, timeout=scaled(30))

    def call_stream(self, request):
        """The head of the answer, and its body unless it has no end."""
        import http.client
        from lib.rest import Answer
        c = http.client.HTTPConnection("127.0.0.1", self.node.api_port, timeout=scaled(30))
        try:
            c.request(request.method, request.path, headers=request.headers)
            r = c.getresponse()
            endless = r.status == 101 or r.getheader("content-type") == "text/event-stream"
            return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, b"" if endless else r.read(), 0)
        except OSError as e:
            raise Broken(f"{request}: {e}", True) from None
        finally:
            c.close()

    def exchange(self, operation, request):
        from lib import openapi
        a = self.call(operation, request)
        wrong = openapi.judge(operation, a, self.codes)
        if request.fits and a.status >= 400:
            told = "problem" in a.headers.get("content-type", "")
            meant = a.json()["code"] in REFUSED_FOR_MEANING if told else a.status in STATUSES_OF_MEANING
            if a.status not in (426, 503) and not meant:
                wrong.append("it fits the description, and is refused")
        if request.fits is False and a.status < 400:
            wrong.append("it does not fit the description, and is not refused")
        if wrong:
            self.fault = f"{operation}: {request}\n  -> {a.status} {a.text[:400]}\n  " + "\n  ".join(wrong)
            raise Failure(self.fault)
        check_equal(a.headers.get("x-content-type-options"), "nosniff", f"x-content-type-options of {request}")
        self.counts[a.status] += 1
        if a.status < 400:
            self.succeeded.add(operation.name)
        self.learn(a)
        return a

    def exercise(self, operation, seed, examples, until):
        from lib import openapi
        self.prepare()
        for which in range(KEPT):  # it has to succeed with one of what is there
            request = openapi.resolve(operation, *openapi.plain(operation, which), self.memory)
            if self.exchange(operation, request).status < 400:
                break
        for part in range(0, examples, PART):
            if time.monotonic() < until and self.exercise_part(operation, seed + part):
                continue
            break
        self.node.check_running()

    def exercise_part(self, operation, seed):
        """False: what was found is in self.faults."""
        import hypothesis
        from lib import openapi

        @hypothesis.seed(seed)
        @hypothesis.settings(max_examples=PART, deadline=None, database=None, report_multiple_bugs=False,
                             suppress_health_check=list(hypothesis.HealthCheck),
                             phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink))
        @hypothesis.given(openapi.requests(operation))
        def one(generated):
            self.exchange(operation, openapi.resolve(operation, *generated, self.memory))

        try:
            one()
        except (Failure, hypothesis.errors.HypothesisException) as e:
            self.faults.append(self.fault or repr(e))  # the smallest that was found
            return False
        return True


@limit(180)
@needs_ours
def test_exercised(net):
    try:
        from lib import openapi
    except ImportError as e:
        raise Skip(f"{e.name} is not installed") from None
    seed = int(os.environ.get("MYCELIUM_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"# MYCELIUM_TEST_SEED={seed}", flush=True)
    node = net.node("node")
    all_of_them = list(openapi.operations(node.api.call("GET", "/openapi.json").json()))
    e = Exerciser(node)
    end = time.monotonic() + (SECONDS_LONG if net.long else scaled(SECONDS))
    weights = [len(o.parameters) + 5 * len(o.bodies) + 1 for o in all_of_them]
    for i, (operation, weight) in enumerate(zip(all_of_them, weights)):
        now = time.monotonic()
        share = max((end - now) * weight / sum(weights[i:]), 0.2)
        e.exercise(operation, seed, (EXAMPLES_LONG if net.long else EXAMPLES) * weight, now + share)
    check(not e.faults, f"{len(e.faults)} operations are not as described:\n" + "\n".join(e.faults))
    missed = sorted({o.name for o in all_of_them} - e.succeeded - {"webSocket", "connectProxy"})
    check(not missed, f"operations that never succeeded: {missed}")
    print(f"# {sum(e.counts.values())} requests, {len(all_of_them)} operations; answers: "
          + ", ".join(f"{s}: {n}" for s, n in sorted(e.counts.items())), flush=True)
