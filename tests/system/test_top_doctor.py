"""top and doctor: what they show of a node that is well, that is alone, that is not there."""
import json
import os
import pty
import signal
import subprocess

from lib import check, check_equal, needs_ours, wait_for
from lib.net import connected
from test_commands import asked, refused, send
from test_config import run


def doctor(node, *before):
    r = run(node, "-k", node.key_file, "-t", node.tcp_port, *before, "doctor", "--json", "--state-dir", node.state_dir,
            "--api-addr", f"127.0.0.1:{node.api_port}")
    check_equal(r.stderr, "", "standard error")
    report = json.loads(r.stdout)
    check_equal(r.returncode, 0 if report["ok"] else 1, "exit status")
    check_equal(report["ok"], all(c["result"] != "fail" for c in report["checks"]), "ok")
    return {c["check"]: c for c in report["checks"]}


def results(report, *without):
    return {name: c["result"] for name, c in report.items() if name not in without}


MACHINE = ("clock", "files", "space", "disk")  # depend on where this runs


@needs_ours
def test_doctor(net):
    a, b = net.pair()
    connected(a, b)
    report = doctor(a)
    check_equal(results(report, *MACHINE),
                {"key": "ok", "state": "ok", "api": "ok", "port": "ok", "peers": "ok", "inbox": "ok"}, "all is well")
    check(set(MACHINE) <= set(report), f"{sorted(report)}")
    check("synced in" in report["disk"]["text"], report["disk"]["text"])
    # A message that was given up, and a key that others can read.
    send(b, a.ip, "x")
    fetched = wait_for("the message", lambda: a.api.call("POST", "/bus/v1/messages/fetch", {}).body)
    a.api.call("POST", "/bus/v1/messages/term", {"tokens": [json.loads(fetched)["messages"][0]["token"]]})
    a.key_file.chmod(0o644)
    report = doctor(a)
    check_equal((report["inbox"]["result"], report["key"]["result"]), ("warn", "warn"), "warnings")
    check("chmod 600" in report["key"]["advice"], report["key"]["advice"])
    a.stop()
    report = doctor(a)
    check_equal((report["api"]["result"], report["port"]["result"]), ("fail", "ok"), "without the node")
    check("peers" not in report, "what cannot be asked is left out")


@needs_ours
def test_doctor_of_a_node_alone(net):
    a = net.node("a")
    report = doctor(a)
    check_equal(report["peers"]["result"], "fail", "no peers")
    check("peers add" in report["peers"]["advice"], report["peers"]["advice"])
    text = run(a, "-k", a.key_file, "-t", a.tcp_port, "doctor", "--state-dir", a.state_dir, "--api-addr",
               f"127.0.0.1:{a.api_port}").stdout
    check(all(line.split()[0] in ("ok", "warn", "fail") for line in text.splitlines()), text)
    check("\033" not in text, "colours without a terminal")
    other = run(a, "-k", a.folder / "none", "doctor", "--api-addr", f"127.0.0.1:{a.api_port}").stdout
    check("warn  key" in other and "generate-keys" in other, other)


@needs_ours
def test_top(net):
    a, b = net.pair()
    connected(a, b)
    send(a, b.ip, "x")
    wait_for("it is there", lambda: json.loads(asked(b, "top", "--json"))["inbox"]["ready"] == 1)
    view = json.loads(asked(b, "top", "--json"))
    check_equal((view["nodeIp"], view["ready"], view["peers"]["connected"]), (b.ip, True, 1), "view")
    text = asked(b, "top")
    check("1 of 1 connected" in text and "1 ready" in text and "tcp://" in text, text)
    check("\033" not in text, "drawn without a terminal")
    b.stop()
    check("no connection" in refused(b, "top"), "without a node")


@needs_ours
def test_top_with_metrics(net):
    without = net.node("without")
    check("totals" not in json.loads(asked(without, "top", "--json")), "totals of a node without metrics")
    a = net.node("a", start=False)
    a.extra += ["--metrics-api-address", f"127.0.0.1:{a.api_port}"]
    a.start()
    send(a, "437:5106:5530:1589::1", "x")
    check_equal(json.loads(asked(a, "top", "--json"))["totals"]["accepted"], 1, "accepted")
    check("accepted 1" in asked(a, "top", "--once"), "totals at the first look")


@needs_ours
def test_top_on_a_terminal(net):
    """Draws over what it drew, until it is told to end."""
    a = net.node("a")
    ours, theirs = pty.openpty()
    p = subprocess.Popen([str(a.binary), "top", "--api-addr", f"127.0.0.1:{a.api_port}"], stdout=theirs, stdin=theirs,
                         stderr=subprocess.PIPE, env={"HOME": str(a.folder)})
    os.close(theirs)
    seen = b""
    while seen.count(b"\033[H") < 2:
        seen += os.read(ours, 4096)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate()
    os.close(ours)
    check_equal((p.returncode, err), (0, b""), "its end")
    check(a.ip.encode() in seen, repr(seen))
