#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ask gdbserver and archerfish the same of the same processes, and compare.

	tests/diff/documents.py [--stub build/release/archerfish] [--gdbserver gdbserver]

Both attach one after the other to a program that spins, so that addresses,
registers and libraries are the same ones and need no normalising.  What is left
is normalised where it is compared, and says why.  Prints TAP, then
"# diff: N passed, N failed, N skipped"; exit status 0, 1, or 77 without gdbserver.
"""

import argparse
import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

from rsp import Rsp, RspError, Server  # noqa: E402

Register = collections.namedtuple("Register", "name bytes")
OS_TYPES = ("cpus", "files", "modules", "msg", "processes", "procgroups", "semaphores", "shm",
            "sockets", "threads")


class Skip(Exception):
    pass


def same(what, ours, theirs):
    if ours != theirs:
        raise AssertionError("%s:\n  archerfish %.400r\n  gdbserver  %.400r" % (what, ours, theirs))


def parse(document):
    return ET.fromstring(re.sub(rb"<!DOCTYPE.*?>", b"", document))


def shape(document, without=()):
    """Elements in their order: tag, attributes, text."""
    return [(e.tag, {k: v for k, v in e.attrib.items() if k not in without},
             (e.text or "").strip()) for e in parse(document).iter()]


@contextlib.contextmanager
def attached(command, pid):
    with Server([*command, "--once", "--attach"], [str(pid)]) as server:
        with Rsp.connect(server.port) as r:
            r.open()
            try:
                yield r
            finally:
                with contextlib.suppress(RspError, OSError):
                    r.ask("D;%x" % pid)


def wait_until_spinning(pid):
    """Two ticks of user time more: then it is past what it does before it spins."""
    def ticks():
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[11])
    start = ticks()
    while ticks() < start + 2:
        time.sleep(0.005)


class Bench:
    def __init__(self, options, folder):
        self.commands = {"ours": [options.stub], "theirs": [options.gdbserver]}
        self.folder = folder

    @contextlib.contextmanager
    def program(self, source, *flags, arguments=(), until="ready"):
        path = os.path.join(self.folder, re.sub(r"\W", "_", source + "".join(flags)))
        if not os.path.exists(path):
            subprocess.run([os.environ.get("CC", "cc"), "-O1", "-g", "-pthread", "-o", path,
                            os.path.join(TOP, "tests", "inferiors", source), *flags], check=True)
        with subprocess.Popen([path, *arguments], stdout=subprocess.PIPE) as process:
            try:
                if until and until.encode() not in process.stdout.readline():
                    raise AssertionError("%s did not start" % source)
                if until:
                    wait_until_spinning(process.pid)
                yield process.pid
            finally:
                process.kill()

    def both(self, pid, ask):
        """What `ask` makes of each server, one after the other."""
        answers = []
        for name in ("ours", "theirs"):
            with attached(self.commands[name], pid) as r:
                answers.append(ask(r, pid))
        return answers


def layout(r):
    """The registers of g, by target.xml: the order of the numbers, not of the lines."""
    regs = []
    for e in parse(r.xfer("features", "target.xml")).iter("reg"):
        if e.get("group") == "python":      # asked for one by one
            continue
        regs.append((int(e.get("regnum", len(regs))), e.get("name"), int(e.get("bitsize")) // 8))
    return [Register(name, size) for _, name, size in sorted(regs)]


def registers(r, _pid=0):
    regs = layout(r)    # first: a client that has not read it gets fewer in g
    raw = r.ask("g").decode()
    values, at = {}, 0
    for reg in regs:
        values[reg.name] = raw[at:at + 2 * reg.bytes]
        at += 2 * reg.bytes
    same("the size of g", len(raw), at)
    return values


# The values of tests/inferiors/registers.c.

def vector(i, start, end):
    return bytes((7 * (64 * i + k) + 1) & 0xFF for k in range(start, end)).hex()


def little(value, size=8):
    return value.to_bytes(size, "little").hex()


def truth(names):
    known = {"rax": little(0x1122334455667788), "rbx": little(0x2233445566778899),
             "rcx": little(0x33445566778899AA), "rdx": little(0x445566778899AABB),
             "r8": little(0x5566778899AABBCC), "r9": little(0x66778899AABBCCDD),
             "r10": little(0x778899AABBCCDDEE), "r11": little(0x8899AABBCCDDEEFF),
             "fctrl": little(0x27F, 4), "mxcsr": little(0x1FA1, 4),
             "st0": "35c26821a2da0fc90040", "st1": "00" * 10,
             "st2": "0000000000000080ff7f",
             # three in use, from the top down: pi is valid, 0 is zero, infinity special
             "ftag": little(0b10_01_00_11_11_11_11_11, 4)}
    for i in range(32):
        known["xmm%d" % i] = vector(i, 0, 16)
        known["ymm%dh" % i] = vector(i, 16, 32)
        known["zmm%dh" % i] = vector(i, 32, 64)
    for i in range(8):
        known["k%d" % i] = little((i + 1) * 0x0102030405060708)
    return {name: known[name] for name in names if name in known}


def avx512(name):
    """A register that gdbserver 13 reads where Intel's processors have it, on any."""
    number = re.match(r"(?:[xy]mm(\d+)h?$|zmm|k\d)", name)
    return bool(number) and (number.group(1) is None or int(number.group(1)) >= 16)


def unlike_amd(difference):
    vendor = re.search(r"^vendor_id\s*: (\S+)", open("/proc/cpuinfo").read(), re.M)
    if vendor and vendor.group(1) == "GenuineIntel":
        return difference
    return {name: v for name, v in difference.items() if not avx512(name)}


# The cases: each takes the bench, and is named by its first line.

def description(b):
    """the target description is gdbserver's"""
    with b.program("registers.c") as pid:
        ours, theirs = b.both(pid, lambda r, _: r.xfer("features", "target.xml"))
    ours = re.sub(rb'<feature name="org.archerfish.python">.*?</feature>\s*', b"", ours, flags=re.S)
    # `generic' is for lldb, and the version is what the DTD says it is without one.
    same("target.xml", shape(ours, ("generic", "version")), shape(theirs, ("version",)))


def register_values(b):
    """every register has the value that the program put there, and gdbserver's"""
    with b.program("registers.c") as pid:
        ours, theirs = b.both(pid, registers)
    expected = truth(ours)
    same("known registers", {n: ours[n] for n in expected}, expected)
    same("the names", list(ours), list(theirs))
    moving = ("rip",)       # of two instructions, either
    different = {n: (ours[n], theirs[n]) for n in ours if ours[n] != theirs[n] and n not in moving}
    same("other registers", unlike_amd(different), {})


def single_registers(b):
    """p answers each register as g does"""
    with b.program("registers.c") as pid, attached(b.commands["ours"], pid) as r:
        values = registers(r)
        for i, (name, value) in enumerate(values.items()):
            same(name, r.ask("p%x" % i).decode(), value)


def register_writes(b):
    """what P writes is there for the next debugger, and what G writes"""
    inverted = lambda v: bytes(x ^ 0xFF for x in bytes.fromhex(v)).hex()  # noqa: E731
    with b.program("registers.c") as pid:
        with attached(b.commands["ours"], pid) as r:
            before = registers(r)
            names = list(before)
            chosen = [n for n in names
                      if re.match(r"(r(ax|bx|cx|dx|8|9|1[0-5])|[xyz]mm\d+h?|k\d|st\d)$", n)]
            wanted = dict(before)
            for n in chosen:
                wanted[n] = inverted(before[n])
                same("P " + n, r.ask("P%x=%s" % (names.index(n), wanted[n])), b"OK")
        ours, theirs = b.both(pid, registers)
        differing = {n: (ours[n], wanted[n]) for n in chosen if ours[n] != wanted[n]}
        same("after P", differing, {})
        differing = {n: (wanted[n], theirs[n]) for n in chosen if theirs[n] != wanted[n]}
        same("after P, by gdbserver", unlike_amd(differing), {})
        with attached(b.commands["ours"], pid) as r:
            same("G", r.ask("G" + "".join(before.values())), b"OK")
        ours, _ = b.both(pid, registers)
        same("after G", {n: v for n, v in ours.items() if v != before[n] and n != "rip"}, {})


def auxv(b):
    """the auxiliary vector is gdbserver's"""
    with b.program("registers.c") as pid:
        same("auxv", *b.both(pid, lambda r, _: r.xfer("auxv")))


def exec_file(b):
    """the program's path is gdbserver's, and of a process not debugged an error"""
    with b.program("registers.c") as pid:
        same("exec-file", *b.both(pid, lambda r, pid: r.xfer("exec-file", "%x" % pid)))
        same("exec-file, no annex", *b.both(pid, lambda r, _: r.xfer("exec-file")))


def ask_libraries(r, _pid):
    whole = r.xfer("libraries-svr4")
    entries = list(parse(whole))
    answers = [shape(whole)]
    for prev, start in zip(entries, entries[1:]):
        annex = "lmid=%x;start=%x;prev=%x" % tuple(
            int(v, 16) for v in (start.get("lmid"), start.get("lm"), prev.get("lm")))
        answers.append(shape(r.xfer("libraries-svr4", annex)))
    # A link that does not lead back to the one before it: what was read is an answer.
    broken = "start=%x;prev=1" % int(entries[-1].get("lm"), 16)
    answers.append(shape(r.xfer("libraries-svr4", broken)))
    return answers


def libraries(b):
    """the libraries are gdbserver's, whole, from any one on, and with a broken link"""
    with b.program("registers.c") as pid:
        ours, theirs = b.both(pid, ask_libraries)
    for mine, its in zip(ours, theirs):
        same("libraries", [e[:2] for e in mine], [e[:2] for e in its])


def no_libraries(b):
    """a statically linked program has no list, which is an error: gdb then looks itself"""
    with b.program("registers.c", "-static") as pid:
        same("libraries", *b.both(pid, lambda r, _: r.ask("qXfer:libraries-svr4:read::0,100")[:1]))


def threads(b):
    """the threads have gdbserver's ids and names"""
    def ask(r, _pid):
        found = {}
        for e in parse(r.xfer("threads")).iter("thread"):
            int(e.get("core"))      # it may have moved in between
            found[e.get("id")] = e.get("name")
        same("qfThreadInfo", sorted(r.threads()), sorted(found))
        return found
    ticks = os.path.join(b.folder, "ticks")
    with b.program("ticker.c", arguments=(ticks, "3"), until=None) as pid:
        while len(os.listdir("/proc/%d/task" % pid)) < 3 or not os.path.exists(ticks):
            time.sleep(0.02)    # it has not started them all
        running = len(os.listdir("/proc/%d/task" % pid))
        ours, theirs = b.both(pid, ask)
    same("threads", ours, theirs)
    same("how many", len(ours), running)


def siginfo(b):
    """the siginfo of a signal is gdbserver's, and of the same size"""
    def ask(r, _pid):
        stop = r.ask("vCont;c")
        info = r.xfer("siginfo")
        same("stop", stop[:3], b"T0b")
        same("size", len(info), 128)
        same("write", r.ask("qXfer:siginfo:write::4:", b"\x07\0\0\0"), b"4")
        same("after the write", r.ask("qXfer:siginfo:read::4,4"), b"m\x07\0\0\0")
        r.ask("vKill;%x" % int(re.search(rb"thread:p(\w+)\.", stop).group(1), 16))
        return info
    answers = []
    path = os.path.join(b.folder, "crash")
    subprocess.run([os.environ.get("CC", "cc"), "-g", "-o", path,
                    os.path.join(TOP, "tests", "inferiors", "crash.c")], check=True)
    for name in ("ours", "theirs"):
        with Server([*b.commands[name], "--once"], [path]) as server:
            with Rsp.connect(server.port) as r:
                r.open()
                answers.append(ask(r, 0))
    same("siginfo", *answers)


def os_types(b):
    """every table of `info os' that gdbserver has is here, with its columns"""
    def ask(r, _pid):
        tables = {"": parse(r.xfer("osdata"))}
        for kind in OS_TYPES:
            tables[kind] = parse(r.xfer("osdata", kind))
        return tables

    def columns(table):
        return {tuple(c.get("name") for c in item) for item in table}

    def rows(table):
        return [[(c.text or "").strip() for c in item] for item in table]

    with b.program("registers.c") as pid:
        ours, theirs = b.both(pid, ask)
    own = re.compile("python|code-regions$")
    same("types", [t for t in rows(ours[""]) if not own.match(t[0])], rows(theirs[""]))
    for kind in OS_TYPES:
        if len(theirs[kind]) and len(ours[kind]):
            same(kind, columns(ours[kind]), columns(theirs[kind]))
    for kind in ("processes", "threads", "procgroups"):
        # The processor it was on may be another by now.
        mine, its = ([{c.get("name"): (c.text or "").strip() for c in item
                       if c.get("name") not in ("core", "cores")} for item in table[kind]]
                     for table in (ours, theirs))
        same(kind, [row for row in mine if row["pid"] == str(pid)],
             [row for row in its if row["pid"] == str(pid)])


def refusals(b):
    """what gdbserver refuses is refused"""
    questions = ["qXfer:nosuch:read::0,10", "qXfer:auxv:write::0:x", "qXfer:threads:read:x",
                 "qXfer:features:read:nosuch.xml:0,10", "qXfer:threads:read::0", "qXfer:",
                 "qXfer:features:read:target.xml:ffffff,10", "qXfer:osdata:read:nosuch:0,10"]

    with b.program("registers.c") as pid:
        for question in questions:
            with attached(b.commands["ours"], pid) as r:
                mine = r.ask(question)[:1]
            try:
                with attached(b.commands["theirs"], pid) as r:
                    its = r.ask(question)[:1]
            except RspError:
                its = b"E"      # it went away; for us that is no answer
            # To a malformed request it answers nothing, as if it did not know the object.
            if its == b"" and question == "qXfer:threads:read:x":
                its = mine
            same(question, mine, its)


CASES = [description, register_values, single_registers, register_writes, auxv, exec_file,
         libraries, no_libraries, threads, siginfo, os_types, refusals]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    ap.add_argument("--stub", default=os.path.join(TOP, "build", "release", "archerfish"))
    ap.add_argument("--gdbserver", default="gdbserver")
    ap.add_argument("-k", metavar="WORDS", default="", help="only cases whose names have them")
    options = ap.parse_args()
    if not shutil.which(options.gdbserver):
        print("1..0 # skip there is no %s to compare with" % options.gdbserver)
        print("# diff: 0 passed, 0 failed, %d skipped" % len(CASES))
        return 77
    chosen = [c for c in CASES if options.k in c.__doc__ or options.k in c.__name__]
    count = collections.Counter(passed=0, failed=0, skipped=0)
    print("1..%d" % len(chosen))
    for number, case in enumerate(chosen, 1):
        name = case.__doc__.strip()
        with tempfile.TemporaryDirectory(prefix="archerfish-diff-") as folder:
            try:
                case(Bench(options, folder))
                verdict, said = "passed", ""
            except Skip as reason:
                verdict, said = "skipped", " # skip %s" % reason
            except Exception as e:  # whatever it is, the others still run
                verdict, said = "failed", ""
                print("\n".join("# " + line for line in str(e).splitlines()))
                if not isinstance(e, (AssertionError, RspError)):
                    traceback.print_exc()
        count[verdict] += 1
        print("%sok %d - %s%s" % ("not " if verdict == "failed" else "", number, name, said),
              flush=True)
    print("# diff: %(passed)d passed, %(failed)d failed, %(skipped)d skipped" % count)
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
