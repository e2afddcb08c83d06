#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs scripts in every interpreter there is, in every state its threads can wait in.

	tests/acting/table.py [-k WORDS] [-s STATE] [-n N] [-c N] [--only PART] [-o docs/acting.md]
	make check-acting [REPEATS=N]

Three parts: `main', the main thread of each interpreter; `workers', another thread of it; `builds',
the main thread of what build-python.sh made.  A cell is one process in that state which gets N
scripts, 20 by default (builds: a quarter), one after the other: each must run, and the call must go
on, take as long as it would have, end with the right result and without an exception.  The cell
of the table is the median time from the start of `archerfish exec' to the first line of the script,
in milliseconds.  The last column is a program that allocates, collects and switches threads without
end and gets 500 (builds: a tenth).

That time has in it what the machine's processors did for others.  So for each script that is noted
too: how long archerfish and the thread were ready to run, and were not run (schedstat), and what
archerfish used itself.  A script is late after 200 ms, and late by itself if it would have been so
with no waiting for a processor.

Ends with a verdict.  Exit status: 0 if no cell failed and no script was late by itself.
"""

import argparse
import datetime
import glob
import os
import re
import signal
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
LIMIT = 200  # ms
WORKERS = [s for s in acting.STATES if s not in ("asyncio", "wakeup_fd", "tty")]
REFUSED = "before 3.12 that can only be the main thread"  # one that runs


class Script:
    """One run of `archerfish exec': `wall' ms to its first line; `waited' ms of it at most that
    nobody ran archerfish or the process, which were ready; `used' ms of archerfish's own."""

    def __init__(self, wall, waited, used):
        self.wall, self.waited, self.used = wall, waited, used
        self.own = max(wall - waited, min(used, wall))


class Cell:
    def __init__(self, tool, state, wanted):
        self.tool, self.state, self.wanted = tool, state, wanted
        self.scripts, self.wrong, self.refused = [], None, False
        self.program = None

    @property
    def text(self):
        if self.wrong:
            return "**no**"
        return "refused" if self.refused else "%.0f" % statistics.median(
            s.wall for s in self.scripts)


def delay(pid):
    """ms that the process's threads were ready to run, and were not run, so far."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid) or ["/proc/%d/schedstat" % pid]:
        try:
            with open(path) as f:
                total += int(f.read().split()[1])
        except (OSError, IndexError):
            pass
    return total / 1e6


def execute(stub, pid, *args):
    """As acting.execute(), with the time it took: (status, stdout, stderr, Script or None)."""
    before, begun = delay(pid), time.monotonic()
    run = subprocess.Popen([stub, "exec", *args[:-2], str(pid), *args[-2:]], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
    waited = delay(run.pid) + delay(pid) - before
    _pid, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    out, err = (f.read().decode(errors="replace") for f in (run.stdout, run.stderr))
    run.stdout.close()
    run.stderr.close()
    script = None
    if "at " in out:
        used = (usage.ru_utime + usage.ru_stime) * 1000
        script = Script((acting.since(out) - begun) * 1000, waited, used)
    return run.returncode, out, err, script


def start(tool, *args):
    command = tool.command(os.path.join(INFERIORS, args[0]), *args[1:])
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               env=dict(os.environ, ZOO_BIND=os.path.join(TOP, "tests")))
    line = program.stdout.readline()
    if not line.startswith(b"ready"):
        raise RuntimeError("it did not start: %r" % (line + program.stdout.read()))
    return program


def stop(program):
    program.kill()
    program.wait()


def finish(cell, expected):
    """Waits for the program's own end."""
    try:
        out = cell.program.communicate(timeout=120)[0].decode(errors="replace").strip()
        if out.splitlines()[-1:] != [expected] or cell.program.returncode:
            cell.wrong = "the program ended with %r, status %s" % (
                out[-300:], cell.program.returncode)
    except (OSError, subprocess.TimeoutExpired) as e:
        cell.wrong = cell.wrong or repr(e)
    stop(cell.program)


def run_scripts(stub, cell, code, worker, until=None):
    options = ["--thread", "worker"] if worker else []
    for i in range(cell.wanted):
        if until and time.monotonic() > until:
            return
        status, out, err, script = execute(stub, cell.program.pid, *options, "-c", code)
        if worker and status == 2 and REFUSED in err:
            cell.refused = True
            return
        if status or err or not script:
            cell.wrong = "script %d: %s" % (i + 1, err.strip() or out)
            return
        cell.scripts.append(script)


def blocked(stub, cell, worker, slower=1):
    """All but the program's end, which is waited for later."""
    busy = cell.state == "busy"
    seconds = (1 + cell.wanted * 0.12 if busy else 3 + cell.wanted * 0.25) * slower
    cell.program = start(cell.tool, "blocked.py", cell.state, "%g" % seconds,
                         *(["worker"] if worker else []))
    run_scripts(stub, cell, STAMP, worker, time.monotonic() + seconds - 0.7)
    try:
        left = acting.maps(cell.program.pid)[1]
    except OSError:
        left = []  # it has ended
    if left and not cell.wrong:
        cell.wrong = "left in the process: %s" % left
    if cell.wrong:
        stop(cell.program)
    elif len(cell.scripts) < cell.wanted and not cell.refused and slower < 8:
        finish(cell, "ok")  # the machine is slow: a longer call
        if not cell.wrong:
            cell.scripts = []
            blocked(stub, cell, worker, slower * 4)
    elif busy:
        finish(cell, "ok")


def churn(stub, cell):
    cell.program = start(cell.tool, "churn.py")
    code = "import __main__, time; print('at %.6f' % time.monotonic()); __main__.visit()"
    run_scripts(stub, cell, code, False)
    if cell.wrong:
        stop(cell.program)
        return
    acting.execute(stub, cell.program.pid, "-c", "import __main__; __main__.enough = True")
    finish(cell, "ok %d" % cell.wanted)


def fill(stub, cell, worker):
    try:
        if cell.state == "churn":
            churn(stub, cell)
        else:
            blocked(stub, cell, worker)
    except (RuntimeError, OSError, subprocess.TimeoutExpired, AttributeError) as e:
        cell.wrong = repr(e)


def say(cell, part):
    print("%s %s, %s%s: %s" % (
        "not ok" if cell.wrong else "ok", cell.tool.label, cell.state,
        " in a worker" if part == "workers" else "", cell.wrong or (
            "refused, as documented" if cell.refused else
            "%d scripts, %d ms, %d without waiting for a processor, at most %d" % (
                len(cell.scripts), statistics.median(s.wall for s in cell.scripts),
                statistics.median(s.own for s in cell.scripts),
                max(s.wall for s in cell.scripts)))), flush=True)


def run_part(part, args):
    worker, builds = part == "workers", part == "builds"
    tools = [t for t in (zoo.builds() if builds else zoo.interpreters())
             if t.label.startswith(args.k)]
    states = WORKERS if worker else acting.STATES + ["churn"]
    states = [s for s in states if not args.s or s in args.s]
    rows = []
    for tool in tools:
        cells = []
        for state in states:
            wanted = args.c if state == "churn" else args.n
            if builds:
                wanted = max(1, wanted // (10 if state == "churn" else 4))
            cells.append(Cell(tool, state, wanted))
            fill(args.stub, cells[-1], worker)
        for cell in cells:
            if cell.program and cell.program.returncode is None:
                finish(cell, "ok")
            say(cell, part)
        rows.append((tool, cells))
    return rows


def render(rows):
    states = [c.state for c in rows[0][1]]
    lines = ["| | " + " | ".join(acting.TITLES.get(s, s) for s in states) + " |",
             "|---|" + "---:|" * len(states)]
    for tool, cells in rows:
        build = " (%s)" % tool.build if tool.build not in ("release", "pie", "no-pie") else ""
        lines.append("| %s%s | %s |" % (tool.label, build, " | ".join(c.text for c in cells)))
    return "\n".join(lines) + "\n"


HEADS = {"main": "", "workers": "The same in a thread that is not the main one:\n\n",
         "builds": "Other builds, the main thread:\n\n"}


def summary(parts, args):
    cells = [c for rows in parts.values() for _tool, row in rows for c in row]
    timed = [s for c in cells if c.state != "churn" for s in c.scripts]
    churned = [s for c in cells if c.state == "churn" for s in c.scripts]
    lines = ["%d scripts, and %d in programs that churn; %d cells failed." % (
        len(timed), len(churned), sum(bool(c.wrong) for c in cells))]
    if timed:
        late = sum(s.wall > LIMIT for s in timed)
        lines.append("Of the %d, %d began within %d ms (%.1f %%), the slowest after %.0f ms." % (
            len(timed), len(timed) - late, LIMIT, 100.0 - 100.0 * late / len(timed),
            max(s.wall for s in timed)))
        lines.append("Without waiting for a processor the slowest was at %.0f ms; archerfish "
                     "itself used %.0f ms (median)." % (
                         max(s.own for s in timed), statistics.median(s.used for s in timed)))
    lines.append("Made on %s by `make check-acting`, up to %d scripts a cell." % (
        datetime.date.today(), args.n))
    return "\n".join(lines) + "\n"


def verdict(parts):
    cells = [c for rows in parts.values() for _tool, row in rows for c in row]
    failed = sum(bool(c.wrong) for c in cells)
    timed = [s for c in cells if c.state != "churn" for s in c.scripts]
    late, own = (sum(getattr(s, what) > LIMIT for s in timed) for what in ("wall", "own"))
    short = sum(len(c.scripts) < c.wanted and not c.refused and not c.wrong for c in cells)
    if failed or own:
        word = "FAILED: %d cells failed, %d scripts were late by themselves" % (failed, own)
    elif late or short:
        word = ("NOT SHOWN HERE: every script ran, and none was late by itself, but %d of %d were "
                "later than %d ms because the machine was busy, and %d cells got fewer scripts"
                % (late, len(timed), LIMIT, short))
    else:
        word = "PASSED: every cell, every script, within %d ms" % LIMIT
    print("# verdict: " + word)
    return 1 if failed or own else 0


def write(path, table):
    with open(path) as f:
        text = f.read()
    mark = "<!-- table -->\n"
    text = re.sub(mark + "(.|\n)*?" + mark, lambda _: mark + table + mark, text)
    with open(path, "w") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stub", default=os.path.join(TOP, "build", "release", "archerfish"))
    parser.add_argument("-k", default="", metavar="WORDS", help="interpreters that begin so")
    parser.add_argument("-s", action="append", metavar="STATE")
    parser.add_argument("-n", type=int, default=20, help="scripts for each cell")
    parser.add_argument("-c", type=int, help="scripts for the program that churns (25 n)")
    parser.add_argument("--only", action="append", choices=list(HEADS), metavar="PART")
    parser.add_argument("-o", metavar="FILE", help="write the tables into this document")
    args = parser.parse_args()
    # Of a shell that runs us in the background; with SIGINT ignored, Python has no handler, and
    # then calls of musl that wait for a semaphore are not interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    args.c = args.c or 25 * args.n
    parts = {}
    for part in args.only or HEADS:
        rows = run_part(part, args)
        if rows and rows[0][1]:
            parts[part] = rows
    if not parts:
        print("# acting: no interpreter here", file=sys.stderr)
        return 77
    table = "\n".join([HEADS[part] + render(rows) for part, rows in parts.items()]
                      + [summary(parts, args)])
    print(table)
    if args.o:
        write(args.o, table)
    wrong = [bool(c.wrong) for rows in parts.values() for _tool, row in rows for c in row]
    print("# acting: %d passed, %d failed, 0 skipped" % (wrong.count(False), wrong.count(True)))
    return verdict(parts)


if __name__ == "__main__":
    sys.exit(main())
