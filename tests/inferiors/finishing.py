# SPDX-License-Identifier: MIT
"""Recursion through one loop of the interpreter and through C, which waits for a line at its end;
with a number of other threads that run the same functions all the time."""

import sys
import threading
import time

stop = False


def wait():
    sys.stdin.readline()
    return 0


def quick():
    time.sleep(0.001)
    return 0


def deep(n, leaf):
    if n == 0:
        return leaf()
    below = deep(n - 1, leaf)
    total = below + n
    return total


def key(x):
    a = deep(4, wait)
    b = a * 2
    for i in range(3):
        b += i  # line: in the loop 
    c = b + deep(2, quick)  # line: behind the loop 
    return c


def half(x):
    return x / 2


def outer(x):
    first = sorted([x], key=key)
    second = deep(3, quick)  # line: behind sorted 
    third = sorted([4, 2], key=half)
    return first[0] + second + third[0]


def churn():
    while not stop:
        deep(6, quick)


others = [threading.Thread(target=churn) for _ in range(int(sys.argv[1]))]
for t in others:
    t.start()
print("ready", flush=True)
result = outer(7)
stop = True
for t in others:
    t.join()
print("result", result, flush=True)
