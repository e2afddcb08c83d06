# SPDX-License-Identifier: MIT
"""gdb's own way to Python, libpython.py, goes on working through archerfish."""

import glob
import os
import re

import zoo
from harness import TOP, Process, case


def with_libpython():
    """Interpreters with debug symbols, their python-gdb.py and CPython's test of it.

    tests/gdbcases/cases.py does the others and the whole of that test.
    """
    return [p for p in zoo.pythons()
            if p.version >= (3, 11) and not p.stripped and glob.glob(os.path.realpath(p.path) + "-gdb.py")]


COMMANDS = ["PyBtTests.test_bt", "PyListTests", "PyLocalsTests", "PyPrintTests",
            "StackNavigationTests"]


def passed(t, python, way, names):
    run = t.start(Process, way, [python.path, os.path.join(TOP, "tests", "gdbcases", "cases.py"),
                                 "--way", way, "--stub", t.stub, *names])
    t.equal(run.wait(200), 0, "its exit status; it said:\n" + run.text)
    return set(re.findall(r"^ok (\S+)", run.text, re.M))


@case("libpython.py does over target remote what it does natively", timeout=300,
      python=with_libpython)
def _(t, python):
    names = COMMANDS[:3]
    natively = passed(t, python, "native", names)
    t.check(len(natively) >= 5, "natively no more than %s" % sorted(natively))
    t.equal(passed(t, python, "remote", names), natively, "what passes")


@case("CPython's tests of libpython.py's commands pass by monitor", timeout=300,
      python=lambda: with_libpython()[-1:])
def _(t, python):
    # It wants of `len' another repr() than Python's.
    self_made = {"PyPrintTests.test_printing_builtin"}
    run = passed(t, python, "monitor", COMMANDS)
    t.equal(sorted(self_made & run), [], "tests of another repr() that pass")
    t.check(len(run) >= 14, "no more pass than %s" % sorted(run))
