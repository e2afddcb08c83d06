# SPDX-License-Identifier: MIT
"""Python breakpoints (`monitor py-break') with every interpreter there is."""

import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from breaks import HIT, add, attach, breakable, refusing, run_lines, touch  # noqa: E402
from harness import case  # noqa: E402


@case("four lines of a warm function stop each time with its arguments", python=breakable,
      timeout=300)
def _(t, python):
    run_lines(t, python, 500)


@case("four lines of a function that never ran stop each time with its arguments",
      python=breakable, timeout=300)
def _(t, python):
    run_lines(t, python, 0)


# ---- steps ----

STEPS = "steps.py"
PLACE = re.compile(r"#0 Frame (0x[0-9a-f]+), for file .*?, line (\d+), in ([\w<>]+) \(")


def events(t, python):
    """What sys.settrace sees in an untouched run: (event, function, line)."""
    program = t.program(python, STEPS, "trace")
    t.equal(program.wait(), 0, "the exit status of the traced run")
    return [(e, name, int(line)) for e, name, line in
            re.findall(r"^(call|line|return) (\S+) (\d+)$", program.text, re.M)]


def lines_of(all_events, name):
    """The lines of the first activation of a function, and that of its caller when it returns."""
    stack, out = [], []
    for event, function, line in all_events:
        if event == "call":
            stack.append([function, line])
        elif event == "return":
            ended = stack.pop()
            if ended[0] == name and name not in [s[0] for s in stack]:
                return out + [tuple(stack[-1])]
        else:
            stack[-1][1] = line
            if function == name and [s[0] for s in stack].count(name) == 1:
                # A loop of one line is one line.
                if out[-1:] != [(function, line)]:
                    out.append((function, line))
    raise AssertionError(name + " does not return")


def begin_steps(t, python):
    go = os.path.join(t.dir, "go")
    program = t.program(python, STEPS, "run", go, until="^ready")
    server, r = attach(t, program)
    r.monitor("py-tbreak %s:%d" % (STEPS, t.line(STEPS, "first")))
    touch(go)
    reply, text = r.go()
    t.has(text, "^Python breakpoint 1, 1 hit")
    return program, r, PLACE.search(text)


def step(t, r, how):
    t.equal(r.monitor(how), "", how)
    reply, text = r.go()
    found = PLACE.search(text)
    t.check(found, "%s stopped by %r, said %r" % (how, reply, text))
    return found


def end_steps(t, program, r):
    r.ask("D")
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, r"^result \d+")


@case("py-next goes over the lines that sys.settrace sees in an untouched run", python=breakable)
def _(t, python):
    expected = lines_of(events(t, python), "walk")
    program, r, at = begin_steps(t, python)
    seen = [(at[3], int(at[2]))]
    while len(seen) < len(expected):
        at = step(t, r, "py-next")
        seen.append((at[3], int(at[2])))
    t.equal(seen, expected, "the lines of py-next")
    end_steps(t, program, r)


class Activations:
    """The lines of nested calls, each told when it changes or a call begins."""

    def __init__(self):
        self.stack, self.told = [], []

    def at(self, frame, name, line):
        while self.stack and frame in [s[0] for s in self.stack] and self.stack[-1][0] != frame:
            self.stack.pop()
        if not self.stack or self.stack[-1][0] != frame:
            self.stack.append([frame, None])
        if self.stack[-1][1] != line:
            self.told.append((name, line))
        self.stack[-1][1] = line


def trace_lines(all_events, name):
    """What py-step is to see from the first line of a function until that returns."""
    depth, seen, begun = 0, Activations(), None
    for event, function, line in all_events:
        depth += event == "call"
        if function == name and begun is None:
            begun = depth
        if event == "return" and depth == begun:
            break
        if event == "line" and begun and "<" not in function:
            seen.at(depth, function, line)
        depth -= event == "return"
    return seen.told


@case("py-step also goes into functions and generators", python=breakable, timeout=300)
def _(t, python):
    expected = trace_lines(events(t, python), "walk")
    program, r, at = begin_steps(t, python)
    seen = Activations()
    while at[3] != "outer":
        if "<" not in at[3]:
            seen.at(at[1], at[3], int(at[2]))
        at = step(t, r, "py-step")
    t.note(seen.told)
    names = {x[0] for x in expected}
    seen.told = [x for x in seen.told if x[0] in names]     # not the library's
    t.check([x for x in seen.told if x[0] in ("leaf", "catches", "fails", "numbers")],
            "no function was entered: %r" % seen.told)
    missing = [x for x in expected if x not in seen.told]
    t.equal(missing, [], "lines that py-step did not stop at")
    t.equal([x for x in seen.told if x not in expected], [], "lines that the trace has not")
    end_steps(t, program, r)


@case("a step needs no breakpoint before it", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 1000)
    seen = []
    r.send("vCont;c")
    r.interrupt()
    r.recv()
    for n in range(8):
        at = step(t, r, "py-next")
        seen.append((at[3], int(at[2])))
    t.note(seen)
    t.equal({x[0] for x in seen}, {"<module>"}, "the functions of the steps")
    t.equal(len(set(seen)), 2, "the lines of a loop of two")
    t.equal([a != b for a, b in zip(seen, seen[1:])], [True] * 7, "each step is to the other")
    touch(go)
    r.ask("D")
    program.until("^sum right")
    program.popen.kill()


@case("py-finish stops where a function has returned to", python=breakable)
def _(t, python):
    program, r, at = begin_steps(t, python)
    at = step(t, r, "py-finish")
    t.equal((at[3], int(at[2])), ("outer", t.line(STEPS, "calls")), "where it returned to")
    end_steps(t, program, r)


# ---- programs that make it hard ----

HARD = "breakable.py"


def begin_hard(t, python, mode, calls):
    go = os.path.join(t.dir, "go")
    program = t.program(python, HARD, mode, calls, go, until="^ready")
    server, r = attach(t, program)
    return program, server, r, go


def finish_hard(t, program, r, go, hits):
    """Counts the hits while it works; then deletes and detaches, and lets it end."""
    touch(go)
    seen = collections.Counter()
    while sum(seen.values()) < hits:
        reply, text = r.go()
        t.check(reply[0] == "T", "it ended by %r after %r" % (reply, seen))
        for found in HIT.finditer(text):
            seen[int(found[3])] += 1
        t.check(seen, "no hit in %r, %r" % (reply, text))
    r.monitor("py-delete")
    r.ask("D")
    program.until("^sum .*$")
    os.unlink(go)
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, "^sum right")
    return seen


def hard(mode, line, hits_of, calls=100):
    @case("hits are exact with %s, line %s" % (mode, line), python=breakable, timeout=60)
    def _(t, python):
        program, server, r, go = begin_hard(t, python, mode, calls)
        add(t, r, "%s:%d" % (HARD, t.line(HARD, line)))
        hits = hits_of(calls)
        seen = finish_hard(t, program, r, go, hits)
        t.equal(sum(seen.values()), hits, "hits")


def left(mode, line):
    @case("it goes its way when it is left in the middle, with " + mode, python=breakable,
          timeout=60)
    def _(t, python):
        program, server, r, go = begin_hard(t, python, mode, 100)
        add(t, r, "%s:%d" % (HARD, t.line(HARD, line)))
        finish_hard(t, program, r, go, 40)


hard("threads", "busy", lambda n: 4 * n)
hard("generators", "generator", lambda n: n)
hard("recursion", "recursion", lambda n: n + 10)
hard("forks", "inner", lambda n: 3 * n)
hard("signals", "inner", lambda n: 3 * n)
hard("traced", "inner", lambda n: 3 * n)
hard("monitored", "inner", lambda n: 3 * n)
hard("started", "inner", lambda n: 3 * n)
hard("shapes", "split", lambda n: n)
hard("shapes", "condition", lambda n: n + 1)
for mode in ("threads", "signals", "traced", "monitored", "forks", "copied"):
    left(mode, "inner")
left("recursion", "recursion")
left("generators", "generator")


# ---- what is left behind, and what is refused ----

def raw(program, addr, size):
    """Its memory past archerfish."""
    with open("/proc/%d/mem" % program.pid, "rb", 0) as f:
        f.seek(addr)
        return f.read(size)


def text_of(program):
    """All that is executable in it, and read-only, from files."""
    out = []
    with open("/proc/%d/maps" % program.pid) as f:
        for line in f:
            where, prot, _, _, inode = line.split()[:5]
            if inode != "0" and "w" not in prot and "r" in prot and "python" in line:
                start, end = (int(x, 16) for x in where.split("-"))
                out.append(raw(program, start, end - start))
    return out


@case("a code object and the interpreter are as before once breakpoints are deleted",
      python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 10)
    found = t.has(program.text, r"^code 0x([0-9a-f]+) (\d+)$")
    addr, size = int(found[1], 16), int(found[2])
    head = 16               # the count of references
    before, text = raw(program, addr + head, size - head), text_of(program)
    for line in range(t.line(HARD, "busy"), t.line(HARD, "inner") + 1):
        add(t, r, "%s:%d" % (HARD, line))
    add(t, r, "busy")
    t.check(raw(program, addr + head, size - head) != before, "nothing was changed")
    t.equal(bytes.fromhex(r.ask("m%x,%x" % (addr + head, size - head)).decode()), before,
            "the code object as a client reads it")
    r.monitor("py-delete")
    t.equal(raw(program, addr + head, size - head), before, "the code object")
    t.check(text_of(program) == text, "the interpreter is changed")
    add(t, r, "busy")
    r.ask("D")
    t.equal(raw(program, addr + head, size - head), before, "the code object after a detach")
    t.check(text_of(program) == text, "the interpreter is changed after a detach")
    program.popen.kill()


@case("code objects that end take their breakpoints with them", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "frees", 200)
    add(t, r, "%s:%d" % (HARD, t.line(HARD, "made")))
    touch(go)
    for n in range(5):
        reply, text = r.go()
        t.has(text, HIT.pattern)
        add(t, r, "made.py:2")
        reply, text = r.go()
        t.has(text, r"line 2, in made \(x=%d\)" % n)
    reply, text = r.go()
    t.has(r.monitor("py-breaks"), r"0 places, 1 hit")
    r.monitor("py-delete")
    r.ask("D")
    program.until("^sum .*$")
    os.unlink(go)
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, "^sum right")


@case("an archerfish that is ended leaves nothing behind", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "signals", 300)
    add(t, r, "%s:%d if y == -1" % (HARD, t.line(HARD, "inner")))
    r.send("vCont;c")
    touch(go)
    server.signal(15)
    server.wait()
    program.until("^sum .*$")
    os.unlink(go)
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, "^sum right")


@case("an archerfish that is killed leaves nothing behind", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "signals", 300)
    found = t.has(program.text, r"^code 0x([0-9a-f]+) (\d+)$")
    addr, size = int(found[1], 16), int(found[2])
    head = 16               # the count of references
    before, text = raw(program, addr + head, size - head), text_of(program)
    add(t, r, "%s:%d" % (HARD, t.line(HARD, "inner")))
    add(t, r, "busy if x == -1")
    t.check(raw(program, addr + head, size - head) != before, "nothing was changed")
    server.signal(9)
    server.wait()
    t.eventually(lambda: raw(program, addr + head, size - head) == before
                 and text_of(program) == text, "all is as it was")
    t.untouched(program.pid)
    touch(go)
    program.until("^sum .*$")
    os.unlink(go)
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, "^sum right")


@case("a program whose breakpoint never holds can be interrupted", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 10000000)
    add(t, r, "%s:%d if y == -1" % (HARD, t.line(HARD, "inner")))
    touch(go)
    r.send("vCont;c")
    for _ in range(3):
        r.interrupt()
        reply = r.recv()
        while reply[:1] == b"O":
            reply = r.recv()
        t.has(reply.decode(), "^T02")
        t.has(r.monitor("py-bt"), "breakable.py")
        r.send("vCont;c")
    program.popen.kill()


@case("conditions are evaluated as Python does", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 20)
    line = t.line(HARD, "busy")
    for condition in ("x == 3", "x > 17 and not x == 18", "x in (5, 6)", "x is None or x == 7",
                      "go == %r and x < 1" % go, "LIMIT + 1 == 4"):
        text = r.monitor("py-break %s:%d if %s" % (HARD, line, condition))
        if "+" in condition:
            t.lacks(text, "^Python breakpoint", "an operator is no condition")
        else:
            t.has(text, "^Python breakpoint")
    touch(go)
    seen = []
    while len(seen) < 6:
        reply, text = r.go()
        seen += [(int(f[1]), int(f[5].split("=")[1].split(",")[0])) for f in HIT.finditer(text)]
    t.equal(seen, [(5, 0), (1, 3), (3, 5), (3, 6), (4, 7), (2, 19)], "breakpoint and x of each hit")
    r.ask("D")
    os.unlink(go)
    program.until("^sum right")


@case("what cannot have breakpoints is refused with the reason", python=breakable)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 1)
    for spec, why in (("nothing.py:1", "no code of nothing.py"), ("no_such", "no function"),
                      ("%s:99999" % HARD, "no code of"), ("", "py-break takes"),
                      ("busy if", "."), ("busy if x ==", "missing"), ("busy if (", ".")):
        t.has(r.monitor("py-break " + spec), why)
    t.equal(r.monitor("py-breaks"), "No Python breakpoints.\n", "the list")
    t.has(r.monitor("py-delete 3"), "No Python breakpoint number 3")
    r.ask("D")
    program.popen.kill()


@case("builds that cannot have breakpoints are refused, and go on", python=refusing)
def _(t, python):
    program, server, r, go = begin_hard(t, python, "alone", 10)
    t.has(r.monitor("py-break busy"), "free-threaded|debug builds")
    t.has(r.monitor("py-step"), "free-threaded|debug builds")
    r.ask("D")
    touch(go)
    program.until("^sum right")
    program.popen.kill()


@case("a Python whose JIT is on is refused",
      python=lambda: [p for p in breakable() if p.version >= (3, 14)])
def _(t, python):
    go = os.path.join(t.dir, "go")
    program = t.program(python, HARD, "alone", 1, go, until="^ready",
                        env=t.environment(PYTHON_JIT="1"))
    server, r = attach(t, program)
    t.has(r.monitor("py-break busy"), "JIT is on")
    r.ask("D")
    program.popen.kill()
