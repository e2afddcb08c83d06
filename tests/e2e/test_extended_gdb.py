# SPDX-License-Identifier: MIT
"""target extended-remote: a stub that begins without a process, and every gdb."""

import os
import signal

import zoo
from harness import Server, case


def multi(t, *options):
    return t.start(Server, "archerfish", [t.stub, *options, "--multi", ":0"]).listening()


@case("programs are run, killed, let go and run again in one session of gdb", gdb=zoo.gdbs)
def _(t, gdb):
    path = t.compile("ends.c", "-pthread")
    server = multi(t)
    with t.gdb_session(gdb, server, remote="extended-remote") as g:
        g.command("set remote exec-file " + path)
        g.command("set args exit 7")
        g.command("set environment GREETING good morning")
        g.command("set cwd " + t.dir)
        t.has(g.command("starti"), r"Program stopped\.")
        server.until(r"^Process %s created; pid = \d+$" % path)
        g.command("break main")
        t.has(g.command("continue"), r"Breakpoint 1, .*main ")
        t.has(g.command("print (char *) getenv(\"GREETING\")"), r"\"good morning\"")
        t.has(g.command("info inferiors"), r"process \d+ ")
        t.has(g.command("continue"), r"exited with code 07\]")
        t.has(g.command("run"), r"Breakpoint 1, .*main ")
        t.has(g.command("kill"), r"\[Inferior 1 \(process \d+\) killed\]")
        t.has(g.command("run"), r"Breakpoint 1, .*main ")
        t.has(g.command("detach"), r"\[Inferior 1 \(process \d+\) detached\]")
        t.has(g.command("run"), r"Breakpoint 1, .*main ")
        t.has(g.command("run"), r"Breakpoint 1, .*main ")
        g.command("set remote exec-file /nonexistent/program")
        t.has(g.command("run"), r"Running .* on the remote target failed|exited with code 127")
        t.has(g.command("info inferiors"), r"<null>")
        t.has(g.command("monitor exit"), r"")
    t.equal(server.wait(), 0, "exit status after monitor exit")


@case("gdb attaches, lets go and attaches again, and another gdb after it", gdb=zoo.gdbs)
def _(t, gdb):
    python = t.python()
    program = t.program(python, "philosophers.py", until="deadlocked")
    server = multi(t)
    out = t.gdb(gdb, server, "attach %d" % program.pid, "info threads", "detach",
                "attach %d" % program.pid, "monitor py-bt", "disconnect", remote="extended-remote")
    t.has(out["info threads"], r"python .*dine")
    t.has(out["monitor py-bt"], r"philosophers\.py")
    # What is left when a client goes is there for the next.
    out = t.gdb(gdb, server, "info threads", "detach", "info inferiors", remote="extended-remote")
    t.has(out["info threads"], r"python .*dine")
    t.has(out["info inferiors"], r"<null>")
    t.untouched(program.pid)
    t.lacks(server.text, r"Exiting")
    server.signal(signal.SIGTERM)
    t.equal(server.wait(), 0, "exit status")
    t.check(os.path.exists("/proc/%d" % program.pid), "the program is gone")


@case("standard input and output carry a session that begins with nothing", gdb=zoo.gdbs)
def _(t, gdb):
    if not gdb.command()[0].endswith("gdb"):
        t.skip("the stub is not in the other root")
    path = t.compile("ends.c", "-pthread")
    out = t.gdb(gdb, None, "target extended-remote | %s --once --multi -" % t.stub,
                "set remote exec-file " + path, "run", "info inferiors", file=path)
    t.has(out["run"], r"exited normally|exited with code")


@case("gdb has several programs at once, and the child of a fork", gdb=zoo.gdbs)
def _(t, gdb):
    ends = t.compile("ends.c", "-pthread")
    family = t.compile("family.c", "-pthread", "-D_GNU_SOURCE")
    server = multi(t)
    with t.gdb_session(gdb, server, remote="extended-remote") as g:
        g.command("set remote exec-file " + family)
        g.command("set args fork 1")
        g.command("starti")
        g.command("add-inferior")
        g.command("inferior 2")
        g.command("set remote exec-file " + ends)
        g.command("set args exit 5")
        t.has(g.command("starti"), r"Thread 2\.1 .*stopped\.")
        g.command("inferior 1")
        g.command("set detach-on-fork off")
        g.command("catch fork")
        t.has(g.command("continue"), r"Catchpoint 1 \(forked process \d+\)")
        t.has(g.command("info threads"), r"(?s)1\.1 .* 2\.1 ")
        g.command("kill inferiors 1")
        t.has(g.command("info inferiors"), r" 1 +<null>(.*\n)+.* 2 +process \d+ ")
        g.command("inferior 2")
        t.has(g.command("continue"), r"\[Inferior 2 \(process \d+\) exited with code 05\]")
        t.lacks(g.command("info inferiors"), r"process \d")
        g.command("monitor exit")
    t.equal(server.wait(), 0, "exit status after monitor exit")
