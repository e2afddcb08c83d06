# SPDX-License-Identifier: MIT
"""Running code in a process: that it runs, and that the program never notices."""

import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import acting  # noqa: E402
import zoo  # noqa: E402
from harness import case  # noqa: E402

QUICK = ["busy", "lock", "sleep", "asyncio", "wakeup_fd", "tty"]
# ld [nr]; jeq NUMBER, then return ACTION, else allow
SECCOMP = """import ctypes, struct
code = b"".join(struct.pack("HBBI", *i) for i in (
    (0x20, 0, 0, 0), (0x15, 0, 1, %d), (0x06, 0, 0, %d), (0x06, 0, 0, 0x7fff0000)))
held = ctypes.create_string_buffer(code)
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(held)))
libc = ctypes.CDLL(None)
import time, sys
keep = [bytearray(1 << 16) for i in range(64)]; del keep
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(prog)), 0, 0) == 0
"""
SLEEPER = "import time, sys\nprint('ready', flush=True)\ntime.sleep(%s)\nprint('end', flush=True)\n"


def oldest_and_newest():
    found = zoo.pythons()
    return found[:1] + found[-1:] if len(found) > 1 else found


def sleeper(t, seconds=100, before="", python=None):
    path = os.path.join(t.dir, "sleeper.py")
    with open(path, "w") as f:
        f.write(before + SLEEPER % seconds)
    return t.program(python or t.python(), path, until="^ready")


@case("exec runs a script in a program that is busy or blocked, which goes on undisturbed",
      python=oldest_and_newest)
def _(t, python):
    programs = {}
    for state in QUICK:
        program = programs[state] = t.program(python, "blocked.py", state, "2", until="^ready")
        status, out, err = acting.execute(
            t.stub, program.pid, "-c", "import threading; print(threading.current_thread().name)")
        t.equal((status, out, err), (0, "MainThread\n", ""), "the script in %s" % state)
    for state, program in programs.items():
        program.until(r"^ok\s*$")
        t.equal(program.wait(), 0, state)


@case("exec leaves nothing in the process, whatever the script does")
def _(t):
    program = sleeper(t)
    t.asleep(program.pid)
    acting.execute(t.stub, program.pid, "-c", "import traceback, linecache")
    before = acting.signals(program.pid), acting.maps(program.pid)[1]
    for code, status, text in (("x = 1", 0, ""), ("x = ", 1, "SyntaxError"),
                               ("raise SystemExit(3)", 1, "SystemExit: 3"),
                               ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
                               ("def f():\n  1/0\nf()", 1, r"line 2, in f\n(.*\n)+ZeroDivision"),
                               ("import os; os.close(3)" * 0 + "print('\\udc80')", 0, "")):
        got, out, err = acting.execute(t.stub, program.pid, "-c", code)
        t.equal(got, status, code + out + err)
        t.has(err, text)
        t.equal((acting.signals(program.pid), acting.maps(program.pid)[1]), before, code)
    t.untouched(program.pid)
    got, out, _err = acting.execute(
        t.stub, program.pid, "-c", "import __main__, sys; "
        "print(sorted(n for n in vars(__main__) if n[0] != '_'), sys.gettrace())")
    t.equal(out, "['sys', 'time'] None\n", "names in __main__")


@case("exec cancels a script that takes too long, or when it is told to")
def _(t):
    program = sleeper(t)
    for code in ("import time; time.sleep(1000)", "while True: pass"):
        status, _out, err = acting.execute(t.stub, program.pid, "--timeout=1", "-c", code)
        t.equal(status, 1, err)
        t.has(err, "archerfish.Cancelled")
    run = t.archerfish("exec", str(program.pid), "-c", "import time; time.sleep(1000)")
    t.eventually(lambda: acting.maps(program.pid)[1], "the script began")
    time.sleep(0.2)
    run.signal(signal.SIGINT)
    t.equal(run.wait(), 1, "exit status after SIGINT")
    t.has(run.text, "archerfish.Cancelled")
    t.equal(acting.maps(program.pid)[1], [], "descriptors")


@case("exec says why a script could not be run, and leaves the program as it was")
def _(t):
    stopped = sleeper(t)
    stopped.signal(signal.SIGSTOP)
    t.eventually(lambda: t.status(stopped.pid, "State")[0] == "T", "it is stopped")
    status, _out, err = acting.execute(t.stub, stopped.pid, "-c", "1")
    t.equal(status, 2, err)
    t.has(err, "stopped by job control")
    stopped.signal(signal.SIGCONT)
    never = sleeper(t, seconds=0, before="import ctypes, threading\n"
                    "c, m = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n"
                    "c.pthread_mutex_lock(m)\n"
                    "threading.Timer(4, lambda: c.pthread_mutex_unlock(m)).start()\n"
                    "print('ready', flush=True)\nc.pthread_mutex_lock(m)\n")
    status, _out, err = acting.execute(t.stub, never.pid, "--timeout=1", "-c", "print(1)")
    t.equal(status, 2, err)
    t.has(err, r"never looks|does not come to look for signals")
    t.equal(acting.maps(never.pid)[1], [], "descriptors")
    never.until("^end")
    t.equal(never.wait(), 0, "the program's own end")
    dies = sleeper(t)
    status, _out, err = acting.execute(t.stub, dies.pid, "-c", "import os; os._exit(5)")
    t.equal((status, dies.wait()), (2, 5), err)
    t.has(err, "the process ended before the script did")
    for args, text in ((["--read-only"], "read-only"), (["--nonblocking"], "nonblocking")):
        status, _out, err = acting.execute(t.stub, stopped.pid, *args, "-c", "1")
        t.check(status != 0 and text in err, err)
    huge = os.path.join(t.dir, "huge.py")
    with open(huge, "w") as f:
        f.write("x = 1\n" * (50 << 20 >> 2))
    status, _out, err = acting.execute(t.stub, stopped.pid, huge)
    t.equal(status, 2, err)
    t.has(err, "too large")
    t.untouched(stopped.pid)


@case("exec works where every signal is blocked, and is refused in words by a policy")
def _(t):
    program = sleeper(t, before="import signal\n"
                      "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n")
    masks = acting.signals(program.pid)
    t.equal(acting.execute(t.stub, program.pid, "-c", "print(6*7)")[:2], (0, "42\n"), "blocked")
    t.equal(acting.signals(program.pid), masks, "masks of signals")
    poor = sleeper(t, before="import resource\nfd = []\n"
                   "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
                   "try:\n while 1: fd.append(open('/dev/null'))\nexcept OSError: pass\n")
    status, _out, err = acting.execute(t.stub, poor.pid, "-c", "1")
    t.equal(status, 2, err)
    t.has(err, "the process may not make a memfd: Too many open files")
    t.untouched(poor.pid)
    for number, action, text in ((319, 0x50001, "may not make a memfd: Operation not permitted"),
                                 (319, 0x80000000, "a seccomp filter would end the process"),
                                 (9, 0x50001, "may not map memory: Operation not permitted"),
                                 (9, 0, "a seccomp filter would end the process")):
        kept = sleeper(t, before=SECCOMP % (number, action))
        status, _out, err = acting.execute(t.stub, kept.pid, "-c", "1")
        t.equal(status, 2, err)
        t.has(err, text)
        t.untouched(kept.pid)
        t.equal(acting.maps(kept.pid)[1], [], "descriptors")


@case("a program that churns through memory and threads survives many scripts", timeout=300)
def _(t):
    survive(t, t.python(), 15)


def survive(t, python, times):
    program = t.program(python, "churn.py", until="^ready")
    for i in range(times):
        status, _out, err = acting.execute(t.stub, program.pid, "-c",
                                           "import __main__; __main__.visit()")
        t.equal((status, err), (0, ""), "script %d" % i)
    acting.execute(t.stub, program.pid, "-c", "import __main__; __main__.enough = True")
    program.until("^ok %d" % times)
    t.equal(program.wait(), 0, "its exit status")


@case("a program goes on if archerfish is killed while a script runs in it")
def _(t):
    program = sleeper(t, seconds=3)
    run = t.archerfish("exec", str(program.pid), "-c", "import time; time.sleep(1)")
    t.eventually(lambda: acting.maps(program.pid)[1], "the script began")
    time.sleep(0.1)
    run.signal(signal.SIGKILL)
    program.until("^end")
    t.equal(program.wait(), 0, "its exit status")


@case("monitor py-exec runs code in a process that gdb has stopped", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = sleeper(t)
    t.asleep(program.pid)
    nothing = os.path.join(t.dir, "nothing.py")
    with open(nothing, "w") as f:
        f.write("x = 1\n")
    out = t.gdb(gdb, t.serve("--attach", pid=program.pid), "monitor py-exec -c print(6*7)",
                "monitor py-exec -c 1/0", "monitor py-exec " + nothing, "monitor py-bt",
                "monitor py-exec --timeout=1 -c while True: pass", "monitor py-exec",
                "monitor py-exec " + nothing + ".no", "info threads", "detach")
    t.equal(out["monitor py-exec -c print(6*7)"].strip(), "42", "what it printed")
    t.has(out["monitor py-exec -c 1/0"], "ZeroDivisionError")
    t.has(out["monitor py-exec " + nothing], r"^ok, after \d+ ms")
    t.has(out["monitor py-bt"], "sleeper.py")
    t.has(out["monitor py-exec --timeout=1 -c while True: pass"], "archerfish.Cancelled")
    t.has(out["monitor py-exec"], "py-exec FILE, or py-exec -c CODE")
    t.has(out["monitor py-exec " + nothing + ".no"], "No such file or directory")
    t.untouched(program.pid)
    t.asleep(program.pid)


@case("monitor py-exec is refused where nothing may be touched", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = sleeper(t)
    for option, text in (("--read-only", "the stub is read-only"),
                         ("--nonblocking", "only looked at"), ("--python=off", "switched off")):
        out = t.gdb(gdb, t.serve(option, "--attach", pid=program.pid),
                    "monitor py-exec -c print(1)", "detach")
        t.has(out["monitor py-exec -c print(1)"], text)
    t.untouched(program.pid)


@case("a native breakpoint stops only if a text is in the Python stack", gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = t.program(t.python(), "importing.py", until="^ready")
    rule = 'monitor py-break-if 1 "import colorsys"'
    out = t.gdb(gdb, t.serve("--attach", pid=program.pid), "break *PyImport_ImportModuleLevelObject", rule,
                "continue", "monitor py-bt", "monitor py-break-if", "monitor py-break-if 1 off",
                "monitor py-break-if 1 --func special --line %d" % t.line("importing.py", "import"),
                "continue", "monitor py-break-if  ", "monitor py-break-if 1 --func", "monitor py-break-if nowhere x",
                'monitor py-break-if 1 "x', "monitor py-break-if 1", "delete", "detach")
    t.has(out[rule], 'Native breakpoint 1 stops only if "import colorsys" is in the Python stack')
    t.has(out["continue"], r"(Breakpoint 1, |Thread .* hit Breakpoint 1)")
    t.has(out["monitor py-bt"], "import colorsys")
    t.has(out["monitor py-break-if"], r"stopped 1, passed \d+")
    t.has(out["monitor py-break-if  "], r"stopped 1, passed 500")
    t.has(out["monitor py-break-if 1 --func"], "takes a value")
    t.has(out["monitor py-break-if nowhere x"], "no function nowhere")
    t.has(out['monitor py-break-if 1 "x'], "text without an end")
    t.has(out["monitor py-break-if 1"], "wants a text")
    t.untouched(program.pid)


def pdb_of(t, program, *options):
    return t.archerfish("pdb", *options, str(program.pid), stdin=subprocess.PIPE)


def say(pdb, *lines):
    pdb.popen.stdin.write("".join(line + "\n" for line in lines).encode())
    pdb.popen.stdin.flush()


@case("pdb is at the interrupted frame of a blocked program, which ends as it would have",
      python=oldest_and_newest)
def _(t, python):
    program = t.program(python, "debuggee.py", "2", until="^ready")
    pdb = pdb_of(t, program)
    say(pdb, "w", "up", "up", "p local", "b %d" % t.line("debuggee.py", "result"), "c",
        "p item", "s", "p x", "cl 1", "c")
    program.until(r"^\('item!item!item!item!', 9\) None\s*$")
    t.equal((program.wait(), pdb.wait()), (0, 0), "exit statuses")
    t.has(pdb.text, r"(?s)debuggee.py\(20\)get\(\).*\(Pdb\) 4.*'item'.*'item!'")


@case("pdb is interrupted and left by keys, and the program is not traced afterwards")
def _(t):
    program = t.program(t.python(), "debuggee.py", "0", "500", until="^ready")
    pdb = pdb_of(t, program)
    pdb.until(r"\(Pdb\)")
    say(pdb, "b debuggee.one, i == 400", "c")
    t.eventually(lambda: pdb.pump(0.2) is False, "pdb is silent")
    time.sleep(0.3)
    at = len(pdb.text)
    pdb.signal(signal.SIGINT)
    pdb.until(r"\(Pdb\)", start=at)
    say(pdb, "w", "p 'in', __name__")
    pdb.until("'in', ")
    pdb.popen.stdin.close()
    t.equal(pdb.wait(), 0, "its exit status")
    program.until(r"^\('item!item!item!item!', 499\) None\s*$")
    t.equal(program.wait(), 0, "the program's exit status")


@case("a program goes on if its pdb is killed, at the prompt or while it is traced")
def _(t):
    for traced in (False, True):
        program = t.program(t.python(), "debuggee.py", "1", "300", until="^ready")
        pdb = pdb_of(t, program)
        pdb.until(r"\(Pdb\)")
        if traced:
            say(pdb, "b debuggee.one, i == 100000", "c")
            t.eventually(lambda pdb=pdb: pdb.pump(0.2) is False, "pdb is silent")
        pdb.signal(signal.SIGKILL)
        program.until(r"^\('item!item!item!item!', 300\) None\s*$")
        t.equal(program.wait(), 0, "the program's exit status")


@case("pdb says why there is none")
def _(t):
    traced = sleeper(t, before="import sys\nsys.settrace(lambda *a: None)\n")
    pdb = pdb_of(t, traced)
    t.equal(pdb.wait(), 2, pdb.text)
    t.has(pdb.text, "the program has a tracer already")
    t.equal(acting.maps(traced.pid)[1], [], "descriptors")
    pdb = pdb_of(t, traced, "--read-only")
    t.check(pdb.wait() != 0, pdb.text)


@case("gdb calls functions in a thread that sleeps, with virtual threads shown",
      gdb=lambda: zoo.gdbs()[:1])
def _(t, gdb):
    program = sleeper(t, seconds=4)
    t.asleep(program.pid)
    run = ('call (int)PyRun_SimpleString("import __main__; __main__.called = 42; '
           'print(\'from gdb\', flush=True)")')
    out = t.gdb(gdb, t.serve("--attach", pid=program.pid), "info threads", "monitor status",
                'call (int)write(1, "written\\n", 8)', "set $g = (int)PyGILState_Ensure()", run,
                "call (void)PyGILState_Release($g)", "monitor py-print called", "detach")
    t.has(out["info threads"], "MainThread")
    t.has(out["monitor status"], r"PyGILState_Ensure\(\) and PyGILState_Release\(\): it waits")
    t.has(out['call (int)write(1, "written\\n", 8)'], "= 8")
    t.has(out[run], "= 0")
    t.has(out["monitor py-print called"], "42")
    program.until("^written")
    program.until("^from gdb")
    program.until("^end")
    t.equal(program.wait(), 0, "its exit status")
