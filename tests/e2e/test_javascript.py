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


@case("stacks prints the JavaScript stack that the program itself sees")
def stacks(t):
    p, said = start(t, "methods")
    found = json.loads(t.archerfish("stacks", "--json", p.pid).end())
    main = [th for th in found["threads"] if th["tid"] == p.pid][0]
    names = [f["name"] for f in main["frames"]]
    frames = main["frames"][names.index("look") + 1:]
    t.equal([(f["name"], f.get("script", ""), f.get("line"), f.get("column")) for f in frames],
            [(f["name"], f["script"], f["line"], f["column"]) for f in said], "the stack")
    text = t.archerfish("stacks", p.pid).text
    t.has(text, r"^  at area \(%s:\d+:\d+\)$" % PROGRAM)


@case("gdb has js-bt, and says in its list of threads where JavaScript is", gdb=zoo.gdbs)
def monitor(t, gdb):
    p, _ = start(t, "map")
    with t.serve(pid=p.pid) as server:
        out = t.gdb(gdb, server, "monitor js-bt", "info threads", "monitor js-bt all native")
    t.has(out, r"^  at here \(%s:\d+:\d+\)$" % PROGRAM)
    t.has(out, r"^  at map \(builtin ArrayMap\)$")
    t.has(out, r"readSync \(node:fs:\d+:\d+\)|\w+ \(builtin ")
    t.has(out, r"^  C  .*JSEntry\+")
