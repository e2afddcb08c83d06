# SPDX-License-Identifier: MIT
"""Stock gdb runs, stops and changes a program that archerfish launched."""

import os
import re

import zoo
from harness import case


def launch(t, source, *args, flags=(), options=(), **how):
    """A compiled program, not yet run, and its server."""
    path = t.compile(source, *flags)
    return path, t.serve(*options, command=[path, *args], **how)


def at(t, source, name):
    return r"\b%s:%d\b" % (re.escape(source), t.line(source, name))


@case("a launched program runs to its end and its exit status is told", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c", "4")
    out = t.gdb(gdb, server, "handle SIGUSR1 nostop", "continue", file=path)
    t.has(out["continue"], r"exited with code 07\]")
    server.until(r"counter 6 handled 10 argc 2 env unset")
    server.until(r"exited with (code|status) 7")


@case("arguments, environment and wrapper reach the program")
def _(t):
    gdb = zoo.gdbs()[0]
    path, server = launch(t, "steps.c", "1", "two words", "*", "$HOME",
                          options=["--wrapper", "env", "ARCHERFISH_TEST=wrapped", "--"])
    t.gdb(gdb, server, "handle SIGUSR1 nostop", "continue", file=path)
    server.until(r"argc 5 env wrapped")


@case("breakpoints, step, next, up and finish", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    out = t.gdb(gdb, server, "break count", "continue", "next", "step", "backtrace", "finish",
                "up", "info breakpoints", file=path)
    t.has(out["continue"], r"Breakpoint 1, count \(n=5\)")
    t.has(out["next"], r"counter = add\(counter, i\)")
    t.has(out["step"], r"add \(a=0, b=0\)")
    t.has(out["backtrace"], r"#0 +add .*\n#1 .* count \(n=5\) .*\n#2 .* main ")
    t.has(out["finish"], r"Value returned is .* = 0")
    t.has(out["up"], r"main")
    t.has(out["info breakpoints"], r"breakpoint already hit 1 time")


@case("a condition lets the program run until it holds", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c", "200")
    out = t.gdb(gdb, server, "break add if b == 150", "continue", "print counter", file=path)
    t.has(out["continue"], r"add \(a=11175, b=150\)")
    t.has(out["print counter"], r"= 11175")


@case("a hardware breakpoint stops where it stands", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    out = t.gdb(gdb, server, "hbreak add", "continue", "stepi", "delete", "continue", file=path)
    t.has(out.text, r"Breakpoint 1, .*add \(a=0, b=0\)")


@case("watchpoints tell the old and the new value", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    with t.gdb_session(gdb, server, file=path) as g:
        g.command("break count")
        g.command("continue")
        t.has(g.command("watch counter"), r"Hardware watchpoint 2")
        t.has(g.command("continue"), r"Old value = 0\s+New value = 1")
        t.has(g.command("continue"), r"Old value = 1\s+New value = 3")
        g.command("delete 2")
        t.has(g.command("rwatch counter"), r"Hardware read watchpoint 3")
        t.has(g.command("continue"), r"Value = 3")
        g.command("delete 3")
        t.has(g.command("awatch counter"), r"Hardware access")
        t.has(g.command("continue"), r"[Vv]alue = ")


@case("a signal is told, and passed on to the program", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    out = t.gdb(gdb, server, "continue", "print $_siginfo.si_signo", "signal SIGUSR1", file=path)
    t.has(out["continue"], r"received signal SIGUSR1")
    t.has(out["print $_siginfo.si_signo"], r"= 10$")
    server.until(r"handled 10 ")


@case("a signal can be withheld from the program")
def _(t):
    path, server = launch(t, "steps.c")
    t.gdb(zoo.gdbs()[0], server, "continue", "signal 0", file=path)
    server.until(r"handled 0 ")


@case("a crash is told where it happened", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "crash.c")
    out = t.gdb(gdb, server, "continue", "backtrace", "p $_siginfo._sifields._sigfault.si_addr",
                "kill", file=path)
    t.has(out["continue"], r"received signal SIGSEGV")
    t.has(out["backtrace"], at(t, "crash.c", "crash"))
    t.equal(len(re.findall(r"^#\d+ .*crash \(", out["backtrace"], re.M)), 4, "frames of crash")
    t.has(out["p $_siginfo._sifields._sigfault.si_addr"], r"= \(void \*\) 0x0")


@case("memory and registers can be written", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c", "0")
    t.gdb(gdb, server, "break %d" % t.line("steps.c", "said"), "handle SIGUSR1 nostop", "continue",
          "set var counter = 12345", "set $rip = $rip", "set $xmm9.v4_int32[1] = 77",
          "print $xmm9.v4_int32[1]", "continue", file=path)
    server.until(r"counter 12345 ")


@case("registers written are the registers read", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    with t.gdb_session(gdb, server, file=path) as g:
        g.command("break add")
        g.command("continue")
        for register, value in (("rbx", 0x1122334455667788), ("r15", 1), ("eflags", 0x246)):
            g.command("set $%s = %d" % (register, value))
            t.has(g.command("print/x $" + register), r"= 0x%x" % value, register)
        g.command("set $xmm3.v2_int64[1] = 0x1234")
        t.has(g.command("print/x $xmm3.v2_int64"), r"0x1234\}")
        g.command("set $st0 = 1.5")
        t.has(g.command("print $st0"), r"= 1\.5")


@case("functions of the program can be called", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    out = t.gdb(gdb, server, "break count", "continue", "print add(40, 2)",
                'call (int)write(1, "called\\n", 7)', "print counter", file=path)
    t.has(out["print add(40, 2)"], r"= 42")
    t.has(out['call (int)write(1, "called\\n", 7)'], r"= 7")
    server.until(r"^called$")
    t.has(out["print counter"], r"= 0")


@case("threads are followed from birth to end", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "brood.c", "40", flags=["-pthread"])
    out = t.gdb(gdb, server, "break %d" % t.line("brood.c", "born"), "ignore 1 30", "continue",
                "info threads", "delete", "continue", file=path)
    t.has(out["continue"], r"exited with code 050\]")  # the last: 40 in octal
    t.has(out["info threads"], r"^\* +\d+ .*" + at(t, "brood.c", "born"))


@case("an exec is followed", gdb=zoo.gdbs)
def _(t, gdb):
    into = t.compile("steps.c")
    path, server = launch(t, "exec.c", into, "2", flags=["-pthread"])
    out = t.gdb(gdb, server, "catch exec", "continue", "handle SIGUSR1 nostop", "break count",
                "info threads", "continue", file=path)
    t.has(out.text, r"Catchpoint 1 \(exec'd .*steps\)")
    t.has(out["continue"], r"count \(n=2\)")


@case("an interrupt stops a running program", gdb=zoo.gdbs)
def _(t, gdb):
    said = os.path.join(t.dir, "said")
    path, server = launch(t, "ticker.c", said, "3", flags=["-pthread"])
    with t.gdb_session(gdb, server, file=path) as g:
        for _ in range(3):
            if os.path.exists(said):
                os.remove(said)
            g.begin("continue")
            t.eventually(lambda: os.path.exists(said), "it runs")
            g.signal(2)
            t.has(g.end(), r"received signal SIGINT")
            t.equal(len(re.findall(r"^[* ] +\d+ +Thread", g.command("info threads"), re.M)), 4,
                    "threads")
        g.command("kill")


@case("stepping leaves the other threads where gdb wants them", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "ticker.c", os.path.join(t.dir, "said"), "3", flags=["-pthread"])
    with t.gdb_session(gdb, server, file=path) as g:
        g.command("break tick")
        g.command("continue")
        g.command("continue")
        g.command("set scheduler-locking on")
        before = g.command("print ticks")
        t.has(g.command("next"), r"\}")
        after = g.command("print ticks")
        step = [int(re.search(r"= (\d+)", x).group(1)) for x in (before, after)]
        t.equal(step[1] - step[0], 1, "ticks while one thread steps")
        g.command("kill")


@case("kill ends the program", gdb=zoo.gdbs)
def _(t, gdb):
    said = os.path.join(t.dir, "said")
    path, server = launch(t, "ticker.c", said, flags=["-pthread"])
    with t.gdb_session(gdb, server, file=path) as g:
        g.command("break tick")
        g.command("continue")
        g.command("delete")
        g.command("finish")
        pid = int(re.search(r"process (\d+)", g.command("info inferiors")).group(1))
        t.check(t.status(pid, "State"), "the program is not process %d" % pid)
        g.command("kill")
    t.eventually(lambda: (t.status(pid, "State") or "Z")[0] in "ZX", "process %d is gone" % pid)


@case("gdb needs no file of the program: the stub serves them", gdb=zoo.gdbs)
def _(t, gdb):
    path, server = launch(t, "steps.c")
    out = t.gdb(gdb, server, "break count", "continue", "info sharedlibrary", "backtrace",
                "info auxv", "info proc exe")
    t.has(out["continue"], r"count \(n=5\)")
    t.has(out["info sharedlibrary"], r"Yes .*target:/.*libc\.so")
    t.has(out["info auxv"], r"AT_ENTRY")
