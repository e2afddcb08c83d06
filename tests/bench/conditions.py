#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""False conditions of a breakpoint evaluated in a second, beside gdbserver and a bare loop.

	tests/bench/conditions.py [--stub FILE] [--gdbserver FILE] [--seconds N] [--rounds N]
	                          [--threads N,N...] [--json FILE]		(make bench)

tests/inferiors/often.c calls a function for ever, with so many more threads asleep.  The
condition compares the argument with -1, in the bytecode that gdb makes of `x == -1'.
Archerfish and gdbserver take turns in one run; the best of the rounds is shown, of each,
and their ratio.  "hop" is the same at an instruction that the stub does not emulate.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "live")]

from live import Client, Inferior, program_path  # noqa: E402
from rsp import Server  # noqa: E402

#: rdi == -1, as gdb writes it.
CONDITION = "26000522ff16081327"


def rate(stub, threads, seconds, place="often"):
    """Hits a second; None if the server does not evaluate conditions."""
    path = program_path("often")
    program = subprocess.Popen([path, str(threads)])
    try:
        inferior = Inferior(program.pid, path)
        deadline = time.monotonic() + 60
        while len(inferior.tids()) < threads + 1 or not inferior.peek("calls"):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        with Server([*stub, "--once", "--attach"], [str(program.pid)]) as server:
            with Client.connect(server.port, 120) as r:
                features = r.open()
                if "ConditionalBreakpoints" not in features:
                    return None
                r.ok("Z0,%x,1;X%x,%s" % (inferior[place], len(CONDITION) // 2,
                                         CONDITION))
                before, began = inferior.peek("calls"), time.monotonic()
                r.resume()
                time.sleep(seconds)
                calls, took = inferior.peek("calls") - before, time.monotonic() - began
                program.kill()  # gdbserver hears no interrupt amid such hits
                return calls / took
    finally:
        program.kill()
        program.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    parser.add_argument("--gdbserver", default=shutil.which("gdbserver"))
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="0,99,999")
    parser.add_argument("--json", help="write the measurements to this file")
    options = parser.parse_args()
    rows = []
    print("| threads | archerfish /s | gdbserver /s | ratio | with a hop /s |\n|---|---|---|---|---|")
    for threads in map(int, options.threads.split(",")):
        best = {"threads": threads + 1}
        for _ in range(options.rounds):
            for name, stub, place in (("ours", options.stub, "often"),
                                       ("theirs", options.gdbserver, "often"),
                                       ("hop", options.stub, "often_writes")):
                # 999 threads: gdbserver needs a second to stop them once.
                found = stub and rate([stub], threads, options.seconds, place)
                if found is not None and stub:
                    best[name] = max(found, best.get(name, 0))
        ratio = best["ours"] / best["theirs"] if best.get("theirs") else None
        print("| %d | %.0f | %s | %s | %.0f |" % (
            best["threads"], best["ours"],
            "%.1f" % best["theirs"] if best.get("theirs") else "-",
            "%.1fx" % ratio if ratio else "-", best["hop"]), flush=True)
        rows.append(best)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    sys.exit(main())
