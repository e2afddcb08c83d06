# SPDX-License-Identifier: MIT
"""The commands about one Python frame: py-print, py-exc, py-list, py-up and the others."""

import json
import os
import re
import subprocess
import sys

import zoo
from harness import INFERIORS, TOP, case

sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

from rsp import Rsp  # noqa: E402


def waiting(t, python, script):
    """A program that waits, and what it says of itself."""
    path = os.path.join(t.dir, "said.json")
    program = t.program(python, script, path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        return program, json.load(f)


def connected(t, program, *options):
    r = Rsp.connect(t.serve(*options, pid=program.pid).port)
    r.open()
    return r


def place(function, text):
    """The number of the frame of a function in a stack; C functions have one too."""
    lines = re.findall(r'^  (?:File ".*", line \d+, in (\S+)|<(?:built-in|method-wr).*)$', text, re.M)
    return lines.index(function)


@case("py-print says of each expression what Python says of it", python=zoo.pythons)
def _(t, python):
    program, said = waiting(t, python, "expressions.py")
    with connected(t, program) as r:
        stack = r.monitor("py-bt")
        for function, answers in said.items():
            r.monitor("py-frame %d" % place(function, stack))
            for expression, answer in answers.items():
                text = r.monitor("py-print " + expression).rstrip("\n")
                shown = text.split(" = ", 1)[1] if " = " in text else None
                t.equal(shown, answer, "%s in %s: %s" % (expression, function, text))


def plain(text):
    """A traceback without the lines that only mark parts of a frame's line above."""
    lines = text.splitlines()
    return [line for i, line in enumerate(lines)
            if line.strip(" |^~") or not line.strip(" |") or
            not re.match(r'[ |]*  File ".*", line \d+, in ', lines[i - 2])]


def first_part(text):
    """What py-exc says of the first exception that it tells of."""
    return re.split(r"^(?:raising|handling):\n", text, flags=re.M)[1]


@case("py-exc tells of exceptions as the traceback module does", python=zoo.pythons)
def _(t, python):
    program, said = waiting(t, python, "exceptions.py")
    with connected(t, program) as r:
        stacks = r.monitor("py-bt all")
        for name, text in said.items():
            tid = t.has(stacks, r'^Thread (\d+) "%s"' % name).group(1)
            r.ask("T%x" % int(tid))
            t.equal(plain(first_part(r.monitor("py-exc"))), plain(text), "thread " + name)
            short = t.has(r.monitor("py-bt"), r"^  handling: (.*)$").group(1)
            t.equal(short, re.findall(r"^[A-Z]\w+(?:: .*)?$", text, re.M)[-1], "in short")
            document = json.loads(r.xfer("python-frames", "%x;format=json" % int(tid)).decode())
            thread = document["interpreters"][0]["threads"][0]
            top = thread["exceptions"][0]
            t.equal(": ".join(s for s in (top["type"], top["text"]) if s), short, "the document")
            t.equal(top["handling"], 0, "its level")
            if name == "around":
                levels = [e["type"] for e in thread["exceptions"] if "handling" in e]
                # 3.6 keeps the outer one in the generator's frame.
                t.equal(levels, ["OSError", "IndexError"][:1 + (python.version >= (3, 7))],
                        "what is handled around it")


# Leaves an exception set, as C code does that is on its way back, and waits.
RAISING = """
#include <unistd.h>
extern void *PyExc_KeyError;
void PyErr_SetString(void *, const char *);
int raise_and_wait(void)
{
	PyErr_SetString(PyExc_KeyError, "in flight");
	(void)!write(1, "ready\\n", 6);
	for (;;)
		pause();
}
"""
RAISER = """
import ctypes, sys
def f():
    library = ctypes.PyDLL(sys.argv[1])
    try:
        1 / 0
    except ZeroDivisionError:
        library.raise_and_wait()
f()
"""


def of_this_machine():
    """One interpreter of each minor version, outside of the roots."""
    return list({p.version[:2]: p for p in zoo.pythons() if not p.root}.values())


@case("an exception on its way is told of before those that are handled", python=of_this_machine)
def _(t, python):
    source, library, script = (os.path.join(t.dir, "raising." + end) for end in ("c", "so", "py"))
    for path, text in (source, RAISING), (script, RAISER):
        with open(path, "w") as f:
            f.write(text)
    built = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.equal((built.returncode, built.stdout), (0, b""), "the compiler")
    program = t.program(python, script, library, until="^ready$")
    with connected(t, program) as r:
        t.has(r.monitor("py-bt"), r"^  raising: KeyError: 'in flight'\n"
                                  r"  handling: ZeroDivisionError: (?:\w+ )?division .*zero\n")
        whole = r.monitor("py-exc")
        t.has(whole, r"\Araising:\nTraceback.*\n  File .*, line 6, in f\n    1 / 0\nZeroDivisionError: ")
        t.has(whole, r"^During handling of the above .*:\n\nKeyError: 'in flight'\nhandling:$")


@case("the commands about a Python frame speak libpython.py's words", gdb=zoo.gdbs)
def _(t, gdb):
    program, _ = waiting(t, t.python(), "expressions.py")
    path = os.path.join(INFERIORS, "expressions.py")
    with open(path, encoding="utf-8") as f:
        source = f.read().splitlines()
    with t.gdb_session(gdb, t.serve(pid=program.pid)) as g:
        stack = g.command("monitor py-bt")
        t.has(stack, r"\AThread \d+ .*\nTraceback \(most recent call first\):\n")
        t.has(stack, r"in blocked\n    gate\.acquire\(\)\n")
        t.has(g.command("monitor py-down"), r"^Unable to find a newer python frame$")
        t.has(g.command("monitor py-frame 0"),
              r"^#0 <built-in method acquire of _thread\.lock object at remote 0x[0-9a-f]+>$")
        t.has(g.command("monitor py-up"), r"^#1 Frame 0x[0-9a-f]+, for file .*expressions\.py, "
              r"line \d+, in blocked \(.*\)\n    gate\.acquire\(\)\n")
        outermost = g.command("monitor py-up 100")
        t.has(outermost, r"^#(\d+) Frame .*, in <module> \(\)\n    frames\(\)\n")
        t.has(g.command("monitor py-up"), r"^Unable to find an older python frame$")
        t.has(g.command("monitor py-print GLOBAL"), r"^global 'GLOBAL' = \{'list': \[10, 20, 30\]\}$")
        line = int(re.search(r"line (\d+)", outermost).group(1))
        listing = g.command("monitor py-list")
        t.has(listing, r"^ *>%d    frames\(\)$" % line)
        t.equal(re.findall(r"^ +(\d+)    (.*)$", listing, re.M),
                [(str(n), source[n - 1]) for n in range(line - 5, line)], "the lines before")
        t.has(g.command("monitor py-list 1, 2"), r'^   1    # SPDX.*\n   2    """Var')
        t.has(g.command("monitor py-list 9999"), r"has only %d lines" % len(source))
        number = place("frames", stack)
        t.has(g.command("monitor py-frame %d" % number), r"^#%d Frame .*, in frames \(.*n=5.*\)$" % number)
        t.has(g.command("monitor py-locals"), r"^n = 5$")
        t.has(g.command("monitor py-print n"), r"^local 'n' = 5$")
        t.has(g.command("monitor py-print len"), r"^builtin 'len' = <built-in function len>$")
        t.has(g.command("monitor py-print -f 0 n"), r"^'n' is not defined$")
        t.has(g.command("monitor py-print x.jobs[0]['name'][1:3]"), r"^x\.jobs.* = 'ir'$")
        t.has(g.command("monitor py-print x.computed"), r"^not by memory alone: the property")
        full = g.command("monitor py-bt full")
        t.has(full, r"in frames\n    inner\(\)\n    frames, .*\n    \w+ = ")
        t.has(full, r"^    x = <Plain\(jobs=")


@case("no file is read for a client that may have none")
def _(t):
    program, _ = waiting(t, t.python(), "exceptions.py")
    with connected(t, program, "--no-host-io") as r:
        t.lacks(r.monitor("py-bt"), r"gate\.acquire")
        t.has(r.monitor("py-list"), r"^Unable to open .*exceptions\.py: files are not served")


@case("py-list has lines of code that came from no file, py-up as libpython.py has not")
def _(t):
    program = t.program(t.python(), "typed.py", until="^ready$")
    t.asleep(program.pid)
    with connected(t, program, "--no-host-io") as r:
        stack = r.monitor("py-bt")
        t.has(r.monitor("py-frame %d" % place("outer", stack)),
              r"^#\d+ Frame .*, line 2, in outer \(.*\)$")
        t.equal(r.monitor("py-list"), "   1    def outer(wait):\n  >2        return   inner(wait)   \n"
                "   3    \n   4    def inner(wait):\n   5    \twait()  # \u03bb\n", "the listing")
        t.equal(r.monitor("py-list 4,4"), "   4    def inner(wait):\n", "a line of it")
        t.has(r.monitor("py-list 6"), r"^<cell 7> has only 5 lines$")
        t.has(r.monitor("py-frame %d" % (place("outer", stack) + 2)), r"line 2, in <module>")
        t.has(r.monitor("py-list"), r"^<not kept> is not a file$")


@case("archerfish stacks --locals shows source lines and values")
def _(t):
    program, said = waiting(t, t.python(), "expressions.py")
    printer = t.archerfish("stacks", "--locals", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    t.has(printer.text, r"in frames\n    inner\(\)\n    \w+ = ")
    t.has(printer.text, r"^    x = <Plain\(jobs=")
    t.has(printer.text, r"^    key = 'list'$")
    for name in "n", "big", "numbers", "mixed", "ordered", "error", "s":
        value = said["frames"].get(name)
        if value:
            t.has(printer.text, r"^    %s = %s$" % (name, re.escape(value)))
