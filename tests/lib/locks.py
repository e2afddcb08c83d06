# SPDX-License-Identifier: MIT
"""What archerfish says of locks beside what tests/inferiors/locks.py was built to do."""

import json
import os
import re
import subprocess
import time

from rsp import Rsp


def waiting_program(t, python):
    """A program of threads that wait in every way, and what is true of them."""
    program = t.program(python, "locks.py", t.dir, until="^ready$")
    t.asleep(program.pid)
    with open(os.path.join(t.dir, "locks.json")) as f:
        return program, json.load(f)


def stacks(t, pid, *options):
    run = subprocess.run([t.stub, "stacks", *options, str(pid)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, universal_newlines=True, timeout=50)
    t.equal(run.returncode, 0, "status of archerfish stacks: %s" % run.stdout)
    return run.stdout


def judge_holders(name, found, expected):
    """What is wrong with the holders of one wait."""
    have = {h["name"]: h for h in found}
    want = {h["name"]: h for h in expected}
    if set(have) != set(want):
        yield "%s is held by %s, not by %s" % (name, sorted(have), sorted(want))
        return
    for who, h in want.items():
        if have[who]["by"] != h["by"]:
            yield "%s: %s holds it by %s, not by %s" % (name, who, have[who]["by"], h["by"])
        elif h["line"] is not None and have[who].get("line") != h["line"]:
            yield "%s: %s holds it since line %s, not %s" % (name, who, have[who].get("line"),
                                                             h["line"])


def judge(document, truth):
    """All that is wrong with the document."""
    found = {w["name"]: w for w in document["waits"]}
    for name in sorted(set(found) - set(truth["waits"])):
        yield "%s is said to wait for %s" % (name, found[name]["for"])
    for name, want in sorted(truth["waits"].items()):
        if name not in found:
            yield "%s is not said to wait for %s" % (name, want["for"])
            continue
        for key in ("for", "line", "timed", "text"):
            if key in want and found[name].get(key) != want[key]:
                yield "%s: %s is %r, not %r" % (name, key, found[name].get(key), want[key])
        yield from judge_holders(name, found[name]["holders"], want["holders"])

    def shape(names, certain, timed):
        least = names.index(min(names))
        return tuple(names[least:] + names[:least]), certain, timed

    have = sorted(shape([m["name"] for m in c["members"]], c["certain"], c["timed"])
                  for c in document["cycles"])
    want = sorted(shape(c["names"], c["certain"], c["timed"]) for c in truth["cycles"])
    for c in have:
        if c not in want:
            yield "no such cycle: %s" % (c,)
    for c in want:
        if c not in have:
            yield "a cycle is missing: %s" % (c,)


def compare(t, python, *options):
    """A whole comparison with one interpreter."""
    program, truth = waiting_program(t, python)
    text = stacks(t, program.pid, "--locks", "--json", *options)
    t.note(text)
    wrong = list(judge(json.loads(text), truth))
    t.check(not wrong, "\n".join(wrong))
    t.untouched(program.pid)


HOGS = """import threading
def spin():
    while True:
        pass
for i in range(3):
    threading.Thread(target=spin, name='spin-%d' % i, daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
"""


def see_gil_waiters(t, python):
    """Three threads want the GIL, and one has it."""
    script = os.path.join(t.dir, "hogs.py")
    with open(script, "w") as f:
        f.write(HOGS)
    program = t.start_program(python.command(script), until="^ready$")
    # A stop may fall between two naps of a waiter: one of some stops must show them all.
    with Rsp.connect(t.serve("--once", pid=program.pid).port) as r:
        r.open()
        for _ in range(200):
            threads, stacks_text = r.monitor("py-threads"), r.monitor("py-bt all")
            holders = re.findall(r"^. (\d+) +\d+ +yes ", threads, re.M)
            waiters = re.findall(r"^. (\d+) +\d+ +waits ", threads, re.M)
            t.check(len(holders) <= 1, "several hold the GIL: " + threads)
            for tid in waiters:
                t.has(stacks_text, r"^Thread %s .*, waiting for the GIL held by thread %s\)"
                      % (tid, holders[0] if holders else "(nobody)"))
            if len(waiters) == 2:
                return
            r.send("vCont;c")
            time.sleep(0.005)
            r.interrupt()
            r.recv()
    t.fail("no stop shows two threads that wait for the GIL; the last:\n" + threads)
