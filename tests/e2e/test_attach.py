# SPDX-License-Identifier: MIT
"""A process that was attached to is left as it was found."""

import os
import re

import zoo
from harness import case


def ticking(t, threads=3):
    """A running program, and a function that says how far it has counted."""
    said = os.path.join(t.dir, "said")
    path = t.compile("ticker.c", "-pthread")
    program = t.start_program([path, said, str(threads)])

    def ticks():
        with open(said) as f:
            text = f.read()
        return int(text.split()[1]) if text.endswith("\n") else 0
    t.eventually(lambda: os.path.exists(said) and ticks() > 0, "the ticker ticks")
    return path, program, ticks


def goes_on(t, program, ticks):
    t.untouched(program.pid)
    before = ticks()
    t.eventually(lambda: ticks() > before + 20, "the program goes on counting")
    t.check(program.running(), "the program ended")


@case("a detach leaves the process running, its breakpoints gone", gdb=zoo.gdbs)
def _(t, gdb):
    path, program, ticks = ticking(t)
    server = t.serve(pid=program.pid)
    out = t.gdb(gdb, server, "break tick", "continue", "info threads", "detach", file=path)
    t.has(out["continue"], r"tick \(\)")
    t.equal(len(re.findall(r"^[* ] +\d+ +Thread", out["info threads"], re.M)), 4, "threads")
    goes_on(t, program, ticks)
    t.equal(server.wait(), 0, "the server's exit status")


@case("a client that vanishes leaves the process held for the next one", gdb=zoo.gdbs)
def _(t, gdb):
    path, program, ticks = ticking(t)
    server = t.serve(pid=program.pid)
    with t.gdb_session(gdb, server, file=path) as g:
        g.command("break tick")
        g.command("continue")
        g.signal(9)
        g.wait()
    t.equal(t.status(program.pid, "TracerPid"), str(server.pid), "the tracer")
    out = t.gdb(gdb, server, "detach", file=path)
    t.has(out["detach"], r"detached")
    goes_on(t, program, ticks)


@case("the server's end by SIGTERM leaves the process as it was")
def _(t):
    path, program, ticks = ticking(t)
    server = t.serve(pid=program.pid)
    with t.gdb_session(zoo.gdbs()[0], server, file=path) as g:
        g.command("break tick")
        g.command("continue")
        server.signal(15)
        server.wait()
        g.signal(9)
        g.wait()
    goes_on(t, program, ticks)


@case("a process that dies under the debugger is told as such", gdb=zoo.gdbs)
def _(t, gdb):
    path, program, ticks = ticking(t)
    server = t.serve(pid=program.pid)
    with t.gdb_session(gdb, server, file=path) as g:
        g.begin("continue")
        t.eventually(lambda: t.status(program.pid, "State")[0] != "t", "it runs")
        program.signal(9)
        t.has(g.end(), r"terminated with signal SIGKILL")


@case("attaching to what can't be attached to says why")
def _(t):
    server = t.archerfish("--attach", ":0", 1 << 22)
    t.check(server.wait() != 0, "its exit status is 0")
    t.has(server.text, r"(?i)no such process|cannot attach")
