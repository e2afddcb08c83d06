# SPDX-License-Identifier: MIT
"""The interfaces that editors use: a stack trace has Python's frames with their files."""

import glob
import os
import re
import subprocess

import zoo
from dap import Dap
from harness import INFERIORS, Process, case
from test_virtual import python_beside, serve

SOURCE = os.path.join(INFERIORS, "philosophers.py")


def adapter(lldb):
    """The adapter beside that lldb, or None; it was called lldb-vscode once."""
    for name in ("lldb-dap", "lldb-vscode"):
        for path in sorted(glob.glob("%s/usr/bin/%s-%d" % (lldb.root or "", name,
                                                            lldb.version[0]))):
            return path[len(lldb.root or ""):]
    return None


def deadlocked(t, python):
    program = t.program(python, "philosophers.py", until="deadlocked")
    t.asleep(program.pid)
    return program


def attached(t, lldb, path, python, server):
    """A client of an adapter that has attached and stopped."""
    for _ in range(5):
        process = t.start(Process, "lldb-dap", lldb.beside(path), stdin=subprocess.PIPE)
        dap = Dap(process)
        dap.ask("initialize", adapterID="lldb", linesStartAt1=True, columnsStartAt1=True,
                pathFormat="path")
        attach = dap.send("attach", program=python.path, stopOnEntry=True, attachCommands=[
            "settings set symbols.enable-external-lookup false",
            "gdb-remote 127.0.0.1:%d" % server.port])
        first = dap.until(lambda m: m.get("event") == "initialized" or m.get("success") is False,
                          "initialized")
        if first["type"] == "event":
            dap.ask("configurationDone")
            dap.answer(attach)
            dap.event("stopped")
            return dap
        # lldb-dap 19 may look at the process before it is connected.
        t.has(first["message"], r"process unloaded during")
        process.popen.kill()
        process.wait()
    return t.skip("the adapter does not wait for its own connection")


@case("an editor behind lldb's adapter sees Python's stack", lldb=zoo.lldbs)
def _(t, lldb):
    path = adapter(lldb)
    if not path:
        t.skip("no adapter beside lldb %s" % lldb.label)
    python = python_beside(t, lldb)
    program = deadlocked(t, python)
    server = serve(t, program)
    dap = attached(t, lldb, path, python, server)
    threads = {th["name"]: th["id"] for th in dap.ask("threads")["threads"]}
    found = [number for name, number in threads.items() if "python philosopher-3" in name]
    t.equal(len(found), 1, "threads named philosopher-3 in %s" % threads)
    frames = dap.ask("stackTrace", threadId=found[0], startFrame=0, levels=20)["stackFrames"]
    t.has(frames[0]["name"], r"^dine")
    t.equal((frames[0]["source"]["path"], frames[0]["line"]), (SOURCE, 29), "the first frame")
    t.has(frames[1]["source"]["path"], r"/threading\.py$")
    scopes = dap.ask("scopes", frameId=frames[0]["id"])["scopes"]
    number = [s["variablesReference"] for s in scopes if s["name"] == "Locals"][0]
    values = {v["name"]: v["value"] for v in
              dap.ask("variables", variablesReference=number)["variables"]}
    t.has(values["seat"], r'"3"$')
    dap.send("disconnect", terminateDebuggee=False)
    t.untouched(program.pid)


@case("gdb's machine interface tells Python's stack", gdb=zoo.gdbs)
def _(t, gdb):
    program = deadlocked(t, t.python())
    server = serve(t, program)
    g = t.start(Process, "gdb", t.gdb_command(gdb, "-i=mi"), stdin=subprocess.PIPE)

    def ask(number, command):
        start = len(g.text)
        g.popen.stdin.write(("%d%s\n" % (number, command)).encode())
        g.popen.stdin.flush()
        return g.until(r"^%d\^.*\n" % number, start=start).group(0)

    ask(1, "-gdb-set print address off")
    t.has(ask(2, "-target-select remote 127.0.0.1:%d" % server.port), r"\^connected")
    threads = ask(3, "-thread-info")
    # gdb 13 has the name in its own field, as later ones have.
    rows = re.findall(r'\{id="(\d+)",target-id="[^"]*"(?:,details="[^"]*")?,name="([^"]*)"', threads)
    rows += re.findall(r'\{id="(\d+)",target-id="[^"\\]*(?:\\"(.*?)\\")?', threads)
    found = [number for number, name in rows if name == "python philosopher-3"]
    t.check(found, "no philosopher-3 in " + threads)
    frames = ask(4, "-stack-list-frames --thread %s 0 3" % found[0])
    t.has(frames, r'frame=\{level="0",(?:addr="[^"]*",)?func="dine",file="[^"]*philosophers\.py",'
          r'fullname="%s",line="29"' % re.escape(SOURCE))
    t.has(frames, r'level="1",(?:addr="[^"]*",)?func="(Thread\.)?run",file="[^"]*threading\.py",')
    t.has(ask(5, "-stack-list-variables --thread %s --frame 0 1" % found[0]),
          r'name="seat",arg="1",value="\\"3\\""|name="seat",arg="1",value="[^"]*3')
    t.has(ask(6, "-target-detach"), r"\^done")
    g.popen.stdin.write(b"-gdb-exit\n")
    g.popen.stdin.flush()
    t.untouched(program.pid)
