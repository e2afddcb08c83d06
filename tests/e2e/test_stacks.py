# SPDX-License-Identifier: MIT
"""Stock gdb, no file of ours on its side, sees the Python stacks as they are."""

import json
import os
import re

import zoo
from harness import case

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


def thread_numbers(text):
    """{tid: gdb's number} from the output of info threads."""
    return {int(m[2]): int(m[1]) for m in
            re.finditer(r"^[* ]\s*(\d+)\s+Thread (?:\d+\.)?(\d+)", text, re.M)}


@case("info threads names each thread's Python function", python=zoo.pythons, gdb=zoo.gdbs)
def _(t, python, gdb):
    program, stacks = blocked_program(t, python)
    out = t.gdb(gdb, t.serve(pid=program.pid), "info threads")
    lines = out["info threads"].splitlines()
    for stack in stacks:
        mine = [line for line in lines if re.search(r"Thread (\d+\.)?%d\b" % stack["tid"], line)]
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
