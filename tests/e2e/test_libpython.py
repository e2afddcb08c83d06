# SPDX-License-Identifier: MIT
"""gdb's own way to Python, libpython.py, goes on working through archerfish."""

import glob
import os
import re

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


def passed(t, python, way, names):
    """The tests that pass; the case is skipped if none does, each for a reason of its own."""
    run = t.start(Process, way, [python.path, os.path.join(TOP, "tests", "gdbcases", "cases.py"),
                                 "--way", way, "--stub", t.stub, *names])
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
    natively = passed(t, python, "native", names)
    t.check(len(natively) >= 5, "natively no more than %s" % sorted(natively))
    t.equal(passed(t, python, "remote", names), natively, "what passes")


@case("CPython's tests of libpython.py's commands pass by monitor", timeout=300,
      python=lambda: with_libpython()[-1:])
def _(t, python):
    if missing(python):
        t.skip(missing(python))
    # It wants of `len' another repr() than Python's.
    self_made = {"PyPrintTests.test_printing_builtin"}
    run = passed(t, python, "monitor", COMMANDS)
    t.equal(sorted(self_made & run), [], "tests of another repr() that pass")
    if len(run) < 14:  # such as those of an interpreter that was made without _testcapi
        natively = passed(t, python, "native", COMMANDS)
        t.equal(sorted(natively - self_made - run), [], "what passes natively alone")
        t.check(len(run) >= 10, "no more pass than %s" % sorted(run))
