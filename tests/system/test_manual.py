"""The manual pages have every command, option and key that the program has, and every command's help has an example."""
import re
import shutil
import subprocess

from lib import check, check_equal, needs_ours
from lib.binary import REPOSITORY, under_test

FOLDER = REPOSITORY / "docs" / "man"


def shown(*args):
    r = subprocess.run([str(under_test()), *args], env={"HOME": "/nonexistent"}, cwd="/", capture_output=True, text=True, check=True)
    check_equal(r.stderr, "", f"{args}")
    return r.stdout


def commands(path=()):
    """(path, help) of every command, groups included."""
    text = shown("help", *path)
    yield path, text
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.M)
    for line in listed.group(1).splitlines() if listed else ():
        if (name := line.split()[0]) != "help" and re.match(r"  \S", line):
            yield from commands((*path, name))


@needs_ours
def test_commands_and_options(_net):
    page = (FOLDER / "mycelium.1").read_text()
    options, seen = set(re.findall(r"Fl Fl ([\w-]+)", page)), 0
    for path, text in commands():
        for option in re.findall(r"^ +(?:-\w, )?--([\w-]+)", text, re.M):
            check(option in options or option in ("help", "version"), f"{' '.join(path)} --{option} is not in the manual")
            seen += 1
        if path and "\nCommands:" not in text:
            check(f"\n.Ss {' '.join(path)}\n" in page, f"{' '.join(path)} is not in the manual")
            check("\nExamples:\n  mycelium " in text or "\nExamples:\n  sudo" in text, f"{' '.join(path)} has no example")
    check(seen > 200, f"{seen} options seen")


@needs_ours
def test_no_option_too_many(_net):
    """What the manual has the program has."""
    page, known = (FOLDER / "mycelium.1").read_text(), {"help", "version"}
    for _, text in commands():
        known |= set(re.findall(r"--([\w-]+)", text))
    check_equal(set(re.findall(r"^\.It (?:Fl \w , )?Fl Fl ([\w-]+)", page, re.M)) - known, set(), "unknown to the program")


@needs_ours
def test_keys(_net):
    """Those of the file that comes with the program, and those that --check-config prints."""
    described = set(re.findall(r"^\.It Ic (\w+) ", (FOLDER / "mycelium.toml.5").read_text(), re.M))
    packaged = set(re.findall(r"^#?(\w+) = ", (REPOSITORY / "packaging" / "mycelium.toml").read_text(), re.M))
    check_equal(described, packaged, "keys of the manual and of the packaged file")


@needs_ours
def test_pages_are_well_formed(_net):
    checker = next((c for c in (["mandoc", "-T", "lint", "-W", "error"], ["groff", "-mdoc", "-Tutf8", "-ww", "-z"])
                    if shutil.which(c[0])), None)
    for page in sorted(FOLDER.iterdir()):
        text = page.read_text()
        check(all(f"\n.Sh {s}\n" in text for s in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO")), f"{page}: sections")
        if checker:
            r = subprocess.run([*checker, str(page)], capture_output=True, text=True, check=False)
            check_equal((r.returncode, r.stdout, r.stderr), (0, "", ""), f"{page}")
