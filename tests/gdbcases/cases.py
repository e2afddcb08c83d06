#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own test_gdb, asked in one of three ways.

	PYTHON tests/gdbcases/cases.py --way native|remote|monitor [--stub ARCHERFISH]
	       [--suite FOLDER] [--of OTHER-PYTHON] [--gdb GDB] [NAME...]

PYTHON is an interpreter that has the package test.test_gdb, or FOLDER holds that; the
programs under test run with it, or with OTHER-PYTHON of the same minor version.

native   gdb starts the program; libpython.py reads it by debug symbols.
remote   the same, over archerfish: "target remote".
monitor  no libpython.py: every py-... command of a test is given to archerfish, as
         "monitor py-...".  A breakpoint on a function without a symbol is set where the
         interpreter itself says that its function is.

NAMEs are parts of test names.  Prints a line for each test, "ok", "not ok" or "skip",
then "# WAY: N passed, N failed, N skipped".  Exit status 0 however many fail: tests are
of CPython's, written for debug builds, and it is the comparison that counts.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("--way", choices=("native", "remote", "monitor"), default="monitor")
parser.add_argument("--stub", default=os.path.join(TOP, "build", "release", "archerfish"))
parser.add_argument("--of", default=sys.executable)
parser.add_argument("--gdb", default="gdb")
parser.add_argument("--suite", action="append", default=[])
parser.add_argument("-v", "--verbose", action="store_true")
parser.add_argument("names", nargs="*")
options = parser.parse_args()

# The gdb that the tests find on the path: one that may load libpython.py.
tools = tempfile.TemporaryDirectory(prefix="archerfish-gdbcases.")
with open(os.path.join(tools.name, "gdb"), "w") as gdb:
    # With "echo" as its first command it prints errors where it prints the rest.
    gdb.write("#!/bin/sh\ncase \" $* \" in *\" --eval-command=echo \"*) exec 2>&1 ;; esac\n"
              "exec %s -iex 'set auto-load safe-path /' \"$@\"\n" % shutil.which(options.gdb))
os.chmod(gdb.name, 0o755)
os.environ.update(PATH=tools.name + ":" + os.environ["PATH"], DEBUGINFOD_URLS="", LC_ALL="C.UTF-8")
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]

import test  # noqa: E402

test.__path__[:0] = options.suite

from test import support  # noqa: E402

# The tests are written for builds without optimization, and so skip themselves.
support.python_is_optimized = lambda: False
sysconfig.is_python_build = lambda *_: True

try:
    from test.test_gdb import util, test_pretty_print as printing  # noqa: E402
    MODULES = ["test.test_gdb." + m for m in ("test_backtrace", "test_misc", "test_pretty_print",
                                              "test_cfunction")]
except ImportError:  # one module up to 3.10
    from test import test_gdb as util  # noqa: E402
    printing, MODULES = util, ["test.test_gdb"]

real_run_gdb = util.run_gdb
sys.executable = options.of

# Where a C function is, by the interpreter's own word: a program that prints it.  The
# fields are those of PyMethodDef, PyCFunctionObject and PyTypeObject, alike since 3.6.
WHERE = r"""
import sys
def word(at):
    with open("/proc/self/mem", "rb") as f:
        f.seek(at)
        return int.from_bytes(f.read(8), "little")
head = object.__basicsize__
def function(f):
    return word(word(id(f) + head) + 8)
def call_of(t):
    return word(id(t) + head + 112)
print("at", hex(%s))
"""
FUNCTIONS = {
    "builtin_id": "function(id)",
    "wrapper_call": "call_of(type(''.__add__))",
}


def has_symbol(name):
    """Whether gdb itself finds the function in the interpreter or its library."""
    out = subprocess.run([options.gdb, "-nx", "-batch", "-ex", "set breakpoint pending on",
                          "-ex", "break main", "-ex", "run", "-ex", "info address " + name,
                          "--args", options.of, "-S", "-c", ""],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         stdin=subprocess.DEVNULL, universal_newlines=True).stdout
    return "is a function" in out or "is at 0x" in out


def address(name):
    """The function's address in a program started without address randomization."""
    what = FUNCTIONS.get(name)
    if name.startswith("meth_"):
        what = "function(__import__('_testcapi').%s)" % name
    if not what:
        raise unittest.SkipTest("no symbol %s, and nothing else says where it is" % name)
    out = subprocess.run(["setarch", "-R", options.of, "-S", "-c", WHERE % what],
                         stdout=subprocess.PIPE, universal_newlines=True).stdout
    return "*" + re.match(r"at (0x[0-9a-f]+)$", out.strip()).group(1)


known = {}
util_function = "builtin_id"


def place(name):
    """What to break at for a function."""
    if not known:
        known[util_function] = util_function if has_symbol(util_function) else None
    if name not in known or not known[name]:
        # With symbols gdb finds the inlined ones too, and later those of modules.
        known[name] = name if known[util_function] == util_function else address(name)
    return known[name]


def served(program):
    """The gdb commands that start the program under archerfish instead of `run`."""
    f = tempfile.NamedTemporaryFile("w", dir=tools.name, delete=False)
    with f:
        f.write("#!/bin/sh\nexec %s --once - %s 2>/dev/null\n"
                % (options.stub, " ".join(map(quoted, program))))
    os.chmod(f.name, 0o755)
    return f.name


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def ours(command):
    """A command of a test, as archerfish gets it."""
    return re.sub(r"^(thread apply all |)(py-)", r"\1monitor \2", command)


def translated(commands, program):
    early = []
    for command in commands:
        found = re.match(r"break (\w+)$", command)
        if command == "run" and options.way != "native":
            script = served(program)
            yield "target remote | " + script
            yield from early
            early = None
            yield "continue"
        elif found and options.way == "monitor":
            where = place(found.group(1))
            # By address: nothing may be mapped there yet, and a target must be there.
            if where.startswith("*") and early is not None:
                early.append("hbreak " + where)
            else:
                yield ("hbreak " if where.startswith("*") else "break ") + where
        elif options.way == "monitor":
            yield ours(command)
        else:
            yield command


# gdb finds no sources of the interpreter, nor its functions before its library is there.
NOISE = re.compile(r'^(\d+\t.*: No such file or directory\.|Function ".*" not defined\.)\n?', re.M)


def run_gdb(*args, **how):
    commands = [a[len("--eval-command="):] for a in args if a.startswith("--eval-command=")]
    if "run" not in commands:
        return real_run_gdb(*args, **how)
    program = list(args[args.index("--args") + 1:])
    before = ["set debuginfod enabled off", "set sysroot /", "set width 0"]
    if options.way != "monitor":
        base = os.path.realpath(options.of)
        before.append("source %s-gdb.py" % base)
    new = ["--eval-command=" + c for c in before + list(translated(commands, program))]
    # What a monitor command prints goes to the error output of a gdb in batch mode.
    joined = ["--eval-command=echo"] if options.way == "monitor" else []
    out, err = real_run_gdb(*joined, *new, "--args", *program, **how)
    if options.way == "monitor":
        # A test skips itself where gdb has no symbols, which it need not have here.
        out = out.replace(" ?? ()", " (no symbol)")
    return out, NOISE.sub("", err)


util.run_gdb = run_gdb

# A test of the pretty-printers looks at the argument of id() in a backtrace of gdb's.
# Asked of archerfish it is a variable, and py-print shows it.
LAST_ID = re.compile(r"\bid\((.*)\)$", re.S)
PRINTED = re.compile(r"^global 'shown' = (.*)\Z", re.M | re.S)


def get_gdb_repr(self, source, cmds_after_breakpoint=None, import_site=False):
    if cmds_after_breakpoint and len(cmds_after_breakpoint) > 1:
        self.skipTest("it changes what gdb calls `v'")
    source = LAST_ID.sub(r"shown = \1\nid(shown)", source.strip())
    out = self.get_stack_trace(source, cmds_after_breakpoint=["py-print shown"],
                               import_site=import_site)
    found = PRINTED.search(out)
    if not found:
        self.fail("py-print said: " + out)
    return found.group(1).rstrip("\n"), out


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.lines = []

    def say(self, word, test, text=""):
        name = ".".join(test.id().split(".")[-2:])
        print("%s %s%s" % (word, name, text and " # " + text), flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skip", test, reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("not ok", test)
        if options.verbose:
            print("#   " + str(err[1]).replace("\n", "\n#   "))

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err and options.verbose:
            print("#   " + str(err[1]).replace("\n", "\n#   "))


def tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests(test)
        elif not options.names or any(n in test.id() for n in options.names):
            yield test


def main():
    if options.way == "monitor":
        printing.PrettyPrintTests.get_gdb_repr = get_gdb_repr
    suite = unittest.TestSuite(tests(unittest.defaultTestLoader.loadTestsFromNames(MODULES)))
    count, result = suite.countTestCases(), Result()
    suite.run(result)
    bad = {t.id().split(" ")[0] for t, _ in result.failures + result.errors}
    print("# %s: %d passed, %d failed, %d skipped" % (
        options.way, count - len(bad) - len(result.skipped), len(bad), len(result.skipped)))


main()
