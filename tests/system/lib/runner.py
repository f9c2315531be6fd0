"""Finds test functions, runs each in a process group of its own, prints one line for each.

A test is a function `test_*(net)` in a file `test_*.py`. It gets a fresh `Net`; everything that it
started is killed when it ends, when its time is over, and when the runner ends."""
import argparse
import ctypes
import importlib
import inspect
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from .binary import under_test
from .check import Skip, scale_times, scaled
from .net import Net

DEFAULT_LIMIT_S = 60.0
EXIT_OK, EXIT_FAIL, EXIT_SKIP = 0, 1, 77
SANITIZED_TIME_SCALE = 4
# What a sanitizer writes into the log of a daemon before it ends it.
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")
PR_SET_PDEATHSIG = 1


def discover(folder):
    """(name, function) of all tests, in the order of files and of lines."""
    sys.path.insert(0, str(folder))
    for file in sorted(folder.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        tests = [f for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
        for function in sorted(tests, key=_line):
            yield f"{file.stem[5:]}.{function.__name__[5:]}", function


def _line(function):
    return inspect.unwrap(function).__code__.co_firstlineno


def main(folder, title):
    a = argparse.ArgumentParser(description=title)
    a.add_argument("-k", metavar="NAME", default="", help="only tests whose name holds NAME")
    a.add_argument("--long", action="store_true", help="the long versions as well")
    a.add_argument("--sanitized", action="store_true",
                   help="the daemon is built with sanitizers: more time, no limits of memory")
    a.add_argument("--list", action="store_true", help="print the names and end")
    a.add_argument("-v", action="store_true", help="print what the tests print")
    options = a.parse_args()
    folder = pathlib.Path(folder).resolve()
    tests = [(n, f) for n, f in discover(folder) if options.k in n]
    if options.list:
        print("\n".join(n for n, _ in tests))
        return 0
    if not under_test().is_file():
        print(f"the daemon under test is missing: {under_test()} (build it, or set MYCELIUM_BIN)",
              file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.sanitized:
        scale_times(SANITIZED_TIME_SCALE)
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for name, function in tests:
        counts[run_one(name, function, options)] += 1
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped", flush=True)
    return 1 if counts["FAIL"] else 0


def run_one(name, function, options):
    """Prints the line(s) of the test and returns `ok`, `FAIL` or `skip`."""
    if getattr(function, "long_only", False) and not options.long:
        print(f"skip {name} only with --long", flush=True)
        return "skip"
    work = pathlib.Path(tempfile.mkdtemp(prefix="mycelium-test-"))
    limit = scaled(getattr(function, "limit_s", DEFAULT_LIMIT_S) * (10 if options.long else 1))
    started, output = time.monotonic(), work / "output"
    child = os.fork()
    if child == 0:
        _child(function, work, output, options)
    status = None
    try:
        status = _wait(child, started + limit, output)
    finally:
        _end_group(child, reaped=status is not None)
    seconds = time.monotonic() - started
    text = output.read_text(errors="replace") if output.exists() else ""
    return _report(name, status, seconds, limit, text, work, options)


def _child(function, work, output, options):
    """The test's own process: leader of the group that all its daemons belong to."""
    code = EXIT_FAIL
    try:
        os.setpgid(0, 0)
        # The group ends with the runner, however the runner ends.
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        code = _run(function, work, options)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(function, work, options):
    net = Net(work, options.long, options.sanitized)
    try:
        function(net)
        return EXIT_OK if _orderly_end(net) else EXIT_FAIL
    except Skip as why:
        print(f"why: {why}", flush=True)
        return EXIT_SKIP
    except Exception:
        traceback.print_exc()
        return EXIT_FAIL
    finally:
        net.close()


def _orderly_end(net):
    """Every daemon of ours that still runs ends by itself, and none left a report of a sanitizer."""
    good = True
    for n in net.nodes:
        if n.ours and n.running():
            n.stop()
        elif n.process is not None and n.process.poll() not in (None, 0, -signal.SIGKILL):
            print(f"{n.name} ended with status {n.process.returncode}:\n{n.log_tail()}")
            good = False
        text = n.log_file.read_text(errors="replace") if n.log_file.exists() else ""
        if any(mark in text for mark in SANITIZER_MARKS):
            print(f"a sanitizer's report of {n.name}:\n{n.log_tail(60)}")
            good = False
    return good


def _wait(child, end, output):
    """The exit status, or None after the time. Lines that begin with `#~` are printed as they come."""
    seen = 0
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        seen = _show_progress(output, seen)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _show_progress(output, seen):
    if not output.exists() or output.stat().st_size <= seen:
        return seen
    with open(output, "rb") as f:
        f.seek(seen)
        new = f.read()
    lines, _, _ = new.rpartition(b"\n")
    for line in lines.splitlines():
        if line.startswith(b"#~"):
            print(line.decode(errors="replace"), flush=True)
    return seen + len(lines) + (1 if b"\n" in new else 0)


def _end_group(child, reaped):
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    if not reaped:
        os.waitpid(child, 0)


def _report(name, status, seconds, limit, text, work, options):
    if status == EXIT_SKIP:
        why = text.rpartition("why: ")[2].strip()
        print(f"skip {name} {why}", flush=True)
        shutil.rmtree(work, ignore_errors=True)
        return "skip"
    notes = [line for line in text.splitlines() if line.startswith("# ")]
    if status == EXIT_OK:
        print("\n".join(text.splitlines() if options.v else notes) + "\n" * bool(text if options.v else notes)
              + f"ok {name} {seconds:.1f}s", flush=True)
        shutil.rmtree(work, ignore_errors=True)
        return "ok"
    print(text.rstrip())
    if status is None:
        print(f"not ended within {limit:g} s")
    print(f"logs and state are kept in {work}\nFAIL {name} {seconds:.1f}s", flush=True)
    return "FAIL"
