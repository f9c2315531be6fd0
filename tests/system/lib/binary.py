"""Which programs the tests run: the daemon under test and, if there is one, the reference node.

MYCELIUM_BIN        the daemon under test; default <repository>/build/mycelium
MYCELIUM_REFERENCE  a node of the network's other implementation; never built or fetched here
"""
import functools
import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
VECTORS = REPOSITORY / "tests" / "vectors"


def under_test():
    return pathlib.Path(os.environ.get("MYCELIUM_BIN") or REPOSITORY / "build" / "mycelium").resolve()


def reference():
    """The path, or None when none was named or the file is not there."""
    name = os.environ.get("MYCELIUM_REFERENCE")
    if not name:
        return None
    path = pathlib.Path(name).resolve()
    return path if path.is_file() else None


@functools.lru_cache(maxsize=None)
def is_ours(path):
    """Only our daemon knows --state-dir, and it is never the file that was named as the reference."""
    ref = reference()
    if ref is not None and ref == pathlib.Path(path).resolve():
        return False
    out = subprocess.run([str(path), "--help"], capture_output=True, timeout=20, check=False)
    return b"--state-dir" in out.stdout + out.stderr
