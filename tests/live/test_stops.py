# SPDX-License-Identifier: MIT
"""Breakpoints, watchpoints and steps stop where they should, every time, and once."""

import collections
import signal

from live import (GDB, RAX, RIP, SIGINT, SIGTRAP, SIGUSR1, attach, case, connect, launch, moves,
                  start, unharmed)


def count_hits(t, r, inferior, kind, stop, actions="c"):
    """Run to the end, over every hit of hit(), as gdb does; hits by thread."""
    hits = collections.Counter()
    while stop.kind == "T":
        t.equal((stop.signo, stop.pc), (SIGTRAP, inferior["hit"]), "%r" % stop)
        t.check("hwbreak" if kind else "swbreak" in stop.words, "%r" % stop)
        hits[stop.tid] += 1
        r.remove(inferior["hit"], kind)
        after = r.step(stop)
        t.equal((after.signo, after.tid, "swbreak" in after.words, "hwbreak" in after.words),
                (SIGTRAP, stop.tid, False, False), "the step from a hit: %r" % after)
        r.insert(inferior["hit"], kind)
        stop = r.run(actions)
    t.equal(stop.raw[:3], "W00", "its end")
    return hits


@case("a breakpoint that many threads hit at once is told once for each hit", timeout=240)
def _(t):
    for threads, times, kind in ((1, 200, 0), (8, 300, 0), (40, 40, 0), (6, 100, 1)):
        server, r, inferior = launch(t, "hits", threads, times)
        r.insert(inferior["hit"], kind)
        hits = count_hits(t, r, inferior, kind, r.run())
        t.equal(sorted(hits.values()), [times] * threads, "hits by thread")
        r.close()
        t.equal(server.wait(), 0, "exit status")


@case("hits are exact while other threads run during the step", timeout=240)
def _(t):
    # Not as gdb does: the breakpoint stays in, and the thread is sent over the instruction.
    server, r, inferior = launch(t, "hits", 8, 300)
    hit = inferior["hit"]
    text = inferior.read(hit, 8)
    r.insert(hit)
    t.equal(r.memory(hit, 8), text, "memory under a breakpoint")
    t.equal(inferior.read(hit, 1), b"\xcc", "the trap")
    hits = collections.Counter()
    stop = r.run()
    while stop.kind == "T":
        t.equal((stop.signo, stop.pc), (SIGTRAP, hit), "%r" % stop)
        hits[stop.tid] += 1
        # hit() is `addq $1,(%rdi); ret` or alike: do what it does, and return.
        thread = r.id(stop)
        r.ok("Hg" + thread)
        count, sp = r.reg(5), r.reg(7)
        back = int.from_bytes(r.memory(sp, 8), "little")
        value = int.from_bytes(r.memory(count, 8), "little") + 1
        r.ok("M%x,8:%s" % (count, value.to_bytes(8, "little").hex()))
        r.set_reg(7, sp + 8)
        r.set_reg(RIP, back)
        stop = r.run()
    t.equal(stop.raw[:3], "W00", "its end: no count is lost")
    t.equal(sorted(hits.values()), [300] * 8, "hits by thread")


@case("a breakpoint taken away while others were hitting it leaves no thread behind it")
def _(t):
    for turn in range(60):
        server, r, inferior = launch(t, "hits", 12, 50)
        r.insert(inferior["hit"])
        stop = r.run()
        for _ in range(turn % 4):
            stop = r.step_over(stop, inferior["hit"])
        r.remove(inferior["hit"])
        t.check(inferior.text_is_the_files(), "a trap is left in the text")
        if turn % 2:
            r.ok("D")
            r.close()
            server.until(r"Detaching from process")
            t.equal(server.wait(), 0, "exit status")
            continue
        t.equal(r.run().raw[:3], "W00", "its end: every thread runs on from where it was")
        r.close()


@case("detach and attach in the middle of thousands of hits harm nothing")
def _(t):
    program = start(t, "checked", 8, ready=lambda p: p.peek("rounds") > 0)
    for turn in range(40):
        server, r = attach(t, program)
        r.insert(program["mix"])
        stop = r.run()
        for _ in range(5):
            t.equal((stop.signo, stop.pc), (SIGTRAP, program["mix"]), "%r" % stop)
            stop = r.step_over(stop, program["mix"])
        if turn % 2:
            r.resume()
            server.signal(signal.SIGTERM)
        else:
            r.ok("D")
        t.equal(server.wait(), 0, "exit status")
        t.check(program.text_is_the_files(), "a trap is left in the text")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


SIZES = (1, 2, 4, 8)


def expected_turns(kind, addr, size, area):
    """The turns of tests/inferiors/watched.c in which the watched bytes are touched."""
    turns = []
    for log2, width in enumerate(SIZES):
        for offset in range(9):
            at = area + 16 + offset
            if at < addr + size and addr < at + width:
                turn = 2 * (9 * log2 + offset) + 1
                turns += [turn] if kind == 2 else [turn, turn + 1]
    return turns


@case("watchpoints of every size and alignment stop at each access, and no other", timeout=240)
def _(t):
    regions = [(0, 1), (3, 1), (0, 2), (2, 2), (1, 2), (0, 4), (4, 4), (3, 4), (0, 8), (8, 8),
               (4, 8), (1, 8), (5, 3), (1, 7)]
    for kind, word in ((2, "watch"), (4, "awatch")):
        for offset, size in regions:
            server, r, inferior = launch(t, "watched")
            area = inferior["area"]
            addr = area + 16 + offset
            reply = r.ask("Z%d,%x,%x" % (kind, addr, size))
            t.equal(reply, b"OK", "a watch of %d bytes at +%d" % (size, offset))
            turns, stop = [], r.run()
            while stop.kind == "T":
                t.equal(stop.signo, SIGTRAP, "%r" % stop)
                seen = int(stop.words[word], 16)
                t.check(addr <= seen < addr + size, "%r is not about %x" % (stop, addr))
                turns.append(inferior.peek("turn"))
                stop = r.run()
            t.equal(stop.raw[:3], "W00", "its end")
            t.equal(turns, expected_turns(kind, addr, size, area),
                    "turns for kind %d, %d bytes at +%d" % (kind, size, offset))
            r.close()


@case("there are four debug registers, and a watch that does not fit is refused whole")
def _(t):
    server, r, inferior = launch(t, "watched")
    area = inferior["area"]
    for i in range(4):
        r.insert(area + 8 * i, 2, 8)
    t.equal(r.ask("Z2,%x,8" % (area + 32))[:1], b"E", "a fifth")
    r.insert(area, 2, 8)        # the same again needs none
    r.remove(area, 2, 8)
    r.remove(area + 8, 2, 8)
    r.remove(area + 16, 2, 8)
    t.equal(r.ask("Z2,%x,20" % (area + 1))[:1], b"E", "one that needs five")
    r.insert(area + 16, 2, 8)
    t.equal(r.ask("Z3,%x,8" % area), b"", "a read watch, which x86 has not")
    t.equal(r.ask("Z9,%x,8" % area), b"", "a kind that nobody has")


@case("a watch holds in every thread, and in those born later")
def _(t):
    server, r, inferior = launch(t, "hits", 6, 5)
    for i in range(4):
        r.insert(inferior["count"] + 64 * i, 2, 8)
    seen = collections.Counter()
    stop = r.run()
    while stop.kind == "T":
        seen[stop.tid] += 1
        t.check("watch" in stop.words, "%r" % stop)
        stop = r.run()
    t.equal(stop.raw[:3], "W00", "its end")
    t.equal(sorted(seen.values()), [5, 5, 5, 5], "stops by thread")


def at_strides(t):
    server, r, inferior = launch(t, "strides")
    r.insert(inferior["strides"])
    stop = r.run()
    t.equal(stop.pc, inferior["strides"], "pc")
    r.remove(inferior["strides"])
    return server, r, inferior, stop


@case("a step goes over one instruction, system calls, string moves and flags included")
def _(t):
    server, r, inferior, stop = at_strides(t)
    names = {inferior[n]: n for n in inferior.names}
    trail = []
    for _ in range(400):
        before, stop = stop.pc, r.step(stop)
        t.equal((stop.signo, len(stop.words.keys() & {"swbreak", "hwbreak", "watch"})),
                (SIGTRAP, 0), "%r" % stop)
        trail.append(stop.pc)
        if names.get(before) == "at_syscall":
            t.equal(stop.pc, inferior["at_after"], "pc after a system call")
            t.equal(r.reg(RAX), inferior.pid, "its result")
        if stop.pc == inferior["at_last"]:
            break
    t.check(inferior["callee"] in trail, "the call was not stepped into")
    t.equal(trail.count(inferior["at_rep"]), 5, "steps at a string move of 5 bytes")
    t.equal(trail.count(inferior["at_loop"]), 100, "turns of the loop")
    # The flag that makes steps must not have leaked into the program's own flags.
    r.resume()
    moves(t, inferior, "lap", 5)
    t.equal(r.halt().signo, SIGINT, "^C: no trap of its own")


@case("a range step stays in the range and stops where it leaves it")
def _(t):
    server, r, inferior, stop = at_strides(t)

    def over(stop, start, end):
        return r.run("r%x,%x:%s" % (start, end, r.id(stop)))

    stop = r.step(stop)
    t.equal(stop.pc, inferior["at_call"], "pc")
    stop = over(stop, stop.pc, inferior["at_syscall"])
    t.equal(stop.pc, inferior["callee"], "a call leaves the range")
    stop = over(stop, inferior["callee"], inferior["callee"] + 2)
    t.equal(stop.pc, inferior["at_call"] + 5, "a return does")
    stop = over(stop, stop.pc, inferior["at_last"])
    t.equal(stop.pc, inferior["at_last"], "a system call, string moves and a loop do not")

    # A breakpoint inside the range is still one.
    r.insert(inferior["strides"])
    stop = r.run()
    r.remove(inferior["strides"])
    r.insert(inferior["at_nops"])
    stop = r.step(stop)
    stop = over(stop, stop.pc, inferior["at_syscall"])
    stop = over(stop, stop.pc, inferior["callee"] + 2)
    stop = over(stop, stop.pc, inferior["at_last"])
    t.equal((stop.pc, stop.words.get("swbreak")), (inferior["at_nops"], ""), "the breakpoint")
    # An empty range is one step.
    r.remove(inferior["at_nops"])
    t.equal(over(stop, 0, 0).pc, inferior["at_nops"] + 1, "pc after an empty range")


@case("a step takes a signal's handler by its first instruction")
def _(t):
    server, r, inferior, stop = at_strides(t)
    r.insert(inferior["at_nops"])
    stop = r.run()
    r.remove(inferior["at_nops"])
    inferior.kill(signal.SIGUSR1)
    stop = r.step(stop)
    if stop.signo == SIGTRAP:           # the step was over before the signal was there
        stop = r.run()
    t.equal(stop.signo, SIGUSR1, "the signal")
    stop = r.run("S%02x:%s" % (SIGUSR1, r.id(stop)))
    t.equal((stop.signo, stop.pc), (SIGTRAP, inferior["handler"]), "the step into its handler")
    stop = r.step(stop)
    t.check(inferior["handler"] < stop.pc < inferior["handler"] + 16, "the next step: %r" % stop)
    r.resume()
    t.eventually(lambda: inferior.peek("caught") == 1, "the handler ran")
    r.halt()
    # Held back, it is as if it never came.
    inferior.kill(signal.SIGUSR1)
    stop = r.run()
    t.equal(stop.signo, SIGUSR1, "the signal")
    stop = r.step(stop)
    t.equal(stop.signo, SIGTRAP, "a step without it")
    lap = inferior.peek("lap")
    r.resume()
    moves(t, inferior, "lap", 5)
    t.equal(inferior.peek("caught"), 1, "handlers run after %d laps" % lap)


@case("one thread steps while the others stand, or run, as the client wants")
def _(t):
    program = start(t, "signals", "busy", 3, ready=lambda p: len(p.tids()) == 4)
    server, r = attach(t, program)
    r.insert(program["turn"])
    stop = r.run()
    r.remove(program["turn"])
    before = program.peek("turns")
    for _ in range(50):
        stop = r.step(stop)
        t.equal(stop.signo, SIGTRAP, "%r" % stop)
    t.check(program.peek("turns") - before <= 20, "the other threads ran")
    for _ in range(20):
        before = program.peek("turns")
        stop = r.step(stop, ";c")
        t.equal((stop.signo, stop.kind), (SIGTRAP, "T"), "%r" % stop)
    r.ok("D")
    unharmed(t, program, "turns")


@case("the old packets c, s, C and S move what Hc chose")
def _(t):
    server, r, inferior, stop = at_strides(t)
    r.ok("Hc" + r.id(stop))
    r.send("s")
    stop = r.stop()
    t.equal(stop.pc, inferior["at_call"], "pc after s")
    r.send("s%x" % inferior["at_nops"])
    stop = r.stop()
    t.equal(stop.pc, inferior["at_nops"] + 1, "pc after s with an address")
    r.ok("Hc-1")
    r.send("S1e")
    stop = r.stop()
    t.equal(stop.pc, inferior["handler"], "pc after S1e")
    r.send("C1e")
    t.eventually(lambda: inferior.peek("caught") == 2, "C1e delivers")
    r.halt()
    r.send("c%x" % inferior["at_last"])
    moves(t, inferior, "lap", 2)
    r.halt()


@case("no thread that was resumed is left: that is told")
def _(t):
    program = start(t, "ends", "retire", 5, ready=lambda p: len(p.tids()) == 5)
    server, r = attach(t, program)
    first = program.tids()[1]
    program.poke("go", 1)
    t.equal(r.run("c:p%x.%x" % (program.pid, first)).raw, "N", "the only resumed one ends")
    t.equal(len(r.threads()), 4, "threads")
    program.poke("go", 2)
    second = program.tids()[1]
    # A step that never ends because its thread does.
    r.insert(program["retired"], 2, 8)
    stop = r.run("c:p%x.%x" % (program.pid, second))
    t.equal(stop.tid, second, "%r" % stop)
    r.remove(program["retired"], 2, 8)
    stop = r.run("r1,7fffffffffff:p%x.%x" % (program.pid, second), timeout=60)
    t.equal(stop.raw, "N", "the only thread that steps ends")
    program.poke("go", 4)
    t.equal(r.run().raw[:3], "W05", "its end")


@case("a thread that ends the process ends it for those that stand, too")
def _(t):
    for turn in range(15):
        program = start(t, "ends", "orphans", 3, ready=lambda p: p.state() == "Z" and p.peek("turns"))
        server, r = attach(t, program)
        tids = [x for x in program.tids() if x != program.pid]
        program.poke("go", 1)
        t.equal(r.run("c:p%x.%x" % (program.pid, tids[turn % 4])).raw[:3], "W03", "its end")
        t.equal(program.wait(), 3, "exit status")
        r.close()


@case("the first thread may end before the others while it is traced")
def _(t):
    server, r, inferior = launch(t, "ends", "orphans", 4)
    r.resume()
    t.eventually(lambda: inferior.state() == "Z" and inferior.peek("turns") > 5, "it has ended")
    stop = r.halt()
    t.equal(stop.signo, SIGINT, "^C")
    t.check(stop.tid != inferior.pid, "the thread that has ended was stopped")
    listed = {int(x.split(".")[1], 16) for x in r.threads()}
    t.equal(listed, set(inferior.tids()) - {inferior.pid}, "threads")
    t.check(b"E" == r.ask("Hgp%x.%x" % (inferior.pid, inferior.pid))[:1] , "it is still chosen")
    t.check(r.memory(inferior["leave"], 4), "memory")
    r.insert(inferior["leave"])
    inferior.poke("go", 1)
    stop = r.run()
    t.equal(stop.pc, inferior["leave"], "the breakpoint")
    r.remove(inferior["leave"])
    t.equal(r.run().raw[:3], "W04", "its end")


@case("a program's own trap is told where it is, and counts when delivered")
def _(t):
    program = start(t, "signals", "asleep", 2, ready=lambda p: p.peek("turns") > 0)
    server, r = attach(t, program)
    program.poke("trap", 1)
    stop = r.run()
    # It stands at the instruction for a client that knows of that, and the client goes past it.
    t.equal((stop.signo, stop.words.get("swbreak")), (SIGTRAP, ""), "%r" % stop)
    t.equal(program.read(stop.pc, 1), b"\xcc", "what is at pc")
    r.set_reg(RIP, stop.pc + 1)
    r.resume("C05:%s;c" % r.id(stop))
    t.eventually(lambda: program.peek("trapped") == 1, "it goes on")
    t.equal(program.peek("handled", signal.SIGTRAP), 1, "SIGTRAPs handled")
    r.halt()
    program.poke("trap", 1)
    stop = r.run()
    r.set_reg(RIP, stop.pc + 1)
    r.resume()
    t.eventually(lambda: program.peek("trapped") == 2, "it goes on")
    t.equal(program.peek("handled", signal.SIGTRAP), 1, "SIGTRAPs handled")
    # One that somebody sends is a signal like others.
    program.kill(signal.SIGTRAP)
    stop = r.stop()
    t.equal((stop.signo, "swbreak" in stop.words), (SIGTRAP, False), "%r" % stop)
    r.resume("C05:%s;c" % r.id(stop))
    t.eventually(lambda: program.peek("handled", signal.SIGTRAP) == 2, "it is delivered")
    # A client that does not know finds the pc where the processor left it.
    r.halt()
    r.close()
    r = connect(t, server, GDB.replace("swbreak+;", ""))
    program.poke("trap", 1)
    stop = r.run()
    t.equal((stop.signo, "swbreak" in stop.words), (SIGTRAP, False), "%r" % stop)
    t.equal(program.read(stop.pc - 1, 1), b"\xcc", "what is before pc")
    r.resume()
    t.eventually(lambda: program.peek("trapped") == 3, "it goes on")


@case("hardware breakpoints stop before the instruction, in every thread")
def _(t):
    server, r, inferior = launch(t, "hits", 3, 4)
    r.insert(inferior["hit"], 1)
    t.check(inferior.text_is_the_files(), "a hardware breakpoint changed the text")
    stop, hits = r.run(), collections.Counter()
    while stop.kind == "T":
        t.equal((stop.pc, stop.words.get("hwbreak")), (inferior["hit"], ""), "%r" % stop)
        hits[stop.tid] += 1
        stop = r.run()      # the processor steps over it by itself
    t.equal((stop.raw[:3], sorted(hits.values())), ("W00", [4, 4, 4]), "end and hits")


@case("what is refused changes nothing")
def _(t):
    server, r, inferior, stop = at_strides(t)
    for packet in ("vCont;c:p%x.%x" % (inferior.pid, 0x7ffffff), "vCont;c:p7ffffff.1", "vCont;q",
                   "vCont", "vCont;", "vCont;Cff", "vCont;s:", "C", "Cff",
                   "Z0,ffffffffffff0000,1", "Z0,0,1", "Z1", "Z0,%x" % inferior["strides"]):
        reply = r.ask(packet)
        t.check(reply == b"" or reply[:1] == b"E", "%s was answered %r" % (packet, reply))
        t.equal(r.reason().pc, stop.pc, "pc after " + packet)
    t.check(inferior.text_is_the_files(), "the text was changed")
