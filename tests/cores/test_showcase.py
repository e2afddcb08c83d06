# SPDX-License-Identifier: MIT
"""Python's crash in C, with every interpreter and every debugger: ctypes calls a null pointer."""

import os
import re

import zoo
from cores import copy_files, count, crashed, plain, serve
from harness import INFERIORS, case

CRASH = os.path.join(INFERIORS, "must_coredump.py")


def can_crash(python):
    """Those with ctypes of the versions that the showcase is promised for."""
    return python.loads and (python.version[:2] == (3, 8) or python.version >= (3, 11))


def crashers():
    # Of what is out of a package alone the libraries lie elsewhere than it thinks.
    return [p for p in zoo.interpreters(wide=True)
            if can_crash(p) and not isinstance(p, zoo.Unpacked)]


def check_python(t, gdb, server, whole):
    """Python's frames: of a thread of its own, and with the libraries between C's."""
    out = t.gdb(gdb, server, "bt", "monitor py-bt", "info threads", "thread 2", "bt 2")
    t.has(out["monitor py-bt"], r'File ".*must_coredump\.py", line 4, in crash')
    t.has(out["monitor py-bt"], r'File ".*must_coredump\.py", line 5, in <module>')
    t.has(out["bt 2"], r"^#0 .*\bcrash \(\) at .*must_coredump\.py:4$")
    t.has(out["bt 2"], r"^#1 .*<module> \(\) at .*must_coredump\.py:5$")
    if whole:
        t.has(out["bt"], r"^#\d+ .*\bcrash \(\) at .*must_coredump\.py:4$", "bt by " + gdb.label)
        t.has(out["bt"], r"^#\d+ .*<module> \(\) at .*must_coredump\.py:5$", "bt by " + gdb.label)


def compare(t, gdb, core, files, python, whole):
    """With the mapped files below `files`, by archerfish's side and by gdb's."""
    program = files + os.path.realpath(python.path) if not python.root else files + inner(python)
    before = ["set sysroot " + files] + (["file " + program] if os.path.exists(program) else [])
    native = t.gdb(gdb, None, *before, "core-file " + core, "bt")
    t.has(native["bt"], r"^#0 +0x0+ in \?\? \(\)")
    # Python's frames hide from gdb what it knows of the values that a loop was entered with.
    server = serve(t, core, "--sysroot=" + files)
    served = t.gdb(gdb, server, "monitor set mixed off", "bt")
    t.equal(plain(served["bt"], files), plain(native["bt"], files), "bt of %s" % gdb.label)
    t.check(not whole or served["bt"].count("\n#") > 5, "the whole stack by " + gdb.label)
    server.signal(15)
    server = serve(t, core, "--sysroot=" + files)
    check_python(t, gdb, server, whole)
    server.signal(15)


def inner(python):
    """The program's path as its own root has it."""
    return python.file[len(os.path.realpath(python.root)):]


def lldb_stack(text):
    """Frames of C of the thread that crashed: addresses, names and lines."""
    text = text.partition("thread #1")[2]
    frames = re.findall(r"frame #\d+: (0x[0-9a-f]+) ?(.*?)(?:, .*)?$", text, re.M)
    return [frame for frame in frames if not frame[0].startswith("0x00007e0")]


def compare_lldb(t, lldb, core, python):
    """An lldb that has the interpreter's files; one that has not is shown no libraries by any."""
    monitor = "process plugin packet monitor py-bt"
    beside = python.root == lldb.root
    server = serve(t, core, *(["--sysroot=" + python.root] if python.root else []))
    program = inner(python) if python.root else python.file
    served = t.lldb(lldb, server, "bt", monitor, "thread list", "thread select 2", "bt ",
                    file=program if beside else None)
    t.has(served[monitor], r'File ".*must_coredump\.py", line 4, in crash')
    t.has(served["thread list"], "python MainThread")
    if beside:
        t.has(served["bt "], r"frame #0: .*crash at must_coredump\.py:4")
        t.has(served["bt "], r"frame #1: .*<module> at must_coredump\.py:5")
        native = t.lldb(lldb, None, 'target create "%s" --core "%s"' % (program, core), "bt")
        t.check(len(lldb_stack(native["bt"])) > 8, "lldb's own stack")
        t.equal(lldb_stack(served["bt"]), lldb_stack(native["bt"]), "bt of lldb %s" % lldb.label)
        t.has(served["bt"], r"crash at must_coredump\.py:4")
    server.signal(15)


@case("the crash of a null pointer that ctypes calls", python=crashers, timeout=1200)
def _(t, python):
    core = crashed(t, python.command(CRASH))
    files, empty = t.dir + "/files", t.dir + "/empty"
    os.mkdir(files)
    os.mkdir(empty)
    copy_files(core, python.root, files)
    for gdb in zoo.gdbs():
        compare(t, gdb, core, files, python, True)
        compare(t, gdb, core, empty, python, False)
    for lldb in zoo.lldbs():
        compare_lldb(t, lldb, core, python)
    count()
