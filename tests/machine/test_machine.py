# SPDX-License-Identifier: MIT
"""Cores of an AArch64 machine, made in an emulator (tests/zoo/machine.sh; $ARCHERFISH_MACHINE is
its folder): what a gdb for it shows of a served one is what it shows of the core itself."""

import os
import re
import shutil

from cores import Core, known, plain, serve
from harness import case
from rsp import GDB, Rsp

FOLDER = os.environ.get("ARCHERFISH_MACHINE", "")
# Of the program's own: the libraries are stripped.
PROGRAMS = {"crash": "crash", "signed": "signed", "python": "usr/bin/python3.11",
            "philosophers": "usr/bin/python3.11"}
REGISTERS = " ".join(["x%d" % i for i in range(31)] + ["sp", "pc", "cpsr", "fpsr", "fpcr", "tpidr",
                                                      "pauth_dmask", "pauth_cmask"])
# By a part: what they are parts of, SVE's, gdb shows of a core of its own alone.
VECTORS = tuple("thread apply all p $v%d.q.u" % i for i in range(32))
SHOW = ("bt", "thread apply all bt", "thread apply all info registers " + REGISTERS,
        "p $_siginfo.si_signo", "info auxv", "x/8gx $sp", "x/4i $pc", "info sharedlibrary", *VECTORS)


class Multi:
    """A gdb for all architectures, on this machine."""
    root, label = None, "multiarch"
    path = shutil.which("gdb-multiarch")

    def command(self, *args):
        return [self.path, *args]


def core_of(t, of):
    if not Multi.path:
        t.skip("no gdb-multiarch here")
    core = os.path.join(FOLDER, of + ".core")
    if not os.path.exists(core):
        t.skip("no %s: see tests/zoo/machine.sh" % core)
    return core, os.path.join(FOLDER, "root")


@case("a core of AArch64 is served as a gdb for it shows it itself", of=sorted(PROGRAMS), timeout=300)
def _(t, of):
    core, root = core_of(t, of)
    program = os.path.join(root, PROGRAMS[of])
    before = ("set sysroot " + root,)
    native = t.gdb(Multi(), None, *before, "core-file " + core, *SHOW, file=program)
    server = serve(t, core, "--sysroot=" + root, "--virtual-threads=off")
    served = t.gdb(Multi(), server, *SHOW, file=program)
    for command in SHOW:
        expected, found = known(*(plain(out[command], root) for out in (native, served)))
        if of == "python":  # gdb 13 looks for FPSR eight bytes before where the SVE note has it
            expected, found = (re.sub("^fpsr .*\n", "", s, flags=re.M) for s in (expected, found))
        t.equal(found, expected, command)
    t.has(served["bt"], r"^#3 ")
    t.check(of in ("crash", "python") or served[SHOW[1]].count("\n#0 ") == Core(core).threads,
            "a stack for each thread")


@case("the memory of an AArch64 core is what the core has", of=sorted(PROGRAMS), timeout=300)
def _(t, of):
    core, root = core_of(t, of)
    with Rsp.connect(serve(t, core, "--sysroot=" + root).port) as client, open(core, "rb") as f:
        client.open(GDB)
        for start, filled, offset in loads(f):
            for at in range(start, filled, 0x3000):
                n = min(0x3000, filled - at)
                f.seek(offset + at - start)
                t.equal(client.ask("m%x,%x" % (at, n)), f.read(n).hex().encode(), "memory at %x" % at)


def loads(f):
    """Start, end and offset of what the core has itself."""
    f.seek(0)
    head = f.read(64)
    table, count = int.from_bytes(head[32:40], "little"), int.from_bytes(head[56:58], "little")
    f.seek(table)
    for entry in [f.read(56) for _ in range(count)]:
        offset, vaddr, _, filesz = (int.from_bytes(entry[i:i + 8], "little") for i in (8, 16, 24, 32))
        if entry[0] == 1 and filesz:
            yield vaddr, vaddr + filesz, offset


@case("Python of an AArch64 core is in stacks, in threads of its own, and in questions", timeout=300)
def _(t):
    core, root = core_of(t, "philosophers")
    server = serve(t, core, "--sysroot=" + root)
    out = t.gdb(Multi(), server, "info threads", "thread 8", "bt", "up", "p self", "monitor py-locks")
    virtual = re.findall(r'"python (\S+)" \(LWP (\d+)\)', out["info threads"])
    t.equal([name for name, _ in virtual], ["MainThread"] + ["philosopher-%d" % i for i in range(5)],
            "threads of Python")
    t.has(out["bt"], r"^#0 .* in dine \(.*\) at /philosophers\.py:29$")
    t.has(out["bt"], r"^#1 .* in Thread\.run \(.*\) at /usr/lib/python3\.11/threading\.py:975$")
    t.has(out["bt"], r"^#4 .* in \[thread\] \(\)")
    t.has(out["p self"], r"<Thread\(philosopher-0, started \d+\)>")
    t.has(out["monitor py-locks"], "(?i)deadlock")
    for script, files in (("philosophers", root), ("python", t.dir)):
        text = t.archerfish("stacks", "--locals", "--sysroot=" + files, core_of(t, script)[0])
        t.equal(text.wait(), 0, "the exit status")
        t.has(text.text, r'File "/(philosophers|must_coredump)\.py", line \d+, in ')
