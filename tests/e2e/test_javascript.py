# SPDX-License-Identifier: MIT
"""JavaScript's stacks of a process that runs V8; all that is known of them: tests/js/stacks.py."""

import json
import os
import shutil
import subprocess

import zoo
from harness import TOP, case

PROGRAM = os.path.join(TOP, "tests", "js", "stacks.js")


def start(t, *cases, mode="plain"):
    """A Node that waits in a case, and what it says of its stack."""
    node = shutil.which("node")
    if not node:
        t.skip("this machine has no Node")
    p = t.start_program([node, PROGRAM, mode, *cases], until=r'^\{"case".*\}$',
                        stdin=subprocess.PIPE)
    t.asleep(p.pid)
    said = json.loads(t.has(p.text, r'^\{"case".*\}$').group())
    return p, [f for f in said["stack"] if not f["async"]]


def printed(t, *args):
    printer = t.archerfish("stacks", *args)
    t.equal(printer.wait(), 0, "its exit status")
    return printer.text


@case("stacks prints the JavaScript stack that the program itself sees")
def stacks(t):
    p, said = start(t, "methods")
    found = json.loads(printed(t, "--json", p.pid))
    main = [th for th in found["threads"] if th["tid"] == p.pid][0]
    names = [f["name"] for f in main["frames"]]
    frames = main["frames"][names.index("look") + 1:]
    t.equal([(f["name"], f.get("script", ""), f.get("line"), f.get("column")) for f in frames],
            [(f["name"], f["script"], f["line"], f["column"]) for f in said], "the stack")
    t.has(printed(t, p.pid), r"^  at area \(%s:\d+:\d+\)$" % PROGRAM)


@case("gdb has js-bt, and says in its list of threads where JavaScript is",
      gdb=lambda: zoo.gdbs()[:1])
def monitor(t, gdb):
    p, _ = start(t, "map")
    server = t.serve(pid=p.pid)
    out = t.gdb(gdb, server, "monitor js-bt", "info threads", "monitor js-bt all native")
    t.has(out.text, r"^  at here \(%s:\d+:\d+\)$" % PROGRAM)
    t.has(out.text, r"^  at map \(builtin ArrayMap\)$")
    t.has(out.text, r"readSync \(node:fs:\d+:\d+\)|\w+ \(builtin ")
    t.has(out.text, r"^  C  .*JSEntry\+")
