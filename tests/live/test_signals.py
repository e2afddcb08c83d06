# SPDX-License-Identifier: MIT
"""Signals, job control and blocked system calls are as if nobody were there."""

import os
import signal
import time

from live import (RIP, SIGCONT, SIGINT, SIGSTOP, SIGTRAP, SIGTSTP, SIGUSR1, SIGUSR2, attach, case,
                  connect, launch, moves, start, unharmed)

ALL_PASSED = ";".join("%x" % n for n in range(1, 0x4f) if n not in (SIGTRAP, SIGINT))


def signals(t, how="asleep", threads=2):
    return start(t, "signals", how, threads,
                 ready=lambda p: p.peek("turns") > 0 and len(p.tids()) == threads + 1)


@case("a signal is told, and delivered or held back as the client says")
def _(t):
    program = signals(t)
    server, r = attach(t, program)
    for number, wire in ((signal.SIGUSR1, SIGUSR1), (signal.SIGUSR2, SIGUSR2),
                         (signal.SIGWINCH, 0x1c), (signal.SIGCHLD, 0x14), (signal.SIGRTMIN, 46),
                         (64, 78), (signal.SIGALRM, 14)):
        r.resume()
        program.kill(number)
        stop = r.stop()
        t.equal(stop.signo, wire, "the stop by signal %d" % number)
        before = program.peek("handled", number)
        r.resume("C%02x:%s;c" % (wire, r.id(stop)))
        t.eventually(lambda: program.peek("handled", number) == before + 1, "it is delivered")
        t.equal(program.peek("last_pid"), os.getpid(), "who sent it")
        r.halt()
        r.resume()
        program.kill(number)
        r.stop()
        r.resume()
        moves(t, program, "turns", 5)
        t.equal(program.peek("handled", number), before + 1, "signals %d handled" % number)
        r.halt()
    r.ok("D")
    unharmed(t, program, "turns")


@case("signals that the client does not care for pass without a stop")
def _(t):
    program = signals(t)
    server, r = attach(t, program)
    r.ok("QPassSignals:" + ALL_PASSED)
    r.resume()
    for i in range(1, 101):
        program.kill(signal.SIGUSR1)
        t.eventually(lambda: program.peek("handled", signal.SIGUSR1) == i, "signal %d arrives" % i)
    for _ in range(200):
        program.kill(signal.SIGRTMIN + 2)       # these queue
    t.eventually(lambda: program.peek("handled", signal.SIGRTMIN + 2) == 200, "all 200 arrive")
    t.check(r.quiet(), "it stopped")
    t.equal(r.halt().signo, SIGINT, "^C is still heard")
    r.ok("QPassSignals:")
    program.kill(signal.SIGUSR1)
    t.equal(r.run().signo, SIGUSR1, "a signal that is no longer passed")
    r.ok("QPassSignals:2")
    r.resume()
    before = program.peek("handled", signal.SIGINT)
    r.interrupt()       # the user wants SIGINT in the program, not a stop
    t.eventually(lambda: program.peek("handled", signal.SIGINT) == before + 1, "^C is delivered")
    t.check(r.quiet(), "it stopped")


@case("a blocked signal waits until it is unblocked")
def _(t):
    program = signals(t, threads=0)
    server, r = attach(t, program)
    r.resume()
    program.poke("masked", 1)
    t.eventually(lambda: program.peek("is_masked") == 1, "it blocks SIGUSR2")
    program.kill(signal.SIGUSR2)
    t.check(r.quiet(), "a blocked signal was told")
    stop = r.halt()
    # The client's own is blocked as well.
    r.resume("C%02x:%s;c" % (SIGUSR2, r.id(stop)))
    moves(t, program, "turns", 5)
    t.equal(program.peek("handled", signal.SIGUSR2), 0, "SIGUSR2s handled")
    program.poke("masked", 0)
    stop = r.stop()
    t.equal(stop.signo, SIGUSR2, "the signal that waited")
    r.resume("C%02x:%s;c" % (SIGUSR2, r.id(stop)))
    t.eventually(lambda: program.peek("handled", signal.SIGUSR2) >= 1, "it is delivered")


@case("a signal given where the thread stopped for something else is delivered")
def _(t):
    program = signals(t, threads=3)
    server, r = attach(t, program)
    n = 0
    for turn in range(30):
        if turn % 2:
            r.resume()
            stop = r.halt()
        else:
            r.insert(program["turn"])
            stop = r.run()
            r.remove(program["turn"])
        n += 1
        r.resume("C%02x:%s;c" % (SIGUSR1, r.id(stop)))
        t.eventually(lambda: program.peek("handled", signal.SIGUSR1) == n, "signal %d" % n)
        moves(t, program, "turns", 2)
        t.equal(program.peek("handled", signal.SIGUSR1), n, "SIGUSR1s handled")
        t.equal(r.halt().signo, SIGINT, "^C")
    stop = r.reason()
    r.ok("QProgramSignals:1e")
    stop = r.run("S%02x:%s" % (SIGUSR1, r.id(stop)))
    t.equal((stop.signo, stop.pc), (SIGTRAP, program["handler"]), "a step into the handler")
    r.ok("D")
    unharmed(t, program, "turns")


@case("two signals at once in many threads are all told")
def _(t):
    program = signals(t, "busy", threads=6)
    server, r = attach(t, program)
    told = 0
    for _ in range(30):
        for tid in program.tids():
            assert os.system("true") is not None
            tgkill(program.pid, tid, signal.SIGUSR1)
        for _ in program.tids():
            stop = r.run() if not told else r.run("C%02x:%s;c" % (SIGUSR1, last))
            t.equal(stop.signo, SIGUSR1, "%r" % stop)
            told, last = told + 1, r.id(stop)
    r.resume("C%02x:%s;c" % (SIGUSR1, last))
    t.eventually(lambda: program.peek("handled", signal.SIGUSR1) == told, "all are delivered")
    t.equal(told, 210, "signals told")


def tgkill(pid, tid, signo):
    import ctypes
    ctypes.CDLL(None).syscall(234, pid, tid, int(signo))


@case("job control stops and wakes it under the debugger too")
def _(t):
    program = signals(t, threads=3)
    server, r = attach(t, program)
    for number, wire in ((signal.SIGSTOP, SIGSTOP), (signal.SIGTSTP, SIGTSTP)):
        r.resume()
        program.kill(number)
        stop = r.stop()
        t.equal(stop.signo, wire, "the stop")
        # Held back: it runs on.
        r.resume()
        moves(t, program, "turns", 5)
        program.kill(number)
        stop = r.stop()
        r.resume("C%02x:%s;c" % (wire, r.id(stop)))
        t.eventually(lambda: waited(program.popen.pid), "its parent sees it stopped")
        before = program.peek("turns")
        time.sleep(0.05)
        t.equal(program.peek("turns"), before, "turns of a stopped program")
        # ^C reaches it where it stands, and to go on is to stand on.
        t.equal(r.halt().signo, SIGINT, "^C")
        r.resume()
        time.sleep(0.05)
        t.equal(program.peek("turns"), before, "turns of a stopped program")
        program.kill(signal.SIGCONT)
        stop = r.stop()
        t.equal(stop.signo, SIGCONT, "SIGCONT is told")
        r.resume("C%02x:%s;c" % (SIGCONT, r.id(stop)))
        moves(t, program, "turns", 5)
        r.halt()
    r.ok("D")
    unharmed(t, program, "turns")


def waited(pid):
    """Whether a waitpid of its parent tells of a stop now."""
    try:
        return os.waitpid(pid, os.WNOHANG | os.WUNTRACED)[0] == pid
    except ChildProcessError:
        return False


@case("a detach from what job control stopped leaves it stopped")
def _(t):
    program = signals(t, threads=2)
    server, r = attach(t, program)
    r.resume()
    program.kill(signal.SIGSTOP)
    stop = r.stop()
    r.resume("C%02x:%s;c" % (SIGSTOP, r.id(stop)))
    t.eventually(lambda: waited(program.popen.pid), "its parent sees it stopped")
    r.halt()
    r.ok("D")
    t.eventually(lambda: {program.state(x) for x in program.tids()} == {"T"}, "it is stopped")
    program.kill(signal.SIGCONT)
    unharmed(t, program, "turns")


@case("^C stops it whatever its threads do, and leaves no signal behind")
def _(t):
    for how, threads in (("busy", 0), ("busy", 4), ("asleep", 4)):
        program = signals(t, how, threads)
        server, r = attach(t, program)
        for _ in range(50):
            r.resume()
            stop = r.halt()
            t.equal(stop.signo, SIGINT, "%r" % stop)
            t.equal({program.state(x) for x in program.tids()}, {"t"}, "states")
        t.equal(program.peek("handled", signal.SIGINT), 0, "SIGINTs handled")
        # With the continue in one write, before anything can have happened.
        r.write(b"$vCont;c#a8\x03")
        t.equal(r.stop().signo, SIGINT, "^C right behind a continue")
        # One that comes when it stands already is nobody's.
        r.interrupt()
        t.check(r.quiet(), "^C of a stopped program is answered")
        r.resume()
        moves(t, program, "turns", 5)
        t.check(r.quiet(), "it was remembered")
        # Behind a packet that waits for the stop.
        r.write(b"$qC#b4\x03")
        t.equal(r.stop().signo, SIGINT, "^C behind a packet")
        t.equal(r.recv()[:2], b"QC", "the answer to the packet")
        r.ok("D")
        unharmed(t, program, "turns")
        t.equal(program.peek("handled", signal.SIGINT), 0, "SIGINTs handled")


@case("blocked system calls never fail because of us", timeout=240)
def _(t):
    program = start(t, "waits", ready=lambda p: p.peek("ncalls") and
                    p.peek("blocked") == p.peek("ncalls"))
    names = [program.read(program["name"] + 32 * i, 32).split(b"\0")[0].decode()
             for i in range(program.peek("ncalls"))]
    t.check(len(names) >= 25, "calls: %s" % names)

    def disturbed():
        return {n: (program.peek("eintr", i), program.peek("odd", i))
                for i, n in enumerate(names) if program.peek("eintr", i) or program.peek("odd", i)}
    t.equal(disturbed(), {}, "calls that fail without us")
    for _ in range(10):
        server, r = attach(t, program)
        for _ in range(100):
            r.resume()
            r.halt()
        r.ok("D")
        t.equal(disturbed(), {}, "calls that ended")
    unharmed(t, program)
    server, r = attach(t, program)
    # A signal that is not delivered is none, and neither is one that is ignored.
    for number, wire in ((signal.SIGCHLD, 0x14), (signal.SIGWINCH, 0x1c)):
        for tid in program.tids():
            tgkill(program.pid, tid, number)
            t.equal(r.run().signo, wire, "the stop")
        r.ok("QPassSignals:%x" % wire)
        r.resume()
        for tid in program.tids():
            tgkill(program.pid, tid, number)
        t.check(r.quiet(), "it stopped")
        r.halt()
    r.ok("D")
    t.equal(disturbed(), {}, "calls that ended")


@case("a blocked call may be looked at, stepped and called from, and goes on")
def _(t):
    program = start(t, "waits", ready=lambda p: p.peek("ncalls") and
                    p.peek("blocked") == p.peek("ncalls"))
    time.sleep(0.1)
    server, r = attach(t, program)
    waiting = 0
    for thread in r.threads():
        r.ok("Hg" + thread)
        before, call, rax = r.ask("g"), r.reg(57), r.reg(0)
        t.check(rax >= 1 << 63, "%s: rax %x in call %d" % (thread, rax, call))
        if rax == (1 << 64) - 514:
            waiting += 1
            # As an inferior call does: elsewhere for a moment, then all registers back.
            r.set_reg(57, (1 << 64) - 1)
            r.set_reg(RIP, program["main"])
            stop = r.run("s:" + thread)
            t.equal((stop.signo, stop.kind), (SIGTRAP, "T"), "%r" % stop)
            t.equal(r.ask("G" + before.decode()), b"OK", "G")
            t.equal((r.reg(57), r.reg(0)), (call, rax), "registers put back")
    t.check(waiting >= 10, "%d threads in calls that the kernel would break off" % waiting)
    r.ok("D")
    for i in range(program.peek("ncalls")):
        t.equal((program.peek("eintr", i), program.peek("odd", i)), (0, 0), "call %d" % i)


@case("a client may come and go while the program runs, and finds it stopped")
def _(t):
    program = signals(t, "asleep", 3)
    server, r = attach(t, program)
    for turn in range(20):
        r.insert(program["turn"])
        stop = r.run()
        t.equal(stop.pc, program["turn"], "%r" % stop)
        if turn % 2:
            r.remove(program["turn"])
            r.resume()
        r.close()
        r = connect(t, server)
        t.equal(r.reason().kind, "T", "the stop")
        t.equal({program.state(x) for x in program.tids()}, {"t"}, "states")
        t.check(program.text_is_the_files(), "the last client's breakpoints")
    r.ok("D")
    unharmed(t, program, "turns")
