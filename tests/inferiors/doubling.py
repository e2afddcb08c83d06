# SPDX-License-Identifier: MIT
"""Calls a function again and again, for breakpoints and steps."""

import time

import debuggable


def double(n):
    once = n
    twice = once + n  # line: twice here
    return twice


def main():
    debuggable.allow()
    print("ready", flush=True)
    n = 0
    while True:
        n += 1
        double(n)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
