# SPDX-License-Identifier: MIT
"""Cores of all kinds of programs, made in all ways: what stock gdb sees of a served one is what
it sees of the core itself, register for register and byte for byte."""

import os
import signal
import subprocess

import zoo
from cores import begun, by_kernel, crashed, kernel_writes, same_view
from harness import INFERIORS, case

# Programs that go on for ever: arguments, and threads to wait for.
PROGRAMS = {
    "checked.c": (["3"], 4),
    "hits.c": (["4", "1000000000000000"], 5),
    "often.c": (["3"], 4),
    "rounds.c": ([], 2),
    "storm.c": (["2", "100"], 3),
    "ticker.c": (["ticks", "3"], 4),
    "waits.c": ([], 5),
}
BUILDS = {"pie": [], "no-pie": ["-no-pie"], "static": ["-static"], "optimized": ["-O2"]}
NARROW = "-m32"
NARROW_PROGRAMS = ("checked.c", "hits.c", "rounds.c", "storm.c")  # the others are of 64 bits alone
SIGNALS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT)
# What the kernel is told to write (core(5)): as always, all, no shared memory.
FILTERS = ("0x33", "0x7f", "0x31")


def by_gcore(t, gdb, command, threads, remote):
    """gdb's generate-core-file, of its own process or through archerfish."""
    folder = os.path.join(t.dir, "gcore-" + ("remote" if remote else "local"))
    os.mkdir(folder)
    core = os.path.join(folder, "core")
    program = begun(t, command, threads, folder)
    if remote:
        server = t.serve("--virtual-threads=off", pid=program.pid)
        t.gdb(gdb, server, "generate-core-file " + core, "detach")
    else:
        t.gdb(gdb, None, "attach %d" % program.pid, "generate-core-file " + core, "detach")
    program.signal(signal.SIGKILL)
    t.check(os.path.exists(core), "gdb wrote a core")
    return core


def can_make_narrow(t):
    probe = subprocess.run(["cc", NARROW, "-pthread", "-xc", "-", "-o", os.path.join(t.dir, "probe")],
                           input=b"#include <pthread.h>\nint main(void) { return 0; }",
                           stderr=subprocess.DEVNULL)
    if probe.returncode:
        t.skip("the compiler here makes no programs of 32 bits")


def compare_all(t, command, threads, program, remotes=(False, True)):
    gdb = zoo.gdbs()[0]
    kernel_writes(t)
    for signo, bits in zip(SIGNALS, FILTERS):
        same_view(t, gdb, by_kernel(t, command, threads, signo, bits), program)
    for remote in remotes:
        same_view(t, gdb, by_gcore(t, gdb, command, threads, remote), program)


@case("cores of a C program", source=sorted(PROGRAMS), build=sorted(BUILDS), timeout=600)
def _(t, source, build):
    arguments, threads = PROGRAMS[source]
    program = t.compile(source, "-D_GNU_SOURCE", "-pthread", *BUILDS[build])
    compare_all(t, [program, *arguments], threads, program)


@case("cores of a C program of 32 bits", source=NARROW_PROGRAMS, timeout=600)
def _(t, source):
    can_make_narrow(t)
    arguments, threads = PROGRAMS[source]
    program = t.compile(source, "-D_GNU_SOURCE", "-pthread", NARROW)
    compare_all(t, [program, *arguments], threads, program, remotes=(False,))
    crashing = t.compile("crash.c", NARROW)
    folder = os.path.join(t.dir, "crashing")
    os.mkdir(folder)
    same_view(t, zoo.gdbs()[0], crashed(t, [crashing], folder), crashing)


@case("cores of a C program that crashes", build=sorted(BUILDS), timeout=300)
def _(t, build):
    program = t.compile("crash.c", *BUILDS[build])
    for level in ("-O0", "-O2"):
        subprocess.run(["cc", "-g", level, *BUILDS[build], "-o", program,
                        os.path.join(INFERIORS, "crash.c")], check=True)
        folder = os.path.join(t.dir, "crash" + level)
        os.mkdir(folder)
        same_view(t, zoo.gdbs()[0], crashed(t, [program], folder), program)


def here():
    return [p for p in zoo.pythons() if not p.root]


@case("cores of a Python program", python=here, timeout=900)
def _(t, python):
    program = os.path.realpath(python.path)
    script = os.path.join(INFERIORS, "philosophers.py")
    compare_all(t, python.command(script), 6, program)
    for i, code in enumerate(("import os; os.abort()", "import ctypes; ctypes.string_at(0)",
                              "import os; os.kill(os.getpid(), 7)")):
        folder = os.path.join(t.dir, "python-%d" % i)
        os.mkdir(folder)
        same_view(t, zoo.gdbs()[0], crashed(t, python.command("-c", code), folder), program)
