"""Health, version, descriptions, limits: docs/protocol/api.md, "Health and descriptions"."""
import json
import pathlib
import re

from lib import Skip, check, check_equal, needs_ours, wait_for
from lib.rest import Broken
from lib.rpc import Rpc
from lib.ws import Ws

ROOT = pathlib.Path(__file__).resolve().parents[2]


def get(node, path, status=200, **options):
    a = node.api.call("GET", path, **options)
    check_equal(a.status, status, f"GET {path} ({a.text[:200]})")
    return a


@needs_ours
def test_health(net):
    a = net.node("a", extra=["--api-auth", "always"], start=False)
    a.start(wait=False)

    def up():
        try:
            return a.api.call("GET", "/readyz", timeout=2).status == 200
        except Broken:
            return False

    wait_for("the node is ready", up, 15)
    for path in ("/livez", "/readyz", "/healthz"):
        check_equal(get(a, path).text, '{"status":"ok"}', path)
        check_equal(a.api.call("HEAD", path).status, 200, f"HEAD {path}")
    check_equal(get(a, "/readyz?peers=1", 503).text, '{"status":"unavailable"}', "without a peer")
    get(a, "/readyz?peers=x", 400)
    get(a, "/readyz?verbose=true", 403)  # needs the scope `read`
    get(a, "/livez", 403, headers={"Host": "evil.example"})
    check_equal(get(a, "/version").json()["compatible"], "0.7.10", "/version")
    get(a, "/api/v1/admin", 401)
    b = net.node("b")
    check_equal(b.api.call("POST", "/livez").status, 405, "POST")
    c = net.node("c", peers=[b.endpoint()])
    c.wait_peers(1)
    check_equal(get(b, "/readyz?peers=1&verbose=true").json(),
                {"status": "ok", "checks": {"store": "ok", "loop": "ok", "peers": "1"}}, "verbose, with a peer")


@needs_ours
def test_descriptions(net):
    a = net.node("a")
    text = (ROOT / "docs" / "openapi.yaml").read_bytes()
    yaml = get(a, "/openapi.yaml")
    check_equal((yaml.body, yaml.headers["content-type"]), (text, "application/yaml"), "/openapi.yaml")
    api = get(a, "/openapi.json").json()
    rpc = get(a, "/openrpc.json")
    check_equal(rpc.json(), json.loads((ROOT / "docs" / "openrpc.json").read_text()), "/openrpc.json")
    check_equal(Rpc(a).call("rpc.discover"), rpc.json(), "rpc.discover")
    try:
        import yaml as library
    except ImportError:
        raise Skip("python3-yaml is not there to compare") from None
    check_equal(api, library.safe_load(text), "/openapi.json")


@needs_ours
def test_described_paths_are_served(net):
    """Every path of the description exists with its methods, and every reference in it leads somewhere."""
    a = net.node("a")
    api = get(a, "/openapi.json").json()
    for path, methods in api["paths"].items():
        real = re.sub(r"\{ref\}", "0" * 16, re.sub(r"\{seq\}", "1", path))
        allowed = a.api.call("OPTIONS", real).headers.get("allow", "").split(",")
        for method in methods:
            if method not in ("parameters",):
                check(method.upper() in allowed, f"{method} {path}: {allowed}")
    check_references(api)
    check_references(get(a, "/openrpc.json").json())


def check_references(document):
    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                at = document
                for step in value["$ref"].removeprefix("#/").split("/"):
                    check(step in at, f"no such thing: {value['$ref']}")
                    at = at[step]
            for v in value.values():
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)
    walk(document)


@needs_ours
def test_described_methods_are_served(net):
    a = net.node("a")
    rpc = Rpc(a)
    for method in get(a, "/openrpc.json").json()["methods"]:
        answer = json.loads(rpc.text({"jsonrpc": "2.0", "id": 1, "method": method["name"]}, timeout=10))
        check_equal(answer.get("error", {}).get("code") == -32601, False, f"{method['name']} is served")
        wanted = any(p["required"] for p in method["params"])
        check_equal(answer.get("error", {}).get("code") == -32602, wanted, f"{method['name']} without parameters")


@needs_ours
def test_bus(net):
    a = net.node("a")
    info = get(a, "/bus/v1").json()
    check_equal((info["version"], info["limits"]["lenMax"]), (1, 1 << 30), "GET /bus/v1")
    for protocol in info["subprotocols"]:
        w = Ws(a, binary=protocol.endswith("bin"))
        check_equal((w.headers["sec-websocket-protocol"], w.welcome["epoch"]), (protocol, info["epoch"]), "as it said")
        w.close()
    a.send(a, b"x")
    stats = get(a, "/bus/v1/stats").json()
    check_equal((stats["inbox"]["messages"], stats["inbox"]["bytes"], stats["inbox"]["byState"]["ready"]), (1, 1, 1),
                "the inbox")
    check_equal(stats["limits"], info["limits"], "the same limits")
