# SPDX-License-Identifier: MIT
"""What lldb needs to call functions: memory mapped in the process, registers kept."""

from live import RIP, attach, case, moves, start, unharmed


def mapped(program, address):
    with open("/proc/%d/maps" % program.pid) as f:
        for line in f:
            low, high = (int(x, 16) for x in line.split()[0].split("-"))
            if low <= address < high:
                return line.split()[1]
    return None


def ready(program):
    return program.peek("rounds") > 0


@case("memory is mapped, written, read, and taken away")
def _(t):
    program = start(t, "checked", 3, ready=ready)
    server, r = attach(t, program)
    before = r.ask("g")
    address = int(r.ask("_M2000,rwx"), 16)
    t.equal(mapped(program, address), "rwxp", "its mapping")
    t.equal(r.ask("g"), before, "registers")
    r.ok("M%x,4:01020304" % address)
    t.equal(r.ask("m%x,6" % address), b"010203040000", "what is in it")
    t.has(r.ask("qMemoryRegionInfo:%x" % address).decode(), r"permissions:rwx;")
    r.ok("_m%x" % address)
    t.equal(mapped(program, address), None, "its mapping afterwards")
    t.equal(r.ask("_m%x" % address)[:1], b"E", "taken away twice")
    r.ok("D")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("nothing of it is left after a detach, or when the client goes")
def _(t):
    for leave in (lambda r: r.ok("D"), lambda r: r.close()):
        program = start(t, "checked", 3, ready=ready)
        server, r = attach(t, program)
        addresses = [int(r.ask("_M1000,rw"), 16) for _ in range(20)]
        t.check(all(mapped(program, a) for a in addresses), "some are not mapped")
        leave(r)
        t.eventually(lambda: not any(mapped(program, a) for a in addresses), "they are gone")
        server.signal(15)
        server.wait()
        unharmed(t, program, "rounds")
        t.equal(program.peek("wrong"), 0, "differences")


@case("a thread in the middle of a system call goes on with it")
def _(t):
    program = start(t, "signals", "asleep", 2, ready=lambda p: p.peek("turns") > 0)
    server, r = attach(t, program)
    for _ in range(50):
        address = int(r.ask("_M1000,rx"), 16)
        r.ok("_m%x" % address)
        r.resume()
        moves(t, program, "turns", 2)
        r.halt()
    r.ok("D")
    moves(t, program, "turns", 100)


@case("saved registers come back, of their thread and once")
def _(t):
    program = start(t, "checked", 1, ready=ready)
    server, r = attach(t, program)
    tid = program.pid
    before = r.ask("g")
    number = r.ask("QSaveRegisterState;thread:%x;" % tid).decode()
    t.has(number, r"^[1-9]\d*$")
    r.ok("P%x=%s;thread:%x;" % (RIP, "00" * 8, tid))
    t.check(r.ask("g") != before, "a register did not change")
    t.equal(r.ask("QRestoreRegisterState:%s;thread:%x;" % (number, program.tids()[-1]))[:1], b"E",
            "of another thread")
    r.ok("QRestoreRegisterState:%s;thread:%x;" % (number, tid))
    t.equal(r.ask("g"), before, "registers")
    t.equal(r.ask("QRestoreRegisterState:%s;thread:%x;" % (number, tid))[:1], b"E", "twice")
    r.ok("D")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("--read-only maps nothing and keeps nothing")
def _(t):
    program = start(t, "checked", 1, ready=ready)
    server, r = attach(t, program, "--read-only")
    for packet in ("_M1000,rwx", "_m1000", "QSaveRegisterState", "QRestoreRegisterState:1"):
        t.equal(r.ask(packet)[:1], b"E", packet)
    r.ok("D")
