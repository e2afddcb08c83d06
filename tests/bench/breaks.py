#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many hits of a Python breakpoint are evaluated in a second.

	tests/bench/breaks.py [--stub PATH] [--hits N] [--few N] [PYTHON...]

A function is called N times with a breakpoint on its line whose condition holds the last
time; the same without one tells what the calls themselves take.  The columns are:

  bare       calls without a breakpoint
  py-break   `monitor py-break bench.py:3 if x == N'
  mixed      the same with a condition that takes a walk of the stack
  gdb        stock gdb's `break bench.py:3 if x == N'
  libpython  what gdb has without archerfish: attached by itself, a breakpoint on the function of
             C that the line calls, whose condition asks CPython's libpython.py for x; --few
             calls.  Where that lies beside the interpreter.
  line       the same at a line of Python, as a user of libpython.py has it: on the evaluation
             loop, which is entered for each call, with a condition that asks libpython.py for the
             function, the line and x.  (From 3.11 on only calls through C enter it: these are.)
  ratios     of gdb to libpython and to line, in one run
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "zoo")]

import zoo  # noqa: E402
from rsp import Rsp  # noqa: E402

PROGRAM = '''import os, sys, time
def f(x):
    y = id(x) and x + 1       # the line
    return y
def run(n):
    if "through C" in sys.argv:
        return sum(map(f, range(n)))
    s = 0
    for i in range(n):
        s += f(i)
    return s
go, n = sys.argv[1], int(sys.argv[2])
run(1000)
print("ready", flush=True)
while not os.path.exists(go):
    time.sleep(0.01)
t = time.perf_counter()
s = run(n)
print(time.perf_counter() - t, s == n * (n + 1) // 2, flush=True)
'''


CONDITION = '''python
import sys
libpython = sys.modules["__main__"]
class X(gdb.Function):
    """The local variable x of the innermost Python frame."""
    def invoke(self):
        frame = libpython.Frame.get_selected_python_frame().get_pyop()
        return int(str(frame.get_var_by_name("x")[0].proxyval(set())))
class Line(gdb.Function):
    """The local variable x of f, where that begins; else nothing."""
    def invoke(self):
        frame = libpython.Frame.get_selected_python_frame()
        frame = frame and frame.get_pyop()
        if not frame or frame.is_optimized_out():
            return -1
        if frame.co_name.proxyval(set()) != "f" or frame.current_line_num() not in (2, 3):
            return -1
        return int(str(frame.get_var_by_name("x")[0].proxyval(set())))
X("x_of_python")
Line("x_of_line")
'''

# What libpython.py's condition is asked at, by which function, and how the program calls.
BY_LIBPYTHON = (("builtin_id", "x_of_python", ()),
                ("_PyEval_EvalFrameDefault", "x_of_line", ("through C",)))


def start(python, folder, hits, *how):
    """The program, once it waits, and the file whose coming lets it go on."""
    script, go = os.path.join(folder, "bench.py"), os.path.join(folder, "go")
    with open(script, "w") as f:
        f.write(PROGRAM)
    if os.path.exists(go):
        os.unlink(go)
    env = dict(os.environ, ZOO_BIND=folder)
    program = subprocess.Popen(python.command(script, go, str(hits), *how),
                               stdout=subprocess.PIPE, universal_newlines=True, env=env)
    assert program.stdout.readline() == "ready\n"
    return program, go


def serve(stub, program):
    server = subprocess.Popen([stub, "--once", "--attach", ":0", str(program.pid)],
                              stderr=subprocess.PIPE, universal_newlines=True)
    for line in server.stderr:
        found = re.search(r"Listening on port (\d+)", line)
        if found:
            return server, int(found[1])
    raise RuntimeError("archerfish does not listen")


def took(program):
    """Seconds that the calls took."""
    out = program.stdout.read().split()
    program.wait()
    assert out[1] == "True", out
    return float(out[0])


def debug(folder, commands, *more):
    """gdb to its end; what it printed."""
    script = os.path.join(folder, "commands.gdb")
    with open(script, "w") as f:
        f.write("\n".join(commands) + "\n")
    return subprocess.run(["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
                           *more, "-x", script], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True).stdout


def run_gdb(python, stub, folder, hits):
    """Seconds with stock gdb's breakpoint through the stub."""
    program, go = start(python, folder, hits)
    server, port = serve(stub, program)
    text = debug(folder, ["target remote 127.0.0.1:%d" % port,
                          "break bench.py:3 if x == %d" % (hits - 1), "shell touch " + go,
                          "continue", "info breakpoints", "delete", "continue"])
    server.wait()
    assert "(target evals)" in text and text.count(", f (x=") == 1, text
    return took(program)


def run_libpython(python, folder, hits, at, function, how):
    """Seconds with gdb and libpython.py alone; None: they are not here."""
    scripts = glob.glob(os.path.join(os.path.dirname(python.path),
                                     "python%d.%d-gdb.py" % python.version[:2]))
    if not scripts or python.root or not shutil.which("gdb"):
        return None
    program, go = start(python, folder, hits, *how)
    text = debug(folder, ["source " + scripts[0], CONDITION + "end",
                          "break %s if $%s() == %d" % (at, function, hits - 1),
                          "shell touch " + go, "continue", "info breakpoints", "delete",
                          "continue"], "-p", str(program.pid))
    # A condition that fails stops as well: then there is no such rate.
    if "Error in testing" in text:
        program.kill()
        program.wait()
        return None
    assert re.search(r"already hit 1 time", text), text
    return took(program)


def resume(r):
    """Goes on to the next stop."""
    r.send("vCont;c")
    while True:
        reply = r.recv()
        if reply[:1] != b"O":
            return reply


def run(python, stub, folder, hits, condition):
    """Seconds that the calls took."""
    program, go = start(python, folder, hits)
    server, port = serve(stub, program)
    r = Rsp.connect(port, 600)
    r.open()
    if condition:
        text = r.monitor("py-break bench.py:3 if " + condition)
        assert text.startswith("Python breakpoint"), text
    open(go, "w").close()
    stops = 0
    while resume(r)[:1] == b"T":
        stops += 1
    seconds = took(program)
    r.close()
    server.wait()
    assert stops == bool(condition), stops
    return seconds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    p.add_argument("--hits", type=int, default=40000)
    p.add_argument("--few", type=int, default=60)
    p.add_argument("python", nargs="*")
    o = p.parse_args()
    pythons = [x for x in zoo.interpreters() if x.version >= (3, 8)]
    if o.python:
        pythons = [x for x in pythons if any(x.label.startswith(v) for v in o.python)]
    print("| python | bare calls/s | py-break /s | mixed /s | gdb /s | libpython /s | line /s | ratios |\n"
          "|---|---|---|---|---|---|---|---|")
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            bare = run(python, o.stub, folder, o.hits, None)
            simple = run(python, o.stub, folder, o.hits, "x == %d" % (o.hits - 1))
            few = o.hits // 10
            other = run(python, o.stub, folder, few,
                        "x == %d and f.__name__ == 'f'" % (few - 1))
            stock = run_gdb(python, o.stub, folder, o.hits)
            theirs = [run_libpython(python, folder, o.few, *by) for by in BY_LIBPYTHON]
        rates = [o.few / seconds if seconds else None for seconds in theirs]
        print("| %s | %.0f | %.0f | %.0f | %.0f | %s | %s |" % (
            python.label, o.hits / bare, o.hits / simple, few / other, o.hits / stock,
            " | ".join("%.1f" % rate if rate else "-" for rate in rates),
            ", ".join("%.0fx" % (o.hits / stock / rate) if rate else "-" for rate in rates)),
            flush=True)


main()
