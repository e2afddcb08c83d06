# SPDX-License-Identifier: MIT
"""Children live, programs become others, and the one we trace is told right."""

import os

from live import (GDB, SIGCHLD, SIGINT, SIGTRAP, Inferior, attach, case, connect, launch,
                  gone, moves, program_path, start, unharmed)

NO_SHELL = ["--no-startup-with-shell"]
PASS = "QPassSignals:%x" % SIGCHLD


def run_over(t, r, addr, stop):
    """To the end, over each hit of a breakpoint; how many there were."""
    hits = 0
    while stop.kind == "T":
        t.equal((stop.signo, stop.pc), (SIGTRAP, addr), "%r" % stop)
        hits += 1
        stop = r.step_over(stop, addr)
    return hits, stop


@case("children run over our breakpoints unharmed, and the parent hits each", timeout=240)
def _(t):
    for how, times in (("fork", 60), ("vfork", 60), ("spawn", 30), ("share", 30)):
        server, r, inferior = launch(t, "family", how, times)
        r.ok(PASS)
        r.insert(inferior["work"])
        hits, stop = run_over(t, r, inferior["work"], r.run())
        t.equal(stop.raw[:3], "W00", "%s: children that ended badly" % how)
        t.equal(hits, times, "%s: hits of the parent" % how)
        t.check(inferior.pid == stop_pid(stop), "%r" % stop)
        r.close()


def stop_pid(stop):
    return int(stop.raw.partition("process:")[2], 16)


@case("children are made while other threads hit breakpoints", timeout=240)
def _(t):
    for how in ("fork", "vfork", "spawn", "share"):
        server, r, inferior = launch(t, "family", how, 25, 6)
        r.ok(PASS)
        r.insert(inferior["work"])
        r.insert(inferior["other"])
        stop, hits = r.run(), {}
        while stop.kind == "T":
            t.check(stop.pc in (inferior["work"], inferior["other"]), "%r" % stop)
            hits[stop.pc] = hits.get(stop.pc, 0) + 1
            stop = r.step_over(stop, stop.pc)
        t.equal(stop.raw[:3], "W00", "%s: children that ended badly" % how)
        # How long a child that nobody waits for shares the memory is not told.
        if how != "share":
            t.equal(hits[inferior["work"]], 25, "%s: hits of the parent" % how)
        t.check(hits[inferior["other"]] > 10, "%s: hits of the others" % how)
        r.close()


@case("a watch and a hardware breakpoint in the parent are not in its children")
def _(t):
    for how in ("fork", "vfork", "share"):
        server, r, inferior = launch(t, "family", how, 10)
        r.ok(PASS)
        r.insert(inferior["work"], 1)
        hits, stop = 0, r.run()
        while stop.kind == "T":
            t.equal((stop.pc, stop.words.get("hwbreak")), (inferior["work"], ""), "%r" % stop)
            hits += 1
            stop = r.run()
        t.equal((stop.raw[:3], hits), ("W00", 10), how)
        r.close()


@case("^C, breakpoints and detach while a vfork child keeps its parent waiting")
def _(t):
    program = start(t, "family", "vfork", 1000000, 3)
    program.poke("slow", 3000000)
    t.eventually(lambda: program.state() == "D", "it waits for its child")
    server, r = attach(t, program)      # takes a moment, and is not refused
    others = [x for x in program.tids() if x != program.pid]
    t.equal({program.state(x) for x in others}, {"t"}, "states of the others")
    t.check(r.reg(16, "p%x.%x" % (program.pid, others[0])), "no registers")
    t.equal(r.ask("Hgp%x.%x" % (program.pid, program.pid)), b"OK", "choosing the one that waits")
    t.check(r.ask("g")[:1] in b"E0123456789abcdefx", "its registers: no answer")
    r.ok(PASS)
    r.resume()
    stop = r.halt()
    t.equal(stop.signo, SIGINT, "^C")
    t.check(stop.tid in others, "%r is about the one that can't be stopped" % stop)
    r.ok("D")
    r.close()
    server.wait()
    program.poke("slow", 0)
    t.eventually(lambda: program.peek("work_calls") > 20, "it goes on")
    unharmed(t, program, "other_calls")
    t.equal(program.peek("bad"), 0, "children that ended badly")


@case("breakpoints set while a vfork child runs hold afterwards")
def _(t):
    program = start(t, "family", "vfork", 100000, 3, ready=lambda p: p.peek("work_calls") > 4)
    for _ in range(30):
        server, r = attach(t, program)
        r.ok(PASS)
        r.insert(program["other"])
        stop = r.run()
        t.equal(stop.pc, program["other"], "%r" % stop)
        r.remove(program["other"])
        r.insert(program["work"])
        stop = r.run()
        t.equal((stop.pc, stop.tid), (program["work"], program.pid), "%r" % stop)
        r.ok("D")
    unharmed(t, program, "other_calls")
    t.equal(program.peek("bad"), 0, "children that ended badly")


@case("an exec is told with the new file, by the first thread or another one")
def _(t):
    into = program_path("ends")
    for command in (["/usr/bin/env", into, "exit", "3"], [program_path("exec"), into, "exit", "3"]):
        for says in (GDB, GDB.replace("exec-events+;", "")):
            server = t.serve(*NO_SHELL, command=command)
            r = connect(t, server, says)
            stop = r.reason()
            pid = stop.pid
            r.step(stop)
            r.insert(stop.pc)           # somewhere in the old image
            stop = r.run()
            t.equal((stop.kind, stop.signo, stop.pid, stop.tid), ("T", SIGTRAP, pid, pid), "%r" % stop)
            if "exec-events" in says:
                t.equal(bytes.fromhex(stop.words["exec"]).decode(), into, "the new file")
            else:
                t.check("exec" not in stop.words, "%r" % stop)
            t.equal(r.threads(), ["p%x.%x" % (pid, pid)], "threads")
            t.equal(r.xfer("exec-file").decode(), into, "exec-file")
            inferior = Inferior(pid, into)
            t.check(inferior.text_is_the_files(), "a trap of the old image is in the new one")
            r.insert(inferior["end_exit"])
            t.equal(r.run().pc, inferior["end_exit"], "a breakpoint in the new image")
            r.remove(inferior["end_exit"])
            t.equal(r.run().raw[:3], "W03", "its end")
            r.close()


@case("an exec while many threads stand at breakpoints")
def _(t):
    into = program_path("hits")
    for turn in range(10):
        server = t.serve(*NO_SHELL, command=[program_path("exec"), into, "6", "20"])
        r = connect(t, server)
        inferior = Inferior(r.reason().pid, into)
        stop = r.run()
        t.check("exec" in stop.words, "%r" % stop)
        r.insert(inferior["hit"])
        hits, stop = run_over(t, r, inferior["hit"], r.run())
        t.equal((hits, stop.raw[:3]), (120, "W00"), "hits and end")
        r.close()


@case("a program that is killed or ends in the middle of a storm of events")
def _(t):
    for turn in range(20):
        program = start(t, "storm", 4, 100, ready=lambda p: p.peek("born") > 20)
        server, r = attach(t, program)
        r.insert(program["sum"])
        stop = r.run()
        for _ in range(turn % 5):
            stop = r.step_over(stop, program["sum"])
        if turn % 2:
            r.resume()
            program.kill(9)
            stop = r.stop()
            while stop.kind == "T":
                stop = r.run()
            t.equal(stop.raw[:3], "X09", "its end")
        else:
            r.remove(program["sum"])
            program.poke("stop", 1)
            t.equal(r.run().raw[:3], "W00", "its end")
        r.close()
        t.equal(server.wait(), 0, "exit status")


@case("children of a program that ends at once are let go")
def _(t):
    # The child outlives its parent: it must not stay traced by a stub that is done.
    script = os.path.join(t.dir, "script")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n(sleep 0.3; echo alive > %s/alive) &\nkill -9 $$\n" % t.dir)
    os.chmod(script, 0o755)
    server = t.serve(command=[script])
    r = connect(t, server)
    stop = r.run()
    while stop.kind == "T":
        stop = r.run("C%02x:%s;c" % (stop.signo, r.id(stop)) if stop.signo != SIGTRAP else "c")
    t.equal(stop.raw[:3], "X09", "its end")
    t.eventually(lambda: os.path.exists(os.path.join(t.dir, "alive")), "the child lives")


@case("a process that shares memory and sends no SIGCHLD is a thread, and lives on by itself")
def _(t):
    server, r, inferior = launch(t, "family", "companion", 20)
    r.insert(inferior["work"])
    seen, stop = set(), r.run()
    while stop.kind == "T":
        t.equal((stop.signo, stop.pc, stop.pid), (SIGTRAP, inferior["work"], inferior.pid),
                "%r" % stop)
        t.check(r.id(stop) in r.threads(), "%r is no thread" % stop)
        seen.add(stop.tid)
        stop = r.step_over(stop, inferior["work"])
    t.equal(stop.raw[:3], "W00", "companions that ended badly")
    t.equal(len(seen), 21, "threads that hit the breakpoint")
    r.close()
    # Let go in the middle of one.
    server, r, inferior = launch(t, "family", "companion", 100000)
    r.insert(inferior["work"])
    stop = r.run()
    while stop.tid == inferior.pid:
        stop = r.step_over(stop, inferior["work"])
    r.ok("D")
    unharmed(t, inferior, "work_calls")
    inferior.kill(9)
    gone(t, stop.tid)
    r.close()
