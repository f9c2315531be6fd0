"""A day of traffic in twelve minutes: 864,000 messages of 1 KiB from one node to another, which is 10 a second for
24 hours, at 1200 a second. Finished entries are kept for a minute, not for ten, so that soon as much goes as comes:
in the second half neither memory nor files grow."""
import json
import os
import pathlib
import subprocess
import threading
import time

from lib import check, long_only, limit, needs_ours
from lib.net import connected
from lib.programs import program

RATE = 1200
SECONDS = int(os.environ.get("MYCELIUM_SOAK_SECONDS", "720"))
SAMPLE_S = 5
GROWTH_MAX = 1.05  # of the mean from the third quarter to the last one
NOISE_KIB = 2048
FILES_MAX_MIB = 1024  # the log may be 256 MiB, the rest is rows of the last minute


def rss_kib(node):
    for line in pathlib.Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def files_kib(node):
    return sum(p.stat().st_size for p in node.state_dir.iterdir()) // 1024


def quarter_means(samples):
    n = len(samples) // 4
    return sum(samples[2 * n:3 * n]) / n, sum(samples[3 * n:4 * n]) / n


@long_only
@limit(SECONDS * 4 / 10)  # ten times that with --long, and a loaded machine may need three times the time
@needs_ours
def test_a_day(net):
    keep = ["--bus-status-keep", "60"]
    b = net.node("b", extra=keep)
    a = net.node("a", peers=[b.endpoint()], extra=keep)
    connected(a, b)
    samples = {n.name: ([], []) for n in (a, b)}
    ended = threading.Event()

    def watch():
        while not ended.wait(SAMPLE_S):
            for n in (a, b):
                samples[n.name][0].append(rss_kib(n))
                samples[n.name][1].append(files_kib(n))
            print(f"#~ {', '.join(f'{k}: {v[0][-1]} KiB resident, {v[1][-1]} KiB of files' for k, v in samples.items())}",
                  flush=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.monotonic()
    with program("load") as load:
        out = subprocess.run([str(load), "--send", str(a.api_port), "--take", str(b.api_port), "--dst", b.ip,
                              "--count", str(RATE * SECONDS), "--size", "1024", "--clients", "64", "--takers", "8",
                              "--rate", str(RATE), "--limit", str(SECONDS * 3)], capture_output=True, text=True,
                             timeout=SECONDS * 4, check=False)
    ended.set()
    watcher.join()
    r = json.loads(out.stdout)
    print(f"# {r['delivered']} of {r['count']} messages in {time.monotonic() - started:.0f} s, "
          f"{r['duplicates']} twice, p99 {r['deliverMicroseconds']['p99'] / 1000:.1f} ms")
    check(out.returncode == 0, f"not every message arrived once: {r}")
    for name, (resident, files) in samples.items():
        third, last = quarter_means(resident)
        print(f"# {name}: {third:.0f} KiB resident in the third quarter, {last:.0f} in the last; files at most "
              f"{max(files) >> 10} MiB, {files[-1] >> 10} at the end")
        check(last <= third * GROWTH_MAX + NOISE_KIB, f"memory of {name} grew from {third:.0f} to {last:.0f} KiB")
        check(max(files) < FILES_MAX_MIB << 10, f"files of {name}: {max(files) >> 10} MiB")
