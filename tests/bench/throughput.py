#!/usr/bin/env python3
"""1 KiB messages by 16 clients to one receiver that is emptied meanwhile: rates of accepted and of
delivered messages. The clients are the program load.c. Fails unless every message arrived once."""
import argparse
import json
import subprocess
import sys

from common import bench_net, load_program, programs, table

SIZE, CLIENTS, TAKERS = 1024, 16, 8


def run(load, program, count, limit):
    with bench_net() as net:
        a, b = net.pair(program, program)
        out = subprocess.run([str(load), "--send", str(a.api_port), "--take", str(b.api_port), "--dst", b.ip,
                              "--count", str(count), "--size", str(SIZE), "--clients", str(CLIENTS),
                              "--takers", str(TAKERS), "--limit", str(limit)],
                             capture_output=True, text=True, timeout=limit + 60, check=False)
        if out.returncode not in (0, 1):
            sys.exit(f"load: {out.stderr}")
        r = json.loads(out.stdout)
        r["rss"] = a.rss_peak_kib(), b.rss_peak_kib()
        r["complete"] = out.returncode == 0
        return r


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--counts", type=int, nargs="+", default=[5000, 50000])
    p.add_argument("--limit", type=int, default=180, help="seconds for one run")
    options = p.parse_args()
    rows, incomplete = [], []
    with load_program() as load:
        for name, program in programs():
            counts = options.counts if name == "ours" else options.counts[:1]
            rates = []
            for count in counts:
                r = run(load, program, count, options.limit)
                accepted = r["accepted"] / (r["acceptedSeconds"] or 1)
                rates.append(r["delivered"] / (r["deliveredSeconds"] or 1))
                rows.append((name, count, f"{accepted:.0f}", f"{rates[-1]:.0f}", r["count"] - r["delivered"],
                             r["duplicates"], r["busy"], f"{r['rss'][0] / 1024:.1f}", f"{r['rss'][1] / 1024:.1f}"))
                if not r["complete"]:
                    incomplete.append(f"{name}, {count}: {json.dumps(r)}")
            if len(rates) == 2:
                rows.append((f"{name}: rate of {counts[1]} to rate of {counts[0]}", "", "",
                             f"{rates[1] / rates[0]:.2f}", "", "", "", "", ""))
    table(("node", "messages", "accepted/s", "delivered/s", "lost", "twice", "busy", "sender MiB", "receiver MiB"),
          rows)
    for text in incomplete:
        print(f"incomplete: {text}")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
