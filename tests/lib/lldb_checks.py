# SPDX-License-Identifier: MIT
"""Twenty checks that lldb works: what it is asked about tests/inferiors/rounds.c, and
what shows that the answer is right."""

import os
import re

# Each command in turn, and the checks that its output decides: a name, and what must be
# in it.  PID and CORE stand for what the test knows.
SESSION = [
    ("breakpoint set -n add", []),
    ("continue", [("breakpoint", r"stop reason = breakpoint 1\.1\n.*rounds`add\(n=\d+")]),
    ("bt", [
        ("stack to main", r"\* frame #0: .*rounds`add\(n=\d+, r=0x\w+\).*\n.*#1: .*rounds`main"),
        ("stack through libc", r"libc\.so\.6`.*\n(.*\n)*.*rounds`_start")]),
    ("thread list", [
        ("threads", r"(?s)(thread #\d: tid = \d+.*){4}"),
        ("names of threads",
         r"(?s)name = 'rounds'.*name = 'north'.*name = 'east'.*name = 'south'")]),
    ("image list", [
        ("libraries", r"\[ *\d+\] .*/libc\.so\.6"),
        ("vdso", r"vdso"),
        ("ld.so", r"/ld-linux-x86-64\.so\.2"),
        ("library opened at run time", r"/libm\.so\.6")]),
    ("expression -- (int)getpid()", [("call into libc", r"\(int\) \$\d+ = PID\b")]),
    ("expression -- add(0, r) == total", [("call of a function", r"\$\d+ = (true|1)\b")]),
    ("expression -- own", [("variable of a thread", r"\(int\) \$\d+ = 7\b")]),
    ("breakpoint delete -f", []),
    ("breakpoint set -n add -c 'n % 10 == 0'", []),
    ("continue", [("condition", r"stop reason = breakpoint 2\.1\n.*rounds`add\(n=\d*0,")]),
    ("breakpoint delete -f", []),
    ("watchpoint set variable total", []),
    ("continue", [("watchpoint", r"stop reason = watchpoint 1\n.*rounds`add")]),
    ("watchpoint delete -f", []),
    ("breakpoint set -H -n add", []),
    ("continue", [("hardware breakpoint", r"stop reason = breakpoint 3\.1\n.*rounds`add")]),
    ("breakpoint delete -f", []),
    ("memory region $rsp", [("region", r"\) rw- \[stack\]")]),
    ("finish", [("finish", r"stop reason = step out\n(.*\n)*.*rounds`main")]),
    ("thread siginfo", [("siginfo", r"si_signo = 5\b")]),
    ("process save-core --style stack CORE", [("core", None)]),
    ("detach", [("detach", r"(?s).*")]),
]

# What lldb of that version can't do, whoever serves it.
LACKING = {14: {"variable of a thread", "core"}}


def session(t, lldb, server, program, path):
    """Ask all of it; [(name, whether it is so)] in the order of the session."""
    core = os.path.join(t.dir, "core.saved")
    commands = [command.replace("CORE", core) for command, _ in SESSION]
    said = t.lldb(lldb, server, *commands, file=path)
    facts = {"core": os.path.exists(core) and os.path.getsize(core) > 1000,
             "detach": goes_on(t, program)}
    found = []
    for text, (_, checks) in zip(said.texts, SESSION):
        for name, pattern in checks:
            so = facts[name] if name in facts else \
                bool(re.search(pattern.replace("PID", str(program.pid)), text))
            found.append((name, so))
    return found


def goes_on(t, program):
    """Nobody traces it, and it runs."""
    t.untouched(program.pid)
    return program.running()


def check(t, lldb, stub_options=()):
    """The twenty checks with one lldb: a line each, and a failure if one is wrong."""
    path = t.compile("rounds.c", "-pthread")
    program = t.start_program(lldb.beside(path), until="ready")
    server = t.serve(*stub_options, pid=program.pid)
    found = session(t, lldb, server, program, path)
    lacking = LACKING.get(lldb.version[0], set())
    lines = ["%s: %s" % (name, "yes" if so else "not with this lldb" if name in lacking else "NO")
             for name, so in found]
    t.note("%d of %d checks" % (sum(so for _, so in found), len(found)))
    for line in lines:
        t.note(line)
    t.equal(len(found), 20, "checks")
    wrong = [name for name, so in found if not so and name not in lacking]
    t.check(not wrong, "wrong with lldb %s: %s" % (lldb.label, ", ".join(wrong)))
