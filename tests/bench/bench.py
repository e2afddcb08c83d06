#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long it takes to see every stack of ten deadlocked threads, side by side.

	tests/bench/bench.py [-k WORD] [-n ROUNDS] [--json FILE]	(make bench-python)

For each interpreter that zoo.py finds:
  stop      of the program, by archerfish in a session (interrupt, document, continue),
            beside that of a bare C walker (tests/bench/bare.c), by turns in one run
  command   the same from seizing the first thread to letting go the last, as
            `archerfish stacks' does it
  wall      of whole commands: `archerfish stacks', with --nonblocking too, gdb with
            libpython.py where that is beside the interpreter, and until austin's first
            sample of every thread ($AUSTIN, or on the PATH) where that one runs
Each is the least of its rounds: what else runs on the machine only adds.
Exit status 1 if a stop takes more than twice the bare walker's.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))
import zoo  # noqa: E402

THREADS = 11
BAR = 2.0  # times the bare walker's stop


def start(python):
    env = dict(os.environ, ZOO_BIND=TOP)
    program = subprocess.Popen(python.command(os.path.join(HERE, "deadlock.py")), env=env,
                               stdout=subprocess.PIPE, universal_newlines=True)
    if program.stdout.readline() != "ready\n":
        program.kill()
        return None
    return program


def wall(command, good, rounds):
    """Milliseconds of the quickest of `rounds` runs; None if the output is not `good`."""
    least = None
    for _ in range(rounds):
        began = time.monotonic()
        try:
            run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, universal_newlines=True,
                                 errors="replace", timeout=120)
        except (OSError, subprocess.TimeoutExpired):
            return None
        took = (time.monotonic() - began) * 1e3
        if not good(run.stdout):
            return None
        least = min(took, least or took)
    return least


def every_thread(text):
    return len(re.findall(r"in (?:<module>|_bootstrap)(?!\w)", text)) == THREADS


def gdb_script(python):
    """libpython.py as this interpreter's installation has it."""
    name = "python%d.%d-gdb.py" % python.version[:2]
    found = glob.glob(os.path.join(os.path.dirname(python.path), name))
    return found[0] if found and not python.root else None


def gdb(python, pid):
    script, debugger = gdb_script(python), shutil.which("gdb")
    if not script or not debugger:
        return None
    return wall([debugger, "-nx", "-batch", "-iex", "set debuginfod enabled off",
                 "-p", str(pid), "-ex", "source " + script, "-ex", "thread apply all py-bt"],
                every_thread, 3)


def austin(pid, rounds=5):
    """Until it has printed a sample of each thread; None: not here, or not of this version."""
    program = os.environ.get("AUSTIN") or shutil.which("austin")
    least = None
    for _ in range(rounds if program else 0):
        began = time.monotonic()
        run = subprocess.Popen(["timeout", "5", program, "-p", str(pid)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, universal_newlines=True,
                               errors="replace")
        seen = set()
        for line in run.stdout:
            if ";L" in line:
                seen.add(line.split(";")[0])
            if len(seen) == THREADS:
                break
        took = (time.monotonic() - began) * 1e3
        run.terminate()
        run.stdout.close()
        run.wait()
        if len(seen) < THREADS:
            return None
        least = min(took, least or took)
    return least


def measure(python, options):
    program = start(python)
    if not program:
        return {"error": "it does not run the program"}
    try:
        row = {"python": python.label}
        run = subprocess.run([options.bench, str(program.pid), str(options.rounds)],
                             stdout=subprocess.PIPE, universal_newlines=True)
        if run.returncode == 0:
            row.update(json.loads(run.stdout), python=python.label)
        stacks = [options.stub, "stacks"]
        row["stacks_ms"] = wall(stacks + [str(program.pid)], every_thread, 20)
        row["nonblocking_ms"] = wall(stacks + ["--nonblocking", str(program.pid)], every_thread, 20)
        row["gdb_ms"] = gdb(python, program.pid)
        row["austin_ms"] = austin(program.pid)
        return row
    finally:
        program.kill()
        program.wait()


def number(row, key, scale=1.0, form="%.2f"):
    return form % (row[key] * scale) if row.get(key) is not None else "-"


def ratio(row, key):
    ours = row.get("stacks_ms")
    return "%.0fx" % (row[key] / ours) if ours and row.get(key) else "-"


COLUMNS = [
    ("Python", lambda r: r["python"]),
    ("bare stop ms", lambda r: number(r, "bare_stop_us", 1e-3)),
    ("our stop ms", lambda r: number(r, "ours_stop_us", 1e-3)),
    ("ratio", lambda r: number(r, "stop_ratio")),
    ("bare walk ms", lambda r: number(r, "bare_walk_us", 1e-3)),
    ("our walk ms", lambda r: number(r, "ours_walk_us", 1e-3)),
    ("command stop ms", lambda r: number(r, "command_stop_us", 1e-3)),
    ("stacks wall ms", lambda r: number(r, "stacks_ms", form="%.1f")),
    ("--nonblocking", lambda r: number(r, "nonblocking_ms", form="%.1f")),
    ("gdb+libpython", lambda r: number(r, "gdb_ms", form="%.0f")),
    ("of ours", lambda r: ratio(r, "gdb_ms")),
    ("austin", lambda r: number(r, "austin_ms", form="%.0f")),
    ("of ours", lambda r: ratio(r, "austin_ms")),
]


def print_table(rows):
    print("| " + " | ".join(name for name, _ in COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for row in rows:
        print("| " + " | ".join(cell(row) for _, cell in COLUMNS) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bench", default=os.path.join(TOP, "build/release/bench"))
    parser.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    parser.add_argument("--json", help="write the measurements to this file")
    parser.add_argument("-n", "--rounds", type=int, default=1000)
    parser.add_argument("-k", "--only", default="", help="interpreters whose label has this in it")
    options = parser.parse_args()
    rows = []
    for python in zoo.pythons():
        if options.only not in python.label:
            continue
        row = measure(python, options)
        if "error" in row:
            print("%s: %s" % (python.label, row["error"]), file=sys.stderr)
        else:
            rows.append(row)
    print_table(rows)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(rows, f, indent=1)
    slow = [r["python"] for r in rows if r.get("stop_ratio", 0) > BAR]
    if slow:
        print("more than %g times the bare walker's stop: %s" % (BAR, ", ".join(slow)))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
