# SPDX-License-Identifier: MIT
"""Who waits for which lock, and who holds it; tests/locks has the long tests."""

import json
import os
import sys
import xml.etree.ElementTree as ET

import zoo
from harness import TOP, case

sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import locks  # noqa: E402
from rsp import Rsp  # noqa: E402


def newest():
    """The newest interpreter of each minor version."""
    return list({p.version[:2]: p for p in zoo.pythons()}.values())


@case("stacks --locks says who waits for whom as the program was built", python=newest)
def _(t, python):
    locks.compare(t, python)


@case("stacks --locks says the same of a process that is never stopped")
def _(t):
    locks.compare(t, t.python(), "--nonblocking")


@case("monitor py-locks prints waits, holders and deadlocks")
def _(t):
    program, truth = locks.waiting_program(t, t.python())
    with Rsp.connect(t.serve("--once", pid=program.pid).port) as r:
        r.open()
        text = r.monitor("py-locks")
        t.has(r.monitor("help"), "^  py-locks$")
    line = truth["waits"]["phil-1"]["line"]
    t.has(text, r'^Thread \d+ "phil-1" in dine \(locks.py:%d\) waits for '
          r"<locked _thread.lock object at 0x[0-9a-f]+>\n"
          r'    held by thread \d+ "phil-2", by the with statement in dine \(locks.py:%d\)$'
          % (line, truth["waits"]["phil-0"]["holders"][0]["line"]))
    t.has(text, r'^Thread \d+ "join-t2" .* waits for the end of thread \d+ "join-t1", not for ever$')
    t.has(text, r'^Thread \d+ "import-b" .* waits for the import of locks_import_me$')
    t.has(text, r'^    maybe held by thread \d+ "bare-b", which has it in go \(locks.py:\d+\)$')
    t.has(text, r"^    held by thread 0x[0-9a-f]+, which has ended$")
    t.has(text, r'^deadlock: \d+ "phil-0" -> \d+ "phil-1" -> \d+ "phil-2" -> \d+ "phil-3" -> '
          r'\d+ "phil-0"$')
    t.has(text, r'^perhaps a deadlock: \d+ "bare-a" -> \d+ "bare-b" -> \d+ "bare-a"$')
    t.has(text, r'^deadlock, until one gives up: \d+ "timed-a" -> ')
    t.untouched(program.pid)


@case("python-locks is the same as XML, as JSON and as a table")
def _(t):
    program, _ = locks.waiting_program(t, t.python())
    with Rsp.connect(t.serve("--once", pid=program.pid).port) as r:
        t.check(b"qXfer:python-locks:read+" in r.ask("qSupported"), "it is not announced")
        r.open()
        root = ET.fromstring(r.xfer("python-locks"))
        document = json.loads(r.xfer("python-locks", ";format=json"))
        table = ET.fromstring(r.xfer("osdata", "python-locks"))
        t.equal(r.ask("qXfer:python-locks:read:nosuch:0,100")[:1], b"E", "another annex")
    t.equal([w.attrib["name"] for w in root.findall("wait")],
            [w["name"] for w in document["waits"]], "the waits")
    for w, j in zip(root.findall("wait"), document["waits"]):
        t.equal([h.attrib["by"] for h in w.findall("holder")], [h["by"] for h in j["holders"]],
                "the holders for %s" % j["name"])
    t.equal([[m.attrib["name"] for m in c] for c in root.findall("cycle")],
            [[m["name"] for m in c["members"]] for c in document["cycles"]], "the cycles")
    rows = [[c.text or "" for c in item] for item in table.findall("item")]
    t.equal(sorted({row[1] for row in rows}), sorted(w["name"] for w in document["waits"]),
            "the rows")


@case("py-threads and py-bt mark who waits for the GIL")
def _(t):
    locks.see_gil_waiters(t, t.python())
