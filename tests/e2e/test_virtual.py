# SPDX-License-Identifier: MIT
"""Python as stock gdb's own threads, frames and variables: virtual threads."""

import json
import os
import re

import zoo
from harness import case

ON = "--virtual-threads=on"
FRAME = re.compile(r"^#\d+\s+(?P<name>.*?) \(.*?\) at (?P<file>.*):(?P<line>\d+)$")
THREAD = re.compile(r'^Thread \d+ \(Thread \d+\.(\d+) "([^"]*)" \(LWP (\d+)\)\):$', re.M)
QUIET = ("set print address off", "set print frame-arguments none")


def blocked_program(t, python):
    path = os.path.join(t.dir, "stacks.json")
    program = t.program(python, "stacks.py", path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        return program, json.load(f)


def is_virtual(tid):
    return tid >= 0x10000000


def unqualified(name, path):
    """A function of a name that C has too is named after its file: selectors.select."""
    stem = re.sub(r".*/|\.py$|^<frozen |>$", "", re.sub(r"/__init__\.py$", "", path))
    return name[len(stem) + 1:] if name.startswith(stem + ".") else name


def backtraces(text):
    """[(LWP, name, frames)] of the virtual threads in `thread apply all bt`."""
    pieces = THREAD.split(text)[1:]
    found = []
    for tid, name, lwp, piece in zip(*(iter(pieces),) * 4):
        if is_virtual(int(tid)):
            piece = re.split(r"^Thread \d+ \(", piece, flags=re.M)[0]
            frames = [(m["file"], int(m["line"]), unqualified(m["name"], m["file"]))
                      for m in map(FRAME.match, piece.splitlines()) if m]
            found.append((int(lwp), name, frames))
    return found


def told(stack):
    return [(f["source"], f["line"], f["qualname"]) for f in stack["frames"]]


def deadlocked(t, python):
    program = t.program(python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    return program


def few():
    """An old Python, one of the machine and the newest: make check-python asks every one."""
    every = zoo.pythons()
    return [p for p in every if p.version[:2] in ((3, 8), (3, 11), (3, 15)) and p.kind != "given"
            and (p.version[:2] != (3, 11) or p.kind == "host")]


@case("a backtrace of each virtual thread is the interpreter's own stack", python=few,
      gdb=lambda: zoo.gdbs()[:1])
def _(t, python, gdb):
    program, stacks = blocked_program(t, python)
    out = t.gdb(gdb, t.serve(ON, pid=program.pid), *QUIET, "thread apply all bt")
    found = {lwp: (name, frames) for lwp, name, frames in backtraces(out["thread apply all bt"])}
    for stack in stacks:
        t.check(stack["tid"] in found, "no virtual thread for LWP %d" % stack["tid"])
        name, frames = found[stack["tid"]]
        t.equal(frames, told(stack), "the stack of %s" % stack["name"])
        t.equal(name, "python %s" % stack["name"], "its name")
    t.equal(len(found), len(stacks), "how many there are")
    t.untouched(program.pid)


@case("gdb's own commands show a deadlock in Python", gdb=zoo.gdbs)
def _(t, gdb):
    program = deadlocked(t, t.python())
    source = os.path.join("tests", "inferiors", "philosophers.py")
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        threads = g.command("info threads")
        rows = re.findall(r'^[* ] (\d+) +Thread \d+\.(\d+) "python (.*?)" \(LWP \d+\) +(.*)$',
                          threads, re.M)
        t.equal(sorted(name for _, _, name, _ in rows),
                ["MainThread"] + ["philosopher-%d" % i for i in range(5)], "names in " + threads)
        number = [n for n, _, name, _ in rows if name == "philosopher-3"][0]
        g.command("thread %s" % number)
        t.has(g.command("info args"), r'^seat = "3"$')
        t.has(g.command("info locals"), r'^right = "<locked _thread.lock object at 0x')
        t.has(g.command("bt"), r"#0 +dine \(table=.*\) at .*%s:\d+\n#1 +Thread.run \(" % source)
        main = [n for n, _, name, _ in rows if name == "MainThread"][0]
        g.command("thread %s" % main)
        t.has(g.command("frame function main"), r"^#\d+ +main \(\) at .*%s:\d+" % source)
        if not gdb.root:  # the other gdbs have no such file
            t.has(g.command("list"), r"^\d+\s+guest.join\(\)$")
        t.has(g.command("up"), r"^#\d+ +<module> \(\) at")
        t.has(g.command("down"), r"^#\d+ +main \(\)")
        t.has(g.command("p $_streq(guest, \"x\")"), r"= 0$")
        t.has(g.command("p $rsp = 1"), r"(?i)cannot|unmodifiable|could not|not be written")
        t.has(g.command("set var *(char *) $pc = 0"), r"(?i)cannot access|not memory")
        t.has(g.command("detach"), r"detached")
    t.untouched(program.pid)


@case("what a program makes while it runs is known at the next stop", gdb=zoo.gdbs)
def _(t, gdb):
    program = t.program(t.python(), "late.py", until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("set print address off")
        for i in range(3):
            t.lacks(g.command("info threads"), r"late_%d \(" % i)
            start = len(program.text)
            g.begin("continue")
            program.send("%d\n" % i)
            program.until("^made %d$" % i, start=start)
            t.asleep(program.pid)
            g.signal(2)
            t.has(g.end(), r"SIGINT")
            t.has(g.command("info threads"), r'"python MainThread".* late_%d \(x="%d"\)' % (i, i))
        t.has(g.command("info sharedlibrary"), r"py-4.so")
        g.command("thread 2")
        t.has(g.command("bt"), r"#0 +late_2 \(x=\"2\"\) at made_2.py:3\n#1 +main \(\)")
        t.has(g.command("kill"), r"killed")


@case("a program under gdb may end, be interrupted and be killed with a virtual thread selected",
      gdb=zoo.gdbs)
def _(t, gdb):
    python = t.python()
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "inferiors",
                          "late.py")
    program = t.program(python, "late.py", until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("thread 2")
        t.has(g.command("thread"), r"Thread \d+\.268435457")
        g.begin("continue")
        g.until("Continuing", start=g.mark)
        t.eventually(lambda: t.status(program.pid, "State")[0] == "S", "it sleeps")
        g.signal(2)
        t.has(g.end(), r"SIGINT")
        g.command("thread 2")
        g.begin("continue")
        g.until("Continuing", start=g.mark)
        program.send("end\n")
        t.has(g.end(), r"exited normally")
    t.equal(program.wait(), 0, "its exit status")
    server = t.serve(ON, command=python.command(script), stdin=-1)
    with t.gdb_session(gdb, server) as g:
        t.lacks(g.command("info threads"), r"python MainThread")
        g.begin("continue")
        server.until("^ready$")
        g.signal(2)
        g.end()
        t.has(g.command("info threads"), r"python MainThread")
        g.command("thread 2")
        t.has(g.command("bt"), r"main \(\) at")
        t.has(g.command("kill"), r"killed")


@case("virtual threads can be switched on and off", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = t.program(t.python(), "late.py", until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve("--virtual-threads=off", pid=program.pid)) as g:
        t.lacks(g.command("info threads"), r"python MainThread")
        t.has(g.command("monitor set virtual-threads on"), r"are on")
        g.begin("continue")
        g.until("Continuing", start=g.mark)
        t.eventually(lambda: t.status(program.pid, "State")[0] == "S", "it sleeps")
        g.signal(2)
        g.end()
        t.has(g.command("info threads"), r"python MainThread.*main \(\)")
        t.has(g.command("monitor set virtual-threads off"), r"are off")
        t.lacks(g.command("info threads"), r"python MainThread")
        t.has(g.command("monitor set virtual-threads maybe"), r"(?i)unknown monitor")
        g.command("detach")
    t.untouched(program.pid)


@case("gdb knows the functions that no thread runs, and C's keep their names", gdb=zoo.gdbs)
def _(t, gdb):
    program = deadlocked(t, t.python())
    source = os.path.join("tests", "inferiors", "philosophers.py")
    out = t.gdb(gdb, t.serve(ON, pid=program.pid), "set breakpoint pending off", "info address eat",
                "info line eat", "info scope Table.forks_of", "info line philosophers.py:18",
                "info symbol getenv", "info address os.getenv")
    t.has(out["info address eat"], r'^Symbol "eat" is .*at address 0x7e0')
    t.has(out["info line eat"], r'^Line 21 of ".*%s" starts at address 0x7e0' % source)
    t.has(out["info scope Table.forks_of"], r"^Symbol seat is ")
    t.has(out["info line philosophers.py:18"], r"starts at address .*<Table\.forks_of\+")
    t.has(out["info symbol getenv"], r"in section \.text of .*libc")
    t.has(out["info address os.getenv"], r"at address 0x7e0")
    t.untouched(program.pid)


@case("functions that are defined later are known at a later stop", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = t.program(t.python(), "late.py", until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        t.has(g.command("info address late_7"), r"^No symbol")

        def known():
            g.begin("continue")
            g.until("Continuing", start=g.mark)
            t.asleep(program.pid)
            g.signal(2)
            t.has(g.end(), r"SIGINT")
            return "is a function" in g.command("info address unused_7")

        start = len(program.text)
        g.begin("continue")
        program.send("7\n")
        program.until("^made 7$", start=start)
        t.asleep(program.pid)
        g.signal(2)
        g.end()
        t.eventually(known, "unused_7 is known")
        g.command("detach")
    t.untouched(program.pid)


@case("a function that gdb calls may make new ones for Python", gdb=zoo.gdbs)
def _(t, gdb):
    program = t.program(t.python(), "late.py", until="^ready$", stdin=-1)
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("info address main")
        t.has(g.command("call (int) PyGILState_Ensure()"), r"^\$1 = \d$")

        def known():
            g.command("info threads")
            t.has(g.command('call (int) PyRun_SimpleString("def called(): pass")'), r"^\$\d+ = 0$")
            return "is a function at address 0x7e0" in g.command("info address called")

        # The library grows while gdb's own trap on the stack, where the call returns, waits.
        t.eventually(known, "called is known")
        g.command("call (void) PyGILState_Release($1)")
        g.command("detach")
    t.untouched(program.pid)


@case("where nothing has debug information gdb's expressions are C's", gdb=zoo.gdbs)
def _(t, gdb):
    stripped = [p for p in zoo.pythons() if p.stripped and not p.root]
    if not stripped:
        t.skip("no stripped python on this machine itself")
    program = deadlocked(t, stripped[-1])
    server = t.serve(ON, pid=program.pid)
    with t.gdb_session(gdb, None) as g:
        g.command("set debug-file-directory /none")
        g.command("target remote 127.0.0.1:%d" % server.port)
        for thread in ("1", "2"):
            g.command("thread " + thread)
            t.has(g.command("print ((int (*)(int)) getpid)(1) == %d" % program.pid), r"= 1$")
        t.has(g.command("print *(char **) &\"text\" != 0"), r"= 1$")
        g.command("detach")
    t.untouched(program.pid)


@case("a Python function that is called or jumped to as if it were C's harms nothing",
      gdb=zoo.gdbs)
def _(t, gdb):
    program = deadlocked(t, t.python())
    with t.gdb_session(gdb, t.serve(ON, pid=program.pid)) as g:
        g.command("thread 1")
        before = g.command("info registers rip rsp rbp rdi rax")
        called = g.command("call ((int (*)(int)) eat)(1)")
        t.has(called, r"^eat is a function of Python: it was not called")
        t.lacks(called, r"SIG|(?i:warning)")
        t.equal(g.command("info registers rip rsp rbp rdi rax"), before, "the registers")
        for command in ("jump eat", "set var $rip = (long) eat"):
            t.has(g.command(command), r"[Cc]ould not write register")
        t.equal(g.command("info registers rip rsp rbp rdi rax"), before, "the registers")
        t.has(g.command("call (int) getpid()"), r"^\$\d+ = %d$" % program.pid)
        g.command("detach")
    t.untouched(program.pid)


def freezing():
    return [p for p in zoo.pythons() if p.version >= (3, 11) and not p.root][::2]


@case("the source of a frozen module is found where the module has it", python=freezing)
def _(t, python):
    program = t.program(python, "frozen.py", until="^ready$", stdin=-1)
    path, frozen = t.has(program.text, r"^os (\S+) (.*)$").groups()
    t.equal(frozen, "<frozen os>", "the file of the code object")
    t.asleep(program.pid)
    out = t.gdb(zoo.gdbs()[0], t.serve(pid=program.pid), "thread 2", "up", "info source",
                "monitor py-bt", "break os.py:fsencode", "detach")
    with open(path) as f:
        lines = f.read().splitlines()
    line = int(t.has(out["up"], r"fsencode \(.*\) at %s:(\d+)" % re.escape(path))[1])
    t.has(out["up"], r"^%d\s+%s$" % (line, re.escape(lines[line - 1].replace("\t", " "))))
    t.has(lines[line - 1], "fspath")
    t.has(out["monitor py-bt"], r"<frozen os>")  # as the interpreter has it
    program.send("\n")
    program.until("^fsencode")
