#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Known stacks of JavaScript, read by archerfish and compared with Error().stack.

	tests/js/stacks.py [--stub build/release/archerfish] [--node WORDS] [--modes plain,..]
	                   [--cases CASE,..] [-v]

stacks.js prints what V8 says of its own stack and waits at that place, where archerfish looks from
outside: each frame's function, script, line and column must be the same.  Prints a line
for each Node and way of running.  Exit status: 0 all are equal; 1 some are not; 77 there is no Node.
"""

import argparse
import collections
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ROOTS = os.environ.get("ARCHERFISH_ROOTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "archerfish", "roots")
ENTER = os.path.join(TOP, "tests", "zoo", "enter.sh")

#: What each mode is run with.
MODES = {"plain": ["--no-sparkplug", "--no-opt"],
         "baseline": ["--always-sparkplug", "--no-opt"],
         "maglev": ["--maglev"],
         "turbofan": []}

Node = collections.namedtuple("Node", "name command env")


def nodes(extra):
    """Every Node of this machine, of the test roots, and those that are named."""
    found = []
    for path in [p for p in ("/usr/bin/node",) if os.access(p, os.X_OK)] + extra:
        found.append(Node(path, [path], {}))
    for suite in ("bookworm", "trixie", "sid"):
        root = os.path.join(ROOTS, suite)
        if os.access(os.path.join(root, "usr/bin/node"), os.X_OK):
            found.append(Node(suite, [ENTER, root, "node"], {"ZOO_BIND": TOP}))
    return found


def version(node):
    out = subprocess.run(node.command + ["-p", "process.version"], env={**os.environ, **node.env},
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return out.stdout.strip()


def frames(stub, pid):
    """The frames of the process's first thread below the function that waits."""
    out = subprocess.run([stub, "stacks", "--json", str(pid)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    if out.returncode:
        raise RuntimeError("archerfish: " + out.stderr.strip())
    threads = [t for t in json.loads(out.stdout)["threads"] if t["tid"] == pid]
    if not threads:
        raise RuntimeError("no stack of thread %d" % pid)
    all_frames = threads[0]["frames"]
    names = [f["name"] for f in all_frames]
    if "look" not in names:
        raise RuntimeError("the waiting function is not in %r" % names)
    return all_frames[names.index("look") + 1:]


def as_truth(f):
    return (f["name"], f.get("script") or "", f.get("line"), f.get("column"))


def expected(stack):
    # Frames of functions that wait for a promise are not on the stack.
    return [(f["name"], f["script"], f["line"], f["column"]) for f in stack if not f["async"]]


def is_sleeping(pid):
    """Whether it has come to the wait: it reads its standard input."""
    try:
        with open("/proc/%d/syscall" % pid) as f:
            words = f.read().split()
    except OSError:
        return True
    return words[:2] == ["0", "0x0"]


def wait_until_asleep(pid):
    for _ in range(60000):
        if is_sleeping(pid):
            return
        subprocess.run(["sleep", "0.001"], check=False)
    raise RuntimeError("the program does not wait")


def compare(case, stub, pid, stack, verbose):
    try:
        mine = frames(stub, pid)
    except RuntimeError as e:
        return str(e), []
    kinds = [f["kind"] + ("+" if f["inlined"] else "") for f in mine]
    got, want = [as_truth(f) for f in mine], expected(stack)
    bad = [f for f in mine if "corrupt" in f]
    if got == want and not bad:
        return None, kinds
    lines = ["%s:" % case]
    for i in range(max(len(got), len(want))):
        g = got[i] if i < len(got) else None
        w = want[i] if i < len(want) else None
        if g != w or verbose:
            lines.append("    #%d archerfish %r [%s], V8 %r" %
                         (i, g, kinds[i] if i < len(kinds) else "", w))
    lines += ["    corrupt: %(corrupt)s" % f for f in bad]
    return "\n".join(lines), kinds


def run_mode(node, mode, args):
    command = node.command + MODES[mode] + [os.path.join(HERE, "stacks.js"), mode] + args.cases
    equal, kinds, wrong = 0, collections.Counter(), []
    with subprocess.Popen(command, env={**os.environ, **node.env}, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        try:
            for line in p.stdout:
                if not line.startswith(b"{"):
                    continue  # of V8 itself
                said = json.loads(line)
                wait_until_asleep(p.pid)
                why, used = compare(said["case"], args.stub, p.pid, said["stack"], args.verbose)
                equal += not why
                # Those of the case itself; the others are Node's own.
                for kind in used[1:3]:
                    kinds[kind] += 1
                if why:
                    wrong.append(why)
                p.stdin.write(b"\n")
                p.stdin.flush()
        finally:
            p.kill()
    return equal, wrong, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    parser.add_argument("--node", default="", help="only those whose name has one of these words")
    parser.add_argument("--also", default="", help="further programs, divided by commas")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--cases", default="")
    parser.add_argument("--show", type=int, default=20, help="so many failures of each")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    args.stub = os.path.abspath(args.stub)
    args.cases = [c for c in args.cases.split(",") if c]
    words = [w for w in args.node.split(",") if w]
    failed = ran = 0
    for node in nodes([p for p in args.also.split(",") if p]):
        if words and not any(w in node.name for w in words):
            continue
        says = version(node)
        if not says:
            print("# %s: does not run here" % node.name)
            continue
        for mode in args.modes.split(","):
            if mode == "maglev" and int(says[1:].split(".")[0]) < 24:
                continue
            equal, wrong, kinds = run_mode(node, mode, args)
            ran += equal + len(wrong)
            failed += len(wrong) + (not equal)
            print("%s %s %s: %d of %d stacks equal (%s)" %
                  (node.name, says, mode, equal, equal + len(wrong),
                   ", ".join("%s %d" % k for k in kinds.most_common())), flush=True)
            for w in wrong[:args.show]:
                print("  " + w, flush=True)
    print("# js: %d stacks, %d failed" % (ran, failed))
    return 77 if not ran and not failed else 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
