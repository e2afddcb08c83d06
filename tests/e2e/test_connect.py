# SPDX-License-Identifier: MIT
"""The ways stock gdb can reach archerfish, and what some options refuse."""

import os
import re
import socket

import zoo
from harness import Process, case


def philosophers(t):
    return t.program(t.python(), "philosophers.py", until="deadlocked")


def dining(t, out):
    t.equal(len(re.findall(r"^[* ] +\d+ .*Thread .*\(dine \(philosophers\.py:29\)\)",
                           out["info threads"], re.M)), 5, "threads that dine in:\n" + out.text)


@case("a Unix socket serves as well as a port", gdb=zoo.gdbs)
def _(t, gdb):
    program = philosophers(t)
    path = os.path.join(t.dir, "socket")
    server = t.archerfish("--attach", "unix:" + path, program.pid)
    t.eventually(lambda: os.path.exists(path), "%s is there" % path)
    out = t.gdb(gdb, None, "target remote " + path, "info threads", "detach")
    dining(t, out)
    t.equal(server.wait(), 0, "its exit status")
    t.check(not os.path.exists(path), "the socket is left behind")


@case("gdb can start archerfish itself and speak through a pipe")
def _(t):
    path = t.compile("steps.c")
    out = t.gdb(zoo.gdbs()[0], None, "target remote | %s - %s 3" % (t.stub, path),
                "break count", "continue", "kill", file=path)
    t.has(out["continue"], r"count \(n=3\)")


@case("an inherited listening socket is used")
def _(t):
    program = philosophers(t)
    listener = socket.create_server(("127.0.0.1", 0))
    fd = listener.fileno()
    server = t.archerfish("--attach", "fd:%d" % fd, program.pid, pass_fds=[fd])
    server.port = listener.getsockname()[1]
    out = t.gdb(zoo.gdbs()[0], server, "info threads", "detach")
    dining(t, out)


@case("clients are served one after another", gdb=zoo.gdbs)
def _(t, gdb):
    program = philosophers(t)
    server = t.serve(pid=program.pid)
    for _ in range(3):
        dining(t, t.gdb(gdb, server, "info threads", "disconnect"))
    t.equal(t.status(program.pid, "TracerPid"), str(server.pid), "the tracer in between")
    dining(t, t.gdb(gdb, server, "info threads", "detach"))
    t.equal(server.wait(), 0, "its exit status")
    t.untouched(program.pid)


@case("with --once the first client is the last")
def _(t):
    program = philosophers(t)
    server = t.serve("--once", pid=program.pid)
    t.gdb(zoo.gdbs()[0], server, "disconnect")
    server.wait()
    t.untouched(program.pid)


@case("a port without a host is open to this machine only")
def _(t):
    program = philosophers(t)
    server = t.serve(pid=program.pid)
    with open("/proc/net/tcp") as f:
        local = [line.split()[1] for line in f if line.split()[3] == "0A"]
    mine = [address for address in local if address.endswith(":%04X" % server.port)]
    t.equal(mine, ["0100007F:%04X" % server.port], "where it listens")


@case("under --read-only a client sees all and changes nothing", gdb=zoo.gdbs)
def _(t, gdb):
    program = philosophers(t)
    server = t.serve("--read-only", pid=program.pid)
    out = t.gdb(gdb, server, "info threads", "monitor py-bt", "set var *(char *)$sp = 1",
                "kill")
    dining(t, out)
    t.has(out["monitor py-bt"], r"in main$")  # of the first thread: the current one
    t.has(out["set var *(char *)$sp = 1"], r"(?i)cannot access memory|not|error")
    t.eventually(lambda: (t.status(program.pid, "State") or "Z")[0] != "Z", "it lives", 1)
    server.signal(15)
    server.wait()
    t.untouched(program.pid)


@case("a busy port is told in gdbserver's words")
def _(t):
    program = philosophers(t)
    busy = socket.create_server(("127.0.0.1", 0))
    second = t.archerfish("--attach", ":%d" % busy.getsockname()[1], program.pid)
    t.check(second.wait() != 0, "its exit status is 0")
    t.has(second.text, r"Can't bind address: Address already in use\.")
    t.untouched(program.pid)


@case("without Python's help the rest is served all the same")
def _(t):
    program = philosophers(t)
    out = t.gdb(zoo.gdbs()[0], t.serve("--python=off", pid=program.pid), "info threads",
                "monitor py-bt")
    t.equal(len(re.findall(r"^[* ] +\d+ .*Thread", out["info threads"], re.M)), 6, "threads")
    t.lacks(out["info threads"], r"dine")
    t.has(out["monitor py-bt"], r"off")


@case("the program's input and output stay its own")
def _(t):
    path = t.compile("steps.c")
    program = t.start(Process, "archerfish", [t.stub, "--once", ":0", path, "2"])
    program.port = int(program.until(r"Listening on port (\d+)").group(1))
    t.gdb(zoo.gdbs()[0], program, "handle SIGUSR1 nostop", "continue", file=path)
    program.until(r"^counter 1 ")
