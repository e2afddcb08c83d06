# SPDX-License-Identifier: MIT
"""Whatever a program calls its things, the documents about it can be read."""

import json
import os
import sys
import xml.etree.ElementTree

import zoo
from harness import TOP, case
from test_python import run, tool

sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from rsp import Rsp  # noqa: E402

SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def written(text):
    """How docs/protocol-documents.md says that a name is written."""
    out = []
    for c in text:
        n = ord(c)
        if n < 0x20 or 0x7f <= n < 0xa0:
            out.append(SHORT.get(c) or "\\x%02x" % n)
        elif 0xd800 <= n < 0xe000 or n in (0xfffe, 0xffff):
            out.append("\\u%04x" % n)
        else:
            out.append(c)
    return "".join(out)


def same(t, found, text, what):
    """As a whole or, if it is long, cut and so marked."""
    whole = written(text)
    cut = found.endswith("...") and len(text) > 100 and whole.startswith(found[:-3])
    t.check(found == whole or cut, "%s: expected %.200r, found %.200r" % (what, whole, found))


def judge(t, threads, said):
    """threads: [(name, frames)]; each frame of interest has a variable that is its number."""
    found = {}
    for name, frames in threads:
        for frame in frames:
            values = {v["name"]: v.get("repr") for v in frame.get("locals", [])}
            if "held" in values:
                found[int(values["index"])] = name, frame, values
    t.equal(sorted(found), list(range(len(said))), "the threads")
    for number, (text, reprs) in enumerate(said):
        name, frame, values = found[number]
        same(t, name, text + "thread", "a thread's name")
        same(t, frame["name"], text, "a function's name")
        same(t, frame["file"], text, "a file's name")
        same(t, frame["locals"][-1]["name"], text + "variable", "a variable's name")
        for name, expected in zip(("text", "error", "data", "table"), reprs):
            if len(expected) < 900:
                t.equal(values[name], expected, "the value of %s" % name)


def xml_threads(data):
    root = xml.etree.ElementTree.fromstring(data)
    return [(thread.get("name") or "", [
        dict(frame.attrib, locals=[v.attrib for v in frame.iter("local")])
        for frame in thread.iter("frame")]) for thread in root.iter("thread")]


@case("names and values of every kind can be read in every document", python=zoo.pythons)
def _(t, python):
    path = os.path.join(t.dir, "said.json")
    program = t.program(python, "nasty.py", path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        said = json.load(f)
    done = run(t, t.stub, "stacks", "--json", "--locals", program.pid)
    document = json.loads(done.stdout.decode("utf-8"))
    threads = [(th.get("name", ""), th["frames"]) for i in document["interpreters"]
               for th in i["threads"]]
    judge(t, threads, said)
    done = run(t, tool(t, "walk"), "-d", ";locals", program.pid)
    judge(t, xml_threads(done.stdout.decode("utf-8")), said)
    done = run(t, t.stub, "stacks", "--locals", program.pid)
    text = done.stdout.decode("utf-8")
    t.check(not set(text) & set(map(chr, [*range(10), *range(11, 32), 127])), "control characters")
    server = t.serve("--once", pid=program.pid)
    with Rsp.connect(server.port) as r:
        r.open()
        for annex in ("python-threads", "python-frames"):
            xml.etree.ElementTree.fromstring(r.xfer("osdata", annex))
        xml.etree.ElementTree.fromstring(r.xfer("threads"))
        judge(t, xml_threads(r.xfer("python-frames", ";locals")), said)
        r.send("D")
        r.recv()
    t.untouched(program.pid)
