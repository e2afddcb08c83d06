# SPDX-License-Identifier: MIT
"""A process is attached to with all its threads, and left as it was found."""

import ctypes
import os
import signal
import struct
import subprocess
import time

from live import (SIGINT, SIGKILL, SIGTRAP, Inferior, attach, case, connect, moves, start, term,
                  unharmed)

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE_PEEKUSER = 0x4206, 0x4207, 17, 3
DEBUGREG = 848  # offsetof(struct user, u_debugreg)


def ptrace(request, pid, addr=0, data=0):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ctypes.set_errno(0)
    return libc.ptrace(request, pid, addr, data), ctypes.get_errno()


def ready(name):
    return lambda program: program.peek(name) > 0


@case("one thread")
def _(t):
    program = start(t, "checked", ready=ready("rounds"))
    server, r = attach(t, program)
    stop = r.reason()
    t.equal((stop.kind, stop.pid, stop.tid), ("T", program.pid, program.pid), "the first stop")
    t.equal(r.ask("qAttached"), b"1", "qAttached")
    t.equal(program.state(), "t", "state")
    r.resume()
    moves(t, program, "rounds", 100)
    t.equal(r.halt().signo, SIGINT, "^C")
    r.ok("D")
    r.close()
    t.equal(server.wait(), 0, "exit status")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("200 threads: every one is listed, stopped, and let go")
def _(t):
    program = start(t, "checked", 199, ready=lambda p: len(p.tids()) == 200 and p.peek("rounds"))
    server, r = attach(t, program)
    t.equal(sorted(int(x.split(".")[1], 16) for x in r.threads()), program.tids(), "threads")
    t.equal({program.state(tid) for tid in program.tids()}, {"t"}, "states")
    for _ in range(20):
        r.resume()
        r.halt()
        t.equal({program.state(tid) for tid in program.tids()}, {"t"}, "states")
    for tid in program.tids()[::20]:
        t.check(r.reg(16, "p%x.%x" % (program.pid, tid)), "pc of thread %d" % tid)
    r.ok("D")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("threads that are born and end all the while", timeout=240)
def _(t):
    program = start(t, "storm", 4, 500, ready=lambda p: p.peek("born") > 100)
    for turn in range(25):
        server, r = attach(t, program)
        listed = sorted(int(x.split(".")[1], 16) for x in r.threads())
        t.equal(listed, program.tids(), "threads")
        t.equal({program.state(tid) for tid in program.tids()}, {"t"}, "states")
        for _ in range(turn % 5):
            r.resume()
            moves(t, program, "born", 20)
            r.halt()
            listed = sorted(int(x.split(".")[1], 16) for x in r.threads())
            t.equal(listed, program.tids(), "threads after a run")
        if turn % 3 == 0:
            r.ok("D")
        elif turn % 3 == 1:
            r.resume()
            term(t, server)
        else:
            r.close()
            term(t, server)
        server.wait()
        moves(t, program, "born", 5)
    unharmed(t, program, "born")
    program.poke("stop", 1)
    t.equal(program.wait(), 0, "what the program thinks of its threads")


@case("what job control stopped is stopped again after it")
def _(t):
    for run in (False, True):
        program = start(t, "signals", "asleep", 3,
                        ready=lambda p: p.peek("turns") and len(p.tids()) == 4)
        program.kill(signal.SIGSTOP)
        t.eventually(lambda: {program.state(x) for x in program.tids()} == {"T"}, "it is stopped")
        server, r = attach(t, program)
        t.equal(len(r.threads()), 4, "threads")
        t.check(r.reg(16), "no pc")
        if run:
            # A debugger's user says continue and means it.
            r.resume()
            moves(t, program, "turns", 10)
            t.equal(r.halt().signo, SIGINT, "^C")
            r.resume()
            moves(t, program, "turns", 10)
            r.halt()
        r.ok("D")
        t.eventually(lambda: {program.state(x) for x in program.tids()} == {"T"},
                     "it is stopped again")
        t.equal(t.status(program.pid, "TracerPid"), "0", "its tracer")
        before = program.peek("turns")
        program.kill(signal.SIGCONT)
        t.eventually(lambda: program.peek("turns") > before + 5, "SIGCONT wakes it")
        unharmed(t, program, "turns")
        t.equal(program.peek("handled", signal.SIGCONT), 1, "SIGCONTs handled")


@case("a process whose first thread has ended")
def _(t):
    program = start(t, "ends", "orphans", 6, ready=lambda p: p.state() == "Z" and p.peek("turns"))
    others = [x for x in program.tids() if x != program.pid]
    server, r = attach(t, program)
    t.equal(sorted(int(x.split(".")[1], 16) for x in r.threads()), others, "threads")
    t.equal(r.memory(program["leave"], 4), program.read(program["leave"], 4), "memory")
    t.check(r.xfer("auxv"), "no auxv")
    t.equal(r.xfer("exec-file").decode(), program.path, "the program's file")
    r.insert(program["leave"])
    r.resume()
    moves(t, program, "turns", 5)
    t.equal(r.halt().signo, SIGINT, "^C")
    program.poke("go", 1)
    stop = r.run()
    t.equal((stop.pc, stop.words.get("swbreak")), (program["leave"], ""), "the breakpoint")
    r.remove(program["leave"])
    t.equal(r.run().raw[:3], "W06", "its end")
    t.equal(program.wait(), 6, "what its parent sees")

    program = start(t, "ends", "orphans", 6, ready=lambda p: p.state() == "Z" and p.peek("turns"))
    server, r = attach(t, program)
    r.ok("D")
    t.eventually(lambda: {program.state(x) for x in program.tids()} <= {"Z", "S", "R"}, "it runs")


def refused(t, pid, *words):
    stub = t.archerfish("--attach", ":0", pid)
    t.equal(stub.wait(), 1, "exit status")
    t.has(stub.text, r"^Cannot attach to process %d: " % pid)
    for word in words:
        t.has(stub.text, word)
    t.has(stub.text, r"^Exiting$")
    t.lacks(stub.text, "Listening")


@case("what can't be attached to is refused with the reason")
def _(t):
    with open("/proc/sys/kernel/pid_max") as f:
        nobody = int(f.read()) - 1
    t.check(not os.path.exists("/proc/%d" % nobody), "process %d exists" % nobody)
    refused(t, nobody, r"there is no such process")

    program = start(t, "checked", 2, ready=ready("rounds"))
    server, _ = attach(t, program)
    refused(t, program.pid, r"already traced by process %d" % server.pid)
    tid = program.tids()[1]
    refused(t, tid, r"it is a thread of process %d" % program.pid)
    term(t, server)
    unharmed(t, program, "rounds")

    # One of its threads alone is traced by somebody else.
    t.equal(ptrace(PTRACE_SEIZE, tid)[0], 0, "seizing a thread")
    refused(t, program.pid, r"thread %d is traced by process %d" % (tid, os.getpid()))
    t.check(program.state() in "RS", "it was left in state " + program.state())
    moves(t, program, "rounds", 10)

    zombie = subprocess.Popen(["true"])
    t.eventually(lambda: Inferior(zombie.pid, program.path).state() == "Z", "it is a zombie")
    refused(t, zombie.pid, r"zombie")

    with open("/proc/2/comm") as f:
        if f.read().strip() == "kthreadd":
            refused(t, 2, r"thread of the kernel")


@case("the debug registers are empty after it")
def _(t):
    program = start(t, "checked", 3, ready=ready("rounds"))
    server, r = attach(t, program)
    r.insert(program["mix"], 1)
    r.run()
    r.remove(program["mix"], 1)
    r.insert(program["rounds"], 2, 8)
    stop = r.run()
    t.equal(int(stop.words["watch"], 16), program["rounds"], "the watch")
    r.ok("D")
    unharmed(t, program, "rounds")
    for tid in program.tids():
        t.equal(ptrace(PTRACE_SEIZE, tid)[0], 0, "seizing thread %d" % tid)
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, 0x40000000)
        dr7, errno = ptrace(PTRACE_PEEKUSER, tid, DEBUGREG + 7 * 8)
        t.equal((dr7, errno), (0, 0), "dr7 of thread %d" % tid)
        ptrace(PTRACE_DETACH, tid)
    unharmed(t, program, "rounds")


@case("a detach takes every trap out, in whatever state")
def _(t):
    for state in ("stopped", "running", "at a breakpoint", "after a step"):
        for way in ("D", "SIGTERM", "client gone"):
            program = start(t, "checked", 4, ready=ready("rounds"))
            server, r = attach(t, program)
            if state != "stopped":
                r.insert(program["mix"])
                stop = r.run()
                t.equal(stop.pc, program["mix"], "the breakpoint")
            if state == "after a step":
                r.remove(program["mix"])
                r.step(stop)
                r.insert(program["mix"])
            r.insert(program["check" if "check" in program.names else "main"])
            if state == "running":
                r.remove(program["mix"])
                r.resume()
            if way == "D":
                if state == "running":
                    r.halt()
                r.ok("D;%x" % program.pid)
            elif way == "client gone":
                r.close()
                server.until("reopen the connection")
                if state != "running":
                    t.check(program.text_is_the_files(), "the client's breakpoints stayed")
                term(t, server)
            else:
                term(t, server)
            t.equal(server.wait(), 0, "exit status")
            unharmed(t, program, "rounds")
            t.check(program.running() and program.peek("wrong") == 0, "the program is harmed")
            program.kill(9)


@case("a program that is killed while it stands, or runs, is told of")
def _(t):
    for running in (False, True):
        program = start(t, "checked", 5, ready=ready("rounds"))
        server, r = attach(t, program)
        if running:
            r.resume()
            moves(t, program, "rounds", 10)
        program.kill(9)
        if not running:
            t.eventually(lambda: {program.state(x) for x in program.tids()} == {"Z"}, "it is dead")
            # Clear answers, not a hang, until it is told by a stop.
            for ask in ("g", "m%x,8" % program["rounds"], "Z0,%x,1" % program["mix"], "p10"):
                t.equal(r.ask(ask)[:1], b"E", "answer to " + ask)
            r.ask("qfThreadInfo")
            r.resume()
        t.equal(r.stop().raw, "X%02x;process:%x" % (SIGKILL, program.pid), "its end")
        r.close()
        t.equal(server.wait(), 0, "exit status")
        t.equal(program.wait(), -9, "what its parent sees")


@case("signals that it was stopped with are kept for it, or not, as the client says")
def _(t):
    for says, kept in (("", True), ("e;f;1e", True), ("e;f", False)):
        program = start(t, "signals", "asleep", 2, ready=ready("turns"))
        server, r = attach(t, program)
        if says:
            r.ok("QProgramSignals:" + says)
        r.resume()
        program.kill(signal.SIGUSR1)
        t.equal(r.stop().signo, 0x1e, "the stop")
        r.ok("D")
        unharmed(t, program, "turns")
        if kept:
            t.eventually(lambda: program.peek("handled", signal.SIGUSR1) == 1, "it gets SIGUSR1")
        else:
            time.sleep(0.05)
            t.equal(program.peek("handled", signal.SIGUSR1), 0, "SIGUSR1s handled")
        t.equal(program.peek("handled", signal.SIGTRAP), 0, "SIGTRAPs handled")
        t.equal(program.peek("handled", signal.SIGINT), 0, "SIGINTs handled")
