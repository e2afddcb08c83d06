# SPDX-License-Identifier: MIT
"""Locks with every interpreter there is, and of programs stopped at random."""

import json
import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import locks  # noqa: E402
import zoo  # noqa: E402
from harness import case  # noqa: E402
from rsp import Rsp  # noqa: E402

STOPS = int(os.environ.get("STOPS", "300"))


def everything():
    return zoo.interpreters(wide=True)


def with_gil():
    return [p for p in everything() if "free-threaded" not in p.build]


def with_ctypes():
    return [p for p in everything() if p.loads]


def judge(document, owners):
    """What is wrong in a document of locks_busy.py; owners: {lock object: tid or 0}."""
    for c in document["cycles"]:
        if c["certain"]:
            yield "a deadlock of %s" % [m["name"] for m in c["members"]]
    for w in document["waits"]:
        for h in w["holders"]:
            inside = owners.get(w.get("object"), 0)
            if h["by"] in ("with", "owner") and inside and inside != h["tid"]:
                yield "%s is said to hold (by %s) what %s is inside of, for %s" % (
                    h["tid"], h["by"], inside, w["name"])
            if h["tid"] == w["tid"] and w["for"] != "gil":
                yield "%s waits for itself" % w["name"]


@case("stacks --locks says who waits for whom as the program was built", python=everything)
def _(t, python):
    locks.compare(t, python)


@case("stacks --locks says the same of a process that is never stopped", python=everything)
def _(t, python):
    locks.compare(t, python, "--nonblocking")


@case("a busy program that is never stopped has no deadlock", python=with_ctypes, timeout=600)
def _(t, python):
    program = t.program(python, "locks_busy.py", until="^ready .*$")
    for i in range(STOPS // 3):
        document = json.loads(locks.stacks(t, program.pid, "--locks", "--json", "--nonblocking"))
        wrong = list(judge(document, {}))
        t.check(not wrong, "look %d: %s\n%s" % (i, "\n".join(wrong),
                                                json.dumps(document, indent=1)))


@case("py-threads and py-bt mark who waits for the GIL", python=with_gil)
def _(t, python):
    locks.see_gil_waiters(t, python)


@case("no edge is claimed that is not there, whenever a busy program is stopped",
      python=with_ctypes, timeout=600)
def _(t, python):
    program = t.program(python, "locks_busy.py", until="^ready .*$")
    words, *objects = map(int, program.until(r"^ready (.*)$").group(1).split())
    seen = {"with": 0, "owner": 0, "maybe": 0, "alive": 0}
    with Rsp.connect(t.serve("--once", pid=program.pid).port) as r:
        r.open()
        for i in range(STOPS):
            r.send("vCont;c")
            time.sleep(0.002 + i % 7 * 0.0007)
            r.interrupt()
            r.recv()
            document = json.loads(r.xfer("python-locks", ";format=json"))
            inside = struct.unpack("<%dI" % len(objects), r.memory(words, 4 * len(objects)))
            owners = {hex(o): tid for o, tid in zip(objects, inside)}
            wrong = list(judge(document, owners))
            t.check(not wrong, "stop %d: %s\n%s" % (i, "\n".join(wrong),
                                                    json.dumps(document, indent=1)))
            for w in document["waits"]:
                for h in w["holders"]:
                    seen[h["by"]] += w["for"] != "gil"
    t.note("holders seen: %s" % seen)
    t.check(seen["with"] and seen["owner"], "too little was seen: %s" % seen)
