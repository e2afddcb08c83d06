# SPDX-License-Identifier: MIT
"""Imports for ever: each 500th time by a statement, whose line is known, else by a call.

	importing.py [N]	each Nth time"""
import sys

EVERY = int(sys.argv[1]) if len(sys.argv) > 1 else 500


def plain(n):
    return __import__("sys"), n


def special():
    import colorsys  # line: import of it
    return colorsys


print("ready", flush=True)
count = 0
while True:
    plain(count)
    count += 1
    if count % EVERY == 0:
        special()
