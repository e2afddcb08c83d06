#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same packets to gdbserver and to archerfish, on two fresh copies of a program.

	tests/diff/runs.py [--stub build/release/archerfish] [--gdbserver gdbserver]
	                   [-v] [NAME...]

Both launch the program with the same environment and fixed addresses, so that pcs,
stacks and memory are equal; process ids are written as PID.  What may differ, and
why, is the table WANTED.  `gdb' records what stock gdb asks of gdbserver, opening
included, and asks it again of both.  Prints TAP, then "# runs: N passed, N failed,
N skipped"; exit status 0, 1, or 77 without gdbserver.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "live")]

from documents import layout  # noqa: E402
from live import Client, Stop, program_path, symbols  # noqa: E402
from rsp import GDB, RspError, Server  # noqa: E402

#: What the client says of itself: as gdb, but for children, which gdbserver would then keep.
SAYS = GDB.replace("fork-events+;vfork-events+;", "")

#: (packet, ours, theirs: regular expressions of the whole, and why).
WANTED = [
    (r"vCont\?", r"vCont;c;C;s;S;t;r", r"vCont;c;C;t;s;S;r", "an order means nothing"),
    (r"Hc.*", r"OK", r"E", "gdbserver knows no Hc-1 in a multiprocess session; gdb ignores both"),
    (r"qOffsets", r"OK|", r".*", "asked of what is not position-independent: gdb reads the file"),
    (r"qTStatus", r"T0;tnotrun:0;.*", r"T0;tnotrun:0;.*", "the order of what follows means nothing"),
    (r"qSymbol:.*", r"OK", r"qSymbol:.*", "archerfish reads the ELF files and asks for no symbol"),
    (r"QAgent:.*", r"", r"OK", "no agent yet"),
    (r"qXfer:btrace-conf:.*", r"", r"E", "no branch tracing"),
    (r"!", r"OK", r"OK", "equal"),
    (r"p[0-9a-f]+", r"[0-9a-fx]+|E.*", r"|E.*", "gdbserver has no p"),
    (r"x.*", r"b.*|E.*", r"", "gdbserver 13 has no x"),
    (r"P.*", r"OK|E", r"", "gdbserver has no P"),
    (r"z[01],.*", r"OK", r"E", "to remove what is not there is no error: `idempotent', says gdb"),
    (r"M[0-9a-f]+,4:0102", r"E", r"OK", "gdbserver writes bytes that were not sent"),
    (r"qXfer:auxv:read::1000,10", r"E", r"l", "an offset that is not in the document"),
    (r"qfThreadInfo", r"m[^,]+(,[^,]+)+", r"m[^,]+", "archerfish sends all that fit"),
    (r"\?", r"[WX].*", r"W00", "the end is remembered"),
]

#: Asked for, compared elsewhere: tests/diff/documents.py, tests/unit/test_h_file.c.
ELSEWHERE = re.compile(r"qXfer:(features|threads|libraries-svr4|libraries|osdata)|vFile|qSupported|"
                       r"qRcmd|QStartNoAck|qTStatus")


#: Registers that hold what the loader left there, or that gdbserver 13 does not find where
#: the processor keeps AMX state; tests/diff/documents.py sets and compares them all.
LEFTOVER = re.compile(r"[xyz]mm|k[0-7]$|pkru")


class Skip(Exception):
    pass


class Transcript:
    """What was asked and answered, with what differs by accident written the same way."""

    def __init__(self, client, pid):
        self.r, self.pid, self.lines = client, pid, []
        self.tids = {}
        self.layout = layout(client)    # reads target.xml: else archerfish gives what gdb presumes

    def tid(self, text):
        """A thread id by the order in which threads appeared."""
        return self.tids.setdefault(int(text, 16), "TID%d" % (len(self.tids) + 1)
                                    if int(text, 16) != self.pid else "PID")

    def plain(self, text):
        text = re.sub(r"p%x\.-1" % self.pid, "pPID.-1", text)
        text = re.sub(r"p%x\.([0-9a-f]+)" % self.pid, lambda m: "pPID." + self.tid(m[1]), text)
        text = re.sub(r"([;:])%x\b" % self.pid, r"\1PID", text)
        return re.sub(r"%x\.([0-9a-f]+)" % self.pid, lambda m: "PID." + self.tid(m[1]), text)

    def reply(self, raw):
        text = raw.decode("latin-1")
        if re.match(r"E[0-9a-f]{2}$|E\.", text):
            return "E"
        text = self.plain(text)
        # Which kind of watch it was the client knows; an address may have zeros before it.
        text = re.sub(r"(?<![a-z])a?watch:0*", "watch:", text)
        if re.match(r"T[0-9a-f]{2}", text):
            fields = text[3:].rstrip(";").split(";")
            return text[:3] + ";".join(sorted(f for f in fields if not f.startswith("core:")))
        # The manual has two digits; gdbserver writes W0.
        return re.sub(r"^([WX])([0-9a-f])(;|$)", r"\g<1>0\2\3", text)

    def registers(self, raw):
        """What g holds, by name: the two number some registers differently."""
        values, at = [], 0
        for reg in self.layout:
            if not LEFTOVER.match(reg.name):
                values.append("%s=%s" % (reg.name, raw[at:at + 2 * reg.bytes].decode()))
            at += 2 * reg.bytes
        return " ".join(sorted(values)).replace(self.pid.to_bytes(8, "little").hex(), "PID")

    def note(self, packet, raw):
        if packet[:1] == "G":
            packet = "G..."
        reply = self.registers(raw) if packet == "g" and raw[:1] != b"E" else self.reply(raw)
        self.lines.append((self.plain(packet), reply))
        return raw

    def ask(self, packet, data=b""):
        return self.note(packet, self.r.ask(packet, data))

    def run(self, packet):
        """A resumption; the stop as live.Stop."""
        return Stop(self.ask(packet))

    def step(self, stop):
        return self.run("vCont;s:p%x.%x" % (stop.pid, stop.tid))

    def stop(self):
        return Stop(self.ask("?"))


def look(x):
    """All registers, and memory at the stack and the pc."""
    x.ask("g")
    stop = x.stop()
    x.ask("m%x,8" % int.from_bytes(stop.regs[7], "little"))  # further up are random numbers
    x.ask("m%x,20" % stop.pc)
    return stop


def opening(x, _):
    for packet in ("qSupported:" + SAYS, "vMustReplyEmpty", "QStartNoAckMode", "!", "Hgp0.0",
                   "qXfer:features:read:target.xml:0,1000", "?", "qC", "qAttached:%x" % x.pid,
                   "Hc-1", "qOffsets", "qXfer:auxv:read::0,1000", "qXfer:exec-file:read:%x:0,1000" % x.pid,
                   "qXfer:auxv:read::10,10", "qXfer:auxv:read::1000,10", "qXfer:auxv:read:x:0,10",
                   "qXfer:nosuch:read::0,10", "vCont?", "qfThreadInfo", "qsThreadInfo",
                   "qAttached:7fffffff", "Tp%x.%x" % (x.pid, x.pid), "Tp%x.7fffffff" % x.pid,
                   "Hgp%x.7fffffff" % x.pid, "Hgp%x.%x" % (x.pid, x.pid), "vNoSuchPacket", "qNoSuch",
                   "QNoSuch", "y", "Z5,0,1", "QPassSignals:e;10;14", "QProgramSignals:0;1;3"):
        x.ask(packet)
    look(x)


def steps(x, names):
    x.ask("Z0,%x,1" % names["strides"])
    stop = x.run("vCont;c")
    look(x)
    x.ask("z0,%x,1" % names["strides"])
    while stop.pc != names["at_flags"]:
        stop = x.step(stop)
    look(x)
    # Over the push of the flags: there gdbserver leaves the trap flag in the program.
    for kind in (0, 1):
        x.ask("Z%d,%x,1" % (kind, names["at_nops"]))
        x.ask("Z%d,%x,1" % (kind, names["at_nops"]))
        stop = x.run("vCont;c")
        look(x)
        x.ask("z%d,%x,1" % (kind, names["at_nops"]))
        stop = x.step(stop)
        stop = x.run("vCont;r%x,%x:p%x.%x" % (stop.pc, names["at_last"], stop.pid, stop.tid))
        look(x)
        stop = x.run("vCont;r0,0:p%x.%x" % (stop.pid, stop.tid))
    x.ask("z0,%x,1" % names["at_nops"])


def old_packets(x, names):
    # Not s: gdbserver 13 takes leftovers of its stack for the range to step through.
    x.ask("Z0,%x,1" % names["at_nops"])
    x.run("c")
    x.ask("z0,%x,1" % names["at_nops"])
    x.ask("Z0,%x,1" % names["handler"])
    x.run("C1e")
    look(x)
    x.ask("z0,%x,1" % names["handler"])
    x.ask("Z0,%x,1" % names["at_last"])
    x.run("C00")
    look(x)


def watches(x, names):
    area = names["area"] + 16
    for kind, addr, size in ((2, area, 4), (4, area + 8, 8), (2, area + 6, 2)):
        x.ask("Z%d,%x,%x" % (kind, addr, size))
        for _ in range(8):
            x.run("vCont;c")
            x.ask("m%x,8" % names["turn"])
        x.ask("z%d,%x,%x" % (kind, addr, size))
    x.ask("Z3,%x,4" % area)
    x.run("vCont;c")


def memory(x, names):
    sp = int.from_bytes(x.stop().regs[7], "little") - 0x400
    main = names["main"]
    for packet in ("m%x,10" % main, "m%x,0" % main, "m0,10", "m%x,1" % (2 ** 64 - 1),
                   "M%x,4:01020304" % sp, "m%x,8" % sp, "M%x,4:0102" % sp, "M0,4:01020304",
                   "m%x,1000" % ((main & ~0xfff) + 0xff0), "M%x,1:90" % main, "m%x,2" % main,
                   "qCRC:%x,100" % main, "qCRC:0,10",
                   "qSearch:memory:%x;400;\x01\x02\x03" % (sp - 0x100),
                   "qSearch:memory:%x;400;\x01\x02\x09" % (sp - 0x100),
                   "qSearch:memory:0;100;x"):
        x.ask(packet)
    x.ask("X%x,0:" % sp)
    x.ask("X%x,4:" % sp, b"#$}*")
    x.ask("m%x,8" % sp)
    regs = x.ask("g").decode()
    x.ask("G8877665544332211" + regs[16:])
    x.ask("g")
    x.ask("G" + regs)
    x.ask("g")
    x.ask("G00")


def signals(x, names):
    x.ask("QPassSignals:14")
    x.ask("Z0,%x,1" % names["at_nops"])
    stop = x.run("vCont;c")
    x.ask("z0,%x,1" % names["at_nops"])
    thread = "p%x.%x" % (stop.pid, stop.tid)
    x.ask("qXfer:siginfo:read::0,80")
    for packet in ("vCont;S1e:%s" % thread, "vCont;s:%s" % thread):
        x.run(packet)
    look(x)
    # An int3 of its own, written into it.
    x.ask("M%x,1:cc" % names["callee"])
    x.run("vCont;c")
    x.ask("qXfer:siginfo:read::0,10")
    x.ask("M%x,1:90" % names["callee"])
    # And what it can do wrong: pc into nothing.
    x.run("vCont;s:%s" % thread)
    regs = x.ask("g").decode()
    x.ask("G" + regs[:2 * 128] + "0" * 16 + regs[2 * 136:])
    x.run("vCont;c")
    x.ask("qXfer:siginfo:read::0,18")
    x.ask("vCont;C0b:%s" % thread)


def ends(x, names):
    x.ask("Z0,%x,1" % names["leave"])
    x.run("vCont;c")
    look(x)
    x.ask("qfThreadInfo")
    x.ask("z0,%x,1" % names["leave"])
    x.ask("vCont;c")
    x.ask("?")


def execs(x, _):
    stop = x.run("vCont;c")
    x.ask("qXfer:exec-file:read:%x:0,1000" % stop.pid)
    x.ask("m%x,20" % stop.pc)       # gdbserver stands inside of execve, and rax shows it
    x.ask("qfThreadInfo")
    x.ask("vCont;c")


def conditions(x, names):
    # The count, which rdi points to, is 7; is 9, at a hardware breakpoint; nothing holds.
    for kind, count in ((0, "07"), (1, "09")):
        x.ask("Z%d,%x,1;X3,220027X8,2600051a22%s1327" % (kind, names["hit"], count))
        stop = x.run("vCont;c")
        look(x)
        x.ask("m%x,8" % names["count"])
        x.ask("z%d,%x,1" % (kind, names["hit"]))
        x.step(stop)
    x.ask("Z0,%x,1;X3,220027" % names["hit"])
    x.ask("vCont;c")


def kill(x, _):
    x.ask("vKill;%x" % x.pid)
    x.ask("?")


def detach(x, names):
    x.ask("Z0,%x,1" % names["strides"])
    x.run("vCont;c")
    x.ask("D;7fffffff")
    x.ask("D;%x" % x.pid)


def crash(x, names):
    x.run("vCont;c")
    look(x)
    x.ask("qXfer:siginfo:read::0,c")    # then comes the process id
    x.ask("vCont;C06")


#: name: (program and arguments, what to ask)
SCENARIOS = {
    "opening": (["strides"], opening),
    "steps": (["strides"], steps),
    "old packets": (["strides"], old_packets),
    "watches": (["watched"], watches),
    "memory": (["strides"], memory),
    "signals": (["strides"], signals),
    "exit": (["ends", "thread", "7"], ends),
    "exec by another thread": (["exec", program_path("ends"), "exit", "3"], execs),
    "killed by itself": (["ends", "raise", "9"], lambda x, _: x.ask("vCont;c")),
    "crash": (["ends", "raise", "6"], crash),
    "conditions": (["hits", "1", "20"], conditions),
    "kill": (["strides"], kill),
    "detach": (["strides"], detach),
}

GDB_COMMANDS = """
target remote 127.0.0.1:%d
break count
continue
backtrace
info registers
step
next
stepi
nexti
finish
up
info locals
x/8i $pc
p/x $xmm0
info auxv
info threads
tbreak add
continue
until
advance count
watch counter
continue
continue
delete
hbreak add
continue
delete
p add(40, 2)
set var counter = 7
p counter
p $_siginfo.si_signo
handle SIGUSR1 stop print pass
continue
p $_siginfo.si_signo
stepi
continue
""".strip().splitlines()


def record(gdb, gdbserver, path, folder):
    """The packets of a gdb session with gdbserver, as gdb wrote them, and the process id."""
    log = os.path.join(folder, "packets")
    with Server([gdbserver, "--once"], [path], env=environment()) as server:
        pid = int(re.search(r"pid = (\d+)", server.read()).group(1))
        command = [gdb, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
                   "-ex", "set sysroot /", "-ex", "set remotelogfile " + log]
        for line in GDB_COMMANDS:
            command += ["-ex", line % server.port if "%d" in line else line]
        subprocess.run(command + [path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=60, check=False)
    packets = []
    with open(log, "rb") as f:
        for line in f:
            if line.startswith(b"w "):
                body = re.match(rb"w [+-]*\$(.*)#[0-9a-f]{2}$", line.rstrip(b"\n"), re.S)
                if body:
                    packets.append(unlogged(body.group(1)))
    return packets, pid


def unlogged(text):
    """What remotelogfile wrote as C does, as it was."""
    names = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"a": b"\a",
             b"v": b"\v", b"\\": b"\\"}
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: bytes([int(m[1][1:], 16)])
                  if m[1][:1] == b"x" and len(m[1]) == 3 else names.get(m[1], m[1]), text)


def replay(packets, recorded_pid):
    def ask(x, _):
        old, new = b"%x" % recorded_pid, b"%x" % x.pid
        for packet in packets:
            packet = re.sub(rb"\bp%s\.%s\b" % (old, old), b"p%s.%s" % (new, new), packet)
            packet = re.sub(rb"\bp%s\.-1" % old, b"p%s.-1" % new, packet)
            packet = re.sub(rb"([:;])%s\b" % old, rb"\g<1>" + new, packet)
            if re.match(rb"vFile:open|vFile:p|vFile:f|vFile:c|QStartNoAck", packet):
                continue    # descriptors have other numbers
            if packet[:1] == b"X":
                # Escapes are part of what was recorded.
                x.r.send(packet)
                x.note("X...", x.r.recv())
                continue
            x.ask(packet.decode("latin-1"))
            if x.lines[-1][1][:1] in ("W", "X"):
                break
    return ask


def environment():
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "ASAN_OPTIONS")}
    kept.update(LC_ALL="C", SHELL="/bin/sh")
    return kept


def transcript(stub, command, ask):
    path = program_path(command[0])
    with Server([stub, "--once"], [path, *command[1:]], env=environment()) as server:
        pid = int(re.search(r"pid = (\d+)", server.read()).group(1))
        with Client.connect(server.port) as r:
            r.open(SAYS)
            x = Transcript(r, pid)
            try:
                ask(x, symbols(path))
            except (RspError, KeyError) as e:
                x.lines.append(("(the session)", repr(e)))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return x.lines


def is_wanted(packet, ours, theirs):
    return any(re.fullmatch(p, packet, re.S) and re.fullmatch(o, ours, re.S) and
               re.fullmatch(g, theirs, re.S) for p, o, g, _ in WANTED)


def words(packet, reply):
    """Memory in pieces of 8 bytes; other replies whole."""
    return re.findall(".{1,16}", reply) if re.match(r"m[0-9a-f]+,", packet) else [reply]


def without_chance(packet, reply, *twice):
    """`reply` without the pieces in which two runs of gdbserver differ: canaries and the like."""
    pieces, first, second = (words(packet, r) for r in (reply, *twice))
    if len(first) != len(second) or len(pieces) != len(first):
        return reply
    return "".join(p for p, a, b in zip(pieces, first, second) if a == b)


def compare(ours, theirs, again):
    """The differences that nobody wants, as text."""
    found = []
    for (packet, reply), (other, expected), (_, twice) in zip(ours, theirs, again):
        if packet != other:
            found.append("%s was asked (%s) where gdbserver was asked %s (%s)"
                         % (packet, reply, other, expected))
            break
        reply, expected = (without_chance(packet, r, expected, twice) for r in (reply, expected))
        if reply != expected and not ELSEWHERE.match(packet) and \
                not is_wanted(packet, reply, expected):
            at = max(0, len(os.path.commonprefix([reply, expected])) - 60)
            found.append("%.200s (from %d on)\n  archerfish %.300s\n  gdbserver  %.300s"
                         % (packet, at, reply[at:], expected[at:]))
    else:
        if not len(ours) == len(theirs) == len(again):
            found.append("%d packets, to gdbserver %d" % (len(ours), len(theirs)))
    return found


def perform(name, args, folder):
    if name == "gdb":
        if not shutil.which(args.gdb):
            raise Skip("there is no gdb")
        packets, pid = record(args.gdb, args.gdbserver, program_path("steps"), folder)
        if len(packets) < 100:
            raise AssertionError("gdb sent only %d packets" % len(packets))
        command, ask = ["steps"], replay(packets, pid)
    else:
        command, ask = SCENARIOS[name]
    ours = transcript(args.stub, command, ask)
    theirs, again = (transcript(args.gdbserver, command, ask) for _ in range(2))
    if args.verbose:
        for line in ours:
            print("#   %.100s -> %.100s" % line)
    found = compare(ours, theirs, again)
    if found:
        raise AssertionError("\n".join(found[:40]))
    return len(ours)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--stub", default="build/release/archerfish")
    parser.add_argument("--gdbserver", default="gdbserver")
    parser.add_argument("--gdb", default="gdb")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    args.stub = os.path.abspath(args.stub)
    if not shutil.which(args.gdbserver):
        print("# runs: there is no gdbserver")
        return 77
    names = args.names or [*SCENARIOS, "gdb"]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    print("1..%d" % len(names))
    with tempfile.TemporaryDirectory(prefix="archerfish-diff.") as folder:
        for number, name in enumerate(names, 1):
            try:
                said = "ok %d - %s # %d packets" % (number, name, perform(name, args, folder))
                counts["passed"] += 1
            except Skip as skip:
                said = "ok %d - %s # SKIP %s" % (number, name, skip)
                counts["skipped"] += 1
            except Exception as e:
                text = str(e) if isinstance(e, AssertionError) else traceback.format_exc()
                said = "not ok %d - %s\n#   %s" % (number, name, text.replace("\n", "\n#   "))
                counts["failed"] += 1
            print(said, flush=True)
    print("# runs: %(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
