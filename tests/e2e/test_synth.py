# SPDX-License-Identifier: MIT
"""The synthetic library by itself: what debuggers and other tools make of an image."""

import json
import os
import re
import shutil
import subprocess

import zoo
from harness import Process, case


def image(t, n=0):
    """Writes the image of tests/synth/image.c; returns its path."""
    program = os.path.join(os.path.dirname(t.stub), "synth-image")
    if not os.path.exists(program):
        t.skip("there is no %s (make check-e2e builds it)" % program)
    path = os.path.join(t.dir, "py-1.so")
    writer = t.start(Process, "synth-image", [program, path, n])
    t.equal(writer.wait(), 0, "its exit status; it said:\n" + writer.text)
    os.mkdir(os.path.join(t.dir, "rel"))
    for name in ("app", "rel/mod"):
        with open(os.path.join(t.dir, name + ".py"), "w") as f:
            f.write("".join("line %d of %s\n" % (i, name) for i in range(1, 31)))
    return path


def tool(t, *command):
    """(what it wrote, what it complained about)"""
    if not shutil.which(command[0]):
        t.skip("there is no %s" % command[0])
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=120, env=t.environment())
    out, err = (b.decode("utf-8", "replace") for b in (run.stdout, run.stderr))
    t.note("%s: %d\n%s%s" % (" ".join(command), run.returncode, out, err))
    return out, err


@case("an image of the synthetic library is clean to readelf and objdump")
def _(t):
    path = image(t)
    out, err = tool(t, "readelf", "-aW", path)
    t.equal(err, "", "what readelf complained about")
    t.has(out, r"FUNC +GLOBAL +DEFAULT +\d+ py\.Pool\.malloc\.2$")
    t.lacks(out, r" (eat|malloc|main)$")
    out, err = tool(t, "objdump", "--dwarf", path)
    t.lacks(out + err, r"(?i)warning|corrupt|unknown|error")
    out, _ = tool(t, "objdump", "--dwarf=frames", path)
    t.equal(len(re.findall(r"FDE cie", out)), 2, "rules: all functions', and the root's")
    t.has(out, r"DW_CFA_undefined: r16 \(rip\)")


@case("an image of 2,000 functions passes llvm-dwarfdump --verify")
def _(t):
    path = image(t, 2000)
    out, _ = tool(t, "llvm-dwarfdump", "--verify", path)
    t.has(out, r"^No errors\.$")


BREAKS = {"break eat": "2 locations", "break Pool.malloc": "line 20",
          "break app.py:eat": "/app.py, line 12", "break mod.py:eat": "rel/mod.py, line 12",
          "break app.py:13": "/app.py, line 13", "break rel/mod.py:13": "rel/mod.py, line 13"}


@case("stock gdb finds functions, lines and variables in an image", gdb=zoo.gdbs)
def _(t, gdb):
    path = image(t)
    commands = ["info line app.py:11", "info scope eat", "info scope Pool.malloc", "list eat",
                *BREAKS]
    out = t.gdb(gdb, None, "set breakpoint pending off", *commands, file=path)
    t.equal(out.status, 0, "gdb's exit status")
    t.has(out["info line app.py:11"], r'^Line 11 of ".*/app\.py" starts at address .*<eat\+16>')
    for name in ("self", "n", "total", "\u00e9tat"):
        t.has(out["info scope eat"], r"^Symbol %s is .*DWARF expression" % name)
    t.has(out["info scope Pool.malloc"], r"^Symbol self is")
    t.lacks(out["info scope Pool.malloc"], r"Symbol n is")
    for name in ("app", "rel/mod"):
        t.has(out["list eat"], r"^10\tline 10 of %s$" % name)
    for command, where in BREAKS.items():
        t.has(out[command], r"^Breakpoint \d+ at .*%s" % where)
    t.lacks(out.text, r"(?i)warning|complaint|internal-error|bad dwarf")


@case("stock lldb finds functions, lines and variables in an image")
def _(t):
    path = image(t)
    lldb = shutil.which("lldb")
    if not lldb:
        t.skip("there is no lldb")
    script = os.path.join(t.dir, "commands")
    commands = ["target create " + path, "image lookup -v -a 0x1042", "b malloc", "b Pool.malloc",
                "breakpoint set -f app.py -l 13", "b eat", "image lookup -f mod.py -l 13"]
    with open(script, "w") as f:
        f.write("".join(c + "\n" for c in commands))
    process = t.start(Process, "lldb", [lldb, "--no-lldbinit", "--batch", "-s", script])
    process.wait(90)
    t.has(process.text, r"Summary: .*`eat \+ 18 at app\.py:11")
    t.has(process.text, r"name = \"total\", type = \"char \*\", .*DW_OP_fbreg -96")
    t.equal(len(re.findall(r"^Breakpoint [12]: where = .*`Pool\.malloc .*at app\.py:20",
                           process.text, re.M)), 2, "Pool.malloc by both names")
    t.has(process.text, r"^Breakpoint 3: where = .*`eat \+ 44 at app\.py:13")
    t.has(process.text, r"^Breakpoint 4: 2 locations")
    t.has(process.text, r"`eat \+ 44 at mod\.py:13")


def unfolded(rows, length):
    """The line of each code unit, of START-END:LINE."""
    found = ["no row"] * (length // 2)
    for row in rows.split():
        start, end, line = map(int, re.match(r"(\d+)-(\d+):(-?\d+)$", row).groups())
        found[start // 2:end // 2] = [None if line < 0 else line] * ((end - start) // 2)
    return found


def described(t, pid, codes):
    describe = os.path.join(os.path.dirname(t.stub), "describe")
    if not os.path.exists(describe):
        t.skip("there is no %s (make check-e2e builds it)" % describe)
    run = subprocess.run([describe, str(pid)], stdout=subprocess.PIPE, timeout=120,
                         input="".join("%x\n" % code[0] for code in codes).encode())
    t.equal(run.returncode, 0, "its exit status")
    for line in run.stdout.decode().splitlines():
        addr, length, first, file, name, qualname, args, rest, rows = line.split("\t")
        yield [int(addr, 16), int(length), int(first), file, name, qualname,
               [a for a in args.split(",") if a], [v for v in rest.split(",") if v],
               unfolded(rows, int(length))]


def a_few():
    """One of each form of line tables, and the newest."""
    first = {p.version[:2]: p for p in reversed(zoo.pythons())}
    return [first[v] for v in ((3, 9), (3, 10), (3, 11), (3, 15)) if v in first]


@case("every code object of an interpreter has the lines and variables it says itself",
      python=lambda: zoo.pythons() if os.environ.get("ARCHERFISH_WIDE") else a_few())
def _(t, python):
    path = os.path.join(t.dir, "codes")
    program = t.program(python, "codes.py", path, until="ready")
    with open(path) as f:
        codes = [json.loads(line) for line in f]
    t.check(len(codes) > 1000, "there are only %d code objects" % len(codes))
    found = list(described(t, program.pid, codes))
    t.equal(len(found), len(codes), "how many were described")
    for mine, own in zip(found, codes):
        t.equal(mine, own, "what is known of %s at %s:%d" % (own[5], own[3], own[2]))
