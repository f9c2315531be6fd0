"""One daemon as a process: started, stopped, killed, asked."""
import base64
import contextlib
import os
import pathlib
import signal
import subprocess
import time
import urllib.parse

from .binary import is_ours
from .check import Failure, check, check_equal, scaled, wait_for
from .rest import Api, Broken
from .identity import identities
from .ports import free_port

START_MAX_S = 15.0
STOP_MAX_S = 6.0  # the daemon promises 4 s after SIGTERM


class Node:
    """key: a name of tests/vectors/keys.json. peers: endpoints that it dials. extra: more options.
    space: a network namespace (lib/spaces.py), else that of the test."""

    def __init__(self, name, folder, binary, key, peers=(), extra=(), space=None):
        self.name, self.binary, self.identity = name, pathlib.Path(binary), identities()[key]
        self.ours = is_ours(binary)
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        self.key_file = self.folder / "key.bin"
        self.key_file.touch(mode=0o600)
        self.key_file.write_bytes(self.identity.private_key)
        self.state_dir = self.folder / "state"
        self.log_file = self.folder / "log"
        self.tcp_port, self.api_port = free_port(), free_port()
        self.jsonrpc_port = free_port()
        self.jsonrpc_addr = f"127.0.0.1:{self.jsonrpc_port}"
        self.peers, self.extra = list(peers), list(extra)
        self.space = space or contextlib.nullcontext()
        self.discovers = False  # looks for peers on the local network
        self.environment = {}  # more variables for the daemon
        self.api = Api("127.0.0.1", self.api_port, self.space)
        self.process = None
        self.starts = 0

    def use(self, binary):
        """Of another program; before the start."""
        self.binary, self.ours = pathlib.Path(binary), is_ours(binary)

    @property
    def ip(self):
        return self.identity.ip

    @property
    def public_key(self):
        return self.identity.public_key.hex()

    def endpoint(self, host="127.0.0.1"):
        return f"tcp://[{host}]:{self.tcp_port}" if ":" in host else f"tcp://{host}:{self.tcp_port}"

    def command(self):
        args = [str(self.binary), "-k", str(self.key_file), "--no-tun", "--disable-quic",
                *([] if self.discovers else ["--disable-peer-discovery"]), "-t", str(self.tcp_port),
                "--api-addr", f"127.0.0.1:{self.api_port}",
                "--jsonrpc-addr", self.jsonrpc_addr]
        if self.ours:
            args += ["--state-dir", str(self.state_dir)]
        args += self.extra
        if self.peers:
            args += ["--peers", *self.peers]
        return args

    # ---- life

    def start(self, wait=True):
        check(not self.running(), f"{self.name} runs already")
        self.starts += 1
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MYCELIUM_")}
        environment.update(NO_COLOR="1", HOME=str(self.folder), **self.environment)
        environment.pop("RUST_LOG", None)
        with open(self.log_file, "ab") as log, self.space:
            log.write(f"--- start {self.starts}\n".encode())
            log.flush()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.folder, env=environment)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + scaled(START_MAX_S)
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode} at start:\n{self.log_tail()}")
            try:
                if self.api.call("GET", "/api/v1/admin", timeout=2).status == 200:
                    return
            except Broken:
                pass
            time.sleep(0.01)
        raise Failure(f"{self.name} did not answer within {scaled(START_MAX_S):g} s:\n{self.log_tail()}")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def check_running(self):
        if not self.running():
            status = "never started" if self.process is None else f"status {self.process.returncode}"
            raise Failure(f"{self.name} is not running ({status}):\n{self.log_tail()}")

    def stop(self):
        """SIGTERM; the daemon must end by itself, with status 0."""
        self.check_running()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(scaled(STOP_MAX_S))
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failure(f"{self.name} did not end after SIGTERM:\n{self.log_tail()}") from None
        self.api.forget_connections()
        check_equal(status, 0, f"exit status of {self.name} after SIGTERM")

    def kill9(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.api.forget_connections()

    def restart(self, how="stop", pause=0.0):
        """how: `stop` or `kill9`."""
        getattr(self, how)()
        time.sleep(pause)
        return self.start()

    def log_tail(self, lines=30):
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    # ---- questions

    def call(self, method, path, body=None, **options):
        return self.api.call(method, "/api/v1" + path, body, **options)

    def get(self, path, status=200, **options):
        a = self.call("GET", path, **options)
        check_equal(a.status, status, f"GET {path} on {self.name} ({a.text[:200]})")
        return a.json() if a.body and status == 200 else None

    def alive_peers(self):
        return [p for p in self.get("/admin/peers") if p["connectionState"] == "alive"]

    def wait_peers(self, count, seconds=15.0):
        return wait_for(f"{self.name} has {count} live peers",
                        lambda: len(self.alive_peers()) >= count, seconds)

    def has_route(self, other):
        return any(r["subnet"] == other.identity.subnet and r["metric"] != "infinite"
                   for r in self.get("/admin/routes/selected"))

    def wait_route(self, other, seconds=15.0):
        return wait_for(f"{self.name} has a route to {other.name}", lambda: self.has_route(other), seconds)

    def rss_peak_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise Failure("no VmHWM line")

    # ---- messages

    def send(self, destination, payload, topic=None, **options):
        """To a node, or to an address as text. Returns the id."""
        a = self.post(destination, payload, topic, **options)
        check_equal(a.status, 201, f"POST /messages on {self.name} ({a.text[:200]})")
        return a.json()["id"]

    def post(self, destination, payload, topic=None, query="", **options):
        return self.call("POST", "/messages" + query, message_body(destination, payload, topic), **options)

    def reply(self, identifier, destination, payload, **options):
        a = self.call("POST", f"/messages/reply/{identifier}", message_body(destination, payload, None),
                      **options)
        check_equal(a.status, 204, f"POST /messages/reply on {self.name} ({a.text[:200]})")

    def take(self, seconds=0, topic=None, peek=False):
        """Pops one message as a dictionary with `payload` and `topic` as bytes, or None. A time
        limit is spent in short calls."""
        query = {"timeout": str(1 if seconds else 0)}
        if topic is not None:
            query["topic"] = base64.b64encode(topic).decode()
        if peek:
            query["peek"] = "true"
        path = "/messages?" + urllib.parse.urlencode(query)
        end = time.monotonic() + scaled(seconds)
        while True:
            a = self.call("GET", path)
            check(a.status in (200, 204), f"GET /messages on {self.name}: {a.status} {a.text[:200]}")
            if a.status == 200:
                return decoded(a.json())
            check_equal(a.body, b"", "body of a 204")
            if time.monotonic() >= end:
                return None

    def status(self, identifier):
        return self.get(f"/messages/status/{identifier}")["state"]

    def wait_status(self, identifier, states, seconds=10.0):
        if isinstance(states, str):
            states = (states,)
        return wait_for(f"status of {identifier} on {self.name} is {' or '.join(states)}",
                        lambda: self.status(identifier) in states, seconds)


    def wait_read(self, identifier, receiver, seconds=10.0):
        """After the receiver's client took it. Between two reference nodes `received` is enough."""
        both_reference = not self.ours and not receiver.ours
        return self.wait_status(identifier, ("read", "received") if both_reference else "read", seconds)


def message_body(destination, payload, topic):
    to = destination if isinstance(destination, str) else destination.ip
    body = {"dst": {"ip": to}, "payload": base64.b64encode(payload).decode()}
    if topic is not None:
        body["topic"] = base64.b64encode(topic).decode()
    return body


def decoded(message):
    message = dict(message, payload=base64.b64decode(message["payload"], validate=True))
    message["topic"] = base64.b64decode(message.get("topic", ""), validate=True)
    return message


def pattern(length):
    """The payload of the vectors: byte i is (7 i + 3) mod 256."""
    return bytes((7 * i + 3) & 255 for i in range(256)) * (length // 256) \
        + bytes((7 * i + 3) & 255 for i in range(length % 256))
