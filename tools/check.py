#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run every check there is, one make target after another, and count.

	tools/check.py [NAME...]	(make check; names are those of the table below)

Goes on after a failure.  Prints what a step prints as it comes, then a table and
"check: N passed, N failed, N skipped": unit and end-to-end cases one by one, every
other step as one.  Exit status: 0 if nothing failed.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUZZ_SECONDS = 60  # for all fuzzers together

CRITERION = re.compile(r"Synthesis: Tested: \d+ \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
E2E = re.compile(r"^# \w+: (\d+) passed, (\d+) failed, (\d+) skipped$")
# What is said again at the end: the names of failed cases, and why a step failed.
TOLD = re.compile(r"^not ok|^# unsteady: |^\[FAIL|^\[CRASH|: (error|warning): |ERROR: |SUMMARY: ")
TOLD_MAX = 20  # lines of one step
TOLD_AFTER = 12  # lines behind the first: what the case says


def count_criterion(found):
    passed, failed, crashed = map(int, found.groups())
    return [passed, failed + crashed, 0]


def count_e2e(found):
    return list(map(int, found.groups()))


def fuzzers():
    names = [os.path.basename(path)[len("fuzz_"):-len(".c")]
             for path in sorted(glob.glob(os.path.join(TOP, "tests", "fuzz", "fuzz_*.c")))]
    return [("fuzz " + name,
             ["fuzz", "FUZZ=" + name, "FUZZ_TIME=%d" % (FUZZ_SECONDS // len(names))], None)
            for name in names]


def clang_version():
    try:
        text = subprocess.run(["clang-format", "--version"], stdout=subprocess.PIPE,
                              universal_newlines=True).stdout
    except OSError:
        return None
    found = re.search(r"version (\d+)", text)
    return found and int(found.group(1))


def steps():
    """(name, what to make, why not or None).  The quick ones come first."""
    strict = ["WERROR=1"] if os.environ.get("CI") else []
    # Another version lays out and warns otherwise.
    style = None if clang_version() == 14 else "needs version 14 of clang-format and clang-tidy"
    return [
        ("build", ["all"] + strict, None),
        ("layers", ["check-layers"], None),
        ("globals", ["check-globals"], None),
        ("format", ["format-check"], style),
        ("unit", ["check-unit"], None),
        ("unit-sanitized", ["SAN=1", "check-unit"], None),
        ("hostile", ["SAN=1", "check-hostile"], None),
        ("lint", ["lint"], style),
        ("values", ["check-values"], None),
        ("e2e", ["check-e2e"], None),
        ("lldb", ["check-lldb", "LLDB=-k host"], None),
        ("sessions", ["check-sessions", "HITS=40", "SESSIONS=-k host"], None),
        ("live", ["check-live"], None),
        ("diff", ["check-diff"], None),
    ] + fuzzers()


def run(arguments, minutes=15):
    """Make it, showing what it prints.

    (exit status, counts if it counts its cases, what is worth saying again)
    """
    counts, told, after = None, [], 0
    process = subprocess.Popen(["make", "--no-print-directory", "-j%d" % (os.cpu_count() or 1)]
                               + arguments, cwd=TOP, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               universal_newlines=True, errors="replace", start_new_session=True)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
    signal.alarm(minutes * 60)
    for line in process.stdout:
        print(line, end="", flush=True)
        if TOLD.search(line):
            after = TOLD_AFTER
        elif not line.startswith("#"):
            after = 0
        if after and len(told) < TOLD_MAX:
            told.append(line.rstrip("\n")[:300])
            after -= 1
        for pattern, count in ((CRITERION, count_criterion), (E2E, count_e2e)):
            found = pattern.search(line)
            if found:
                counts = [a + b for a, b in zip(counts or [0, 0, 0], count(found))]
    status = process.wait()
    if not signal.alarm(0) and status == -signal.SIGKILL:
        told.append("ended after %d minutes" % minutes)
        print(told[-1])
    return status, counts, told


def judge(status, counts):
    """[passed, failed, skipped] of a step."""
    if counts is None:
        return [0, 1, 0] if status else [1, 0, 0]
    if status and not counts[1] and sum(counts) != counts[2]:
        counts[1] += 1  # the cases passed, what is around them did not
    return counts


def main():
    chosen = sys.argv[1:]
    total, rows, tellings = [0, 0, 0], [], []
    for name, arguments, why_not in steps():
        if chosen and name not in chosen:
            continue
        print("\n== %s" % name, flush=True)
        started = time.monotonic()
        if why_not:
            print("skipped: " + why_not)
            counts = [0, 0, 1]
        else:
            status, counts, told = run(arguments)
            counts = judge(status, counts)
            if told and (counts[1] or any("unsteady" in line for line in told)):
                tellings.append((name, told))
        rows.append((name, counts, time.monotonic() - started))
        total = [a + b for a, b in zip(total, counts)]
    for name, told in tellings:
        print("\n-- %s" % name)
        print("\n".join(told))
    print("\n%-20s %7s %7s %7s %8s" % ("", "passed", "failed", "skipped", "seconds"))
    for name, counts, seconds in rows:
        print("%-20s %7d %7d %7d %8.1f" % (name, *counts, seconds))
    print("check: %d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
