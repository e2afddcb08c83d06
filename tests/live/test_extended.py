# SPDX-License-Identifier: MIT
"""A stub without a process: clients start programs and attach, one after the other."""

import os
import signal

from harness import Server
from live import Inferior, case, connect, gone, program_path, start, term


def multi(t, *options, **how):
    """archerfish --multi: (server, r), in extended mode."""
    server = t.start(Server, "archerfish", [t.stub, *options, "--multi", ":0"], **how).listening()
    r = connect(t, server)
    r.ok("!")
    return server, r


def hexed(*words):
    return ";".join(w.encode().hex() for w in words)


def run(t, r, name, *args):
    """vRun: its first stop, and the process."""
    reply = r.ask("vRun;" + hexed(program_path(name), *map(str, args)))
    t.equal(reply[:3], b"T05", "the answer to vRun")
    stop = r.reason()
    return stop, Inferior(stop.pid, program_path(name))


@case("without a process nothing is asked of one")
def _(t):
    server, r = multi(t)
    t.equal(r.ask("?"), b"W00", "?")
    t.equal(r.ask("qfThreadInfo"), b"l", "threads")
    for packet in ("g", "m1000,4", "vCont;c", "D;1", "vKill;1", "Z0,1000,1", "qC", "c", "p10",
                   "qXfer:auxv:read::0,100", "qXfer:libraries-svr4:read::0,100", "Hgp1.1", "T1",
                   "jThreadsInfo", "qProcessInfo", "qSearch:memory:0;1;x", "QSaveRegisterState",
                   "vAttach;7fffffff", "vAttach;0", "vAttach;", "vAttach;-1", "vRun", "vRun;",
                   "vRun;;", "vRun;0", "vRun;2f;0", "vRun;xx", "vRun;2f00", "QSetWorkingDir",
                   "QStartupWithShell:2", "QStartupWithShell:", "QDisableRandomization:x",
                   "QEnvironmentHexEncoded:41", "QEnvironmentHexEncoded:3d41",
                   "QEnvironmentUnset:", "QEnvironmentUnset:413d", "QEnvironmentHexEncoded:4"):
        t.equal(r.ask(packet)[:1], b"E", "the answer to " + packet)
    t.check(b"<target" in r.xfer("features", "target.xml"), "no description")
    r.send("k")
    r.send("R00")
    t.equal(r.ask("?"), b"W00", "? in the end")
    server.until(r"Cannot attach to process 2147483647: there is no such process")
    term(t, server)


@case("programs are started, end, are killed, let go and started again in one connection")
def _(t):
    server, r = multi(t)
    stop, first = run(t, r, "ends", "exit", 7)
    server.until(r"^Process %s created; pid = %d$" % (first.path, first.pid))
    t.equal(r.run().raw, "W07;process:%x" % first.pid, "its end")
    gone(t, first.pid)
    stop, second = run(t, r, "signals", "busy", 2)
    t.equal(r.ask("qAttached:%x" % second.pid), b"0", "qAttached")
    r.resume()
    t.eventually(lambda: second.peek("turns") > 5, "it runs")
    r.halt()
    r.ok("vKill;%x" % second.pid)
    gone(t, second.pid)
    t.equal(r.ask("g")[:1], b"E", "registers of nothing")
    # No name is the name of the last program; arguments are as the packet says.
    t.equal(r.ask("vRun;;" + hexed("asleep"))[:3], b"T05", "vRun without a name")
    third = Inferior(r.reason().pid, second.path)
    r.insert(third["turn"])
    t.equal(r.run().pc, third["turn"], "a breakpoint")
    r.ok("D;%x" % third.pid)
    t.untouched(third.pid)
    before = third.peek("turns")
    t.eventually(lambda: third.peek("turns") > before + 3, "it runs on")
    r.send("R00")
    fourth = r.reason()
    t.check(fourth.pid not in (0, third.pid), "R starts it again")
    r.close()
    r = connect(t, server)
    t.equal(r.reason().pid, fourth.pid, "the next client finds it")
    r.ok("!")
    r.send("k")
    gone(t, fourth.pid)
    r.close()
    r = connect(t, server)
    t.equal(r.ask("?"), b"W00", "? of the last client")
    r.close()
    t.check(server.running(), "the stub ended")
    os.kill(third.pid, 9)
    term(t, server)


@case("environment, directory, shell and addresses are what the client said")
def _(t):
    server, r = multi(t, env=dict(t.environment(), ODD="1", EVEN="2", SHELL="/bin/sh"))
    there = os.path.join(t.dir, "a 'b")
    os.mkdir(there)

    def said(*args):
        size = len(server.text)
        t.equal(r.ask("vRun;" + hexed(program_path("report"), *args))[:3], b"T05", "vRun")
        t.equal(r.run().raw[:3], "W00", "its end")
        server.until(r"^group ", start=size)
        words = {}
        for line in server.text[size:].splitlines():
            word, _, value = line.partition(" ")
            words.setdefault(word, []).append(value)
        words["env"] = dict(bytes.fromhex(v).decode().split("=", 1) for v in words["env"])
        words["arg"] = [bytes.fromhex(v).decode() for v in words["arg"][1:]]
        return words
    r.ok("QEnvironmentHexEncoded:" + hexed("NEW=x y=z\n"))
    r.ok("QEnvironmentHexEncoded:" + hexed("ODD="))
    r.ok("QEnvironment:PLAIN=1")
    r.ok("QEnvironmentUnset:" + hexed("EVEN"))
    r.ok("QEnvironmentUnset:" + hexed("NOT_THERE"))
    r.ok("QSetWorkingDir:" + hexed(there))
    for shell in "10":
        r.ok("QStartupWithShell:" + shell)
        r.ok("QDisableRandomization:1")
        words = said("two words", "$HOME", "", "it's")
        t.equal(words["arg"], ["two words", "$HOME", "", "it's"], "arguments")
        t.equal([words["env"].get(n) for n in ("NEW", "ODD", "PLAIN", "EVEN")],
                ["x y=z\n", "", "1", None], "environment")
        t.equal(bytes.fromhex(words["cwd"][0]).decode(), there, "directory")
        t.equal(said()["stack"][0], said()["stack"][0], "the stack's address")
    r.ok("QDisableRandomization:0")
    t.check(len({said()["stack"][0] for _ in range(4)}) > 1, "the stack is never elsewhere")
    r.ok("QEnvironmentReset")
    r.ok("QSetWorkingDir:")
    words = said()
    t.equal([words["env"].get(n) for n in ("NEW", "ODD", "EVEN")], [None, "1", "2"], "environment")
    t.equal(bytes.fromhex(words["cwd"][0]).decode(), t.dir, "directory")
    r.ok("QSetWorkingDir:" + hexed("/nonexistent"))
    t.equal(r.ask("vRun;" + hexed(program_path("report")))[:1], b"E", "vRun in no directory")
    t.equal(r.ask("?")[:3], b"W00", "? after it")
    r.close()
    r = connect(t, server)
    t.equal(bytes.fromhex(said()["cwd"][0]).decode(), t.dir, "the next client's directory")
    term(t, server)


@case("processes are attached to and let go, one after the other")
def _(t):
    server, r = multi(t)
    program = start(t, "signals", "busy", 3, ready=lambda p: p.peek("turns") > 5)
    for _ in range(3):
        t.equal(r.ask("vAttach;%x" % program.pid)[:1], b"T", "vAttach")
        server.until(r"^Attached; pid = %d$" % program.pid)
        t.equal(r.ask("qAttached:%x" % program.pid), b"1", "qAttached")
        t.equal(len(r.threads()), len(program.tids()), "threads")
        r.insert(program["turn"])
        t.equal(r.run().pc, program["turn"], "a breakpoint")
        r.ok("D;%x" % program.pid)
        t.untouched(program.pid)
        t.check(program.text_is_the_files(), "a trap is left in the text")
    t.equal(r.ask("vAttach;1fffffff")[:1], b"E", "vAttach of nobody")
    t.equal(r.ask("vAttach;%x" % program.pid)[:1], b"T", "vAttach after it")
    r.close()
    r = connect(t, server)
    t.equal(r.reason().pid, program.pid, "the next client's process")
    term(t, server)
    t.untouched(program.pid)


@case("a program that cannot be started is told, and the next one can")
def _(t):
    server, r = multi(t)
    for shell in "10":
        r.ok("QStartupWithShell:" + shell)
        t.equal(r.ask("vRun;" + hexed("/nonexistent/program"))[:1], b"E", "vRun")
        server.until(r"^During startup program exited with code 127\.$")
        t.equal(r.ask("?"), b"W00", "?")
        t.equal(r.ask("g")[:1], b"E", "registers")
    _, inferior = run(t, r, "ends", "exit", 0)
    t.equal(r.run().raw, "W00;process:%x" % inferior.pid, "the end of one that can")
    term(t, server)


@case("--read-only starts nothing")
def _(t):
    server, r = multi(t, "--read-only")
    t.check(b"QSetWorkingDir" not in r.ask("qSupported"), "it is announced")
    mark = os.path.join(t.dir, "mark")
    for packet in ("vRun;" + hexed("/bin/touch", mark), "QSetWorkingDir:2f"):
        t.equal(r.ask(packet)[:1], b"E", packet)
    t.check(not os.path.exists(mark), "the program ran")
    program = start(t, "signals", "asleep", 2)
    t.equal(r.ask("vAttach;%x" % program.pid)[:1], b"T", "vAttach")
    t.equal(r.ask("vKill;%x" % program.pid)[:1], b"E", "vKill")
    r.ok("D;%x" % program.pid)
    t.untouched(program.pid)
    term(t, server)


@case("a signal to the stub ends what its clients started, and lets go the rest")
def _(t):
    for signo in (signal.SIGTERM, signal.SIGKILL):
        server, r = multi(t)
        _, inferior = run(t, r, "signals", "busy", 2)
        r.resume()
        t.eventually(lambda: inferior.peek("turns") > 5, "it runs")
        server.signal(signo)
        server.wait()
        gone(t, inferior.pid)


def both(t, r):
    """Two programs in one connection, the second one stopped where it began."""
    _, first = run(t, r, "signals", "busy", 2)
    _, second = run(t, r, "signals", "busy", 3)
    return first, second


@case("several processes in one connection stop and go on together, or one alone")
def _(t):
    server, r = multi(t)
    first, second = both(t, r)
    t.equal(sorted(r.threads()), sorted("p%x.%x" % (p.pid, p.pid) for p in (first, second)),
            "threads")
    t.equal(r.xfer("threads").count(b"<thread "), 2, "threads of the document")
    for p in (first, second):
        r.ok("Hgp%x.0" % p.pid)
        t.equal(r.ask("qC").decode(), "QCp%x.%x" % (p.pid, p.pid), "the thread of Hg")
        r.insert(p["turn"])
        t.equal(p.read(p["turn"], 1), b"\xcc", "the breakpoint's byte")
    # One alone, while the other stands.
    stop = r.run("c:p%x.-1" % first.pid)
    t.equal((stop.pid, stop.pc), (first.pid, first["turn"]), "who stopped, and where")
    t.equal(second.state(), "t", "the other one")
    t.equal(len(second.tids()), 1, "threads of the other one")
    stop = r.run("c:p%x.-1" % second.pid)
    t.equal((stop.pid, stop.pc), (second.pid, second["turn"]), "who stopped, and where")
    t.check({"p%x.%x" % (p.pid, x) for p in (first, second) for x in p.tids()} ==
            set(r.threads()), "the list of threads")
    t.equal(r.ask("Tp%x.%x" % (first.pid, first.pid)), b"OK", "T of the other one")
    t.equal(r.ask("Tp%x.%x" % (first.pid, second.pid))[:1], b"E", "T of a mixture")
    t.equal(r.ask("qC")[:3], b"QCp", "qC")
    # Both: each stops at its own.
    for p in (first, second):
        r.ok("Hgp%x.0" % p.pid)
        r.remove(p["turn"])
    r.resume("c")
    for p in (first, second):
        t.eventually(lambda: p.peek("turns") > 5, "both run")
    stop = r.halt()
    t.check(stop.pid in (first.pid, second.pid), "who stopped")
    for p in (first, second):
        t.equal({p.state(x) for x in p.tids()}, {"t"}, "all stand")
    # One that is let go, killed or ends leaves the other.
    r.ok("D;%x" % second.pid)
    t.untouched(second.pid)
    t.equal({x.split(".")[0] for x in r.threads()}, {"p%x" % first.pid}, "whose threads are left")
    stop, third = run(t, r, "ends", "exit", 4)
    t.equal(r.run("c:p%x.-1" % third.pid).raw, "W04;process:%x" % third.pid, "the end of the third")
    t.equal(first.state(), "t", "the first one")
    t.equal(r.ask("vAttach;%x" % second.pid)[:1], b"T", "vAttach beside it")
    t.equal(r.ask("qAttached:%x" % first.pid) + r.ask("qAttached:%x" % second.pid), b"01",
            "qAttached")
    os.kill(second.pid, 9)
    t.equal(r.run("c").raw, "X09;process:%x" % second.pid, "the end of the second")
    r.ok("vKill;%x" % first.pid)
    gone(t, first.pid)
    t.equal(r.ask("qfThreadInfo"), b"l", "threads in the end")
    term(t, server)


@case("a client that names no processes has one at a time")
def _(t):
    server = t.start(Server, "archerfish", [t.stub, "--multi", ":0"]).listening()
    r = connect(t, server, says="qSupported:swbreak+")
    t.equal(r.ask("vRun;" + hexed(program_path("ends")))[:3], b"T05", "vRun")
    t.equal(r.ask("vRun;" + hexed(program_path("ends")))[:1], b"E", "another vRun")
    t.equal(r.ask("vAttach;1")[:1], b"E", "vAttach")
    r.close()
    term(t, server)


@case("what a client leaves of several processes is there for the next, or let go")
def _(t):
    server, r = multi(t)
    first, second = both(t, r)
    other = start(t, "signals", "busy", 2, ready=lambda p: p.peek("turns") > 5)
    t.equal(r.ask("vAttach;%x" % other.pid)[:1], b"T", "vAttach")
    for p in (first, second, other):
        r.ok("Hgp%x.0" % p.pid)
        r.insert(p["turn"])
    r.close()
    r = connect(t, server)
    r.ok("!")
    t.equal({x.split(".")[0] for x in r.threads()},
            {"p%x" % p.pid for p in (first, second, other)}, "whose threads there are")
    for p in (first, second, other):
        t.check(p.text_is_the_files(), "a breakpoint is left")
    r.resume("c")
    for p in (first, second, other):
        t.eventually(lambda: p.peek("turns") > 10, "all run")
    r.close()
    r = connect(t, server)
    t.equal(r.ask("?")[:1], b"T", "the stop for the next client")
    for p in (first, second, other):
        t.equal({p.state(x) for x in p.tids()}, {"t"}, "all stand")
    term(t, server)
    gone(t, first.pid)
    gone(t, second.pid)
    t.untouched(other.pid)
