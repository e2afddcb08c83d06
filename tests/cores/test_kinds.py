# SPDX-License-Identifier: MIT
"""Cores as others leave them: out of containers, in part, compressed, without their notes."""

import base64
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib

import zoo
from cores import (Core, by_kernel, crashed, kernel_writes, known, newest, plain, same_view,
                   serve, unlimited)
from harness import INFERIORS, case
from rsp import GDB, Rsp

NT_FILE = 0x46494c45


def ask_memory(server, addr, size=8):
    """What a client is told that takes errors as text."""
    with Rsp.connect(server.port) as client:
        client.open(GDB + ";error-message+")
        return client.ask("m%x,%x" % (addr, size))


# ---- containers ----

def inside(t, command):
    """The command for a process in a namespace of ids, with a shell as its init."""
    probe = subprocess.run(["unshare", "--pid", "--fork", "true"], stderr=subprocess.PIPE)
    if probe.returncode:
        t.skip("no namespaces of process ids here: " + os.fsdecode(probe.stderr).strip())
    return ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; echo over', "sh", *command]


def inner_ids(pid):
    """The ids that the process's threads have where they run, and the main one's."""
    found = []
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, tid)) as f:
            found.append(int(next(l for l in f if l.startswith("NSpid:")).split()[-1]))
    return sorted(found)


def child_named(t, program, script):
    """The process that runs `script` below `program`."""
    found = []

    def so():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read().split(b"\0")
                status = t.status(int(pid), "NSpid") or ""
            except OSError:
                continue
            if os.fsencode(script) in words and len(status.split()) > 1 and b"sh" not in words[0][-3:]:
                if words[0] != b"unshare":
                    found.append(int(pid))
        return bool(found)
    t.eventually(so, "%s runs" % script)
    return found[0]


@case("a core out of a container has the container's ids, and Python's threads by them", timeout=300)
def _(t):
    kernel_writes(t)
    python = t.python()
    script = os.path.join(INFERIORS, "philosophers.py")
    program = t.start_program(inside(t, python.command(script)), until="deadlocked", cwd=t.dir,
                              preexec_fn=unlimited)
    pid = child_named(t, program, script)
    ids = inner_ids(pid)
    t.check(len(ids) > 5 and pid not in ids, "it has ids of its own")
    gdb, outside = zoo.gdbs()[0], os.path.join(t.dir, "core-by-gdb")
    t.gdb(gdb, None, "attach %d" % pid, "generate-core-file " + outside, "detach")
    os.kill(pid, signal.SIGABRT)
    program.until("over")
    inner = [p for p in (os.path.join(t.dir, f) for f in os.listdir(t.dir))
             if os.path.basename(p).startswith("core") and p != outside][0]
    # What the kernel writes has the ids of within, what a gdb outside writes those that it sees.
    for core, expected in ((inner, ids), (outside, None)):
        if expected:  # of the other gdb itself shows threads twice
            same_view(t, gdb, core, os.path.realpath(python.path))
        text = t.archerfish("stacks", core)
        t.equal(text.wait(), 0, "the exit status")
        for i in range(5):
            t.has(text.text, r'^Thread \d+ "philosopher-%d"' % i)
        locks = t.archerfish("stacks", "--locks", core)
        locks.wait()
        t.has(locks.text, "(?i)deadlock")
        server = serve(t, core)
        out = t.gdb(gdb, server, "info threads")["info threads"]
        real = [line for line in out.splitlines() if "LWP" not in line and "Thread" in line]
        virtual = [line for line in out.splitlines() if '"python philosopher-' in line]
        t.equal(len(virtual), 5, "threads of Python")
        t.equal(len(real), len(ids), "threads of the system")
        for tid in expected or ():
            t.has(out, r"Thread \d+\.%d " % tid)
        server.signal(signal.SIGTERM)


# ---- without parts ----

def retype_note(core, kind, other):
    """Makes notes of one type ones of another, that nobody knows."""
    with open(core, "r+b") as f:
        head = f.read(64)
        phoff, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        for i in range(count):
            f.seek(phoff + i * size)
            entry = f.read(size)
            if struct.unpack_from("<I", entry)[0] != 4:
                continue
            at, end = struct.unpack_from("<Q", entry, 8)[0], struct.unpack_from("<Q", entry, 32)[0]
            end += at
            while at + 12 <= end:
                f.seek(at)
                namesz, descsz, found = struct.unpack("<III", f.read(12))
                if found == kind:
                    f.seek(at + 8)
                    f.write(struct.pack("<I", other))
                at += 12 + (namesz + 3 & ~3) + (descsz + 3 & ~3)


@case("a core without a list of mapped files is served from its segments")
def _(t):
    python = t.python()
    core = crashed(t, python.command(os.path.join(INFERIORS, "must_coredump.py")))
    retype_note(core, NT_FILE, 0x6f66)
    t.equal(Core(core).files, [], "files by the core's notes")
    text = t.archerfish("stacks", core)
    t.equal(text.wait(), 1, "the exit status")
    t.has(text.text, "no Python")  # it is found by the names of files
    server = serve(t, core)
    start, filled, _ = max(Core(core).segments, key=lambda s: s[1] - s[0])
    t.equal(len(ask_memory(server, start, 64)), 128, "memory of a segment")
    gone = next(s for s in Core(core).segments if s[1] < s[2])
    t.equal(ask_memory(server, gone[1]), b"E.cannot access memory at 0x%x: it is not in the core" % gone[1],
            "memory that was left out")


@case("what a filter has left out of a core is not made up", timeout=300)
def _(t):
    kernel_writes(t)
    program = t.compile("checked.c", "-D_GNU_SOURCE", "-pthread")
    # Without first pages (bit 4) of files there is no build-id to compare.
    core = by_kernel(t, [program, "3"], 4, signal.SIGABRT, "0x23")
    known = Core(core)
    libc = next(s for s in known.segments if s[1] == s[0] and s[2] > s[0]
                and any(first <= s[0] < last for first, last in known.spans))
    found = ask_memory(serve(t, core), libc[0])
    t.has(found.decode(), "may be another: its build-id is not in the core")
    # Of nothing at all but registers.
    core = by_kernel(t, [program, "3"], 4, signal.SIGSEGV, "0x0")
    server = serve(t, core)
    out = t.gdb(zoo.gdbs()[0], server, "info threads", "info registers rip", "x/gx $sp", "monitor py-bt")
    t.equal(len([line for line in out["info threads"].splitlines() if "Thread" in line]), 4, "threads")
    t.has(out["info registers rip"], r"rip +0x[0-9a-f]{6}")
    t.has(out["x/gx $sp"], "Cannot access memory")
    t.has(out["monitor py-bt"], "no Python")


@case("the first half of a core is served as a gdb shows it itself", timeout=300)
def _(t):
    core = crashed(t, t.python().command(os.path.join(INFERIORS, "must_coredump.py")))
    size = os.path.getsize(core)
    os.truncate(core, size // 2)
    server = serve(t, core, "--virtual-threads=off")
    t.has(server.text, "Warning: the core is cut off: it has 0x%x bytes of 0x%x" % (size // 2, size))
    gdb, show = zoo.gdbs()[0], ("info threads", "info registers", "info auxv")
    native = t.gdb(gdb, None, "core-file " + core, *show)
    served = t.gdb(gdb, server, *show)
    expected, found = known(plain(native["info registers"]), plain(served["info registers"]))
    t.equal(found, expected, "registers")
    t.equal(served["info auxv"], native["info auxv"], "info auxv")
    last = max(Core(core).segments)
    t.has(ask_memory(server, last[0]).decode(), "the core is cut off before it")


# ---- as systemd keeps them ----

@case("a core as systemd-coredump leaves it is served", timeout=300)
def _(t):
    if not shutil.which("zstd"):
        t.skip("no zstd")
    program = t.compile("crash.c")
    core = crashed(t, [program])
    kept = os.path.join(t.dir, "core.crash.1000.0123456789abcdef0123456789abcdef.77.1700000000000000.zst")
    with open(core, "rb") as f, open(kept, "wb") as to:
        subprocess.run(["zstd", "-3", "-c"], stdin=f, stdout=to, check=True)
    for name, value in (("pid", b"77"), ("signal", b"11"), ("exe", os.fsencode(program))):
        try:
            os.setxattr(kept, "user.coredump." + name, value)
        except OSError as error:
            t.note("no extended attributes here: %s" % error)
    t.check(not t.archerfish("stacks", kept).text.startswith("Cannot"), "it is read")
    out = t.gdb(zoo.gdbs()[0], serve(t, kept), "bt", "p $_siginfo.si_signo", file=program)
    native = t.gdb(zoo.gdbs()[0], None, "core-file " + core, "bt", "p $_siginfo.si_signo", file=program)
    for command in ("bt", "p $_siginfo.si_signo"):
        t.equal(out[command], native[command], command)
    t.has(out["bt"], r"^#\d+ .* main ")


@case("a core in a report of apport's is served", timeout=300)
def _(t):
    program = t.compile("crash.c")
    core = crashed(t, [program])
    report = os.path.join(t.dir, "_usr_bin_crash.1000.crash")
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    with open(core, "rb") as f, open(report, "w") as to:
        data = f.read()
        pieces = [b"\x1f\x8b\x08\x08\0\0\0\0\2\xffCoreDump\0"]
        pieces += [compressor.compress(data[i:i + (1 << 20)]) for i in range(0, len(data), 1 << 20)]
        pieces.append(compressor.flush() + struct.pack("<II", zlib.crc32(data), len(data) & 0xffffffff))
        to.write("ProblemType: Crash\nArchitecture: amd64\nExecutablePath: %s\nProcCmdline: crash\n"
                 "ProcMaps:\n 00400000-00401000 r--p\n 00401000-00402000 r-xp\nSignal: 11\n"
                 "CoreDump: base64\n" % program)
        to.writelines(" %s\n" % base64.b64encode(piece).decode() for piece in pieces if piece)
    show = ("bt", "p $_siginfo.si_signo", "info registers")
    served = t.gdb(zoo.gdbs()[0], serve(t, report, "--virtual-threads=off"), *show, file=program)
    native = t.gdb(zoo.gdbs()[0], None, "core-file " + core, *show, file=program)
    for command in show:
        expected, found = known(plain(native[command]), plain(served[command]))
        t.equal(found, expected, command)
    t.has(served["bt"], r"^#\d+ .* main ")


# ---- JavaScript ----

@case("JavaScript's code in a core is unwound as in the process", timeout=300)
def _(t):
    kernel_writes(t)
    if not shutil.which("node"):
        t.skip("no node")
    program = t.start_program([shutil.which("node"), os.path.join(INFERIORS, "waiting.js")],
                              until="waiting", cwd=t.dir, preexec_fn=unlimited)
    t.asleep(program.pid)
    gdb, show = zoo.gdbs()[0], ("bt", "monitor js-bt")
    live = t.gdb(gdb, t.serve(pid=program.pid), *show, seconds=200)
    program.signal(signal.SIGABRT)
    program.wait()
    server = serve(t, newest(t.dir))
    served = t.gdb(gdb, server, *show, seconds=200)
    # gdb finds the values that a function was entered with in one of the two alone, at times.
    frames = re.compile(r"^#\d+ +(?:(0x[0-9a-f]+) in )?(.*?) \(", re.M)
    t.equal(frames.findall(served["bt"]), frames.findall(live["bt"]), "bt")
    t.has(served["bt"], r" main \(|_start \(")
    t.check(len(frames.findall(served["bt"])) > 20, "the whole stack")
    t.equal(served["monitor js-bt"], live["monitor js-bt"], "monitor js-bt")
    t.has(served["monitor js-bt"], "innermost")


# ---- every register ----

VECTORS = tuple("p $xmm%d" % i for i in range(16)) + ("p $mxcsr",)


@case("all registers of a core are those of the process, and what each gdb shows of it itself",
      gdb=zoo.gdbs, timeout=300)
def _(t, gdb):
    kernel_writes(t)
    program = t.start_program([t.compile("registers.c")], until="ready", cwd=t.dir,
                              preexec_fn=unlimited)
    show = ("thread apply all info all-registers", "thread apply all info registers",
            "info registers float", *VECTORS)
    live = t.gdb(gdb, t.serve("--virtual-threads=off", "--no-host-io", pid=program.pid), *show)
    program.signal(signal.SIGABRT)
    program.wait()
    core = newest(t.dir)
    served = t.gdb(gdb, serve(t, core, "--virtual-threads=off", "--no-host-io"), *show)
    native = t.gdb(gdb, None, "set sysroot /nowhere", "core-file " + core, *show)
    # Some gdbs do not know where this processor keeps all of them in a core, but all ask a server.
    t.check(served[show[0]].count("\nzmm" if has_zmm() else "\nxmm") > 15 or gdb is zoo.gdbs()[0],
            "there are vectors")
    for command in show:
        t.equal(in_order(served[command]), in_order(live[command]), command + ", of the process")
    for command in show[1:]:
        expected, found = known(*(in_order(out[command]) for out in (native, served)))
        lost = set(expected.split("\n")) - set(found.split("\n"))
        t.equal(lost, set(), command + ", of gdb itself")


def has_zmm():
    with open("/proc/cpuinfo") as f:
        return " avx512f " in f.read()


def in_order(text):
    """By threads, and by names: not each gdb has the same order as a server."""
    text = re.sub(r" <[^<>]*\+\d+>", "", plain(text))
    blocks = sorted(("\n" + text).split("\nThread "))
    return "\n".join(line for block in blocks for line in sorted(block.split("\n")))
