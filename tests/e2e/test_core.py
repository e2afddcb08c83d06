# SPDX-License-Identifier: MIT
"""Cores: stock gdb sees of a served one what it sees of the file itself."""

import lzma
import os
import re
import shutil
import signal
import subprocess
import time

import zoo
from cores import SHOW, crashed, known, plain, serve
from harness import INFERIORS, TOP, Process, Server, case
from rsp import GDB, Rsp

RECORDED = os.path.join(TOP, "tests", "cores", "recorded")


def compare(t, gdb, core, program):
    """Each command of SHOW; the server, and the ranges that may have been written."""
    server = serve(t, core, "--virtual-threads=off")
    native = t.gdb(gdb, None, "core-file " + core, *SHOW, file=program)
    served = t.gdb(gdb, server, *SHOW, "info proc mappings", file=program)
    for command in SHOW:
        expected, found = known(plain(native[command]), plain(served[command]))
        t.equal(found, expected, command)
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
    # Of the real threads, whose stacks have Python's frames.
    served = t.gdb(gdb, serve(t, core), "thread apply all bt", file=os.path.realpath(python.path))
    pieces = re.split(r"^(?=Thread \d+ )", served["thread apply all bt"], flags=re.M)
    mixed = [p for p in pieces if re.match(r"Thread \d+ \(Thread \d+\.\d{1,7} ", p)
             and re.search(r"\bdine \((.*\n)*.* \[C\] (.*\n)*.* clone", p)]
    t.equal(len(mixed), 5, "philosophers' stacks")


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


# ---- other architectures: recorded on them, see tests/cores/recorded/README ----

class Multi:
    """A gdb for all architectures, on this machine."""
    root, label = None, "multiarch"
    path = shutil.which("gdb-multiarch")

    def command(self, *args):
        return [self.path, *args]


def unpacked(t, name):
    path = os.path.join(t.dir, name)
    with lzma.open(os.path.join(RECORDED, name + ".xz")) as f, open(path, "wb") as to:
        shutil.copyfileobj(f, to)
    return path


def multiarch(t):
    if not Multi.path:
        t.skip("no gdb-multiarch here")
    return Multi()


def compare_foreign(t, core, program, *registers):
    gdb = multiarch(t)
    show = ("bt", "info threads", "info registers " + " ".join(registers), "p $_siginfo.si_signo",
            "info auxv", "x/8gx $sp")
    before = ("set sysroot /nowhere",)
    native = t.gdb(gdb, None, *before, "core-file " + core, *show, file=program)
    # The file is there before the connection, as sysroot is.
    served = t.gdb(gdb, serve(t, core), *show, "monitor py-bt", file=program)
    for command in show:
        expected, found = known(plain(native[command]), plain(served[command]))
        t.equal(found, expected, command)
    t.has(served["bt"], "^#0 ")
    return served


@case("a core of AArch64 is served as a gdb for it shows it itself")
def _(t):
    core, program = unpacked(t, "crash-aarch64.core"), unpacked(t, "crash-aarch64")
    out = compare_foreign(t, core, program, *("x%d" % i for i in range(31)), "sp", "pc", "cpsr",
                          "fpsr", "fpcr", "tpidr", "pauth_cmask")
    t.has(out["bt"], r"^#4 .* in main \(\)")


@case("a core of i386 is served as a gdb for it shows it itself")
def _(t):
    core, program = unpacked(t, "crash-i386.core"), unpacked(t, "crash-i386")
    out = compare_foreign(t, core, program, "general", "float")
    t.has(out["bt"], r"^#4 .* in main \(\)")


@case("Python's stack of an AArch64 core is shown, compressed and with no file of its machine")
def _(t):
    core = os.path.join(RECORDED, "python-aarch64.core.xz")
    run = t.archerfish("stacks", "--sysroot=" + t.dir, core)
    t.equal(run.wait(), 0, "the exit status")
    if "built without" in run.text:
        t.skip(run.text)
    t.has(run.text, r'File "/must_coredump.py", line 4, in crash')
    t.has(run.text, r'File "/must_coredump.py", line 5, in <module>')
    server = serve(t, core, "--sysroot=" + t.dir)
    out = t.gdb(multiarch(t), server, "info threads", "bt", "monitor py-bt", "thread 2", "bt ")
    t.has(out["bt"], r"^#0 +0x0+ in \?\? \(\)")
    t.has(out["info threads"], r"^\* 1 .*\(crash \(must_coredump.py:4\)\)")
    t.has(out["monitor py-bt"], r'File "/must_coredump.py", line 4, in crash')
    t.has(out["bt "], r"^#0 .*\bcrash \(\) at /must_coredump\.py:4$")
    t.has(out["bt "], r"^#1 .*<module> \(\) at /must_coredump\.py:5$")
    t.has(out["bt "], r"^#2 .*\[thread\] \(\)")


@case("a compressed core is served as the core; a bomb, or half of one, is said to be")
def _(t):
    core = unpacked(t, "crash-i386.core")
    bomb = os.path.join(t.dir, "bomb")
    shutil.copyfile(core, bomb)
    os.truncate(bomb, 1 << 25)
    for tool, suffix in (("zstd", ".zst"), ("lz4", ".lz4"), ("xz", ".xz"), ("gzip", ".gz")):
        if not shutil.which(tool):
            t.note("no " + tool)
            continue
        for path in (core, bomb):
            with open(path, "rb") as f, open(path + suffix, "wb") as to:
                subprocess.run([tool, "-1c"], stdin=f, stdout=to, check=True)
        run = t.archerfish("stacks", core + suffix)
        run.wait()
        if "built without" in run.text:
            t.has(run.text, "built without (lib|zlib)")
            continue
        t.equal(run.text.strip(), "Python of 32 bits is not read", tool)
        run = t.archerfish("stacks", bomb + suffix)
        t.equal(run.wait(), 2, "the exit status")
        t.has(run.text, "it unpacks to more than its headers say")
        os.truncate(core + suffix, 1000)
        run = t.archerfish("stacks", core + suffix)
        t.check(run.wait() in (1, 2), "the exit status")
        t.has(run.text, "is cut off")


# ---- size ----

def enlarge(core, size):
    """Adds a segment of `size` zeros, a hole, to a core of 64 bits: its table goes to the end."""
    with open(core, "r+b") as f:
        head = bytearray(f.read(64))
        count = int.from_bytes(head[56:58], "little")
        f.seek(int.from_bytes(head[32:40], "little"))
        table = f.read(56 * count)
        end = f.seek(0, 2) + 4095 & ~4095
        fields = (end, 0x100000000000, 0, size, size, 4096)
        table += b"\1\0\0\0\6\0\0\0" + b"".join(v.to_bytes(8, "little") for v in fields)
        f.truncate(end + size)
        f.seek(end + size)
        f.write(table)
        head[32:40] = (end + size).to_bytes(8, "little")
        head[56:58] = (count + 1).to_bytes(2, "little")
        f.seek(0)
        f.write(head)


@case("a core of 16 GiB is there at once, in little memory")
def _(t):
    core = crashed(t, t.python().command(os.path.join(INFERIORS, "must_coredump.py")))
    enlarge(core, 16 << 30)
    t.check(os.stat(core).st_blocks * 512 < 1 << 30, "it is made of holes")
    times = []
    for _ in range(3):  # the machine may be busy with something else
        start = time.monotonic()
        server = t.start(Server, "archerfish", [t.stub, "--core", ":0", core]).listening()
        times.append(time.monotonic() - start)
        if times[-1] < 2:
            break
        server.signal(signal.SIGTERM)
    t.check(times[-1] < 2, "ready after %s s" % times)
    with Rsp.connect(server.port) as client:
        client.open()
        t.equal(client.ask("m%x,8" % (0x100000000000 + (15 << 30))), b"0" * 16, "far into it")
        t.has(client.ask("qRcmd," + b"py-bt".hex()).decode() or "", "^[0-9a-fO]")
    t.check(int(t.status(server.pid, "VmHWM").split()[0]) < 100 << 10, "resident memory")
