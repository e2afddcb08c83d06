# SPDX-License-Identifier: MIT
"""Imports for ever: each 500th time by a statement, whose line is known, else by a call.

	importing.py [N [DEPTH [loop]]]	each Nth time; so many functions deep

With `loop' each round is a new evaluation loop in C, the statement is another, and a line of input
is waited for before."""
import itertools
import sys

EVERY = int(sys.argv[1]) if len(sys.argv) > 1 else 500
DEPTH = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def plain(n):
    return __import__("sys"), n


def special():
    import colorsys  # line: import of it
    return colorsys


def other():
    import traceback
    return traceback


def turn(n):
    plain(n)
    if n % EVERY == EVERY - 1:
        other()


def run(depth):
    if depth:
        return run(depth - 1)
    if "loop" in sys.argv:
        for _ in map(turn, itertools.count()):
            pass
    count = 0
    while True:
        plain(count)
        count += 1
        if count % EVERY == 0:
            special()


for name in ("colorsys", "traceback"):
    __import__(name)  # the first time there are other imports below
print("ready", flush=True)
if "loop" in sys.argv:
    sys.stdin.readline()
run(DEPTH)
