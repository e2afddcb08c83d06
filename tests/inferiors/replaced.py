# SPDX-License-Identifier: MIT
"""A function that ends, and another whose code object is made in its place."""

import sys


def make(name, n):
    space = {}
    exec("def %s(x):\n    y = x + %d\n    return y\n" % (name, n), space)
    return space[name]


def wait():
    sys.stdin.readline()


first = make("before", 1)
print("code", id(first.__code__), first(1), flush=True)
print("ready", flush=True)
wait()
address = id(first.__code__)
del first
kept = []
for n in range(20000):
    second = make("beyond", n + 2)
    if id(second.__code__) == address:
        break
    kept.append(second)
print("same" if id(second.__code__) == address else "elsewhere", flush=True)
wait()
print("result", second(1) == n + 3, flush=True)
