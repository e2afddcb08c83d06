# SPDX-License-Identifier: MIT
"""Every lldb there is does with archerfish what it does with its own server."""

import re

import lldb_checks as checks
import zoo
from harness import Server, case


@case("twenty checks of lldb's commands", lldb=zoo.lldbs)
def _(t, lldb):
    checks.check(t, lldb)


@case("a program is launched, and its signals and its end are told", lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("steps.c")
    server = t.start(Server, "archerfish", lldb.beside(t.stub, ":0", path, "3")).listening()
    out = t.lldb(lldb, server, "breakpoint set -n count", "continue", "breakpoint delete -f",
                 "continue", "continue", file=path)
    t.has(out.texts[1], r"stop reason = breakpoint 1\.1\n.*steps`count\(n=3\)")
    t.has(out.texts[3], r"stop reason = signal SIGUSR1\n")
    t.has(out.texts[4], r"Process \d+ exited with status = 7 ")
    server.wait()
    t.has(server.text, r"counter 3 handled 10 ")


@case("a call from the middle of a system call leaves that as it was", lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("rounds.c", "-pthread")
    program = t.start_program(lldb.beside(path), until="ready")
    waiting = t.threads(program.pid)[1]
    server = t.serve(pid=program.pid)
    registers = "register read rip rsp rax orig_rax"
    out = t.lldb(lldb, server, "thread select 2", registers, "expression -- (int)getpid()",
                 registers, "detach", file=path)
    t.has(out.texts[2], r"\(int\) \$\d+ = %d\b" % program.pid)
    # lldb may still be telling of the thread that was selected.
    rows = [re.findall(r"^ *\w+ = 0x.*$", text, re.M) for text in (out.texts[1], out.texts[3])]
    t.equal(rows[1], rows[0], "its registers after the call")
    t.equal(len(rows[1]), 4, "registers")
    t.check(checks.goes_on(t, program), "it does not go on")
    t.eventually(lambda: in_call(waiting, 34), "the thread waits in pause() again")


def in_call(tid, number):
    with open("/proc/%d/syscall" % tid) as f:
        return f.read().split()[0] == str(number)


@case("--read-only shows everything and changes nothing", lldb=zoo.lldbs)
def _(t, lldb):
    path = t.compile("rounds.c", "-pthread")
    program = t.start_program(lldb.beside(path), until="ready")
    server = t.serve("--read-only", pid=program.pid)
    out = t.lldb(lldb, server, "memory write $rsp 1", "bt", "detach", file=path)
    t.has(out.texts[0], r"failed")
    t.has(out.texts[1], r"rounds`main")
    t.check(checks.goes_on(t, program), "it does not go on")
