# SPDX-License-Identifier: MIT
"""What the tests of tests/live/ are written with: archerfish on a real process, asked by packets.

	from live import case, attach, start

	@case("a detach leaves the process running")
	def _(t):
		program = start(t, "checked", 3)
		server, r = attach(t, program)
		r.ask("D")
		t.untouched(program.pid)

`t` is the harness's of tests/e2e.  The programs are tests/inferiors/NAME.c, built into
build/inferiors/ with fixed addresses, so that a name in them is an address before they
run; a test looks into them through /proc, past the stub.
"""

import functools
import os
import re
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "e2e")]

from harness import Failure, Process, case  # noqa: E402,F401
from rsp import GDB, Rsp, RspError  # noqa: E402,F401

# A client that does not want to hear of children.
ALONE = GDB.replace("fork-events+;vfork-events+;", "")
BIN = os.path.join(TOP, "build", "inferiors")
RAX, RSP, RIP, ORIG_RAX = 0, 7, 16, 57
SIGINT, SIGTRAP, SIGKILL, SIGUSR1, SIGUSR2, SIGSTOP, SIGCONT, SIGTSTP = (
    2, 5, 9, 30, 31, 17, 19, 18)  # the protocol's numbers
SIGCHLD = 20


def program_path(name):
    return os.path.join(BIN, name)


@functools.lru_cache(None)
def symbols(path):
    """{name: address} of a program with fixed addresses."""
    text = subprocess.run(["nm", "--defined-only", path], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    return {f[2]: int(f[0], 16) for f in map(str.split, text.splitlines()) if len(f) == 3}


def text_segments(path):
    """(address, bytes) of what the file says is executable."""
    with open(path, "rb") as f:
        data = f.read()
    offset, size, count = (struct.unpack_from("<Q", data, 32)[0],
                           *struct.unpack_from("<HH", data, 54))
    for i in range(count):
        kind, flags, at, addr, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
        if kind == 1 and flags & 1:
            yield addr, data[at:at + length]


class Inferior:
    """A process as /proc shows it, by the names of its program."""

    def __init__(self, pid, path):
        self.pid, self.path = pid, path
        self.names = symbols(path)

    def __getitem__(self, name):
        return self.names[name]

    def memory(self, mode):
        """Its memory as a file; that of a first thread that has ended is empty."""
        tids = [self.pid] if self.state() != "Z" else [x for x in self.tids() if x != self.pid]
        return open("/proc/%d/mem" % (tids or [self.pid])[0], mode, 0)

    def read(self, addr, size):
        with self.memory("rb") as f:
            f.seek(addr)
            return f.read(size)

    def peek(self, name, index=0):
        """A variable that is an unsigned long, or one of an array of them."""
        return struct.unpack("<Q", self.read(self[name] + 8 * index, 8))[0]

    def poke(self, name, value):
        with self.memory("r+b") as f:
            f.seek(self[name])
            f.write(struct.pack("<Q", value))

    def text_is_the_files(self):
        """No trap is left in the program's text."""
        return all(self.read(addr, len(data)) == data for addr, data in text_segments(self.path))

    def state(self, tid=None):
        """The letter of proc(5); '' if it is gone."""
        try:
            with open("/proc/%d/task/%d/stat" % (self.pid, tid or self.pid)) as f:
                return f.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return ""

    def tids(self):
        try:
            return sorted(map(int, os.listdir("/proc/%d/task" % self.pid)))
        except OSError:
            return []

    def kill(self, signo):
        os.kill(self.pid, signo)


class Stop:
    """A stop reply, taken apart."""

    def __init__(self, reply):
        self.raw = reply.decode("latin-1")
        self.kind = self.raw[:1]
        found = re.match(r"[TSWX]([0-9a-f]{1,2})", self.raw)
        self.signo = int(found.group(1), 16) if found else None
        self.tid = self.pid = None
        self.words, self.regs = {}, {}
        if self.kind != "T":
            return
        for item in self.raw[3:].rstrip(";").split(";"):
            name, _, value = item.partition(":")
            if re.fullmatch(r"[0-9a-f]{1,3}", name):
                self.regs[int(name, 16)] = bytes.fromhex(value)
            else:
                self.words[name] = value
        pid, tid = re.fullmatch(r"p([0-9a-f]+)\.([0-9a-f]+)", self.words["thread"]).groups()
        self.pid, self.tid = int(pid, 16), int(tid, 16)

    @property
    def pc(self):
        return int.from_bytes(self.regs[RIP], "little")

    def __repr__(self):
        return re.sub(r"\b[0-9a-f]{2}:[0-9a-f]{16,};", "", self.raw)


class Client(Rsp):
    """The protocol as gdb's run control speaks it."""

    def run(self, actions="c", timeout=None):
        """vCont, and the stop that ends it."""
        self.send("vCont;" + actions)
        return self.stop(timeout)

    def stop(self, timeout=None):
        return Stop(self.recv(timeout))

    def reason(self):
        return Stop(self.ask("?"))

    def insert(self, addr, kind=0, size=1):
        self.ok("Z%d,%x,%x" % (kind, addr, size))

    def remove(self, addr, kind=0, size=1):
        self.ok("z%d,%x,%x" % (kind, addr, size))

    def ok(self, packet):
        reply = self.ask(packet)
        if reply != b"OK":
            raise Failure("%s was answered %r" % (packet, reply))

    def id(self, stop):
        return "p%x.%x" % (stop.pid, stop.tid)

    def step(self, stop, others=""):
        return self.run("s:%s%s" % (self.id(stop), others))

    def step_over(self, stop, addr, actions="c"):
        """On from a breakpoint as gdb does it: out, a step alone, in again, on."""
        self.remove(addr)
        after = self.step(stop)
        while after.signo == SIGCHLD:   # a signal comes first, even one that passes otherwise
            after = self.run("S%02x:%s" % (SIGCHLD, self.id(stop)))
        self.insert(addr)
        if after.signo != SIGTRAP or after.tid != stop.tid or after.words.get("swbreak"):
            raise Failure("a step from the breakpoint stopped by %r" % after)
        return self.run(actions)

    def reg(self, number, thread=None):
        if thread:
            self.ok("Hg" + thread)
        return int.from_bytes(bytes.fromhex(self.ask("p%x" % number).decode()), "little")

    def set_reg(self, number, value):
        self.ok("P%x=%s" % (number, struct.pack("<Q", value).hex()))

    def resume(self, actions="c"):
        """vCont without waiting for the stop."""
        self.send("vCont;" + actions)

    def halt(self, timeout=None):
        """^C, and the stop that answers it."""
        self.interrupt()
        return self.stop(timeout)


class Running(Process, Inferior):
    """A program of tests/inferiors/ that a test started itself."""

    def __init__(self, name, command, **how):
        Process.__init__(self, name, command, **how)
        Inferior.__init__(self, self.pid, command[0])

    kill = Inferior.kill


def start(t, name, *args, ready=None, **how):
    """Run a program and wait until ready(it)."""
    program = t.start(Running, name, [program_path(name), *args], **how)

    def is_ready():
        try:
            return program.read(program["main"], 1) and (not ready or ready(program))
        except OSError:
            return False    # between the two programs of an exec
    t.eventually(is_ready, name + " is ready")
    return program


def connect(t, server, says=ALONE, timeout=60):
    r = Client.connect(server.port, timeout)
    t.clients = getattr(t, "clients", []) + [r]
    r.open(says)
    return r


def attach(t, program, *options, says=ALONE):
    """archerfish attached to it, and a client: (server, r)."""
    server = t.serve(*options, pid=program.pid)
    return server, connect(t, server, says)


def launch(t, name, *args, options=(), says=ALONE, **how):
    """A program launched by archerfish, at its first instruction: (server, r, inferior)."""
    server = t.serve(*options, command=[program_path(name), *args], **how)
    pid = int(server.until(r"created; pid = (\d+)").group(1))
    return server, connect(t, server, says), Inferior(pid, program_path(name))


def moves(t, program, name, more=1):
    """The program goes on: its counter grows."""
    before = program.peek(name)
    t.eventually(lambda: program.peek(name) >= before + more, "%s grows" % name)


def unharmed(t, program, counter=None):
    """As if nobody had ever traced it."""
    t.untouched(program.pid)
    t.check(program.text_is_the_files(), "a trap is left in the text")
    if counter:
        moves(t, program, counter, 3)


def gone(t, pid):
    t.eventually(lambda: not os.path.exists("/proc/%d" % pid) or
                 (t.status(pid, "State") or "Z")[0] in "ZX", "process %d is gone" % pid)


def term(t, server, expected=0):
    """SIGTERM ends the stub."""
    server.signal(signal.SIGTERM)
    t.equal(server.wait(), expected, "exit status after SIGTERM")
