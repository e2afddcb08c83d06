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
