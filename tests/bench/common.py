"""What the benchmarks share: pairs of daemons, the disk's own speed, a table."""
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from lib import Net, reference, under_test  # noqa: E402
from lib.programs import program  # noqa: E402, F401


@contextlib.contextmanager
def bench_net():
    """A Net in a folder of its own; MYCELIUM_BENCH_DIR chooses the disk that is measured."""
    folder = tempfile.mkdtemp(prefix="mycelium-bench-", dir=os.environ.get("MYCELIUM_BENCH_DIR"))
    net = Net(folder)
    try:
        yield net
    finally:
        net.close()
        shutil.rmtree(folder, ignore_errors=True)


def programs():
    """(name, path) of what is measured: ours, and the reference when it is named."""
    if not under_test().is_file():
        sys.exit(f"the daemon under test is missing: {under_test()} (build it, or set MYCELIUM_BIN)")
    out = [("ours", under_test())]
    if reference() is not None:
        out.append(("reference", reference()))
    else:
        print("skip reference MYCELIUM_REFERENCE names no program")
    return out


def fdatasync_seconds(folder, samples=200, size=4096):
    """Times of single appends of `size` bytes, each with its fdatasync, in that folder."""
    path, times = pathlib.Path(folder) / "fdatasync", []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(samples):
            started = time.perf_counter()
            os.write(fd, bytes(size))
            os.fdatasync(fd)
            times.append(time.perf_counter() - started)
    finally:
        os.close(fd)
        path.unlink()
    return times


def quantiles(values):
    """(median, 95 %, 99 %, largest)"""
    v = sorted(values)
    return statistics.median(v), v[int(len(v) * 0.95)], v[min(len(v) - 1, int(len(v) * 0.99))], v[-1]


def table(heading, rows):
    rows = [heading, *rows]
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(heading))]
    for r in rows:
        print("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                        for i, (c, w) in enumerate(zip(r, widths))).rstrip(), flush=True)


def ms(seconds):
    return f"{seconds * 1000:.2f}"
