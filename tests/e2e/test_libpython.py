# SPDX-License-Identifier: MIT
"""gdb's own way to Python, libpython.py, goes on working through archerfish."""

import glob
import os
import re
import subprocess

import zoo
from harness import TOP, Process, case


def missing(python):
    """What it has not that libpython.py or CPython's test of it need, or None."""
    if python.version < (3, 11):
        return "this version's test of libpython.py is no package, as the way to ask it needs"
    if python.stripped:
        return "libpython.py needs debug symbols"
    if not glob.glob(os.path.realpath(python.path) + "-gdb.py"):
        return "no libpython.py beside this interpreter"
    return None


def with_libpython():
    """tests/gdbcases/cases.py does the others and the whole of that test."""
    return [p for p in zoo.pythons() if not missing(p)]


COMMANDS = ["PyBtTests.test_bt", "PyListTests", "PyLocalsTests", "PyPrintTests",
            "StackNavigationTests"]


def command(python, *args):
    """cases.py, run by that interpreter."""
    return python.command(os.path.join(TOP, "tests", "gdbcases", "cases.py"), *args)


def suite(t, python):
    """cases.py for an interpreter without symbols, with the tests of one that has them."""
    if python.root:
        run = subprocess.run([os.path.join(TOP, "tests", "gdbcases", "suite.sh"), python.root,
                              "%d.%d" % python.version[:2]], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, universal_newlines=True, env=os.environ)
        if run.returncode == 77:
            t.skip("Debian's package of this version's tests can't be had")
        t.equal(run.returncode, 0, "suite.sh")
        folder = run.stdout.strip()
        return ["/usr/bin/env", "ZOO_BIND=%s:%s" % (t.environment()["ZOO_BIND"], folder),
                *command(python, "--suite", folder)]
    for other in zoo.pythons():
        if other.version[:2] == python.version[:2] and not missing(other):
            return command(other, "--of", python.path)
    t.skip("no interpreter of this version with its tests")
    return None


def passed(t, cases, way, names):
    """The tests that pass; the case is skipped if none does, each for a reason of its own."""
    run = t.start(Process, way, [*cases, "--way", way, "--stub", t.stub, *names])
    t.equal(run.wait(200), 0, "its exit status; it said:\n" + run.text)
    skipped = re.findall(r"^skip \S+ # (.*)", run.text, re.M)
    if way == "native" and skipped and not re.search(r"^(ok|not ok) ", run.text, re.M):
        t.skip("natively each test skips itself: " + skipped[0])
    return set(re.findall(r"^ok (\S+)", run.text, re.M))


@case("libpython.py does over target remote what it does natively", timeout=300,
      python=with_libpython)
def _(t, python):
    if missing(python):
        t.skip(missing(python))
    names = COMMANDS[:3]
    natively = passed(t, command(python), "native", names)
    t.check(len(natively) >= 5, "natively no more than %s" % sorted(natively))
    t.equal(passed(t, command(python), "remote", names), natively, "what passes")


# It wants of `len' another repr() than Python's.
SELF_MADE = {"PyPrintTests.test_printing_builtin"}

# They want a frame of a C function that the optimizer made part of its caller's, from 3.14 on.
OF_C_FRAMES = {"StackNavigationTests." + name for name in ("test_pyup_command", "test_up_then_down")}


def one_of_each():
    """The newest with symbols, and a stripped one; the table of versions has the others."""
    stripped = [p for p in zoo.pythons() if p.stripped and p.version[:2] == (3, 14)]
    return with_libpython()[-1:] + stripped[-1:]


def has_testcapi(python):
    return subprocess.run(python.command("-c", "import _testcapi"), stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


@case("CPython's tests of libpython.py's commands pass by monitor", timeout=300,
      python=one_of_each)
def _(t, python):
    if not python.stripped:
        if missing(python):
            t.skip(missing(python))
        run = passed(t, command(python), "monitor", COMMANDS)
        t.equal(sorted(SELF_MADE & run), [], "tests of another repr() that pass")
        if len(run) < 14:  # such as those of an interpreter that was made without _testcapi
            natively = passed(t, command(python), "native", COMMANDS)
            t.equal(sorted(natively - SELF_MADE - run), [], "what passes natively alone")
            t.check(len(run) >= 10, "no more pass than %s" % sorted(run))
        return
    run = passed(t, suite(t, python), "monitor", COMMANDS)
    t.equal(sorted(SELF_MADE & run), [], "tests of another repr() that pass")
    lost = OF_C_FRAMES - run if python.version >= (3, 14) else set()
    t.check(len(run | lost) >= (14 if has_testcapi(python) else 10),
            "no more pass than %s" % sorted(run))
