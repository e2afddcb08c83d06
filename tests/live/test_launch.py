# SPDX-License-Identifier: MIT
"""A program is started as the user said, and its end is told."""

import os
import re
import signal
import socket
import subprocess

from live import (Inferior, case, connect, gone, launch, program_path, term, SIGKILL, SIGTRAP)
from rsp import Rsp


def reported(server):
    """What the program `report` said: {word: [value...]}."""
    server.until(r"^group ")
    server.wait()
    said = {}
    for line in server.text.splitlines():
        word, _, value = line.partition(" ")
        said.setdefault(word, []).append(value)
    said["arg"] = [bytes.fromhex(v).decode() for v in said["arg"][1:]]
    said["env"] = dict(bytes.fromhex(v).decode().split("=", 1) for v in said["env"])
    return said


def run_report(t, *args, options=(), **how):
    server, r, _ = launch(t, "report", *args, options=options, **how)
    t.equal(r.run().raw[:3], "W00", "the end of the program")
    r.close()
    return reported(server)


ENDS = [("exit", n, "W%02x" % n) for n in (0, 1, 7, 255)] + [
    ("raise", signal.SIGTERM, "X0f"), ("raise", signal.SIGKILL, "X09"), ("thread", 3, "W03"),
    ("raise", signal.SIGRTMIN + 1, "X2f")]


@case("the end of a program is told by status or signal")
def _(t):
    for how, number, reply in ENDS:
        server, r, inferior = launch(t, "ends", how, number)
        stop = r.run()
        if stop.kind == "T" and how == "raise":
            stop = r.run("C%02x:p%x.%x;c" % (stop.signo, stop.pid, stop.tid))
        t.equal(stop.raw, "%s;process:%x" % (reply, inferior.pid), "the end by %s %s" % (how, number))
        t.equal(r.ask("?")[:3].decode(), reply, "what ? says after it")
        t.equal(r.ask("qC")[:1], b"E", "a thread after the end")
        r.close()
        t.equal(server.wait(), 0, "exit status")
        server.until(r"Child exited with status %d" % number if reply[0] == "W" else
                     r"Child terminated with signal = 0x%x" % number)


@case("arguments arrive byte for byte")
def _(t):
    hard = ["two words", "", "*", "$HOME", "`id`", "a\"b", "it's", "back\\slash", "new\nline",
            "-x", "~", "a;b|c&d>e", "\t", "é", "{a,b}", "#c", "!!", "--", "$(id)", "x=y"]
    for options in ((), ("--no-startup-with-shell",)):
        t.equal(run_report(t, *hard, options=options)["arg"], hard, "arguments with %r" % (options,))


@case("the wrapper runs before the program")
def _(t):
    said = run_report(t, "x y", options=["--wrapper", "env", "-u", "HOME", "WRAPPED=a 'b'", "--"])
    t.equal(said["env"].get("WRAPPED"), "a 'b'", "the wrapper's variable")
    t.check("HOME" not in said["env"], "the wrapper did not remove HOME")
    t.equal(said["arg"], ["x y"], "arguments")


@case("environment, directory, signals and descriptors are the caller's")
def _(t):
    os.mkdir(os.path.join(t.dir, "a b"))
    env = dict(t.environment(), ODD="a b\n'c' \"d\" $e", SHELL="/bin/sh")
    for options in ((), ("--no-startup-with-shell",)):
        said = run_report(t, options=options, env=env, cwd=os.path.join(t.dir, "a b"))
        for name in ("ODD", "LC_ALL"):
            t.equal(said["env"].get(name), env[name], name)
        t.equal(bytes.fromhex(said["cwd"][0]).decode(), os.path.join(t.dir, "a b"), "directory")
        t.equal(said["group"], ["1"], "its own process group")
        for what in ("blocked", "ignored", "descriptor"):
            t.equal(said.get(what, []), [], "%s in the program" % what)


@case("addresses are fixed unless the user wants them random")
def _(t):
    fixed = {run_report(t)["stack"][0] for _ in range(3)}
    t.equal(len(fixed), 1, "stack addresses by default: %s" % fixed)
    said = [run_report(t, options=["--no-disable-randomization"]) for _ in range(3)]
    t.check(len({s["stack"][0] for s in said}) > 1, "the stack is never elsewhere")
    t.equal({s["personality"][0] for s in said}, {"0"}, "personality")


@case("a program that is not there is told in gdbserver's words")
def _(t):
    for options in ((), ("--no-startup-with-shell",)):
        stub = t.archerfish(*options, ":0", "/nonexistent/program")
        t.equal(stub.wait(), 1, "exit status")
        t.has(stub.text, r"/nonexistent/program")
        t.has(stub.text, r"(?i)not found|No such file or directory")
        t.has(stub.text, r"^During startup program exited with code 127\.$")
        t.has(stub.text, r"^Exiting$")
        t.lacks(stub.text, r"Listening")
    plain = os.path.join(t.dir, "plain")
    with open(plain, "w") as f:
        f.write("not a program")
    stub = t.archerfish(":0", plain)
    t.equal(stub.wait(), 1, "exit status of what can't be executed")
    t.has(stub.text, r"^During startup program exited with code 126\.$")


@case("a script is debugged as its interpreter")
def _(t):
    script = os.path.join(t.dir, "script")
    with open(script, "w") as f:
        f.write("#!/bin/sh\nexit 9\n")
    os.chmod(script, 0o755)
    for options in ((), ("--no-startup-with-shell",)):
        server = t.serve(*options, command=[script])
        r = connect(t, server)
        t.equal(r.run().raw[:3], "W09", "its end")


@case("a launched program starts at its first instruction")
def _(t):
    server, r, inferior = launch(t, "ends", "exit", 0)
    stop = r.reason()
    t.equal((stop.kind, stop.signo, stop.tid), ("T", SIGTRAP, inferior.pid), "the first stop")
    with open("/proc/%d/maps" % inferior.pid) as f:
        loader = [line for line in f if "ld-linux" in line or "/ld-" in line]
    low = int(loader[0].split("-")[0], 16)
    high = int(loader[-1].split("-")[1].split()[0], 16)
    t.check(low <= stop.pc < high, "pc %x is not in the loader (%x-%x)" % (stop.pc, low, high))
    t.equal(r.ask("qAttached"), b"0", "qAttached")
    after = r.step(stop)
    t.check(after.signo == SIGTRAP and after.pc != stop.pc, "the first step: %r" % after)


@case("the client may be on standard input and output")
def _(t):
    a, b = socket.socketpair()
    stub = subprocess.Popen([t.stub, "stdio", program_path("report"), "x"], stdin=b, stdout=b,
                            stderr=subprocess.PIPE, env=t.environment())
    b.close()
    r = Rsp(a)
    r.open()
    r.send("vCont;c")
    t.equal(r.recv()[:3], b"W00", "its end")
    r.close()
    text = stub.communicate(timeout=40)[1].decode()
    t.equal(stub.returncode, 0, "exit status")
    t.has(text, r"Remote debugging using stdio")
    t.has(text, r"^arg 78$", "the program's output is on stderr")


@case("a unix socket, made for its owner and removed at the end")
def _(t):
    path = os.path.join(t.dir, "socket")
    # One that was left behind is in nobody's way.
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    stub = t.archerfish("unix:" + path, program_path("ends"), "exit", 4)
    stub.until(r"Listening on .*socket")
    t.equal(oct(os.stat(path).st_mode & 0o777), "0o600", "mode of the socket")
    second = t.archerfish("unix:" + path, program_path("ends"), "exit", 4)
    t.equal(second.wait(), 1, "exit status of a second one")
    t.has(second.text, r"Can't bind address: Address already in use\.")
    r = connect_to(t, "unix:" + path)
    t.equal(r.ask("vCont;c")[:3], b"W04", "its end")
    r.close()
    t.equal(stub.wait(), 0, "exit status")
    t.check(not os.path.exists(path), "the socket is still there")


def connect_to(t, where):
    r = Rsp.connect(where)
    r.open()
    return r


@case("a descriptor that was handed over, listening or connected")
def _(t):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    a, b = socket.socketpair()
    for sock in (listener, b):
        n = sock.fileno()
        os.set_inheritable(n, True)
        stub = t.archerfish("fd:%d" % n, program_path("report"), pass_fds=[n])
        if sock is listener:
            r = connect_to(t, listener.getsockname()[1])
        else:
            b.close()
            r = Rsp(a)
            r.open()
        t.equal(r.ask("vCont;c")[:3], b"W00", "its end")
        r.close()
        t.equal(stub.wait(), 0, "exit status")
        t.lacks(stub.text, r"^descriptor ", "the program inherited")
    stub = t.archerfish("fd:77", program_path("report"))
    t.equal(stub.wait(), 1, "exit status for a descriptor that is not open")
    t.has(stub.text, r"fd:77 is not an open descriptor")


@case("a busy port is told before anything is started")
def _(t):
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen(1)
    mark = os.path.join(t.dir, "mark")
    stub = t.archerfish(":%d" % busy.getsockname()[1], "/bin/sh", "-c", "touch " + mark)
    t.equal(stub.wait(), 1, "exit status")
    t.has(stub.text, r"^Can't bind address: Address already in use\.$")
    t.lacks(stub.text, r"created; pid")
    t.check(not os.path.exists(mark), "the program ran")
    for comm in ("nohost.invalid:1", "127.0.0.1", "127.0.0.1:", ":99999", ":x", "/dev/nonexistent"):
        stub = t.archerfish(comm, "/bin/true")
        t.check(stub.wait() != 0, "%s is taken" % comm)
        t.lacks(stub.text, r"created; pid")


@case("clients come one after another and find the program as the last one left it")
def _(t):
    server, r, inferior = launch(t, "signals", "asleep", 2)
    pc = r.reason().pc
    r.close()
    for _ in range(20):
        r = connect(t, server)
        t.equal(r.reason().pc, pc, "the program counter")
        r.close()
    r = connect(t, server)
    r.insert(inferior["turn"])
    stop = r.run()
    t.equal(stop.pc, inferior["turn"], "the program counter")
    r.close()
    r = connect(t, server)
    again = r.reason()
    t.equal((again.pc, again.tid), (stop.pc, stop.tid), "the stop")
    t.equal(sorted(r.threads()), sorted("p%x.%x" % (inferior.pid, x) for x in inferior.tids()),
            "threads")
    r.resume()
    t.eventually(lambda: inferior.peek("turns") > 5, "it runs: no breakpoint is left")
    r.close()
    before = inferior.peek("turns")
    t.eventually(lambda: inferior.peek("turns") > before + 10, "it runs without a client")
    r = connect(t, server)
    t.equal(r.reason().kind, "T", "the stop for a client")
    before = inferior.peek("turns")
    t.check(inferior.state() == "t" and inferior.peek("turns") == before, "it does not stand")
    r.send("k")
    t.equal(server.wait(), 0, "exit status after k")
    gone(t, inferior.pid)


@case("--once serves one client")
def _(t):
    server, r, inferior = launch(t, "signals", "asleep", options=["--once"])
    r.reason()
    r.close()
    t.equal(server.wait(), 0, "exit status")
    gone(t, inferior.pid)


@case("a signal to the stub kills what it launched, running or not")
def _(t):
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for running in (False, True):
            server, r, inferior = launch(t, "signals", "busy", 2)
            if running:
                r.resume()
                t.eventually(lambda: inferior.peek("turns") > 5, "it runs")
            server.signal(signo)
            t.equal(server.wait(), 0, "exit status")
            gone(t, inferior.pid)


@case("the death of the stub by SIGKILL takes along what it launched")
def _(t):
    server, r, inferior = launch(t, "signals", "busy", 2)
    r.resume()
    t.eventually(lambda: inferior.peek("turns") > 5, "it runs")
    server.signal(signal.SIGKILL)
    server.wait()
    gone(t, inferior.pid)


@case("kill, vKill and R")
def _(t):
    server, r, inferior = launch(t, "signals", "busy", 3)
    r.ok("vKill;%x" % inferior.pid)
    gone(t, inferior.pid)
    t.equal(r.ask("g")[:1], b"E", "registers of nothing")
    r.close()
    t.equal(server.wait(), 0, "exit status")

    server, r, inferior = launch(t, "signals", "busy", 3)
    r.ok("!")
    r.resume()
    t.eventually(lambda: inferior.peek("turns") > 5, "it runs")
    r.halt()
    r.send("R00")
    second = Inferior(r.reason().pid, inferior.path)
    gone(t, inferior.pid)
    t.check(second.pid != inferior.pid, "the same process")
    r.resume()
    t.eventually(lambda: second.peek("turns") > 5, "the second one runs")
    t.equal(r.halt().pid, second.pid, "who stops")
    os.kill(second.pid, 9)
    t.equal(r.run().raw, "X%02x;process:%x" % (SIGKILL, second.pid), "its end")
    r.send("R00")
    third = r.reason()
    t.check(third.pid not in (inferior.pid, second.pid), "R after the end starts another")
    r.close()
    connect(t, server).close()
    term(t, server)
    gone(t, third.pid)


@case("what D leaves of a launched program runs to its end")
def _(t):
    server, r, inferior = launch(t, "signals", "asleep", 2)
    r.insert(inferior["turn"])
    r.run()
    r.ok("D;%x" % inferior.pid)
    r.close()
    t.untouched(inferior.pid)
    before = inferior.peek("turns")
    t.eventually(lambda: inferior.peek("turns") > before + 10, "it runs")
    t.check(server.running(), "the stub does not wait for the program, as gdbserver does")
    os.kill(inferior.pid, 9)
    t.equal(server.wait(), 0, "exit status")


@case("the version and the usage are said where scripts look for them")
def _(t):
    stub = t.archerfish("--version")
    t.equal(stub.wait(), 0, "exit status of --version")
    t.has(stub.text, r"^archerfish \d+\.\d+\.\d+$")
    stub = t.archerfish("--help")
    t.equal(stub.wait(), 0, "exit status of --help")
    t.has(stub.text, r"^Usage:")
    for args in ([], ["--nonsense", ":0", "x"], ["--attach", ":0", "x"], ["--attach", ":0"], [":0"],
                 ["--wrapper", "env", ":0", "x"]):
        stub = t.archerfish(*args)
        t.equal(stub.wait(), 1, "exit status of %s" % args)
        t.check(re.search(r"Usage", stub.text), "no usage for %s" % args)
