#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks every interpreter there is for every feature, and writes the table of it.

	tests/python/table.py [-k WORDS] [-f FEATURE] [-o docs/python.md]   (make check-python)

A feature is a row of FEATURES: the cases of tests/e2e that show it, or a program that
does.  Each compares what archerfish says with what the interpreter says of itself.
A cell of the table is "yes", the number of a note (a documented reason, see REASONS,
or what went wrong), or empty where nothing was tried.  Exit status: 0 no cell failed.
"""

import argparse
import collections
import datetime
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))
import zoo  # pylint: disable=import-error,wrong-import-position

Feature = collections.namedtuple("Feature", "name what truth cases")

STACKS = ["the JSON document equals the interpreter's own stacks"]

# name: at the head of a column.  cases: what the names of the end-to-end cases begin
# with, or the function below that asks every interpreter.
FEATURES = [
    Feature("stacks", "file, line and function of every frame, threads' names",
            "`sys._current_frames()`", STACKS),
    Feature("columns", "the part of the line that runs", "`code.co_positions()`", STACKS),
    Feature("discovery", "the runtime found in each way, one at a time", "each other",
            ["each way to the runtime that a version has leads to the same place"]),
    Feature("py-bt", "`monitor py-bt`, through stock gdb", "`sys._current_frames()`",
            ["monitor py-bt equals the interpreter's own stacks"]),
    Feature("random stops", "stopped at random instants, 500 or 2,000 times",
            "a program of which every stack is known",
            ["no random stop shows a stack that can't be"]),
    Feature("fork", "after a fork, only threads that live", "the program",
            ["after a fork only threads that live are shown"]),
    Feature("interpreters", "several on one thread, innermost first", "the program",
            ["frames of interpreters on one thread are one stack"]),
    Feature("native", "Python frames among the C frames that ran them", "gdb; the program",
            ["Python frames lie among the C frames that ran them"]),
    Feature("never stopped", "`stacks --nonblocking`", "`sys._current_frames()`",
            ["stacks --nonblocking equals the interpreter's own stacks"]),
    Feature("values", "variables, some 590 of them", "`repr()` before the stop", "values"),
    Feature("escaping", "names and values of any bytes, in JSON and XML",
            "`repr()`; Python's own parsers",
            ["names and values of every kind can be read in every document"]),
    Feature("exceptions", "raised and handled, with text and traceback", "`traceback`",
            ["py-exc tells of exceptions as the traceback module does"]),
    Feature("py-print", "expressions", "`eval()`",
            ["py-print says of each expression what Python says of it"]),
    Feature("tasks", "asyncio's tasks and what they await", "`asyncio.all_tasks()`",
            ["stacks --tasks equals asyncio's own account"]),
    Feature("locks", "who waits for which lock, who holds it, deadlocks", "the program",
            ["stacks --locks says who waits for whom as the program was built"]),
    Feature("in a core", "the same variables without the program's files, as in a core",
            "`repr()` before the stop", "values_of_a_core"),
    Feature("test_gdb", "CPython's own tests of `py-bt` and so on, by monitor", "their text",
            ["CPython's tests of libpython.py's commands pass by monitor"]),
    Feature("libpython.py", "gdb's own way to Python, over `target remote`", "the same natively",
            ["libpython.py does over target remote what it does natively"]),
]


def older(tool):
    return tool.version < (3, 11)


# Why a cell is not "yes" though nothing is wrong, by feature: (whom it is about, why).
REASONS = {
    "interpreters": [(lambda t: t.version < (3, 10), "nothing in this version's memory tells which "
                      "interpreter's frames called which: each has a stack of its own")],
    "native": [(lambda t: t.build == "musl", "Debian's musl was made without unwind tables: the C "
                "stack of a thread in a call of it ends there, and says so")],
    "columns": [(older, "this version's line tables have no columns")],
}


class Cell:
    """What became of one feature with one interpreter."""

    def __init__(self, state="", note=""):
        self.state, self.note = state, note  # "yes", "no", "skip" or "" (not tried)

    def add(self, state, note):
        """Of several cases one that failed counts, then one that ran."""
        order = ["", "skip", "yes", "no"]
        if order.index(state) > order.index(self.state):
            self.state, self.note = state, note


def run(*command):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", ARCHERFISH_EVERY="1")
    return subprocess.run([str(c) for c in command], cwd=TOP, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, errors="replace").stdout


def run_cases(begins, tools, stub, only):
    """{label: Cell} of the end-to-end cases whose names begin so."""
    cells = collections.defaultdict(Cell)
    text = run(sys.executable, "tests/e2e/run.py", "--stub", stub, "-k",
               ",".join([begins] + ["[" + only] * bool(only)))
    lines = text.splitlines()
    for i, line in enumerate(lines):
        m = re.match(r"(ok|not ok) \d+ - (.*?)(?: \[(.*?)\])? # (SKIP )?(.*)", line)
        if not m:
            continue
        labels = [t.label for t in tools if t.label in (m[3] or "").split(", ")]
        state = "no" if m[1] != "ok" else "skip" if m[4] else "yes"
        note = m[5] if state == "skip" else reason_in(lines[i + 1:]) if state == "no" else ""
        if note.startswith("made without"):
            state = "skip"
        for label in labels:
            cells[label].add(state, note)
    for name in re.findall(r"^# unsteady: .*\[(.*)\]", text, re.M):
        for label in name.split(", "):  # the second try passed
            cells[label] = Cell("yes")
    return cells


def reason_in(lines):
    """The last line of a failed case's traceback, or what it said first."""
    said = []
    for line in lines:
        if not line.startswith("#   "):
            break
        said.append(line[4:])
    missing = re.search(r"No module named '?(\w+)", "\n".join(said))
    if missing:
        return "made without the module %s, which the test's program needs" % missing[1]
    errors = [s for s in said if re.match(r"\w+(\.\w+)*(Error|Exception)\b", s)]
    return (errors or said or ["failed"])[0][:200]


def values_of_a_core(tools, stub, only):
    return values(tools, stub, only, "--core")


def values(tools, stub, _, *more):
    """tests/values/values.py says it of each."""
    walk = os.path.join(os.path.dirname(stub), "walk")
    cells = collections.defaultdict(Cell)
    for tool in tools:
        text = run(sys.executable, "tests/values/values.py", "--walk", walk, "--wide",
                   "-k", tool.label, *more)
        m = re.search(r"^(ok|not ok) .*: (\d+) variables, (\d+) exact, (\d+) .*, (\d+) wrong", text,
                      re.M)
        if m:
            cells[tool.label] = Cell("yes" if m[1] == "ok" else "no",
                                     "%s of %s values wrong" % (m[5], m[2]))
        elif "no interpreter" not in text:
            cells[tool.label] = Cell("no", (text.strip().splitlines() or ["failed"])[-1][:200])
    return cells


def reason_for(feature, tool):
    for about, why in REASONS.get(feature.name, []):
        if about(tool):
            return why
    return None


def fill(features, tools, stub, only):
    """{(feature, label): Cell}"""
    cells, known = {}, {}
    for feature in features:
        ask = feature.cases
        key = ask if isinstance(ask, str) else tuple(ask)
        if key not in known:
            print("# %s" % feature.name, flush=True)
            known[key] = collections.defaultdict(Cell)
            parts = [globals()[ask](tools, stub, only)] if isinstance(ask, str) else [
                run_cases(begins, tools, stub, only) for begins in ask]
            for part in parts:
                for label, cell in part.items():
                    known[key][label].add(cell.state, cell.note)
        for tool in tools:
            cell = known[key][tool.label]
            why = reason_for(feature, tool)
            cells[feature.name, tool.label] = Cell("skip", why) if why else cell
    return cells


def keep(path, cells, tools):
    """With the cells of earlier runs, and the features that have any."""
    known = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            known = {tuple(key.split("\t")): Cell(*cell) for key, cell in json.load(f).items()}
    known.update(cells)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"\t".join(key): [c.state, c.note] for key, c in known.items()}, f)
    every = collections.defaultdict(Cell, known)
    names = {name for name, _ in known}
    cells = {(f.name, t.label): every[f.name, t.label] for f in FEATURES for t in tools}
    return cells, [f for f in FEATURES if f.name in names]


def describe(tool):
    """How it was built, in words."""
    return ", ".join([tool.build] * (tool.build != "release") + [
        "stripped" if tool.stripped else "symbols"])


def render(features, tools, cells):
    notes = []

    def mark(cell):
        if cell.state in ("", "yes"):
            return "yes" if cell.state else ""
        if cell.note not in notes:
            notes.append(cell.note)
        return ("**no** %d" if cell.state == "no" else "(%d)") % (notes.index(cell.note) + 1)

    out = ["| Python | from | build | " + " | ".join(f.name for f in features) + " |",
           "|---|---|---|" + "---|" * len(features)]
    for tool in tools:
        row = [mark(cells[f.name, tool.label]) for f in features]
        out.append("| %s | %s | %s | %s |" % (".".join(map(str, tool.version)), tool.kind,
                                              describe(tool), " | ".join(row)))
    out += [""] + ["%d. %s" % (i, note.replace("|", "\\|").replace("<", "&lt;"))
                   for i, note in enumerate(notes, 1)]
    return "\n".join(out).rstrip() + "\n"


def legend(features):
    return "\n".join(["| column | what is compared | with |", "|---|---|---|"] + [
        "| %s | %s | %s |" % (f.name, f.what, f.truth) for f in features]) + "\n"


def write(path, parts):
    """Replace what stands between <!-- NAME --> and <!-- /NAME -->."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for name, part in parts.items():
        begin, end = "<!-- %s -->\n" % name, "<!-- /%s -->" % name
        before, rest = text.split(begin)
        text = before + begin + part + end + rest.split(end, 1)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stub", default="build/release/archerfish")
    parser.add_argument("-k", default="", help="only interpreters whose label begins with this")
    parser.add_argument("-f", action="append", help="only this feature (again for more)")
    parser.add_argument("--keep", metavar="FILE", help="add to what this found before")
    parser.add_argument("-o", metavar="FILE", help="write the table into this document")
    args = parser.parse_args()
    tools = sorted((t for t in zoo.interpreters(wide=True) if t.label.startswith(args.k)),
                   key=lambda t: t.version)
    features = [f for f in FEATURES if not args.f or f.name in args.f]
    if not tools:
        print("# python: no interpreter here", file=sys.stderr)
        return 77
    cells = fill(features, tools, args.stub, args.k)
    if args.keep:
        cells, features = keep(args.keep, cells, tools)
    table = render(features, tools, cells)
    print(table)
    if args.o:
        write(args.o, {"table": table, "legend": legend(features),
                       "made": "Made on %s by `make check-python`.\n" % datetime.date.today()})
    count = collections.Counter(cell.state for cell in cells.values())
    print("# python: %d passed, %d failed, %d skipped" % (
        count["yes"], count["no"], count["skip"] + count[""]))
    return 1 if count["no"] else 0


if __name__ == "__main__":
    sys.exit(main())
