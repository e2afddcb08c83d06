#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the end-to-end tests: stock debuggers against archerfish, on real programs.

	tests/e2e/run.py [-k WORDS] [-j N] [-v] [--list] [--stub build/release/archerfish]
	                 [--of live]

Runs the cases of tests/e2e, or of the folder beside it that --of names.  A case that
fails is tried once more at the end, with none beside it; if it passes then it counts as
passed and is named as unsteady, which is a defect of the case or of archerfish too.
Prints TAP, then "# e2e: N passed, N failed, N skipped".  Exit status: 0 all that could
run passed; 1 some failed; 77 none could run.
"""

import argparse
import ctypes
import glob
import importlib
import os
import pickle
import select
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import harness  # noqa: E402

SHOWN = 80  # lines of each text of a failed case
AGAIN_MAX = 5  # failed cases that are tried once more


class Running:
    """A case in its own process, whose verdict comes through a pipe."""

    def __init__(self, number, chosen, stub, base):
        self.number, self.chosen = number, chosen
        self.started = time.monotonic()
        self.data = b""
        self.pipe, write = os.pipe()
        self.folder = os.path.join(base, str(number))
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            os.setpgid(0, 0)
            pr_set_child_subreaper = 36
            ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
            signal.signal(signal.SIGTERM, self.overdue)
            try:
                answer = pickle.dumps(harness.perform(chosen, stub, self.folder))
                with os.fdopen(write, "wb") as f:
                    f.write(answer)
            finally:
                os._exit(0)
        os.close(write)

    def overdue(self, *_):
        """In the case's process: its time is over; tell what it noted so far."""
        raise harness.Failure("not done within %d s" % self.chosen.timeout)

    def left(self):
        return self.started + self.chosen.timeout - time.monotonic()

    def result(self):
        """The verdict, once its pipe has ended or its time is over; else None."""
        over = self.left() <= 0
        if over:
            # Its own clean-up first; then whatever is left of it.
            os.kill(self.pid, signal.SIGTERM)
            while select.select([self.pipe], [], [], 5)[0]:
                piece = os.read(self.pipe, 1 << 20)
                self.data += piece
                if not piece:
                    break
            os.kill(self.pid, signal.SIGKILL)
        elif select.select([self.pipe], [], [], 0)[0]:
            piece = os.read(self.pipe, 1 << 20)
            self.data += piece
            if piece:
                return None
        else:
            return None
        os.close(self.pipe)
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.data:
            return "failed", "its process died", []
        return pickle.loads(self.data)


def report(running, verdict, reason, notes, verbose):
    word = "not ok" if verdict == "failed" else "ok"
    skip = " # SKIP " + " ".join(reason.split()) if verdict == "skipped" else ""
    seconds = time.monotonic() - running.started
    print("%s %d - %s%s" % (word, running.number, running.chosen.name, skip or
                            " # %.1f s" % seconds))
    shown = [reason] if verdict == "failed" else []
    if verdict == "failed" or verbose:
        shown += notes
    for text in shown:
        lines = text.rstrip("\n").split("\n")
        for line in lines[:SHOWN] + ["..."] * (len(lines) > SHOWN):
            print("#   " + line)
    sys.stdout.flush()


def run_these(waiting, jobs, options, base):
    """Run (number, case) pairs, so many at a time; yields each with its result."""
    active = []
    while waiting or active:
        while waiting and len(active) < jobs:
            active.append(Running(*waiting.pop(0), options.stub, base))
        select.select([r.pipe for r in active], [], [],
                      max(0, min(r.left() for r in active)))
        for running in list(active):
            result = running.result()
            if result:
                active.remove(running)
                yield running, result


def run_all(cases, options, base):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    again = []
    print("1..%d" % len(cases), flush=True)
    for running, result in run_these(list(enumerate(cases, 1)), options.jobs, options, base):
        counts[result[0]] += 1
        report(running, *result, options.verbose)
        if result[0] == "failed":
            again.append((running.number, running.chosen))
    # Many that fail have one reason, and it is not that others ran beside them.
    if len(again) > AGAIN_MAX:
        again = []
    for running, result in run_these(again, 1, options, base):
        report(running, *result, options.verbose)
        if result[0] == "passed":
            counts["failed"] -= 1
            counts["passed"] += 1
            print("# unsteady: " + running.chosen.name, flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-k", metavar="WORDS", default="",
                        help="only cases whose name has these words, separated by commas or blanks")
    parser.add_argument("-j", "--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--stub", default="build/release/archerfish")
    parser.add_argument("--of", metavar="FOLDER", default="e2e")
    options = parser.parse_args()
    # Started in a shell's background it ignores these, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)

    folder = os.path.join(os.path.dirname(HERE), options.of)
    sys.path.insert(0, folder)
    for path in sorted(glob.glob(os.path.join(folder, "test_*.py"))):
        name = os.path.splitext(os.path.basename(path))[0]
        if os.path.realpath(importlib.import_module(name).__file__) != os.path.realpath(path):
            sys.exit("%s: another folder's file of the same name was taken for it" % path)
    if options.of == "e2e":
        for what, reason in harness.zoo.missing():
            harness.CASES.append(harness.Case("all of this with " + what,
                                              harness.skipper(reason), {}, 60))
    words = [w.strip() for w in options.k.split(",")] if "," in options.k else options.k.split()
    cases = [c for c in harness.CASES if all(w in c.name for w in words)]
    if options.list:
        print("\n".join(c.name for c in cases))
        return 0
    options.stub = os.path.abspath(options.stub)
    if not os.access(options.stub, os.X_OK):
        print("# %s: there is no %s (make builds it)" % (options.of, options.stub))
        return 77

    base = tempfile.mkdtemp(prefix="archerfish-e2e.")
    os.chmod(base, 0o755)
    try:
        counts = run_all(cases, options, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print("# %s: %d passed, %d failed, %d skipped"
          % (options.of, counts["passed"], counts["failed"], counts["skipped"]))
    return 1 if counts["failed"] else 0 if counts["passed"] else 77


if __name__ == "__main__":
    sys.exit(main())
