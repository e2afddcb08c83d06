# SPDX-License-Identifier: MIT
"""Stock gdb, no file of ours on its side, sees the Python stacks as they are."""

import json
import os
import re

import zoo
from harness import Process, case

FRAME = re.compile(r'^\s*(?:#\d+\s+)?File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.*)$')


def blocked_program(t, python):
    """A program of many stacks, none of which moves; it and what it says of them."""
    path = os.path.join(t.dir, "stacks.json")
    program = t.program(python, "stacks.py", path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        return program, json.load(f)


def frames_in(text):
    return [(m["file"], int(m["line"]), m["name"]) for m in map(FRAME.match, text.splitlines()) if m]


def told(stack, key="name"):
    return [(f["file"], f["line"], f[key]) for f in stack["frames"]]


def stacks_in(text):
    """{tid: frames} from the text with every thread."""
    pieces = re.split(r"^Thread (\d+) .*$", text, flags=re.M)[1:]
    return {int(tid): frames_in(piece) for tid, piece in zip(pieces[::2], pieces[1::2])}


def thread_numbers(text):
    """{tid: gdb's number} from the output of info threads."""
    return {int(m[2]): int(m[1]) for m in
            re.finditer(r"^[* ]\s*(\d+)\s+Thread (?:\d+\.)?(\d+)", text, re.M)}


@case("info threads names each thread's Python function", python=zoo.recent, gdb=zoo.gdbs)
def _(t, python, gdb):
    program, stacks = blocked_program(t, python)
    out = t.gdb(gdb, t.serve(pid=program.pid), "info threads")
    lines = out["info threads"].splitlines()
    for stack in stacks:
        mine = [line for line in lines if re.search(r"Thread (\d+\.)?%d[ )]" % stack["tid"], line)]
        t.equal(len(mine), 1, "lines of thread %d (%s) in:\n%s"
                % (stack["tid"], stack["name"], out["info threads"]))
        top = stack["frames"][0]
        t.check(top["name"] in mine[0], "no %s in: %s" % (top["name"], mine[0]))
        t.check(":%d" % top["line"] in mine[0], "no line %d in: %s" % (top["line"], mine[0]))
    t.untouched(program.pid)


@case("monitor py-bt equals the interpreter's own stacks", python=zoo.pythons, gdb=zoo.gdbs)
def _(t, python, gdb):
    program, stacks = blocked_program(t, python)
    server = t.serve(pid=program.pid)
    with t.gdb_session(gdb, server) as g:
        numbers = thread_numbers(g.command("info threads"))
        for stack in stacks:
            t.check(stack["tid"] in numbers, "gdb does not know thread %d" % stack["tid"])
            g.command("thread %d" % numbers[stack["tid"]])
            found = frames_in(g.command("monitor py-bt"))
            t.check(found, "py-bt shows no frame of %s" % stack["name"])
            t.equal(found, told(stack), "the stack of %s" % stack["name"])
    t.untouched(program.pid)


@case("monitor py-bt all tells every stack at once", python=zoo.recent)
def _(t, python):
    program, stacks = blocked_program(t, python)
    out = t.gdb(zoo.gdbs()[0], t.serve(pid=program.pid), "monitor py-bt all")
    t.equal(stacks_in(out["monitor py-bt all"]), {s["tid"]: told(s) for s in stacks}, "the stacks")


@case("monitor py-bt speaks of the thread gdb has selected", gdb=zoo.gdbs)
def _(t, gdb):
    program, stacks = blocked_program(t, t.python())
    tops = {s["tid"]: told(s)[0] for s in stacks}
    with t.gdb_session(gdb, t.serve("--virtual-threads=off", pid=program.pid)) as g:
        numbers = thread_numbers(g.command("info threads"))
        t.equal(frames_in(g.command("monitor py-bt"))[0], tops[program.pid], "after info threads")
        g.command("thread 3")
        g.command("info threads")
        third = [tid for tid, number in numbers.items() if number == 3][0]
        t.equal(frames_in(g.command("monitor py-bt"))[0], tops[third], "after thread 3")
        every = g.command("thread apply all -q monitor py-bt")
        pieces = re.split(r"^Traceback.*$", every, flags=re.M)[1:]
        by_number = sorted(tops, key=lambda tid: numbers[tid], reverse=True)
        t.equal([frames_in(piece)[0] for piece in pieces], [tops[tid] for tid in by_number],
                "thread apply all")


@case("archerfish stacks needs no debugger", python=zoo.recent)
def _(t, python):
    program, stacks = blocked_program(t, python)
    printer = t.archerfish("stacks", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    t.equal(stacks_in(printer.text), {s["tid"]: told(s) for s in stacks}, "the stacks")
    t.untouched(program.pid)


@case("archerfish stacks says so when there is no Python")
def _(t):
    sleeper = t.start_program(["sleep", "100"])
    printer = t.archerfish("stacks", sleeper.pid)
    t.equal(printer.wait(), 1, "its exit status")
    t.has(printer.text, r"no Python")
    t.untouched(sleeper.pid)


@case("info os lists the Python threads and frames", gdb=zoo.gdbs)
def _(t, gdb):
    program, stacks = blocked_program(t, t.python())
    out = t.gdb(gdb, t.serve(pid=program.pid), "info os", "info os python-threads",
                "info os python-frames")
    t.has(out["info os"], r"^python-frames")
    for stack in stacks:
        t.has(out["info os python-threads"], r"\b%d\b" % stack["tid"])
        for frame in stack["frames"]:
            t.has(out["info os python-frames"], r"\b%d\b.*%s.*%s.*\b%d\b" % (
                stack["tid"], re.escape(frame["name"]), re.escape(frame["file"]), frame["line"]))


@case("lines of code that came from no file are those that traceback would show",
      python=zoo.recent)
def _(t, python):
    program = t.program(python, "typed.py", until="^ready$")
    t.asleep(program.pid)
    out = t.start(Process, "stacks", [t.stub, "stacks", str(program.pid)])
    t.equal(out.wait(60), 0, "its exit status")
    t.has(out.text, r'"<cell 7>", line 5, in inner\n    wait\(\)  # (λ|\\u03bb)\n')
    t.has(out.text, r'"<cell 7>", line 2, in outer\n    return   inner\(wait\)\n')
    t.has(out.text, r'"<not kept>", line 2, in <module>\n  File')
