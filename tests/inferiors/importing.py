# SPDX-License-Identifier: MIT
"""Imports for ever: each 500th time by a statement, whose line is known, else by a call.

	importing.py [N [DEPTH]]	each Nth time; so many functions deep"""
import sys

EVERY = int(sys.argv[1]) if len(sys.argv) > 1 else 500
DEPTH = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def plain(n):
    return __import__("sys"), n


def special():
    import colorsys  # line: import of it
    return colorsys


def run(depth):
    if depth:
        return run(depth - 1)
    count = 0
    while True:
        plain(count)
        count += 1
        if count % EVERY == 0:
            special()


print("ready", flush=True)
run(DEPTH)
