#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many hits of a Python breakpoint are evaluated in a second.

	tests/bench/breaks.py [--stub PATH] [--hits N] [PYTHON...]

A function is called N times with a breakpoint on its line whose condition holds the last
time; the same without one tells what the calls themselves take.
"""
import argparse
import os
import re
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
    y = x + 1       # the line
    return y
def run(n):
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


def resume(r):
    """Goes on to the next stop."""
    r.send("vCont;c")
    while True:
        reply = r.recv()
        if reply[:1] != b"O":
            return reply


def run(python, stub, folder, hits, condition):
    """Seconds that the calls took."""
    script, go = os.path.join(folder, "bench.py"), os.path.join(folder, "go")
    with open(script, "w") as f:
        f.write(PROGRAM)
    if os.path.exists(go):
        os.unlink(go)
    env = dict(os.environ, ZOO_BIND=folder)
    program = subprocess.Popen(python.command(script, go, str(hits)), stdout=subprocess.PIPE,
                               universal_newlines=True, env=env)
    assert program.stdout.readline() == "ready\n"
    server = subprocess.Popen([stub, "--once", "--attach", ":0", str(program.pid)],
                              stderr=subprocess.PIPE, universal_newlines=True)
    for line in server.stderr:
        found = re.search(r"Listening on port (\d+)", line)
        if found:
            break
    r = Rsp.connect(int(found[1]), 600)
    r.open()
    if condition:
        text = r.monitor("py-break bench.py:3 if " + condition)
        assert text.startswith("Python breakpoint"), text
    open(go, "w").close()
    stops = 0
    while resume(r)[:1] == b"T":
        stops += 1
    out = program.stdout.read().split()
    program.wait()
    r.close()
    server.wait()
    assert out[1] == "True", out
    assert stops == bool(condition), stops
    return float(out[0])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    p.add_argument("--hits", type=int, default=40000)
    p.add_argument("python", nargs="*")
    o = p.parse_args()
    pythons = [x for x in zoo.interpreters() if x.version >= (3, 8)]
    if o.python:
        pythons = [x for x in pythons if any(x.label.startswith(v) for v in o.python)]
    print("%-22s %12s %14s %14s" % ("python", "bare calls/s", "x == N hits/s", "-x.. hits/s"))
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            bare = run(python, o.stub, folder, o.hits, None)
            simple = run(python, o.stub, folder, o.hits, "x == %d" % (o.hits - 1))
            few = o.hits // 10
            other = run(python, o.stub, folder, few,
                        "x == %d and f.__name__ == 'f'" % (few - 1))
        print("%-22s %12.0f %14.0f %14.0f" % (python.label, o.hits / bare, o.hits / simple,
                                             few / other), flush=True)


main()
