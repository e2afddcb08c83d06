# SPDX-License-Identifier: MIT
"""C frames are where gdb sees them, and Python frames among them where they ran."""

import json
import os
import re
import subprocess

import zoo
from harness import INFERIORS, case

# Prints every frame of every thread that is one of the machine's: neither an inlined call
# nor one that gdb concludes from a tail call.
ALL_FRAMES = """
for thread in gdb.selected_inferior().threads():
    thread.switch()
    print("thread %d" % thread.ptid[1])
    frame = gdb.newest_frame()
    while frame:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            print("frame 0x%x 0x%x %s" % (frame.pc(), int(frame.read_register("rsp")) & 2**64 - 1,
                                          frame.name()))
        frame = frame.older()
    print(frame)
"""
WIDE = bool(os.environ.get("ARCHERFISH_WIDE"))

NATIVE = re.compile(r"^  C  (?:(?P<name>.*)\+\d+ \(.*|[^ ]*\+0x[0-9a-f]+.*)\n"
                    r"    at (?P<pc>0x[0-9a-f]+), frame (?P<cfa>0x[0-9a-f]+)", re.M)


def one():
    """The newest that gdb reads in a moment: of the machine itself, stripped if there is one."""
    here = sorted((p for p in zoo.pythons() if not p.root), key=lambda p: (p.stripped, p.version))
    return zoo.pythons() if WIDE else (here or zoo.pythons())[-1:]


def few():
    """One for each way in which Python frames are given their C frames, and the newest."""
    kinds = {}
    for python in zoo.pythons():
        kinds[max(python.version[:2], (3, 10)) if python.version < (3, 13) else "newest"] = python
    return zoo.pythons() if WIDE else list(kinds.values())


def blocked(t, python, *ways):
    """The program in a wait, under the named boundaries between Python and C, or all."""
    if not python.loads:
        return asleep(t, python, "-", *ways)
    folder = os.path.join(t.dir, "ext")
    os.mkdir(folder)
    free = ["-DFREE_THREADED"] * ("free-threaded" in python.build)
    build = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", *free, "-o",
                            os.path.join(folder, "boundary.so"),
                            os.path.join(INFERIORS, "boundary.c")], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True)
    t.check(build.returncode == 0, "boundary.c does not compile:\n" + build.stdout)
    return asleep(t, python, folder, *ways)


def asleep(t, python, *args):
    program = t.program(python, "boundaries.py", *args, until="^resting$")
    t.asleep(program.pid)
    return program


def plain(name):
    """A function's name without what a compiler or a C library adds to it."""
    return re.sub(r"^_+(GI_+)?|(_impl)?(@.*|\..*)?$", "", name)


def same_names(ours, gdbs):
    return ours == gdbs or (ours and gdbs and plain(ours) == plain(gdbs))


def gdb_frames(text):
    """{tid: [(pc, cfa or None, name)]}, innermost first."""
    found = {}
    for piece in re.split(r"^thread ", text, flags=re.M)[1:]:
        rows = re.findall(r"^frame (\S+) (\S+) (.*)$", piece, re.M)
        sps = [sp for _, sp, _ in rows[1:]] + [None]
        found[int(piece.split()[0])] = [(pc, cfa, None if name == "None" else name)
                                        for (pc, _, name), cfa in zip(rows, sps)]
    return found


def our_frames(text):
    pieces = re.split(r"^Thread (\d+) .*$", text, flags=re.M)[1:]
    return {int(tid): [(m["pc"], m["cfa"], m["name"]) for m in NATIVE.finditer(piece)]
            for tid, piece in zip(pieces[::2], pieces[1::2])}


@case("C frames are those that gdb finds, pc by pc", python=one, timeout=300)
def _(t, python):
    program = blocked(t, python, "thread", "sorted", "extension", "qsort", "raise", "python")
    script = os.path.join(t.dir, "frames.py")
    with open(script, "w") as f:
        f.write(ALL_FRAMES)
    gdb = [g for g in zoo.gdbs() if g.root == python.root] or zoo.gdbs()
    out = t.gdb(gdb[0], t.serve("--virtual-threads=off", pid=program.pid), "set backtrace past-main on",
                "set backtrace past-entry on", "monitor py-bt all full native", "source " + script,
                seconds=250)
    theirs = gdb_frames(out["source " + script])
    ours = our_frames(out["monitor py-bt all full native"])
    t.equal(sorted(ours), sorted(theirs), "the threads")
    t.equal(len(ours), 2, "how many threads there are")
    for tid, frames in theirs.items():
        t.equal([pc for pc, _, _ in ours[tid]], [pc for pc, _, _ in frames], "pcs of thread %d" % tid)
        for i, (mine, its) in enumerate(zip(ours[tid], frames)):
            t.check(its[1] is None or mine[1] == its[1], "frame %d of thread %d is at %s, not %s: %s"
                    % (i, tid, mine[1], its[1], its[2]))
            t.check(same_names(mine[2], its[2]),
                    "frame %d of thread %d is in %s, not %s" % (i, tid, its[2], mine[2]))
    t.untouched(program.pid)


# What lies between Python's by_WAY() and the function that C calls for it: modules and
# functions, those of the interpreter only where it has symbols.
BETWEEN = {
    "sorted": ([], ["builtin_sorted"]),
    "sub": ([], ["pattern_subx"]),
    "qsort": (["libffi|_ctypes", "libc[.-]", "libffi|_ctypes"], []),
    "extension": (["boundary.so", "boundary.so"], []),
    "reduce": ([], ["functools_reduce"]),
    "raise": ([], ["min_max"]),
    "exec": ([], ["builtin_exec"]),
}


def stack_of(t, document, tid):
    threads = [th for i in document["interpreters"] for th in i["threads"] if th.get("tid") == tid]
    t.equal(len(threads), 1, "thread states of %d" % tid)
    t.equal(threads[0].get("mismatch"), None, "mismatch")
    frames = threads[0]["frames"]
    t.equal([f["at"] for f in frames], list(range(len(frames))), "places")
    return frames


def is_native(frame):
    return frame.get("kind") == "native"


def called_by(t, frames, way):
    """C frames between by_WAY() and the Python function that it had C call."""
    at = [i for i, f in enumerate(frames) if f.get("name") == "by_" + way][0]
    inner = at
    while is_native(frames[inner - 1]):
        inner -= 1
    t.check(inner < at, "by_%s called no C" % way)
    return frames[inner:at]


def check_loops(t, frames, per_loop):
    """Behind each group of Python frames stands the loop that runs as many."""
    group = 0
    for frame in frames:
        t.check(frame.get("kind") != "cut", "the C stack is cut: %s" % frame.get("reason"))
        if not is_native(frame):
            group += 1
            t.check(not per_loop or group <= per_loop, "one loop runs too many frames")
            continue
        t.equal(frame.get("runs") or 0, group, "frames that %s runs" % frame)
        group = 0
    t.equal(group, 0, "Python frames without a loop")
    t.check(any(f.get("runs") for f in frames), "no loop")


@case("Python frames lie among the C frames that ran them", python=few)
def _(t, python):
    program = blocked(t, python)
    printer = t.archerfish("stacks", "--native", "--json", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    frames = stack_of(t, json.loads(printer.text), program.pid)
    alone = t.archerfish("stacks", "--json", program.pid)
    t.equal(alone.wait(), 0, "its exit status")
    threads = json.loads(alone.text)["interpreters"][0]["threads"]
    t.equal([f["name"] for f in frames if f.get("kind") not in ("native", "cut")],
            [f["name"] for f in threads[0]["frames"]], "Python frames with C's and without")
    if python.build == "musl":  # Debian's was made without unwind tables
        cuts = [f["reason"] for f in frames if f.get("kind") == "cut"]
        t.equal(len(cuts), 1, "where the C stack is cut")
        t.has(cuts[0], "^nothing says how to unwind 0x")
        return
    check_loops(t, frames, 1 if python.version < (3, 11) else 0)
    symbols = not python.stripped
    for way, (modules, functions) in BETWEEN.items():
        if way in ("qsort", "extension") and not python.loads:
            continue
        natives = called_by(t, frames, way)
        for i, pattern in enumerate(modules + (functions if symbols else [])):
            key = "module" if i < len(modules) else "name"
            while natives and not re.search(pattern, natives[0].get(key) or ""):
                natives.pop(0)
            t.check(natives, "no %s among the C frames of %s: %s" % (pattern, way, [
                (f.get("name"), f.get("module")) for f in called_by(t, frames, way)]))
    if python.loads:
        names = [f.get("name") for f in called_by(t, frames, "extension")]
        at = names.index("call_in_c") if "call_in_c" in names else -1
        t.check(at >= 0 and names[at + 1] == "boundary_call", "the extension's functions: %s" % names)
    t.untouched(program.pid)


@case("a process without Python has C frames")
def _(t):
    sleeper = t.start_program(["sleep", "1000"])
    t.asleep(sleeper.pid)
    printer = t.archerfish("stacks", "--native", sleeper.pid)
    t.equal(printer.wait(), 0, "its exit status")
    t.has(printer.text, r"^Thread %d \(no Python\)" % sleeper.pid)
    t.has(printer.text, r"nanosleep")
    t.lacks(printer.text, r"C frames end")
    t.untouched(sleeper.pid)


STRIPPED = """#include <unistd.h>
static __attribute__((noinline)) int hidden_wait(void) { pause(); return 1; }
int main(void) { return hidden_wait() + 1; }
"""


@case("a stripped program's functions have the names of its debug file, found by its link")
def _(t):
    source, program = os.path.join(t.dir, "linked.c"), os.path.join(t.dir, "linked")
    with open(source, "w") as f:
        f.write(STRIPPED)
    for command in ([os.environ.get("CC", "cc"), "-g", "-O0", "-Wl,--build-id=none", "-o", program, source],
                    ["objcopy", "--only-keep-debug", program, program + ".debug"],
                    ["strip", "--strip-all", program],
                    ["objcopy", "--add-gnu-debuglink=" + program + ".debug", program]):
        t.equal(subprocess.run(command).returncode, 0, " ".join(command))
    waiting = t.start_program([program])
    t.asleep(waiting.pid)

    def shown():
        printer = t.archerfish("stacks", "--native", waiting.pid)
        t.equal(printer.wait(), 0, "its exit status")
        return printer.text

    t.has(shown(), r"C  hidden_wait\+")
    os.mkdir(os.path.join(t.dir, ".debug"))
    os.rename(program + ".debug", os.path.join(t.dir, ".debug", "linked.debug"))
    t.has(shown(), r"C  hidden_wait\+")
    with open(os.path.join(t.dir, ".debug", "linked.debug"), "ab") as f:
        f.write(b"another")
    t.lacks(shown(), r"hidden_wait")
    t.untouched(waiting.pid)
