"""Who may use the API: tokens and scopes, Host and Origin, Unix socket, limits, certificates."""
import concurrent.futures
import contextlib
import datetime
import http.client
import ipaddress
import os
import pty
import re
import signal
import socket
import ssl
import stat
import subprocess
import time

from lib import Skip, check, check_equal, limit, needs_ours, scaled, wait_for
from lib import spaces
from lib.node import message_body
from lib.ports import free_port
from lib.rest import Broken
from lib.rpc import RpcWs
from lib.ws import Closed, Sse, Ws
from test_config import run, written

PROXY = {"X-Forwarded-For": "192.0.2.7"}  # a proxy in front: the caller is not of this machine


def bearer(token, **more):
    return {"Authorization": f"Bearer {token}", **more}


def token_of(node, *args):
    r = run(node, "token", "new", *args, "-k", node.key_file, "--state-dir", node.state_dir)
    check_equal(r.returncode, 0, r.stderr)
    check(re.fullmatch(r"mxt_[A-Za-z0-9_-]{43}\n", r.stdout), f"a token: {r.stdout!r}")
    return r.stdout.strip()


@needs_ours
def test_tokens(net):  # row 51
    """Without one 401, a wrong one 401, the 11th 429; scopes; nothing is taken by what is refused."""
    a = net.node("a", start=False)
    full, reader, sender, taker = (token_of(a, *s) for s in ((), ("read",), ("send",), ("receive", "--note", "x y")))
    path = a.state_dir / "api-token"
    check_equal(stat.S_IMODE(path.stat().st_mode), 0o600, "mode of the token file")
    check(full not in path.read_text(), "the token itself is in the file")
    a.start()
    a.send(a, b"kept")

    def status(method, path, token=None, body=None, **headers):
        return a.call(method, path, body, headers={**(bearer(token) if token else {}), **(headers or PROXY)}).status

    peer = {"endpoint": "tcp://127.0.0.1:1"}
    for token, answers in ((full, (200, 204, 201, 200)), (reader, (200, 403, 403, 403)),
                           (sender, (403, 403, 201, 403)), (taker, (403, 403, 403, 200))):
        got = (status("GET", "/admin", token), status("POST", "/admin/peers", token, peer),
               status("POST", "/messages", token, message_body(a, b"more", None)),
               status("GET", "/messages", token))
        check_equal(got, answers, "admin, add a peer, send, take")
    check_equal(a.call("POST", "/admin/peers", peer, headers=bearer(reader)).status, 403, "scopes on loopback")
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        check_equal(status("GET", "/messages", **{name: "x"}), 401, f"no token, {name}")
    r = a.call("GET", "/messages", headers=PROXY)
    check_equal((r.status, r.headers["www-authenticate"]), (401, 'Bearer realm="mycelium"'), "no token")
    r = a.api.call("GET", "/bus/v1/inbox", headers=PROXY)
    check_equal((r.status, r.json()["code"]), (401, "unauthorized"), "no token under /bus/v1")
    wrong = [status("GET", "/messages", "mxt_" + "A" * 43) for _ in range(8)]
    check_equal(wrong, [401] * 5 + [429] * 3, "after five without")
    r = a.call("GET", "/messages", headers=PROXY)
    check_equal((r.status, "retry-after" in r.headers), (429, True), "and without one")
    check_equal(status("GET", "/admin", full), 200, "who has one is let in")
    check_equal(a.call("GET", "/admin").status, 200, "a program of this machine is let in")
    check_equal(len(a.api.call("GET", "/bus/v1/inbox").json()["entries"]), 1, "messages that are left")


@needs_ours
def test_token_commands(net):
    """list, revoke, SIGHUP; commands show the token of --token-file or of the environment."""
    a = net.node("a", start=False)
    a.extra = ["--api-auth", "always"]
    token, spare = token_of(a), token_of(a, "read", "--note", "grafana")
    where = ("-k", a.key_file, "--state-dir", a.state_dir)
    lines = run(a, "token", "list", *where).stdout.splitlines()
    check_equal([line.split()[1:] for line in lines][1][0], "read", lines)
    check(lines[1].endswith(" grafana") and re.match("[0-9a-f]{12}  ", lines[1]), lines)
    a.start(wait=False)
    wait_for("the API", lambda: "node started" in a.log_file.read_text())
    api = ("--api-addr", f"127.0.0.1:{a.api_port}")
    check_equal(a.call("GET", "/admin").status, 401, "always: no token on loopback")
    for path in ("/livez", "/readyz", "/healthz", "/version"):
        check_equal(a.api.call("GET", path).status, 200, f"{path} needs no token")
        check_equal(a.api.call("GET", path, headers={"Host": "evil.example"}).status, 403, f"{path} by another name")
    check(a.api.call("GET", "/healthz?verbose=true").status in (401, 403), "details without a token")
    check_equal(a.api.call("GET", "/healthz?verbose=true", headers=bearer(spare)).status, 200, "details with one")
    check_equal(a.api.call("GET", "/openapi.json").status, 401, "descriptions need a token then")
    r = run(a, *api, "peers", "list", "--json")
    check_equal(r.returncode, 1, "a command without token")
    check("401" in r.stderr, r.stderr)
    r = run(a, *api, "peers", "list", "--json", MYCELIUM_API_TOKEN=token)
    check_equal((r.returncode, r.stdout), (0, "[]\n"), "the token of the environment")
    own = a.folder / "mine"
    own.write_text(f"# mine\n{token} # the one\n")
    own.chmod(0o600)
    r = run(a, *api, "--token-file", own, "peers", "list", "--json", MYCELIUM_API_TOKEN="wrong")
    check_equal((r.returncode, r.stdout), (0, "[]\n"), "the token of a file")
    r = run(a, *api, "--token-file", a.state_dir / "api-token", "peers", "list")
    check_equal(r.returncode, 1, "a file with hashes")
    check("only hashes" in r.stderr, r.stderr)
    r = run(a, *api, "peers", "list", MYCELIUM_API_TOKEN="x\r\nevil: 1")
    check_equal(r.returncode, 1, "a token with a line end")

    def hangup(mark):
        before = a.log_file.read_text().count(mark)
        a.process.send_signal(signal.SIGHUP)
        wait_for(mark, lambda: a.log_file.read_text().count(mark) > before)

    check_equal(a.call("GET", "/admin", headers=bearer(spare)).status, 200, "before it is revoked")
    shown = [f"authorization: Bearer {spare}"]
    streams = [Ws(a, headers=shown), RpcWs(a, headers=shown)]
    events, kept = Sse(a, "/bus/v1/outbox/events", headers=shown), Ws(a, headers=[f"authorization: Bearer {token}"])
    check_equal(run(a, "token", "revoke", lines[1][:12], *where).returncode, 0, "revoke")
    check_equal(run(a, "token", "revoke", lines[1][:12], *where).returncode, 1, "revoke again")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: token_of(a, "send"), range(8)))
    check_equal(len(run(a, "token", "list", *where).stdout.splitlines()), 9, "tokens that were made at the same time")
    check_equal(len(set(made)), 8, "different ones")
    hangup("tokens read")
    check_equal(a.call("GET", "/admin", headers=bearer(spare)).status, 401, "after it was revoked")
    check_equal(a.call("GET", "/admin", headers=bearer(token)).status, 200, "the other one")
    streams[0].expect_close(4003, bye="token-revoked")
    try:
        check(False, f"a frame for a revoked token: {streams[1].raw()}")
    except Closed as e:
        check_equal(e.code, 4003, "JSON-RPC")
    check_equal(events.next()[0], "bye", "the last event")
    check_equal(kept.ask("ping", answer="pong")["op"], "pong", "a stream of a token that is still there")
    (a.state_dir / "api-token").write_text("nonsense\n")
    hangup("the tokens stay as they were")
    check(":1: neither a token" in a.log_file.read_text(), "no line of the broken file")
    check_equal(a.call("GET", "/admin", headers=bearer(token)).status, 200, "after a broken file")
    a.stop()
    a.start(wait=False)
    check_equal(a.process.wait(15), 1, "start with a broken file")
    a.process = None


@needs_ours
def test_token_made(net):
    """Where others may come in, there is a token from the first start on."""
    missing = spaces.why_not()
    if missing:
        raise Skip(missing)
    a = net.node("a", start=False, space=spaces.Space())  # where nobody else is
    a.extra = ["--api-addr", "[::]:0"]
    a.start()
    text = (a.state_dir / "api-token").read_text().splitlines()[-1]
    check_equal(a.call("GET", "/admin", headers={**PROXY, **bearer(text)}).status, 200, "the token that was made")
    check(text not in a.log_file.read_text(), "the token is in the log")
    b = net.node("b")
    check(not (b.state_dir / "api-token").exists(), "a token that nobody needs was made")
    c = net.node("c", start=False, space=spaces.Space())
    c.extra = ["--api-addr", "[::]:0", "--api-auth", "off"]
    c.start()
    check("nobody needs a token" in c.log_file.read_text(), "no warning")
    check_equal(c.call("GET", "/admin", headers=PROXY).status, 200, "off: nobody needs one")


def over_socket(path, method, target, headers=None):
    c = http.client.HTTPConnection("localhost", timeout=15)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.settimeout(15)
    c.sock.connect(str(path))
    c.request(method, target, headers=headers or {})
    r = c.getresponse()
    return r.status, r.read()


@needs_ours
def test_unix_socket(net):
    """The API at a path, mode 0660: no token, whatever Host says; commands use it; a killed node's is replaced."""
    a = net.node("a", start=False)
    path = a.folder / "api.sock"
    a.extra = ["--api-socket", str(path)]
    a.start()
    check_equal(stat.S_IMODE(path.stat().st_mode), 0o660, "mode of the socket")
    for headers in ({}, {"Host": "anything"}):
        check_equal(over_socket(path, "GET", "/api/v1/admin", headers)[0], 200, f"GET with {headers}")
    check_equal(over_socket(path, "GET", "/api/v1/admin", {"Origin": "http://evil.example"})[0], 403, "an origin")
    wait_for("who came in the log", lambda: "local client" in a.log_file.read_text())
    check(f"uid={os.getuid()}" in a.log_file.read_text(), "no uid in the log")
    r = run(a, "--api-socket", path, "peers", "list", "--json")
    check_equal((r.returncode, r.stdout), (0, "[]\n"), "a command over the socket")
    r = run(a, "--api-socket", path, "message", "send", a.ip, "hello")
    check_equal(r.returncode, 0, r.stderr)
    r = run(a, "message", "receive", "--api-socket", path, "--raw")
    check_equal((r.returncode, r.stdout), (0, "hello\n"), r.stderr)
    r = run(a, "--api-socket", a.folder / "nothing", "peers", "list")
    check_equal(r.returncode, 1, "a socket that is not there")
    check("nothing" in r.stderr, r.stderr)
    r = run(a, "-k", a.folder / "other.key", "--no-tun", "-t", "0", "--api-addr", "off", "--api-socket", path)
    check_equal(r.returncode, 1, "a second node with this socket")
    a.restart("kill9")
    check_equal(over_socket(path, "GET", "/api/v1/admin")[0], 200, "after a kill")
    a.stop()
    check(not path.exists(), "the socket is there after the end")
    b = net.node("b", start=False)
    path = b.folder / "only.sock"
    config = written(b, f"api_addr = 'off'\napi_socket = '{path}'\n")
    b.command = lambda: [str(b.binary), "-k", str(b.key_file), "--no-tun", "-t", str(b.tcp_port), "-c", str(config),
                         "--jsonrpc-addr", "off"]
    b.start(wait=False)
    wait_for("the socket", path.exists)
    r = run(b, "-c", config, "peers", "list", "--json")
    check_equal((r.returncode, r.stdout), (0, "[]\n"), f"a command that the file leads to the socket: {r.stderr}")


PAGE = "https://app.example"
FIXED = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin",
         "cache-control": "no-store"}


@needs_ours
def test_pages(net):  # row 50
    """A page of another origin and a name that was bound anew get 403 on everything that they can send, and change
    nothing; pages of api_origins may ask; every answer has the fixed fields."""
    a = net.node("a", start=False)
    a.extra = ["--api-origin", PAGE, "--api-host", "node.example"]
    a.start()
    a.send(a, b"kept")
    port = a.api_port

    def asked(method="GET", path="/api/v1/messages", **headers):
        r = a.api.call(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        for name, value in FIXED.items():
            check_equal(r.headers.get(name), value, f"{name} of {method} {path} {headers}")
        return r

    own = f"http://127.0.0.1:{port}"
    for refused in ({"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": "localhost.evil.example"},
                    {"Host": f"evil.example:{port}"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Origin": f"http://127.0.0.1:{port + 1}"}, {"Origin": f"https://127.0.0.1:{port}"},
                    {"Origin": PAGE + ".evil.example"}, {"Sec_Fetch_Site": "cross-site"},
                    {"Sec_Fetch_Site": "same-site"}, {"Referer": "http://evil.example/"},
                    {"User_Agent": "Mozilla/5.0"}, {"Origin": PAGE, "Host": "evil.example"},
                    {"Origin": own, "Host": "evil.example"}):
        for method, path in (("GET", "/api/v1/messages"), ("HEAD", "/api/v1/messages"), ("GET", "/api/v1/admin"),
                             ("DELETE", "/bus/v1/inbox/1"), ("POST", "/bus/v1/messages/fetch")):
            r = asked(method, path, **refused)
            check_equal(r.status, 403, f"{method} {path} with {refused}")
            check("access-control-allow-origin" not in r.headers, f"{refused} may read it")
    for passed in ({}, {"Host": "localhost:8989"}, {"Host": "[::1]:8989"}, {"Host": "x.localhost"},
                   {"Host": "node.example:1"}, {"Origin": own}, {"Origin": PAGE}, {"Sec_Fetch_Site": "none"},
                   {"Sec_Fetch_Site": "same-origin"}, {"User_Agent": "Mozilla/5.0", "Referer": own + "/ui/"},
                   {"User_Agent": "curl/8"}):
        r = asked("GET", "/api/v1/admin", **passed)
        check_equal(r.status, 200, f"GET /admin with {passed}")
        check_equal(r.headers.get("access-control-allow-origin"), passed.get("Origin") if passed.get("Origin") == PAGE
                    else None, f"the origin in the answer to {passed}")
    check_equal(a.api.call("GET", "/api/v1/admin", headers={"Host": None}).status, 200, "no Host")
    r = asked("OPTIONS", Origin=PAGE, Access_Control_Request_Method="GET")
    check_equal((r.status, r.headers["access-control-allow-origin"], r.headers["vary"], r.body),
                (204, PAGE, "origin", b""), "a preflight")
    check("authorization" in r.headers["access-control-allow-headers"], r.headers)
    check("DELETE" in r.headers["access-control-allow-methods"], r.headers)
    check("access-control-allow-credentials" not in r.headers, "credentials")
    check_equal(asked("OPTIONS", Origin=PAGE, X_Forwarded_For="192.0.2.7").status, 204, "a preflight from elsewhere")
    check_equal(asked("GET", Origin=PAGE, X_Forwarded_For="192.0.2.7").status, 401, "a page without token")
    check_equal(asked("OPTIONS").status, 405, "OPTIONS of nobody")
    check_equal(asked("OPTIONS", Origin=own).status, 405, "OPTIONS of the node's own pages")
    check_equal(len(a.api.call("GET", "/bus/v1/inbox").json()["entries"]), 1, "messages that are left")


def certificate(folder, name):
    """A certificate for 127.0.0.1 and its key, made with what the tests need anyway."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise Skip("python3-cryptography is not installed") from None
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    paths = folder / "tls.crt", folder / "tls.key"
    paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return paths


def over_tls(node, cert, method, target, body=None, version=None, **headers):
    context = ssl.create_default_context(cafile=str(cert))
    if version:
        context.minimum_version, context.maximum_version = version, version
    c = http.client.HTTPSConnection("127.0.0.1", node.api_port, context=context, timeout=30)
    c.request(method, target, body, {"Content-Type": "application/octet-stream", **headers} if body else headers)
    r = c.getresponse()
    data = r.read()
    peer = c.sock.getpeercert()["subject"] if c.sock else None
    c.close()
    return r.status, data, peer


@limit(120)
@needs_ours
def test_certificate(net):
    """TLS: bodies of some MB in both directions, versions, who speaks plain, handshakes that stop, SIGHUP."""
    a = net.node("a", start=False)
    cert, key = certificate(a.folder, "first")
    a.extra = ["--api-tls-cert", str(cert), "--api-tls-key", str(key)]
    a.start(wait=False)
    wait_for("the API", lambda: "node started" in a.log_file.read_text())
    check_equal(over_tls(a, cert, "GET", "/api/v1/admin")[0], 200, "GET")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        check_equal(over_tls(a, cert, "GET", "/api/v1/admin", version=version)[0], 200, str(version))
    rpc = http.client.HTTPSConnection("127.0.0.1", a.jsonrpc_port, timeout=30,
                                      context=ssl.create_default_context(cafile=str(cert)))
    rpc.request("POST", "/", b'{"jsonrpc":"2.0","id":1,"method":"getInfo"}', {"Content-Type": "application/json"})
    check(a.ip.encode() in rpc.getresponse().read(), "JSON-RPC over TLS")
    rpc.close()
    own = f"https://127.0.0.1:{a.api_port}"
    check_equal(over_tls(a, cert, "GET", "/api/v1/admin", Origin=own)[0], 200, "the node's own page")
    check_equal(over_tls(a, cert, "GET", "/api/v1/admin", Origin=own.replace("https", "http"))[0], 403, "not its own")
    payload = os.urandom(5_000_000)
    check_equal(over_tls(a, cert, "POST", f"/bus/v1/messages?dst={a.ip}", payload)[0], 201, "5 MB up")
    wait_for("the message", lambda: over_tls(a, cert, "GET", "/bus/v1/inbox/1/payload")[0] == 200)
    check(over_tls(a, cert, "GET", "/bus/v1/inbox/1/payload")[1] == payload, "5 MB down")
    with contextlib.suppress(OSError):
        s = raw(a, b"GET /api/v1/admin HTTP/1.1\r\n\r\n")
        check(b"200" not in s.recv(65536), "answered in plain")
    silent = [raw(a, data) for data in (b"", b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
              for _ in range(20)]
    check_equal(over_tls(a, cert, "GET", "/api/v1/admin")[0], 200, "beside handshakes that stop")
    api = ("--api-addr", f"127.0.0.1:{a.api_port}")
    r = run(a, *api, "--api-tls-cert", cert, "peers", "list", "--json")
    check_equal((r.returncode, r.stdout), (0, "[]\n"), f"a command: {r.stderr}")
    r = run(a, *api, "--api-tls-cert", cert, "message", "send", a.ip, "x" * 100_000)
    check_equal(r.returncode, 0, f"a command with a body: {r.stderr}")
    (a.folder / "other").mkdir()
    other = certificate(a.folder / "other", "other")
    r = run(a, *api, "--api-tls-cert", other[0], "peers", "list")
    check_equal(r.returncode, 1, "a command that trusts another certificate")

    def hangup(mark):
        before = a.log_file.read_text().count(mark)
        a.process.send_signal(signal.SIGHUP)
        wait_for(mark, lambda: a.log_file.read_text().count(mark) > before)

    kept = http.client.HTTPSConnection("127.0.0.1", a.api_port, context=ssl.create_default_context(cafile=str(cert)),
                                       timeout=30)
    kept.request("GET", "/api/v1/admin")
    kept.getresponse().read()
    old_cert = a.folder / "old.crt"
    old_cert.write_bytes(cert.read_bytes())
    cert.write_text("nonsense")
    hangup("the certificate stays as it was")
    check_equal(over_tls(a, old_cert, "GET", "/api/v1/admin")[0], 200, "after a broken certificate")
    cert.write_bytes(other[0].read_bytes())
    hangup("the certificate stays as it was")  # the key is another one's
    check_equal(over_tls(a, old_cert, "GET", "/api/v1/admin")[0], 200, "after a pair that is none")
    key.write_bytes(other[1].read_bytes())
    hangup("certificate of the API read")
    wait_for("the new certificate", lambda: over_tls(a, other[0], "GET", "/api/v1/admin")[0] == 200)
    kept.request("GET", "/api/v1/admin")
    check_equal(kept.getresponse().status, 200, "a connection from before")
    for s in silent:
        s.settimeout(scaled(60))
        with contextlib.suppress(ConnectionError):
            while s.recv(65536):
                pass
        s.close()
    a.stop()
    key.chmod(0o640)
    a.start(wait=False)
    check_equal(a.process.wait(15), 1, "start with a key that others can read")
    check("others can read or change the key" in a.log_file.read_text(), a.log_tail())
    a.process = None
    r = run(a, "--api-tls-cert", cert, "--no-tun")
    check_equal((r.returncode, r.stderr), (1, "Error: api_tls_cert and api_tls_key need each other\n"), "half a pair")


def raw(node, data=b"", port=None):
    s = socket.create_connection(("127.0.0.1", port or node.api_port), timeout=30)
    s.sendall(data)
    return s


@needs_ours
def test_long_header(net):
    """10 MB of header: refused with 431 after 16 KiB of it, without memory, whatever form it has."""
    a = net.node("a")
    a.call("GET", "/admin")
    before = a.rss_peak_kib()
    for head in (b"GET /api/v1/admin HTTP/1.1\r\nX: " + b"x" * 10_000_000,
                 b"GET /api/v1/admin HTTP/1.1\r\n" + b"X: y\r\n" * 1_600_000,
                 b"GET /" + b"x" * 10_000_000):
        s = raw(a)
        with contextlib.suppress(OSError):  # the node stops reading
            s.sendall(head)
        answer = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in answer and (piece := s.recv(65536)):
                answer += piece
        check(answer == b"" or answer[9:12] in (b"431", b"414"), f"answer: {answer[:100]}")
        s.close()
        check_equal(a.call("GET", "/admin").status, 200, "another client")
    s = raw(a, b"GET /api/v1/admin HTTP/1.1\r\nX: " + b"x" * 16384)
    check_equal(s.recv(65536)[9:12], b"431", "16 KiB of header")
    net.check_memory(before, a, 8192, "30 MB of headers")


@limit(120)
@needs_ours
def test_slow_heads(net):
    """500 connections that say their head byte by byte: the others are served meanwhile, and after 10 s they end."""
    a = net.node("a")
    slow = [raw(a, b"GET /api/v1/admin HTTP/1.1\r\nX-Slow: ") for _ in range(500)]
    started = time.monotonic()
    rounds = 0
    while time.monotonic() - started < 8:
        rounds += 1
        for s in slow:
            with contextlib.suppress(ConnectionError):  # its 10 s are over
                s.sendall(b"x")
        for _ in range(20):
            check_equal(a.call("GET", "/admin").status, 200, "another client")
        a.send(a, b"meanwhile")
        check(a.take(5) is not None, "a message meanwhile")
        time.sleep(0.2)
    check(rounds > 1, "no other client was served")
    ended = 0
    for s in slow:
        s.settimeout(scaled(60))
        with contextlib.suppress(ConnectionError):
            answer = s.recv(65536)
            check(answer == b"" or answer[9:12] == b"408", f"answer: {answer[:60]}")
        ended += 1
        s.close()
    check_equal(ended, 500, "connections that ended")
    check(time.monotonic() - started > 9, "a head has 10 s")


@needs_ours
def test_connection_limit(net):
    """Beyond api_connections 503 with retry-after; the other addresses have room of their own."""
    a = net.node("a", start=False)
    second = free_port()
    a.extra = ["--api-connections", "8", "--api-addr", f"127.0.0.1:{second}"]
    a.start()
    a.api.forget_connections()
    held = []
    for _ in range(20):
        s = raw(a, b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = s.recv(65536)
        if answer[9:12] == b"503":
            check(b"retry-after: 1" in answer, answer)
            s.close()
        else:
            held.append(s)
    check(len(held) <= 8, f"{len(held)} connections")
    other = http.client.HTTPConnection("127.0.0.1", second, timeout=15)
    other.request("GET", "/api/v1/admin")
    check_equal(other.getresponse().status, 200, "at the other address")
    for s in held:
        s.close()
    wait_for("room again", lambda: a.call("GET", "/admin").status == 200)


@needs_ours
def test_json_rpc(net):
    """The same guard before JSON-RPC: pages, tokens and their scopes, on its own port and on /rpc."""
    a = net.node("a", start=False)
    reader = token_of(a, "read")
    a.start()
    a.send(a, b"kept")

    def call(method, port, path="/", **headers):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        c.request("POST", path, b'{"jsonrpc":"2.0","id":1,"method":"%s"}' % method.encode(),
                  {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}})
        r = c.getresponse()
        return r.status, r.read()

    for port, path in ((a.jsonrpc_port, "/"), (a.jsonrpc_port, "/any?x=1"), (a.api_port, "/rpc")):
        for refused in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"},
                        {"Sec_Fetch_Site": "cross-site"}, {"Referer": "http://evil.example/x"}):
            check_equal(call("popMessage", port, path, **refused)[0], 403, f"{path} with {refused}")
        check_equal(call("popMessage", port, path, X_Forwarded_For="192.0.2.7")[0], 401, f"{path} without token")
        status, body = call("getInfo", port, path, X_Forwarded_For="192.0.2.7", **bearer(reader))
        check(status == 200 and a.ip.encode() in body, f"read by {path}: {status} {body[:200]}")
        status, body = call("popMessage", port, path, X_Forwarded_For="192.0.2.7", **bearer(reader))
        check(b"result" not in body, f"a token to read pops by {path}: {status} {body[:200]}")
    check_equal(len(a.api.call("GET", "/bus/v1/inbox").json()["entries"]), 1, "messages that are left")


@needs_ours
def test_other_machine(net):  # row 51, from an address that is not loopback
    """A caller from elsewhere: 401 without token, its own Host is no help; 64 connections without a request from one
    address, the next ones are closed, and programs of this machine are served all the same."""
    missing = spaces.why_not()
    if missing:
        raise Skip(missing)
    here, there = spaces.Space(), spaces.Space()
    cable = spaces.Cables().link(there, here)
    port = free_port()
    a = net.node("a", start=False, space=here)
    a.extra = ["--api-addr", f"{cable.listener_address}:{port}"]
    token = token_of(a, "read")
    a.start()

    def connect():
        with there:
            return socket.create_connection((cable.listener_address, port), timeout=30)

    def status(**headers):
        s = connect()
        fields = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        s.sendall(f"GET /api/v1/admin HTTP/1.1\r\n{fields}connection: close\r\n\r\n".encode())
        answer = s.recv(65536)
        s.close()
        return int(answer[9:12])

    check_equal(status(), 401, "no token")
    check_equal(status(Host=f"{cable.listener_address}:{port}"), 401, "no token, the address as Host")
    check_equal(status(Authorization="Bearer " + token), 200, "a token")
    held = [connect() for _ in range(64)]
    time.sleep(0.2)
    beyond = [connect() for _ in range(5)]
    for s in beyond:
        with contextlib.suppress(ConnectionError):
            check_equal(s.recv(100), b"", "beyond 64 without a request")
    check_equal(a.call("GET", "/admin").status, 200, "a program of this machine")
    for s in held + beyond:
        s.close()
    wait_for("room again", lambda: _quiet(lambda: status(Authorization="Bearer " + token) == 200))


def _quiet(what):
    try:
        return what()
    except (OSError, ValueError, Broken):
        return False


@needs_ours
def test_terminal(net):
    """SIGHUP with a terminal as standard input is its end, not a reload."""
    a = net.node("a")
    a.stop()
    master, slave = pty.openpty()
    p = subprocess.Popen(a.command(), stdin=slave, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         cwd=a.folder, env={"HOME": str(a.folder)})
    try:
        wait_for("the API", lambda: _quiet(lambda: a.call("GET", "/admin", timeout=2).status == 200))
        p.send_signal(signal.SIGHUP)
        check_equal(p.wait(scaled(10)), 0, "exit status")
    finally:
        p.kill()
        p.wait()
        os.close(master)
        os.close(slave)
        a.process = None
