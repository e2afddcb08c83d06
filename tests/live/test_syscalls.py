# SPDX-License-Identifier: MIT
"""System calls that are caught."""


from live import GDB, ORIG_RAX, SIGTRAP, attach, case, connect, launch, start

CLONE, FORK, WAIT4, EXIT_GROUP, EXECVE = 56, 57, 61, 231, 59


def word(stop):
    """(entry or return, number) of a stop at a system call, or None."""
    for name in ("syscall_entry", "syscall_return"):
        if name in stop.words:
            return name[8:], int(stop.words[name], 16)
    return None


@case("of system calls only those asked for are caught: where they begin and where they end")
def _(t):
    server, r, inferior = launch(t, "family", "fork", 3)
    r.ok("QPassSignals:14")
    r.ok("QCatchSyscalls:1;%x;%x" % (WAIT4, EXIT_GROUP))
    seen, stop = [], r.run()
    while stop.kind == "T":
        t.equal((stop.signo, stop.pid), (SIGTRAP, inferior.pid), "%r" % stop)
        t.equal(r.reg(ORIG_RAX), word(stop)[1], "orig_rax")
        seen.append(word(stop))
        stop = r.run()
    t.equal(seen, [("entry", WAIT4), ("return", WAIT4)] * 3 + [("entry", EXIT_GROUP)], "caught")
    t.equal(stop.raw[:3], "W00", "the end")


@case("all of them, and none any more")
def _(t):
    server, r, inferior = launch(t, "family", "fork", 2)
    r.ok("QPassSignals:14")
    r.ok("QCatchSyscalls:1")
    begun, last = {}, None
    stop = r.run()
    for _ in range(40):
        how, number = word(stop)
        t.check(how == "entry" or number == last, "%r after %r" % (stop, last))
        begun[number] = begun.get(number, 0) + (how == "entry")
        last, stop = number, r.run()
    t.check(len(begun) > 5, "few kinds of calls: %r" % begun)
    r.ok("QCatchSyscalls:0")
    t.equal(r.run().raw[:3], "W00", "the end")


@case("a stop from outside falls between a call's beginning and its end")
def _(t):
    program = start(t, "ticker", t.dir + "/ticks")
    server, r = attach(t, program)
    r.ok("QCatchSyscalls:1")
    kinds = set()
    r.resume()
    for _ in range(60):
        stop = r.stop()
        kinds.add(word(stop)[0] if word(stop) else "other")
        r.resume()
    t.equal(kinds, {"entry", "return"}, "what stopped it")
    r.ok("QCatchSyscalls:0") if r.stop() else None
    r.ok("D")
    t.untouched(program.pid)


@case("the end of execve is told after the exec itself")
def _(t):
    server, r, inferior = launch(t, "exec", "/bin/true", says=GDB)
    r.ok("QCatchSyscalls:1;%x" % EXECVE)
    seen, stop = [], r.run()
    while stop.kind == "T" and len(seen) < 3:
        seen.append("exec" if "exec" in stop.words else word(stop))
        stop = r.run()
    t.equal(seen, [("entry", EXECVE), "exec", ("return", EXECVE)], "what was told")


@case("what cannot be a list of calls is an error, and changes nothing")
def _(t):
    server, r, inferior = launch(t, "family", "fork", 1)
    for bad in ("", ":", ":2", ":1;xyz", ":1;400", ":0;1", ":1,3"):
        t.check(r.ask("QCatchSyscalls" + bad)[:1] in (b"E", b""), bad)
    r.ok("QPassSignals:14")
    t.equal(r.run().raw[:3], "W00", "the end")


@case("a thread that is asked to tells of those that it makes, and of its own end")
def _(t):
    server, r, inferior = launch(t, "storm", 1, 1000, says=GDB)
    r.insert(inferior["create"])
    stop = r.run()
    creator = stop.tid
    r.remove(inferior["create"])
    r.ok("QThreadOptions;0;3:p%x.%x" % (inferior.pid, creator))
    for _ in range(10):
        stop = r.run()
        t.equal((stop.signo, stop.tid), (SIGTRAP, creator), "%r" % stop)
        born = stop.words["clone"]
        t.check(born in r.threads(), "%s is no thread" % born)
        t.check(r.reg(16, born), "its pc")
        # It stands still until something is said of it.
        stop = r.run("r0,1:p%x.%x" % (inferior.pid, creator))
        t.equal(stop.signo, SIGTRAP, "the step of who made it: %r" % stop)
        t.check(born in r.threads(), "%s has not stayed" % born)
        # The end of one that was not asked to is not told, that of another is.
        r.ok("QThreadOptions;2:%s" % born)
        reply = r.run().raw
        t.equal(reply, "w0;" + born, "its end")
    for bad in ("", ";", ";4", ";1:", ";x", ";1:pz.1"):
        t.check(r.ask("QThreadOptions" + bad)[:1] == b"E", bad)
    r.ok("QThreadOptions;0")
    r.ok("D")
    t.untouched(inferior.pid)
    inferior.kill(9)
