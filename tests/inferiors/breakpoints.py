# SPDX-License-Identifier: MIT
"""Functions to have breakpoints in, and a checksum that says whether they did their work.

	breakpoints.py CALLS WARM GO

calls f WARM times, says "ready", waits for the file GO and calls f CALLS times more.
"""
import os
import sys
import time

LIMIT = 7


def f(x):
    a = x + LIMIT               # line: f1 of f
    b = a * 2                   # line: f2 of f
    c = str(b)                  # line: f3 of f
    d = [a, b]                  # line: f4 of f
    return len(c) + d[0] + b + LIMIT    # line: f5 of f


def expected(n):
    total = 0
    for x in range(n):
        a = x + 7
        total += len("%d" % (a * 2)) + a + a * 2 + 7
    return total


def main():
    calls, warm, go = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for i in range(warm):
        f(i)
    print("ready", flush=True)
    while not os.path.exists(go):
        time.sleep(0.01)
    total = 0
    for i in range(calls):
        total += f(i)
    print("sum", "right" if total == expected(calls) else "wrong", flush=True)
    while os.path.exists(go):
        time.sleep(0.01)


main()
