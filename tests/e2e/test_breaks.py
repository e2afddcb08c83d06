# SPDX-License-Identifier: MIT
"""Python breakpoints: a few; tests/breaks has them all, with every interpreter."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import breaks  # noqa: E402
from harness import case  # noqa: E402


def few():
    """One of each way of running instructions: to 3.10, 3.11, later."""
    found = {}
    for p in breaks.breakable():
        found.setdefault(min(max(p.version[1], 10), 12), p)
    return list(found.values())


@case("four lines of a Python function stop each time with its arguments", python=few)
def _(t, python):
    breaks.run_lines(t, python, 100, calls=50)


@case("Python breakpoints are not for a client that may only look", python=few)
def _(t, python):
    go = os.path.join(t.dir, "go")
    program = t.program(python, breaks.SOURCE, 1, 1, go, until="^ready")
    server, r = breaks.attach(t, program, "--read-only")
    t.has(r.monitor("py-break f"), "read-only")
    r.ask("D")
    program.popen.kill()
