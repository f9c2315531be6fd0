"""The configuration file: what the daemon and its commands take from it, its faults, SIGHUP, --check-config."""
import base64
import concurrent.futures
import itertools
import pathlib
import signal
import subprocess

from lib import check, check_equal, limit, needs_ours, wait_for
from lib.ports import free_port

EXAMPLE = pathlib.Path(__file__).parents[2] / "packaging" / "mycelium.toml"


def run(node, *args, **environment):
    """The program itself, without the options of the test's daemon."""
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(node.folder), "NO_COLOR": "1", **environment}
    return subprocess.run([str(node.binary), *map(str, args)], env=variables, cwd=node.folder,
                          capture_output=True, text=True, timeout=30, check=False)


def written(node, text):
    path = node.folder / "mycelium.toml"
    path.write_text(text)
    return path


@needs_ours
def test_file(net):
    """Two addresses for the API, the key, the state: all from the file; commands find the node by it."""
    a = net.node("a", start=False)
    second = free_port()
    path = written(a, f"""
key_file = "{a.key_file}"
state_dir = "{a.state_dir}"
tcp_listen_port = {a.tcp_port}
api_addr = ["127.0.0.1:{a.api_port}", "127.0.0.1:{second}"]
jsonrpc_addr = "off"
no_tun = true
log_format = "plain"
bus_outbox_node_messages = 2
colour = "green"
""")
    a.command = lambda: [str(a.binary), "-c", str(path)]
    a.start()
    check_equal(a.get("/admin")["nodeIp"], a.ip, "the key of the file")
    log = a.log_file.read_text()
    check("ts=" in log, "the log format of the file")
    check("unknown key in the configuration file" in log and "key=colour" in log, "no warning about `colour`")
    check((a.state_dir / "bus.db").exists(), "the state directory of the file")
    for port in (a.api_port, second):
        r = run(a, "--api-addr", f"127.0.0.1:{port}", "peers", "list", "--json")
        check_equal((r.returncode, r.stdout.strip()), (0, "[]"), f"peers list at {port}")
    r = run(a, "-c", path, "peers", "list", "--json")
    check_equal((r.returncode, r.stdout.strip(), r.stderr), (0, "[]", ""), "a command with the file")
    r = run(a, "peers", "list", MYCELIUM_CONFIG=str(path))
    check_equal(r.returncode, 0, "a command with the file of the environment")
    nowhere = "4ff:1::1"
    statuses = [a.post(nowhere, b"x").status for _ in range(3)]
    check_equal(statuses, [201, 201, 429], "the limit of the file")


@needs_ours
def test_faults(net):
    """Rows 44 and 47: what is wrong with the file, or taken, ends the start with one line and status 1."""
    a = net.node("a")
    for text, why in (("tcp_listen_port = 70000\n", ":1: `tcp_listen_port`: number too large"),
                      ("\npeers = ['x']\n", ":2: `peers`: missing leading protocol identifier"),
                      ("peers = [\n", ":2:1: a value is missing"),
                      ("enable_dns = true\n", "this release does not support enable_dns")):
        r = run(a, "-c", written(a, text), "-k", a.key_file, "--no-tun")
        check_equal((r.returncode, r.stdout), (1, ""), f"start with {text!r}")
        check(r.stderr.startswith("Error: ") and why in r.stderr and r.stderr.count("\n") == 1,
              f"{text!r}: {r.stderr!r}")
    r = run(a, "-c", "nowhere.toml", "peers", "list")
    check_equal((r.returncode, r.stderr), (1, "Error: nowhere.toml: No such file or directory\n"), "a missing file")
    for option, port in (("--api-addr", f"127.0.0.1:{a.api_port}"), ("-t", a.tcp_port)):
        own = {"-t": free_port(), "--api-addr": f"127.0.0.1:{free_port()}", option: port}
        r = run(a, "-k", a.folder / "other.key", "--no-tun", *(w for pair in own.items() for w in pair))
        check_equal(r.returncode, 1, f"{option} {port}, which is taken")
        check("cannot listen" in r.stdout, f"{option} {port}: {r.stdout[-500:]}")


@needs_ours
def test_check_config(net):
    a = net.node("a", start=False)
    path = written(a, f"key_file = '{a.key_file}'\nmemory_limit = '256MiB'\nbus_dead_keep = '3d'\n")
    r = run(a, "-c", path, "--check-config", "-t", "7")
    check_equal((r.returncode, r.stderr), (0, ""), "--check-config")
    for line in ('bus_dead_keep = "3d" # file', "tcp_listen_port = 7 # command line",
                 'api_addr = ["127.0.0.1:8989"] # default', f"# key file: {a.key_file}"):
        check(line in r.stdout.splitlines(), f"no line {line!r} in {r.stdout}")
    check("bus_remembered" in r.stdout and "# memory_limit" in r.stdout, "what memory_limit made smaller")
    check(not a.state_dir.exists(), "--check-config made something")
    again = written(a, r.stdout)
    r = run(a, "-c", again, "--check-config")
    check_equal(r.returncode, 0, f"what it printed, as a file: {r.stderr}")
    topics = a.folder / "topics"
    topics.write_text("default = 5\n")
    r = run(a, "-c", path, "--check-config", "--topic-config", topics)
    check_equal(r.returncode, 1, "a broken topic file")
    check(f"{topics}:1: default is" in r.stderr, r.stderr)


@needs_ours
def test_reload(net):
    """SIGHUP: peers of the file come and go, those of calls stay; a broken file changes nothing."""
    a = net.node("a", start=False)
    one, two, three = (f"tcp://127.0.0.1:{free_port()}" for _ in range(3))
    path = written(a, f"peers = ['{one}', '{two}']\n")
    a.extra = ["-c", str(path)]
    a.start()
    called = f"tcp://127.0.0.1:{free_port()}"
    check_equal(a.call("POST", "/admin/peers", {"endpoint": called}).status, 204, "a peer by a call")

    def peers():
        return {"tcp://" + p["endpoint"]["addr"]["socket"] for p in a.get("/admin/peers")}

    def hangup(mark):
        before = a.log_file.read_text().count(mark)
        a.process.send_signal(signal.SIGHUP)
        wait_for(f"{mark} in the log", lambda: a.log_file.read_text().count(mark) > before)

    check_equal(peers(), {one, two, called}, "peers at start")
    written(a, f"peers = ['{three}', '{two}']\n")
    hangup("peers read again")
    check_equal(peers(), {three, two, called}, "peers after SIGHUP")
    written(a, "peers = ['nonsense']\n")
    hangup("the configuration stays as it was")
    check_equal(peers(), {three, two, called}, "peers after a broken file")
    a.process.send_signal(signal.SIGUSR1)
    wait_for("peers in the log", lambda: f"endpoint={three}" in a.log_file.read_text())


@needs_ours
def test_example(net):
    """Every key of the example is known, every key that there is stands in it, and its values are the defaults."""
    a = net.node("a", start=False)
    lines = [line[1:] for line in EXAMPLE.read_text().splitlines() if line.startswith("#") and " = " in line
             and line[1] not in " -" and not line.startswith("#api_tls_")]
    r = run(a, "-c", written(a, "\n".join(lines) + "\n"), "-k", a.key_file, "--topic-config", "/dev/null",
            "--check-config")
    check_equal(r.returncode, 0, r.stderr)
    check("unknown" not in r.stderr, r.stderr)
    in_example = {line.split(" = ")[0]: line.split(" = ", 1)[1].split(" #")[0].strip() for line in lines}
    defaults = dict(line.split(" # ")[0].split(" = ", 1) for line in
                    run(a, "--check-config").stdout.splitlines() if not line.startswith("#"))
    own = {"key_file", "state_dir", "peers", "api_hosts", "api_origins", "metrics_api_address", "topic_config",
           "tun_name", "api_token_file", "api_socket", "api_tls_cert", "api_tls_key"}
    for key, value in defaults.items():
        check(key in in_example, f"{key} is not in the example")
        check(key in own or in_example[key] == value, f"{key}: {in_example[key]} in the example, default {value}")


@limit(120)
@needs_ours
def test_memory_limit(net):
    """Outbox and inbox filled until they refuse: the process stays below what it was given."""
    a = net.node("a", start=False)
    a.extra = ["--memory-limit", "64MiB"]
    a.start()
    payload = base64.b64encode(b"x" * 100).decode()

    def fill(body_of):
        """How many calls were taken."""
        for n in itertools.count():
            r = a.api.call("POST", "/bus/v1/messages", body_of(n), timeout=60)
            if r.status != 201:
                check_equal((r.status, r.json()["code"]), (429, "too-many"), "at the limit")
                return n

    pushes = fill(lambda n: {"dsts": [{"ip": f"4ff:{n:x}:{k:x}::1"} for k in range(1000)], "payload": payload})
    with concurrent.futures.ThreadPoolExecutor(32) as pool:  # they share commits
        to_itself = {"dst": {"ip": a.ip}, "payload": payload}
        kept = sum(pool.map(fill, [lambda _: to_itself] * 32))
    check(pushes >= 5 and kept >= 5000, f"{pushes} pushes, {kept} messages to itself")
    peak = a.rss_peak_kib()
    print(f"# {pushes * 1000} messages to others, {kept} to itself, {peak} KiB at the peak", flush=True)
    check(net.sanitized or peak < 64 * 1024, f"{peak} KiB with a limit of 64 MiB")
