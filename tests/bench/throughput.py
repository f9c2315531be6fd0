#!/usr/bin/env python3
"""1 KiB messages from one node to another that is emptied meanwhile, by 1 to 256 clients at a time: durable,
with durable: false, and between two reference nodes when one is named; and a larger number of messages at the same
load. Beside them, in the same run: inserts into a bare SQLite database in transactions of so many rows, and
the disk's syncs. CPU time is by message, of all threads of a node. The clients are the program tests/load/load.c. Fails unless every message arrived once.

Rounds alternate between the kinds, and the median counts, so that what else the machine does meets all of them."""
import argparse
import collections
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import time

from common import bench_net, fdatasync_seconds, program, programs, quantiles, table

SIZE, TAKERS = 1024, 8
KINDS = ("durable", "memory", "reference")


def cpu_seconds(node):
    fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(load, path, kind, count, clients, limit):
    with bench_net() as net:
        a, b = net.pair(path, path)
        command = [str(load), "--send", str(a.api_port), "--take", str(b.api_port), "--dst", b.ip, "--count", str(count),
                   "--size", str(SIZE), "--clients", str(clients), "--takers", str(TAKERS), "--limit", str(limit)]
        if kind == "memory":
            command.append("--memory")
        out = subprocess.run(command, capture_output=True, text=True, timeout=limit + 60, check=False)
        if out.returncode not in (0, 1):
            sys.exit(f"load: {out.stderr}")
        r = json.loads(out.stdout)
        r["rate"] = r["delivered"] / (r["deliveredSeconds"] or 1)
        r["cpu"] = [1e6 * cpu_seconds(n) / count for n in (a, b)]
        r["rss"] = max(a.rss_peak_kib(), b.rss_peak_kib()) / 1024
        r["complete"] = out.returncode == 0
        return r


def bare_sqlite(folder, batch, seconds=1.0):
    """Rows of 1 KiB per second in transactions of `batch`, each synced; WAL, one index as on the ids."""
    path = pathlib.Path(folder) / "bare.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t(seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, body BLOB NOT NULL)")
    db.execute("CREATE INDEX t_id ON t(id)")
    n, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        rows = [(int.from_bytes(os.urandom(7), "big"), os.urandom(SIZE)) for _ in range(batch)]
        db.execute("BEGIN")
        db.executemany("INSERT INTO t(id, body) VALUES(?,?)", rows)
        db.execute("COMMIT")
        n += batch
    rate = n / (time.perf_counter() - started)
    db.close()
    for p in path.parent.glob("bare.db*"):
        p.unlink()
    return rate


def median(runs, key):
    return statistics.median(key(r) for r in runs)


def row_of(kind, count, clients, runs, bare):
    def took(name, part):
        return f"{median(runs, lambda r: r[name][part]) / 1000:.2f}"
    rate = median(runs, lambda r: r["rate"])
    return (kind, count, clients, f"{rate:.0f}", took("acceptMicroseconds", "p50"), took("acceptMicroseconds", "p99"),
            took("deliverMicroseconds", "p50"), took("deliverMicroseconds", "p99"),
            *(f"{median(runs, lambda r, i=i: r['cpu'][i]):.0f}" for i in (0, 1)), f"{median(runs, lambda r: r['rss']):.1f}", f"{rate / bare:.2f}" if bare else "")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--count", type=int, default=5000)
    p.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64, 256])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--many", type=int, default=50000, help="messages of the long run with 64 clients; 0: none")
    p.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    p.add_argument("--limit", type=int, default=300, help="seconds for one run")
    options = p.parse_args()
    paths = dict(programs())
    kinds = {k: paths["reference" if k == "reference" else "ours"] for k in options.kinds
             if k != "reference" or "reference" in paths}
    runs, incomplete, bare = collections.defaultdict(list), [], {}
    with program("load") as load, bench_net() as net:
        for clients in options.clients:
            for _ in range(options.rounds):
                for kind, path in kinds.items():
                    count = max(500, options.count // 5) if clients == 1 else options.count
                    r = run(load, path, kind, count, clients, options.limit)
                    runs[kind, count, clients].append(r)
                    if not r["complete"]:
                        incomplete.append(f"{kind}: {json.dumps(r)}")
            bare[clients] = bare_sqlite(net.folder, clients)
        if options.many:
            for kind in ("durable", "memory"):
                if kind in kinds:
                    r = run(load, paths["ours"], kind, options.many, 64, options.limit)
                    runs[kind, options.many, 64].append(r)
                    if not r["complete"]:
                        incomplete.append(f"{kind}: {json.dumps(r)}")
        syncs = fdatasync_seconds(net.folder)
    table(("kind", "messages", "clients", "delivered/s", "accept p50 ms", "p99", "deliver p50 ms", "p99",
           "sender CPU us", "receiver CPU us", "MiB", "of bare SQLite"), [row_of(*key, r, bare.get(key[2])) for key, r in runs.items()])
    rates = {key: median(r, lambda x: x["rate"]) for key, r in runs.items()}
    for kind, count, clients in list(rates):
        for other in ("memory", "reference"):
            if kind == "durable" and (other, count, clients) in rates:
                ratio = rates[kind, count, clients] / rates[other, count, clients]
                print(f"durable to {other}, {count} messages, {clients} clients: {ratio:.2f}")
        if count == options.many and (kind, options.count, 64) in rates:
            print(f"{kind}: rate of {count} to rate of {options.count}: "
                  f"{rates[kind, count, 64] / rates[kind, options.count, 64]:.2f}")
    print("bare SQLite, rows/s: " + ", ".join(f"{n} in a transaction {r:.0f}" for n, r in bare.items()))
    print(f"disk: median of a sync {quantiles(syncs)[0] * 1000:.2f} ms, 99 % {quantiles(syncs)[2] * 1000:.2f} ms")
    for text in incomplete:
        print(f"incomplete: {text}")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
