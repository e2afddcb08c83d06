#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs scripts in every interpreter there is, in every state its main thread can wait in.

	tests/acting/table.py [-k WORDS] [-s STATE] [-n N] [-c N] [-o docs/acting.md]   (make check-acting)

A cell is one process in that state which gets N scripts, 20 by default, one after the other: each
must run, and the call must go on, take as long as it would have, end with the right result and
without an exception.  The cell of the table is the median time from the start of `archerfish
exec' to the first line of the script, in milliseconds.  The last column is a program that
allocates, collects and switches threads without end and gets 500.  Exit status: 0 if no cell
failed.
"""

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import acting  # noqa: E402 pylint: disable=import-error,wrong-import-position
import zoo  # noqa: E402 pylint: disable=import-error,wrong-import-position

INFERIORS = os.path.join(TOP, "tests", "inferiors")
STAMP = "import time; print('at %.6f' % time.monotonic())"


def start(tool, *args):
    command = tool.command(os.path.join(INFERIORS, args[0]), *args[1:])
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               env=dict(os.environ, ZOO_BIND=os.path.join(TOP, "tests")))
    line = program.stdout.readline()
    if not line.startswith(b"ready"):
        raise RuntimeError("it did not start: %r" % (line + program.stdout.read()))
    return program


def finish(program, expected):
    out = program.communicate(timeout=120)[0].decode(errors="replace").strip()
    if out.splitlines()[-1:] != [expected] or program.returncode:
        return "the program ended with %r, status %s" % (out[-300:], program.returncode)
    return None


def blocked(stub, tool, state, times):
    """(what went wrong or None, times in ms from the start of exec to the script)"""
    seconds = 1.5 + times * 0.2
    program, took = start(tool, "blocked.py", state, "%g" % seconds), []
    end = time.monotonic() + seconds - 0.5
    try:
        for i in range(times):
            if time.monotonic() > end and took:
                break  # a slow machine; those that were done count
            begun = time.monotonic()
            status, out, err = acting.execute(stub, program.pid, "-c", STAMP)
            if status or err:
                return "script %d: %s" % (i + 1, err.strip() or out), took
            took.append((acting.since(out) - begun) * 1000)
        left = acting.maps(program.pid)[1]
        if left:
            return "left in the process: %s" % left, took
        return finish(program, "ok"), took
    finally:
        program.kill()
        program.wait()


def churn(stub, tool, times):
    program, took = start(tool, "churn.py"), []
    code = "import __main__, time; print('at %.6f' % time.monotonic()); __main__.visit()"
    try:
        for i in range(times):
            begun = time.monotonic()
            status, out, err = acting.execute(stub, program.pid, "-c", code)
            if status or err:
                return "script %d: %s" % (i + 1, err.strip() or out), took
            took.append((acting.since(out) - begun) * 1000)
        acting.execute(stub, program.pid, "-c", "import __main__; __main__.enough = True")
        return finish(program, "ok %d" % times), took
    finally:
        program.kill()
        program.wait()


def cell(stub, tool, state, args):
    try:
        if state == "churn":
            return churn(stub, tool, args.c)
        return blocked(stub, tool, state, args.n)
    except (RuntimeError, OSError, subprocess.TimeoutExpired, AttributeError) as e:
        return repr(e), []


def render(rows, states, args):
    titles = [acting.TITLES.get(s, s) for s in states]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for tool, cells in rows:
        shown = ["**no**" if wrong else "%.0f" % statistics.median(took) if took else ""
                 for wrong, took in cells]
        lines.append("| %s | %s |" % (tool.label, " | ".join(shown)))
    every = [t for _tool, cells in rows for _wrong, took in cells for t in took]
    if every:
        lines += ["", "%d scripts; %.1f %% of them began within 200 ms, the slowest after %.0f ms "
                  "(%s)." % (len(every), 100.0 * sum(t <= 200 for t in every) / len(every),
                             max(every), "made on %s by `make check-acting`, %d scripts a cell"
                             % (datetime.date.today(), args.n))]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stub", default=os.path.join(TOP, "build", "release", "archerfish"))
    parser.add_argument("-k", default="", metavar="WORDS", help="interpreters that begin so")
    parser.add_argument("--wide", action="store_true", help="what build-python.sh made, too")
    parser.add_argument("-s", action="append", metavar="STATE")
    parser.add_argument("-n", type=int, default=20, help="scripts for each cell")
    parser.add_argument("-c", type=int, default=500, help="scripts for the program that churns")
    parser.add_argument("-o", metavar="FILE", help="write the table into this document")
    args = parser.parse_args()
    tools = [t for t in zoo.interpreters(args.wide) if t.label.startswith(args.k)]
    states = args.s or acting.STATES + ["churn"]
    if not tools:
        print("# acting: no interpreter here", file=sys.stderr)
        return 77
    rows, failed, passed = [], 0, 0
    for tool in tools:
        cells = [cell(args.stub, tool, state, args) for state in states]
        rows.append((tool, cells))
        for state, (wrong, took) in zip(states, cells):
            failed, passed = failed + bool(wrong), passed + (not wrong)
            print("%s %s, %s: %s" % ("not ok" if wrong else "ok", tool.label, state,
                                     wrong or "%d scripts" % len(took)), flush=True)
    table = render(rows, states, args)
    print(table)
    if args.o:
        with open(args.o) as f:
            text = f.read()
        mark = "<!-- table -->\n"
        text = re.sub(mark + "(.|\n)*?" + mark, lambda _: mark + table + mark, text)
        with open(args.o, "w") as f:
            f.write(text)
    print("# acting: %d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
