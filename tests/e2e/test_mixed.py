# SPDX-License-Identifier: MIT
"""Python's frames in the stacks of the real threads that run them."""

import contextlib
import os
import re
import signal

import zoo
from harness import case

FRAME = re.compile(r"^#(\d+) +(?:0x[0-9a-f]+ in )?(\S+) \(", re.M)
FULL = ("set print address off", "set backtrace past-main on", "set backtrace limit unlimited",
        "set confirm off", "set print frame-arguments none")


WIDE = bool(os.environ.get("ARCHERFISH_WIDE"))


class Pair:
    def __init__(self, python, tool):
        self.python, self.tool = python, tool
        self.label = "%s, %s" % (python.label, tool.label)


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


def reads(pid):
    """Whether its main thread is in read(0, ...)."""
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()[:2] == ["0", "0x0"]


@contextlib.contextmanager
def finishing(t, gdb, python, others):
    """A program that waits in deep(0), and gdb with its main thread selected."""
    program = t.program(python, "finishing.py", others, until="^ready$", stdin=-1)
    t.eventually(lambda: reads(program.pid), "the program reads")
    with t.gdb_session(gdb, t.serve(pid=program.pid)) as g:
        for command in FULL + ("set print frame-arguments all",):
            g.command(command)
        number = re.search(r"^[* ] +(\d+) +Thread \d+\.%d " % program.pid,
                           g.command("info threads"), re.M)
        g.command("thread %s" % number[1])
        yield program, g
        g.command("delete")
        g.command("detach")
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, r"^result 15$")


def select(g, name):
    """Selects the frame whose line in `bt' has that; its level."""
    level = re.findall(r"^#(\d+) .*%s" % name, g.command("bt"), re.M)[0]
    g.command("frame %s" % level)
    return int(level)


def finishers():
    """Interpreters of which one loop runs several frames, beside gdbs."""
    pythons = [p for p in zoo.pythons() if (3, 11) <= p.version[:2] <= (3, 15)]
    return [Pair(p, zoo.gdbs()[0]) for p in pythons] if WIDE else \
        [Pair(p, g) for p, g in zip(pythons[::-1], zoo.gdbs())]


@case("a Python frame of a real thread is finished in that thread, of many alike the one selected",
      pair=finishers)
def _(t, pair):
    with finishing(t, pair.tool, pair.python, others=2) as (program, g):
        names = frames(g.command("bt"))
        level = select(g, r'deep \(n="1"')
        program.send("\n")  # which it reads when it goes on
        t.has(g.command("finish"), r'deep \(n="2"')
        # It is the caller that stops, and what lies below is as it was.
        t.has(g.command("thread"), r"Current thread is \d+ \(Thread \d+\.%d" % program.pid)
        t.equal(frames(g.command("bt")), names[level + 1:], "what is left of the stack")
        t.has(g.command("info locals"), r'below = "<not set>"')
        t.has(g.command("set variable $rbx = 5"), r"(?i)could not|cannot be written")
        t.has(g.command("call (int) getpid()"), r"(?i)cannot|could not")
        t.has(g.command("frame"), r'deep \(n="2"')
        t.equal(frames(g.command("bt")), names[level + 1:], "what is left after a call")
        # Its own steps are those of Python.
        t.has(g.command("next"), r"total = below")
        t.has(g.command("next"), r"return total")
        t.has(g.command("info locals"), r'total = "3"')
        select(g, r'deep \(n="4"')
        t.has(g.command("finish"), r" key \(|^key \(")
        t.has(g.command("next"), r"b = a")
        # Behind the last frame of the loop there is C.
        t.has(g.command("finish"), r"\[C\] \(\)")
        level = names.index("[C]")
        t.equal(frames(g.command("bt")), names[level:], "what is left is C")
        t.has(g.command("call (int) getpid()"), r"= %d\n" % program.pid)
        t.lacks(g.command("stepi"), r"(?i)error|cannot")
        t.has(g.command("bt"), r"outer \(")


def advancers():
    pythons = [p for p in zoo.pythons() if (3, 8) <= p.version[:2] <= (3, 15)]
    return [Pair(p, zoo.gdbs()[0]) for p in pythons] if WIDE else \
        [Pair(pythons[0], zoo.gdbs()[0]), Pair(pythons[-1], zoo.gdbs()[-1])]


@case("gdb goes until and advances from a Python frame of a real thread, and steps from there",
      pair=advancers)
def _(t, pair):
    line = {what: t.line("finishing.py", what) for what in ("behind the loop", "behind sorted",
                                                           "in the loop")}
    with finishing(t, pair.tool, pair.python, others=1) as (program, g):
        select(g, r"\bkey \(")
        program.send("\n")
        t.has(g.command("advance finishing.py:%d" % line["in the loop"]), r"key \(.*\n%d\s" % line["in the loop"])
        t.has(g.command("thread"), r"Thread \d+\.%d" % program.pid)
        t.has(g.command("until %d" % line["behind the loop"]),
              r"key \(.*\n%d\s" % line["behind the loop"])
        t.has(g.command("info locals"), r'b = "23"')
        # To 3.10 Python calls through C, which a step goes over.
        if pair.python.version >= (3, 11):
            t.has(g.command("step"), r'deep \(n="2"')
            t.has(g.command("bt 2"), r'#0 +deep \(n="2".*\n#1 .*key \(')
            t.has(g.command("finish"), r"key \(")
        select(g, "outer")
        t.has(g.command("advance %d" % line["behind sorted"]),
              r"outer \(.*\n%d\s" % line["behind sorted"])
        t.has(g.command("thread"), r"Thread \d+\.%d" % program.pid)
        t.has(g.command("next"), r"third = sorted")
        t.has(g.command("step"), r"return first\[0\]")


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


# ---- what is true of memory and registers ----

SYNTHETIC = (0x7e0000000000, 0x7e5000000000)


def nested(t, kinds="sorted,sorted", n=12, python=None):
    program = t.program(python or t.python(), "nested.py", kinds, n, until="^ready$", stdin=-1)
    t.asleep(program.pid)
    return program


def peek(pid, addr, size=8):
    """What a process really has there."""
    with open("/proc/%d/mem" % pid, "rb") as f:
        f.seek(addr)
        return f.read(size)


PYTHON = ("rest", "descend", "nest", "nest.<locals>.<lambda>", "<lambda>", "main", "<module>")


def loops(g):
    """[(number of its frame, where its return address is)] of those that run Python."""
    found, names = [], frames(g.command("bt"))
    for i, name in enumerate(names):
        if name in PYTHON and i and names[i - 1] not in PYTHON:
            g.command("frame %d" % (i - 1))
            where = re.search(r"rip at (0x[0-9a-f]+)", g.command("info frame"))
            found.append((i - 1, int(where[1], 16)))
    return found


def synthetic(word):
    return SYNTHETIC[0] <= word < SYNTHETIC[1]


def opened(t, gdb, program, *options):
    return t.gdb_session(gdb, t.serve("--mixed=on", *options, pid=program.pid))


def words(data):
    return [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data) - 7, 8)]


@case("what gdb reads, writes and saves of a stack with Python frames is the program's own",
      gdb=lambda: zoo.gdbs()[:1] + zoo.gdbs()[2:])
def _(t, gdb):
    program = nested(t)
    core = os.path.join(t.dir, "core")
    with opened(t, gdb, program) as g:
        for command in FULL:
            g.command(command)
        found = loops(g)
        t.check(len(found) >= 3, "loops: %s" % found)
        for number, slot in found:
            true = peek(program.pid, slot)
            word = int.from_bytes(true, "little")
            t.check(not synthetic(word), "the slot is not what it should be: %x" % word)
            g.command("frame %d" % number)
            t.has(g.command("x/gx 0x%x" % slot), r":\s+0x%016x" % word)
            t.has(g.command("print/x *(long *) 0x%x" % slot), r"= 0x%x\n" % word)
            shown = re.search(r"saved rip = (0x[0-9a-f]+)", g.command("info frame"))
            t.check(synthetic(int(shown[1], 16)), "the caller is Python's: %s" % shown[1])
            t.lacks(g.command("up"), r"(?i)corrupt|cannot|No frame")
            # Written back, as it is, in part, and as what was shown of it.
            for write in ("*(long *) 0x%x = 0x%x" % (slot, word),
                          "*(char *) 0x%x = 0x%x" % (slot, true[0]),
                          "*(long *) 0x%x = %s" % (slot, shown[1])):
                g.command("set variable " + write)
                t.equal(peek(program.pid, slot), true, write)
            t.lacks(g.command("frame %d" % (number + 1)), r"(?i)no frame")
        t.equal(loops(g), found, "the loops")
        t.has(g.command("generate-core-file " + core), r"Saved corefile")
        around = [peek(program.pid, slot - 64, 128) for _, slot in found]
        g.command("detach")
    with open(core, "rb") as f:
        saved = f.read()
    t.equal([part in saved for part in around], [True] * len(found), "stacks in the core file")
    t.check(program.running(), "ended with %s: %s" % (program.popen.returncode, program.text))
    program.send("\n")
    program.until("^done$")
    t.equal(program.wait(), 0, "its exit status")


@case("a loop that gdb finishes is the one that was selected, of many alike",
      gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = nested(t, "sorted,sorted,sorted,sorted,sorted")
    with opened(t, gdb, program) as g:
        for command in FULL:
            g.command(command)
        number, slot = loops(g)[3]
        names = frames(g.command("bt"))
        g.command("frame %d" % number)
        g.begin("finish")
        g.until("Run till exit", start=g.mark)
        program.send("\n")
        t.has(g.end(), r"nest")
        t.equal(frames(g.command("bt")), names[number + 1:], "what is left of the stack")
        t.has(g.command("print/x (long) $sp"), r"= 0x%x\n" % (slot + 8))
        t.lacks(g.command("stepi"), r"(?i)error|cannot")
        t.lacks(g.command("bt"), r"(?i)corrupt|cannot")
        # Posing again, and left behind.
        number, _ = loops(g)[0]
        g.command("frame %d" % number)
        t.lacks(g.command("finish"), r"(?i)error|cannot")
        t.lacks(g.command("bt"), r"(?i)corrupt|cannot")
        g.command("detach")
    program.until("^done$")
    t.equal(program.wait(), 0, "its exit status")


@case("gdb steps through C under Python frames, goes until and advances out of a loop")
def _(t):
    program = nested(t)
    with opened(t, zoo.gdbs()[0], program) as g:
        for command in FULL:
            g.command(command)
        names = frames(g.command("bt"))
        g.begin("finish")
        g.until("Run till exit", start=g.mark)
        program.send("\n")
        t.lacks(g.end(), r"(?i)error")
        for command in ("stepi", "nexti", "stepi 20", "finish", "finish", "nexti 3"):
            t.lacks(g.command(command), r"(?i)error|cannot")
            now = frames(g.command("bt"))
            t.equal(now[-12:], names[-12:], "the outer frames after %s" % command)
        # To somewhere that is reached much later, unless the loop returns first.
        for command in "advance Py_FinalizeEx", "until Py_FinalizeEx":
            number, slot = loops(g)[0]
            names = frames(g.command("bt"))
            g.command("frame %d" % number)
            g.command(command)
            t.equal(frames(g.command("bt")), names[number + 1:], "what is left after " + command)
            t.has(g.command("print/x (long) $sp"), r"= 0x%x\n" % (slot + 8))
        g.command("detach")
    program.until("^done$")
    t.equal(program.wait(), 0, "its exit status")


@case("a return out of a loop's C frame goes to the program's own address")
def _(t):
    program = nested(t, "sorted", 9)
    with opened(t, zoo.gdbs()[0], program) as g:
        for command in FULL:
            g.command(command)
        number, slot = loops(g)[0]
        true = int.from_bytes(peek(program.pid, slot), "little")
        before = g.command("bt")
        g.command("frame %d" % (number + 1))
        t.has(g.command("call (int) getpid()"), r"= %d\n" % program.pid)
        t.has(g.command("frame"), r"rest")
        t.equal(g.command("bt"), before, "the backtrace after a call")
        g.command("frame %d" % number)
        t.has(g.command("return"), r"#0 .*rest")
        t.has(t_registers(t, program.pid), r"sp 0x%x, pc 0x%x" % (slot + 8, true))
        t.lacks(g.command("bt"), r"(?i)corrupt|cannot")
        t.has(g.command("call (int) getpid()"), r"= %d\n" % program.pid)
        t.has(g.command("frame 0"), r"rest")
        t.has(t_registers(t, program.pid), r"sp 0x%x, pc 0x%x" % (slot + 8, true))
        g.command("kill")
    t.check(program.wait() != 0, "it was killed")


def t_registers(t, pid):
    """The registers of a stopped thread as the kernel says."""
    with open("/proc/%d/syscall" % pid) as f:
        fields = f.read().split()
    return "sp %s, pc %s" % (fields[-2], fields[-1])


def stop_again(g, program):
    """The next stop of a program that waits: by a signal that it never gets."""
    g.command("handle SIGUSR1 stop nopass")
    os.kill(program.pid, signal.SIGUSR1)
    g.command("continue")


@case("a thread that is shown at a Python frame is let go there, and to another client")
def _(t):
    python, gdb = finishers()[0].python, zoo.gdbs()[0]
    for leave in "detach", "disconnect":
        program = t.program(python, "finishing.py", 0, until="^ready$", stdin=-1)
        t.eventually(lambda pid=program.pid: reads(pid), "the program reads")
        server = t.serve(pid=program.pid)
        with t.gdb_session(gdb, server) as g:
            for command in FULL:
                g.command(command)
            names = frames(g.command("bt"))
            select(g, r"\bdeep \(")
            program.send("\n")
            t.has(g.command("finish"), r"\bdeep \(")
            g.command(leave)
        if leave == "disconnect":
            # It stands where it stood, now with the loop that runs it.
            with t.gdb_session(gdb, server) as g:
                for command in FULL:
                    g.command(command)
                now = frames(g.command("bt"))
                t.equal(now[-12:], names[-12:], "the outer frames")
                t.equal([n for n in now if n == "deep"], ["deep"] * 4, "those of Python")
                g.command("detach")
        t.equal(program.wait(), 0, "its exit status")
        t.has(program.text, r"^result 15$")


@case("a breakpoint is never put into code that took the place of another")
def _(t):
    program = t.program(t.python(), "replaced.py", until="^ready$", stdin=-1)
    addr = int(t.has(program.text, r"^code (\d+) 2$")[1])
    t.asleep(program.pid)
    with t.gdb_session(zoo.gdbs()[0], t.serve(pid=program.pid)) as g:
        for command in FULL[1:]:
            g.command(command)
        pc = t.has(g.command("info line before"), r"address (0x[0-9a-f]+) <before")[1]
        program.send("\n")
        g.begin("continue")
        program.until("^(same|elsewhere)$")
        if "elsewhere" in program.text:
            t.skip("no code object came to be in the other's place")
        t.asleep(program.pid)
        g.signal(2)
        g.end()
        before = peek(program.pid, addr + 16, 200)
        g.command("break *%s" % pc)
        g.command("break before")
        g.begin("continue")
        g.until(r"(?i)gone|Cannot insert|Continuing", start=g.mark)
        t.equal(peek(program.pid, addr + 16, 200), before, "the code object that is there now")
        program.send("\n")
        program.until("^result True$")
        g.end()
    t.equal(program.wait(), 0, "its exit status")


@case("a stack that C left by longjmp is C's, and the session goes on", python=few)
def _(t, python):
    if python.root:
        t.skip("the library is this machine's")
    library = t.compile("jumping.c", "-shared", "-fPIC")
    program = t.program(python, "jumping.py", library, until="^ready$")
    t.asleep(program.pid)
    with t.gdb_session(zoo.gdbs()[0], t.serve(pid=program.pid)) as g:
        for command in FULL:
            g.command(command)
        names = frames(g.command("bt"))
        t.check("leap" in names[:4] and names[-1] in ("_start", "??"), "C's frames: %s" % names)
        t.lacks(g.command("bt"), r"(?i)corrupt|Cannot access")
        t.has(g.command("monitor py-bt"), r"outside")
        stop_again(g, program)
        t.equal(frames(g.command("bt")), names, "the same at the next stop")
        g.command("detach")
    t.untouched(program.pid)


@case("three thousand Python frames of a real thread are shown to their end")
def _(t):
    program = t.program(finishers()[0].python, "plenty.py", "depth", 3000, until="^ready$")
    t.asleep(program.pid)
    with t.gdb_session(zoo.gdbs()[0], t.serve(pid=program.pid)) as g:
        for command in FULL:
            g.command(command)
        tid = [n for n in t.threads(program.pid) if n != program.pid][0]
        number = re.search(r"^[* ] +(\d+) +Thread \d+\.%d " % tid, g.command("info threads"), re.M)
        g.command("thread %s" % number[1])
        last = FRAME.findall(g.command("bt -12"))
        t.check(int(last[-1][0]) > 3000, "%s frames" % last[-1][0])
        t.has(" ".join(name for _, name in last), r"\[C\] .*(clone|\?\?)")
        g.command("detach")
    t.untouched(program.pid)


@case("a frame that is overwritten leaves the real thread's stack to C")
def _(t):
    program = nested(t, n=3)
    with opened(t, zoo.gdbs()[0], program) as g:
        for command in FULL:
            g.command(command)
        whole = frames(g.command("bt"))
        plain = [n for n in whole if n not in PYTHON and n != "[C]"]
        addr = int(t.has(g.command("monitor py-up"), r"Frame (0x[0-9a-f]+)")[1], 16)
        saved = words(peek(program.pid, addr, 80))
        for fill in 0x4141414141414141, 0xffffffffffffffff, 8, 0:
            for i in range(len(saved)):
                g.command("set {long} 0x%x = 0x%x" % (addr + 8 * i, fill))
            stop_again(g, program)  # another stop, in a system call
            names = frames(g.command("bt"))
            t.equal([n for n in names if n not in PYTHON and n != "[C]" and "corrupt" not in n][-6:],
                    plain[-6:], "C's frames with %x" % fill)
            for i, word in enumerate(saved):
                g.command("set {long} 0x%x = 0x%x" % (addr + 8 * i, word))
        t.equal(frames(g.command("bt"))[-12:], whole[-12:], "the stack, once it is whole again")
        g.command("kill")


# ---- every client ----

SEEN = {"dine", "run", "_bootstrap_inner", "_bootstrap", "Thread.run", "Thread._bootstrap_inner",
        "Thread._bootstrap"}
LLDB = ("settings set thread-stop-format 'thread ${thread.id%tid}\\n'",
        "settings set frame-format 'frame ${frame.index}: {${function.name}}\\n'")


class Inside:
    """An interpreter of this machine, or a debugger, in a root where both are run: they have
    the same libraries then."""

    def __init__(self, tool, python, root):
        self.tool, self.root, self.path = tool, root, tool.path
        self.folder = os.path.dirname(os.path.dirname(python.path))

    def command(self, *args):
        return ["/bin/sh", "-c", zoo.SHOWN, self.folder, zoo.ENTER, self.root, self.path, *args]


def wanted(version):
    return (3, 8) <= version[:2] <= (3, 15)


def pairs_gdb():
    if not WIDE:
        return [Pair(p, zoo.gdbs()[-1]) for p in zoo.pythons() if p.version[:2] == (3, 10)][:1]
    return [Pair(p, g) for p in zoo.pythons() if wanted(p.version) for g in zoo.gdbs()]


def pairs_lldb():
    pairs = [Pair(p, d) for p in zoo.pythons() for d in zoo.lldbs()
             if wanted(p.version) and (p.root == d.root or p.kind == "pyenv")]
    if WIDE:
        return pairs
    # One whose interpreter has names, and the newest of both.
    return [p for p in pairs if p.python.version[:2] == (3, 12) and not p.tool.root][:1] + pairs[-1:]



def without_python(names):
    """C's frames alone; those of Python must be there, once, in their order."""
    return [n for n in names if n not in SEEN and n != "[C]"]


def judge(t, mixed, plain, whole):
    """`mixed` is `plain` with the Python frames of a philosopher in it; innermost first."""
    python = [n.rpartition(".")[2] for n in mixed if n in SEEN]
    t.equal(without_python(mixed), plain, "the frames of C")
    if whole:
        t.equal(python, ["dine", "run", "_bootstrap_inner", "_bootstrap"], "the frames of Python")
        at = [i for i, n in enumerate(mixed) if n in SEEN]
        t.check(at[0] > 3 and at[-1] < len(mixed) - 2, "C before and behind: %s" % mixed)


def gdb_stacks(t, gdb, program, option):
    """{thread: names}."""
    found = {}
    with t.gdb_session(gdb, t.serve("--mixed=" + option, pid=program.pid)) as g:
        for command in FULL + ("set print frame-info short-location",):
            g.command(command)
        listed = g.command("info threads")
        for tid in t.threads(program.pid)[1:]:
            number = re.search(r"^[* ] +(\d+) +Thread \d+\.%d " % tid, listed, re.M)
            g.command("thread %s" % number[1])
            found[tid] = frames(g.command("bt"))
        g.command("detach")
    return found


@case("of every gdb a philosopher's backtrace is C's with the Python frames in it, to clone",
      pair=pairs_gdb)
def _(t, pair):
    program = t.program(pair.python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    mixed = gdb_stacks(t, pair.tool, program, "on")
    plain = gdb_stacks(t, pair.tool, program, "off")
    for tid, names in mixed.items():
        judge(t, names, plain[tid], True)
        t.check(re.search(r"clone|^\?\?$", names[-1]), "the last: %s" % names)
        t.check(re.search(r"futex|syscall|sem_|clockwait|timedwait|^\?\?$", names[0]),
                "the first: %s" % names)
    t.untouched(program.pid)


def lldb_stacks(t, lldb, program, option, file):
    """{tid: names} of the real threads; and what was said."""
    out = t.lldb(lldb, t.serve("--mixed=" + option, pid=program.pid,
                               env=t.environment(XDG_RUNTIME_DIR=t.dir)),
                 *LLDB, "thread backtrace all", "detach", file=file)
    found = {}
    for piece in re.split(r"^[* ] thread ", out["thread backtrace all"], flags=re.M)[1:]:
        tid = int(piece.split()[0], 0)
        found[tid] = [name.strip() or "??" for name in
                      re.findall(r"^ +(?:\* )?frame \d+:(.*)$", piece, re.M)]
    return found


@case("of every lldb a philosopher's backtrace is C's with the Python frames in it, to clone",
      pair=pairs_lldb)
def _(t, pair):
    python, lldb = pair.python, pair.tool
    if lldb.root and not python.root:
        python, lldb = (Inside(tool, pair.python, pair.tool.root) for tool in (python, lldb))
    program = t.program(python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    mixed = lldb_stacks(t, lldb, program, "on", pair.python.path)
    plain = lldb_stacks(t, lldb, program, "off", pair.python.path)
    whole = 0
    for tid in t.threads(program.pid)[1:]:
        t.check(tid in mixed and tid in plain, "thread %d is missing" % tid)
        # lldb 19 does not get out of some builds' loop, with us or without.
        reached = pair.tool.version[0] != 19 or len(mixed[tid]) > len(plain[tid])
        whole += reached
        judge(t, mixed[tid], plain[tid], reached)
    t.check(whole == 5 or pair.tool.version[0] == 19, "not all stacks are whole: %s" % plain)
    t.untouched(program.pid)
