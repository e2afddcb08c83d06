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


def passed(t, python, way):
    run = t.start(Process, way, [python.path, os.path.join(TOP, "tests", "gdbcases", "cases.py"),
                                 "--way", way, "--stub", t.stub, "PyBtTests.test_bt",
                                 "PyListTests", "PyLocalsTests"])
    t.equal(run.wait(200), 0, "its exit status; it said:\n" + run.text)
    return set(re.findall(r"^ok (\S+)", run.text, re.M))


@case("libpython.py does over target remote what it does natively", timeout=300,
      python=with_libpython)
def _(t, python):
    natively = passed(t, python, "native")
    t.check(len(natively) >= 5, "natively no more than %s" % sorted(natively))
    t.equal(passed(t, python, "remote"), natively, "what passes")
