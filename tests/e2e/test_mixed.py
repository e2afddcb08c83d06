# SPDX-License-Identifier: MIT
"""Python's frames in the stacks of the real threads that run them."""

import re

import zoo
from harness import case

FRAME = re.compile(r"^#(\d+) +(?:0x[0-9a-f]+ in )?(\S+) \(", re.M)
FULL = ("set print address off", "set backtrace past-main on", "set backtrace limit unlimited",
        "set confirm off", "set print frame-arguments none")


def few():
    return [p for p in zoo.pythons() if p.version[:2] in ((3, 11), (3, 12), (3, 14))
            and (p.version[:2] != (3, 11) or p.kind == "host")]


def frames(text):
    return [name for _, name in FRAME.findall(text)]


def follows(t, names, first, *others):
    at = [i for i, name in enumerate(names) if name == first]
    t.check(any(tuple(names[i + 1:i + 1 + len(others)]) == others for i in at),
            "%s comes right behind %s in %s" % (others, first, names))


@case("a real thread's backtrace has its Python frames where they ran", python=few,
      gdb=lambda: zoo.gdbs()[:1])
def _(t, python, gdb):
    program = t.program(python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    with t.gdb_session(gdb, t.serve("--mixed=on", pid=program.pid)) as g:
        for command in FULL:
            g.command(command)
        for tid in t.threads(program.pid):
            number = re.search(r"^[* ] +(\d+) +Thread \d+\.%d " % tid, g.command("info threads"),
                               re.M)
            g.command("thread %s" % number[1])
            text = g.command("bt")
            names = frames(text)
            t.lacks(text, r"(?i)corrupt|Backtrace stopped")
            if tid == program.pid:
                follows(t, names, "main", "<module>")
                t.check(names[-1] in ("_start", "??"), "ends where the program began: %s" % text)
            else:
                t.equal([n for n in names if n == "dine" or n.startswith("Thread.")],
                        ["dine", "Thread.run", "Thread._bootstrap_inner", "Thread._bootstrap"],
                        "Python frames in %s" % names)
                t.check(names[-1] in ("clone", "clone3", "__clone", "??"), "the last: %s" % text)
                t.check(names.index("dine") > 5 and len(names) > names.index("[C]") + 2,
                        "C frames before and behind: %s" % text)
        g.command("detach")
    t.untouched(program.pid)


@case("gdb can finish a loop that runs Python, and the program goes on", gdb=zoo.gdbs)
def _(t, gdb):
    python = t.python()
    program = t.program(python, "late.py", until="^ready$", stdin=-1)
    t.asleep(program.pid)
    with t.gdb_session(gdb, t.serve("--mixed=on", pid=program.pid)) as g:
        for command in FULL:
            g.command(command)
        g.command("info threads")
        names = frames(g.command("bt"))
        follows(t, names, "main", "<module>")
        loop = names.index("<module>") - 2  # some builds do not name it
        before = g.command("info registers rip rsp rbp rbx")
        g.command("frame %d" % (loop + 1))
        t.has(g.command("x/gx $sp"), r"0x[0-9a-f]+:\s+0x[0-9a-f]{16}$")
        t.has(g.command("up"), r"<module>")
        t.has(g.command("return"), r"(?i)could not|cannot|not be written|function of Python")
        g.command("maintenance flush register-cache")
        g.command("frame 0")
        t.equal(g.command("info registers rip rsp rbp rbx"), before, "registers")
        g.command("frame %d" % loop)
        g.begin("finish")
        g.until("Run till exit", start=g.mark)
        program.send("end\n")
        t.has(g.end(), r"main \(")
        t.has(g.command("bt"), r"#0 .*main \(.*\n#1 .*<module>(.*\n)*.*(_start|\?\?) \(")
        g.begin("continue")
        t.has(g.end(), r"exited normally")
    t.equal(program.wait(), 0, "its exit status")
