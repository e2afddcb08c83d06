# SPDX-License-Identifier: MIT
"""Breakpoints whose conditions and commands the stub evaluates: who is told of which hit."""

import collections
import re
import signal
import subprocess

from live import (GDB, RIP, SIGINT, SIGTRAP, Stop, attach, case, connect, launch, moves, start,
                  text_segments, unharmed)

RDI = 5
END, REF64, ADD, EQUAL, LESS, POP = 0x27, 0x1A, 0x02, 0x13, 0x15, 0x29


def code(*items):
    """Agent bytecode: numbers below 256 are bytes, ("reg", N) and ("const", N) what they say."""
    out = b""
    for item in items:
        if isinstance(item, int):
            out += bytes((item,))
        elif item[0] == "reg":
            out += b"\x26" + item[1].to_bytes(2, "big")
        else:
            out += b"\x25" + (item[1] % 2**64).to_bytes(8, "big")
    return out


def printf(text, *values):
    """A command that prints; `values` are pieces of code."""
    out = b"".join(reversed(values)) + code(("const", 0), ("const", 0), 0x34)
    text = text.encode() + b"\0"
    return out + bytes((len(values),)) + len(text).to_bytes(2, "big") + text + code(END)


def expressions(codes):
    return "".join("X%x,%s" % (len(c), c.hex()) for c in codes)


def insert(r, addr, *conditions, commands=(), kind=0):
    r.ok("Z%d,%x,1%s%s" % (kind, addr, ";" + expressions(conditions) if conditions else "",
                           ";cmds:0," + expressions(commands) if commands else ""))


FALSE, TRUE = code(("const", 0), END), code(("const", 1), END)


def count_is(n):
    """That the count which is the argument of hit() is n, before it counts."""
    return code(("reg", RDI), REF64, ("const", n), EQUAL, END)


def run(r, actions="c"):
    """Until it stops: (the stop, the text that came before)."""
    text = b""
    r.send("vCont;" + actions)
    reply = r.recv()
    while reply[:1] == b"O":
        text += bytes.fromhex(reply[1:].decode())
        reply = r.recv()
    return Stop(reply), text.decode()


def instructions(path, *functions):
    """The address of every instruction of these functions."""
    found = []
    for name in functions:
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=" + name, path],
                              stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
        found += [int(a, 16) for a in re.findall(r"^ +([0-9a-f]+):\t", text, re.M)]
    return found


@case("conditions and commands are announced, and what is wrong with one is said")
def _(t):
    server, r, inferior = launch(t, "hits", 1, 5, says=GDB + ";error-message+")
    for feature in ("ConditionalBreakpoints", "BreakpointCommands"):
        t.equal(r.features.get(feature), "+", feature)
    hit = inferior["hit"]
    for tail, words in ((";X3,22", "not all there"), (";X1,ff", "no bytecode"), (";X0,", "0 bytes"),
                        (";X3,210009", "past its end"), (";Y", "malformed"), (";cmds:0", "malformed"),
                        (";cmds:0,X1,02", "values"), (";", "malformed"), (";X2,22", "not all there"),
                        (";Xffffffffffffffff,27", "not all there"), (";X2,2201;", "past its end"),
                        (";X1,27" * 65, "more than 64")):
        reply = r.ask("Z0,%x,1%s" % (hit, tail)).decode()
        t.check(reply.startswith("E.") and words in reply, "%s: %s" % (tail[:30], reply))
    t.check(inferior.text_is_the_files(), "a refused breakpoint is in the text")
    t.check(r.ask("Z2,%x,8;X1,27" % inferior["count"]).startswith(b"E."), "a watch with a condition")
    t.equal(r.run().raw[:3], "W00", "its end")


@case("a false condition is never told, of every instruction and by many threads", timeout=240)
def _(t):
    for threads, times in ((1, 300), (8, 40), (40, 4)):
        server, r, inferior = launch(t, "hits", threads, times)
        where = instructions(inferior.path, "hit", "call")
        t.check(len(where) > 10, "instructions of the program: %r" % where)
        for addr in where:
            insert(r, addr, FALSE)
        t.equal(r.run().raw[:3], "W00", "its end: no count is lost")
        r.close()
        t.equal(server.wait(), 0, "exit status")


@case("a true condition is told once for each hit, in each thread", timeout=240)
def _(t):
    for kind in (0, 1):
        server, r, inferior = launch(t, "hits", 8, 200)
        # Two of them: any is enough.
        insert(r, inferior["hit"], count_is(100), count_is(7), kind=kind)
        stop, hits = r.run(), collections.Counter()
        while stop.kind == "T":
            t.equal((stop.signo, stop.pc), (SIGTRAP, inferior["hit"]), "%r" % stop)
            t.check("hwbreak" if kind else "swbreak" in stop.words, "%r" % stop)
            count = int.from_bytes(r.memory(r.reg(RDI), 8), "little")
            hits[stop.tid, count] += 1
            r.remove(inferior["hit"], kind)
            r.step(stop)
            insert(r, inferior["hit"], count_is(100), count_is(7), kind=kind)
            stop = r.run()
        t.equal(stop.raw[:3], "W00", "its end")
        t.equal(sorted(hits.values()), [1] * 16, "hits")
        t.equal({n for _, n in hits}, {7, 100}, "counts")


@case("a hit is judged once: the text of commands has a line for each", timeout=240)
def _(t):
    server, r, inferior = launch(t, "hits", 8, 50)
    value = code(("reg", RDI), REF64)
    insert(r, inferior["hit"], commands=[printf("%ld of %lx\\n", value, code(("reg", RDI)))])
    stop, text = run(r)
    t.equal(stop.raw[:3], "W00", "its end")
    lines = [line.split(" of ") for line in text.splitlines()]
    seen = collections.defaultdict(list)
    for count, mine in lines:
        seen[mine].append(int(count))
    t.equal(len(seen), 8, "threads")
    for mine, counts in seen.items():
        t.equal(counts, list(range(50)), "counts of " + mine)


@case("commands run where a condition holds, and nobody is told")
def _(t):
    server, r, inferior = launch(t, "hits", 2, 50)
    insert(r, inferior["hit"], count_is(3), count_is(4), commands=[printf("one\\n"), printf("two\\n")])
    stop, text = run(r)
    t.equal(stop.raw[:3], "W00", "its end")
    t.equal(sorted(text.split()), ["one"] * 4 + ["two"] * 4, "text")


@case("a condition that fails stops, and says why")
def _(t):
    for condition, words in ((code(("const", 1), ("const", 0), 0x05, END), "division by zero"),
                             (code(("const", 16), REF64, END), "cannot access memory at 0x10"),
                             (code(0x21, 0, 0), "steps"),
                             (code(("reg", 9999), END), "no register"),
                             (code(0x2C, 0, 1, END), "variable")):
        server, r, inferior = launch(t, "hits", 2, 50)
        insert(r, inferior["hit"], FALSE, condition)
        stop, text = run(r)
        t.equal((stop.signo, stop.pc), (SIGTRAP, inferior["hit"]), "%r" % stop)
        t.check(words in text and "%x" % inferior["hit"] in text, text)
        r.remove(inferior["hit"])
        t.equal(r.run().raw[:3], "W00", "its end")
        r.close()


@case("a breakpoint set again loses its condition, and one removed is gone")
def _(t):
    server, r, inferior = launch(t, "hits", 1, 50)
    insert(r, inferior["hit"], FALSE)
    insert(r, inferior["hit"])
    stop = r.run()
    t.equal(stop.pc, inferior["hit"], "%r" % stop)
    insert(r, inferior["hit"], FALSE)
    r.remove(inferior["hit"])
    r.insert(inferior["hit"])
    stop = r.step_over(stop, inferior["hit"])
    t.equal(stop.pc, inferior["hit"], "%r" % stop)
    insert(r, inferior["hit"], FALSE)
    t.equal(r.run().raw[:3], "W00", "its end")


@case("a step that meets a false condition is a step", timeout=240)
def _(t):
    server, r, inferior = launch(t, "hits", 1, 40)
    r.insert(inferior["hit"])
    stop = r.run()
    r.remove(inferior["hit"])
    where = instructions(inferior.path, "hit", "call")
    plain = []
    for _ in range(20):     # where the steps lead without them
        stop = r.step(stop)
        plain.append(stop.pc)
    for addr in where:
        insert(r, addr, FALSE)
    conditional = []
    for _ in range(20):
        stop = r.step(stop)
        t.equal((stop.signo, "swbreak" in stop.words), (SIGTRAP, False), "%r" % stop)
        conditional.append(stop.pc)
    cycle = max(1, len(set(plain)))
    t.check(set(conditional) <= set(plain), "%r are not steps of %r" % (conditional, plain))
    t.equal(len(set(conditional)), cycle, "places")
    # A range of all of hit() ends outside of it.
    insert(r, inferior["hit"], FALSE)
    size = 16
    stop = r.run("r%x,%x:%s" % (inferior["hit"], inferior["hit"] + size, r.id(stop)))
    t.equal(stop.signo, SIGTRAP, "%r" % stop)
    t.equal(r.run().raw[:3], "W00", "its end")


@case("an interrupt is heard, and a detach leaves all as it was, amid false conditions", timeout=240)
def _(t):
    program = start(t, "checked", 8, ready=lambda p: p.peek("rounds") > 0)
    places = instructions(program.path, "mix", "check")
    for turn in range(12):
        server, r = attach(t, program)
        for addr in places if turn % 3 == 0 else places[:4]:
            insert(r, addr, FALSE)
        r.resume()
        moves(t, program, "rounds", 20)
        if turn % 2:
            stop = r.halt()
            t.equal(stop.signo, SIGINT, "%r" % stop)
            for addr in places:
                r.remove(addr)
            r.ok("D")
        else:
            server.signal(signal.SIGTERM)
        t.equal(server.wait(), 0, "exit status")
        t.check(program.text_is_the_files(), "a trap is left in the text")
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("true hits, false ones and interrupts at once: no hit is lost and none told twice", timeout=240)
def _(t):
    server, r, inferior = launch(t, "hits", 12, 60)
    hit, call = inferior["hit"], instructions(inferior.path, "call")
    fine = code(("reg", RDI), REF64, ("const", 3), 0x0F, ("const", 3), EQUAL, END)   # count & 3 == 3
    for addr in call:
        insert(r, addr, FALSE)
    insert(r, hit, fine)
    hits = collections.Counter()
    r.resume()
    turn = 0
    while True:
        turn += 1
        if turn % 5 == 0:
            r.interrupt()
        stop = r.stop()
        if stop.kind != "T":
            break
        if stop.signo == SIGINT:
            r.resume()
            continue
        t.equal((stop.signo, stop.pc), (SIGTRAP, hit), "%r" % stop)
        r.ok("Hg" + r.id(stop))
        hits[stop.tid] += 1
        count, sp = r.reg(RDI), r.reg(7)
        value = int.from_bytes(r.memory(count, 8), "little")
        t.equal(value & 3, 3, "the count at a hit")
        # Do what hit() does, and return: the breakpoint stays in.
        r.ok("M%x,8:%s" % (count, (value + 1).to_bytes(8, "little").hex()))
        back = int.from_bytes(r.memory(sp, 8), "little")
        r.set_reg(7, sp + 8)
        r.set_reg(RIP, back)
        r.resume()
    t.equal(stop.raw[:3], "W00", "its end: no count is lost")
    t.equal(sorted(hits.values()), [15] * 12, "hits by thread")


@case("conditions end with their client", timeout=120)
def _(t):
    program = start(t, "checked", 4, ready=lambda p: p.peek("rounds") > 0)
    server, r = attach(t, program)
    for _ in range(20):     # some end while a thread is about to be judged
        insert(r, program["mix"], FALSE)
        r.resume()
        moves(t, program, "rounds", 5)
        r.close()
        r = connect(t, server)
        t.check(program.text_is_the_files(), "a trap is left in the text")
    r.insert(program["mix"])
    stop = r.run()
    t.equal((stop.signo, stop.pc), (SIGTRAP, program["mix"]), "%r" % stop)
    r.ok("D")
    r.close()
    unharmed(t, program, "rounds")


@case("instructions under false breakpoints do what they do while other threads run")
def _(t):
    program = start(t, "elsewhere", 100000, ready=lambda p: p.peek("turns") > 0)
    _, r = attach(t, program)
    places = sorted(name for name in program.names if name.startswith("at_"))
    ((end, data),) = text_segments(program.path)
    rest = range(end + len(data), -(-(end + len(data)) // 4096) * 4096)
    behind = program.read(rest.start, len(rest))
    for mode in ("all-stop", "non-stop"):
        if mode == "non-stop":
            r.ok("QNonStop:1")
        for name in places:
            insert(r, program[name], FALSE)
        r.ask("QPassSignals:4;8")
        if mode == "all-stop":
            r.resume()
        else:
            r.ok("vCont;c")
        before = program.peek("shared")
        t.eventually(lambda: program.peek("shared") > before + 100, "all of them are done")
        if mode == "all-stop":
            r.halt()
        for name in places:
            r.remove(program[name])
        t.equal(r.memory(rest.start, len(rest)), behind, "what a client sees there")
        t.check(program.read(rest.start, len(rest)) != behind, "nothing was executed there")
        t.equal(program.peek("wrong"), 0, "differences in " + mode)
    r.ok("D")
    unharmed(t, program, "shared")
    t.equal(program.read(rest.start, len(rest)), behind, "what is behind the code")
    t.equal(program.peek("wrong"), 0, "differences")
