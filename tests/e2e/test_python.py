# SPDX-License-Identifier: MIT
"""The Python walker on real interpreters, without a debugger."""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import zoo
from harness import TOP, case
from test_stacks import blocked_program, told

DTD = os.path.join(TOP, "docs", "python-frames.dtd")
# In the order of enum py_way.
WAYS = ["dynamic symbol _PyRuntime", "symbol _PyRuntime", "section .PyRuntime",
        "code of PyInterpreterState_Head", "cookie of _Py_DebugOffsets", "thread pointers"]


def tool(t, name):
    """A program of tests/ that was built beside the stub."""
    path = os.path.join(os.path.dirname(t.stub), name)
    if not os.path.exists(path):
        t.skip("no %s: make %s" % (path, os.path.relpath(path, TOP)))
    return path


def run(t, *command, timeout=60):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, cwd=TOP,
                          stderr=subprocess.PIPE, timeout=timeout, env=t.environment())
    t.note("%s\n%s%s" % (command, done.stdout.decode("utf-8", "replace")[:2000],
                         done.stderr.decode("utf-8", "replace")))
    return done


def same_columns(t, found, expected):
    """Line, columns of what a frame does; the outermost of settle()'s has gone on since."""
    for f, e in zip(found, expected):
        if e["where"] and f["name"] != "main":
            t.equal([f.get("end-line", f["line"]), f.get("column"), f.get("end-column")],
                    e["where"], "what %s does at %s:%s" % (f["name"], f["file"], f["line"]))
        elif not e["where"]:
            t.equal((f.get("column"), f.get("end-column")), (None, None), "made up columns")


@case("the JSON document equals the interpreter's own stacks", python=zoo.pythons)
def _(t, python):
    program, stacks = blocked_program(t, python)
    done = run(t, t.stub, "stacks", "--json", program.pid)
    t.equal(done.returncode, 0, "the exit status")
    document = json.loads(done.stdout.decode())
    t.equal(re.sub(r"(a|b|rc)\d+$", "", document["python"]), ".".join(map(str, python.version)),
            "the version")
    t.equal(document["verified"], True, "verified")
    found = {thread["tid"]: thread for interp in document["interpreters"]
             for thread in interp["threads"]}
    for stack in stacks:
        thread = found.pop(stack["tid"])
        t.equal(thread["name"], stack["name"], "the thread's name")
        if python.version >= (3, 11):
            t.equal(told(thread, "qualname"), told(stack, "qualname"),
                    "the stack of %s" % stack["name"])
        else:
            t.check(not any("qualname" in f for f in thread["frames"]), "a made up qualname")
        t.equal(told(thread), told(stack), "the stack of %s" % stack["name"])
        same_columns(t, thread["frames"], stack["frames"])
        t.check("corrupt" not in thread, thread.get("corrupt"))
        t.equal(thread["frames"][-1]["entry"], True, "the outermost frame was called by C")
    t.equal(found, {}, "threads that are not there")
    t.untouched(program.pid)


@case("the XML document follows its DTD and says what the JSON says", python=zoo.pythons)
def _(t, python):
    program, stacks = blocked_program(t, python)
    done = run(t, tool(t, "walk"), "-d", "", program.pid)
    root = xml.etree.ElementTree.fromstring(done.stdout)
    found = {int(thread.get("tid")): [(f.get("file"), int(f.get("line")), f.get("name"))
                                      for f in thread.iter("frame")]
             for thread in root.iter("thread")}
    t.equal(found, {s["tid"]: told(s) for s in stacks}, "the stacks")
    handling = {thread.get("handling") for thread in root.iter("thread")}
    t.check("ValueError" in handling, "no thread handles ValueError: %s" % handling)
    if not shutil.which("xmllint"):
        t.skip("no xmllint: the DTD was not tried")
    path = os.path.join(t.dir, "document.xml")
    with open(path, "wb") as f:
        f.write(done.stdout)
    shutil.copy(DTD, t.dir)
    done = run(t, "xmllint", "--noout", "--nonet", "--valid", path)
    t.equal(done.returncode, 0, "xmllint's exit status")


@case("each way to the runtime that a version has leads to the same place", python=zoo.pythons)
def _(t, python):
    program, stacks = blocked_program(t, python)
    found = {}
    for i, way in enumerate(WAYS):
        done = run(t, tool(t, "walk"), "-w", 1 << i, program.pid)
        m = re.match(r"(0x[0-9a-f]+) by (.*)", done.stderr.decode())
        if m:
            # Without a _PyRuntime the other symbols lead to the code (3.6).
            t.equal(m[2], WAYS[3] if i == 0 and python.version < (3, 7) else way, "the way")
            found[m[2]] = m[1]
        t.equal(done.stdout.decode().count("Thread "), len(stacks) if m else 0, "threads by " + way)
    old = python.version < (3, 13)
    expected = set(WAYS) - {"cookie of _Py_DebugOffsets" if old else "thread pointers"}
    if python.stripped or python.version < (3, 7):
        expected.discard("symbol _PyRuntime")
    if python.version < (3, 10):
        expected.discard("section .PyRuntime")
    if python.version < (3, 7) or not python.loads:
        expected.discard("dynamic symbol _PyRuntime")
    t.check(expected <= set(found), "missing: %s" % (expected - set(found)))
    if python.version < (3, 7):
        # Without a _PyRuntime any word that leads to the interpreter will do.
        found.pop("thread pointers")
    t.equal(len(set(found.values())), 1, "the addresses: %s" % found)
