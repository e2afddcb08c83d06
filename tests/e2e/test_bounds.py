# SPDX-License-Identifier: MIT
"""What a client is shown of very much: in bounded size and time."""

import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), name) for name in ("lib", "zoo")]

import zoo  # noqa: E402
from harness import case  # noqa: E402
from rsp import Rsp  # noqa: E402

SECONDS = 60  # generous: it takes less than one where nothing else runs
MEMORY = 600 << 20


def begin(t, mode, n, python=None):
    program = t.program(python or t.python(), "plenty.py", mode, n, until="^ready$")
    server = t.serve(pid=program.pid)
    r = Rsp.connect(server.port, SECONDS)
    r.open()
    return program, server, r


def end(t, program, server, r, began):
    t.check(time.monotonic() - began < SECONDS, "it took %.1f s" % (time.monotonic() - began))
    with open("/proc/%d/status" % server.pid) as f:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) << 10
    t.check(peak < MEMORY, "%d MB of memory" % (peak >> 20))
    r.ask("D")
    t.untouched(program.pid)


def virtual(r):
    """{name: id} of the virtual threads."""
    text = r.xfer("threads").decode()
    return {name: tid for tid, name in
            re.findall(r'<thread id="(p[0-9a-f]+\.1[0-9a-f]{7})"[^>]* name="python ([^"]*)"', text)}


def words(r, addr, n):
    data = r.memory(addr, 8 * n)
    return [int.from_bytes(data[8 * i:8 * i + 8], "little") for i in range(n)]


def frames(r, tid):
    """The pcs of a virtual thread, from its registers and the descriptors of its frames."""
    r.ask("Hg" + tid)
    regs = bytes.fromhex(r.ask("g").decode().replace("x", "0"))
    sp, pc = (int.from_bytes(regs[8 * i:8 * i + 8], "little") for i in (7, 16))
    found = []
    while True:
        found.append(pc)
        cfa, ra = words(r, sp << 6, 2)
        if not ra or len(found) > 30000:
            return found
        if cfa <= sp:
            raise AssertionError("the frame at %x is called by that at %x" % (sp, cfa))
        sp, pc = cfa, ra


def each_layout():
    """A python for each way of keeping frames: objects, with _PyCFrame, with shims."""
    here = [p for p in zoo.pythons() if not p.root]
    ways = (lambda v: v < (3, 11), lambda v: v == (3, 11), lambda v: v == (3, 12), lambda v: v > (3, 12))
    fit = [[p for p in here if way(p.version[:2])] for way in ways]
    return [p[-1] for p in fit if p] or zoo.pythons()[-1:]


@case("a thousand threads are a thousand virtual ones")
def _(t):
    program, server, r = begin(t, "threads", 1000)
    began = time.monotonic()
    found = virtual(r)
    t.equal(len(found), 1001, "virtual threads")
    r.xfer("libraries-svr4")
    tid = sorted(found.values())[500]
    t.check(len(frames(r, tid)) >= 3, "the stack of one in the middle")
    end(t, program, server, r, began)


@case("a recursion of ten thousand is shown whole")
def _(t):
    program, server, r = begin(t, "depth", 10000)
    began = time.monotonic()
    found = virtual(r)
    r.xfer("libraries-svr4")
    pcs = frames(r, found["deep"])
    t.check(10000 < len(pcs) < 10020, "%d frames" % len(pcs))
    end(t, program, server, r, began)


@case("ten thousand code objects on a stack are ten thousand functions")
def _(t):
    program, server, r = begin(t, "codes", 10000)
    began = time.monotonic()
    found = virtual(r)
    library = r.xfer("libraries-svr4").decode()
    t.has(library, r"/archerfish/py-1\.so")
    pcs = frames(r, found["many"])
    t.check(len(set(pcs)) >= 10000, "%d different pcs" % len(set(pcs)))
    end(t, program, server, r, began)


@case("a frame that is overwritten ends its stack in words, and nothing else", python=each_layout)
def _(t, python):
    program, server, r = begin(t, "depth", 50, python)
    began = time.monotonic()
    main = "Hgp%x.%x" % (program.pid, program.pid)
    r.ask(main)
    whole = r.monitor("py-bt")
    addr = int(t.has(r.monitor("py-up"), r"Frame (0x[0-9a-f]+)")[1], 16)
    saved = r.memory(addr, 80)
    for fill in (b"\x41", b"\xff", b"\x08", b"\x00"):
        r.ask(main)
        t.equal(r.ask("M%x,%x:%s" % (addr, len(saved), (fill * len(saved)).hex())), b"OK", "M")
        t.has(r.monitor("py-bt"), r"<corrupt: ")
        r.send("vCont;c")  # all its threads sleep; another stop
        r.interrupt()
        t.check(r.recv()[:1] == b"T", "no stop")
        found = virtual(r)
        r.xfer("libraries-svr4")
        t.equal(sorted(found), ["MainThread", "deep"], "the threads")
        t.check(50 <= len(frames(r, found["deep"])) < 60, "frames of the other thread")
        t.check(len(frames(r, found["MainThread"])) < 10, "more frames than there are")
        t.equal(r.ask("M%x,%x:%s" % (addr, len(saved), saved.hex())), b"OK", "M")
    r.ask(main)
    t.equal(r.monitor("py-bt"), whole, "the stack, once it is whole again")
    end(t, program, server, r, began)
