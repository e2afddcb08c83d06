# SPDX-License-Identifier: MIT
"""Conditions and prints that stock gdb leaves to the stub; registers that tell of Python."""

import os
import re

import zoo
from harness import case

HERE = os.path.dirname(os.path.abspath(__file__))
ON_TARGET = "set breakpoint condition-evaluation target"


@case("a condition is evaluated by the stub, and every hit counts", gdb=zoo.gdbs)
def _(t, gdb):
    path = t.compile("steps.c")
    server = t.serve(command=[path, "200"])
    out = t.gdb(gdb, server, ON_TARGET, "break add if b == 150", "continue", "print b",
                "info breakpoints", "delete", "break add if b == 170 && $rsp != 0",
                "continue", "print b", "kill", file=path)
    t.has(out["info breakpoints"], r"stop only if b == 150 \(target evals\)")
    t.has(out["info breakpoints"], r"already hit 1 time\b")
    t.equal(re.findall(r"^\$\d+ = (\d+)", out.text, re.M), ["150", "170"], out.text)


@case("dprintf in agent style prints by the stub, and does not stop", gdb=zoo.gdbs)
def _(t, gdb):
    path = t.compile("steps.c")
    server = t.serve(command=[path, "30"])
    out = t.gdb(gdb, server, "set dprintf-style agent", "handle SIGUSR1 nostop noprint pass",
                'dprintf add,"b is %d, %5.3d%%\\n",b,b', "continue", file=path)
    t.equal(re.findall(r"^b is (\d+), +(\d+)%$", out.text, re.M)[:30],
            [(str(n), "%03d" % n) for n in range(30)], out.text)
    t.has(out.text, "exited with code 07")


@case("registers tell of a thread's Python frame, in conditions too", gdb=zoo.gdbs)
def _(t, gdb):
    program = t.program(t.python(), "hooks.py", until="ready")
    with open(os.path.join(HERE, "..", "inferiors", "hooks.py")) as f:
        second = next(n for n, line in enumerate(f, 1) if "# second" in line)
    server = t.serve(pid=program.pid)
    look = ["print $pyline", "print $pydepth", "print $pyframe != 0 && $pycode != 0",
            "print $pythread != 0", "monitor py-bt"]
    out = t.gdb(gdb, server, "info registers pyline pydepth", ON_TARGET,
                "break clock_nanosleep if $pyline == %d" % second,
                "continue", *look, "continue", "print $pyline", "info breakpoints",
                "delete", "break clock_nanosleep if $pydepth > 5", "continue",
                "print $pydepth > 5", "call (int) getpid()", "delete", "detach")
    t.has(out["info registers pyline pydepth"], r"pyline +0x\w+ +\d+\npydepth +0x\w+ +\d+")
    t.has(out["info breakpoints"], r"\(target evals\)\n.*already hit 2 times")
    t.equal(out["print $pyline"].split()[-1], str(second), "pyline")
    depth = len(re.findall(r"^  File ", out["monitor py-bt"], re.M))
    t.equal(int(out["print $pydepth"].split()[-1]), depth, "pydepth beside py-bt")
    for command in look[2:4] + ["print $pydepth > 5"]:
        t.equal(out[command].split()[-1], "1", command)
    t.equal(out["call (int) getpid()"].split()[-1], str(program.pid), "a function of C, called")
    t.untouched(program.pid)
