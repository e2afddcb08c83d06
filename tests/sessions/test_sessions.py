# SPDX-License-Identifier: MIT
"""One scripted session with each client, from a deadlock to the end of the program.

What the client says is compared with tests/golden/sessions/CLIENT.txt, modulo addresses, ids
and lines of Python's own library; $GOLDEN=write writes those anew.  $HITS is how often the
breakpoint is hit.
"""

import difflib
import os
import re
import subprocess

import zoo
from harness import INFERIORS, TOP, case

HITS = int(os.environ.get("HITS", "1000"))
SCRIPT = "session.py"
GOLDEN = os.path.join(TOP, "tests", "golden", "sessions")
STEPS = 10


def beside(t, client):
    """The newest interpreter where the client runs; of this machine its own."""
    fit = [p for p in zoo.pythons() if p.root == client.root and (p.root or p.kind == "host")]
    if not fit:
        t.skip("no python beside %s" % client.label)
    return fit[-1]


def host(t):
    fit = [p for p in zoo.pythons() if p.kind == "host"]
    if not fit:
        t.skip("this machine has no python3 of its own")
    return fit[-1]


def begin(t, python):
    program = t.program(python, SCRIPT, HITS, until="^ready$", stdin=-1)
    t.asleep(program.pid)
    server = t.serve(pid=program.pid, env=t.environment(XDG_RUNTIME_DIR=t.dir))
    # It is stopped: this is read when it goes on.
    program.send("\n")
    return program, server


def traced(t, python):
    """The lines of bill() in an untouched run."""
    run = subprocess.run([str(c) for c in python.command(os.path.join(INFERIORS, SCRIPT), "trace")],
                         stdout=subprocess.PIPE, universal_newlines=True, cwd=t.dir,
                         env=t.environment())
    lines = [int(n) for n in run.stdout.split()]
    return [n for i, n in enumerate(lines) if i == 0 or n != lines[i - 1]]


def end(t, program, hits):
    t.equal(program.wait(), 0, "its exit status")
    prices = sum(3 * n for n in range(HITS))
    t.has(program.text, r"^eaten \[0, 1, 2\] prices %d total 2$" % prices)
    t.equal(hits, list(range(HITS)), "the arguments of the hits")


def anonymous(text):
    """Without what differs from run to run."""
    for pattern, by in ((re.escape(TOP), "TOP"), (r"\b0x[0-9a-f]+", "0x"),
                        (r"Thread \d+\.\d+", "Thread P.T"), (r"LWP \d+\) *", "LWP T) "),
                        (r"tid = \d+", "tid = T"), (r"[Pp]rocess \d+", "process P"),
                        (r"started \d+", "started N"),
                        (r"(\S*/|<frozen )?(threading)(\.py|>):\d+(:\d+)?", "threading.py:L"),
                        (r"\+ \d+ at", "+ N at"),
                        (r'(count=|price = |number=)"\d+"', r'\1"N"'), (r" +$", "")):
        text = re.sub(pattern, by, text, flags=re.M)
    return text


def compare(t, name, pieces):
    text = "".join("$ %s\n%s\n" % (command, anonymous(said).strip("\n"))
                   for command, said in pieces)
    path = os.path.join(GOLDEN, name + ".txt")
    if os.environ.get("GOLDEN") == "write":
        with open(path, "w") as f:
            f.write(text)
    if not os.path.exists(path):
        t.skip("there is no golden of " + name)
    with open(path) as f:
        diff = list(difflib.unified_diff(f.read().splitlines(), text.splitlines(), "golden", "said",
                                         lineterm=""))
    t.check(not diff, "the session differs:\n" + "\n".join(diff))


def version_of(client):
    return client.label.split()[0].split(".")[0]


# ---- gdb ----

NOISE = re.compile(r"^(Run till exit|Reading |warning: |.{0,3}\s*warning: |\[New |\[Switching|\(No debugging|"
                   r"\d+\t\.\./|.*No such file or directory).*\n", re.M)
HEAD = re.compile(r"^(?=Thread \d+ \(Thread)", re.M)


def of_python(command, text):
    """What is said of Python's threads; those of C differ with the system."""
    text = NOISE.sub("", text)
    if command == "info threads":
        return "".join(re.sub(r"^[* ] (\d+) ", r"  \1 ", line) for line in text.splitlines(True)
                       if '"python ' in line)
    if command == "thread apply all bt":
        pieces = [p for p in HEAD.split(text) if re.match(r'.*"python ', p)]
        return "".join(sorted(pieces))
    if command == "up":  # a line of Python's own library, if the client has that
        return re.sub(r"^\d+\t.*\n", "", text, flags=re.M)
    return text


@case("a session with gdb from a deadlock to the end", gdb=zoo.gdbs, timeout=400)
def _(t, gdb):
    python = host(t)
    lines = traced(t, python)
    program, server = begin(t, python)
    hits = os.path.join(t.dir, "hits.gdb")
    with open(hits, "w") as f:
        f.write("set $hit = 0\nwhile $hit < %d\ncontinue\nset $hit = $hit + 1\nend\n" % HITS)
    # Four of C come first; then the virtual ones, the main thread's before the guests'.
    commands = ["info threads", "thread apply all bt", "thread 7", "bt 1", "info args",
                "info locals", "list %d,+1" % t.line(SCRIPT, "hungry"), "up", "info args",
                "break %s:%d" % (SCRIPT, t.line(SCRIPT, "priced")), "source " + hits, "info locals",
                "delete", "tbreak bill", "continue"]
    steps = ["next"] * STEPS
    tail = ["finish", "p count > 0", "delete", "detach"]
    plain = ["set print address off", "set confirm off"]
    all_commands = plain + commands + steps + tail
    out = t.gdb(gdb, server, *all_commands, seconds=360)
    pieces = re.split(r"^<<(?:\d+|end)>>\n", out.text, flags=re.M)[1:]
    said = list(zip(all_commands, pieces))[len(plain):]
    found = [int(n) for n in re.findall(r'hit Breakpoint 1, portion \(number="(\d+)", size="3"\)',
                                        said[10][1])]
    first = said[14][1]
    stepped = [re.findall(r"^(\d+)\t", text, re.M)[-1:] for _, text in
               said[14:15 + STEPS]]
    t.equal([int(n[0]) if n else None for n in stepped], lines[:STEPS + 1],
            "the lines that `next' goes over, from %s" % first)
    said[10] = ("source hits.gdb", "%s\n" % ("each hit" if found == list(range(HITS)) else found))
    compare(t, "gdb-" + version_of(gdb), [(c, of_python(c, text)) for c, text in said])
    end(t, program, found)


# ---- lldb ----

@case("a session with lldb from a deadlock to the end", lldb=zoo.lldbs, timeout=500)
def _(t, lldb):
    python = beside(t, lldb)
    lines = traced(t, python)
    program, server = begin(t, python)
    commands = ["thread list", "thread backtrace all", "thread select 7", "frame variable", "up",
                "breakpoint set -f %s -l %d" % (SCRIPT, t.line(SCRIPT, "priced"))]
    hits = ["continue", "frame variable number"] * HITS
    after = ["breakpoint delete -f", "breakpoint set -o true -n bill", "continue"]
    steps = ["thread step-over"] * STEPS
    tail = ["finish", "breakpoint delete -f", "detach"]
    out = t.lldb(lldb, server, *commands, *hits, *after, *steps, *tail, file=python.path,
                 seconds=450)
    said = list(zip(commands + hits + after + steps + tail, out.texts))
    found = [int(n) for n in re.findall(r'^\(char \*\) number = 0x\w+ "(\d+)"', out.text, re.M)]
    at = len(commands) + len(hits) + len(after) - 1
    stepped = [re.findall(r"frame #0: .*\bbill\b.* at session\.py:(\d+)", text)[-1:]
               for _, text in said[at:at + STEPS + 1]]
    t.equal([int(n[0]) if n else None for n in stepped], lines[:STEPS + 1],
            "the lines that step-over goes over")
    kept = said[:len(commands)] + [("hits", "each hit\n")] + said[len(commands) + len(hits):]
    compare(t, "lldb-" + version_of(lldb), [(c, python_only(c, text)) for c, text in kept])
    end(t, program, found)


def python_only(command, text):
    """Without C's threads and frames, and what differs with the system."""
    if command.split()[0] in ("thread", "up", "frame", "breakpoint", "detach") and \
            command not in ("thread list", "thread backtrace all", "thread step-over"):
        # A thread that is selected is shown some time later, amid what comes then.
        return "".join(re.findall(r"^(?:Breakpoint|error|frame #1|\(char).*\n", text, re.M))
    text = re.sub(r"^ +\d+ *\t.*\n", "", text, flags=re.M)  # the line that it is at is enough
    pieces = re.split(r"^(?=[* ] thread #|process )", text, flags=re.M | re.I)
    kept = [p for p in pieces if not re.match(r"[* ] thread #", p) or "name = 'python " in p]
    return "".join(re.sub(r"^[* ] (?=thread #|  frame)", "  ", p, flags=re.M) for p in kept)
