# SPDX-License-Identifier: MIT
"""What the tests of Python breakpoints share."""

import collections
import os
import re

import zoo
from rsp import Rsp

CALLS = int(os.environ.get("CALLS", "300"))
SOURCE = "breakpoints.py"
HIT = re.compile(r"Python breakpoint (\d+), (\d+) hits?: #0 Frame 0x[0-9a-f]+, for file .*?, "
                 r"line (\d+), in (\w+) \((.*)\)")


def breakable():
    return [p for p in zoo.interpreters(wide=True)
            if p.version >= (3, 8) and (p.build == "release" or
                                        (p.build == "pydebug" and p.version[:2] == (3, 11)))]


def refusing():
    """Where there can be no breakpoints."""
    return [p for p in zoo.interpreters(wide=True)
            if p.build.startswith("free-threaded") or
            (p.build == "pydebug" and p.version[:2] != (3, 11))]


def touch(path):
    open(path, "w").close()


class Client(Rsp):
    """Continues, and says where it stopped."""

    def go(self):
        """The stop reply, and what was printed before it."""
        self.send("vCont;c")
        text = b""
        while True:
            reply = self.recv()
            if reply[:1] != b"O":
                return reply.decode("latin-1"), text.decode()
            text += bytes.fromhex(reply[1:].decode())

    def hits(self):
        """Of each hit until the process ends: number, count, line, function, variables."""
        while True:
            reply, text = self.go()
            if reply[0] in "WX":
                return
            found = HIT.search(text)
            if not found:
                raise AssertionError("no hit in %r, %r" % (reply, text))
            yield (int(found[1]), int(found[2]), int(found[3]), found[4],
                   dict(v.split("=", 1) for v in re.split(r", (?=\w+=)", found[5]) if v))


def attach(t, program, *options):
    server = t.serve(*options, pid=program.pid)
    r = Client.connect(server.port, 60)
    r.open()
    return server, r


def add(t, r, spec):
    text = r.monitor("py-break " + spec)
    t.has(text, r"^Python breakpoint \d+: ")
    return text


def run_lines(t, python, warm, calls=CALLS):
    go = os.path.join(t.dir, "go")
    program = t.program(python, SOURCE, calls, warm, go, until="^ready")
    server, r = attach(t, program)
    lines = [t.line(SOURCE, "f%d" % i) for i in (1, 2, 3, 4)]
    for line in lines:
        add(t, r, "%s:%d" % (SOURCE, line))
    touch(go)
    seen = collections.Counter()
    left = {}
    for number, count, line, name, variables in r.hits():
        t.equal(line, lines[number - 1], "the line of breakpoint %d" % number)
        t.equal(count, seen[line] + 1, "the count of line %d" % line)
        t.equal(int(variables["x"]), seen[line], "x at line %d" % line)
        seen[line] += 1
        if sum(seen.values()) == 4 * calls:
            os.unlink(go)
    t.equal(dict(seen), {line: calls for line in lines}, "hits of each line")
    t.equal(program.wait(), 0, "its exit status")
    t.has(program.text, "^sum right")
