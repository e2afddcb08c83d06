# SPDX-License-Identifier: MIT
"""Non-stop: each thread stops and goes on for itself, and the others never notice."""

import re

from live import (RIP, SIGINT, SIGTRAP, Stop, attach, case, connect, launch, moves, start,
                  unharmed)
from rsp import RspError
import zoo

FALSE = "X3,220027"


def begin(r):
    """QNonStop:1, and the first stop; then all threads are told to stand, and say so."""
    r.ok("QNonStop:1")
    told = rest(r, r.ask("?"))
    others = len(r.threads()) - len(told)
    if others:
        r.ok("vCont;t")
        told += stops(r, others)
    return told


def rest(r, reply):
    """The stops of a reply or notification, and of those behind it."""
    out = []
    while reply != b"OK":
        out.append(Stop(reply[5:] if reply.startswith(b"Stop:") else reply))
        reply = r.ask("vStopped")
    return out


def stops(r, n):
    """The next `n` stops, however they are notified."""
    out = []
    while len(out) < n:
        out += rest(r, r.note(60))
    if len(out) > n:
        raise RspError("more stops than %d: %r" % (n, out))
    return out


def quiet(t, r):
    t.check(not r.notes and r.quiet(0.3), "nothing is told: %r" % r.notes)


def busy(t, threads):
    """tests/inferiors/checked.c, with all its threads."""
    return start(t, "checked", threads,
                 ready=lambda p: p.peek("rounds") > 0 and len(p.tids()) == threads + 1)


@case("in non-stop a breakpoint stops one thread, and the others run on")
def _(t):
    program = busy(t, 3)
    _, r = attach(t, program)
    t.equal(r.features.get("QNonStop"), "+", "QNonStop in qSupported")
    first = begin(r)
    t.equal(sorted(s.tid for s in first), program.tids(), "every thread that stands is told")
    t.equal([s.signo for s in first].count(0), 3, "but for one, without a signal")
    r.ok("vCont;c")
    moves(t, program, "rounds", 100)
    quiet(t, r)
    r.insert(program["mix"])
    seen = {s.tid: s for s in stops(r, 4)}
    t.equal(sorted(seen), program.tids(), "each of them stops once")
    for stop in seen.values():
        t.equal((stop.signo, stop.pc), (SIGTRAP, program["mix"]), "%r" % stop)
        t.check("swbreak" in stop.words, "it says why: %r" % stop)
    r.remove(program["mix"])
    some = list(seen)
    r.ok("vCont;c:p%x.%x;c:p%x.%x" % (program.pid, some[0], program.pid, some[1]))
    moves(t, program, "rounds", 100)
    t.check(r.reg(RIP, "p%x.%x" % (program.pid, some[2])) == program["mix"],
            "one that stands is where it was")
    t.equal(r.memory(program["mix"], 8), program.read(program["mix"], 8), "memory while others run")
    r.ok("vCont;t:p%x.%x" % (program.pid, some[0]))
    (stop,) = stops(r, 1)
    t.equal((stop.tid, stop.signo), (some[0], 0), "the one that was to stop")
    r.ok("vCont;t:p%x.%x;t:p%x.%x" % (program.pid, some[0], program.pid, some[3]))
    quiet(t, r)
    r.ok("vCont;s:p%x.%x" % (program.pid, some[2]))
    (stop,) = stops(r, 1)
    t.equal((stop.tid, stop.signo), (some[2], SIGTRAP), "a step of one")
    t.check(stop.pc != program["mix"], "it went on: %x" % stop.pc)
    r.ok("D")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("what the client has not acknowledged stays stopped when all are resumed")
def _(t):
    program = busy(t, 3)
    _, r = attach(t, program)
    begin(r)
    r.insert(program["mix"])
    r.ok("vCont;c")
    first = Stop(r.note()[5:])
    t.eventually(lambda: all(program.state(tid) == "t" for tid in program.tids()), "all stand")
    r.ok("vCont;c")
    r.ok("vCont;c:p%x.-1" % program.pid)
    t.check(all(program.state(tid) == "t" for tid in program.tids()), "all stand still")
    others = rest(r, r.ask("vStopped"))
    t.equal(sorted([first.tid] + [s.tid for s in others]), program.tids(), "each of them once")
    t.equal(r.ask("vStopped"), b"OK", "and then no more")
    r.remove(program["mix"])
    r.ok("vCont;c")
    moves(t, program, "rounds", 100)
    quiet(t, r)


@case("vCtrlC stops one thread, and vCont;t all of them once")
def _(t):
    program = busy(t, 5)
    _, r = attach(t, program)
    begin(r)
    for turn in range(10):
        r.ok("vCont;c")
        r.ok("vCtrlC")
        (one,) = stops(r, 1)
        t.equal(one.signo, SIGINT, "the one that is interrupted")
        moves(t, program, "rounds", 10)
        r.ok("vCont;t:p%x.-1" % program.pid)
        others = stops(r, 5)
        t.equal(sorted([one.tid] + [s.tid for s in others]), program.tids(), "each of them once")
        t.equal({s.signo for s in others}, {0}, "signals")
        quiet(t, r)
    r.write(b"\x03")
    r.ok("vCont;c")
    (one,) = stops(r, 1)
    t.equal(one.signo, SIGINT, "an interrupt while nothing ran is the next one's")


@case("a client that leaves non-stop leaves the threads that ran running, and no trap")
def _(t):
    program = busy(t, 3)
    server, r = attach(t, program, "--multi")
    begin(r)
    r.ok("Z0,%x,1;%s" % (program["mix"], FALSE))
    r.ok("vCont;c")
    moves(t, program, "rounds", 100)
    r.close()
    t.eventually(program.text_is_the_files, "the text has no trap")
    moves(t, program, "rounds", 1000)
    r = connect(t, server)
    t.equal(r.reason().kind, "T", "the next client is in all-stop, and finds it stopped")
    t.eventually(lambda: all(program.state(tid) == "t" for tid in program.tids()), "all stand")
    r.ok("QNonStop:1")
    r.ok("vCont;c")
    moves(t, program, "rounds", 100)
    r.ok("QNonStop:0")
    t.check(all(program.state(tid) == "t" for tid in program.tids()), "all-stop stops all")
    r.resume()
    moves(t, program, "rounds", 100)
    r.halt()
    r.ok("D")
    unharmed(t, program, "rounds")


@case("attach in non-stop: all threads run until they are told to stop")
def _(t):
    program = busy(t, 3)
    server = t.serve("--multi")
    r = connect(t, server)
    r.ok("QNonStop:1")
    t.equal(r.ask("?"), b"OK", "nothing stands")
    r.ok("vAttach;%x" % program.pid)
    moves(t, program, "rounds", 100)
    quiet(t, r)
    r.ok("vCont;t:p%x.-1" % program.pid)
    t.equal({(s.tid, s.signo) for s in stops(r, 4)}, {(tid, 0) for tid in program.tids()}, "all")
    second = busy(t, 2)
    r.ok("vAttach;%x" % second.pid)
    r.ok("vCont;t:p%x.-1" % second.pid)
    t.equal(sorted(s.tid for s in stops(r, 3)), second.tids(), "of the second process")
    r.ok("vCont;c:p%x.-1" % second.pid)
    moves(t, second, "rounds", 100)
    t.check(all(program.state(tid) == "t" for tid in program.tids()), "the first stands still")
    r.ok("D;%x" % program.pid)
    unharmed(t, program, "rounds")
    moves(t, second, "rounds", 100)
    r.ok("vKill;%x" % second.pid)
    t.equal(r.ask("?"), b"OK", "nothing stands")


@case("ends in non-stop: of a thread, of the last that ran, of the process")
def _(t):
    _, r, inferior = launch(t, "ends", "retire", 7)
    r.ok("QThreadEvents:1")
    (first,) = begin(r)
    r.ok("vCont;c")
    born = stops(r, 4)
    for stop in born:
        t.equal(stop.words.get("create"), "", "%r" % stop)
        r.ok("vCont;c:" + r.id(stop))
    r.ok("vCont;t:p%x.%x" % (inferior.pid, first.tid))
    stops(r, 1)
    for n in range(4):
        inferior.poke("go", n + 1)
        t.check(re.fullmatch(b"Stop:w0;p%x.[0-9a-f]+" % inferior.pid, r.note()), "a thread's end")
        reply = r.ask("vStopped")
        if n < 3:
            t.equal(reply, b"OK", "only that")
    if reply == b"OK":
        reply = r.note()[5:]
    t.equal(reply, b"N", "nobody runs any more")
    t.equal(r.ask("vStopped"), b"OK", "only that")
    r.ok("vCont;c")
    t.equal(r.note(), b"Stop:W07;process:%x" % inferior.pid, "the end of the process")
    t.equal(r.ask("vStopped"), b"OK", "only that")


@case("breakpoints with false conditions cost no thread a hit or a stop in non-stop")
def _(t):
    _, r, inferior = launch(t, "hits", 8, 2000)
    begin(r)
    r.ok("Z0,%x,1;%s" % (inferior["hit"], FALSE))
    r.ok("vCont;c")
    note = r.note(120)
    t.equal(note[:8], b"Stop:W00", "its end: no count is lost")


@case("breakpoints come and go while threads run into them")
def _(t):
    program = busy(t, 3)
    _, r = attach(t, program)
    begin(r)
    r.ok("vCont;c")
    for _ in range(200):
        r.insert(program["mix"])
        r.remove(program["mix"])
        while True:
            told = rest(r, r.notes.pop(0)) if r.notes else []
            for stop in told:
                t.equal((stop.signo, stop.pc), (SIGTRAP, program["mix"]), "%r" % stop)
                r.ok("vCont;c:" + r.id(stop))
            if not told:
                break
    r.ok("D")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("packets of non-stop are refused outside of it, and nonsense inside")
def _(t):
    _, r, inferior = launch(t, "checked", 1)
    t.equal(r.ask("vStopped"), b"", "no notification is known")
    t.equal(r.ask("vCtrlC"), b"", "nothing to interrupt")
    for bad in ("QNonStop", "QNonStop:", "QNonStop:2", "QNonStop:11", "QThreadEvents:x"):
        t.check(r.ask(bad)[:1] in (b"E", b""), bad)
    (stop,) = begin(r)
    for bad in ("c", "s", "C05", "S05", "vCont", "vCont;", "vCont;x"):
        t.check(r.ask(bad)[:1] in (b"E", b""), bad)
    r.ok("vCont;c:p7fffffff.1")
    r.ok("vCont;t:p%x.7fffffff" % stop.pid)
    t.equal(r.ask("vStopped"), b"OK", "there is none")
    t.equal(r.ask("vStopped"), b"OK", "there is none")
    quiet(t, r)
    r.ok("vCont;c")
    r.ok("vCtrlC")
    t.equal([s.signo for s in stops(r, 1)], [SIGINT], "it still works")


def running(g):
    """How many threads gdb takes for running."""
    return g.command("info threads").count("(running)")


@case("gdb's non-stop: threads stop, run and hit breakpoints for themselves", gdb=zoo.gdbs)
def _(t, gdb):
    program = busy(t, 3)
    server = t.serve("--multi", "--attach", pid=program.pid)
    with t.gdb_session(gdb, None, file=program.path) as g:
        g.command("set non-stop on")
        g.command("target remote 127.0.0.1:%d" % server.port)
        g.command("interrupt -a")
        t.eventually(lambda: running(g) == 0, "all threads stand")
        t.equal(len(re.findall(r"#0 ", g.command("thread apply all bt 1"))), 4, "stacks")
        g.command("break mix if x == 0")
        g.command("continue -a &")
        t.eventually(lambda: running(g) == 4, "all threads run")
        moves(t, program, "rounds", 100)
        t.equal(running(g), 4, "threads that run over a false condition")
        g.command("delete")
        g.command("tbreak mix thread 3")
        t.eventually(lambda: running(g) == 3, "one of them has stopped")
        moves(t, program, "rounds", 100)
        g.command("thread 3")
        t.has(g.command("finish"), r"Run till exit|Value returned")
        t.has(g.command("next"), r"\d+\t")
        t.equal(running(g), 3, "the others run")
        g.command("continue -a &")
        t.eventually(lambda: running(g) == 4, "all threads run")
        g.command("detach")
        unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("gdb's all-stop on top of non-stop", gdb=zoo.gdbs)
def _(t, gdb):
    program = busy(t, 3)
    server = t.serve("--multi", "--attach", pid=program.pid)
    with t.gdb_session(gdb, None, file=program.path) as g:
        g.command("maint set target-non-stop on")
        g.command("target remote 127.0.0.1:%d" % server.port)
        t.equal(len(re.findall(r"#0 ", g.command("thread apply all bt 1"))), 4, "stacks")
        for _ in range(5):
            g.command("tbreak mix")
            t.has(g.command("continue"), r"hit Temporary breakpoint")
            t.has(g.command("finish"), r"Run till exit")
            t.has(g.command("next"), r"\d+\t")
            t.has(g.command("stepi"), r"\d+\t|0x")
        t.equal(running(g), 0, "all-stop")
        g.command("detach")
        unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")
