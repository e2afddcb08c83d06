# SPDX-License-Identifier: MIT
"""Python threads, frames and variables in lldb's own commands."""

import glob
import json
import os
import re

import lldb_checks as checks
import zoo
from harness import Server, case

# lldb 14 takes a format of its own for a frame of which it does not know all.
PLAIN = "settings set frame-format 'frame ${frame.index}: ${line.file.fullpath}:${line.number}\\n'"
FRAME = re.compile(r"^ +(?:\* )?frame \d+: (.+):(\d+)$", re.M)


def serve(t, program):
    return t.serve("--virtual-threads=on", pid=program.pid,
                   env=t.environment(XDG_RUNTIME_DIR=t.dir))


def python_beside(t, lldb):
    """The newest interpreter where that lldb runs; of this machine its own."""
    fit = [p for p in zoo.pythons() if p.root == lldb.root and (p.root or p.kind == "host")]
    if not fit:
        t.skip("no python beside lldb %s" % lldb.label)
    return fit[-1]


def backtraces(text):
    """{name: [(file, line)]} of the Python threads; of a file its last name."""
    found = {}
    for piece in re.split(r"^[* ] thread #", text, flags=re.M):
        name = re.search(r"name = 'python (.*?)'", piece)
        if name:
            found[name.group(1)] = [(os.path.basename(f), int(n)) for f, n in FRAME.findall(piece)]
    return found


@case("each Python thread's stack is the interpreter's own", lldb=zoo.lldbs)
def _(t, lldb):
    python = python_beside(t, lldb)
    path = os.path.join(t.dir, "stacks.json")
    program = t.program(python, "stacks.py", path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        told = {s["name"]: [(os.path.basename(f["source"]), f["line"]) for f in s["frames"]]
                for s in json.load(f)}
    out = t.lldb(lldb, serve(t, program), PLAIN, "thread backtrace all", "detach",
                 file=python.path)
    found = backtraces(out["thread backtrace all"])
    t.equal(sorted(found), sorted(told), "the threads")
    for name, frames in told.items():
        t.equal(found[name], frames, "the stack of %s" % name)
    t.check(checks.goes_on(t, program), "it does not go on")


@case("a deadlock in Python is seen with lldb's own commands", lldb=zoo.lldbs)
def _(t, lldb):
    python = python_beside(t, lldb)
    program = t.program(python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    server = serve(t, program)
    out = t.lldb(lldb, server, "thread list", "thread select 8", "bt",
                 "frame variable", "up", "register write rip 0", "memory write $pc 0",
                 "thread select 1", "expression -- (int)getpid()", "detach", file=python.path)
    for i in range(5):
        t.has(out["thread list"],
              r"py-1\.so`dine\(table=.*, seat=\"%d\"\) at philosophers\.py:29.*, "
              r"name = 'python philosopher-%d'" % (i, i))
    t.has(out["thread list"], r"name = 'python MainThread'")
    t.has(out.text, r"^-> 29\s+with right:$")
    t.has(out["bt"], r"(?s)#0: .*`dine\(.*#1: .*(Thread\.)?run\(self=.*\) at threading\.py:\d+\n.*#4: ")
    t.has(out["frame variable"], r"^\(char \*\) seat = 0x\w+ \"0\"$")
    t.has(out["frame variable"], r"^\(char \*\) right = 0x\w+ \"<locked _thread\.lock object at ")
    t.has(out["up"], r"run.*at threading\.py:\d+")
    t.has(out["register write rip 0"], r"error: ")
    t.has(out["memory write $pc 0"], r"error: ")
    t.has(out["expression -- (int)getpid()"], r"= %d\b" % program.pid)
    t.check(checks.goes_on(t, program), "it does not go on")
    server.wait()
    t.equal(glob.glob(os.path.join(t.dir, "archerfish", "*")), [], "files that are left behind")


@case("what a program makes while it runs is known at the next stop", lldb=zoo.lldbs)
def _(t, lldb):
    python = python_beside(t, lldb)
    script = os.path.join(os.path.dirname(checks.__file__), "..", "inferiors", "late.py")
    with open(os.path.join(t.dir, "lines"), "w+") as lines:
        lines.write("0\n1\n2\nend\n")
        lines.seek(0)
        server = t.start(Server, "archerfish", lldb.beside(
            t.stub, "--virtual-threads=on", "--once", ":0", python.path, os.path.abspath(script)),
            stdin=lines, env=t.environment(XDG_RUNTIME_DIR=t.dir)).listening()
    # Whatever is printed is written at once: "ready" first.
    out = t.lldb(lldb, server, "breakpoint set -n write -s libc.so.6 -c '$rdx > 1'", "continue",
                 "continue", "thread list", "continue", "thread list", "continue", "thread list",
                 "image list", "continue", file=python.path)
    for i in range(3):
        t.has(out.texts[3 + 2 * i], r"`late_%d\(x=\"%d\"\) at made_%d\.py:2.*'python MainThread'"
              % (i, i, i))
    t.has(out["image list"], r"/py-4\.so")
    t.has(out.texts[-1], r"exited with status = 0 ")
    t.equal(server.wait(), 0, "its exit status")


@case("a breakpoint in Python stops, steps line by line, and is gone afterwards", lldb=zoo.lldbs)
def _(t, lldb):
    python = python_beside(t, lldb)
    program = t.program(python, "doubling.py", until="^ready$")
    line = t.line("doubling.py", "twice")
    out = t.lldb(lldb, serve(t, program), "breakpoint set -f doubling.py -l %d" % line, "continue",
                 "frame variable", "thread step-over", "finish", "breakpoint delete -f", "detach",
                 file=python.path)
    t.has(out.texts[0], r"py-1\.so`double \+ \d+ at doubling\.py:%d" % line)
    stop = t.has(out["continue"],
                 r"'python MainThread', stop reason = breakpoint 1\.1\n.*double\(n=\"(\d+)\"\)")
    t.has(out["frame variable"], r"\) once = 0x\w+ \"%s\"\n" % stop.group(1))
    t.has(out["frame variable"], r"\) twice = 0x\w+ \"<not set>\"\n")
    t.has(out["thread step-over"], r"stop reason = step over\n.*double\(.*:%d\b" % (line + 1))
    t.has(out["finish"], r"stop reason = .*\n(.*\n)*.*`main at doubling\.py")
    t.check(checks.goes_on(t, program), "it does not go on")


def reads(pid):
    """Whether its main thread is in read(0, ...)."""
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()[:2] == ["0", "0x0"]


@case("a Python frame of a real thread is stepped out of, one client after the other",
      lldb=zoo.lldbs)
def _(t, lldb):
    python = python_beside(t, lldb)
    program = t.program(python, "finishing.py", 1, until="^ready$", stdin=-1)
    t.eventually(lambda: reads(program.pid), "the program reads")
    out = t.lldb(lldb, serve(t, program), "bt", "detach", file=python.path)
    at = {name: int(number) for number, name in
          re.findall(r"^ +(?:\* )?frame #(\d+): .*`(deep\(n=\"1\"|deep\(n=\"4\"|\[C\])", out["bt"], re.M)}
    t.untouched(program.pid)
    server = serve(t, program)
    program.send("\n")  # which it reads when it goes on
    # The frames that end are no longer there: what was behind them comes so much earlier.
    last = at['deep(n="4"'] - at['deep(n="1"'] - 1
    out = t.lldb(lldb, server, "frame select %d" % at['deep(n="1"'], "thread step-out",
                 "frame variable", "thread step-over", "frame select %d" % last, "finish", "bt 2",
                 "thread step-out", "thread step-inst", "detach", file=python.path)
    t.has(out.texts[1], r"stop reason = step out\n.*`deep\(n=\"2\"")
    t.has(out["frame variable"], r"\) below = 0x\w+ \"<not set>\"\n")
    t.has(out["thread step-over"], r"stop reason = step over\n.*`deep\(n=\"2\"")
    t.has(out["finish"], r"stop reason = step out\n.*`(finishing\.)?key\(")
    t.has(out["bt 2"], r"frame #0: .*key\(.*\n +frame #1: .*\[C\]")
    t.has(out.texts[7], r"stop reason = step out\n.*`\[C\]")
    t.has(out["thread step-inst"], r"stop reason = instruction step into\n")
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, r"^result 15$")
