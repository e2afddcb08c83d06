# SPDX-License-Identifier: MIT
"""Thread-local variables: stock gdb finds every thread's own, as the program says where it is."""

import os
import re

import zoo
from harness import case


def addresses(server, what):
    """Of `what`, by the thread's id, as the program printed it."""
    server.until(r"(?:^thread .*\n(?:.*\n)*?){3}")
    return {int(m[1]): int(m[2], 16) for m in
            re.finditer(r"thread (\d+) .*\b%s (0x[0-9a-f]+)" % what, server.text)}


def shown(text):
    """What `thread apply all print &x` prints, by the thread's id."""
    return {int(m[1]): int(m[2], 16) for m in
            re.finditer(r"\(Thread (?:\d+\.)?(\d+)[ )].*\n+\$\d+ = \(.*\) (0x[0-9a-f]+)", text)}


def check(t, found, said, what, more=0):
    t.equal(len(said), 3, "threads that said where %s is: %r" % (what, said))
    t.equal(len(found), len(said) + more, "threads that gdb finds %s in" % what)
    t.equal({tid: found.get(tid) for tid in said}, said, what)


@case("thread-local variables of the program and a library are where it says", gdb=zoo.gdbs)
def _(t, gdb):
    os.mkdir(os.path.join(t.dir, "library"))
    library = t.compile("library/tls.c", "-shared", "-fPIC")
    path = t.compile("tls.c", "-pthread")
    server = t.serve(command=[path, library])
    out = t.gdb(gdb, server, "break all_are_there", "continue", "print *(int *) __errno_location()",
                "thread apply all print &mine", "thread apply all -s print &aligned",
                "thread apply all -s print &library_own", "print mine", file=path)
    t.has(out["continue"], r"all_are_there")
    check(t, shown(out["thread apply all print &mine"]), addresses(server, "mine"), "mine", 1)
    check(t, shown(out["thread apply all -s print &aligned"]), addresses(server, "aligned"),
          "aligned", 1)
    # The idle one has none of the library's, and is told apart from one that has.
    check(t, shown(out["thread apply all -s print &library_own"]),
          addresses(server, "library"), "library_own")
    t.has(out["print mine"], r"= 5")


@case("a static program's thread-local variables are found too")
def _(t):
    path = t.compile("tls.c", "-pthread", "-static")
    server = t.serve(command=[path])
    out = t.gdb(zoo.gdbs()[0], server, "break all_are_there", "continue",
                "thread apply all print &mine", file=path)
    check(t, shown(out["thread apply all print &mine"]), addresses(server, "mine"), "mine", 1)
