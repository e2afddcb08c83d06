#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutated packets and rude clients, to the real program on real processes.

	tests/hostile/live.py [--stub PATH] [--mutate PATH] [--packets N] [--seed N] [NAME...]

NAME: of the cases below.  Each prints a line; exit status 0 if all of them passed.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from rsp import Rsp, RspError, Server  # noqa: E402

#: Each thread is busy now and then, and none ever ends.
PROGRAM = """
import threading, time
def work(n):
    while True:
        time.sleep(0.001)
        sum(range(n))
for i in range(3):
    threading.Thread(target=work, args=(1000,), daemon=True).start()
print("ready", flush=True)
work(100)
"""

#: Packets that rightly end a session; a few are enough.
FATAL = (b"k", b"D", b"vKill", b"qRcmd,65786974")


class Failure(Exception):
    pass


def state(pid):
    """The letter of /proc/PID/stat, and who traces it."""
    with open("/proc/%d/status" % pid) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return fields["State"][0], int(fields["TracerPid"])


class Victim:
    """A process to be debugged."""

    def __init__(self):
        self.proc = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)  # it may end anyhow
        self.pid = self.proc.pid
        self.proc.stdout.readline()

    def unharmed(self):
        """It runs, and nobody traces it."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.proc.poll() is not None:
                return False
            letter, tracer = state(self.pid)
            if tracer == 0 and letter in "SRD":
                return True
            time.sleep(0.01)
        return False

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def mutants(args):
    """Packets without end."""
    seed = args.seed
    while True:
        made = subprocess.Popen([args.mutate, "--print", "100000", str(seed)],
                                stdout=subprocess.PIPE)
        try:
            for line in made.stdout:
                yield bytes.fromhex(line.decode())
        finally:
            made.kill()
            made.stdout.close()
            made.wait()
        seed += 1000003


def stack_page(pid):
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            if line.endswith("[stack]\n"):
                return int(line.split("-")[1].split()[0], 16) - 0x2000
    raise Failure("no stack")


class Attack:
    """One stub and one process after another, and packets to them."""

    def __init__(self, args, read_only, nonstop=False):
        self.args = args
        self.read_only = read_only
        self.nonstop = nonstop
        self.sent = 0
        self.begun = 0
        self.victim = self.server = self.rsp = None

    def begin(self):
        self.victim = Victim()
        # Files belong to the host: only where nothing can be written.
        options = ["--read-only"] if self.read_only else ["--no-host-io"]
        self.server = Server([self.args.stub] + options + ["--attach"], [str(self.victim.pid)])
        self.rsp = Rsp.connect(self.server.port)
        self.rsp.open()
        self.page = b"%x" % stack_page(self.victim.pid)
        if self.nonstop:
            for packet in ("QNonStop:1", "QThreadEvents:1", "?", "vCont;c"):
                self.rsp.ask(packet)
        self.begun += 1

    def end(self):
        """The stub goes; it must have had a reason."""
        if not self.server:
            return
        self.rsp.close()
        code = self.server.stop()
        server, victim = self.server, self.victim
        self.server = None
        try:
            if code not in (0, 1) or "Sanitizer" in server.text or "runtime error" in server.text:
                raise Failure("the stub ended with %d:\n%s" % (code, server.text[-2000:]))
            if self.read_only and not victim.unharmed():
                raise Failure("the process did not survive being looked at: %s"
                              % server.text[-500:])
        finally:
            victim.close()

    def localize(self, packet):
        """The fake target's process and memory become real ones."""
        return (packet.replace(b"1a2b", b"%x" % self.victim.pid)
                .replace(b"x1000", b"x" + self.page).replace(b"m1000", b"m" + self.page)
                .replace(b"M1000", b"M" + self.page).replace(b",1000,", b"," + self.page + b",")
                .replace(b":1000", b":" + self.page))

    def reply(self, packet):
        """The reply; a resumed process is stopped for it."""
        for patience in (0.02, 5, 5):
            try:
                got = self.rsp.recv(patience)
                while got[:1] == b"O" and got != b"OK":
                    got = self.rsp.recv(5)
                return got
            except RspError as e:
                if "no answer" not in str(e):
                    raise
                self.rsp.interrupt()
        raise Failure("no reply to %r" % packet[:300])

    def one(self, packet):
        """Sends it; False if that was the end of the session, as it may be."""
        packet = self.localize(packet)
        fatal = packet.startswith(FATAL)
        self.rsp.send(b"", packet)
        self.sent += 1
        if packet == b"k" or packet.startswith(b"R"):
            return False
        try:
            got = self.reply(packet)
        except (RspError, OSError) as e:
            if fatal and "closed" in str(e):
                return False
            raise Failure("%s, after %r" % (e, packet[:300])) from None
        if len(got) > 0x20000:
            raise Failure("a reply of %d bytes to %r" % (len(got), packet[:300]))
        told = [note for note in self.rsp.notes if note[:6] in (b"Stop:W", b"Stop:X")]
        self.rsp.notes.clear()
        if told:
            return False
        return got[:1] not in b"WX" and not (fatal and got == b"OK") or not got

    def run(self, packets):
        stream = mutants(self.args)
        try:
            while self.sent < packets:
                self.begin()
                for i in range(2000):
                    packet = next(stream)
                    if packet.startswith(FATAL) and i % 50:
                        continue
                    if not self.one(packet):
                        break
                    if i % 100 == 0:
                        self.server.read()  # or it would wait for us to
                        if self.rsp.ask("vMustReplyEmpty") != b"":
                            raise Failure("not empty, after %r" % packet[:300])
                self.end()
        finally:
            stream.close()
            if self.server:
                self.server.stop(signal.SIGKILL)
                self.victim.close()
        return "%d packets, %d stubs" % (self.sent, self.begun)


def case_looking(args):
    """Mutated packets to a stub that may only look: the process is as it was"""
    return Attack(args, True).run(args.packets)


def case_writing(args):
    """Mutated packets to a stub that may do anything: the stub lives"""
    return Attack(args, False).run(args.packets)


def case_nonstop(args):
    """The same in non-stop, while threads run: the stub lives"""
    return Attack(args, False, True).run(args.packets)


def case_nonstop_looking(args):
    """The same to a stub that may only look: the process is as it was"""
    return Attack(args, True, True).run(args.packets)


def talk_nothing(r):
    pass


def talk_half(r):
    r.write(b"$m1000,")


def talk_unread(r):
    for _ in range(200):
        r.send("qXfer:features:read:target.xml:0,1fff0")


def talk_running(r):
    r.open()
    r.send("vCont;c")
    time.sleep(0.05)


def talk_stepping(r):
    r.open()
    r.send("vCont;s:%s;c" % r.ask("qC")[2:].decode())


def talk_interrupting(r):
    r.open()
    r.send("vCont;c")
    time.sleep(0.02)
    r.interrupt()


def talk_nonstop(r):
    r.open()
    for packet in ("QNonStop:1", "?", "vCont;c", "vCtrlC"):
        r.ask(packet)


def talk_nonstop_unread(r):
    talk_nonstop(r)
    for _ in range(50):
        r.send("vCont;t")
        r.send("vCont;c")
        r.send("vStopped")


def talk_nonstop_events(r):
    r.open()
    for packet in ("QThreadEvents:1", "QNonStop:1", "vCont;c"):
        r.send(packet)


def talk_breakpoint(r):
    r.open()
    pc = int.from_bytes(bytes.fromhex(r.ask("g").decode())[128:136], "little")
    if r.ask("Z0,%x,1" % pc) != b"OK":
        raise Failure("no breakpoint at %x" % pc)


def talk_files(r):
    r.open()
    for _ in range(30):
        r.ask("vFile:open:%s,0,0" % b"/proc/self/maps".hex())


def talk_acks(r):
    r.ask("qSupported")
    r.send("?")


def case_leaving(args):
    """Clients that leave in the middle: the next one is served, the process lives on"""
    talks = [talk_nothing, talk_half, talk_unread, talk_running, talk_stepping,
             talk_interrupting, talk_nonstop, talk_nonstop_unread, talk_nonstop_events,
             talk_breakpoint, talk_files, talk_acks]
    with Victim() as victim:
        with Server([args.stub, "--attach"], [str(victim.pid)]) as server:
            for talk in talks * 3:
                r = Rsp.connect(server.port)
                talk(r)
                r.close()
                r = Rsp.connect(server.port)
                r.open()
                if r.ask("?")[:1] != b"T" or not r.ask("g"):
                    raise Failure("no stop after %s" % talk.__name__)
                r.close()
            r = Rsp.connect(server.port)
            r.open()
            if r.ask("D;%x" % victim.pid) != b"OK":
                raise Failure("no detach")
            r.close()
            if not victim.unharmed():
                raise Failure("the process is %s" % (state(victim.pid),))
            time.sleep(0.1)  # a forgotten breakpoint would be hit by now
            if not victim.unharmed():
                raise Failure("the process died after the detach")
    return "%d departures" % (len(talks) * 3)


def case_killed(args):
    """A process killed under the stub: an error or its end, and no silence"""
    requests = ["g", "m7fff0000,8", "qXfer:threads:read::0,1000", "?", "vCont;c", "vCont;s",
                "Z0,401000,1", "qXfer:libraries-svr4:read::0,1000", "qRcmd," + b"py-bt".hex(),
                "vFile:setfs:%x", "qfThreadInfo", "D;%x", "vKill;%x", "P10=0000000000000000"]
    for request in requests:
        with Victim() as victim:
            with Server([args.stub, "--once", "--attach"], [str(victim.pid)]) as server:
                r = Rsp.connect(server.port)
                r.open()
                os.kill(victim.pid, signal.SIGKILL)
                time.sleep(0.02)
                r.send(request % victim.pid if "%x" in request else request)
                try:
                    while r.recv(5)[:2] not in (b"OK", b"") and r.last[:1] == b"O":
                        pass
                    if not request.startswith(("D", "vKill")):
                        r.send("vCont;c")
                        r.recv(5)
                except RspError as e:
                    if "closed" not in str(e):
                        raise Failure("%s: %s" % (request, e)) from None
                r.close()
                server.proc.wait(5)
            if server.proc.returncode not in (0, 1) or "Sanitizer" in server.text:
                raise Failure("%s: the stub ended with %d: %s"
                              % (request, server.proc.returncode, server.text[-1000:]))
    return "%d requests" % len(requests)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    p.add_argument("--mutate", default=os.path.join(TOP, "build/release/mutate"))
    p.add_argument("--packets", type=int, default=10000, help="for each attack")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("names", nargs="*")
    args = p.parse_args()
    args.stub, args.mutate = os.path.abspath(args.stub), os.path.abspath(args.mutate)
    failed = 0
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in args.names or cases:
            started = time.monotonic()
            try:
                did = "ok " + cases[name](args)
            except (Failure, RspError, OSError, subprocess.TimeoutExpired) as e:
                did = "FAILED: %s" % e
                failed += 1
            print("%-8s %s: %s (%.0f s)" % (name, cases[name].__doc__, did,
                                           time.monotonic() - started), flush=True)
        os.chdir(TOP)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
