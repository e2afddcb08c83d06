# SPDX-License-Identifier: MIT
"""Stock gdb's breakpoints and steps on lines of Python."""

import os
import re
import subprocess

import zoo
from harness import INFERIORS, case

ON = "--virtual-threads=on"
SCRIPT = os.path.join(INFERIORS, "lines.py")


def few():
    every = zoo.pythons()
    return [p for p in every if p.version[:2] in ((3, 9), (3, 11), (3, 15))
            and (p.version[:2] != (3, 11) or p.kind == "host")]


def traced(t, python, times):
    """The lines that main(times) goes over, as the interpreter itself says."""
    out = subprocess.run([str(c) for c in python.command(SCRIPT, "trace", times)],
                         stdout=subprocess.PIPE, universal_newlines=True, cwd=t.dir,
                         env=t.environment()).stdout
    return [tuple(word.split(":")) for word in out.splitlines()[-1].split()]


def line(name):
    with open(SCRIPT) as f:
        return [i for i, text in enumerate(f, 1) if "line: %s" % name in text][0]


def is_def(number):
    with open(SCRIPT) as f:
        return number is not None and f.readlines()[int(number) - 1].startswith("def ")


def way(lines):
    """A line may be begun several times; what counts is where it goes on."""
    return [p for i, p in enumerate(lines) if i == 0 or p != lines[i - 1]]


def begin(t, g, program, location):
    t.has(g.command("break %s" % location), r"Breakpoint 1(: | at )")
    g.begin("continue")
    g.until("Continuing", start=g.mark)
    program.send("\n")
    return g.end()


def place(text):
    """Where gdb says that it stopped: (function or None, line)."""
    frame = re.search(r"(\S+) \(.*\) at \S+:(\d+)$", text, re.M)
    if frame:
        return frame[1], frame[2]
    found = re.findall(r"^(\d+)\t", text, re.M)
    return (None, found[-1]) if found else (None, None)


@case("gdb steps Python line by line as the interpreter goes", python=few,
      gdb=lambda: zoo.gdbs()[:1], timeout=240)
def _(t, python, gdb):
    lines = traced(t, python, 2)
    start = lines.index(("main", str(line("call"))))
    program = t.program(python, "lines.py", 2, until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        text = begin(t, g, program, "lines.py:%d" % line("call"))
        t.has(text, r'"python MainThread" hit Breakpoint 1, main \(times="2"\) at')
        g.command("delete")
        found, name = [], "main"
        for _ in lines[start:-8]:
            function, number = place(text)
            name = function or name
            found.append((name, number))
            text = g.command("step")
        wanted = way(lines[start:])
        mine = way([(n.split(".")[-1], l) for n, l in found if not is_def(l)])
        # gdb also stops where functions begin.
        t.check(len(mine) > len(wanted) * 2 // 3, "only %d lines: %s" % (len(mine), mine))
        t.equal(mine, wanted[:len(mine)], "the lines")
        t.has(g.command("detach"), r"detached")
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, r"^total \d+$")


@case("a breakpoint on a Python line is hit each time, with the right arguments", gdb=zoo.gdbs,
      timeout=240)
def _(t, gdb):
    python = t.python()
    program = t.program(python, "lines.py", 60, until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        text = begin(t, g, program, "leaf")
        for i in range(30):
            t.has(text, r'hit Breakpoint 1, leaf \(n="%d"\) at' % i)
            text = g.command("continue")
        t.has(g.command("bt"), r'^#1 +work \(i="30"\) at .*\n#2 +main \(times="60"\)')
        t.has(g.command("next"), r"^\d+\s+b = a \* 2|^\d+\tin |lines.py")
        t.has(g.command("finish"), r"Run till exit.*leaf \(n=\"30\"\)[\s\S]*work \(i=\"30\"\)")
        t.has(g.command("p i == 30 && i + 1 > 30"), r"= 1$")
        g.command("delete")
        t.has(g.command("tbreak leaf if n == 40"), r"Temporary breakpoint 2")
        t.has(g.command("continue"), r'Temporary breakpoint 2, leaf \(n="40"\)')
        t.has(g.command("up"), r'work \(i="40"\)')
        t.has(g.command("detach"), r"detached")
    t.equal(program.wait(), 0, "its exit status")
    wanted = subprocess.run([str(c) for c in python.command(SCRIPT, "trace", 60)],
                            stdout=subprocess.PIPE, universal_newlines=True).stdout
    t.check(wanted.splitlines()[0] in program.text, "the total, not %s" % program.text)


@case("conditions and prints at lines of Python are evaluated by the stub", gdb=zoo.gdbs,
      timeout=240)
def _(t, gdb):
    call = line("call")
    with open(SCRIPT) as f:
        first = next(i for i, text in enumerate(f, 1) if "a = n + 1" in text)
    program = t.program(t.python(), "lines.py", 60, until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        g.command("set breakpoint condition-evaluation target")
        g.command("set dprintf-style agent")
        text = begin(t, g, program, "leaf if $pyline == %d && $pydepth > 2" % first)
        t.has(text, r'hit Breakpoint 1, leaf \(n="0"\) at')
        t.has(g.command("info breakpoints"), r"breakpoint already hit 1 time\b")
        t.has(g.command("x/s $pyfile"), r'"/.*/lines\.py"$')
        t.has(g.command("p $pyline"), r"= %d$" % first)
        g.command("delete")
        g.command("break lines.py:%d if $pyline != %d" % (call, call))
        g.command("break lines.py:%d if $pydepth > 100 || $pycode == 0" % call)
        g.command("break lines.py:%d if i == 4" % call)
        g.command('dprintf leaf,"line %d of <%s>\\n",$pyline,(char *) $pyfile')
        text = g.command("continue")
        prints = re.findall(r"^line (\d+) of <(\S+)>$", text, re.M)
        t.equal(prints, [(str(first), SCRIPT)] * 3, text)
        t.has(text, r"hit Breakpoint 4\b.*main \(times=\"60\"\)")
        t.has(g.command("p i"), r"= 4$")
        t.has(g.command("info locals"), r'^i = "4"$')
        t.has(g.command("info breakpoints"), r"only if i == 4 \(target evals\)")
        g.command("delete")
        # At a place of its own, false every time.
        g.command("break work if $pyline == %d" % call)
        # Where the stack lies is not known to the stub: gdb has the last word.
        g.command("break leaf if (long) $rsp != 5 && $pyline == %d" % first)
        t.has(g.command("continue"), r'leaf \(n="4"\) at')
        g.command("delete")
        t.has(g.command("detach"), r"detached")
    t.equal(program.wait(), 0, "its exit status")


@case("variables are numbers, truths, None or texts in gdb's expressions and conditions",
      gdb=zoo.gdbs, timeout=240)
def _(t, gdb):
    line = t.line("kinds.py", "kinds")
    program = t.program(t.python(), "kinds.py", until="^ready$", stdin=-1)
    conditions = ("i == -3", "i > 4 && i < 6", "flag == True && i > 6", "what == None",
                  "big != big2 && i == 9", "cell == 11", "cell == 12 && extra == 24")
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        g.command("set breakpoint condition-evaluation target")
        g.command("set dprintf-style agent")
        for condition in conditions:
            t.has(g.command("break kinds.py:%d if %s" % (line, condition)), r"^Breakpoint \d+")
        g.command('dprintf kinds.py:%d,"%%ld\\n",i' % t.line("kinds.py", "twice"))
        g.begin("continue")
        g.until("Continuing", start=g.mark)
        program.send("\n")
        seen, prints = [], []
        text = g.end()
        while "exited" not in text:
            t.lacks(text, "Error in")
            prints += re.findall(r"^(-?\d+)$", text, re.M)
            t.has(g.command("info locals"), r'^what = "(None|\'text\')"$')
            seen.append((t.has(text, r"Breakpoint (\d+)")[1], int(g.command("output i"))))
            table = g.command("info breakpoints")
            text = g.command("continue")
        prints += re.findall(r"^(-?\d+)$", text, re.M)
        t.equal(prints, [str(n) for n in range(-5, 15)], "what the stub prints")
        t.equal(seen, [("1", -3), ("4", 0), ("2", 5), ("3", 8), ("5", 9), ("6", 11), ("7", 12)],
                "which breakpoint stops at which i")
        t.equal(len(re.findall(r"stop only if .*\(target evals\)", table)), len(conditions), table)
    t.equal(program.wait(), 0, "its exit status")
