# SPDX-License-Identifier: MIT
"""How long ten deadlocked Python threads stand still for all their stacks, and for gdb's."""

import json
import os
import shutil
import subprocess
import sys
import time

from stubs import TOP, Failed, free_port

sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))

THREADS = 11


def interpreters():
    """Those with a bare walker; the ones with libpython.py first."""
    import zoo
    import bench
    found = [p for p in zoo.pythons() if not p.root and p.version[:2] >= (3, 11)]
    return sorted(found, key=lambda p: bench.gdb_script(p) is None)


def by_gdb(script, pid):
    """Seconds from the server's start, which stops the program, to the end of gdb."""
    gdb, server = shutil.which("gdb"), shutil.which("gdbserver")
    if not gdb or not server or not script:
        return None
    port = free_port()
    began = time.perf_counter()
    stub = subprocess.Popen([server, "--once", "--attach", "127.0.0.1:%d" % port, str(pid)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for line in stub.stderr:
            if b"Listening" in line:
                break
        import bench
        run = subprocess.run([gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off",
                              "-ex", "target remote 127.0.0.1:%d" % port, "-ex",
                              "source " + script, "-ex", "thread apply all py-bt"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, universal_newlines=True,
                             errors="replace", timeout=120)
        return time.perf_counter() - began if bench.every_thread(run.stdout) else None
    finally:
        stub.stderr.close()
        stub.kill()
        stub.wait()


def measure(with_gdb):
    """{"ours": {row: value}, "bare": {row: value}}: microseconds, and times."""
    import bench
    found = interpreters()
    if not found:
        raise Failed("no Python 3.11 or later")
    program = bench.start(found[0])
    if not program:
        raise Failed("%s does not run the program" % found[0].label)
    try:
        run = subprocess.run([os.path.join(TOP, "build/release/bench"), str(program.pid), "500"],
                             stdout=subprocess.PIPE, universal_newlines=True)
        if run.returncode:
            raise Failed("build/release/bench failed")
        said = json.loads(run.stdout)
        ours = {"stacks": said["ours_stop_us"]}
        took = by_gdb(bench.gdb_script(found[0]), program.pid) if with_gdb else None
        if took:
            ours["stacks-gdb"] = took * 1e6 / said["ours_stop_us"]
        return {"ours": ours, "bare": {"stacks": said.get("bare_stop_us")}}
    finally:
        program.kill()
        program.wait()
