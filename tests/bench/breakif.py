#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""False hits in a second of a native breakpoint that is to stop only under a Python line:
`monitor py-break-if', and gdb with a condition that looks for the text in py-bt.

	tests/bench/breakif.py [--stub FILE] [--seconds N] [--rounds N] [--python PATH]

tests/inferiors/importing.py, whose statement `import traceback' never comes up, with the breakpoint at
a line of Python/ceval.c, where each evaluation loop begins.  Then once more with a statement that
does come up: the breakpoint has to stop there, and nowhere before.  gdb traces the program itself, with no stub between, and
has CPython's own libpython.py (python*-gdb.py beside the interpreter).  Both take turns in
one run; the best of the rounds is shown, of each, and their ratio.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TOP, "tests", "zoo"), os.path.join(TOP, "tests", "e2e")]

import zoo  # noqa: E402 pylint: disable=import-error,wrong-import-position

FUNCTION = "_PyEval_Vector"  # 3.11 and later; where a call from C begins
TEXT = "import traceback"
ASK = ("python s = gdb.lookup_global_symbol('%s'); "
       "print('at %%s:%%d' %% (s.symtab.filename, s.line))")
DEPTH = "20"  # functions on the Python stack
CONDITION = """
import gdb, time
class Under(gdb.Function):
    hits, end = 0, None
    def __init__(self):
        super().__init__("under")
    def invoke(self, text):
        self.end = self.end or time.monotonic() + %g
        found = text.string() in gdb.execute("py-bt", to_string=True)
        Under.hits += 1
        return found or time.monotonic() > self.end
Under()
"""


def find_place(gdb, python):
    """FILE:LINE of that function's body, as stock gdb has it."""
    program = start(python)
    try:
        out = subprocess.run([gdb, "-nx", "-batch", "-p", str(program.pid), "-ex",
                              ASK % FUNCTION], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True).stdout
        return re.search(r"^at (\S+:\d+)$", out, re.M).group(1)
    finally:
        program.kill()


def start(python, every="1000000000000", go=True):
    program = subprocess.Popen([python, os.path.join(TOP, "tests", "inferiors", "importing.py"),
                                every, DEPTH, "loop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    program.stdout.readline()
    if go:
        begin(program)
    return program


def ours(stub, gdb, python, place, seconds):
    program = start(python)
    server = subprocess.Popen([stub, "--once", "--attach", ":0", str(program.pid)],
                              stderr=subprocess.PIPE, universal_newlines=True)
    try:
        port = next(re.search(r"port (\d+)", line) for line in server.stderr if "port" in line)
        client = subprocess.Popen(
            [gdb, "-nx", "-batch", "-ex", "set sysroot /", "-ex", "target remote :" + port.group(1),
             "-ex", "break " + place, "-ex", 'monitor py-break-if all "%s"' % TEXT,
             "-ex", "echo going\\n", "-ex", "continue", "-ex", "monitor py-break-if",
             "-ex", "kill"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True)
        for line in client.stdout:
            if line.startswith("going"):
                break
        time.sleep(seconds)
        os.kill(program.pid, 10)  # SIGUSR1, which gdb tells of
        out = client.communicate(timeout=60)[0]
        return int(re.search(r"passed (\d+)", out).group(1)) / seconds
    finally:
        program.kill()
        server.kill()


def begin(program):
    program.stdin.write(b"\n")
    program.stdin.flush()


def stops_there(stub, gdb, python, place):
    """(whether the first stop is under the statement, false hits before it)"""
    program = start(python, "3000", go=False)
    server = subprocess.Popen([stub, "--once", "--attach", ":0", str(program.pid)],
                              stderr=subprocess.PIPE, universal_newlines=True)
    try:
        port = next(re.search(r"port (\d+)", line) for line in server.stderr if "port" in line)
        begin(program)  # it stands still
        out = subprocess.run(
            [gdb, "-nx", "-batch", "-ex", "set sysroot /", "-ex", "target remote :" + port.group(1),
             "-ex", "break " + place, "-ex", 'monitor py-break-if all "%s"' % TEXT, "-ex", "continue",
             "-ex", "monitor py-bt", "-ex", "monitor py-break-if", "-ex", "kill"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
            timeout=300).stdout
        hits = re.search(r"stopped 1, passed (\d+)", out)
        right = re.search(r"Breakpoint 1[.,]", out) and TEXT + "\n" in out
        return bool(right and hits), int(hits.group(1)) if hits else 0
    finally:
        program.kill()
        server.kill()


def theirs(gdb, python, library, place, seconds, stub=None):
    """With @stub: through that, as a client on another host would have it."""
    program = start(python)
    to, server = ["-p", str(program.pid)], None
    if stub:
        server = subprocess.Popen([stub, "--once", "--attach", ":0", str(program.pid)],
                                  stderr=subprocess.PIPE, universal_newlines=True)
        port = next(re.search(r"port (\d+)", line) for line in server.stderr if "port" in line)
        to = ["-ex", "set sysroot /", "-ex", "target remote :" + port.group(1)]
    condition = tempfile.NamedTemporaryFile("w", suffix=".py")
    condition.write(CONDITION % seconds)
    condition.flush()
    try:
        run = subprocess.run(
            [gdb, "-nx", "-batch", *to, "-ex", "source " + library,
             "-ex", "source " + condition.name,
             "-ex", "break %s if $under(\"%s\")" % (place, TEXT), "-ex", "continue",
             "-ex", "python print('hits', Under.hits)", "-ex", "kill"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
            timeout=seconds + 120)
        return int(re.search(r"hits (\d+)", run.stdout).group(1)) / seconds
    except AttributeError:
        print(run.stdout[-2000:], file=sys.stderr)
        return None
    finally:
        program.kill()
        if server:
            server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stub", default=os.path.join(TOP, "build", "release", "archerfish"))
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--python", help="an interpreter with python*-gdb.py beside it")
    args = parser.parse_args()
    libraries = {os.path.realpath(t.file): glob.glob(t.file + "-gdb.py")
                 for t in zoo.pythons() if not t.root}
    chosen = os.path.realpath(args.python) if args.python else max(
        (f for f, found in libraries.items() if found and "3.12" in f), default=None)
    gdbs = [g for g in zoo.gdbs() if not g.root]
    if not chosen or not libraries.get(chosen) or not gdbs:
        print("# breakif: no interpreter with its python-gdb.py here, or no gdb", file=sys.stderr)
        return 77
    place = find_place(gdbs[0].path, chosen)
    best = [0, 0, 0]
    for _ in range(args.rounds):
        gdb, library = gdbs[0].path, libraries[chosen][0]
        rates = [ours(args.stub, gdb, chosen, place, args.seconds),
                 theirs(gdb, chosen, library, place, args.seconds),
                 theirs(gdb, chosen, library, place, args.seconds, args.stub)]
        best = [max(b, rate or 0) for b, rate in zip(best, rates)]
    print("break %s, in %s, %s functions deep" % (place, chosen, DEPTH))
    print("%-40s %12s" % ("false hits a second", ""))
    print("%-40s %12.0f" % ("archerfish, monitor py-break-if", best[0]))
    for rate, what in zip(best[1:], ("by itself", "through a stub")):
        if rate:
            print("%-40s %12.1f  1/%.0f" % ("gdb %s, text in py-bt, %s" % (
                gdbs[0].label, what), rate, best[0] / rate))
    right, hits = stops_there(args.stub, gdbs[0].path, chosen, place)
    print("the first stop is %sunder `%s', after %d false hits" % ("" if right else "NOT ", TEXT, hits))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
