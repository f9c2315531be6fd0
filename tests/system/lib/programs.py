"""The clients written in C (tests/load): from the build folder of the daemon under test, else compiled."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from .binary import REPOSITORY, under_test

SOURCES = {"campaign": ("campaign.c", "campaign_clients.c", "books.c", "daemon.c", "http_client.c"),
           "load": ("load.c", "http_client.c"),
           "lossy_path": ("lossy_path.c",)}
FOLDER = REPOSITORY / "tests" / "load"


@contextlib.contextmanager
def program(name):
    """The path of the program."""
    build = under_test().parent
    if (build / "build.ninja").exists() and f"build tests/load/{name}:" in (build / "build.ninja").read_text():
        subprocess.run(["ninja", "-C", str(build), "--quiet", f"tests/load/{name}"], check=True)
        yield build / "tests" / "load" / name
        return
    with tempfile.TemporaryDirectory(prefix="mycelium-load-") as folder:
        out = pathlib.Path(folder) / name
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-o", str(out),
                        *(str(FOLDER / s) for s in SOURCES[name])], check=True)
        yield out


@contextlib.contextmanager
def preloaded(source):
    """A file of tests/system/preload as a library for LD_PRELOAD."""
    with tempfile.TemporaryDirectory(prefix="mycelium-preload-") as folder:
        out = pathlib.Path(folder) / (pathlib.Path(source).stem + ".so")
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread",
                        "-o", str(out), str(REPOSITORY / "tests" / "system" / "preload" / source), "-ldl"], check=True)
        yield out
