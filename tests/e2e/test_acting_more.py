# SPDX-License-Identifier: MIT
"""Running code in other threads than the main one, by PEP 768, and pdb for a client elsewhere."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import acting  # noqa: E402
import zoo  # noqa: E402
from harness import case  # noqa: E402

NAME = "import threading; print(threading.current_thread().name)"
END = r"^end \['True', 'True', 'told'\] None"


def two():
    """One before sys.monitoring, and one with it."""
    found = zoo.pythons()
    return [p for p in found if p.version < (3, 12)][:1] + found[-1:]


def newest():
    return [p for p in zoo.pythons() if p.version >= (3, 14)][-1:]


def in_thread(t, program, thread, code=NAME, *options):
    return acting.execute(t.stub, program.pid, "--thread=" + thread, *options, "-c", code)


def ends(t, program):
    t.equal(acting.execute(t.stub, program.pid, "-c", "__import__('__main__').tell()"),
            (0, "", ""), "the last script")
    program.until(END)
    t.equal(program.wait(), 0, "its exit status")


@case("exec runs a script in a thread that waits, which goes on waiting", python=two)
def _(t, python):
    program = t.program(python, "workers.py", until="^ready")
    for thread in ("waits", "locked", "waits"):
        t.equal(in_thread(t, program, thread), (0, thread + "\n", ""), thread)
    status, out, err = in_thread(t, program, "locked", "def f():\n  1/0\nf()")
    t.equal((status, out), (1, ""), err)
    t.has(err, r"line 2, in f\n(.*\n)+ZeroDivision")
    status, _out, err = in_thread(t, program, "locked", "while True: pass", "--timeout=1")
    t.equal(status, 1, err)
    t.has(err, "archerfish.Cancelled")
    status, out, err = in_thread(t, program, "nobody")
    t.equal((status, err), (2, "archerfish: no thread of Python is called nobody, or has that id\n"),
            "a thread that is not there")
    ends(t, program)


@case("exec runs a script in a thread that runs, from 3.12 on, and says so before", python=two)
def _(t, python):
    program = t.program(python, "workers.py", until="^ready")
    found = in_thread(t, program, "busy")
    if python.version >= (3, 12):
        t.equal(found, (0, "busy\n", ""), "the script")
        status, _out, err = in_thread(t, program, "busy", "while True: pass", "--timeout=1")
        t.equal(status, 1, err)
        t.has(err, "archerfish.Cancelled")
        t.equal(in_thread(t, program, "MainThread",
                          "import sys; print([sys.monitoring.get_tool(i) for i in range(6)])")[1],
                "[None, None, None, None, None, None]\n", "what is left of sys.monitoring's tools")
    else:
        t.equal(found[0], 2, "the status")
        t.has(found[2], r"thread \d+ (is running|waits for the GIL): before 3.12")
    t.equal(acting.maps(program.pid)[1], [], "descriptors")
    ends(t, program)


@case("exec refuses a thread that waits in code which may hold a lock")
def _(t):
    program = t.program(t.python(), "workers.py", "foreign", until="^ready")
    refused = lambda found: found[0] == 2 and "it may hold a lock that Python needs" in found[2]  # noqa: E731
    t.eventually(lambda: refused(in_thread(t, program, "foreign")), "it waits in usleep()")
    ends(t, program)


@case("exec works by PEP 768's own fields where a thread looks at them", python=newest)
def _(t, python):
    program = t.program(python, "workers.py", until="^ready")
    for thread in ("waits", "busy"):
        t.equal(in_thread(t, program, thread, NAME, "--pep768"), (0, thread + "\n", ""), thread)
    status, _out, err = in_thread(t, program, "locked", NAME, "--pep768", "--timeout=1")
    t.equal(status, 2, err)
    t.has(err, "not run in time: the thread does not look at the fields of PEP 768")
    t.equal(acting.maps(program.pid)[1], [], "descriptors")
    ends(t, program)
    os.environ["PYTHON_DISABLE_REMOTE_DEBUG"] = "1"
    try:
        closed = t.program(python, "workers.py", until="^ready")
    finally:
        del os.environ["PYTHON_DISABLE_REMOTE_DEBUG"]
    status, _out, err = acting.execute(t.stub, closed.pid, "--pep768", "-c", "1")
    t.equal(status, 2, err)
    t.has(err, "remote debugging is disabled")
    old = t.program(zoo.pythons()[0], "workers.py", until="^ready")
    status, _out, err = acting.execute(t.stub, old.pid, "--pep768", "-c", "1")
    t.equal(status, 2, err)
    t.has(err, "PEP 768 came with 3.14")


@case("exec tells of text that is no UTF-8, of a program that ends, and of large scripts")
def _(t):
    program = t.program(t.python(), "workers.py", until="^ready")
    path = os.path.join(t.dir, "script.py")
    for source, status, text in ((b"x = '\xff\xfe'\n", 1, "(UnicodeDecode|Syntax)Error"),
                                 (b"# coding: latin-1\nassert '\xe9' == chr(233)\n", 0, "^$"),
                                 (b"x = '\0'\n", 1, "null bytes"),
                                 (b"x = 1\n" * 50000, 0, "^$"),
                                 (b"", 0, "^$")):
        with open(path, "wb") as f:
            f.write(source)
        got, _out, err = acting.execute(t.stub, program.pid, path)
        t.equal(got, status, err)
        t.has(err, text)
    with open(path, "wb") as f:
        f.write(b"import time\ntime.sleep(100)\n")
    run = t.archerfish("exec", str(program.pid), path)
    t.eventually(lambda: acting.maps(program.pid)[1], "the script began")
    program.signal(signal.SIGKILL)
    t.equal(run.wait(), 2, run.text)
    t.has(run.text, "the process ended before the script did|no such process|ended")


# ---- pdb for a client elsewhere ----


class Client:
    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(60)
        self.socket.connect(address)
        self.text = ""

    def until(self, pattern):
        start = len(self.text)
        while not re.search(pattern, self.text[start:]):
            data = self.socket.recv(4096)
            if not data:
                break
            self.text += data.decode()
        return self.text[start:]

    def say(self, *lines):
        for line in lines:
            self.socket.sendall(line.encode() + b"\n")
            got = self.until(r"\(Pdb\) $")
        return got


@case("pdb waits for a client at a socket of its user's, who is at the interrupted frame")
def _(t):
    program = t.program(t.python(), "debuggee.py", "4", until="^ready")
    path = os.path.join(t.dir, "pdb")
    pdb = t.archerfish("pdb", str(program.pid), "unix:" + path)
    pdb.until("nc -U")
    t.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "who may connect")
    client = Client(path)
    client.until(r"\(Pdb\) $")
    t.has(client.say("w", "up", "up", "p local"), "4")
    client.socket.close()  # which is to leave
    program.until(r"^\('item!item!item!item!', 9\) None\s*$")
    t.equal((program.wait(), pdb.wait()), (0, 0), "exit statuses")
    for address, text in (("0.0.0.0:0", "the loopback alone"), ("nowhere", "neither unix:PATH")):
        wrong = t.archerfish("pdb", str(os.getpid()), address)
        t.equal(wrong.wait(), 2, wrong.text)
        t.has(wrong.text, text)


@case("pdb of a program that waits for a day looks, steps, is interrupted, and leaves no trace")
def _(t):
    path = os.path.join(t.dir, "day.py")
    with open(path, "w") as f:
        f.write("import time\ndef day(hours):\n    time.sleep(100000)\n"
                "print('ready', flush=True)\nday(24)\n")
    program = t.program(t.python(), path, until="^ready")
    t.asleep(program.pid)
    for kill in (False, True):
        pdb = t.archerfish("pdb", str(program.pid), "127.0.0.1:0")
        port = int(pdb.until(r"nc 127.0.0.1 (\d+)").group(1))
        client = Client(("127.0.0.1", port))
        client.until(r"\(Pdb\) $")
        t.has(client.say("w"), r"day\(24\)(.*\n)+.*day.py\(3\)day\(\)")
        t.has(client.say("p hours"), "24")
        t.has(client.say("up"), r"day.py\(5\)<module>")
        client.socket.sendall(b"down\nn\n")  # into a sleep of a day
        client.until(r"day\(\)(.*\n)+\(Pdb\) ")
        t.asleep(program.pid)
        client.socket.sendall(b"\3")
        client.until(r"\(Pdb\) $")
        if kill:
            pdb.signal(signal.SIGKILL)
        else:
            client.socket.sendall(b"detach\n")
        pdb.wait()
        t.asleep(program.pid)
        t.untouched(program.pid)
        t.equal(acting.execute(t.stub, program.pid, "-c", "import sys; print(sys.gettrace())")[1],
                "None\n", "its tracer")


@case("pdb of a thread that waits, and of one that runs", python=newest)
def _(t, python):
    program = t.program(python, "workers.py", until="^ready")
    for thread, frame in (("waits", r"waits\(\)"), ("busy", r"(busy|is_set)\(\)")):
        pdb = t.archerfish("pdb", "--thread", thread, str(program.pid), stdin=subprocess.PIPE)
        pdb.until(r"\(Pdb\)")
        t.has(pdb.text, r"process \d+, thread %s\s(.*\n)*.*%s" % (thread, frame))
        pdb.popen.stdin.close()
        t.equal(pdb.wait(), 0, "its exit status")
    ends(t, program)


@case("monitor py-pdb has whoever connects talk to pdb, while gdb waits", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = t.program(t.python(), "debuggee.py", "6", until="^ready")
    path, seen = os.path.join(t.dir, "pdb"), []

    def talk():
        t.eventually(lambda: os.path.exists(path), "there is a socket")
        client = Client(path)
        client.until(r"\(Pdb\) $")
        seen.append(client.say("up", "up", "p local"))
        client.socket.close()

    talker = threading.Thread(target=talk)
    talker.start()
    command = "monitor py-pdb unix:" + path
    out = t.gdb(gdb, t.serve("--attach", pid=program.pid), command, "monitor py-exec -c print(6*7)",
                "monitor py-exec --thread MainThread -c print(1)", "monitor py-pdb --what",
                "monitor py-pdb 0.0.0.0:0", "detach")
    talker.join()
    t.has(seen[0], "4")
    t.has(out[command], "For pdb, elsewhere: nc -U .*/pdb\n(.*\n)*pdb has left; the program is stopped")
    t.has(out["monitor py-exec -c print(6*7)"], "42")
    t.has(out["monitor py-exec --thread MainThread -c print(1)"], "1")
    t.has(out["monitor py-pdb --what"], "there is no option --what")
    t.has(out["monitor py-pdb 0.0.0.0:0"], "the loopback alone")
    program.until(r"^\('item!item!item!item!', 9\) None\s*$")
    t.equal(program.wait(), 0, "its exit status")


@case("monitor status says where gdb may not call functions of Python", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = t.program(t.python(), "workers.py", until="^ready")
    out = t.gdb(gdb, t.serve("--attach", pid=program.pid), "break PyObject_RichCompare", "continue",
                "monitor status", "delete", "detach")
    t.has(out["monitor status"], r"may be called in thread \d+: no, it may be in the middle of anything")
    ends(t, program)
