# SPDX-License-Identifier: MIT
"""lldb starts programs and attaches through a stub that begins without a process.

lldb knows that it is connected to such a stub, but waits for a stop where commands come
from a file: so these come one by one, as a user types them.
"""

import os
import re
import subprocess

import zoo
from harness import Process, Server, case
from rsp import Rsp, RspError


class Lldb(Process):
    """lldb kept open; command() returns what matches the pattern that ends its output."""

    def command(self, text, pattern, seconds=90):
        start = len(self.text)
        self.send(text + "\n")
        self.until(pattern, seconds, start)
        return self.text[start:]


def connect(t, lldb, file=None, *options):
    server = t.start(Server, "archerfish", lldb.beside(t.stub, *options, "--multi", ":0"))
    server.listening()
    d = t.start(Lldb, "lldb", lldb.command("--no-lldbinit", "--no-use-colors"),
                stdin=subprocess.PIPE)
    d.command("settings set symbols.enable-external-lookup false", r"external-lookup false\n")
    d.command("settings set plugin.process.gdb-remote.packet-timeout 60", r"timeout 60\n")
    if file:
        d.command("target create " + file, r"Current executable set to .*\n")
    d.command("gdb-remote 127.0.0.1:%d" % server.port, r"gdb-remote .*\n")

    def connected():
        start = len(d.text)
        d.send("process status\n")
        # It has no better word for it.
        said = d.until(r"^(Process \d+ .*|error: .*|Connected .*)\n", 60, start).group(1)
        return said.startswith("Connected") or said == "Process 0 is running."
    t.eventually(connected, "lldb is connected")
    t.note(d.text)
    return server, d


def stopped(d, how, reason):
    return d.command(how, r"stop reason = %s[^\n]*\n(.*\n)*? +frame #0:.*\n" % reason)


@case("a program is launched by lldb with its arguments, environment and directory",
      lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("report.c")
    there = os.path.join(t.dir, "a b")
    os.mkdir(there)
    out = os.path.join(t.dir, "out")
    server, d = connect(t, lldb, path)
    stopped(d, "process launch -s -w '%s' -E 'ODD=x y' -o '%s' -- 'two words' $HOME" % (there, out),
            "signal SIG(TRAP|STOP)")
    server.until(r"^Process .*/report created; pid = \d+$")
    d.command("breakpoint set -n main", r"Breakpoint 1: .*\n")
    stopped(d, "continue", r"breakpoint 1\.1")
    d.command("continue", r"Process \d+ exited with status = 0 ")
    with open(out) as f:
        said = f.read()
    said = re.findall(r"^(\w+) (\w+)$", said, re.M)
    words = [(k, bytes.fromhex(v).decode()) for k, v in said if k in ("arg", "env", "cwd")]
    t.check(("arg", "two words") in words, "arguments: %r" % [w for w in words if w[0] == "arg"])
    t.check(("env", "ODD=x y") in words, "the variable is missing")
    t.check(("cwd", there) in words, "the directory")


@case("lldb attaches by number, and what it lets go runs on", lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("rounds.c", "-pthread")
    program = t.start_program(lldb.beside(path), until="ready")
    server, d = connect(t, lldb, path)
    stopped(d, "process attach -p %d" % program.pid, "signal SIG(TRAP|STOP)")
    server.until(r"^Attached; pid = %d$" % program.pid)
    d.command("breakpoint set -n add", r"Breakpoint 1: .*\n")
    stopped(d, "continue", r"breakpoint 1\.1")
    d.command("detach", r"Process %d detached" % program.pid)
    t.untouched(program.pid)


@case("lldb attaches by name, now or when a process of that name comes", lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("rounds.c", "-pthread")
    name = os.path.join(os.path.dirname(path), "rounds-%d" % os.getpid())
    os.rename(path, name)
    program = t.start_program(lldb.beside(name), until="ready")
    server, d = connect(t, lldb, name)
    stopped(d, "process attach -n %s" % os.path.basename(name), "signal SIG(TRAP|STOP)")
    server.until(r"^Attached; pid = %d$" % program.pid)
    d.command("detach", r"Process %d detached" % program.pid)
    t.untouched(program.pid)


@case("the packets by which lldb launches, attaches and lists are answered as it reads them")
def _(t):
    path = t.compile("rounds.c", "-pthread")
    name = "rounds-%d" % os.getpid()
    os.rename(path, os.path.join(t.dir, name))
    path = os.path.join(t.dir, name)
    server = t.start(Server, "archerfish", [t.stub, "--multi", ":0"]).listening()
    r = Rsp.connect(server.port, 60)
    r.open("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+")
    hexed = lambda text: text.encode().hex()
    word = lambda i, text: "%d,%d,%s" % (2 * len(text.encode()), i, hexed(text))
    for bad in ("A", "A1,0,2f", "A4,1,2f2f", "A4,0,2f", "A2,0,2f,", "A,0,", "A99999999999,0,2f",
                "A2,0,zz", "A2,0,2f,2,0,2f", "A0,0,", "vAttachName", "vAttachName;",
                "vAttachName;zz", "vAttachWait;", "vAttachOrWait;0", "qLaunchSuccess",
                "qProcessInfoPID:", "qProcessInfoPID:x", "qProcessInfoPID:99999999999",
                "qRegisterInfoffff", "qRegisterInfo", "QSetSTDIN:0", "QSetSTDIN",
                "vAttachName;" + hexed("no-such-name")):
        t.equal(r.ask(bad)[:1], b"E", bad)
    t.equal(bytes.fromhex(r.ask("qGetWorkingDir").decode()).decode(), t.dir, "qGetWorkingDir")
    t.equal(r.ask("A" + word(0, "/nonexistent/x"))[:1], b"E", "A of nothing")
    t.check(b"127" in r.ask("qLaunchSuccess"), "qLaunchSuccess after it")
    out = os.path.join(t.dir, "out")
    t.equal(r.ask("QSetSTDOUT:" + hexed(out)), b"OK", "QSetSTDOUT")
    t.equal(r.ask("A" + word(0, path) + "," + word(1, "")), b"OK", "A")
    t.equal(r.ask("qLaunchSuccess"), b"OK", "qLaunchSuccess")
    pid = int(re.search(rb"thread:p([0-9a-f]+)\.", r.ask("?")).group(1), 16)
    info = r.ask("qProcessInfoPID:%d" % pid).decode()
    t.has(info, r"^pid:%d;ppid:\d+;uid:\d+;.*name:%s;" % (pid, hexed(path)))
    t.equal(r.ask("qfProcessInfo:name_match:equals;name:%s;" % hexed(name)).decode(), info,
            "qfProcessInfo by name")
    t.equal(r.ask("qsProcessInfo")[:1], b"E", "qsProcessInfo after it")
    seen, reply = 0, r.ask("qfProcessInfo")
    while not reply.startswith(b"E"):
        seen += reply.startswith(b"pid:%d;" % pid)
        reply = r.ask("qsProcessInfo")
    t.equal(seen, 1, "times that it is listed")
    names = []
    while not r.ask("qRegisterInfo%x" % len(names)).startswith(b"E"):
        names.append(r.ask("qRegisterInfo%x" % len(names)).decode())
    t.has(names[16], r"^name:rip;bitsize:64;offset:128;.*generic:pc;")
    t.equal(r.ask("vKill;%x" % pid), b"OK", "vKill")

    # Waiting: what is there already does not count, an interrupt ends it, packets wait.
    program = t.start_program([path], until="ready")
    t.equal(r.ask("vAttachOrWait;" + hexed(name))[:1], b"T", "vAttachOrWait of one that is there")
    t.equal(r.ask("D"), b"OK", "D")
    r.send("vAttachWait;" + hexed(name))
    r.interrupt()
    t.equal(r.recv()[:1], b"E", "vAttachWait, interrupted")
    r.send("vAttachWait;" + hexed(path))
    r.send("qAttached")
    # It may hear of the packet after the first of them has begun.
    started, answers = [], []

    def attached():
        started.append(t.start_program([path]))
        try:
            answers.append(r.recv(1).decode())
        except RspError:
            pass
        return answers
    t.eventually(attached, "one is attached to")
    found = re.search(r"^T..*thread:p([0-9a-f]+)\.", answers[0])
    t.check(found and int(found.group(1), 16) in [p.pid for p in started], "it is another")
    t.equal(r.recv(), b"1", "the packet that waited")
    t.equal(r.ask("D"), b"OK", "D")
    r.send("vAttachWait;" + hexed("no-such-name"))
    r.close()
    r = Rsp.connect(server.port, 60)
    r.open()
    t.equal(r.ask("?"), b"W00", "? of the next client")
    for p in [program] + started:
        t.untouched(p.pid)
