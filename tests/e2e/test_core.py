# SPDX-License-Identifier: MIT
"""Cores: stock gdb sees of a served one what it sees of the file itself."""

import os
import re
import resource
import subprocess

import zoo
from harness import INFERIORS, Process, Server, case
from rsp import GDB, Rsp

SHOW = ("bt", "info threads", "thread apply all info registers rip rsp rbp rax rbx eflags fs_base",
        "info registers float", "p $xmm0", "p $_siginfo.si_signo", "p $_siginfo._sifields._sigfault",
        "info auxv", "x/8gx $rsp")


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def crashed(t, command):
    """The core that the kernel writes of a program that crashes."""
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    if pattern[:1] in "|/" or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        t.skip("the system gives cores to somebody else: " + pattern)
    subprocess.run(command, cwd=t.dir, env=t.environment(), preexec_fn=unlimited,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cores = [f for f in os.listdir(t.dir) if f.startswith("core")]
    if not cores:
        t.skip("the system writes no cores")
    return os.path.join(t.dir, cores[0])


def serve(t, core, *options):
    return t.start(Server, "archerfish", [t.stub, *options, "--core", ":0", core]).listening()


def plain(text):
    """What both say, without how each names threads and where files come from."""
    text = re.sub(r"warning: .*\n\s*|target:|^Reading .*\n", "", text, flags=re.M)
    text = re.sub(r"Thread (?:0x[0-9a-f]+ \(LWP |\d+\.)(\d+)\)?(?: \(.*?:\d+\)\)| \".*?\")?", r"T\1", text)
    return re.sub(r"[ \t]+", " ", text).strip()


def compare(t, gdb, core, program):
    """Each command of SHOW; the server, and the ranges that may have been written."""
    server = serve(t, core, "--virtual-threads=off")
    native = t.gdb(gdb, None, "core-file " + core, *SHOW, file=program)
    served = t.gdb(gdb, server, *SHOW, "info proc mappings", file=program)
    for command in SHOW:
        t.equal(plain(served[command]), plain(native[command]), command)
    t.has(served["bt"], r"^#0 ")
    spans = re.findall(r"^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s.* rw-p", served["info proc mappings"], re.M)
    t.check(len(spans) > 4, "there are writable mappings")
    return server, spans


def compare_memory(t, gdb, core, server, spans):
    dumps = ["dump binary memory %s/%d %s %s" % (t.dir, i, *span) for i, span in enumerate(spans)]
    t.gdb(gdb, None, "core-file " + core, *dumps)
    with Rsp.connect(server.port) as client:
        client.open()
        for i, (start, end) in enumerate(spans):
            with open("%s/%d" % (t.dir, i), "rb") as f:
                expected = f.read()
            t.equal(len(expected), int(end, 16) - int(start, 16), "what gdb wrote")
            for at in range(0, len(expected), 0x4000):
                piece = expected[at:at + 0x4000]
                found = client.ask("m%x,%x" % (int(start, 16) + at, len(piece)))
                t.check(found == piece.hex().encode(), "the memory from %s, at %x" % (start, at))


@case("a crash in C code called by Python is served as gdb shows it itself")
def _(t):
    python = t.python()
    core = crashed(t, python.command(os.path.join(INFERIORS, "must_coredump.py")))
    gdb = zoo.gdbs()[0]
    program = os.path.realpath(python.path)
    compare_memory(t, gdb, core, *compare(t, gdb, core, program))
    served = t.gdb(gdb, serve(t, core), "thread 2", "bt", file=program)
    t.has(served["bt"], r"^#0 .*\bcrash \(\) at .*must_coredump\.py:4$")
    t.has(served["bt"], r"^#1 .*<module> \(\) at .*must_coredump\.py:5$")


@case("a core by gdb's gcore is served as gdb shows it itself")
def _(t):
    gdb, python = zoo.gdbs()[0], t.python()
    program = t.program(python, "philosophers.py", until="deadlocked")
    core = os.path.join(t.dir, "core.gcore")
    t.gdb(gdb, None, "attach %d" % program.pid, "generate-core-file " + core, "detach")
    compare(t, gdb, core, os.path.realpath(python.path))
    stacks = t.archerfish("stacks", "--locks", core)
    t.equal(stacks.wait(), 0, "the exit status")
    t.has(stacks.text, "(?i)deadlock")


@case("the Python stack of a core needs neither the program nor its libraries")
def _(t):
    core = crashed(t, t.python().command(os.path.join(INFERIORS, "must_coredump.py")))
    empty = os.path.join(t.dir, "empty")
    os.mkdir(empty)
    for options in ((), ("--sysroot=" + empty,)):
        stacks = t.archerfish("stacks", *options, core)
        t.equal(stacks.wait(), 0, "the exit status")
        t.has(stacks.text, r'File ".*must_coredump.py", line 4, in crash')
        t.has(stacks.text, r'File ".*must_coredump.py", line 5, in <module>')


@case("a core cannot be changed nor run, and is there for the next client")
def _(t):
    gdb = zoo.gdbs()[0]
    core = crashed(t, t.python().command("-c", "import os; os.abort()"))
    server = serve(t, core)
    out = t.gdb(gdb, server, "p $rax = 1", "p *(int *)$sp = 1", "stepi", "monitor py-bt", "bt 1", "kill")
    t.has(out.text, "Could not write register|nothing in it runs or changes")
    t.has(out.text, "Cannot access memory at|nothing in it runs or changes")
    t.has(out["monitor py-bt"], r'File "<string>", line 1, in <module>')
    t.has(out["bt 1"], r"^#0 ")
    t.lacks(out["kill"], "(?i)can't|error")
    once = serve(t, core, "--once")
    for each, requests in ((server, ("D",)), (server, ("c", "vCont;c", "P0=0", "X0,1:a", "Z0,0,1")),
                           (once, ("D",))):
        with Rsp.connect(each.port) as client:
            client.open(GDB + ";error-message+")
            t.check(client.ask("?").startswith(b"T06"), "it had aborted")
            for request in requests:
                answer = client.ask(request)
                t.equal(answer, b"OK" if request == "D" else
                        b"E.this is a core file: nothing in it runs or changes", request)
    t.equal(once.wait(), 0, "the exit status with --once")


@case("what is no core, or half of one, is refused with the reason")
def _(t):
    for name, content, reason in (("core.1", b"text", "the ELF header at offset 0x0 is cut off"),
                                  ("core.2", b"x" * 64, "it is no ELF file"),
                                  ("core.3", open("/proc/self/exe", "rb").read(), "it is no core")):
        path = os.path.join(t.dir, name)
        with open(path, "wb") as f:
            f.write(content)
        run = t.archerfish("stacks", path)
        t.equal(run.wait(), 2, "the exit status")
        t.has(run.text, re.escape(reason))
    run = t.start(Process, "archerfish", [t.stub, "--core", ":0", t.dir + "/core.4"])
    t.equal(run.wait(), 1, "the exit status")
    t.has(run.text, "No such file")
