# SPDX-License-Identifier: MIT
"""Interpreters in every shape: several in one process, forked, loaded late."""

import json
import os
import re
import shutil
import signal
import subprocess

import zoo
from harness import case

FORKED = {"parent": ["parent", "worker", "run"], "child": ["child", "worker", "run"]}


def document(t, pid):
    printer = t.archerfish("stacks", "--json", pid)
    t.equal(printer.wait(), 0, "its exit status; it said:\n" + printer.text)
    return json.loads(printer.text)


def merged(doc, tid):
    """[(interpreter, function)] of one thread, innermost first, by stack-level."""
    found = {}
    for interpreter in doc["interpreters"]:
        for thread in interpreter["threads"]:
            for frame in thread["frames"] if thread.get("tid") == tid else []:
                level = frame.get("stack-level", frame["level"])
                assert level not in found, "two frames of level %d" % level
                found[level] = interpreter["id"], frame["name"]
    return [found[level] for level in sorted(found)]


def functions(text):
    """[(interpreter, function)] in what py-bt printed."""
    found, interpreter = [], 0
    for line in text.splitlines():
        if line.startswith("  (interpreter "):
            interpreter = int(line.split()[1].strip(",)"))
        elif ", in " in line:
            found.append((interpreter, line.rsplit(", in ", 1)[1]))
    return found


def since(*version):
    return lambda: [p for p in zoo.pythons() if p.version >= version]


@case("frames of interpreters on one thread are one stack, innermost first",
      python=since(3, 10))
def _(t, python):
    program = t.program(python, "interpreters.py", "2", until="ready")
    t.asleep(program.pid)
    doc = document(t, program.pid)
    for tid in t.threads(program.pid):
        stack = merged(doc, tid)
        calls = [(i, name) for i, name in stack if name in ("sleep", "doze", "call")]
        ids = sorted({i for i, _ in stack}, reverse=True)
        end = "sleep" if tid == program.pid else "doze"
        t.equal(len(ids), 3, "interpreters of thread %d" % tid)
        t.equal(calls, [(ids[0], end)] + [(i, "call") for i in ids], "the calls of %d" % tid)
        # Each interpreter's frames lie together, as the program never comes back to one.
        order = [i for n, (i, _) in enumerate(stack) if not n or stack[n - 1][0] != i]
        t.equal(order, ids, "the interpreters of %d" % tid)
    gdb = zoo.gdbs()[0]
    out = t.gdb(gdb, t.serve(pid=program.pid), "info threads", "monitor py-bt")
    t.has(out["info threads"], r"sleep \(interpreters.py:\d+\)")
    t.equal(functions(out["monitor py-bt"]), merged(doc, program.pid), "py-bt")
    t.untouched(program.pid)


@case("frames of interpreters on one thread are shown of each if their order is not known",
      python=lambda: [p for p in zoo.pythons() if (3, 8) <= p.version < (3, 10)])
def _(t, python):
    program = t.program(python, "interpreters.py", "2", until="ready")
    t.asleep(program.pid)
    printer = t.archerfish("stacks", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    text = printer.text.split("\n\n")[0]
    t.equal(text.count("its place among the others is not known"), 3, "doubts in:\n" + text)
    calls = [(i, name) for i, name in functions(text) if name in ("sleep", "call")]
    t.equal([name for _, name in calls], ["sleep", "call", "call", "call"], "the calls")
    t.equal([i for i, _ in calls[1:]], sorted({i for i, _ in calls}, reverse=True), "whose")


def libraries():
    """The oldest and the newest that there is."""
    shared = [p for p in zoo.pythons() if p.library]
    return shared[:1] + shared[1:][-1:]


@case("Python that a program loads late is seen from then on", python=libraries)
def _(t, python):
    program = t.start_program([t.compile("embed.c"), python.library], until="waiting",
                              stdin=subprocess.PIPE)
    with t.gdb_session(zoo.gdbs()[0], t.serve(pid=program.pid)) as g:
        t.has(g.command("monitor py-bt"), r"no Python")
        g.begin("continue")
        program.send("go\n")
        program.until("ready")
        t.asleep(program.pid)
        g.signal(signal.SIGINT)
        g.end()
        expected = [(0, "innermost"), (0, "<module>"), (1, "across"), (1, "<module>"),
                    (0, "outer"), (0, "<module>")]
        if python.version < (3, 10):  # nothing says how they lie
            expected.sort(key=lambda frame: -frame[0])
        t.equal(functions(g.command("monitor py-bt")), expected, "the stack")
    printer = t.archerfish("stacks", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    t.equal(functions(printer.text), expected, "the stack seen by another")


def without_sections(path, out):
    """A copy of an ELF file that says it has no section headers."""
    shutil.copy(path, out)
    with open(out, "r+b") as f:
        f.seek(40)  # e_shoff
        f.write(bytes(8))
        f.seek(58)  # e_shentsize, e_shnum, e_shstrndx
        f.write(bytes(6))
    return out


@case("a library without section headers, or deleted, is Python all the same", python=libraries)
def _(t, python):
    os.mkdir(t.dir + "/lib")
    library = without_sections(os.path.realpath(python.library),
                               os.path.join(t.dir, "lib", os.path.basename(python.library)))
    told = os.path.join(t.dir, "stacks.json")
    program = t.program(python, "stacks.py", told, until="^ready$", env=t.environment(
        LD_LIBRARY_PATH=t.dir + "/lib", PYTHONHOME=os.path.dirname(os.path.dirname(python.path))))
    t.asleep(program.pid)
    with open("/proc/%d/maps" % program.pid) as maps:
        t.check(library in maps.read(), "%s is not the library it runs" % library)
    with open(told) as f:
        expected = {s["tid"]: [x["name"] for x in s["frames"]] for s in json.load(f)}
    for there in True, False:
        if not there:
            os.unlink(library)
        printer = t.archerfish("stacks", program.pid)
        t.equal(printer.wait(), 0, "its exit status; it said:\n" + printer.text)
        pieces = re.split(r"^Thread (\d+) .*$", printer.text, flags=re.M)[1:]
        found = {int(tid): [name for _, name in functions(piece)]
                 for tid, piece in zip(pieces[::2], pieces[1::2])}
        t.equal(found, expected, "the stacks, library %s" % ("there" if there else "deleted"))


@case("archerfish stacks says which Python it does not serve", other=zoo.others)
def _(t, other):
    program = t.start_program([*other.command("-c", "import time; print('ready'); "
                                              "import sys; sys.stdout.flush(); time.sleep(1e6)")],
                              until="ready")
    printer = t.archerfish("stacks", program.pid)
    t.equal(printer.wait(), 1, "its exit status")
    t.has(printer.text, r"this is %s" % other.build)
    t.untouched(program.pid)


@case("after a fork only threads that live are shown", python=zoo.pythons, how=["python", "raw"])
def _(t, python, how):
    if how == "raw" and not python.loads:
        t.skip("made without the module _ctypes, which C's fork() is called by")
    program = t.program(python, "forked.py", how, until=r"ready \d+\n")
    child = int(t.has(program.text, r"ready (\d+)")[1])
    t.asleep(program.pid)
    t.asleep(child)
    shown = {}
    for name, pid in ("parent", program.pid), ("child", child):
        printer = t.archerfish("stacks", pid)
        t.equal(printer.wait(), 0, "its exit status")
        shown[name] = printer.text
        stack = [f for f in printer.text.split("\n\n") if ", in %s\n" % name in f]
        t.equal(len(stack), 1, "stacks of %s in:\n%s" % (name, printer.text))
        t.equal([n for _, n in functions(stack[0])][:3], FORKED[name], "the stack of " + name)
    t.equal(shown["parent"].count("in waiter"), 3, "waiting threads of the parent")
    t.lacks(shown["child"], "in waiter")
    if how == "raw":
        t.has(shown["child"], r"\(4 thread states of no live thread\)")
    os.kill(child, signal.SIGKILL)
