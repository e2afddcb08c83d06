# SPDX-License-Identifier: MIT
"""Cores that nobody's kernel wrote: millions of segments, notes and threads."""

import os
import struct
import time

from cores import serve
from harness import Process, case
from rsp import Rsp


def note(kind, content):
    return struct.pack("<III", 5, len(content), kind) + b"CORE\0\0\0\0" + content


def thread(tid):
    return note(1, bytes(32) + struct.pack("<I", tid) + bytes(300))


def write(path, notes, segments=0):
    """The table of segments, the section header that counts them, the notes."""
    count, end = segments + 1, 64 + 56 * (segments + 1)
    many = count >= 0xffff
    with open(path, "wb") as f:
        f.write(b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
            "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, end if many else 0, 0, 64, 56,
            0xffff if many else count, 64, int(many), 0))
        f.write(struct.pack("<IIQQQQQQ", 4, 0, end + 64, 0, 0, len(notes), 0, 4))
        for i in range(segments):
            f.write(struct.pack("<IIQQQQQQ", 1, 6, 0, 0x10000 + i * 8192, 0, 0, 4096, 4096))
        f.write(struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0))
        f.write(notes)
    return path


CORES = {  # notes, segments, what is said; None: it is served
    "segments": (lambda: thread(1), 1000000, None),
    "too many segments": (lambda: thread(1), 1048576, "1048577 segments by the ELF header"),
    "notes": (lambda: thread(1) + note(0x999, b"") * 4000000, 0, None),
    "too many notes": (lambda: thread(1) + note(0x999, b"") * 4200000, 0,
                       "the note at offset 0x[0-9a-f]+ is one too many"),
    "threads": (lambda: b"".join(map(thread, range(1, 262145))), 0, None),
    "too many threads": (lambda: b"".join(map(thread, range(1, 262146))), 0,
                         "contents at offset 0x[0-9a-f]+ is of one thread too many"),
}


@case("a core with more of everything than any process has", what=sorted(CORES), timeout=300)
def _(t, what):
    notes, segments, words = CORES[what]
    core = write(os.path.join(t.dir, "core"), notes(), segments)
    if words:
        run = t.start(Process, "archerfish", [t.stub, "stacks", core])
        t.equal(run.wait(), 2, "the exit status")
        t.has(run.text, words)
        return
    start = time.monotonic()
    server = serve(t, core)
    t.note("ready after %.1f s" % (time.monotonic() - start))
    with Rsp.connect(server.port) as client:
        client.open()
        t.check(client.ask("?", timeout=120).startswith(b"T00"), "no signal")
    t.check(int(t.status(server.pid, "VmHWM").split()[0]) < 400 << 10, "resident memory")
