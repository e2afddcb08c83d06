# SPDX-License-Identifier: MIT
"""A client that asks for it is told of forks, and has the children."""

import re

from live import case, connect, gone, launch, program_path, Inferior, SIGTRAP
from rsp import GDB


def child_of(t, stop, word):
    t.equal((stop.kind, stop.signo), ("T", SIGTRAP), "the stop: %r" % stop)
    t.check(word in stop.words, "it is no %s: %r" % (word, stop))
    found = re.fullmatch(r"p([0-9a-f]+)\.([0-9a-f]+)", stop.words[word])
    t.equal(found.group(1), found.group(2), "the child's first thread")
    return Inferior(int(found.group(1), 16), program_path("family"))


@case("the child of a fork stands still, in the session, and is let go or followed")
def _(t):
    server, r, parent = launch(t, "family", "fork", 3, says=GDB)
    r.ok("QPassSignals:14")     # SIGCHLD
    r.insert(parent["work"])
    child = child_of(t, r.run("c"), "fork")
    t.check({"p%x.%x" % (p.pid, p.pid) for p in (parent, child)} == set(r.threads()), "threads")
    t.check(child.text_is_the_files(), "a trap is in the child")
    t.equal(child.state(), "t", "the child")
    # Let go.
    r.ok("D;%x" % child.pid)
    stop = r.run("c")
    t.equal((stop.pid, stop.pc), (parent.pid, parent["work"]), "the parent's stop")
    r.remove(parent["work"])
    # Followed alone: the parent stands.
    child = child_of(t, r.run("c"), "fork")
    r.ok("Hgp%x.%x" % (child.pid, child.pid))
    r.insert(child["work"])
    t.equal(parent.read(parent["work"], 1) == b"\xcc", False, "the parent's memory")
    stop = r.run("c:p%x.-1" % child.pid)
    t.equal((stop.pid, stop.pc), (child.pid, child["work"]), "the child's stop")
    r.remove(child["work"])
    t.equal(r.run("c:p%x.-1" % child.pid).raw, "W07;process:%x" % child.pid, "the child's end")
    # Both at once, to the end of both.
    child = child_of(t, r.run("c"), "fork")
    ends = {r.run("c").raw, r.run("c").raw}
    t.equal(ends, {"W07;process:%x" % child.pid, "W00;process:%x" % parent.pid}, "their ends")
    r.close()
    t.equal(server.wait(), 0, "exit status")


@case("a vfork is told, its child's traps are not left to the parent, and its end is told")
def _(t):
    server, r, parent = launch(t, "family", "vfork", 2, says=GDB)
    r.ok("QPassSignals:14")
    child = child_of(t, r.run("c"), "vfork")
    # Followed, with a breakpoint in the memory that it borrows.
    r.ok("Hgp%x.%x" % (child.pid, child.pid))
    r.insert(child["work"])
    stop = r.run("c:p%x.-1" % child.pid)
    t.equal((stop.pid, stop.pc), (child.pid, child["work"]), "the child's stop")
    r.remove(child["work"])
    r.step(stop)
    r.insert(child["work"])
    t.equal(r.run("c:p%x.-1" % child.pid).raw, "W07;process:%x" % child.pid, "the child's end")
    t.check(parent.text_is_the_files(), "a trap is left to the parent")
    stop = r.run("c")
    t.check("vforkdone" in stop.words and stop.pid == parent.pid, "the end of the vfork: %r" % stop)
    # Let go.
    child = child_of(t, r.run("c"), "vfork")
    r.ok("Hgp%x.%x" % (parent.pid, parent.pid))
    r.insert(parent["work"])
    r.ok("D;%x" % child.pid)
    stop = r.run("c")
    t.check("vforkdone" in stop.words, "the end of the second: %r" % stop)
    stop = r.run("c")
    t.equal((stop.pid, stop.pc), (parent.pid, parent["work"]), "the parent's breakpoint")
    r.remove(parent["work"])
    t.equal(r.run("c").raw, "W00;process:%x" % parent.pid, "its end")


@case("a client that goes between a fork and its answer leaves nobody stopped or trapped")
def _(t):
    for way in ("kill", "close", "detach"):
        server, r, parent = launch(t, "family", "fork", 50, says=GDB)
        r.insert(parent["work"])
        child = child_of(t, r.run("c"), "fork")
        if way == "kill":
            r.send("k")
            t.equal(server.wait(), 0, "exit status")
            gone(t, parent.pid)
            gone(t, child.pid)
            continue
        if way == "detach":
            for p in (parent, child):
                r.ok("D;%x" % p.pid)
            t.equal(server.wait(), 0, "exit status")
        else:
            r.close()
            r = connect(t, server, says=GDB)
            t.check(parent.text_is_the_files(), "a trap is in the parent")
            r.send("k")
            t.equal(server.wait(), 0, "exit status")
        gone(t, parent.pid)
        gone(t, child.pid)
