# SPDX-License-Identifier: MIT
"""Stacks are exact wherever a program happens to be stopped."""

import os

import zoo
from harness import TOP, Process, case

STOPS, STOPS_OLD = 2000, 500  # of each interpreter; make check-exact N=... stops one as often as wanted


@case("no random stop shows a stack that can't be", timeout=300, python=zoo.pythons)
def _(t, python):
    exact = os.path.join(os.path.dirname(t.stub), "exact")
    if not os.path.exists(exact):
        t.skip("there is no %s (make check-e2e builds it)" % exact)
    stops = STOPS if python.version >= (3, 11) else STOPS_OLD
    # Debian's musl was made without unwind tables.
    cut = ["-c"] if python.build == "musl" else []
    run = t.start(Process, "exact", [exact, *cut, stops, *python.command()], cwd=TOP)
    t.equal(run.wait(270), 0, "its exit status; it said:\n" + run.text)
    said = t.has(run.text, r"(\d+) stops, (\d+) stacks, .* (\d+) wrong")
    t.equal((int(said[1]), int(said[3])), (stops, 0), "stops, and wrong stacks")
    t.check(int(said[2]) > stops, "it saw no more than %s stacks" % said[2])
