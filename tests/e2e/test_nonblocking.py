# SPDX-License-Identifier: MIT
"""A program can be looked at without ever being stopped."""

import os

import zoo
from harness import TOP, Process, case
from test_stacks import blocked_program, frames_in, stacks_in, thread_numbers, told

LOOKS = 100  # at each interpreter; make check-exact NONBLOCKING=1 N=... looks as often as wanted


@case("stacks --nonblocking equals the interpreter's own stacks", python=zoo.pythons)
def _(t, python):
    program, stacks = blocked_program(t, python)
    printer = t.archerfish("stacks", "--nonblocking", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    t.equal(stacks_in(printer.text), {s["tid"]: told(s) for s in stacks}, "the stacks")
    t.check("torn" not in printer.text, "a thread that waits is marked:\n" + printer.text)


@case("no look without stopping shows a wrong stack unmarked", timeout=180,
      python=lambda: zoo.pythons()[::3])
def _(t, python):
    exact = os.path.join(os.path.dirname(t.stub), "exact")
    if not os.path.exists(exact):
        t.skip("there is no %s (make check-e2e builds it)" % exact)
    run = t.start(Process, "exact", [exact, "-l", LOOKS, *python.command()], cwd=TOP)
    t.equal(run.wait(150), 0, "its exit status; it said:\n" + run.text)
    said = t.has(run.text, r"(\d+) looks, (\d+) stacks, .* (\d+) wrong")
    t.equal((int(said[1]), int(said[3])), (LOOKS, 0), "looks, and wrong stacks")
    said = t.has(run.text, r"(\d+) clean, (\d+) marked")
    t.check(int(said[1]) > LOOKS, "no more than %s stacks were clean" % said[1])


@case("gdb looks at a process that is never stopped", gdb=lambda: zoo.gdbs()[::2])
def _(t, gdb):
    program, stacks = blocked_program(t, t.python())
    server = t.serve("--nonblocking", pid=program.pid)
    with t.gdb_session(gdb, server) as g:
        numbers = thread_numbers(g.command("info threads"))
        stack = [s for s in stacks if s["tid"] != program.pid][0]
        g.command("thread %d" % numbers[stack["tid"]])
        t.equal(frames_in(g.command("monitor py-bt")), told(stack), "the stack of %s" % stack["name"])
        # The kernel tells where a waiting thread is, and gdb unwinds from there.
        t.has(g.command("backtrace"), r"#[1-9]")
        t.has(g.command("info registers rbx"), r"unavailable")
        for command in "continue", "stepi":
            t.has(g.command(command), r"only looked at")
        t.has(g.command("set var *(char *)$sp = 0"), r"[Cc]annot|failure|not|E01")
        t.untouched(program.pid)
        g.command("detach")
    t.untouched(program.pid)


@case("a look at a process needs one", python=lambda: zoo.pythons()[:1])
def _(t, python):
    printer = t.archerfish("stacks", "--nonblocking", 2 ** 22 + 1)
    t.equal(printer.wait(), 2, "its exit status")
    t.has(printer.text, r"no such process")
    printer = t.archerfish("--nonblocking", ":0", "true")
    t.equal(printer.wait(), 1, "its exit status")
    t.has(printer.text, r"--attach")
