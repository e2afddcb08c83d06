#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random clients on a program that checks itself, for as long as wanted.

	tests/soak/soak.py --stub build/release/archerfish [--time S] [--seed N] [--threads N] [-v]

The program is tests/inferiors/soaked.c: 200 threads, births and ends of threads, forks, vforks,
spawns, signals, and an exec of itself every quarter of a minute.  Client after client
attaches to it and does what chance says: breakpoints, with and without conditions, hardware
ones, watchpoints, steps, interrupts, caught system calls, signals passed on; non-stop; then it
detaches, or is gone without a word, in the middle of whatever it was doing.  After each one the
stub must have ended well, and the program must run on in all its threads, untraced, with no
breakpoint in its memory.

Exit status: 0 nothing was wrong; 1 something was; 77 the program cannot be traced here.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "live"),
                os.path.join(TOP, "tests", "e2e")]

from live import ALONE, Client, Inferior, program_path  # noqa: E402
from rsp import RspError, Server  # noqa: E402

PATIENCE = 90  # seconds for what a loaded machine may take
SIGUSR1, SIGCHLD = 30, 20  # the protocol's numbers
# Conditions: 0; 1; (rdi & 63) == 10.
NEVER, ALWAYS, SOMETIMES = ";X3,220027", ";X3,220127", ";Xa,260005223f0f220a1327"


class Wrong(Exception):
    """Something that may never be."""


class Program(Inferior):
    def __init__(self, threads, log):
        self.proc = subprocess.Popen([program_path("soaked"), str(threads)], stderr=log,
                                     stdin=subprocess.DEVNULL)
        super().__init__(self.proc.pid, program_path("soaked"))
        self.workers = threads

    def read(self, addr, size):
        data = super().read(addr, size)
        if len(data) != size:
            raise OSError("it is between two programs")
        return data

    def tries(self, what):
        """what(), again while the process is between two programs."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return what()
            except (OSError, ValueError) as e:
                if self.proc.poll() is not None:
                    raise Wrong("the program has ended: %d" % self.proc.returncode) from None
                if time.monotonic() > deadline:
                    raise Wrong("it cannot be read: %s" % e) from None
                time.sleep(0.05)

    def counts(self):
        """(generation, rounds of each worker)."""
        def read():
            data = self.read(self["rounds"], 8 * self.workers)
            return (self.peek("generation"),
                    [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)])
        return self.tries(read)

    def status(self, tid):
        try:
            with open("/proc/%d/task/%d/status" % (self.pid, tid)) as f:
                return dict(re.findall(r"(?m)^(\w+):\s*(\S*)", f.read()))
        except OSError:
            return None     # it has ended

    def held(self):
        """A thread that is traced or stopped, in words; None: there is none."""
        for tid in self.tids():
            status = self.status(tid)
            if status and (status.get("TracerPid", "0") != "0" or status.get("State") in "Tt"):
                return "thread %d: state %s, tracer %s" % (tid, status.get("State"),
                                                           status.get("TracerPid"))
        return None

    def wait(self, what):
        """Until what() is None; what it says last is what is wrong."""
        deadline = time.monotonic() + PATIENCE
        said = what()
        while said:
            if self.proc.poll() is not None:
                raise Wrong("the program has ended: %d" % self.proc.returncode)
            if time.monotonic() > deadline:
                raise Wrong(said)
            time.sleep(0.02)
            said = what()

    def check(self):
        self.wait(self.held)
        if not self.tries(self.text_is_the_files):
            raise Wrong("a breakpoint is left in its memory")
        before = self.counts()

        def stuck():
            now = self.counts()
            if now[0] != before[0]:
                return None     # another program, in which all began anew
            still = [i for i, (a, b) in enumerate(zip(before[1], now[1])) if b <= a]
            return "workers %s do not go on" % still[:10] if still else None
        self.wait(stuck)
        if self.tries(lambda: self.peek("bad")):
            raise Wrong("the program's own check failed")


class Session:
    """A client of all-stop, with a will of its own."""

    def __init__(self, rnd, program, server, totals):
        self.rnd, self.program, self.totals = rnd, program, totals
        self.r = Client.connect(server.port, PATIENCE)
        self.r.open(ALONE)
        self.points = []
        self.stop = self.r.ask("?").decode("latin-1")
        self.passes = rnd.random() < 0.5
        if self.passes:
            self.r.ask("QPassSignals:%x;%x" % (SIGUSR1, SIGCHLD))

    def pending(self):
        """What becomes of the signal that it stopped for: it is passed on."""
        signo = int(self.stop[1:3], 16) if self.stop[:1] == "T" else 0
        return "C%02x" % signo if signo in (SIGUSR1, SIGCHLD) else "c"

    def thread(self):
        found = re.search(r"thread:(p[0-9a-f]+\.[0-9a-f]+)", self.stop)
        return found.group(1) if found else None

    def go(self, actions, seconds=0.3):
        """Resumes; the stop that comes, or that a ^C brings."""
        before = self.stop
        self.r.send("vCont;" + actions)
        try:
            self.stop = self.r.recv(self.rnd.uniform(0, seconds)).decode("latin-1")
        except RspError as e:
            if "no answer" not in str(e):
                raise
            self.r.interrupt()
            self.stop = self.r.recv(PATIENCE).decode("latin-1")
        if self.stop[:1] in "WX":
            raise Wrong("the program has ended under the debugger: " + self.stop)
        if self.stop[:1] == "E" and self.is_gone(actions):
            self.stop = self.r.ask("?").decode("latin-1")
        if self.stop[:1] not in "TN":
            raise Wrong("%r to %r; before it came %r" % (self.stop[:80], actions, before[:200]))
        if "exec" in self.stop:
            self.points = []    # gone with the old program
        self.totals["stops"] += 1

    def is_gone(self, actions):
        """An action was about a thread that an exec has ended since."""
        named = re.findall(r":(p[0-9a-f]+\.[0-9a-f]+)", actions)
        return bool(set(named) - set(self.r.threads()))

    def on(self):
        """From a breakpoint as a debugger does it: out, a step, in again; else simply on."""
        at = [p for p in self.points if p[0] == 0]
        thread = self.thread()
        if at and thread and "swbreak" in self.stop:
            for kind, addr, tail in at:
                self.r.ask("z%d,%x,1" % (kind, addr))
            self.go("s:" + thread, 5)
            for kind, addr, tail in at:
                self.r.ask("Z%d,%x,1%s" % (kind, addr, tail))
        self.go(self.onward())

    def onward(self):
        """All go on; who stopped for a signal gets it."""
        thread, how = self.thread(), self.pending()
        return how + ":" + thread + ";c" if how != "c" and thread else "c"

    def step(self):
        for _ in range(self.rnd.randint(1, 15)):
            thread = self.thread()
            if not thread:
                return self.on()
            how = self.pending().replace("C", "S").replace("c", "s")
            others = self.rnd.choice(["", ";c"])
            self.go("%s:%s%s" % (how, thread, others), 5)
        return None

    def insert(self):
        kind = self.rnd.choice([0, 0, 0, 1, 2])
        name = "received" if kind == 2 else self.rnd.choice(["work", "work", "check_round"])
        tail = "" if kind == 2 else self.rnd.choice(["", "", NEVER, ALWAYS, SOMETIMES])
        size = 8 if kind == 2 else 1
        addr = self.program[name]
        if self.r.ask("Z%d,%x,%x%s" % (kind, addr, size, tail)) == b"OK" and kind == 0:
            self.points.append((kind, addr, tail))

    def remove(self):
        for name in ("work", "check_round"):
            for kind in (0, 1):
                self.r.ask("z%d,%x,1" % (kind, self.program[name]))
        self.r.ask("z2,%x,8" % self.program["received"])
        self.points = []

    def catch(self):
        self.r.ask("QCatchSyscalls:" + self.rnd.choice(["0", "0", "1;3d;3a;39", "1;23"]))

    def look(self):
        self.r.threads()
        thread = self.thread()
        if thread:
            self.r.ask("Hg" + thread)
        self.r.ask("g")
        self.r.memory(self.program["rounds"], 8 * self.program.workers)
        self.r.xfer("threads")

    def act(self):
        what = self.rnd.choices([self.on, self.step, self.insert, self.remove, self.catch, self.look],
                                [10, 4, 4, 2, 1, 3])[0]
        self.totals[what.__name__] = self.totals.get(what.__name__, 0) + 1
        what()

    def leave(self):
        how = self.rnd.choice(["detach", "detach", "close", "close running", "half a packet"])
        if how == "detach":
            self.r.ask("D")
        elif how == "close running":
            self.r.send("vCont;" + self.onward())
            time.sleep(self.rnd.uniform(0, 0.05))
        elif how == "half a packet":
            self.r.write(b"$m401")
        self.r.close()
        return how


class NonStop(Session):
    """A client of non-stop: threads one by one."""

    def __init__(self, rnd, program, server, totals):
        super().__init__(rnd, program, server, totals)
        self.stopped = {}
        if self.r.ask("QNonStop:1") != b"OK":
            raise Wrong("QNonStop is refused")
        self.hear(self.r.ask("?"))
        while self.hear(self.r.ask("vStopped")):
            pass

    def hear(self, reply):
        text = reply.decode("latin-1")
        text = text[5:] if text.startswith("Stop:") else text
        if text == "OK" or not text:
            return False
        if text[:1] in "WX":
            raise Wrong("the program has ended under the debugger: " + text)
        found = re.search(r"thread:(p[0-9a-f]+\.[0-9a-f]+)", text)
        if found:
            self.stopped[found.group(1)] = text
        self.totals["stops"] += 1
        return True

    def gather(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                note = self.r.note(max(0.0, deadline - time.monotonic()))
            except RspError as e:
                if "no answer" not in str(e):
                    raise
                return
            self.hear(note)
            while self.hear(self.r.ask("vStopped")):
                pass

    def act(self):
        what = self.rnd.choice(["all", "one", "stop", "insert", "remove", "look"])
        self.totals["non-stop " + what] = self.totals.get("non-stop " + what, 0) + 1
        threads = list(self.stopped)
        if what == "all":
            self.r.ask("vCont;" + ";".join(
                ["C%s:%s" % (text[1:3], t) for t, text in self.stopped.items()
                 if int(text[1:3], 16) in (SIGUSR1, SIGCHLD)] + ["c"]))
            self.stopped = {}
            self.gather(self.rnd.uniform(0, 0.3))
        elif what == "one" and threads:
            t = self.rnd.choice(threads)
            signo = int(self.stopped[t][1:3], 16)
            passed = signo in (SIGUSR1, SIGCHLD)
            self.r.ask("vCont;%s:%s" % ("S%02x" % signo if passed else "s", t))
            del self.stopped[t]
            self.gather(0.2)
        elif what == "stop":
            self.r.ask("vCont;t")
            self.gather(0.5)
        elif what == "insert":
            self.r.ask("Z0,%x,1;X3,220027" % self.program["work"])
        elif what == "remove":
            self.r.ask("z0,%x,1" % self.program["work"])
        elif what == "look":
            self.r.threads()

    def leave(self):
        how = self.rnd.choice(["detach", "close"])
        if how == "detach":
            self.r.ask("D;%x" % self.program.pid)
        self.r.close()
        return "non-stop " + how


def one_client(args, rnd, program, totals):
    """A client from its beginning to its end; the story of it."""
    kind = NonStop if rnd.random() < args.nonstop else Session
    try:
        server = Server([args.stub, "--once", "--attach"], [str(program.pid)], PATIENCE)
    except RspError as e:
        raise Wrong("attach: %s" % e) from None
    story = kind.__name__
    try:
        session = kind(rnd, program, server, totals)
        for _ in range(rnd.randint(0, 25)):
            session.act()
        story += ", " + session.leave()
        try:
            status = server.proc.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Wrong("the stub stays") from None
        if status != 0:
            raise Wrong("the stub has ended with %d" % status)
    except RspError as e:
        raise Wrong("%s: %s" % (story, e)) from None
    finally:
        text = server.read()
        if server.proc.poll() is None:
            server.stop()
        else:
            server.proc.stderr.close()
        if "ERROR: " in text or "runtime error" in text:
            raise Wrong("the stub: " + text[-2000:])
    return story


def soak(args, rnd, program, totals):
    program.wait(lambda: None if program.tries(lambda: program.peek("generation") +
                                               program.peek("births")) else "it does not begin")
    ends = time.monotonic() + args.time
    told = time.monotonic()
    while time.monotonic() < ends:
        state = rnd.getstate()
        try:
            story = one_client(args, rnd, program, totals)
            program.check()
        except Wrong:
            print("# client %d; the state of chance began with %d" % (totals["clients"],
                                                                     state[1][0]))
            raise
        totals["clients"] += 1
        if args.verbose:
            print("# %d: %s" % (totals["clients"], story), flush=True)
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print("# %d clients, %d stops, generation %d" % (
                totals["clients"], totals["stops"], program.counts()[0]), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stub", required=True)
    p.add_argument("--time", type=float, default=3600)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--threads", type=int, default=200)
    p.add_argument("--nonstop", type=float, default=0.25, help="how many of the clients")
    p.add_argument("-v", "--verbose", action="store_true")
    args = p.parse_args()
    totals = {"clients": 0, "stops": 0}
    print("# seed %d, %g s" % (args.seed, args.time), flush=True)
    program = Program(args.threads, sys.stderr)
    status = 0
    try:
        soak(args, random.Random(args.seed), program, totals)
    except Wrong as e:
        print("not ok: %s" % e)
        status = 1
    finally:
        program.proc.kill()
        program.proc.wait()
    print("# soak: %s" % ", ".join("%s %d" % kv for kv in sorted(totals.items())))
    print("soak: %s after %d clients" % ("FAILED" if status else "passed", totals["clients"]))
    return status


if __name__ == "__main__":
    sys.exit(main())
